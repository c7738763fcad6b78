"""Wrong calls of generic tasks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import cascade as cs

T = TypeVar("T")
K = TypeVar("K")
V = TypeVar("V")
S = TypeVar("S", bound=Sequence[Any])


@cs.task
def first(items: list[T]) -> T:
    return items[0]


@cs.task
async def later(item: T, *, seconds: float = 1) -> T:
    return item


@cs.task
def pair(one: T, other: V) -> tuple[T, V]:
    return one, other


@cs.task
def group(items: Iterable[V], key: Callable[[V], K]) -> dict[K, list[V]]:
    return {key(item): [item] for item in items}


@cs.task
def twice(items: S) -> list[S]:
    return [items, items]


first(3)  # error
first()  # error
first([1], [2])  # error
first(item=[1])  # error
number: int = first(["a"])  # error
later()  # error
later(1, seconds="a")  # error
text: str = later(3)  # error
pair(1)  # error
texts: tuple[str, str] = pair(1, "a")  # error
group(3, len)  # error
group([3], len)  # error
twice(3)  # error
cs.run(first([1])).upper()  # error
cs.run(pair(1, "a"))[1] + 1  # error


def repeat(task: cs.Task[[T], T], start: T, times: int) -> T:
    return task(repeat(task, start, times - 1)) if times else start


@cs.task
def half(n: int) -> float:
    return n / 2


repeat(half, "a", 3)  # error
