"""Gathering: one lazy result for the values of several."""

from __future__ import annotations

from types import GeneratorType
from typing import Any, Literal, TypeAlias, TypeVar, TypeVarTuple, overload

from cascade._core.expr.builtin_nodes import own_failure
from cascade._core.expr.combining import gather_call
from cascade._core.expr.handlers import itself
from cascade._core.expr.lazy import LazyResult, refuse_task_as
from cascade._core.expr.policy import hint_if_lazy
from cascade._core.tracebacks import hide_frames
from cascade._support.public import public
from cascade.exceptions import PolicyError, TaskArgumentError

__all__ = ["gather"]

A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
D = TypeVar("D")
E = TypeVar("E")
F = TypeVar("F")
Values = TypeVarTuple("Values")

No: TypeAlias = Literal[False]
Yes: TypeAlias = Literal[True]
OrError: TypeAlias = A | Exception


# To a type checker, which sees values, few would do. But no type says of any number of arguments what their values are
# if some are lazy results by their own type, or that each may be an exception. So this goes as far as programs do.
@overload
def gather(*, return_exceptions: bool = ...) -> tuple[()]: ...
@overload
def gather(a: LazyResult[A], /, *, return_exceptions: No = ...) -> tuple[A]: ...
@overload
def gather(a: LazyResult[A], b: LazyResult[B], /, *, return_exceptions: No = ...) -> tuple[A, B]: ...
@overload
def gather(a: LazyResult[A], b: B, /, *, return_exceptions: No = ...) -> tuple[A, B]: ...
@overload
def gather(a: A, b: LazyResult[B], /, *, return_exceptions: No = ...) -> tuple[A, B]: ...
@overload
def gather(
    a: LazyResult[A], b: LazyResult[B], c: LazyResult[C], /, *, return_exceptions: No = ...
) -> tuple[A, B, C]: ...
@overload
def gather(a: LazyResult[A], b: LazyResult[B], c: C, /, *, return_exceptions: No = ...) -> tuple[A, B, C]: ...
@overload
def gather(a: LazyResult[A], b: B, c: LazyResult[C], /, *, return_exceptions: No = ...) -> tuple[A, B, C]: ...
@overload
def gather(a: LazyResult[A], b: B, c: C, /, *, return_exceptions: No = ...) -> tuple[A, B, C]: ...
@overload
def gather(a: A, b: LazyResult[B], c: LazyResult[C], /, *, return_exceptions: No = ...) -> tuple[A, B, C]: ...
@overload
def gather(a: A, b: LazyResult[B], c: C, /, *, return_exceptions: No = ...) -> tuple[A, B, C]: ...
@overload
def gather(a: A, b: B, c: LazyResult[C], /, *, return_exceptions: No = ...) -> tuple[A, B, C]: ...
@overload
def gather(*values: LazyResult[A], return_exceptions: No = ...) -> tuple[A, ...]: ...
@overload
def gather(*values: *Values, return_exceptions: No = ...) -> tuple[*Values]: ...
@overload
def gather(a: LazyResult[A], /, *, return_exceptions: Yes) -> tuple[OrError[A]]: ...
@overload
def gather(a: A, /, *, return_exceptions: Yes) -> tuple[OrError[A]]: ...
@overload
def gather(a: LazyResult[A], b: LazyResult[B], /, *, return_exceptions: Yes) -> tuple[OrError[A], OrError[B]]: ...
@overload
def gather(a: LazyResult[A], b: B, /, *, return_exceptions: Yes) -> tuple[OrError[A], OrError[B]]: ...
@overload
def gather(a: A, b: LazyResult[B], /, *, return_exceptions: Yes) -> tuple[OrError[A], OrError[B]]: ...
@overload
def gather(a: A, b: B, /, *, return_exceptions: Yes) -> tuple[OrError[A], OrError[B]]: ...
@overload
def gather(
    a: LazyResult[A], b: LazyResult[B], c: LazyResult[C], /, *, return_exceptions: Yes
) -> tuple[OrError[A], OrError[B], OrError[C]]: ...
@overload
def gather(
    a: LazyResult[A], b: LazyResult[B], c: C, /, *, return_exceptions: Yes
) -> tuple[OrError[A], OrError[B], OrError[C]]: ...
@overload
def gather(
    a: LazyResult[A], b: B, c: LazyResult[C], /, *, return_exceptions: Yes
) -> tuple[OrError[A], OrError[B], OrError[C]]: ...
@overload
def gather(a: LazyResult[A], b: B, c: C, /, *, return_exceptions: Yes) -> tuple[OrError[A], OrError[B], OrError[C]]: ...
@overload
def gather(
    a: A, b: LazyResult[B], c: LazyResult[C], /, *, return_exceptions: Yes
) -> tuple[OrError[A], OrError[B], OrError[C]]: ...
@overload
def gather(a: A, b: LazyResult[B], c: C, /, *, return_exceptions: Yes) -> tuple[OrError[A], OrError[B], OrError[C]]: ...
@overload
def gather(a: A, b: B, c: LazyResult[C], /, *, return_exceptions: Yes) -> tuple[OrError[A], OrError[B], OrError[C]]: ...
@overload
def gather(a: A, b: B, c: C, /, *, return_exceptions: Yes) -> tuple[OrError[A], OrError[B], OrError[C]]: ...
@overload
def gather(
    a: A, b: B, c: C, d: D, /, *, return_exceptions: Yes
) -> tuple[OrError[A], OrError[B], OrError[C], OrError[D]]: ...
@overload
def gather(
    a: A, b: B, c: C, d: D, e: E, /, *, return_exceptions: Yes
) -> tuple[OrError[A], OrError[B], OrError[C], OrError[D], OrError[E]]: ...
@overload
def gather(
    a: A, b: B, c: C, d: D, e: E, f: F, /, *, return_exceptions: Yes
) -> tuple[OrError[A], OrError[B], OrError[C], OrError[D], OrError[E], OrError[F]]: ...
@overload
def gather(*values: LazyResult[A], return_exceptions: bool) -> tuple[OrError[A], ...]: ...
@overload
def gather(*values: A, return_exceptions: bool) -> tuple[OrError[A], ...]: ...
@public  # type: ignore[misc]  # mypy compares it with the signature of any `*Values`
def gather(*values: Any, return_exceptions: bool = False) -> Any:
    """Return a lazy result whose value is the tuple of the values of its arguments.

    Args:
        values: lazy results, or any other arguments of a task.
        return_exceptions: whether the value of an argument that fails is its exception. Otherwise the first failure is
            that of the whole, and the other arguments are cancelled. With either, a skipped argument skips the whole.

    Returns:
        A `LazyResult`.

    Raises:
        PolicyError: one of ``values`` is a task that was not called, or the only one is a generator.
        TaskArgumentError: ``return_exceptions`` is not a bool.

    >>> import cascade as cs
    >>> @cs.task(mode="inline")
    ... def inverse(x):
    ...     return 1 / x
    >>> cs.run(cs.gather(inverse(2), inverse(4)))
    (0.5, 0.25)
    >>> cs.run(cs.gather(inverse(2), inverse(0), return_exceptions=True))
    (0.5, ZeroDivisionError('division by zero'))
    """
    try:
        if type(return_exceptions) is not bool:
            hint = hint_if_lazy(return_exceptions)
            raise TaskArgumentError(f"return_exceptions must be a bool, got {return_exceptions!r}{hint}")
        if len(values) == 1 and type(values[0]) is GeneratorType:
            raise PolicyError("values of gather() must be its arguments, got one generator: write cs.gather(*values)")
        for i, value in enumerate(values):
            refuse_task_as(value, f"values[{i}]")
        return gather_call(tuple(map(own_failure, values)) if return_exceptions else values)
    except BaseException as error:
        hide_frames(error)
        raise


# Pickles find the handler by this name.
itself.__module__, itself.__qualname__ = "cascade", "gather.itself"
vars(gather)["itself"] = itself
