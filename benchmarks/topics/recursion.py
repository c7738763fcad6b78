"""What does recursion in the middle of a graph cost: many small child frames, and one very deep stack of them?"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import cascade as cs
from benchmarks.harness.row import Comparison
from benchmarks.harness.timing import Sample, awaiting, calling, running
from benchmarks.topics.countdown import KINDS, Kind

ARGUMENT = 14
CALLS = 1_219
"""Calls of `fib` in `fib(14)`; every second one also calls `add`."""


def add(left: Any, right: Any) -> Any:
    return left + right


def plain_fib(n: int) -> int:
    if n < 2:
        return n
    return int(add(plain_fib(n - 1), plain_fib(n - 2)))


async def async_add(left: int, right: int) -> int:
    return left + right


async def async_fib(n: int) -> int:
    if n < 2:
        return n
    return await async_add(await async_fib(n - 1), await async_fib(n - 2))


def with_plain(loops: int) -> int:
    value = 0
    for _ in range(loops):
        value = plain_fib(ARGUMENT)
    return value


async def with_async(loops: int) -> int:
    value = 0
    for _ in range(loops):
        value = await async_fib(ARGUMENT)
    return value


def run_of(fib: Callable[[int], Any]) -> Sample:
    engine = cs.Engine()

    async def with_engine(loops: int) -> Any:
        value: Any = None
        for _ in range(loops):
            value = await engine.run(fib(ARGUMENT))
        return value

    return awaiting(with_engine)


def fib_run(kind: Kind) -> Sample:
    add_task = cs.task(mode=kind)(add)

    @cs.task(mode=kind)
    def fib(n: int) -> Any:
        if n < 2:
            return n
        return add_task(fib(n - 1), fib(n - 2))

    return run_of(fib)


def async_fib_run() -> Sample:
    add_task = cs.task(async_add)

    @cs.task
    async def fib(n: int) -> Any:
        if n < 2:
            return n
        return add_task(fib(n - 1), fib(n - 2))

    return run_of(fib)


def deep(levels: int) -> Sample:
    @cs.task(mode="inline")
    def successor(value: Any) -> Any:
        return value + 1

    @cs.task(mode="inline")
    def depth(n: int) -> Any:
        if n <= 0:
            return 0
        return successor(depth(n - 1))

    once = running(lambda loops: depth(levels))

    def sample(loops: int) -> tuple[float, object]:
        """Seconds for as many descents as make `loops` levels."""
        turns = max(1, loops // levels)
        taken = [once(1) for _ in range(turns)]
        return sum(seconds for seconds, _ in taken) * loops / (turns * levels), None

    return sample


def benchmarks() -> Iterator[Comparison]:
    sync = partial(calling, with_plain)
    asynchronous = partial(awaiting, with_async)
    for kind in KINDS:
        run = partial(fib_run, kind)
        yield Comparison(f"fib a call, {kind}, against plain Python", run, sync, per=CALLS, check=1)
        yield Comparison(f"fib a call, {kind}, against async def", run, asynchronous, per=CALLS, check=1)
    yield Comparison("fib a call, async, against async def", async_fib_run, asynchronous, per=CALLS, check=1)
    for levels in (100_000, 1_000_000):
        yield Comparison(
            f"recursion {levels:,} deep against 1,000 deep, a level",
            partial(deep, levels),
            partial(deep, 1_000),
            check=0,
            rounds=7,
            slow=levels > 100_000,
        )
