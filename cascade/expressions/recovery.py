"""Failures as values, and expressions as one unit: what stands in a graph where code would have `try`."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sized
from typing import Any, Never, NoReturn, TypeAlias, TypeVar, overload

from cascade._core.expr.builtin_nodes import fallback_call, outcome_call, race_call, recover_call, scope_of
from cascade._core.expr.lazy import LazyResult
from cascade._core.expr.outcome import Outcome
from cascade._core.tracebacks import hide_frames
from cascade._support.public import public

__all__ = ["fallback", "outcome", "race", "recover", "scope"]

A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
E = TypeVar("E", bound=Exception)
G = TypeVar("G", bound=list[Any] | dict[Any, Any] | set[Any])
H = TypeVar("H")
R = TypeVar("R")

Empty: TypeAlias = list[Never] | dict[Never, Never] | set[Never]
Later: TypeAlias = LazyResult[H] | Coroutine[Any, Any, H]
Types: TypeAlias = type[E] | tuple[type[E], ...] | list[type[E]]
Truth: TypeAlias = bool | float | Sized | None  # no exception: its type is no predicate
Several: TypeAlias = tuple[type[Exception], ...] | list[type[Exception]] | Callable[[Any], Truth]
Catches: TypeAlias = type[Exception] | Several
"""Which failures are caught: exception types, or a predicate."""


# The value, and what the handler returns, may be lazy results by their own type; a handler may be async, or only raise.
# There is an overload for each case, as mypy infers nothing from a union of such a type and any value.
@overload
def recover(value: LazyResult[R], handler: Callable[[E], NoReturn], *, on: Types[E]) -> R: ...
@overload
def recover(value: LazyResult[R], handler: Callable[[E], Later[H]], *, on: Types[E]) -> R | H: ...
@overload
def recover(value: LazyResult[R], handler: Callable[[E], H], *, on: Types[E]) -> R | H: ...
@overload
def recover(value: LazyResult[R], handler: Callable[[Exception], NoReturn], *, on: Catches = ...) -> R: ...
@overload
def recover(value: LazyResult[R], handler: Callable[[Exception], Later[H]], *, on: Types[Exception] = ...) -> R | H: ...
@overload
def recover(value: LazyResult[R], handler: Callable[[Exception], H], *, on: Types[Exception] = ...) -> R | H: ...
@overload
def recover(value: LazyResult[R], handler: Callable[[Any], Later[H]], *, on: Several) -> R | H: ...
@overload
def recover(value: LazyResult[R], handler: Callable[[Any], H], *, on: Several) -> R | H: ...
@overload
def recover(value: R, handler: Callable[[E], NoReturn], *, on: Types[E]) -> R: ...
@overload
def recover(value: R, handler: Callable[[E], Later[H]], *, on: Types[E]) -> R | H: ...
@overload
def recover(value: R, handler: Callable[[E], H], *, on: Types[E]) -> R | H: ...
@overload
def recover(value: R, handler: Callable[[Exception], NoReturn], *, on: Catches = ...) -> R: ...
@overload
def recover(value: R, handler: Callable[[Exception], Later[H]], *, on: Types[Exception] = ...) -> R | H: ...
@overload
def recover(value: R, handler: Callable[[Exception], H], *, on: Types[Exception] = ...) -> R | H: ...
@overload
def recover(value: R, handler: Callable[[Any], Later[H]], *, on: Several) -> R | H: ...
@overload
def recover(value: R, handler: Callable[[Any], H], *, on: Several) -> R | H: ...
@public
def recover(value: Any, handler: Callable[[Any], Any], *, on: Any = Exception) -> Any:
    """Return a lazy result with the value of an expression, or, if that fails, what a handler returns.

    All failures beneath ``value`` are caught: of its call, its last retry, its timeout, its inputs, and the expressions
    that its tasks return. Before the handler is called, everything else beneath ``value`` is cancelled and has ended,
    unless something outside needs it. A cancellation, `KeyboardInterrupt`, `SystemExit` and a bound of the run, such as
    `RunDeadlineError`, are never caught. If ``value`` is skipped, so is this.

    Args:
        value: a lazy result, or a container of lazy results. Anything else is its own value.
        handler: a task or function of one argument, the exception. It is an `ExceptionGroup` if other nodes failed as
            they were cancelled. What the handler returns, a lazy result or a value, is the value. A function is called
            in the event loop's thread, so it must not block.
        on: exception types that are caught, or a function that takes the exception and returns whether it is caught.
            Of a group, all members must be of these types; a function is called a second time, with the group.

    Returns:
        A `LazyResult`. If the handler or ``on`` raises an exception, it fails with that one.

    Raises:
        PolicyError: ``value``, ``handler`` or ``on`` is not what it must be.

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
    try:
        return recover_call(value, handler, on)
    except BaseException as error:
        hide_frames(error)
        raise


# `Empty` is there as pyright does not know what `[]` is a list of.
@overload
def fallback(value: LazyResult[R], other: LazyResult[H], *, on: Catches = ...) -> R | H: ...
@overload
def fallback(value: LazyResult[G], other: Empty, *, on: Catches = ...) -> G: ...
@overload
def fallback(value: LazyResult[R], other: H, *, on: Catches = ...) -> R | H: ...
@overload
def fallback(value: G, other: Empty, *, on: Catches = ...) -> G: ...
@overload
def fallback(value: R, other: LazyResult[H], *, on: Catches = ...) -> R | H: ...
@overload
def fallback(value: R, other: H, *, on: Catches = ...) -> R | H: ...
@public
def fallback(value: Any, other: Any, *, on: Catches = Exception) -> Any:
    """Return a lazy result with the value of an expression, or, if that fails, another value.

    The same failures are caught as by `recover`. If ``value`` is skipped, so is this.

    Args:
        value: a lazy result, or a container of lazy results. Anything else is its own value.
        other: the value after a failure: an object, or a lazy result, which is evaluated only then.
        on: which failures are caught; see `recover`.

    Returns:
        A `LazyResult`.

    Raises:
        PolicyError: ``value``, ``other`` or ``on`` is not what it must be.

    >>> import cascade as cs
    >>> @cs.task(mode="inline")
    ... def inverse(x):
    ...     return 1 / x
    >>> cs.run([cs.fallback(inverse(4), 0.0), cs.fallback(inverse(0), inverse(2))])
    [0.25, 0.5]
    """
    try:
        return fallback_call(value, other, on)
    except BaseException as error:
        hide_frames(error)
        raise


@overload
def outcome(value: LazyResult[R]) -> Outcome[R]: ...
@overload
def outcome(value: R) -> Outcome[R]: ...
@public
def outcome(value: Any) -> Any:
    """Return a lazy result whose value is an `Outcome`: the value, the failure, or that the expression was skipped.

    The same failures are caught as by `recover` without ``on``.

    Args:
        value: a lazy result, or a container of lazy results. Anything else is its own value.

    Returns:
        A `LazyResult`. It has a value even if ``value`` fails or is skipped.

    Raises:
        PolicyError: ``value`` is not what it must be.

    >>> import cascade as cs
    >>> @cs.task(mode="inline")
    ... def inverse(x):
    ...     return 1 / x
    >>> done = cs.run(cs.outcome(inverse(0)))
    >>> done.ok, done.error
    (False, ZeroDivisionError('division by zero'))
    """
    try:
        return outcome_call(value)
    except BaseException as error:
        hide_frames(error)
        raise


@overload
def scope(value: LazyResult[R]) -> LazyResult[R]: ...
@overload
def scope(value: R) -> LazyResult[R]: ...
@public
def scope(value: Any) -> LazyResult[Any]:
    """Return a lazy result for an expression as one unit, to which all policies apply as they do to a call.

    Policies are given with `with_timeout`, `with_retry`, `with_cache` and `with_constraints`. Each attempt evaluates
    everything beneath ``value`` that nothing outside needs, with the expressions that its tasks return. What something
    outside needs, too, is evaluated once. An attempt ends when everything that it has started has ended. The scope of
    a resource is something else: see `cascade.resource`.

    Args:
        value: a lazy result, or a container of lazy results.

    Returns:
        A `LazyResult`. Without policies it is the same as ``value``.

    Raises:
        PolicyError: ``value`` is not what it must be.

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
    try:
        return scope_of(value)
    except BaseException as error:
        hide_frames(error)
        raise


@overload
def race(a: LazyResult[A], b: LazyResult[B], /) -> A | B: ...
@overload
def race(a: LazyResult[A], b: B, /) -> A | B: ...
@overload
def race(a: A, b: LazyResult[B], /) -> A | B: ...
@overload
def race(a: A, b: B, /) -> A | B: ...
@overload
def race(a: LazyResult[A], b: LazyResult[B], c: LazyResult[C], /) -> A | B | C: ...
@overload
def race(a: LazyResult[A], b: LazyResult[B], c: C, /) -> A | B | C: ...
@overload
def race(a: LazyResult[A], b: B, c: LazyResult[C], /) -> A | B | C: ...
@overload
def race(a: LazyResult[A], b: B, c: C, /) -> A | B | C: ...
@overload
def race(a: A, b: LazyResult[B], c: LazyResult[C], /) -> A | B | C: ...
@overload
def race(a: A, b: LazyResult[B], c: C, /) -> A | B | C: ...
@overload
def race(a: A, b: B, c: LazyResult[C], /) -> A | B | C: ...
@overload
def race(a: A, b: B, c: C, /) -> A | B | C: ...
@overload
def race(*values: LazyResult[R]) -> R: ...
@overload
def race(*values: R) -> R: ...
@public
def race(*values: Any) -> Any:
    """Return a lazy result with the first value among several expressions.

    The others are cancelled, and have ended before the race has its value. An expression that fails or is skipped does
    not win, and its failure is caught. If none has a value, the race fails: with the only failure, or an
    `ExceptionGroup` of several. If all are skipped, it is skipped.

    Args:
        values: lazy results, or containers of lazy results. An argument without a lazy result wins at once.

    Returns:
        A `LazyResult`.

    Raises:
        PolicyError: there is no argument, or one is not what it must be.

    >>> import cascade as cs
    >>> engine = cs.Engine(clock=cs.Clock.virtual())
    >>> @cs.task
    ... def answer(name, _):
    ...     return name
    >>> cs.run(cs.race(answer("slow", cs.wait(5)), answer("quick", cs.wait(2))), engine=engine), engine.clock.time()
    ('quick', 2.0)
    """
    try:
        return race_call(values)
    except BaseException as error:
        hide_frames(error)
        raise
