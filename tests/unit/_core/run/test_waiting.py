"""`cs.wait`: the engine's own timer heap."""

from __future__ import annotations

import asyncio
import math

import pytest

import cascade as cs
from support.observation import settle
from support.tasks import keep


def test_gives_the_seconds_that_really_passed() -> None:
    elapsed = cs.run(cs.wait(0.01))
    assert type(elapsed) is float
    assert elapsed >= 0.01
    assert cs.run(cs.wait(0)) >= 0
    [one] = cs.run(keep(cs.wait(0.001)))
    assert one >= 0.001


@pytest.mark.parametrize("seconds", [0, 0.0, 0.001])
def test_whole_numbers_and_floats(seconds: float) -> None:
    assert cs.run(cs.wait(seconds)) >= seconds


def test_the_time_may_be_a_lazy_result() -> None:
    @cs.task(mode="inline")
    def how_long() -> float:
        return 0.005

    assert cs.run(cs.wait(how_long())) >= 0.005


@pytest.mark.parametrize("seconds", [-1, math.nan, math.inf, "1", None, [1]])
def test_what_is_no_time_is_an_error(seconds: object) -> None:
    @cs.task(mode="inline")
    def lazily() -> object:
        return seconds

    with pytest.raises((TypeError, ValueError)):
        cs.run(cs.wait(seconds))
    with pytest.raises((TypeError, ValueError)):
        cs.run(cs.wait(lazily()))


async def test_runs_wake_in_the_order_of_their_time() -> None:
    woken: list[int] = []
    engine = cs.Engine()

    @cs.task(mode="inline")
    def note(elapsed: float, number: int) -> None:
        woken.append(number)

    order = [(number * 7919) % 40 for number in range(40)]
    runs = [engine.start(note(cs.wait(0.01 + number / 100), number)) for number in order]
    await asyncio.gather(*runs)
    assert woken == sorted(order)


async def test_equal_times_wake_in_the_order_of_the_start() -> None:
    """They are due at one moment or one after the other, never the later one first."""
    woken: list[int] = []
    engine = cs.Engine()

    @cs.task(mode="inline")
    def note(elapsed: float, number: int) -> None:
        woken.append(number)

    await asyncio.gather(*(engine.run(note(cs.wait(0.005), number)) for number in range(200)))
    assert woken == list(range(200))


async def test_many_are_parked_without_asyncio_tasks() -> None:
    engine = cs.Engine()
    before = len(asyncio.all_tasks())
    runs = [engine.start(cs.wait(3600)) for _ in range(2000)]
    while not all(run.state == "parked" for run in runs):  # one turn may not be enough for all of them
        await asyncio.sleep(0)
    assert len(asyncio.all_tasks()) <= before + 2
    await engine.aclose()
    assert all(run.state == "cancelled" for run in runs)


async def test_a_later_shorter_wait_comes_first() -> None:
    engine = cs.Engine()
    long = engine.start(cs.wait(3600))
    await settle()
    assert await engine.run(cs.wait(0.001)) >= 0.001
    assert not long.done()
    long.cancel()
    assert await engine.run(cs.wait(0.001)) >= 0.001
    await engine.aclose()


async def test_asyncios_own_timers_go_on_beside_it() -> None:
    engine, loop = cs.Engine(), asyncio.get_running_loop()
    rung = asyncio.Event()
    run = engine.start(cs.wait(3600))
    await settle()
    loop.call_later(0.001, rung.set)
    await rung.wait()
    assert not run.done()
    rung.clear()
    timer = loop.call_later(3600, rung.set)
    assert await engine.run(cs.wait(0.001)) >= 0.001
    assert not rung.is_set() and not run.done()
    timer.cancel()
    await engine.aclose()


def test_a_shared_wait_is_one_wait() -> None:
    shared = cs.wait(0.002)
    first, second = cs.run(keep(shared, shared))
    assert first == second
