"""Order: expressions that run one after another."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar, overload

from cascade._core.expr.combining import sequence_call
from cascade._core.expr.lazy import LazyResult
from cascade._core.expr.task import Task
from cascade._support.public import public
from cascade.exceptions import PolicyError

__all__ = ["pipeline", "sequence"]

R = TypeVar("R")


@overload
def sequence(steps: Iterable[LazyResult[R]]) -> list[R]: ...
@overload
def sequence(steps: Iterable[R]) -> list[R]: ...
@public
def sequence(steps: Iterable[Any]) -> Any:
    """Return a lazy result that runs the steps one after another; its value is the list of their values.

    Each step but the first becomes ``step.after(previous)``, which is a node of its own. The arguments of a step may
    run earlier. If a step is skipped, so are all following ones.

    Args:
        steps: lazy results.

    Returns:
        A `LazyResult`.

    Raises:
        PolicyError: ``steps`` is not iterable, or a step is not a lazy result.

    >>> import cascade as cs
    >>> words = []
    >>> @cs.task(mode="inline")
    ... def say(word):
    ...     words.append(word)
    ...     return len(word)
    >>> cs.run(cs.sequence([say("one"), say("three"), say("two")])), words
    ([3, 5, 3], ['one', 'three', 'two'])
    """
    made: list[Any] = []
    for index, step in enumerate(_listed(steps, "lazy results")):
        if type(step) is not LazyResult:
            hint = f": write {step.__name__}(...)" if type(step) is Task else ""
            raise PolicyError(f"step must be a lazy result, got `{type(step).__name__}` - at `steps[{index}]`{hint}")
        made.append(step.after(made[-1]) if made else step)
    return sequence_call(tuple(made))


@overload
def pipeline(value: LazyResult[R], steps: Iterable[Callable[[R], R]]) -> R: ...
@overload
def pipeline(value: R, steps: Iterable[Callable[[R], R]]) -> R: ...
@overload
def pipeline(value: object, steps: Iterable[Callable[[Any], Any]]) -> Any: ...
@public
def pipeline(value: object, steps: Iterable[Callable[[Any], Any]]) -> Any:
    """Call each step with the result of the previous one, the first with a value.

    Args:
        value: a lazy result, or any value.
        steps: tasks, or other callables that return lazy results, of one argument each.

    Returns:
        The last step's `LazyResult`; ``value`` itself without steps.

    Raises:
        PolicyError: ``steps`` is not iterable, or a step is not callable.

    >>> import cascade as cs
    >>> @cs.task(mode="inline")
    ... def double(x):
    ...     return 2 * x
    >>> cs.run(cs.pipeline(5, [double, double]))
    20
    """
    chosen = _listed(steps, "tasks or other callables")
    for index, step in enumerate(chosen):
        if not callable(step):
            raise PolicyError(
                f"step must be a task or another callable, got `{type(step).__name__}` - at `steps[{index}]`"
            )
    for step in chosen:
        value = step(value)
    return value


def _listed(steps: Iterable[Any], of: str) -> list[Any]:
    try:
        iterator = iter(steps)
    except TypeError:
        text = f"steps must be a list, or another iterable, of {of}, got `{type(steps).__name__}`"
        raise PolicyError(text) from None
    return list(iterator)
