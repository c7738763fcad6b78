"""An event loop in a thread of its own: `cascade.arun` of engines with a virtual clock."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import signal
import threading
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

import cascade as cs
from cascade.events import NodeFinished
from cascade.testing import spy

HOUR = 3600.0
VALUE = contextvars.ContextVar("VALUE", default="unset")


@cs.task(mode="inline")
def hours(left: int, _: float = 0.0) -> Any:
    return hours(left - 1, cs.wait(HOUR)) if left else "done"


@cs.task(mode="inline")
def forever(begun: Any, n: int = 0) -> Any:
    if n == 10:
        begun()
    return forever(begun, n + 1)


@cs.task(mode="inline")
def thread_name() -> str:
    return threading.current_thread().name


@cs.task(mode="inline")
def call(function: Any) -> Any:
    return function()


@pytest.fixture
def engine() -> cs.Engine:
    return cs.Engine(clock=cs.Clock.virtual(seed=3))


def begins() -> tuple[Any, asyncio.Event]:
    """A function for any thread, and what it sets in the loop that is running here."""
    loop, begun = asyncio.get_running_loop(), asyncio.Event()
    return lambda: loop.call_soon_threadsafe(begun.set), begun


async def endless(engine: cs.Engine) -> asyncio.Task[Any]:
    """A run without end that is under way, in the thread of virtual time."""
    begin, begun = begins()
    running = asyncio.ensure_future(cs.arun(forever(begin), engine=engine))
    await begun.wait()
    return running


# ------------------------------------------------------------------------------------------------ virtual time


async def test_hours_pass_at_once_on_a_running_loop(engine: cs.Engine) -> None:
    assert await cs.arun(hours(24), engine=engine) == "done"
    assert engine.clock.time() == 24 * HOUR
    assert await cs.arun([hours(1), hours(2)], engine=engine) == ["done", "done"]
    assert engine.clock.time() == 26 * HOUR


async def test_the_running_loop_is_free_meanwhile(engine: cs.Engine) -> None:
    set_by_loop = threading.Event()
    asyncio.get_running_loop().call_soon(set_by_loop.set)
    assert await cs.arun(call(set_by_loop.wait), engine=engine) is True  # it would hang if the loop were blocked


async def test_the_trace_is_that_of_run() -> None:
    @cs.task
    async def sleeps(seconds: float) -> float:
        await asyncio.sleep(seconds)
        return seconds

    def events(engine: cs.Engine, run: Any) -> list[Any]:
        with spy(engine, NodeFinished) as seen:
            run(cs.gather(*(sleeps(3 - n) for n in range(3)), hours(2)))
        return [(event.time, event.task) for event in seen if isinstance(event, NodeFinished)]

    first, second = cs.Engine(clock=cs.Clock.virtual(seed=1)), cs.Engine(clock=cs.Clock.virtual(seed=1))

    def in_a_running_loop(target: Any) -> None:
        async def main() -> None:
            await cs.arun(target, engine=second)

        asyncio.run(main())

    expected = await asyncio.to_thread(events, first, lambda target: cs.run(target, engine=first))
    assert await asyncio.to_thread(events, second, in_a_running_loop) == expected
    assert len(expected) >= 6


async def test_the_context_is_carried_over_and_not_back(engine: cs.Engine) -> None:
    def change() -> str:
        before = VALUE.get()
        VALUE.set("changed")
        return before

    VALUE.set("given")
    assert await cs.arun(call(change), engine=engine) == "given"
    assert VALUE.get() == "given"


async def test_a_failure_is_raised_as_itself(engine: cs.Engine) -> None:
    error = ValueError("no")

    def fail() -> None:
        raise error

    with pytest.raises(ValueError, match="no") as raised:
        await cs.arun(call(fail), engine=engine)
    assert raised.value is error
    assert any("test_loop_thread.call" in note for note in error.__notes__)
    assert await cs.arun(hours(1), engine=engine) == "done"


def test_an_exit_is_raised_through_the_running_loop(engine: cs.Engine) -> None:
    def leave() -> None:
        raise SystemExit(3)

    async def main() -> None:
        await cs.arun(call(leave), engine=engine)

    with pytest.raises(SystemExit) as raised:
        asyncio.run(main())
    assert raised.value.code == 3


async def test_a_deadlock_is_found(engine: cs.Engine) -> None:
    with pytest.raises(cs.DeadlockError, match="recv on 'questions'"):
        await cs.arun(cs.Channel[int](name="questions").recv(), engine=engine)


async def test_resources_of_the_engine_are_torn_down_on_the_loop_that_ends(engine: cs.Engine) -> None:
    ends: list[tuple[str, str]] = []

    @cs.resource(scope="engine")
    async def connection() -> Any:
        yield "open"
        await asyncio.sleep(0)
        ends.append((type(asyncio.get_running_loop()).__name__, threading.current_thread().name))

    @cs.task(mode="inline")
    def use(connection: str = cs.Inject("connection")) -> str:
        return connection

    engine.register(connection)
    assert await cs.arun(use(), engine=engine) == "open"
    assert ends == [("VirtualLoop", "cascade-virtual-time")]


async def test_a_virtual_loop_of_the_same_clock_needs_no_thread() -> None:
    engine = cs.Engine(clock=cs.Clock.virtual())

    def in_virtual_time() -> tuple[str, str, float]:
        async def main() -> tuple[str, str, float]:
            await asyncio.sleep(5)
            both = await asyncio.gather(cs.arun(thread_name(), engine=engine), cs.arun(hours(1), engine=engine))
            return *both, engine.clock.time()

        with asyncio.Runner(loop_factory=engine.new_loop) as runner:
            return runner.run(main())

    name, value, time = await asyncio.to_thread(in_virtual_time)
    assert name.startswith("asyncio_")
    assert (value, time) == ("done", HOUR + 5)


async def test_a_virtual_loop_of_another_clock_is_refused(engine: cs.Engine) -> None:
    other = cs.Engine(clock=cs.Clock.virtual())

    @cs.task
    async def inside() -> Any:
        return await cs.arun(hours(1), engine=other)

    with pytest.raises(cs.EngineStateError, match="keeps another virtual time"):
        await cs.arun(inside(), engine=engine)


async def test_a_second_call_at_once_is_refused(engine: cs.Engine) -> None:
    running = await endless(engine)
    with pytest.raises(cs.EngineStateError, match=r"await cs\.arun\(\[first, second\], engine=engine\)"):
        await cs.arun(hours(1), engine=engine)
    with pytest.raises(cs.EngineStateError, match="another event loop is running on this virtual clock"):
        await cs.arun(hours(1), engine=cs.Engine(clock=engine.clock))
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert await cs.arun(hours(1), engine=engine) == "done"


async def test_a_clock_on_which_run_works_is_refused(engine: cs.Engine) -> None:
    begin, begun = begins()
    goes_on = threading.Event()

    def block() -> None:
        begin()
        goes_on.wait()

    other = asyncio.ensure_future(asyncio.to_thread(lambda: cs.run(call(block), engine=engine)))
    await begun.wait()
    try:
        with pytest.raises(cs.EngineStateError, match="another event loop is running on this virtual clock"):
            await cs.arun(hours(1), engine=engine)
    finally:
        goes_on.set()
        await other
    assert await cs.arun(hours(1), engine=engine) == "done"


async def test_without_a_thread_the_engine_is_as_before(engine: cs.Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse)
        with pytest.raises(RuntimeError, match="can't start new thread"):
            await cs.arun(hours(1), engine=engine)
    assert await cs.arun(hours(1), engine=engine) == "done"


# ------------------------------------------------------------------------------------------------ cancellation


async def test_cancelling_it_cancels_the_run_and_awaits_its_end(engine: cs.Engine) -> None:
    ends: list[str] = []

    @cs.resource(scope="run")
    async def connection() -> Any:
        try:
            yield "open"
        finally:
            await asyncio.sleep(HOUR)  # virtual
            ends.append("closed")

    @cs.task(mode="inline")
    def use(begin: Any, connection: str = cs.Inject("connection")) -> Any:
        return forever(begin)

    engine.register(connection)
    begin, begun = begins()
    running = asyncio.ensure_future(cs.arun(use(begin), engine=engine))
    await begun.wait()
    (run,) = engine.runs
    running.cancel("enough")
    with pytest.raises(asyncio.CancelledError):
        await running
    assert running.cancelled()
    assert (run.state, ends, engine.runs) == ("cancelled", ["closed"], ())


async def test_a_timeout_of_the_running_loop_cancels_it(engine: cs.Engine) -> None:
    begin, _ = begins()
    running = asyncio.ensure_future(asyncio.wait_for(cs.arun(forever(begin), engine=engine), 0.001))
    with pytest.raises(TimeoutError):
        await running
    assert engine.runs == ()


async def test_the_failure_of_a_cancelled_run_is_the_cause(engine: cs.Engine) -> None:
    begin, begun = begins()

    @cs.task
    async def stubborn() -> None:
        begin()
        try:
            while True:
                await asyncio.sleep(1)
        finally:
            raise ValueError("while it was cancelled")

    running = asyncio.ensure_future(cs.arun(stubborn(), engine=engine))
    await begun.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError) as raised:
        await running
    assert isinstance(raised.value.__cause__, ValueError)


async def test_a_cancellation_before_it_begins(engine: cs.Engine) -> None:
    running = asyncio.ensure_future(cs.arun(hours(1), engine=engine))
    await asyncio.sleep(0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert await cs.arun(hours(1), engine=engine) == "done"


def virtual_threads() -> Iterator[threading.Thread]:
    return (thread for thread in threading.enumerate() if thread.name == "cascade-virtual-time")


async def test_a_cancellation_that_comes_too_late_loses_no_message(engine: cs.Engine) -> None:
    channel = cs.Channel[str]()
    channel.send("kept")
    running = asyncio.ensure_future(cs.arun(channel.recv(), engine=engine))
    await asyncio.sleep(0)  # the thread has been started
    for thread in virtual_threads():
        thread.join()  # the run has ended, and this loop has not been told yet
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert len(channel) == 1


async def test_a_closed_coroutine_cancels_the_run(engine: cs.Engine) -> None:
    begin, begun = begins()
    work = cs.arun(forever(begin), engine=engine)
    step = work.send(None)  # by hand, as an event loop does
    await begun.wait()
    (run,) = engine.runs
    work.close()
    del step, work
    for thread in virtual_threads():
        await asyncio.to_thread(thread.join)
    assert run.state == "cancelled"
    gc.collect()  # nothing is left to be reported


@pytest.mark.posix_only
@pytest.mark.parametrize("run_main", ["asyncio.run", "run_until_complete"])
def test_an_interrupt_cancels_the_run(engine: cs.Engine, run_main: str) -> None:
    """Also where a loop is run without `asyncio.Runner`, which handles the signal: as by IPython in a terminal."""
    runs: list[cs.Run[Any]] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()

        def interrupt() -> None:
            runs.extend(engine.runs)
            loop.call_soon_threadsafe(signal.raise_signal, signal.SIGINT)

        await cs.arun(forever(interrupt), engine=engine)

    with pytest.raises(KeyboardInterrupt):
        if run_main == "asyncio.run":
            asyncio.run(main())
        else:
            with closing(asyncio.new_event_loop()) as loop:
                loop.run_until_complete(main())
    assert [run.state for run in runs] == ["cancelled"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert cs.run(hours(1), engine=engine) == "done"
