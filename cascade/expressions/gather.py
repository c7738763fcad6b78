"""Gathering: one lazy result for the values of several."""

from __future__ import annotations

from typing import Any

from cascade._core.expr.builtin_nodes import or_failure
from cascade._core.expr.lazy import LazyResult
from cascade._core.expr.task import task
from cascade._support.public import public
from cascade.exceptions import TaskArgumentError

__all__ = ["gather"]


@public
def gather(*values: Any, return_exceptions: bool = False) -> LazyResult:
    """Return a lazy result whose value is the list of the values of its arguments.

    Args:
        values: lazy results, or any other arguments of a task.
        return_exceptions: whether the value of an argument that fails is its exception. Otherwise the first failure is
            that of the whole, and the others are cancelled.

    Returns:
        A `LazyResult`.

    Raises:
        TaskArgumentError: ``return_exceptions`` is not a bool.

    >>> import cascade as cs
    >>> @cs.task(mode="inline")
    ... def inverse(x):
    ...     return 1 / x
    >>> cs.run(cs.gather(inverse(2), inverse(4)))
    [0.5, 0.25]
    >>> cs.run(cs.gather(inverse(2), inverse(0), return_exceptions=True))
    [0.5, ZeroDivisionError('division by zero')]
    """
    if type(return_exceptions) is not bool:
        raise TaskArgumentError(f"return_exceptions must be a bool, got {return_exceptions!r}")
    return _gather(*(map(or_failure, values) if return_exceptions else values))


@task(name="gather", mode="inline")
@public
def _gather(*values: Any) -> list[Any]:
    return list(values)


vars(gather)["__cascade_task__"] = _gather  # as which a pickled call finds it
