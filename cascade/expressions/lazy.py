"""`cascade.lazy`: a lazy result by its own type, where a type checker sees its value."""

from __future__ import annotations

from typing import Any, TypeVar, overload

from cascade._core.expr.lazy import LazyResult
from cascade._core.expr.task import Task
from cascade._core.tracebacks import hide_frames
from cascade._support.public import public

__all__ = ["lazy"]

R = TypeVar("R")


@overload
def lazy(x: LazyResult[R], /) -> LazyResult[R]: ...
@overload
def lazy(x: R, /) -> LazyResult[R]: ...
@public
def lazy(x: Any, /) -> LazyResult[Any]:
    """Return a lazy result as it is. To a type checker, which sees its value, it is a `LazyResult` from here on.

    Use it to call a method of one result, such as `LazyResult.after`, `LazyResult.run_if` or `LazyResult.fallback`, and
    to await a result in an async task: ``await cs.lazy(f(x))``.

    Args:
        x: a lazy result: a call of a task, `cascade.gather`, `cascade.Router`, `cascade.wait` and the like.

    Returns:
        ``x`` itself.

    Raises:
        TypeError: ``x`` is not a lazy result.

    >>> import cascade as cs
    >>> @cs.task(mode="inline")
    ... def half(n: int) -> int:
    ...     return n // 2
    >>> cs.run(cs.lazy(half(4)).run_if(False, otherwise=0))
    0
    >>> cs.lazy(half)
    Traceback (most recent call last):
        ...
    TypeError: x must be a lazy result, got the task `half`: call it, as in cs.lazy(half(...))
    """
    try:
        if type(x) is LazyResult:
            return x
        if isinstance(x, Task):
            name = x.__name__
            raise TypeError(f"x must be a lazy result, got the task `{name}`: call it, as in cs.lazy({name}(...))")
        hint = ": write cs.lazy(cs.gather(...)) for several" if isinstance(x, (list, tuple)) else ""
        raise TypeError(f"x must be a lazy result, such as a call of a task, got `{type(x).__name__}`{hint}")
    except BaseException as error:
        hide_frames(error)
        raise
