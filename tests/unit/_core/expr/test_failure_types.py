"""Which failures are meant, as whatever catches failures asks: `recover` stands for all of them here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import cascade as cs

A, B, C = ValueError("a"), KeyError("b"), OSError("c")


@cs.task(mode="inline")
def fails(error: BaseException) -> object:
    raise error


async def is_caught(error: Exception, on: Any) -> bool:
    """Whether `recover` catches a failure."""
    async with cs.Engine() as engine:
        try:
            return bool(await engine.run(cs.recover(fails(error), lambda error: True, on=on)))
        except type(error) as seen:
            assert seen is error
            return False


def nested(depth: int, *errors: Exception) -> ExceptionGroup[Exception]:
    """A group in a group in a group."""
    group = ExceptionGroup("inner", errors)
    for _ in range(depth):
        group = ExceptionGroup("outer", [group])
    return group


@pytest.mark.parametrize(
    ("error", "on", "is_meant"),
    [
        (A, ValueError, True),
        (A, (KeyError, ValueError), True),
        (A, [KeyError, ValueError], True),
        (A, KeyError, False),
        (A, (), False),
        (A, Exception, True),
        (nested(0, A, A), ValueError, True),
        (nested(0, A, B), ValueError, False),
        (nested(0, A, B), (ValueError, KeyError), True),
        (nested(0, A, B), LookupError, False),
        (nested(0, A, B), ExceptionGroup, True),
        (ExceptionGroup("mixed", [nested(0, B, C), A]), (ExceptionGroup, ValueError), True),
        (nested(500, A), ValueError, True),
        (nested(500, A, C), ValueError, False),
        (nested(20_000, A), ValueError, True),
    ],
)
async def test_a_group_is_what_its_members_are(error: Exception, on: Any, *, is_meant: bool) -> None:
    assert await is_caught(error, on) is is_meant


class Claims(Exception):
    """Says that it is of another class."""

    @property
    def __class__(self) -> Any:
        return ValueError


class Claimed(type):
    """A metaclass that says that every exception is an instance, and a subclass, of its classes."""

    def __instancecheck__(cls, instance: object) -> bool:
        return True

    def __subclasscheck__(cls, subclass: type) -> bool:
        return True


class Everything(Exception, metaclass=Claimed):
    """Claims every exception, as `except` would not believe."""


@pytest.mark.parametrize(("error", "on"), [(Claims(), ValueError), (A, Everything), (nested(0, A), Everything)])
async def test_what_a_class_is_counts_as_in_except_and_not_what_it_claims(error: Exception, on: Any) -> None:
    assert not await is_caught(error, on)
    assert await is_caught(error, type(error))


@pytest.mark.parametrize(("error", "is_meant"), [(nested(0, A, B), True), (nested(0, A), False), (A, False)])
async def test_a_predicate_is_asked_about_the_group_itself(error: Exception, *, is_meant: bool) -> None:
    assert await is_caught(error, lambda failure: len(getattr(failure, "exceptions", ())) == 2) is is_meant


@pytest.mark.parametrize("truth", [1, "yes", [0]])
async def test_a_predicate_answers_by_its_truth(truth: object) -> None:
    assert await is_caught(A, lambda failure: truth)
    assert not await is_caught(A, lambda failure: type(truth)())


async def asynchronous(error: Exception) -> bool:
    return True


@cs.task(mode="inline")
def lazily(error: Exception) -> bool:
    return True


class Meta(type):
    """A metaclass of no exception."""


TAKERS: list[tuple[str, Callable[[Any], object]]] = [
    ("on", lambda given: cs.recover(fails(A), lambda error: 0, on=given)),
    ("on", lambda given: cs.fallback(fails(A), fails(B), on=given)),
    ("on", lambda given: fails(A).with_retry(on=given)),
    ("give_up_on", lambda given: fails(A).with_retry(give_up_on=given)),
]


@pytest.mark.parametrize(
    ("given", "got"),
    [
        (1, "1"),
        (int, "int"),
        ("ValueError", "'ValueError'"),
        ((ValueError, 1), "1"),
        ([ValueError, str], "str"),
        (Meta("NoException", (), {}), "NoException"),
        (A, "ValueError"),
    ],
)
@pytest.mark.parametrize(("name", "take"), TAKERS)
def test_what_says_no_failure_is_refused(name: str, take: Callable[[Any], object], given: object, got: str) -> None:
    message = f"^{name} must be exception types or a function of an exception, got {got}"
    with pytest.raises(cs.PolicyError, match=message):
        take(given)


@pytest.mark.parametrize(("given", "got"), [(asynchronous, "an async function"), (lazily, "a task")])
@pytest.mark.parametrize(("name", "take"), TAKERS)
def test_a_predicate_is_called_at_once(name: str, take: Callable[[Any], object], given: object, got: str) -> None:
    with pytest.raises(cs.PolicyError, match=f"^{name} must be a sync function, got {got}"):
        take(given)
