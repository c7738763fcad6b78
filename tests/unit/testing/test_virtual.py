"""`cascade.testing.VirtualTime`, and the fixture made of it."""

from __future__ import annotations

import asyncio

import pytest

import cascade as cs
from cascade.testing import VirtualTime
from cascade.testing.fixtures import virtual

assert virtual is not None  # a fixture is known where its name is


@cs.task(mode="inline")
def tick(n: int, _: object = None) -> object:
    return tick(n - 1, cs.wait(60)) if n else "done"


def test_an_hour_with_the_fixture(virtual: VirtualTime) -> None:
    assert virtual.run(tick(60)) == "done"
    assert virtual.time == 3600
    assert virtual.engine.clock is virtual.clock


def test_each_test_has_its_own(virtual: VirtualTime) -> None:
    assert virtual.time == 0


def test_what_is_left_over_is_cancelled(virtual: VirtualTime) -> None:
    seen = []

    @cs.task
    async def held() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            seen.append("cancelled")

    async def main() -> cs.Run:
        run = virtual.engine.start(held())
        await asyncio.sleep(1)
        return run

    run = virtual.run(main())
    virtual.close()
    assert seen == ["cancelled"]
    assert run.state == "cancelled"


def test_lists_and_params(virtual: VirtualTime) -> None:
    assert virtual.run([tick(1), cs.Param("n")], params={"n": 3}) == ["done", 3]
    with pytest.raises(cs.TargetError):
        virtual.run(tick)


def test_closed_without_a_run() -> None:
    time = VirtualTime()
    time.close()
    with pytest.raises(cs.EngineClosedError), asyncio.Runner(loop_factory=time.engine.new_loop) as runner:
        runner.run(time.engine.run(tick(1)))


@pytest.mark.parametrize("ran", [False, True])
def test_nothing_runs_once_it_is_closed(ran: bool) -> None:
    time = VirtualTime()
    if ran:
        time.run(tick(1))
    time.close()
    with pytest.raises(cs.EngineClosedError, match="the `VirtualTime` is closed"):
        time.run(tick(1))
    with pytest.raises(cs.EngineClosedError, match="the `VirtualTime` is closed"):
        time.run(asyncio.sleep(1))


def test_a_coroutine_has_no_options(virtual: VirtualTime) -> None:
    with pytest.raises(TypeError, match="params must be None for a coroutine"):
        virtual.run(asyncio.sleep(1), params={"n": 3})
    with pytest.raises(TypeError, match="deadline must be None for a coroutine"):
        virtual.run(asyncio.sleep(1), deadline=1)
    assert virtual.run(asyncio.sleep(1, "done"), params=None) == "done"


def test_a_run_takes_what_the_engine_takes(virtual: VirtualTime) -> None:
    with pytest.raises(cs.RunDeadlineError):
        virtual.run(cs.wait(3600), deadline=60)
    assert virtual.time == 60
    with pytest.raises(cs.RunLimitError):
        virtual.run(tick(1), max_iterations=0)
    named = cs.task(lambda: cs.current().run.name, mode="inline")
    assert virtual.run(named(), name="test", tags={"site": "7"}) == "test"
    with pytest.raises(TypeError, match="max_iteration'"):
        virtual.run(tick(1), max_iteration=0)  # type: ignore[call-overload]


async def test_inside_an_event_loop_nothing_is_begun() -> None:
    time = VirtualTime()
    for refused in (lambda: time.run(tick(1)), lambda: time.run(asyncio.sleep(1)), time.close):
        with pytest.raises(cs.EngineStateError, match="an event loop is running in this thread"):
            refused()
    await asyncio.to_thread(time.close)


def test_it_has_a_clock_of_its_own() -> None:
    with pytest.raises(TypeError, match="clock must not be given: `VirtualTime` makes a virtual one"):
        VirtualTime(clock=cs.Clock.virtual())


def test_arguments_of_the_engine() -> None:
    time = VirtualTime(seed=4, start=10, limits={"gpu": 1})
    assert time.random.random() == cs.Engine(seed=4).random.random()
    assert time.time == 10
    time.close()
    time.close()
