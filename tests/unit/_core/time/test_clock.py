"""The engine's clock, real and virtual."""

from __future__ import annotations

import asyncio
import logging
import random

import pytest

import cascade as cs
from cascade.testing import VirtualTime
from support.tasks import keep

DAY = 86_400.0


@cs.task(mode="inline")
def tick(n: int, _: object = None) -> object:
    return tick(n - 1, cs.wait(1)) if n else "done"


absolute = cs.task(abs, mode="process")
LOOKED = []


@cs.task(mode="inline")
def look(n: int) -> int:
    LOOKED.append(n)
    return n


# -- making one


@pytest.mark.parametrize("speed", [0, -1, float("nan"), float("inf"), 1e7])
def test_a_speed_that_is_none(speed: float) -> None:
    with pytest.raises(ValueError, match="speed must be > 0"):
        cs.Clock.real(speed=speed)


@pytest.mark.parametrize("speed", ["10", None, True])
def test_a_speed_of_another_type(speed: object) -> None:
    with pytest.raises(TypeError, match="speed must be a number"):
        cs.Clock.real(speed=speed)


@pytest.mark.parametrize("start", [-1.0, float("nan"), 1e10])
def test_a_start_that_is_none(start: float) -> None:
    with pytest.raises(ValueError, match="start must be from 0"):
        cs.Clock.virtual(start=start)


def test_arguments_of_another_type() -> None:
    with pytest.raises(TypeError, match="seed must be an int, got `str`"):
        cs.Clock.virtual(seed="a")
    with pytest.raises(TypeError, match=r"use Clock.real\(\) or Clock.virtual\(\)"):
        cs.Clock()
    with pytest.raises(TypeError, match="clock must be a `Clock`, got `float`"):
        cs.Engine(clock=1.0)
    with pytest.raises(ValueError, match="clock must be virtual, got a real one"):
        cs.VirtualLoop(cs.Clock.real())
    with pytest.raises(TypeError, match="clock must be a virtual `Clock`"):
        cs.VirtualLoop(None)


def test_a_real_clock_is_one_engines() -> None:
    clock = cs.Clock.real()
    cs.Engine(clock=clock)
    with pytest.raises(ValueError, match="clock must be used by one engine only"):
        cs.Engine(clock=clock)


def test_an_engine_that_could_not_be_made_leaves_its_clock() -> None:
    clock = cs.Clock.real()
    with pytest.raises(ValueError, match="max_threads"):
        cs.Engine(clock=clock, max_threads=-1)
    assert cs.Engine(clock=clock).clock is clock


def test_a_real_clock_is_not_moved() -> None:
    clock = cs.Clock.real()
    with pytest.raises(ValueError, match="clock must be virtual to be moved"):
        clock.jump()


def test_what_a_clock_looks_like() -> None:
    assert repr(cs.Clock.virtual(start=1.5)) == "<Clock: virtual, 1.5 s>"
    assert repr(cs.Clock.virtual(start=1.7e9)) == "<Clock: virtual, 1700000000 s>"
    assert repr(cs.Clock.real()) == "<Clock: real>"
    assert repr(cs.Clock.real(speed=2)) == "<Clock: real, 2 times as fast>"
    assert cs.Clock.virtual(seed=3).seed == 3
    assert cs.Clock.real().seed is None


def test_a_scaled_clock_is_faster() -> None:
    engine = cs.Engine(clock=cs.Clock.real(speed=1000))
    real = cs.Clock.real()
    before = real.time()
    assert cs.run(cs.wait(20), engine=engine) >= 20
    assert real.time() - before < 20


# -- virtual time


def test_time_passes_by_waiting_only(virtual: VirtualTime) -> None:
    assert virtual.run(tick(1000)) == "done"
    assert virtual.time == 1000.0
    assert virtual.run(keep(1)) == (1,)
    assert virtual.time == 1000.0
    assert virtual.clock.time_ns() == 1000 * 10**9


def test_a_clock_may_begin_anywhere() -> None:
    virtual = VirtualTime(start=1.7e9)
    assert virtual.run(cs.wait(0.1)) == 0.1
    assert virtual.time == 1.7e9 + 0.1
    virtual.close()


def test_waiting_to_the_end_of_time(virtual: VirtualTime) -> None:
    virtual.run(cs.wait(9e9))
    virtual.run(cs.wait(9e9))  # there is no more time than 63 bits hold
    assert virtual.clock.time_ns() == 2**63 - 1


def test_everything_that_waits_waits_in_virtual_time(virtual: VirtualTime) -> None:
    attempts = []

    @cs.task(mode="inline")
    def flaky() -> str:
        attempts.append(virtual.time)
        if len(attempts) < 4:
            raise ConnectionError
        return "there"

    assert virtual.run(flaky().with_retry(max_attempts=4, delay=DAY, backoff=2, jitter=None)) == "there"
    assert attempts == [0, DAY, 3 * DAY, 7 * DAY]

    @cs.task
    async def slow() -> None:
        await asyncio.sleep(DAY)

    with pytest.raises(cs.TaskTimeoutError):
        virtual.run(slow().with_timeout(60))
    assert virtual.time == 7 * DAY + 60
    virtual.run(slow())
    assert virtual.time == 8 * DAY + 60


def test_rates_and_pauses(virtual: VirtualTime) -> None:
    begun = []

    @cs.task(mode="inline")
    def fetch(n: int) -> int:
        begun.append(virtual.time)
        return n

    virtual.engine.limits.set("task:*fetch", rate="1/h")
    assert virtual.run(fetch.map(n=[1, 2, 3])) == [1, 2, 3]
    assert begun == [0, 3600, 7200]


def test_results_in_caches_grow_old_in_virtual_time(virtual: VirtualTime) -> None:
    LOOKED.clear()
    policy = cs.ResultCache(ttl=3600)
    seen = []
    for _ in range(4):
        virtual.run(look(1).with_cache(policy))
        seen.append(len(LOOKED))
        virtual.run(cs.wait(1800))
    assert seen == [1, 1, 2, 2]


def test_chance_is_seeded_by_the_clock() -> None:
    assert cs.Engine(clock=cs.Clock.virtual(seed=5)).random.random() == random.Random(5).random()
    assert cs.Engine(clock=cs.Clock.virtual(seed=5), seed=6).random.random() == random.Random(6).random()


def test_two_engines_share_a_clock() -> None:
    clock = cs.Clock.virtual()
    one, other = cs.Engine(clock=clock), cs.Engine(clock=clock)
    seen = []

    @cs.task(mode="inline")
    def note(name: str, n: int, _: object = None) -> object:
        seen.append((clock.time(), name))
        return note(name, n - 1, cs.wait(2)) if n else None

    async def main() -> None:
        runs = [one.start(note("one", 2)), other.start(note("other", 2))]
        await asyncio.sleep(1)
        seen.append((clock.time(), "asyncio"))
        for run in runs:
            await run

    with asyncio.Runner(loop_factory=one.new_loop) as runner:
        runner.run(main())
    assert sorted(seen) == [
        (0, "one"), (0, "other"), (1, "asyncio"), (2, "one"), (2, "other"), (4, "one"), (4, "other"),
    ]  # fmt: skip
    assert [time for time, _ in seen] == sorted(time for time, _ in seen)


# -- the event loop


def test_asyncio_waits_in_virtual_time(virtual: VirtualTime) -> None:
    async def main() -> list[object]:
        seen: list[object] = []
        loop = asyncio.get_running_loop()
        loop.call_at(30.0, seen.append, "at")
        loop.call_later(20.0, seen.append, "later")
        loop.call_later(10.0, seen.append, "never").cancel()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(40):
                await asyncio.sleep(DAY)
        seen.append(loop.time())
        return seen

    assert virtual.run(main()) == ["later", "at", 40.0]
    assert len(virtual.clock) == 0, "what was cancelled has left the clock"


def test_callbacks_of_plain_code_come_first_at_an_instant_and_coroutines_last(virtual: VirtualTime) -> None:
    seen = []

    @cs.task(mode="inline")
    def note(_: object) -> None:
        seen.append("run")

    async def main() -> None:
        run = virtual.engine.start(note(cs.wait(1)))
        sleep = asyncio.ensure_future(asyncio.sleep(1))
        sleep.add_done_callback(lambda _: seen.append("coroutine"))
        await asyncio.sleep(0.5)
        asyncio.get_running_loop().call_later(0.5, seen.append, "callback")
        await run
        await sleep

    virtual.run(main())
    assert seen == ["callback", "run", "coroutine"]


def test_a_delay_that_is_none(virtual: VirtualTime) -> None:
    async def main() -> None:
        with pytest.raises(ValueError, match="nan"):
            asyncio.get_running_loop().call_later(float("nan"), int)

    virtual.run(main())


def test_who_waits_for_the_least_time_gets_on(virtual: VirtualTime) -> None:
    async def main() -> None:
        loop, end = asyncio.get_running_loop(), 1 / 3  # which no number of nanoseconds is
        while loop.time() < end:
            await asyncio.sleep(end - loop.time())

    virtual.run(main())
    assert virtual.clock.time_ns() == 333_333_334


def test_an_engine_needs_the_loop_of_its_clock() -> None:
    engine = cs.Engine(clock=cs.Clock.virtual())
    with pytest.raises(cs.EngineStateError, match=r"asyncio\.Runner"):
        asyncio.run(engine.run(keep(1)))
    with (
        asyncio.Runner(loop_factory=engine.new_loop) as runner,
        pytest.raises(cs.EngineStateError, match="the event loop keeps virtual time"),
    ):
        runner.run(cs.Engine().run(keep(1)))


def test_a_new_loop_for_a_real_clock() -> None:
    engine = cs.Engine()
    with asyncio.Runner(loop_factory=engine.new_loop) as runner:
        assert runner.run(engine.run(keep(1))) == (1,)


# -- what has no place in it


def test_tasks_that_want_a_thread_run_inline_and_are_told_of_once(
    virtual: VirtualTime, caplog: pytest.LogCaptureFixture
) -> None:
    @cs.task(mode="thread")
    def in_thread(n: int) -> int:
        return n

    @cs.task
    def anywhere(n: int) -> int:
        return n

    @cs.task
    async def aside() -> int:
        return await asyncio.to_thread(int, "7")

    with caplog.at_level(logging.WARNING, "cascade"):
        for _ in range(3):
            target = [in_thread(1), absolute(-2), anywhere(3), aside(), in_thread(4).with_retry(max_attempts=2)]
            assert virtual.run(target) == [1, 2, 3, 7, 4]
    told = sorted(record.getMessage() for record in caplog.records)
    assert len(told) == 3
    assert all("inline" in message for message in told)
    for name in ("aside", "builtins.abs", "in_thread"):
        assert sum(name in message for message in told) == 1


def test_errors_of_what_runs_aside(virtual: VirtualTime) -> None:
    def fail(error: Exception) -> None:
        raise error

    async def main() -> None:
        with pytest.raises(KeyError):
            await asyncio.to_thread(fail, KeyError("a"))
        with pytest.raises(RuntimeError, match="StopIteration"):
            await asyncio.to_thread(fail, StopIteration())

    virtual.run(main())
