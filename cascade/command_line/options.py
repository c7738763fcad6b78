"""Options of a command that is made of a target: of a param, or of a parameter of a task."""

from __future__ import annotations

import inspect
from collections.abc import Collection, Sequence
from enum import Enum
from pathlib import PurePath
from types import NoneType
from typing import Annotated, Any, get_args

from cascade._core.expr.lazy import LazyResult
from cascade._core.expr.task import Task
from cascade.expressions.conversion import kind_of, shown, type_name

__all__ = ["default_text", "docstring", "option_name", "option_type"]

_WORDS = {"int": "INTEGER", "float": "NUMBER", "bool": "BOOLEAN", "dict": "JSON", "object": "JSON", "class": "TEXT"}
_LONGEST = 40


def option_name(name: str) -> str:
    """Return the option for a name: underscores are hyphens, apart from those at the beginning.

    >>> option_name("max_depth"), option_name("_private_thing")
    ('--max-depth', '--_private-thing')
    """
    bare = name.lstrip("_")
    return f"--{name[: len(name) - len(bare)]}{bare.replace('_', '-')}"


def option_type(
    name: str, wanted: Any, *, remarks: Sequence[str], others: Collection[str], by_name: bool = True
) -> Any:
    """Return the annotation for cyclopts of an option. Its value remains text, except for flags.

    Args:
        name: of the param or parameter.
        wanted: its type; None: any.
        remarks: what ``--help`` says of it.
        others: the names of all params or parameters of the command.
        by_name: whether it has an option of its own, unlike `*args` and `**kwargs`.
    """
    from cyclopts import Parameter

    option = option_name(name)
    settings: dict[str, Any] = {"show_default": False}
    if by_name:
        settings["name"] = (option,)
    parts = list(remarks)
    flag = by_name and kind_of(wanted) == "bool"
    if flag:
        settings["negative"] = () if f"no_{name}" in others else (f"--no-{option[2:]}",)
        settings["converter"] = _given
    elif "metavar" in inspect.signature(Parameter).parameters:  # not in the first versions of cyclopts 4
        settings["metavar"] = _word(wanted)
    else:
        parts.insert(0, _word(wanted))
    settings["help"] = " ".join(parts)
    kind: Any = str
    if by_name:
        kind = bool | None if flag else str | None
    return Annotated[kind, Parameter(**settings)]


def _given(kind: Any, tokens: Sequence[Any]) -> Any:
    """Return the value of a flag; as text, where it was given as text."""
    implicit = tokens[0].implicit_value
    return implicit if isinstance(implicit, bool) else tokens[0].value


def default_text(value: Any) -> str:
    """Return a default as text for a command line."""
    if isinstance(value, str):
        return value if value.isprintable() and value.strip() == value and value and len(value) < 60 else shown(value)
    if isinstance(value, Enum):
        return str(value.value) if isinstance(value.value, str) else value.name
    return str(value) if isinstance(value, PurePath) else shown(value)


def docstring(target: Any) -> str | None:
    """Return the docstring of the function of a task, of a call of it, or of a function; None: there is none."""
    task = target.task if isinstance(target, LazyResult) else target
    function = task.fn if isinstance(task, Task) else task
    return inspect.getdoc(function) if inspect.isroutine(function) else None


def _word(wanted: Any) -> str:
    """Return the placeholder for a value of a type in the text of ``--help``."""
    kind = kind_of(wanted)
    if kind == "union":
        return "|".join(dict.fromkeys(_word(member) for member in get_args(wanted) if member is not NoneType))
    if kind in ("literal", "enum"):
        options = [default_text(option) for option in (wanted if kind == "enum" else get_args(wanted))]
        listed = "|".join(options)
        return listed if options and len(listed) <= _LONGEST else "CHOICE"
    if kind == "items":
        parts = [part for part in get_args(wanted) if part is not ...]
        return f"{_word(parts[0]) if parts else 'TEXT'},..."
    if kind == "class" and issubclass(wanted, PurePath):
        return "PATH"
    return type_name(wanted).upper() if kind == "scalar" else _WORDS.get(kind, "TEXT")
