"""Wrong calls of methods."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Generic, TypeVar

import cascade as cs

T = TypeVar("T")


class Counter:
    def __init__(self, start: int = 0) -> None:
        self.start = start

    @cs.task
    def add(self, n: int, *, times: int = 1) -> int:
        return self.start + n * times

    @cs.task
    def wrong(self, n: int) -> str:
        return self.add(n)  # error

    @cs.task
    def wrong_call(self, n: int) -> int:
        return self.add(str(n))  # error

    @cs.task
    async def fetch(self, url: str) -> bytes:
        return url.encode()

    @classmethod
    @cs.task
    def make(cls, start: int) -> Counter:
        return cls(start)

    @classmethod
    @cs.task
    async def load(cls, path: str, *, strict: bool = False) -> Counter:
        return cls(len(path))

    @staticmethod
    @cs.task
    def double(n: int) -> float:
        return 2.0 * n


counter = Counter()
counter.add("one")  # error
counter.add()  # error
counter.add(1, 2)  # error
counter.add(1, time=2)  # error
counter.add(1, times="2")  # error
counter.add(counter)  # error
Counter.add(1)  # error
Counter.add(counter, "one")  # error
text: str = counter.add(1)  # error
texts: str = cs.run(counter.add(1))  # error
counter.fetch(b"u")  # error
page: str = counter.fetch("u")  # error
counter.ad(1)  # error

Counter.make("three")  # error
Counter.make()  # error
Counter.make(3, 4)  # error
Counter.make(begin=3)  # error
counter.make("three")  # error
number: int = Counter.make(3)  # error
Counter.load(3)  # error
Counter.load("path", True)  # error
counter.load("path", strict="yes")  # error

Counter.double("three")  # error
Counter.double()  # error
counter.double("three")  # error
halves: str = Counter.double(3)  # error

counter.add.with_retry(3)("one")  # error
counter.add.with_retry(max_atempts=3)  # error
Counter.make.with_timeout("5")  # error
mapped: list[str] = counter.add.map(n=[1, 2])  # error
bound: cs.Task[[str], int] = counter.add  # error


class Box(Generic[T]):
    def __init__(self, item: T) -> None:
        self.item = item

    @cs.task
    def get(self) -> list[T]:
        return [self.item]

    @cs.task
    def put(self, item: T) -> None:
        self.item = item


Box(3).put("a")  # error
strings: list[str] = Box(3).get()  # error


class Abstract(ABC):
    @abstractmethod
    @cs.task
    def above(self, n: int) -> int: ...

    @cs.task
    @abstractmethod
    def below(self, n: int) -> str: ...


Abstract()  # error


def use(it: Abstract) -> None:
    it.above("three")  # error
    it.below()  # error
    print(it.above(3) + "3")  # error
