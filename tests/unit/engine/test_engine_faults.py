"""What the engine calls fails, or does something else with the engine: the engine stays whole, and nobody hangs."""

from __future__ import annotations

import asyncio
import inspect
import sys
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import Any

import pytest

import cascade as cs
from cascade.engine.loop_driver import LoopDriver
from cascade.events import Event, NodeFailed, RunFinished, RunStarted
from cascade.events.line_writer import LineWriter
from support.tasks import add

PATIENCE = 60


@cs.task(mode="inline")
def count(n: int) -> Any:
    return count(n - 1) if n else "done"


def _bound_to(function: Any) -> Any:
    """The object of a bound method, or of a weak reference."""
    return function() if isinstance(function, weakref.ref) else getattr(function, "__self__", None)


class Failing:
    """Has a method of the running event loop raise when the engine calls it, some number of times."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, error: BaseException, times: int, name: str) -> None:
        loop = asyncio.get_running_loop()
        real = getattr(loop, name)
        self.left = 0
        self._times = times

        def call(*args: Any, **options: Any) -> Any:
            if self.left and any(isinstance(_bound_to(each), LoopDriver) for each in args):
                self.left -= 1
                raise error
            return real(*args, **options)

        monkeypatch.setattr(loop, name, call)

    def begin(self) -> None:
        """From now on."""
        self.left = self._times


@pytest.mark.parametrize("times", [1, 2])
async def test_no_memory_to_wake_the_engine(monkeypatch: pytest.MonkeyPatch, times: int) -> None:
    engine, channel = cs.Engine(), cs.Channel()
    failing = Failing(monkeypatch, MemoryError(), times, "call_soon")
    run = engine.start(channel.recv())
    await asyncio.sleep(0)
    failing.begin()
    if times == 1:  # it was asked once more
        channel.send("hello")
    else:
        with pytest.raises(MemoryError):
            channel.send("hello")
        assert not run.done()
        channel.send("hello")  # once more, as the first one was not sent
    assert channel.drain() == []
    assert (await asyncio.wait_for(run, PATIENCE)).message == "hello"


@pytest.mark.parametrize("times", [1, 2])
async def test_no_memory_to_wake_the_engine_from_another_thread(monkeypatch: pytest.MonkeyPatch, times: int) -> None:
    engine, channel = cs.Engine(), cs.Channel()
    failing = Failing(monkeypatch, MemoryError(), times, "call_soon_threadsafe")
    run = engine.start(channel.recv())
    await asyncio.sleep(0)

    def send() -> None:
        failing.begin()
        if times == 2:
            with pytest.raises(MemoryError):
                channel.send("hello")
        channel.send("hello")

    thread = threading.Thread(target=send)
    thread.start()
    thread.join()
    assert (await asyncio.wait_for(run, PATIENCE)).message == "hello"
    assert channel.drain() == []


@pytest.mark.parametrize("times", [1, 2])
async def test_no_memory_for_the_next_turn(monkeypatch: pytest.MonkeyPatch, times: int) -> None:
    engine = cs.Engine(quantum=0)
    told: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: told.append(context))
    failing = Failing(monkeypatch, MemoryError(), times, "call_soon")
    run = engine.start(count(5))
    failing.begin()
    for _ in range(3):
        await asyncio.sleep(0)
    if times == 2:
        assert isinstance(told[0]["exception"], MemoryError)
        assert await engine.run(add(1, 2)) == 3
    assert await asyncio.wait_for(run, PATIENCE) == "done"


async def test_no_memory_to_start_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = cs.Engine()
    assert await engine.run(add(1, 2)) == 3
    ran: list[int] = []

    @cs.task(mode="inline")
    def note(n: int) -> None:
        ran.append(n)

    failing = Failing(monkeypatch, MemoryError(), 2, "call_soon")
    failing.begin()
    with pytest.raises(MemoryError):
        engine.start(note(1))
    assert engine.runs == ()
    failing.begin()
    with pytest.raises(MemoryError):
        engine.start_many([note(2), note(3)])
    await engine.run(note(4))
    assert ran == [4]


async def test_no_memory_for_an_alarm(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = cs.Engine()
    told: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: told.append(context["exception"]))
    failing = Failing(monkeypatch, MemoryError(), 1, "call_later")
    failing.begin()
    run = engine.start(cs.wait(0.001))
    await asyncio.sleep(0)
    assert isinstance(told[0], MemoryError)
    assert await engine.run(add(1, 2)) == 3  # at the end of whose turn the alarm is set
    assert await asyncio.wait_for(run, PATIENCE) >= 0.001


@pytest.mark.parametrize("error", [KeyboardInterrupt(), MemoryError()], ids=lambda error: type(error).__name__)
def test_a_decision_that_is_interrupted(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    """Who waits for a run is told of its end, whatever was raised when it was to be told."""
    engine = cs.Engine()
    loop = asyncio.new_event_loop()
    loop.set_exception_handler(lambda loop, context: None)

    class Hook:
        def _run_ended(self, run: cs.Run) -> None:
            raise error

    waiting: list[asyncio.Task[Any]] = []

    async def start() -> None:
        run = engine.start([add(1, 2), cs.wait(0)])
        run._add_done_callback((Hook(),))
        waiting.append(asyncio.ensure_future(_await(run)))
        for _ in range(5):
            await asyncio.sleep(0)

    if isinstance(error, KeyboardInterrupt):
        with pytest.raises(KeyboardInterrupt):
            loop.run_until_complete(start())
    else:
        loop.run_until_complete(start())
    assert loop.run_until_complete(asyncio.wait_for(waiting[0], PATIENCE))[0] == 3
    for task in asyncio.all_tasks(loop):
        task.cancel()
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()


async def _await(run: cs.Run) -> Any:
    return await run


# ------------------------------------------------------------------------------------------ what subscribers may do


@pytest.mark.parametrize("kind", [RunStarted, RunFinished, NodeFailed])
async def test_a_subscriber_that_does_everything(kind: type[Event]) -> None:
    engine = cs.Engine()
    started: list[cs.Run] = []
    subscriptions: list[Any] = []
    left = 20

    @cs.task(mode="inline")
    def fail() -> None:
        raise ValueError

    def subscriber(event: Event) -> None:
        nonlocal left
        for run in engine.runs[::2]:
            run.cancel()
        if left:
            left -= 1
            started.append(engine.start([add(1, 2), fail()]))
            started.append(engine.start(cs.wait(3600)))
            subscriptions.append(engine.events.subscribe(Event, lambda event: None))
            subscriptions[left // 2 % len(subscriptions)].cancel()
            engine.limits.set(f"task:nobody{left}", concurrency=1)
            with engine.override("name", left):
                pass
        raise RuntimeError

    engine.register("value", "name")
    subscription = engine.events.subscribe(kind, subscriber)
    population = engine.start_many([add(1, 2), fail(), cs.wait(3600)], on_failure=cs.Restart(limit=2))
    for _ in range(50):
        await asyncio.sleep(0)
    assert left == 0
    assert subscription.failures
    subscription.cancel()
    for run in engine.runs:
        run.cancel()
    await asyncio.wait_for(asyncio.gather(*started, population, return_exceptions=True), PATIENCE)
    assert engine.runs == ()
    assert await engine.run(add(1, 2)) == 3


# --------------------------------------------------------------------------------------- what is given by users


class Stubborn(Future[Any]):
    """A future of an executor that cannot be cancelled: it raises."""

    def cancel(self) -> bool:
        raise RuntimeError("no")


class StubbornExecutor:
    def __init__(self) -> None:
        self.futures: list[Stubborn] = []
        self.closed = False

    def submit(self, task: object, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Future[Any]:
        self.futures.append(Stubborn())
        return self.futures[-1]

    def abandon(self, future: Future[Any]) -> None: ...

    def close(self) -> None:
        self.closed = True
        raise RuntimeError("not closed")


async def test_an_executor_whose_futures_and_end_fail() -> None:
    threads, processes = StubbornExecutor(), StubbornExecutor()
    engine = cs.Engine(executors={"thread": threads, "process": processes})
    told: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: told.append(context["exception"]))

    @cs.task(mode="thread")
    def work() -> None: ...

    begun, stopped = asyncio.Event(), asyncio.Event()

    @cs.task
    async def beside() -> None:
        begun.set()
        try:
            await asyncio.sleep(3600)
        finally:
            stopped.set()

    innocent = engine.start(cs.wait(0.001))
    run = engine.start([work(), beside(), work()])
    await begun.wait()
    run.cancel()
    await asyncio.wait_for(stopped.wait(), PATIENCE)
    assert await innocent >= 0.001
    assert {type(error) for error in told} == {RuntimeError}
    for future in threads.futures:
        future.set_result(None)
    with pytest.raises(asyncio.CancelledError):
        await run
    with pytest.raises(RuntimeError, match="not closed"):
        await engine.aclose()
    assert threads.closed
    assert processes.closed


async def test_a_run_is_dropped_by_a_destructor_that_starts_another() -> None:
    engine = cs.Engine()
    started: list[cs.Run] = []

    class Heir:
        def __del__(self) -> None:
            if len(started) < 100:
                started.append(engine.start(keep(Heir())))

    @cs.task(mode="inline")
    def keep(value: object) -> int:
        return 1

    engine.start(keep(Heir()))
    for _ in range(1000):
        if len(started) == 100:
            break
        await asyncio.sleep(0)
    assert [await run for run in started] == [1] * 100


def test_a_file_of_a_log_that_logs() -> None:
    class File:
        def __init__(self) -> None:
            self.lines: list[bytes] = []

        def write(self, data: bytes) -> int:
            self.lines.append(data)
            if len(self.lines) < 4:
                writer.write(b"of the file")
                writer.flush()
            elif len(self.lines) == 4:
                writer.close()
            return len(data)

    file = File()
    writer = LineWriter(file, append=True, size=0)  # type: ignore[arg-type]
    writer.write(b"first")
    assert file.lines == [b"first\n", *[b"of the file\n"] * 3]
    assert writer.closed


def _at_depth(frames: int, function: Callable[[], object]) -> None:
    if frames:
        _at_depth(frames - 1, function)
    else:
        function()


@pytest.mark.parametrize("receives", ["run", "task"])
@pytest.mark.parametrize("way", ["send", "unreceive", "close", "cancel"])
async def test_near_the_recursion_limit_a_run_is_woken_or_nothing_happens(way: str, receives: str) -> None:
    """The wake-up has more frames than the call that causes it: at some depth there is room for the one only."""
    limit = sys.getrecursionlimit()
    engine = cs.Engine()
    outcomes: list[str] = []
    here = len(inspect.stack(0))
    # To beyond the limit: Python 3.12 and later do not count the calls in between that are none of Python code.
    for frames in range(limit - here - 40, limit - here + 10):
        channel = cs.Channel()
        run: Any = engine.start(channel.recv()) if receives == "run" else asyncio.ensure_future(channel.receive())
        await asyncio.sleep(0)
        act: Callable[[], object] = {
            "send": partial(channel.send, "hello"),
            "unreceive": partial(channel.unreceive, "hello"),
            "close": channel.close,
            "cancel": run.cancel if receives == "run" else channel.close,
        }[way]
        try:
            _at_depth(frames, act)
        except RecursionError:
            outcomes.append("raised")
            await asyncio.sleep(0)
            assert not channel.closed
            assert channel.drain() == []
            act()
        else:
            outcomes.append("done")
        ended = (await asyncio.wait_for(asyncio.gather(run, return_exceptions=True), PATIENCE))[0]
        if way in ("send", "unreceive"):
            assert ended.message == "hello"
        else:
            assert isinstance(ended, (cs.ChannelClosedError, asyncio.CancelledError))
        assert channel.drain() == []
    assert set(outcomes) == {"raised", "done"}
    assert sys.getrecursionlimit() == limit


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
@pytest.mark.parametrize("way", ["send", "unreceive", "close", "cancel"])
async def test_a_trace_function_that_raises_as_a_run_is_woken(way: str, error: type[BaseException]) -> None:
    engine, channel = cs.Engine(), cs.Channel()
    run = engine.start(channel.recv())
    await asyncio.sleep(0)
    act: Callable[[], object] = {
        "send": partial(channel.send, "hello"),
        "unreceive": partial(channel.unreceive, "hello"),
        "close": channel.close,
        "cancel": run.cancel,
    }[way]

    def trace(frame: Any, event: str, argument: object) -> Any:
        if frame.f_code is LoopDriver.wake.__code__:
            raise error

    before = sys.gettrace()
    try:
        sys.settrace(trace)  # Python removes it when it raises
        try:
            act()
        except error:
            sys.settrace(before)
            await asyncio.sleep(0)
            assert error is KeyboardInterrupt
            assert not run.done()
            act()
        else:
            assert error is ValueError
    finally:
        sys.settrace(before)
    ended = (await asyncio.wait_for(asyncio.gather(run, return_exceptions=True), PATIENCE))[0]
    assert (ended.message == "hello") if way in ("send", "unreceive") else isinstance(ended, BaseException)
    assert channel.drain() == []
