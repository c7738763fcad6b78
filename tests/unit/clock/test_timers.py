"""Timers that were set on an event loop which is closed by now do nothing, and harm nobody on the next one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

import cascade as cs
from support.tasks import forever


@cs.task
async def fails() -> None:
    raise ValueError


@cs.task
async def later(seconds: float) -> float:
    await asyncio.sleep(seconds)
    return seconds


def retried(engine: cs.Engine) -> cs.LazyResult:
    return fails().with_retry(max_attempts=9, delay=5, backoff=1)


def timed(engine: cs.Engine) -> cs.LazyResult:
    return forever().with_timeout(5)


def timed_in_total(engine: cs.Engine) -> cs.LazyResult:
    return forever().with_timeout(total=5)


def slow_rate(engine: cs.Engine) -> list[cs.LazyResult]:
    engine.limits.set("task:*", rate="1/5s")
    return [later(0) for _ in range(3)]


def waits(engine: cs.Engine) -> cs.LazyResult:
    return cs.wait(5)


@pytest.mark.parametrize("target", [retried, timed, timed_in_total, slow_rate, waits], ids=lambda made: made.__name__)
@pytest.mark.parametrize("shared", [False, True], ids=["one engine", "another engine on its clock"])
def test_timers_of_a_closed_loop(target: Callable[[cs.Engine], object], shared: bool) -> None:
    clock = cs.Clock.virtual()
    engine = cs.Engine(clock=clock)
    other = cs.Engine(clock=clock) if shared else engine

    async def begin() -> None:
        engine.start(target(engine))  # type: ignore[arg-type]
        await asyncio.sleep(1)

    loop = engine.new_loop()
    loop.run_until_complete(begin())
    loop.close()  # under the run
    assert cs.run(cs.wait(10), engine=other) == 10
