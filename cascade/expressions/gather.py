"""Gathering: one lazy result for the values of several."""

from __future__ import annotations

from typing import Any

from cascade._core.expr.data import data
from cascade._core.expr.task import task
from cascade._support.public import public

__all__ = ["gather"]


@task(name="gather", mode="inline")
@public
def gather(*values: Any) -> list[Any]:
    """Return a lazy result whose value is the list of the values of its arguments.

    Args:
        values: lazy results, or any other arguments of a task.

    >>> import cascade as cs
    >>> @cs.task(mode="inline")
    ... def double(x):
    ...     return 2 * x
    >>> cs.run(cs.gather(double(1), double(2)))
    [2, 4]
    """
    return data(list(values))  # type: ignore[no-any-return]  # values already: none of them is searched again
