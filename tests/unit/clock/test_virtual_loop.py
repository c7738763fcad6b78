"""The event loop of virtual time: what asyncio asks of one, and what it leaves on the clock."""

from __future__ import annotations

import asyncio
import gc
import logging
import threading
import weakref
from collections.abc import Callable, Iterator

import pytest

import cascade as cs
from cascade._core.time.clock import Alarm
from cascade.testing import VirtualTime

DAY = 86_400.0
END = 2**63 - 1  # nanoseconds: there is no later time


@pytest.fixture
def loop() -> Iterator[cs.VirtualLoop]:
    made = cs.VirtualLoop(cs.Clock.virtual())
    yield made
    made.close()


@cs.task(mode="inline")
def tick(n: int, _: object = None) -> object:
    return tick(n - 1, cs.wait(1)) if n else "done"


async def nap(seconds: float) -> None:
    await asyncio.sleep(seconds)


# -- what it leaves behind


def test_a_closed_loop_takes_its_timers_off_the_clock() -> None:
    engine = cs.Engine(clock=cs.Clock.virtual())
    loop = engine.new_loop()
    loop.call_later(1e6, print)
    kept = loop.call_at(2e6, print)
    loop.close()
    assert len(engine.clock) == 0
    kept.cancel()  # which is none any more
    with pytest.raises(cs.DeadlockError):
        cs.run(cs.Channel().recv(), engine=engine)
    assert engine.clock.time() == 0.0


def test_a_closed_loop_is_not_kept_by_its_clock() -> None:
    clock = cs.Clock.virtual()
    loop = cs.VirtualLoop(clock)
    loop.call_later(1e6, print)
    loop.run_until_complete(nap(1))
    loop.close()
    known = weakref.ref(loop)
    del loop
    gc.collect()
    assert known() is None
    assert clock.time() == 1.0


def test_a_loop_that_runs_is_not_closed(loop: cs.VirtualLoop) -> None:
    async def main() -> None:
        sleep = asyncio.ensure_future(nap(DAY))
        await asyncio.sleep(0)
        with pytest.raises(RuntimeError, match="Cannot close a running event loop"):
            loop.close()
        await sleep

    loop.run_until_complete(main())
    assert loop.time() == DAY


@pytest.mark.parametrize("cancelled", [False, True])
def test_timers_of_plain_code_leave_nothing_for_the_collector(loop: cs.VirtualLoop, cancelled: bool) -> None:
    async def main() -> int:
        gc.collect()
        gc.disable()
        try:
            for _ in range(1000):
                timer = loop.call_later(2, print)
                if cancelled:
                    timer.cancel()
                    await asyncio.sleep(1)
                else:
                    await asyncio.sleep(1)
                    timer.cancel()
            return gc.collect()
        finally:
            gc.enable()

    assert loop.run_until_complete(main()) < 100
    assert len(loop.clock) == 0


def test_an_alarm_lets_go_of_what_it_was_to_call() -> None:
    class Called:
        def __call__(self) -> None:
            pass

    clock = cs.Clock.virtual()
    call = Called()
    known = weakref.ref(call)
    alarms = [Alarm(clock, 1, call), Alarm(clock, 2, call)]
    del call
    alarms[0].cancel()
    assert known() is not None
    clock.jump()
    assert known() is None
    for alarm in alarms:
        alarm.cancel()  # once more, which is nothing


def test_an_alarm_is_made_whole_or_not_at_all() -> None:
    with pytest.raises(TypeError):
        Alarm.__new__(Alarm)
    with pytest.raises(TypeError):
        Alarm(None, 5, print)


# -- the end of time


@pytest.mark.parametrize("seconds", [1.0, 1e9, float("inf")])
def test_plain_code_waits_to_the_end_of_time(seconds: float) -> None:
    virtual = VirtualTime(start=9e9)
    virtual.run(nap(1e9))
    assert virtual.clock.time_ns() == END
    virtual.run(nap(seconds))
    assert virtual.clock.time_ns() == END
    virtual.close()


def test_runs_and_plain_code_come_to_the_same_end_of_time(virtual: VirtualTime) -> None:
    virtual.run(cs.wait(9e9))
    virtual.run(nap(1))
    assert virtual.time == 9e9 + 1
    virtual.run(cs.wait(9e9))
    virtual.run(nap(1))
    assert virtual.clock.time_ns() == END


def test_timeouts_close_to_the_end_of_time_are_as_long_as_they_say() -> None:
    virtual = VirtualTime(start=9e9)

    async def main() -> None:
        async with asyncio.timeout(10):
            await asyncio.sleep(5)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(10):
                await asyncio.sleep(DAY)

    virtual.run(main())
    assert virtual.time == 9e9 + 15
    virtual.close()


def test_policies_wait_to_the_end_of_time(virtual: VirtualTime) -> None:
    @cs.task
    async def slow() -> str:
        await asyncio.sleep(1)
        return "there"

    virtual.run(cs.wait(9e9))
    assert virtual.run(slow().with_timeout(1e9)) == "there"


# -- one clock, one loop at a time


def test_a_clock_has_one_loop_at_a_time() -> None:
    clock = cs.Clock.virtual()
    begun, over = threading.Event(), threading.Event()

    async def hold() -> None:
        begun.set()
        over.wait()  # real time, in which nobody else may move the clock
        await asyncio.sleep(1)

    def first() -> None:
        with asyncio.Runner(loop_factory=lambda: cs.VirtualLoop(clock)) as runner:
            runner.run(hold())

    thread = threading.Thread(target=first)
    thread.start()
    begun.wait()
    loop = cs.VirtualLoop(clock)
    try:
        with pytest.raises(cs.EngineStateError, match="another event loop is running on this virtual clock"):
            loop.run_forever()
    finally:
        over.set()
        thread.join()
    assert clock.time() == 1.0
    loop.run_until_complete(nap(1))
    loop.close()
    assert clock.time() == 2.0


def test_a_clock_is_given_back_by_a_loop_that_ends_in_an_error() -> None:
    virtual = VirtualTime()

    async def forgotten() -> None:
        await asyncio.Event().wait()

    for _ in range(2):
        with pytest.raises(cs.DeadlockError):
            virtual.run(forgotten())
    virtual.close()


def test_a_loop_that_runs_is_not_run_again(loop: cs.VirtualLoop) -> None:
    async def main() -> None:
        for again in (loop, cs.VirtualLoop(loop.clock)):
            with pytest.raises(RuntimeError, match="running") as raised:
                again.run_forever()
            assert not isinstance(raised.value, cs.EngineStateError), "asyncio says it better"
            if again is not loop:
                again.close()

    loop.run_until_complete(main())


# -- asyncio's debug mode


def test_jumps_of_time_are_no_slow_callbacks(caplog: pytest.LogCaptureFixture) -> None:
    engine = cs.Engine(clock=cs.Clock.virtual())

    async def main() -> object:
        await asyncio.sleep(DAY)
        return await engine.run(tick(3))

    with (
        caplog.at_level(logging.WARNING, "asyncio"),
        asyncio.Runner(debug=True, loop_factory=engine.new_loop) as runner,
    ):
        assert runner.run(main()) == "done"
    assert engine.clock.time() == DAY + 3
    assert not caplog.records


@pytest.mark.parametrize("given", [None, nap])
def test_what_cannot_be_called_is_refused_in_debug_mode(loop: cs.VirtualLoop, given: Callable[..., object]) -> None:
    loop.set_debug(True)
    for method, call in (
        ("call_at", lambda: loop.call_at(1, given)),
        ("call_at", lambda: loop.call_later(1, given)),
        ("run_in_executor", lambda: loop.run_in_executor(None, given)),
    ):
        with pytest.raises(TypeError, match=rf"{method}\(\)"):
            call()
    assert len(loop.clock) == 0


# -- closed


def test_a_closed_loop_calls_nothing(loop: cs.VirtualLoop) -> None:
    called: list[int] = []
    loop.close()
    for call in (
        lambda: loop.run_in_executor(None, called.append, 1),
        lambda: loop.call_later(1, called.append, 1),
        lambda: loop.call_at(1, called.append, 1),
    ):
        with pytest.raises(RuntimeError, match="Event loop is closed"):
            call()
    assert not called
    assert len(loop.clock) == 0
