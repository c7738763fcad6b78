"""Order: expressions that run one after another."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from cascade._core.expr.lazy import LazyResult
from cascade._core.expr.task import Task
from cascade._support.public import public
from cascade.exceptions import PolicyError
from cascade.expressions.gather import gather

__all__ = ["pipeline", "sequence"]


@public
def sequence(steps: Iterable[LazyResult]) -> LazyResult:
    """Return a lazy result that runs the steps one after another; its value is the list of their values.

    Each step but the first becomes ``step.after(previous)``, which is a node of its own. The arguments of a step may
    run earlier. If a step is skipped, so are all following ones.

    Args:
        steps: lazy results.

    Returns:
        A `LazyResult`.

    Raises:
        PolicyError: a step is not a lazy result.

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
            hint = f": write {step.__name__}(...)" if type(step) is Task else ""
            raise PolicyError(f"step must be a lazy result, got `{type(step).__name__}` - at `steps[{index}]`{hint}")
        made.append(step.after(made[-1]) if made else step)
    return gather(*made)


@public
def pipeline(value: object, steps: Iterable[Callable[[Any], Any]]) -> Any:
    """Call each step with the result of the previous one, the first with a value.

    Args:
        value: a lazy result, or any value.
        steps: tasks, or other callables that return lazy results, of one argument each.

    Returns:
        The last step's `LazyResult`; ``value`` itself without steps.

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
