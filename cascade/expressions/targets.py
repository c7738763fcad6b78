"""Targets: what users give to be run."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Iterable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, TypeVar

from cascade._core.expr.lazy import LazyResult
from cascade._core.expr.task import Task
from cascade._core.run.results import expression_of
from cascade.exceptions import TargetError

if TYPE_CHECKING:
    from collections import OrderedDict, defaultdict

    from cascade._core.expr.lazy import _LazyValue

    K = TypeVar("K")
    R = TypeVar("R")
    # Of lazy results by their own type, which may stand for values or not: a list of the ones is no list of the others.
    ListOf: TypeAlias = list[LazyResult[R]] | list[_LazyValue[R]]
    DictOf: TypeAlias = dict[K, LazyResult[R]] | dict[K, _LazyValue[R]]
    # These are no such tuples and dicts: they keep their own type, even if what they hold is of any type.
    C = TypeVar("C", bound=NamedTuple | OrderedDict[Any, Any] | defaultdict[Any, Any])

__all__ = ["expression"]

_CONTAINERS = (list, tuple, dict, set, frozenset)


def expression(target: object, index: int | None = None) -> LazyResult:
    """Return a target as one lazy result: itself, or what stands for a container or a value.

    Args:
        target: what a user gave.
        index: its place among many targets; None: it is the only one.

    Raises:
        TargetError: it is a task or a function that was not called, or something to be awaited or iterated over.
        StructureError: it is an object that must not hold a lazy result, such as a dataclass, and holds one.
    """
    if type(target) is LazyResult:
        return target
    place = "target" if index is None else f"targets[{index}]"
    _check(target, place)
    if type(target) in _CONTAINERS:
        members: Iterable[tuple[object, object]]
        members = target.items() if isinstance(target, dict) else enumerate(target)  # type: ignore[arg-type]
        for key, member in members:
            if type(member) is Task:
                _check(member, f"{place}[{key!r}]" if isinstance(target, list | tuple | dict) else place)
    return expression_of(target)


def _check(target: object, place: str) -> None:
    if type(target) is Task:
        raise TargetError(
            f"{place} must be a lazy result or a value, got {target!r}, which was not called: "
            f"write {target.__name__}(...); or cs.data({target.__name__}) if the task itself is meant"
        )
    if inspect.isroutine(target) or isinstance(target, type):
        name = getattr(target, "__name__", "it")
        raise TargetError(
            f"{place} must be a lazy result or a value, got `{type(target).__name__}` {name!r}, which was not called: "
            f"make a task of it, @cs.task, and call that; or write cs.data({name}) if it is meant itself"
        )
    if inspect.isawaitable(target):
        raise TargetError(
            f"{place} must be a lazy result or a value, got `{type(target).__name__}`: make a task of the async "
            f"function, @cs.task, and call that"
        )
    if isinstance(target, Iterator | AsyncIterator):  # such as a generator: what it yields is not looked into
        raise TargetError(
            f"{place} must be a lazy result or a value, got `{type(target).__name__}`: write a list, [... for ...]"
        )
