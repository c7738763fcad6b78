"""Operators and items of values, attributes, and data."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, NamedTuple, TypedDict, assert_type

import cascade as cs


class Point(NamedTuple):
    x: int
    y: float


class Settings(TypedDict):
    name: str
    size: int


class Money:
    def __init__(self, amount: int) -> None:
        self.amount = amount

    def __add__(self, other: Money) -> Money:
        return Money(self.amount + other.amount)

    def __mul__(self, factor: int) -> Money:
        return Money(self.amount * factor)

    def __lt__(self, other: Money) -> bool:
        return self.amount < other.amount


@cs.task
def add(a: int, b: int) -> int:
    return a + b


@cs.task
def half(n: int) -> float:
    return n / 2


@cs.task
def shout(word: str) -> str:
    return word.upper()


@cs.task
def words(text: str) -> list[str]:
    return text.split()


@cs.task
def ages() -> dict[str, int]:
    return {"a": 1}


@cs.task
def document() -> dict[str, Any]:
    return {}


@cs.task
def settings() -> Settings:
    return {"name": "a", "size": 1}


@cs.task
def point() -> Point:
    return Point(1, 2)


@cs.task
def price(n: int) -> Money:
    return Money(n)


@cs.task
async def fetch(url: str) -> bytes:
    return url.encode()


@cs.task
def lasts() -> timedelta:
    return timedelta(seconds=1)


# Of calls: they have the operators and items of their values.
assert_type(add(1, 2) + 1, int)
assert_type(1 + add(1, 2), int)
assert_type(add(1, 2) + add(3, 4), int)
assert_type(add(1, 2) * 0.5, float)
assert_type(add(1, 2) / 2, float)
assert_type(add(1, 2) // 2 % 3, int)
assert_type(-add(1, 2), int)
assert_type(+half(3), float)
assert_type(~add(1, 2), int)
assert_type(abs(half(3)), float)
assert_type(add(1, 2) & 3 | 4 ^ 5, int)
assert_type(add(1, 2) << 3, int)
assert_type(add(1, 2) < 3, bool)
assert_type(add(1, 2) == add(2, 1), bool)
assert_type(add(1, 2) != 3, bool)
assert_type(shout("a") + "!", str)
assert_type(3 * shout("a"), str)
assert_type(shout("a")[0], str)
assert_type(shout("a")[1:], str)
assert_type(words("a b")[0], str)
assert_type(words("a b")[1:], list[str])
assert_type(words("a b") + words("c"), list[str])
assert_type(ages()["a"], int)
assert_type(ages()["a"] + 1, int)
assert_type(ages() | {"b": 2}, dict[str, int])
assert_type(settings()["size"], int)
assert_type(settings()["name"] + "!", str)
assert_type(point()[0], int)
assert_type(point()[1], float)
assert_type(fetch("u")[0], int)
assert_type(fetch("u") + b"!", bytes)
assert_type(cs.gather(add(1, 2), shout("a"))[1], str)
assert_type(add.map(a=[1], b=[2])[0], int)
assert_type(price(1) + price(2), Money)
assert_type(price(1) * 3, Money)
assert_type(price(1) < price(2), bool)
assert_type(lasts() * 2, timedelta)
assert_type(cs.Param("n", type=int) + 1, int)
assert_type(cs.run(add(1, 2) + 1), int)
assert_type(cs.run(words("a b")[0]), str)
assert_type(cs.run([ages()["a"], add(1, 2) * 2]), list[int])
assert_type(add(ages()["a"] + 1, -add(1, 2)), int)
assert_type(half(add(1, 2) * 2) + 0.5, float)
assert_type(cs.lazy(add(1, 2) + 1), cs.LazyResult[int])
assert_type(cs.run(cs.lazy(add(1, 2) + 1).with_retry(3)), int)
assert_type(cs.run(cs.lazy(shout("a")).run_if(add(1, 2) > 2)), str)
assert_type(cs.Router(add(1, 2) > 2, {True: add(1, 2), False: 0}), int)
title: str = document()["title"]
deep: int = document()["items"][0]["size"] + 1


@cs.task
def first(text: str) -> str:
    return words(text)[0]


@cs.task
def growth(n: int) -> float:
    return half(n) * 2 + add(n, 1)


@cs.task
def is_big(n: int) -> bool:
    return add(n, 1) > 3


@cs.task
def countdown(n: int) -> int:
    return countdown(n - 1) + 1 if n else 0


# Of lazy results by their own type: what it is is not known, and it stands for any value.
lazy = cs.lazy(add(1, 2))
number: int = lazy + 1
numbers: list[int] = [lazy * 2, 3 - lazy, -lazy, lazy // 2]
condition: bool = lazy < 3
letter: str = cs.lazy(words("a b"))[0]
assert_type(add(lazy + 1, cs.lazy(add(1, 2)).after(add(3, 4)) * 2), int)
assert_type(cs.run(cs.lazy(shout("a")).run_if(lazy > 2)), str)
again: int = cs.run((lazy + 1) * 2)
patient: int = (lazy + 1).with_retry(3)
same: bool = lazy == 3
names = {lazy: "lazy", cs.lazy(add(1, 2)): "other"}


@cs.task
def doubled(n: int) -> int:
    return cs.lazy(add(n, 1)).with_timeout(5) * 2


# Attributes.
real: int = cs.attr(add(1, 2), "real")
assert_type(add(cs.attr(add(1, 2), "real"), 1), int)
assert_type(shout(cs.attr(settings(), "name")), str)
size: int = cs.run(cs.attr(lazy, "real") + 1)
nested: str = cs.attr(cs.attr(point(), "x"), "name")[0]


@cs.task
def x_of(n: int) -> int:
    return cs.attr(point(), "x")


# Data stands for itself.
assert_type(cs.data(3), int)
assert_type(cs.data([1, 2]), list[int])
assert_type(cs.data(add(1, 2)), int)
assert_type(cs.data(cs.lazy(add(1, 2))), cs.LazyResult[int])
assert_type(add(cs.data(1), 2), int)
assert_type(cs.run(cs.data({"a": 1})), dict[str, int])


@cs.task
def evaluate(later: cs.LazyResult[int]) -> int:
    return cs.run(later)


@cs.task
def table(n: int) -> list[int]:
    return cs.data([*range(n)])


assert_type(evaluate(cs.data(cs.lazy(add(1, 2)))), int)
assert_type(evaluate(cs.data(cs.lazy(add(1, 2)).with_retry(3))), int)
