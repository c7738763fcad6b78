"""Order: expressions one after another."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from cascade._core.expr.lazy import LazyResult
from cascade._support.public import public
from cascade.exceptions import PolicyError
from cascade.expressions.gather import gather

__all__ = ["pipeline", "sequence"]


@public
def sequence(steps: Iterable[LazyResult]) -> LazyResult:
    """A lazy result that gives the list of the values of others, each started when the one before has ended.

    Each step but the first is taken as ``step.after(the one before)``, which is a node of its own. What a step takes as
    its arguments may run earlier. If a step is skipped, so are all that follow.

    Args:
        steps: lazy results.

    Raises:
        PolicyError: a step is no lazy result.

    >>> import cascade as cs
    >>> words = []
    >>> @cs.task(mode="inline")
    ... def say(word):
    ...     words.append(word)
    ...     return len(word)
    >>> cs.run(cs.sequence([say("one"), say("three"), say("two")])), words
    ([3, 5, 3], ['one', 'three', 'two'])
    """
    made: list[LazyResult] = []
    for index, step in enumerate(steps):
        if type(step) is not LazyResult:
            raise PolicyError(f"step must be a lazy result, got `{type(step).__name__}` - at `steps[{index}]`")
        made.append(step.after(made[-1]) if made else step)
    return gather(*made)


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
            raise PolicyError(
                f"step must be a task or another callable, got `{type(step).__name__}` - at `steps[{index}]`"
            )
    for step in chosen:
        value = step(value)
    return value
