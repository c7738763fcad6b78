"""One engine and several threads: one event loop holds it at a time, and everything else is told so."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future
from typing import Any

import pytest

import cascade as cs
from cascade.events import Event, RunStarted
from support.tasks import add

PATIENCE = 60
IN_USE = "must be used on one event loop at a time"


@cs.task
async def later(value: int) -> int:
    await asyncio.sleep(0)
    return value


@pytest.fixture
def _quick_switches() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def in_thread(function: Callable[..., object], *args: object, **options: object) -> Any:
    """Call a function in another thread: give its value, or raise what it raises."""
    results: list[object] = []

    def call() -> None:
        try:
            results.append(function(*args, **options))
        except BaseException as error:
            results.append(error)

    thread = threading.Thread(target=call)
    thread.start()
    thread.join(PATIENCE)
    (result,) = results
    if isinstance(result, BaseException):
        raise result
    return result


@pytest.mark.parametrize(
    "use",
    [
        lambda engine: engine.start(add(1, 2)),
        lambda engine: engine.start_many([add(1, 2)]),
        lambda engine: engine.as_completed([add(1, 2)]),
        lambda engine: engine.close(),
        lambda engine: cs.run(add(1, 2), engine=engine),
        lambda engine: asyncio.run(engine.run(add(1, 2))),
        lambda engine: asyncio.run(engine.join()),
        lambda engine: asyncio.run(engine.drain()),
    ],
)
async def test_all_that_another_thread_asks_of_it_has_one_error(use: Callable[[cs.Engine], object]) -> None:
    async with cs.Engine() as engine:
        with pytest.raises(cs.EngineStateError, match=f"{IN_USE}.*engine.submit"):
            await asyncio.to_thread(use, engine)
        assert await engine.run(add(1, 2)) == 3


async def leave(engine: cs.Engine, n: int) -> int:
    async with engine:
        value: int = await engine.run(add(n, 2))
    return value


async def many(engine: cs.Engine, n: int) -> int:
    population = engine.start_many([add(n, 1), add(n, later(2))])
    ended = [run async for run in engine.as_completed(population)]
    assert len(ended) == 2
    value: int = population.runs[1].result()
    return value


WAYS: list[Callable[[cs.Engine, int], Any]] = [
    lambda engine, n: cs.run(add(n, add(1, 1)), engine=engine),
    lambda engine, n: asyncio.run(engine.run(add(n, later(2)))),
    lambda engine, n: asyncio.run(leave(engine, n)),
    lambda engine, n: asyncio.run(many(engine, n)),
]


@pytest.mark.usefixtures("_quick_switches")
@pytest.mark.parametrize("way", [*range(len(WAYS)), None])
def test_threads_that_want_one_engine(way: int | None) -> None:
    engine = cs.Engine()
    seen: Counter[str] = Counter()

    def work(number: int) -> None:
        for n in range(40):
            try:
                result = WAYS[number % len(WAYS) if way is None else way](engine, n)
                seen["right" if result == n + 2 else f"wrong: {result}"] += 1
            except cs.EngineStateError as error:
                seen["in use" if IN_USE in str(error) else str(error)] += 1
            except BaseException as error:
                seen[repr(error)] += 1

    threads = [threading.Thread(target=work, args=(number,), daemon=True) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert not any(thread.is_alive() for thread in threads)
    assert seen.keys() <= {"right", "in use"}
    assert seen.total() == 240
    assert cs.run(add(1, 2), engine=engine) == 3


async def test_what_is_refused_in_another_thread() -> None:
    engine = cs.Engine(limits={"gpu": 1})
    assert await engine.run(add(1, 2)) == 3  # no run is left, and yet it is this loop's
    run = engine.start(cs.wait(0))

    async def iterate() -> None:
        async for _ in engine.as_completed([run]):
            pass

    async def start() -> None:
        engine.start(add(1, 2))

    async def start_many() -> None:
        engine.start_many([add(1, 2)])

    async def enter() -> None:
        async with engine:
            pass

    refused: list[Callable[[], object]] = [
        lambda: cs.run(add(1, 2), engine=engine),
        lambda: asyncio.run(engine.run(add(1, 2))),
        lambda: asyncio.run(start()),
        lambda: asyncio.run(start_many()),
        lambda: asyncio.run(iterate()),
        lambda: asyncio.run(enter()),
        lambda: asyncio.run(engine.aclose()),
        lambda: engine.limits.set("gpu", capacity=2),
        lambda: engine.limits.remove("task:x"),
        lambda: engine.limits.pause(),
        lambda: engine.limits.resume(),
        lambda: engine.limits.snapshot(),
    ]
    for call in refused:
        with pytest.raises(cs.EngineStateError, match=IN_USE):
            in_thread(call)
    with pytest.raises(
        cs.EngineStateError, match="must be awaited, and given callbacks, on its engine's own event loop"
    ):
        in_thread(lambda: asyncio.run(_wait(run)))
    await run
    assert await engine.run(add(1, 2)) == 3  # it is not closed, nor paused
    assert engine.limits.snapshot()[0].capacity == 1


async def _wait(run: cs.Run) -> object:
    return await run


async def test_what_is_allowed_in_any_thread() -> None:
    engine = cs.Engine()
    channel = cs.Channel()
    heard: list[Event] = []
    runs = [engine.start(cs.wait(3600)), engine.start(channel.recv())]
    population = engine.start_many([cs.wait(3600)])
    while population.counts().parked == 0:  # on a slow machine a turn is over before all have begun
        await asyncio.sleep(0)

    def work() -> None:
        engine.events.subscribe(RunStarted, heard.append)
        engine.register("value", "name")
        with engine.override("name", "other"):
            pass
        assert len(engine.runs) == 3
        assert not runs[0].done()
        assert runs[0].state == "parked"
        assert "wait" in runs[0].doing
        assert population.counts().parked == 1
        with pytest.raises(cs.EngineStateError, match="has not ended"):
            runs[0].result()
        runs[0].cancel()
        population.cancel()
        channel.send("hello")

    await asyncio.to_thread(work)
    assert (await runs[1]).message == "hello"
    assert (await asyncio.gather(runs[0], population, return_exceptions=True))[0].args
    assert population.counts().cancelled == 1
    await engine.run(add(1, 2))
    assert len(heard) == 1


async def test_the_way_that_the_error_names_works() -> None:
    for entered in (False, True):
        async with contextlib.AsyncExitStack() as stack:
            engine = cs.Engine()
            if entered:
                await stack.enter_async_context(engine)
            else:
                await engine.run(add(1, 2))
            assert await asyncio.to_thread(lambda engine=engine: engine.submit(add(2, 2)).result(PATIENCE)) == 4


async def test_what_is_submitted_is_a_run_of_the_engine() -> None:
    """With its options, in the context of the thread; its failure is that of the future, which can be cancelled."""
    name: contextvars.ContextVar[str] = contextvars.ContextVar("name", default="none")

    @cs.task(mode="inline")
    def tells(_: object = None) -> tuple[object, ...]:
        return name.get(), cs.current().run.name, threading.get_ident()

    @cs.task
    async def fails() -> None:
        raise LookupError("as planned")

    async with cs.Engine() as engine:

        def work() -> tuple[object, ...]:
            name.set("of the thread")
            with pytest.raises(LookupError, match="as planned"):
                engine.submit(fails()).result(PATIENCE)
            waiting = engine.submit(cs.wait(3600))
            while not engine.runs:
                pass
            assert waiting.cancel()
            with pytest.raises(CancelledError):
                waiting.result(PATIENCE)
            many = [engine.submit(add(number, 1)) for number in range(100)]
            assert [each.result(PATIENCE) for each in many] == [*range(1, 101)]
            found: tuple[object, ...] = engine.submit(tells(), name="submitted").result(PATIENCE)
            return found

        assert await asyncio.to_thread(work) == ("of the thread", "submitted", threading.get_ident())
        await engine.join()


async def test_what_cannot_be_submitted() -> None:
    engine = cs.Engine()
    with pytest.raises(cs.EngineStateError, match="while a running event loop holds the engine, got none"):
        engine.submit(add(1, 2))
    async with engine:
        with pytest.raises(cs.EngineStateError, match="must be called from another thread than that of the event loop"):
            engine.submit(add(1, 2))
        with pytest.raises(cs.TargetError):
            await asyncio.to_thread(engine.submit, add)
    with pytest.raises(cs.EngineStateError, match="got none"):
        await asyncio.to_thread(engine.submit, add(1, 2))
    await engine.aclose()
    with pytest.raises(cs.EngineClosedError):
        await asyncio.to_thread(engine.submit, add(1, 2))


def test_an_event_loop_that_ends_cancels_what_was_submitted() -> None:
    engine = cs.Engine()
    futures: list[Future[object]] = []

    async def main() -> None:
        async with engine:
            await asyncio.to_thread(lambda: futures.append(engine.submit(cs.wait(3600))))
            while not engine.runs:
                await asyncio.sleep(0)

    asyncio.run(main())
    with pytest.raises(CancelledError):
        futures[0].result(PATIENCE)


async def test_left_it_is_free_for_another_thread() -> None:
    engine = cs.Engine()
    async with engine:
        await engine.run(add(1, 2))
    assert in_thread(lambda: cs.run(add(2, 2), engine=engine)) == 4
    assert await engine.run(add(2, 3)) == 5


def test_a_loop_that_stands_still_lets_an_idle_engine_go() -> None:
    engine = cs.Engine()
    first, second = asyncio.new_event_loop(), asyncio.new_event_loop()
    assert first.run_until_complete(engine.run([cs.wait(0), add(1, 2)]))[1] == 3
    assert second.run_until_complete(engine.run([cs.wait(0), add(2, 2)]))[1] == 4
    assert first.run_until_complete(engine.run([cs.wait(0), add(2, 3)]))[1] == 5

    async def start() -> cs.Run:
        return engine.start(cs.wait(0.001))

    run = first.run_until_complete(start())
    with pytest.raises(cs.EngineStateError, match="has runs on another event loop"):
        second.run_until_complete(engine.run(add(1, 2)))
    with pytest.raises(cs.EngineStateError, match="has runs on another event loop"):
        second.run_until_complete(engine.aclose())
    first.run_until_complete(_wait(run))
    first.close()
    second.close()


def test_a_turn_of_an_event_loop_that_the_engine_has_left() -> None:
    """A timer that is left on the first loop rings there while the engine is on the second."""
    engine = cs.Engine()
    first = asyncio.new_event_loop()

    async def leave_an_alarm() -> None:
        run = engine.start(cs.wait(3600))
        await asyncio.sleep(0)
        run.cancel()
        await asyncio.wait([asyncio.ensure_future(run)])

    first.run_until_complete(leave_an_alarm())
    turns: list[object] = []

    def work() -> None:
        async def main() -> None:
            gate = asyncio.Event()
            run = engine.start(hold(gate))
            await asyncio.sleep(0)
            begun.set()
            await asyncio.to_thread(over.wait)
            gate.set()
            turns.append(await run)

        asyncio.run(main())

    @cs.task
    async def hold(gate: asyncio.Event) -> str:
        await gate.wait()
        return "done"

    begun, over = threading.Event(), threading.Event()
    thread = threading.Thread(target=work)
    thread.start()
    begun.wait()
    later = first.time() + 7200
    first.time = lambda: later  # type: ignore[method-assign]
    first.run_until_complete(asyncio.sleep(0))  # the alarm would ring now
    over.set()
    thread.join(PATIENCE)
    assert turns == ["done"]
    first.close()


def test_an_event_loop_that_goes_on_in_another_thread() -> None:
    engine, channel = cs.Engine(), cs.Channel()
    loop = asyncio.new_event_loop()
    assert loop.run_until_complete(engine.run(add(1, 2))) == 3
    waits = threading.Event()

    async def receive() -> object:
        run = engine.start(channel.recv())
        await asyncio.sleep(0)
        loop.call_soon(waits.set)
        return (await run).message

    results: list[object] = []
    thread = threading.Thread(target=lambda: results.append(loop.run_until_complete(receive())))
    thread.start()
    waits.wait()
    channel.send("hello")  # from the thread in which the loop ran before
    thread.join(PATIENCE)
    assert results == ["hello"]
    loop.close()


@pytest.mark.usefixtures("_quick_switches")
async def test_timers_that_another_thread_takes_away(caplog: pytest.LogCaptureFixture) -> None:
    engine = cs.Engine()
    channels = [cs.Channel() for _ in range(200)]
    over = threading.Event()

    def send() -> None:
        for channel in channels:
            channel.send("hello")
        over.set()

    runs = [engine.start(channel.recv(timeout=3600)) for channel in channels]
    await asyncio.sleep(0)
    thread = threading.Thread(target=send)
    thread.start()
    while not over.is_set():
        await engine.run(cs.wait(0))
    thread.join()
    assert [(await run).message for run in runs] == ["hello"] * 200
    assert not caplog.records


async def test_the_last_timer_is_gone_when_the_alarm_is_set() -> None:
    """What another thread may do between two looks at the clock, at the worst moment."""
    engine, channel = cs.Engine(), cs.Channel()

    run = engine.start(channel.recv(timeout=3600))
    await asyncio.sleep(0)
    channel.send("hello")
    assert len(engine.clock) == 0
    engine._driver._set_alarm()
    assert (await run).message == "hello"


async def test_restarts_while_another_thread_cancels() -> None:
    engine = cs.Engine()

    @cs.task(mode="inline")
    def fail() -> None:
        raise ValueError

    population = engine.start_many([fail() for _ in range(50)], on_failure=cs.Restart(limit=10**9))
    await asyncio.to_thread(population.cancel)
    counts = await asyncio.wait_for(_end(population), PATIENCE)
    assert counts.cancelled + counts.failed == 50


async def _end(population: cs.Population) -> cs.PopulationCounts:
    try:
        return await population
    except asyncio.CancelledError:
        return population.counts()


class Gate:
    """A lock that one thread does not take before another one has done something."""

    def __init__(self, lock: Any, thread: threading.Thread, meanwhile: Callable[[], object]) -> None:
        self._lock, self._thread, self._meanwhile = lock, thread, meanwhile

    def __enter__(self) -> None:
        if threading.current_thread() is self._thread and self._meanwhile is not None:
            meanwhile, self._meanwhile = self._meanwhile, None  # type: ignore[assignment]
            meanwhile()
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()


@pytest.mark.parametrize("used", [True, False])
@pytest.mark.parametrize("way", ["aclose", "async with"])
def test_an_engine_that_another_thread_takes_as_this_one_begins_to_shut_it_down(used: bool, way: str) -> None:
    engine = cs.Engine()
    gate = threading.Event()
    begun = threading.Event()

    @cs.task
    async def work() -> str:
        begun.set()
        await asyncio.to_thread(gate.wait, PATIENCE)
        return "done"

    if used:
        cs.run(add(1, 2), engine=engine)  # on an event loop that is closed by now
    values: list[object] = []
    user = threading.Thread(target=lambda: values.append(cs.run(work(), engine=engine)), daemon=True)

    def meanwhile() -> None:
        user.start()
        begun.wait(PATIENCE)

    async def shut_down() -> None:
        if way == "aclose":
            await engine.aclose()
        else:
            async with engine:
                pass

    engine._driver._lock = Gate(engine._driver._lock, threading.current_thread(), meanwhile)  # type: ignore[assignment]
    with pytest.raises(cs.EngineStateError, match=IN_USE):
        asyncio.run(shut_down())
    gate.set()
    user.join(PATIENCE)
    assert values == ["done"]
    assert cs.run(add(1, 2), engine=engine) == 3


async def test_an_engine_without_runs_that_is_shutting_down_is_in_use() -> None:
    """Its workers are being closed: the run of another thread would lose its calls."""
    refused: list[str] = []

    class Slow:
        def submit(self, *_: object) -> Any:
            raise NotImplementedError

        def abandon(self, _: object) -> None:
            raise NotImplementedError

        def close(self) -> None:
            with pytest.raises(cs.EngineStateError) as caught:
                in_thread(lambda: cs.run(add(1, 2), engine=engine))
            refused.append(str(caught.value))

    engine = cs.Engine(executors={"thread": Slow()})
    async with engine:
        pass
    assert IN_USE in refused[0]


async def test_two_tasks_that_shut_down_one_engine_release_it_together() -> None:
    engine = cs.Engine()
    begun, gate = asyncio.Event(), asyncio.Event()
    run = engine.start(cs.wait(3600))

    async def work() -> None:
        begun.set()
        await gate.wait()

    async def leave_slowly() -> None:
        async with engine:
            engine._driver.run_in_background(work, lambda: None)
            await begun.wait()

    slow = asyncio.ensure_future(leave_slowly())
    await begun.wait()
    driver = engine._driver
    with driver.shutting_down():
        run.cancel()
        await asyncio.wait([asyncio.ensure_future(run)])
        gate.set()
        await slow
        with pytest.raises(cs.EngineStateError, match=IN_USE):
            await asyncio.to_thread(lambda: cs.run(add(1, 2), engine=engine))
        driver.detach()
    assert await asyncio.to_thread(lambda: cs.run(add(1, 2), engine=engine)) == 3


@pytest.mark.usefixtures("_quick_switches")
def test_threads_that_run_on_and_shut_down_one_engine() -> None:
    seen: Counter[str] = Counter()

    @cs.task(mode="thread")
    def work(value: int) -> int:
        return value

    async def shut_down(engine: cs.Engine) -> int:
        async with engine:
            return 1

    def use(way: Callable[[], object]) -> None:
        for _ in range(3):
            try:
                seen[f"value {way()}"] += 1
            except cs.EngineStateError as error:
                seen["in use" if IN_USE in str(error) else str(error)] += 1
            except BaseException as error:
                seen[repr(error)] += 1

    for _ in range(100):
        engine = cs.Engine()
        ways: list[Callable[[], object]] = [
            lambda engine=engine: cs.run(work(1), engine=engine),  # type: ignore[misc]
            lambda engine=engine: asyncio.run(shut_down(engine)),  # type: ignore[misc]
        ]
        threads = [threading.Thread(target=use, args=(way,), daemon=True) for way in 2 * ways]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)
        assert not any(thread.is_alive() for thread in threads)
    assert seen.keys() <= {"value 1", "in use"}


def test_a_function_is_called_in_the_thread_of_the_loop() -> None:
    @cs.task(mode="thread")
    def hold_up() -> tuple[bool, bool, str]:
        engine, here = cs.current().engine, threading.get_ident()
        with pytest.raises(cs.EngineStateError, match=r"use .*`engine\.call_threadsafe\(function, \*args\)`.*limits"):
            engine.limits.pause("task:fetch")
        there = engine.call_threadsafe(threading.get_ident).result(PATIENCE)
        engine.call_threadsafe(engine.limits.pause, "task:fetch", ttl=3600).result(PATIENCE)
        resumed = engine.call_threadsafe(engine.limits.resume, selector="task:fetch").result(PATIENCE)
        return there == threading.main_thread().ident != here, resumed, repr(engine.limits)

    assert cs.run(hold_up()) == (True, True, "<Limits: 0 rules, 0 waiting>")


def test_its_error_is_that_of_the_future_and_the_loop_goes_on() -> None:
    @cs.task(mode="thread")
    def ask() -> str:
        engine = cs.current().engine
        error = engine.call_threadsafe(engine.limits.pause, "fetch").exception(PATIENCE)
        assert isinstance(error, cs.LimitError)
        return str(error)

    assert cs.run(ask()).startswith("selector must be ")


async def test_in_the_thread_of_the_loop_it_is_called_at_once() -> None:
    async with cs.Engine() as engine:
        assert engine.call_threadsafe(int, "7").result(0) == 7
        assert isinstance(engine.call_threadsafe(int, "x").exception(0), ValueError)
        with pytest.raises(KeyboardInterrupt):  # it is no error of the function alone
            engine.call_threadsafe(interrupt)
        with pytest.raises(TypeError, match="function must be callable, got `int`"):
            engine.call_threadsafe(7)  # type: ignore[arg-type]


def interrupt() -> None:
    raise KeyboardInterrupt


def test_a_function_needs_a_running_loop_that_holds_the_engine() -> None:
    engine = cs.Engine()
    with pytest.raises(cs.EngineStateError, match=r"^engine\.call_threadsafe\(\) must be called while a running"):
        engine.call_threadsafe(int)
    assert cs.run(add(1, 2), engine=engine) == 3
    with pytest.raises(cs.EngineStateError, match=r"^engine\.call_threadsafe\(\) must be called while a running"):
        engine.call_threadsafe(int)


def test_a_call_whose_loop_is_closed_before_is_cancelled() -> None:
    engine, loop = cs.Engine(), asyncio.new_event_loop()
    called: list[int] = []

    async def main() -> Future[None]:
        await engine.run(add(1, 2))
        future: Future[None] = in_thread(engine.call_threadsafe, called.append, 1)
        loop.stop()  # at the end of this step, before the call
        return future

    later = loop.create_task(main())
    loop.run_forever()
    loop.close()
    assert later.result().cancelled() and not called
