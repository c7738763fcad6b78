"""Methods, classmethods and staticmethods as tasks."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Generic, Self, TypeVar, assert_type

import cascade as cs

T = TypeVar("T")


class Counter:
    def __init__(self, start: int = 0) -> None:
        self.start = start

    @cs.task
    def add(self, n: int, *, times: int = 1) -> int:
        return self.start + n * times

    @cs.task(mode="inline")
    def down(self, n: int) -> str:
        return self.down(n - 1) if n else "done"

    @cs.task
    async def fetch(self, url: str) -> bytes:
        return url.encode()

    @cs.task
    def copy(self) -> Self:
        return self

    @cs.task
    def nothing(self) -> None: ...

    @classmethod
    @cs.task
    def make(cls, start: int) -> Counter:
        return cls(start)

    @classmethod
    @cs.task(mode="inline")
    async def load(cls, path: str, *, strict: bool = False) -> Counter:
        return cls(len(path))

    @classmethod
    @cs.task
    def alike(cls, start: int = 0) -> Self:
        return cls(start)

    @staticmethod
    @cs.task
    def double(n: int) -> float:
        return 2.0 * n


class Special(Counter):
    @cs.task
    def more(self, n: int) -> int:
        return self.add(self.add(n), times=2)


counter = Counter()
special = Special(3)
assert_type(counter.add(1), int)
assert_type(counter.add(n=1, times=2), int)
assert_type(counter.add(counter.add(1), times=special.add(2)), int)
assert_type(counter.down(3), str)
assert_type(counter.fetch("u"), bytes)
assert_type(counter.nothing(), None)
assert_type(special.more(1), int)
assert_type(Counter.add(counter, 1), int)
assert_type(cs.run(counter.add(1)) + 1, int)

assert_type(Counter.make(3), Counter)
assert_type(Counter.make(start=3).start, int)
assert_type(counter.make(3), Counter)
assert_type(Special.make(3), Counter)
assert_type(Counter.load("path", strict=True), Counter)
assert_type(counter.load("path"), Counter)
made: Special = Special.alike(3)
copied: Special = special.copy()

assert_type(Counter.double(3), float)
assert_type(counter.double(n=3), float)

assert_type(counter.add.with_retry(3)(1, times=2), int)
assert_type(Counter.make.with_timeout(5)(3), Counter)
assert_type(counter.add.map(n=[1, 2]), list[int])
bound: cs.Task[[int], str] = counter.down


@dataclass
class Account:
    balance: int

    @cs.task
    def charge(self, amount: int = 1) -> int:
        return self.balance - amount


assert_type(Account(10).charge(3), int)
assert_type(Account(10).charge(), int)


class Box(Generic[T]):
    def __init__(self, item: T) -> None:
        self.item = item

    @cs.task
    def get(self) -> list[T]:
        return [self.item]

    @cs.task
    def one(self) -> T:
        return self.item

    @cs.task
    async def later(self) -> T:
        return self.item

    @cs.task
    def put(self, item: T) -> None:
        self.item = item


assert_type(Box(3).get(), list[int])
assert_type(Box("a").put("b"), None)
assert_type(Box("a").later(), str)
number: int = Box(3).one()


class Abstract(ABC):
    @abstractmethod
    @cs.task
    def above(self, n: int) -> int: ...

    @cs.task
    @abstractmethod
    def below(self, n: int) -> str: ...

    @cs.task
    def both(self, n: int) -> tuple[int, str]:
        return cs.gather(self.above(n), self.below(n))


def use(it: Abstract) -> None:
    assert_type(it.above(3), int)
    assert_type(it.below(n=3), str)
    assert_type(cs.run(it.both(3)), tuple[int, str])
