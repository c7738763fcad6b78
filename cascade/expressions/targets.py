"""Targets: the expressions of runs."""

from __future__ import annotations

from cascade._core.expr.builtin_nodes import targets_call
from cascade._core.expr.lazy import LazyResult
from cascade.exceptions import TargetError

__all__ = ["expression"]


def expression(target: object, index: int | None = None) -> LazyResult:
    """Return a target as one lazy result: itself or, for a list, one whose value is the list of the values.

    Args:
        target: the argument of a user.
        index: its position among many targets; None: it is the only one.

    Raises:
        TargetError: ``target`` is neither a lazy result nor a list or tuple of them.

    >>> import cascade as cs
    >>> target = cs.gather(1, 2)
    >>> expression(target) is target, cs.run(expression([target, target]))
    (True, [[1, 2], [1, 2]])
    """
    if type(target) is LazyResult:
        return target
    if type(target) is not list and type(target) is not tuple:
        place = "" if index is None else f" - at `targets[{index}]`"
        raise TargetError(f"target must be a lazy result or a list of them, got `{type(target).__name__}`{place}")
    for number, item in enumerate(target):
        if type(item) is not LazyResult:
            where = "target" if index is None else f"targets[{index}]"
            raise TargetError(f"target must be a lazy result, got `{type(item).__name__}` - at `{where}[{number}]`")
    return targets_call(target)
