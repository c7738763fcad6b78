"""Targets on a command line: the object that `module:name` names."""

from __future__ import annotations

import importlib
import inspect
import os
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from functools import reduce
from types import ModuleType
from typing import Any, TypeAlias

from cascade._core.expr.lazy import LazyResult
from cascade._core.expr.task_spec import signature_of
from cascade._core.shape.extract import finds_lazy
from cascade._support.failures import add_note
from cascade.command_line.status import UsageError

__all__ = ["Target", "add_working_directory", "check_callable", "find", "find_target", "is_target", "target_of"]

_NONE: Mapping[str, Any] = {}

Target: TypeAlias = "LazyResult | list[Any] | tuple[Any, ...] | dict[Any, Any]"


def find_target(text: str) -> Any:
    """Return the target that `text` names. The current directory is searched first.

    Args:
        text: "module:name" or "file.py:name". The name, which may contain dots, is that of a lazy result, of a
            container of lazy results, or of a task or function without required arguments, which is called for the
            target.

    Raises:
        UsageError: there is no such module, no such name in it, or the object is not a target.
        BaseException: the exception of the module's import or of the function's call, with a note.
    """
    found = find(text)
    if is_target(found):
        return found
    check_callable(found, text)
    _check_needs_nothing(found, text)
    return target_of(found, text)


def check_callable(found: object, text: str) -> None:
    """Check that an object, which is no target, is a task or function.

    Raises:
        UsageError: it is not.
    """
    if not callable(found) or isinstance(found, type):
        raise UsageError(
            f"{text} must be a lazy result, a list of them, or a function that returns one, got {_kind(found)}"
        )


def target_of(found: Callable[..., Any], text: str, args: Sequence[Any] = (), kwargs: Mapping[str, Any] = _NONE) -> Any:
    """Return the target that a task or function returns.

    Raises:
        UsageError: it returns something else.
        BaseException: the exception of the call, with a note.
    """
    try:
        made = found(*args, **kwargs)
    except Exception as error:
        add_note(error, f"while calling {text}()")
        raise
    if is_target(made):
        return made
    if inspect.iscoroutine(made):
        made.close()
    raise UsageError(f"{text}() must return a lazy result or a list of them, got {_kind(made)}")


def is_target(value: object) -> bool:
    """Whether a value is a target for a command: a lazy result, or a container with a lazy result inside.

    Unlike `cascade.run`, a command does not take any other value: it would be a mistake in its argument.
    """
    return (type(value) in (list, tuple) and not value) or finds_lazy(value)


def find(text: str) -> Any:
    r"""Return the object that "module:name" or "file.py:name" names.

    Raises:
        UsageError: there is no such object.
        BaseException: the exception of the module's import, with a note that contains the place.

    >>> find("os:path.sep") in "/\\"
    True
    >>> find("os:path.sepp")
    Traceback (most recent call last):
        ...
    cascade.command_line.status.UsageError: os.path has no 'sepp' (did you mean ...
    """
    name, colon, attribute = text.rpartition(":")
    if not colon or not name or not attribute:
        raise UsageError(f"name must be MODULE:NAME, such as jobs:main, got {text!r}")
    module = _import_file(name) if name.endswith(".py") else _import(name)
    parts = attribute.split(".")
    for count, part in enumerate(parts):
        owner = reduce(getattr, parts[:count], module)
        if not hasattr(owner, part):
            close = get_close_matches(part, dir(owner), n=3)
            hint = f" (did you mean {' or '.join(map(repr, close))}?)" if close else ""
            where = ".".join([module.__name__, *parts[:count]])
            raise UsageError(f"{'' if count else 'module '}{where} has no {part!r}{hint}")
    return reduce(getattr, parts, module)


def add_working_directory() -> None:
    """Make modules of the working directory importable, as `python -m` does."""
    if os.getcwd() not in sys.path and "" not in sys.path:
        sys.path.insert(0, os.getcwd())


def _import(name: str) -> ModuleType:
    add_working_directory()
    if not all(part.isidentifier() for part in name.split(".")):
        raise UsageError(f"module must be named as in `import`, such as jobs.daily, got {name!r}")
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if name == missing or name.startswith(f"{missing}."):
            here = f" in {os.getcwd()} nor installed"
            raise UsageError(f"cannot import module {name!r}: no {missing!r}{here}") from None
        add_note(error, _import_place(error, name))
        raise
    except Exception as error:
        add_note(error, _import_place(error, name))
        raise


def _import_file(path: str) -> ModuleType:
    """Import a file as the module that it is: its packages, which have an `__init__.py`, are in its name."""
    file = os.path.abspath(path)
    if not os.path.isfile(file):
        raise UsageError(f"cannot import file {path!r}: there is none in {os.getcwd()}")
    folder, base = os.path.split(file)
    parts = [base[:-3]]
    while os.path.exists(os.path.join(folder, "__init__.py")):
        folder, package = os.path.split(folder)
        parts.insert(0, package)
    if parts[-1] == "__init__" and len(parts) > 1:
        parts.pop()
    add_working_directory()
    if folder not in sys.path:
        sys.path.insert(0, folder)  # before the working directory, which may have a module of the same name
    name = ".".join(parts)
    module = _import(name)
    loaded = getattr(module, "__file__", None)
    if loaded is None or not os.path.exists(loaded) or not os.path.samefile(loaded, file):
        raise UsageError(
            f"cannot import file {path!r}: {name!r} is the name of another module, {loaded or 'a part of Python'}"
        )
    return module


def _import_place(error: BaseException, name: str) -> str:
    """Return where in a module its import failed, without frames of the import system and of Cascade."""
    own = os.path.dirname(os.path.dirname(__file__)) + os.sep
    frames = [
        frame for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith((own, "cascade/_core/", "<frozen importlib")) and
        frame.filename != importlib.__file__
    ]  # fmt: skip
    place = f", {frames[-1].filename}:{frames[-1].lineno}" if frames else ""
    return f"while importing {name}{place}"


def _check_needs_nothing(found: Callable[..., Any], text: str) -> None:
    try:
        signature = signature_of(found)
    except (TypeError, ValueError):  # some built-in functions have no signature
        signature = inspect.Signature()
    needed = [
        parameter.name for parameter in signature.parameters.values()
        if parameter.default is parameter.empty
        and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    ]  # fmt: skip
    if needed:
        listed = ", ".join(map(repr, needed))
        raise UsageError(f"{text} must need no arguments, but needs {listed}: use params (cs.Param)")


def _kind(value: object) -> str:
    if type(value) is list or type(value) is tuple:
        index, item = next((i, item) for i, item in enumerate(value) if type(item) is not LazyResult)
        return f"`{type(item).__name__}` at item {index}"
    return f"`{type(value).__name__}`"
