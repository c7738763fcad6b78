"""Wrong maps."""

from __future__ import annotations

import cascade as cs


@cs.task
def square(x: int) -> int:
    return x * x


@cs.task
async def fetch(url: str) -> bytes:
    return url.encode()


@cs.task
def total(numbers: list[int]) -> int:
    return sum(numbers)


square.map(x=3)  # error
square.map(x=None)  # error
square.map(x=square(3))  # error
square.map(x=square)  # error
square.map([1, 2])  # error
square.map(x=[1, 2], concurrency="2")  # error
square.map(x=[1, 2], concurrency=[2])  # error
squares: list[str] = square.map(x=[1, 2])  # error
one: int = square.map(x=[1, 2])  # error
total(fetch.map(url=["u"]))  # error
square(square.map(x=[1]))  # error
cs.run(square.map(x=[1, 2])).upper()  # error
texts: list[str] = cs.run(fetch.map(url=["u"]))  # error
square.mapped(x=[1])  # error
square.map(x=[1]).with_retry(3)  # error
