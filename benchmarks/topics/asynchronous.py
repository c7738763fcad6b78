"""What do async tasks cost: the same countdowns, and twenty async tasks at once against `asyncio.gather`?

No coroutine suspends except in the yield of its loop, so the rows measure the start and the end of each call.
"""

from __future__ import annotations

import asyncio
import sys
from asyncio import sleep
from collections.abc import Callable, Coroutine, Iterator
from functools import partial
from typing import Any

import cascade as cs
from benchmarks.harness.row import Budget, Comparison
from benchmarks.harness.timing import awaiting, running
from benchmarks.topics.countdown import Subject, both_quanta

WIDTH = 20


def simple_async() -> Subject:
    """One task, one tail call."""

    @cs.task
    async def countdown(n: int) -> Any:
        if n <= 0:
            return n
        return countdown(n - 1)

    async def step(n: int) -> int:
        return n - 1

    async def with_yield(n: int) -> int:
        while n > 0:
            n = await step(n)
            await sleep(0)
        return n

    async def without(n: int) -> int:
        while n > 0:
            n = await step(n)
        return n

    return Subject(countdown, with_yield, without, countdown)


def complex_async() -> Subject:
    """Two nodes: a task feeds the step."""

    @cs.task
    async def decrement(n: int) -> int:
        return n - 1

    @cs.task
    async def countdown(n: int) -> Any:
        if n <= 0:
            return n
        return countdown(decrement(n))

    less = decrement.fn

    async def step(n: int) -> int:
        return n

    async def with_yield(n: int) -> int:
        while n > 0:
            n = await step(await less(n))
            await sleep(0)
        return n

    async def without(n: int) -> int:
        while n > 0:
            n = await step(await less(n))
        return n

    return Subject(countdown, with_yield, without, countdown)


def heavy_async() -> Subject:
    """12 nodes, 11 edges, all of them coroutines."""

    @cs.task
    async def noop(value: Any) -> Any:
        return value

    @cs.task
    async def countdown(n: int, fed: Any) -> Any:
        if n <= 0:
            return fed
        n -= 1
        return countdown(n, noop(noop(noop(noop(noop(noop(noop(noop(noop(noop(noop(n))))))))))))

    same = noop.fn

    async def step(n: int, fed: Any) -> Any:
        return fed

    async def with_yield(n: int) -> Any:
        fed: Any = None
        while n > 0:
            n -= 1
            fed = await same(await same(await same(await same(await same(await same(n))))))
            fed = await step(n, await same(await same(await same(await same(await same(fed))))))
            await sleep(0)
        return fed

    async def without(n: int) -> Any:
        fed: Any = None
        while n > 0:
            n -= 1
            fed = await same(await same(await same(await same(await same(await same(n))))))
            fed = await step(n, await same(await same(await same(await same(await same(fed))))))
        return fed

    return Subject(lambda n: countdown(n, None), with_yield, without, countdown)


class Fan:
    """In each iteration, 20 independent coroutines that do not suspend feed the step."""

    def __init__(self) -> None:
        @cs.task
        async def work(item: int) -> int:
            return item

        @cs.task
        async def turn(n: int, values: Any) -> Any:
            if n <= 0:
                return list(values)  # as `asyncio.gather` has them
            return turn(n - 1, cs.gather(*[work(item) for item in range(WIDTH)]))

        async def step(n: int, values: Any) -> int:
            return n - 1

        self.start: Callable[[int], Any] = lambda n: turn(n, None)
        self.work: Callable[[int], Coroutine[Any, Any, int]] = work.fn
        self.step = step

    async def gathered(self, n: int) -> Any:
        work, step, values = self.work, self.step, None
        while n > 0:
            values = await asyncio.gather(*[work(item) for item in range(WIDTH)])
            n = await step(n, values)
        return values

    async def awaited(self, n: int) -> Any:
        work, step, values = self.work, self.step, None
        while n > 0:
            values = [await work(item) for item in range(WIDTH)]
            n = await step(n, values)
        return values

    if sys.version_info >= (3, 12):

        async def eager(self, n: int) -> Any:
            """`asyncio.gather` as fast as asyncio itself can make it."""
            loop = asyncio.get_running_loop()
            loop.set_task_factory(asyncio.eager_task_factory)
            try:
                return await self.gathered(n)
            finally:
                loop.set_task_factory(None)


def fans() -> Iterator[Comparison]:
    limit = Budget(0.3 if sys.version_info >= (3, 12) else 1.1)
    name = f"gather of {WIDTH} async tasks"
    fan = Fan()
    with_gather = partial(awaiting, fan.gathered)
    at_default = partial(running, fan.start)
    yield Comparison(f"{name}, default quantum", at_default, with_gather, limit)
    yield Comparison(f"{name}, quantum 0", partial(running, fan.start, quantum=0), with_gather, limit)
    if sys.version_info >= (3, 12):
        yield Comparison(f"{name}, against eager asyncio tasks", at_default, partial(awaiting, fan.eager))
    yield Comparison(f"{name}, against one await after another", at_default, partial(awaiting, fan.awaited))


def benchmarks() -> Iterator[Comparison]:
    yield from both_quanta("simple_countdown, async", simple_async)
    yield from both_quanta("complex_countdown, async", complex_async)
    yield from both_quanta("heavy_complex_countdown, async", heavy_async)
    yield from fans()
