"""Failures as values, and expressions as one unit: what stands in a graph where code would have `try`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from cascade._core.expr.builtin_nodes import fallback_call, outcome_call, race_call, recover_call, scope_of
from cascade._core.expr.lazy import LazyResult
from cascade._support.public import public
from cascade.exceptions import PolicyError

__all__ = ["fallback", "outcome", "race", "recover", "scope"]

Catches: TypeAlias = type[BaseException] | tuple[type[BaseException], ...] | Callable[[Exception], object]
"""Which failures are caught: exception types, or a predicate."""


@public
def recover(value: Any, handler: Callable[[Exception], Any], *, on: Catches = Exception) -> LazyResult:
    """A value, or what a handler gives if it fails.

    Every failure beneath ``value`` is caught: of its call, its last retry, its timeout, its inputs, the expressions
    that it returns. What else runs beneath it is cancelled and awaited first; what runs beside it goes on. Cancellation
    is never caught.

    Args:
        value: a lazy result, or a container of lazy results.
        handler: a task or function of one argument, the exception. If several things failed, as something failed while
            it was cancelled, it is an `ExceptionGroup`. Its result, lazy or not, is the value.
        on: the exception types that are caught, or a function that says of an exception whether it is. Of a group, all
            members must be of these types.

    Returns:
        A `LazyResult`.

    Raises:
        PolicyError: ``handler`` or ``on`` is not what it must be.

    >>> import cascade as cs
    >>> @cs.task(mode="inline")
    ... def parse(text):
    ...     return int(text)
    >>> @cs.task(mode="inline")
    ... def explain(error):
    ...     return f"no number ({type(error).__name__})"
    >>> cs.run([cs.recover(parse("12"), explain, on=ValueError), cs.recover(parse("x"), explain, on=ValueError)])
    [12, 'no number (ValueError)']
    """
    if not callable(handler) or isinstance(handler, (LazyResult, type(None))):
        raise PolicyError(
            f"handler must be a task or function of one argument, the exception, got `{type(handler).__name__}`; "
            f"to take a value instead, write cs.fallback(x, value)"
        )
    return recover_call(value, handler, _checked(on))


@public
def fallback(value: Any, other: Any, *, on: Catches = Exception) -> LazyResult:
    """A value, or another one if it fails.

    Args:
        value: a lazy result, or a container of lazy results.
        other: what to take instead: any value, or a lazy result, which is evaluated only then.
        on: which failures are caught; see `recover`.

    Returns:
        A `LazyResult`.

    Raises:
        PolicyError: ``on`` is not what it must be.

    >>> import cascade as cs
    >>> @cs.task(mode="inline")
    ... def inverse(x):
    ...     return 1 / x
    >>> cs.run([cs.fallback(inverse(4), 0.0), cs.fallback(inverse(0), inverse(2))])
    [0.25, 0.5]
    """
    return fallback_call(value, other, _checked(on))


@public
def outcome(value: Any) -> LazyResult:
    """What became of a value, as an `Outcome`: a value, a failure, or that it was skipped.

    Args:
        value: a lazy result, or a container of lazy results.

    Returns:
        A `LazyResult`.

    >>> import cascade as cs
    >>> @cs.task(mode="inline")
    ... def inverse(x):
    ...     return 1 / x
    >>> done = cs.run(cs.outcome(inverse(0)))
    >>> done.ok, done.error
    (False, ZeroDivisionError('division by zero'))
    """
    return outcome_call(value)


@public
def scope(value: Any) -> LazyResult:
    """An expression as one unit, to which all policies apply as to a call, with everything that it returns.

    Policies are given with `with_timeout`, `with_retry`, `with_cache` and `with_constraints`. An attempt evaluates all
    that is beneath ``value`` and of use to nothing else; what something outside takes, too, is evaluated once.

    Args:
        value: a lazy result, or a container of lazy results.

    Returns:
        A `LazyResult`.

    >>> import cascade as cs
    >>> attempts = []
    >>> @cs.task(mode="inline")
    ... def page(number):
    ...     attempts.append(number)
    ...     if len(attempts) < 3:
    ...         raise ConnectionError
    ...     return number
    >>> cs.run(cs.scope([page(1), page(2)]).with_retry(max_attempts=3)), attempts
    ([1, 2], [1, 1, 1, 2])
    """
    return scope_of(value)


@public
def race(*values: Any) -> LazyResult:
    """The first of several values that is there. The others are cancelled and awaited before it is the race's value.

    What fails, or is skipped, does not win. If all fail, so does the race: with the failure if there is one, else with
    an `ExceptionGroup` of them.

    Args:
        values: lazy results, at least one.

    Returns:
        A `LazyResult`.

    Raises:
        PolicyError: there is no value.

    >>> import cascade as cs
    >>> engine = cs.Engine(clock=cs.Clock.virtual())
    >>> @cs.task
    ... def answer(name, _):
    ...     return name
    >>> cs.run(cs.race(answer("slow", cs.wait(5)), answer("quick", cs.wait(2))), engine=engine), engine.clock.time()
    ('quick', 2.0)
    """
    if not values:
        raise PolicyError("race() must be given at least one value, got none")
    return race_call(values)


def _checked(on: Any) -> Any:
    """What is caught, as the core takes it: a type, a tuple of types, or a predicate."""
    kinds = tuple(on) if isinstance(on, (tuple, list)) else (on,)
    if all(isinstance(kind, type) and issubclass(kind, BaseException) for kind in kinds):
        return kinds
    if not isinstance(on, type) and callable(on):
        return on
    raise PolicyError(
        f"on must be exception types or a function that says of an exception whether it is caught, got {on!r}"
    )
