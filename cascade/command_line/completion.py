"""Completion of targets in a shell: the names in files that may be targets. Nothing is imported, so nothing is run."""

from __future__ import annotations

import ast
import inspect
import os
from collections.abc import Iterator
from typing import Any

from cyclopts import Parameter

__all__ = ["completed", "targets"]

_FILES = 200  # files that are read for one completion, at most
_DEPTH = 3  # packages in packages
_LONGEST = 60
_MADE_BY = (ast.Call, ast.List, ast.Tuple, ast.Dict, ast.BinOp, ast.Subscript)
"""The expressions that may make a target."""


def completed(**settings: Any) -> Parameter:
    """Return the setting of an argument that is the name of a target, for cyclopts."""
    if "completer" in inspect.signature(Parameter).parameters:  # not in the first versions of cyclopts 4
        settings["completer"] = _complete
    return Parameter(**settings)


def _complete(context: Any) -> list[tuple[str, str]]:
    """Return the targets for the word that is being completed; cyclopts calls it."""
    typed = context.incomplete
    beside = context.get("target")
    if beside is not None and context.argument.field_info.name == "arguments":
        # Bash splits words at colons: `jobs:ma` is the target `jobs` with the arguments `:` and `ma`.
        if beside.raw is None or context.get("arguments").raw_tokens != (":",):
            return []
        before = f"{beside.raw}:"
        return [(name.removeprefix(before), text) for name, text in targets(f"{before}{typed}")]
    return list(targets(typed))


def targets(typed: str, folder: str = "") -> Iterator[tuple[str, str]]:
    """Yield the targets whose names begin with a text, each with the first line of its docstring.

    Args:
        typed: the beginning of "module:name" or "file.py:name".
        folder: where modules are searched; "": in the current directory.
    """
    module, _, name = typed.partition(":")
    wanted = module if ":" in typed else None
    by_file = os.sep in module or module.endswith(".py")
    found = _files(module, folder) if by_file else _modules(module, folder or os.curdir)
    for title, path in found:
        if title != wanted if wanted is not None else not title.startswith(module):
            continue
        for target, text in _names(path):
            if target.startswith(name):
                yield f"{title}:{target}", text


def _files(typed: str, folder: str) -> Iterator[tuple[str, str]]:
    """Yield the files beside a path that is being typed: as they would be typed, and as they are found."""
    shown = os.path.dirname(typed)
    for entry in _entries(os.path.join(folder, shown) or os.curdir)[:_FILES]:
        if entry.name.endswith(".py"):
            yield os.path.join(shown, entry.name), entry.path


def _modules(typed: str, folder: str) -> Iterator[tuple[str, str]]:
    """Yield the modules in a folder, packages included, as names and files."""
    left = _FILES
    for name, path in _walk(folder, "", typed, _DEPTH):
        yield name, path
        left -= 1
        if not left:
            return


def _walk(folder: str, package: str, typed: str, depth: int) -> Iterator[tuple[str, str]]:
    for entry in _entries(folder):
        stem = entry.name.removesuffix(".py")
        name = f"{package}{stem}"
        if not stem.isidentifier() or not (name.startswith(typed) or typed.startswith(name)):
            continue
        if entry.name.endswith(".py"):
            yield name, entry.path
        elif depth and entry.is_dir():
            yield from _walk(entry.path, f"{name}.", typed, depth - 1)


def _entries(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError:  # there is no such folder, or it is not readable
        return []


def _names(path: str) -> Iterator[tuple[str, str]]:
    """Yield the names in a file that may be targets, without running it."""
    try:
        with open(path, "rb") as file:
            body = ast.parse(file.read()).body
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            names, text = [node.name], (ast.get_docstring(node) or "").partition("\n")[0][:_LONGEST]
        elif isinstance(node, ast.Assign) and isinstance(node.value, _MADE_BY):
            names, text = [each.id for each in node.targets if isinstance(each, ast.Name)], ""
        elif isinstance(node, ast.AnnAssign) and isinstance(node.value, _MADE_BY):
            names, text = [node.target.id] if isinstance(node.target, ast.Name) else [], ""
        else:
            continue
        for name in names:
            if not name.startswith("_"):
                yield name, text
