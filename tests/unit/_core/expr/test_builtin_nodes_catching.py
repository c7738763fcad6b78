"""Calls that catch failures: what they refuse, where they are written."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable
from typing import Any

import pytest

import cascade as cs
from support.tasks import give, leaf


@cs.task(mode="inline")
def none_at_all() -> None: ...


@cs.task(mode="inline")
def two(error: Exception, more: int) -> None: ...


@cs.task(mode="inline")
def named(*, error: Exception) -> None: ...


class Handler:
    """Something else that can be called."""

    def __call__(self, error: Exception) -> str:
        return "called"


@cs.task(mode="inline")
def with_resource(error: Exception, db: object = cs.Inject("db")) -> object:
    return db


def optional(error: Exception, more: int = 1, *, last: int = 2) -> str:
    return "optional"


HANDLERS: list[Callable[[Exception], Any]] = [
    repr,
    str,
    Handler(),
    optional,
    functools.partial(optional, more=3),
    lambda *args: args,
    leaf,
    with_resource,
]


@pytest.mark.parametrize("handler", HANDLERS)
def test_a_handler_is_anything_that_takes_the_exception(handler: Any) -> None:
    assert cs.recover(leaf(), handler).task.name == "recover"
    assert leaf().recover(handler).args[1] is handler


@pytest.mark.parametrize(
    ("handler", "wrong"),
    [
        (None, "got `NoneType`; to take a value instead, write cs.fallback"),
        (5, "got `int`; to take a value instead"),
        (leaf(), "got `LazyResult`; to take a value instead"),
        (ValueError, "got the class `ValueError`; to say which failures are caught, write on=ValueError"),
        (lambda: 1, "handler must be a task or function of one argument"),
        (lambda a, b: 1, "handler must be a task or function of one argument"),
        (lambda a, *, b: 1, "handler must be a task or function of one argument"),
        (lambda **names: 1, "handler must be a task or function of one argument"),
    ],
)
def test_what_is_no_handler_is_refused(handler: Any, wrong: str) -> None:
    for make in (lambda: cs.recover(leaf(), handler), lambda: leaf().recover(handler)):
        with pytest.raises(cs.PolicyError, match=wrong):
            make()


@pytest.mark.parametrize("handler", [none_at_all, two, named])
def test_a_task_that_cannot_take_the_exception_is_refused(handler: cs.Task) -> None:
    for _ in range(2):
        with pytest.raises(cs.TaskArgumentError, match=handler.name.rpartition(".")[2]):
            cs.recover(leaf(), handler)


@pytest.mark.parametrize(
    "on", [Exception, ValueError, (ValueError, OSError), [ValueError], (), ExceptionGroup, callable]
)
def test_what_is_caught_is_types_or_a_predicate(on: Any) -> None:
    assert cs.recover(leaf(), repr, on=on).task.name == "recover"
    assert cs.fallback(leaf(), 1, on=on).task.name == "fallback"
    assert leaf().fallback(1, on=on).args[1] == 1


async def asks(error: Exception) -> bool:
    return True


@pytest.mark.parametrize(
    ("on", "message"),
    [
        *((on, "exception types or a function of an exception, got ") for on in (None, 5, "ValueError", int, leaf())),
        *(
            (on, "exception types or a function of an exception, got ")
            for on in ((ValueError, 3), (lambda error: True,))
        ),
        (leaf, "a sync function, got a task"),
        (asks, "a sync function, got an async function"),
    ],
)
def test_what_says_nothing_of_an_exception_is_refused(on: Any, message: str) -> None:
    for make in (
        lambda: cs.recover(leaf(), repr, on=on),
        lambda: cs.fallback(leaf(), 1, on=on),
        lambda: leaf().with_retry(on=on),
        lambda: leaf().with_retry(give_up_on=on),
    ):
        with pytest.raises(cs.PolicyError, match=f"on must be {message}"):
            make()


@pytest.mark.parametrize("on", [BaseException, asyncio.CancelledError, KeyboardInterrupt, (ValueError, SystemExit)])
def test_what_is_never_caught_is_refused(on: Any) -> None:
    with pytest.raises(cs.PolicyError, match="on must be types of failures"):
        cs.recover(leaf(), repr, on=on)


@pytest.mark.parametrize(
    "make",
    [
        lambda: cs.recover(leaf, repr),
        lambda: cs.fallback(leaf, 1),
        lambda: cs.fallback(1, leaf),
        lambda: cs.outcome(leaf),
        lambda: cs.scope(leaf),
        lambda: cs.race(leaf(), leaf),
    ],
)
def test_a_task_that_was_not_called_is_refused(make: Callable[[], object]) -> None:
    with pytest.raises(
        cs.PolicyError, match=r"must be a lazy result or a value, got .*, which was not called: write leaf\(\.\.\.\)"
    ):
        make()


def test_a_race_has_something_to_choose_from() -> None:
    with pytest.raises(cs.PolicyError, match="at least one value"):
        cs.race()


def test_methods_are_the_functions() -> None:
    lazy = leaf()
    for made, name in (
        (lazy.recover(repr, on=ValueError), "recover"),
        (lazy.fallback(1, on=ValueError), "fallback"),
        (lazy.outcome(), "outcome"),
    ):
        assert made.task.name == name and made.args[0] is lazy


async def test_of_what_is_no_expression_the_value_is_passed_on(cold: cs.Engine) -> None:
    targets = [cs.recover(5, repr), cs.fallback(5, 6), cs.scope(5), cs.scope(5).with_retry(2), cs.race(5, leaf())]
    assert await cold.run(targets) == [5] * 5
    assert await cold.run(cs.outcome(5)) == cs.Outcome(5)
    assert await cold.run(cs.recover([leaf(1), {"a": leaf(2)}], repr)) == [1, {"a": 2}]
    assert await cold.run(cs.race([leaf(1)], [leaf(2)])) == [1]
    assert await cold.run(give(cs.scope({"a": leaf(2)}).with_retry(2))) == {"a": 2}
