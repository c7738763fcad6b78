"""Generic types of the library in annotations, as arguments and in containers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Generic, ParamSpec, TypeVar, assert_type

import cascade as cs

P = ParamSpec("P")
R = TypeVar("R")
M = TypeVar("M")


@cs.task
def add(a: int, b: int = 0) -> int:
    return a + b


@cs.task
async def fetch(url: str) -> bytes:
    return url.encode()


@dataclass
class Agent(Generic[M]):
    inbox: cs.Channel[M]
    act: cs.Task[[M], str]
    run: cs.Run[str] | None = None
    others: list[cs.Channel[M]] = field(default_factory=list[cs.Channel[M]])

    def tell(self, message: M) -> None:
        for other in self.others:
            other.send(message)


def careful(task: cs.Task[P, R]) -> cs.Task[P, R]:
    return task.with_retry(3).with_timeout(5)


def evaluate(lazy: cs.LazyResult[R]) -> R:
    return cs.run(lazy)


def evaluate_all(values: Iterable[R]) -> list[R]:
    return cs.run(cs.sequence(values))


def named(task: Callable[P, R]) -> Callable[P, R]:
    return task


async def collect(run: Awaitable[R]) -> R:
    return await run


def untyped(task: cs.Task, lazy: cs.LazyResult, channel: cs.Channel, run: cs.Run) -> cs.Received:
    task(1, "a", x=2).anything
    channel.send(3)
    return cs.run(channel.recv())


assert_type(careful(add)(1, b=2), int)
assert_type(careful(fetch)("u"), bytes)
assert_type(evaluate(cs.lazy(add(1))), int)
assert_type(evaluate(cs.lazy(fetch("u")).after(add(1))), bytes)
assert_type(evaluate_all([add(1), add(2)]), list[int])
assert_type(named(add)(1, b=2), int)
assert_type(named(fetch)("u"), bytes)


@cs.task
def shout(word: str) -> str:
    return word.upper()


agent = Agent(cs.Channel[str](), shout)
agent.tell("a")
assert_type(agent.act(agent.inbox.recv().message), str)
if agent.run is not None:
    assert_type(agent.run.result(), str)

covariant: cs.Task[[str], object] = shout
wider: cs.LazyResult[float] = cs.lazy(add(1))
widest: cs.LazyResult[Any] = cs.lazy(add(1))
runs: dict[str, cs.Run[int]] = {}
population: cs.Population[float] | None = None
