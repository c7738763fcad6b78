"""Gathering: one lazy result for the values of several."""

from __future__ import annotations

from typing import Any, TypeVar, TypeVarTuple, overload

from cascade._core.expr.lazy import LazyResult
from cascade._core.expr.task import task
from cascade._support.public import public

__all__ = ["gather"]

A = TypeVar("A")
B = TypeVar("B")
Values = TypeVarTuple("Values")


# To a type checker, which sees values, the last one would do. The others are for lazy results by their own type.
@overload
def gather() -> tuple[()]: ...
@overload
def gather(a: LazyResult[A], b: LazyResult[B], /) -> tuple[A, B]: ...
@overload
def gather(a: LazyResult[A], b: B, /) -> tuple[A, B]: ...
@overload
def gather(a: A, b: LazyResult[B], /) -> tuple[A, B]: ...
@overload
def gather(a: LazyResult[A], /) -> tuple[A]: ...
@overload
def gather(*values: LazyResult[A]) -> tuple[A, ...]: ...
@overload
def gather(*values: *Values) -> tuple[*Values]: ...
@task(name="gather", mode="inline")
@public
def gather(*values: Any) -> Any:
    """Return a lazy result whose value is the tuple of the values of its arguments.

    Args:
        values: lazy results, or any other arguments of a task.

    >>> import cascade as cs
    >>> @cs.task(mode="inline")
    ... def double(x):
    ...     return 2 * x
    >>> cs.run(cs.gather(double(1), double(2)))
    (2, 4)
    """
    return values
