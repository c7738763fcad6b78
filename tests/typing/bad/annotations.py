"""Wrong generic types."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar

import cascade as cs

P = ParamSpec("P")
R = TypeVar("R")


@cs.task
def add(a: int, b: int = 0) -> int:
    return a + b


@cs.task
async def fetch(url: str) -> bytes:
    return url.encode()


def careful(task: cs.Task[P, R]) -> cs.Task[P, R]:
    return task.with_retry(3)


def evaluate(lazy: cs.LazyResult[R]) -> R:
    return cs.run(lazy)


def named(task: Callable[P, R]) -> Callable[P, R]:
    return task


careful(add)("1")  # error
careful(add)(1, c=2)  # error
text: str = careful(add)(1)  # error
careful(add.fn)  # error
careful(add(1, 2))  # error
evaluate(add(1))  # error
evaluate(cs.lazy(add("1")))  # error
number: str = evaluate(cs.lazy(add(1)))  # error
named(add)("1")  # error
named(fetch)("u").encode()  # error
narrow: cs.Task[[str], str] = fetch  # error
narrower: cs.LazyResult[bool] = cs.lazy(add(1))  # error
two: cs.LazyResult[int, str] = cs.lazy(add(1))  # error
channel: cs.Channel[int] = cs.Channel[str]()  # error
wide: cs.Channel[object] = cs.Channel[int]()  # error
received: cs.Received[int] = cs.Channel[str]().recv()  # error


def uses(run: cs.Run[int], population: cs.Population[int]) -> str:
    run.result().upper()  # error
    return population.runs[0].result()  # error
