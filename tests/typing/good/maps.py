"""Maps stand for lists of values."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator
from typing import assert_type

import cascade as cs


@cs.task
def square(x: int) -> int:
    return x * x


@cs.task
def power(base: int, exponent: int = 2) -> int:
    return int(base**exponent)


@cs.task
async def fetch(url: str) -> bytes:
    return url.encode()


@cs.task
def urls(n: int) -> list[str]:
    return ["u"] * n


@cs.task
def total(numbers: list[int]) -> int:
    return sum(numbers)


@cs.task
def nested(n: int) -> list[int]:
    return square.map(x=range(n))


def numbers() -> Iterator[int]:
    yield 1


async def lines(n: int) -> AsyncIterator[str]:
    for _ in range(n):
        yield "u"


def read(xs: Iterable[int]) -> list[int]:
    return cs.run(square.map(x=xs))


assert_type(square.map(x=[1, 2]), list[int])
assert_type(square.map(x=(1, 2)), list[int])
assert_type(square.map(x=range(3), concurrency=2), list[int])
assert_type(square.map(x=(n for n in (1, 2))), list[int])
assert_type(square.map(x=numbers()), list[int])
assert_type(square.map(x=[square(1), 2]), list[int])
assert_type(power.map(base=[1, 2], exponent=[3, 4]), list[int])
assert_type(power.map(base=[1, 2], exponent=cs.const(3)), list[int])
assert_type(power.map(base=square.map(x=[1]), exponent=cs.const(square(2))), list[int])
assert_type(fetch.map(url=urls(3)), list[bytes])
assert_type(fetch.map(url=lines(3)), list[bytes])
assert_type(square.map(x=cs.Channel[int](), concurrency=4), list[int])
assert_type(total(square.map(x=[1, 2])), int)
assert_type(cs.run(square.map(x=[1, 2])), list[int])
assert_type(cs.run(square.map(x=[1, 2]))[0] + 1, int)
assert_type(cs.run(fetch.map(url=urls(3)))[0].decode(), str)
assert_type(nested.map(n=[1, 2]), list[list[int]])
assert_type(square.with_retry(3).map(x=[1, 2], concurrency=None), list[int])
assert_type(cs.lazy(square.map(x=[1, 2])), cs.LazyResult[list[int]])
assert_type(cs.run(cs.lazy(square.map(x=[1, 2])).with_retry(3)), list[int])
assert_type(cs.gather(square.map(x=[1]), fetch("u")), tuple[list[int], bytes])
