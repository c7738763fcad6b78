"""Generic functions as tasks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar, assert_type

import cascade as cs

T = TypeVar("T")
K = TypeVar("K")
V = TypeVar("V")
N = TypeVar("N", int, float)
S = TypeVar("S", bound=Sequence[Any])


@cs.task
def first(items: list[T]) -> T:
    return items[0]


@cs.task(mode="inline")
def last(items: Sequence[T], default: T) -> T:
    return items[-1] if items else default


@cs.task
async def later(item: T) -> T:
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


@cs.task
def scale(n: N, by: N) -> list[N]:
    return [n * by]


assert_type(first([1, 2]), int)
assert_type(first(["a"]), str)
assert_type(first([first([1]), 2]), int)
assert_type(last((1, 2), 0), int)
assert_type(later("a"), str)
assert_type(pair(1, "a"), tuple[int, str])
assert_type(pair(other=first([b""]), one=later(0.5)), tuple[float, bytes])
assert_type(group(["a"], len), dict[int, list[str]])
assert_type(twice("ab"), list[str])
assert_type(scale(2, 3), list[int])
assert_type(cs.run(first(["a"])).upper(), str)
assert_type(cs.run(pair(1, first([1]))), tuple[int, int])
assert_type(pair.with_retry(3)(1, "a"), tuple[int, str])
word: str = first.with_timeout(5)(["a"])
lasting: int = first.with_retry(max_attempts=3, delay=0.5)([1])
firsts: list[int] = first.map(items=[[1], [2]])


def call(*tasks: cs.Task) -> None: ...


call(first, last, later, pair, group)


# Functions that take or return tasks.
def repeat(task: cs.Task[[T], T], start: T, times: int) -> T:
    return task(repeat(task, start, times - 1)) if times else start


@cs.task
def half(n: float) -> float:
    return n / 2


assert_type(repeat(half, 8.0, 3), float)
