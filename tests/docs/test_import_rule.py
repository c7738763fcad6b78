"""The import rule: a folder imports folders of lower layers only, and nothing imports in a circle.

`TYPE_CHECKING` imports, imports in functions, stubs and `cimport`s count as well.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import cascade as cs

PACKAGE = Path(__file__).parents[2] / "cascade"

LAYERS = [
    ["exceptions", "_version"],
    ["_core", "extras"],
    ["_support"],
    ["graph", "expressions", "clock", "messaging", "cache", "workers", "durable"],
    ["templates", "limits", "resources", "events"],
    ["engine"],
    ["inspect", "testing"],
    ["", "protocols"],  # "": cascade/__init__.py
    ["demos"],
    ["command_line"],
    ["__main__"],
]
LAYER = {name: number for number, names in enumerate(LAYERS) for name in names}

# `cs.cli` makes a command of a target: imported when it is first asked for, by `cascade/__init__.py`.
EXCEPTION = ("cascade", "cascade.command_line.program")


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")


FILES = sorted(path for path in PACKAGE.rglob("*") if path.suffix in (".py", ".pyi", ".pyx", ".pxd"))
MODULES = {module_of(path) for path in FILES}


def imports_of(path: Path) -> Iterator[str]:
    """Yield the modules of the package that a file imports, by name."""
    text = path.read_text()
    if path.suffix in (".pyx", ".pxd"):  # which `ast` does not read
        for base, one, named in re.findall(
            r"^[ ]*(?:from (cascade[\w.]*) c?import \(?(\w+)?|c?import (cascade[\w.]*))", text, re.MULTILINE
        ):
            yield f"{base}.{one}" if f"{base}.{one}" in MODULES else base or named
        return
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.partition(".")[0] == "cascade")
        elif isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "cascade":
            assert node.level == 0 and node.module is not None
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                yield full if full in MODULES else node.module


IMPORTS = {path: sorted({name for name in imports_of(path) if (module_of(path), name) != EXCEPTION}) for path in FILES}


def folder_of(module: str) -> str:
    return [*module.split("."), ""][1]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_folder_imports_lower_layers_only(path: Path) -> None:
    own = folder_of(module_of(path))
    for name in IMPORTS[path]:
        other = folder_of(name)
        assert own == other or LAYER[other] < LAYER[own], f"{path.relative_to(PACKAGE)} imports {name}"


def test_every_folder_has_a_layer() -> None:
    assert {folder_of(module) for module in MODULES} == set(LAYER)


def test_no_circles() -> None:
    """Not of files of one folder either. A compiled file and its header are one module.

    Stubs are left out: a task makes lazy results and a lazy result has its task, so their stubs name each other.
    """
    graph: dict[str, set[str]] = {module: set() for module in MODULES}
    for path, names in IMPORTS.items():
        if path.suffix == ".pyi":
            continue
        graph[module_of(path)] |= {name for name in names if name != module_of(path) and name in MODULES}
    done: set[str] = set()
    trail: list[str] = []

    def visit(module: str) -> None:
        if module in done:
            return
        assert module not in trail, " -> ".join([*trail[trail.index(module) :], module])
        trail.append(module)
        for name in sorted(graph[module]):
            visit(name)
        done.add(trail.pop())

    for module in sorted(graph):
        visit(module)


def test_only_these_await() -> None:
    """Coroutines are where an event loop is: elsewhere code is sync, so that it can be read and tested as such."""
    allowed = {"engine", "clock", "messaging", "limits", "resources", "cache", "testing", "demos"}
    awaiting = set()
    for path in FILES:
        if path.suffix == ".py":
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Await | ast.AsyncFor | ast.AsyncWith):
                    awaiting.add(folder_of(module_of(path)))
    assert awaiting <= allowed


def test_demos_use_public_names_only() -> None:
    """They show what users can write."""
    for path in FILES:
        if folder_of(module_of(path)) == "demos":
            names = {name for name in IMPORTS[path] if folder_of(name) != "demos"}
            assert names <= {"cascade", "cascade.extras"}, path
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "cs":
                    assert node.attr in cs.__all__, f"{path}: {node.attr}"
