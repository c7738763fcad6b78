"""Order: expressions one after another."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar, overload

from cascade._core.expr.lazy import LazyResult
from cascade._core.expr.task import task
from cascade._support.public import public
from cascade.exceptions import PolicyError

__all__ = ["pipeline", "sequence"]

R = TypeVar("R")


@task(name="sequence", mode="inline")
def _sequence(*values: Any) -> list[Any]:
    return list(values)


@overload
def sequence(steps: Iterable[LazyResult[R]]) -> list[R]: ...
@overload
def sequence(steps: Iterable[R]) -> list[R]: ...
@public
def sequence(steps: Iterable[Any]) -> Any:
    """A lazy result that gives the list of the values of others, each started when the one before has ended.

    Each step but the first is taken as ``step.after(the one before)``, which is a node of its own. What a step takes as
    its arguments may run earlier. If a step is skipped, so are all that follow.

    Args:
        steps: lazy results.

    Raises:
        PolicyError: a step is no lazy result.

    >>> import cascade as cs
    >>> said = []
    >>> @cs.task(mode="inline")
    ... def say(word):
    ...     said.append(word)
    ...     return len(word)
    >>> cs.run(cs.sequence([say("one"), say("three"), say("two")])), said
    ([3, 5, 3], ['one', 'three', 'two'])
    """
    made: list[Any] = []
    for index, step in enumerate(steps):
        if type(step) is not LazyResult:
            raise PolicyError(f"expected a lazy result, got `{type(step).__name__}` - at `steps[{index}]`")
        made.append(step.after(made[-1]) if made else step)
    return _sequence(*made)


@overload
def pipeline(value: LazyResult[R], steps: Iterable[Callable[[R], R]]) -> R: ...
@overload
def pipeline(value: R, steps: Iterable[Callable[[R], R]]) -> R: ...
@overload
def pipeline(value: object, steps: Iterable[Callable[[Any], Any]]) -> Any: ...
@public
def pipeline(value: object, steps: Iterable[Callable[[Any], Any]]) -> Any:
    """What comes of a value when one task after another is called with what the one before gave.

    Args:
        value: a lazy result, or any value.
        steps: tasks, or other callables that give lazy results, each taking one argument.

    Returns:
        The last step's `LazyResult`; ``value`` itself if there is no step.

    Raises:
        PolicyError: a step is not callable.

    >>> import cascade as cs
    >>> @cs.task(mode="inline")
    ... def double(x):
    ...     return 2 * x
    >>> cs.run(cs.pipeline(5, [double, double]))
    20
    """
    chosen = list(steps)
    for index, step in enumerate(chosen):
        if not callable(step):
            raise PolicyError(f"expected a task, got `{type(step).__name__}` - at `steps[{index}]`")
    for step in chosen:
        value = step(value)
    return value
