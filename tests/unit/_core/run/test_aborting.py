"""What is stopped while the run goes on: it has ended before the handler is called, and gives back what it holds."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

import cascade as cs
from cascade.cache.protocol import Hit
from cascade.testing import VirtualTime
from support.notes import Notes
from support.observation import settle
from support.tasks import holds, keep, leaf


class Boom(Exception):
    """The failure of a task that was told to fail."""


@cs.task(mode="inline")
def fail(*inputs: object) -> None:
    raise Boom


@cs.task
async def fail_late(*inputs: object, turns: int = 10) -> None:
    await settle(turns)
    raise Boom


@pytest.fixture
def log() -> Notes:
    return Notes()


def caught(beneath: object, log: list[str]) -> cs.LazyResult:
    """Catch the failure of something, and write down when the handler is called."""

    def handle(error: Exception) -> str:
        log.append("handled")
        return "handled"

    return cs.recover(beneath, handle)


# Ways to stop something: each is given what to stop, and what is ready when it runs.
WAYS: dict[str, Callable[[object, Callable[[], bool]], cs.LazyResult]] = {}


def way(make: Callable[..., cs.LazyResult]) -> Callable[..., cs.LazyResult]:
    """Add a way."""
    WAYS[make.__name__] = make
    return make


@cs.task
async def once(condition: Callable[[], bool], fails: bool = True) -> str:
    """Fail, or end, once a condition is true."""
    await holds(condition)
    if fails:
        raise Boom
    return "won"


@way
def a_failure(beneath: object, running: Callable[[], bool]) -> cs.LazyResult:
    return cs.recover(keep(beneath, once(running)), lambda error: "stopped")


@way
def a_failure_in_another_frame(beneath: object, running: Callable[[], bool]) -> cs.LazyResult:
    expand = cs.task(mode="inline")(lambda: keep(beneath, once(running)))
    return cs.recover(keep(expand()), lambda error: "stopped")


@way
def a_race(beneath: object, running: Callable[[], bool]) -> cs.LazyResult:
    return cs.fallback(cs.recover(cs.race(beneath, once(running, False)).run_if(True), leaf), 1)


@way
def another_attempt(beneath: object, running: Callable[[], bool]) -> cs.LazyResult:
    return cs.scope(keep(beneath, once(running))).with_retry(1).fallback("stopped")


@way
def a_scope_in_the_way(beneath: object, running: Callable[[], bool]) -> cs.LazyResult:
    scoped = cs.scope(keep(beneath)).with_retry(3)
    return cs.recover(keep(scoped, once(running)), lambda error: "stopped")


@way
def a_map(beneath: object, running: Callable[[], bool]) -> cs.LazyResult:
    item = cs.task(mode="inline")(lambda x: once(running) if x else beneath)
    return item.map(x=[0, 1]).fallback("stopped")


EACH_WAY = pytest.mark.parametrize("stopped_by", WAYS.values(), ids=WAYS)


# -- awaited -----------------------------------------------------------------------------------------------------------


@EACH_WAY
async def test_an_async_task_has_cleaned_up(stopped_by: Callable[..., Any], cold: cs.Engine, log: Notes) -> None:
    @cs.task
    async def sleeper() -> None:
        log.append("started")
        try:
            await asyncio.Event().wait()
        finally:
            await settle(30)
            log.append("cleaned")

    for _ in range(2):
        log.clear()
        after = cs.task(mode="inline")(lambda value: log.append("after"))
        await cold.run(after(stopped_by(sleeper(), lambda: bool(log))))
        assert log == ["started", "cleaned", "after"]


@EACH_WAY
async def test_a_thread_is_awaited(stopped_by: Callable[..., Any], cold: cs.Engine, log: Notes) -> None:
    running, released = threading.Event(), threading.Event()

    @cs.task(mode="thread")
    def worker() -> None:
        running.set()
        assert released.wait(timeout=60)
        log.append("ended")

    after = cs.task(mode="inline")(lambda value: log.append("after"))
    run = cold.start(after(stopped_by(worker(), running.is_set)))
    await asyncio.to_thread(running.wait)
    await settle(50)
    assert not run.done() and log == []
    released.set()
    await run
    assert log == ["ended", "after"]


@EACH_WAY
async def test_timers_and_mailboxes_are_left_at_once(stopped_by: Callable[..., Any], cold: cs.Engine) -> None:
    channel, full = cs.Channel(), cs.Channel(capacity=1, overflow="block")
    await full.put("first")
    waiting = [cs.wait(3600), channel.recv(), channel.recv(timeout=3600), cs.select([channel]), full.send("second")]

    @cs.task(mode="inline")
    def all_of_them() -> object:
        return keep(*waiting)

    await cold.run(stopped_by(all_of_them(), lambda: True))
    channel.send("for others")
    assert len(channel) == 1 and len(cold.clock) == 0
    assert full.drain() == ["first"]


async def test_a_message_that_was_delivered_goes_back(cold: cs.Engine) -> None:
    """It comes after the failure, and before the run looks at either."""
    for receive in (cs.Channel.recv, lambda channel: cs.select([channel])):
        channel = cs.Channel()

        @cs.task
        async def fail_at_last(channel: cs.Channel = channel) -> None:
            await settle(5)
            loop = asyncio.get_running_loop()
            loop.call_soon(loop.call_soon, channel.send, "message")
            raise Boom

        assert await cold.run(keep(cs.fallback(keep(receive(channel), fail_at_last()), "other"))) == ("other",)
        assert channel.drain() == ["message"]


async def test_a_call_that_no_worker_has_been_given_is_not_made(cold: cs.Engine, log: Notes) -> None:
    @cs.task(mode="thread")
    def worker() -> None:
        log.append("called")

    assert await cold.run(caught(keep(worker(), fail()), log)) == "handled"
    assert log == ["handled"]


async def test_a_worker_that_returns_a_coroutine_too_late(cold: cs.Engine, log: Notes) -> None:
    running, released = threading.Event(), threading.Event()

    async def never() -> None:
        log.append("awaited")

    @cs.task(mode="thread")
    def worker() -> object:
        running.set()
        assert released.wait(timeout=60)
        return never()

    @cs.task
    async def release(error: Exception) -> str:
        return "handled"

    run = cold.start(cs.recover(keep(worker(), once(running.is_set)), release))
    await asyncio.to_thread(running.wait)
    await settle(20)
    released.set()
    assert await run == "handled" and log == []


# -- resources ---------------------------------------------------------------------------------------------------------


@EACH_WAY
@pytest.mark.parametrize("mode", ["async", "thread"])
async def test_resources_of_a_call_are_torn_down(mode: str, stopped_by: Callable[..., Any], log: Notes) -> None:
    @cs.resource(scope="call")
    async def connection() -> AsyncIterator[str]:
        log.append("open")
        try:
            yield "connection"
        finally:
            await settle(5)
            log.append("closed")

    engine = cs.Engine()
    engine.register(connection)
    released = threading.Event()
    if mode == "async":

        @cs.task
        async def use(given: object = cs.Inject("connection")) -> None:
            log.append("started")
            await asyncio.Event().wait()
    else:

        @cs.task(mode="thread")
        def use(given: object = cs.Inject("connection")) -> None:
            log.append("started")
            assert released.wait(timeout=60)

    after = cs.task(mode="inline")(lambda value: log.append("after"))
    run = engine.start(after(stopped_by(use(), lambda: "started" in log)))
    await holds(lambda: "started" in log)
    await settle(20)
    released.set()
    await run
    assert log == ["open", "started", "closed", "after"]


@EACH_WAY
async def test_a_resource_that_is_being_set_up(stopped_by: Callable[..., Any], log: Notes) -> None:
    @cs.resource(scope="run")
    async def connection() -> AsyncIterator[str]:
        log.append("opening")
        try:
            await asyncio.Event().wait()
        finally:
            await settle(5)
            log.append("given up")
        yield "never"

    engine = cs.Engine()
    engine.register(connection)
    await engine.run(stopped_by(leaf(cs.inject("connection")), lambda: bool(log)))
    assert log == ["opening", "given up"]


# -- limits ------------------------------------------------------------------------------------------------------------


@EACH_WAY
async def test_grants_are_given_back_once_the_call_has_ended(stopped_by: Callable[..., Any], log: Notes) -> None:
    engine = cs.Engine(limits={"gpu": 1})

    @cs.task
    async def holder() -> None:
        log.append("started")
        try:
            await asyncio.Event().wait()
        finally:
            await settle(20)
            log.append("cleaned")

    other = cs.task(mode="inline")(lambda *inputs: log.append("other")).with_constraints(gpu=1)

    @cs.task
    async def begun() -> None:
        await holds(lambda: bool(log))

    beneath = holder.with_constraints(gpu=1)()
    await engine.run(keep(stopped_by(beneath, lambda: bool(log)), other(begun())))
    assert log == ["started", "cleaned", "other"]
    assert all(not state.in_use and not state.waiting for state in engine.limits.snapshot())


@EACH_WAY
async def test_what_waits_for_a_limit_leaves_the_line(stopped_by: Callable[..., Any], log: Notes) -> None:
    engine = cs.Engine(limits={"gpu": 1})
    gate = asyncio.Event()

    @cs.task
    async def holder() -> None:
        log.append("holds")
        await gate.wait()

    never = cs.task(mode="inline")(lambda: log.append("never")).with_constraints(gpu=1)

    @cs.task(mode="inline")
    def open_gate(value: object) -> None:
        gate.set()

    def waits() -> bool:
        return any(state.waiting for state in engine.limits.snapshot())

    first = holder.with_constraints(gpu=1)()

    @cs.task(mode="inline")
    def later(value: object) -> object:
        return never()

    begun = once(lambda: "holds" in log, False)
    await engine.run(keep(first, open_gate(stopped_by(later(begun), waits))))
    assert log == ["holds"]
    assert all(not state.in_use and not state.waiting for state in engine.limits.snapshot())


def test_a_permit_is_no_other_nodes(virtual: VirtualTime) -> None:
    """Permits are known by the address of a frame, which another one may have after it."""
    virtual.engine.limits.set("task:cascade.wait", rate="1/s", burst=1)

    @cs.task
    async def fail_at(seconds: float) -> None:
        await asyncio.sleep(seconds)
        raise Boom

    for parts in ([cs.wait(0), cs.wait(0), fail_at(1)], [fail_at(1), cs.wait(0), cs.wait(0)]):

        async def main(parts: list[object] = parts) -> None:
            run = virtual.engine.start(keep(cs.fallback(keep(*parts), "other")))
            assert await run == ("other",)
            assert run._extras is None or not run._extras.permits

        virtual.run(main())


class Kept:
    """A cache policy for one call."""

    blocking = False

    def __init__(self) -> None:
        self.hit: Hit | None = None

    def key(self, task: cs.Task, args: tuple[object, ...], kwargs: dict[str, object]) -> bytes:
        return b"key"

    def load(self, key: bytes, now: float) -> Hit | None:
        return self.hit

    def save(self, key: bytes, value: object, now: float) -> None:
        self.hit = Hit(value)


# -- caches ------------------------------------------------------------------------------------------------------------


@EACH_WAY
@pytest.mark.parametrize("expression", [False, True])
async def test_a_waiting_call_leads_after_the_leader_was_stopped(
    expression: bool, stopped_by: Callable[..., Any], log: Notes
) -> None:
    engine = cs.Engine()
    gate = asyncio.Event()

    @cs.task
    async def slow() -> str:
        await gate.wait()
        return "value"

    @cs.task(name="kept")
    async def kept() -> object:
        log.append("called")
        if expression:
            return leaf(slow())
        await gate.wait()
        return "value"

    call = kept.with_cache(Kept())

    waiting: list[cs.Run] = []
    run = engine.start(stopped_by(call(), lambda: bool(waiting) and waiting[0].state == "parked"))
    await holds(lambda: bool(log))
    waiting.append(engine.start(call()))
    await run
    await settle(10)
    assert log == ["called", "called"]
    gate.set()
    assert await waiting[0] == "value"
    assert await engine.run(call()) == "value"
    assert len(log) == 2


async def test_a_flight_whose_expression_cannot_be_started(cold: cs.Engine, log: Notes) -> None:
    """The waiting call must not wait for ever, as the run goes on."""

    @cs.task(name="kept")
    async def kept() -> object:
        log.append("called")
        await settle(5)
        return leaf(cs.Param("n", type=int))

    call = kept.with_cache(Kept())
    gate = asyncio.Event()
    hold = cs.task(gate.wait)
    first = cold.start(keep(cs.fallback(keep(call()), "first"), hold()))
    await holds(lambda: bool(log))
    second = cold.start(cs.fallback(call(), "second"))
    assert await second == "second" and log == ["called", "called"]
    gate.set()
    assert await first == ("first", True)


# -- the run is cancelled meanwhile ------------------------------------------------------------------------------------


@EACH_WAY
async def test_cancelled_at_any_turn_of_it(stopped_by: Callable[..., Any], log: Notes) -> None:
    """No cleanup is interrupted, and the run has ended only after all of it."""

    @cs.resource(scope="call")
    async def connection() -> AsyncIterator[str]:
        log.append("opened")
        try:
            yield "connection"
        finally:
            await settle(3)
            log.append("closed")

    @cs.task
    async def sleeper(given: object = cs.Inject("connection")) -> None:
        log.append("started")
        try:
            await asyncio.Event().wait()
        finally:
            await settle(4)
            log.append("cleaned")

    for turns in range(40):
        engine = cs.Engine(limits={"gpu": 1})
        engine.register(connection)
        log.clear()
        channel = cs.Channel()
        beneath = keep(sleeper.with_constraints(gpu=1)(), channel.recv(), cs.wait(60))
        run = engine.start(stopped_by(beneath, lambda: "started" in log))
        await settle(turns)
        run.cancel()
        await asyncio.gather(run, return_exceptions=True)
        assert run.done() and log.count("started") == log.count("cleaned")
        assert log.count("opened") == log.count("closed")
        assert engine.runs == () and all(not state.in_use for state in engine.limits.snapshot())
        channel.send(1)
        assert len(channel) == 1
        await engine.aclose()


@EACH_WAY
async def test_the_engine_is_closed_at_any_turn_of_it(stopped_by: Callable[..., Any], log: Notes) -> None:
    @cs.task
    async def sleeper() -> None:
        log.append("started")
        try:
            await asyncio.Event().wait()
        finally:
            await settle(4)
            log.append("cleaned")

    for turns in range(0, 40, 3):
        log.clear()
        async with cs.Engine() as engine:
            run = engine.start(stopped_by(sleeper(), lambda: bool(log)))
            await settle(turns)
        assert run.done() and log.count("started") == log.count("cleaned")
        await asyncio.gather(run, return_exceptions=True)


@EACH_WAY
def test_the_event_loop_is_closed_in_the_middle_of_it(stopped_by: Callable[..., Any], log: Notes) -> None:
    started: list[bool] = []

    @cs.task
    async def sleeper() -> None:
        started.append(True)
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await asyncio.Event().wait()

    for turns in (1, 5, 20):
        started.clear()
        engine = cs.Engine()
        loop = asyncio.new_event_loop()

        async def main(turns: int = turns, engine: cs.Engine = engine) -> cs.Run:
            run = engine.start(stopped_by(sleeper(), lambda: bool(started)))
            await settle(turns)
            return run

        run = loop.run_until_complete(main())
        for task in asyncio.all_tasks(loop):
            task._log_destroy_pending = False  # type: ignore[attr-defined]
        loop.close()
        assert not run.done()
        asyncio.run(engine.aclose())
        assert run.done()
        with pytest.raises(cs.EngineStateError):
            run.result()


async def test_a_subscriber_that_cancels_the_run_as_it_is_told_of_the_failure(log: Notes) -> None:
    from cascade.events import NodeCaught

    engine = cs.Engine()
    engine.events.subscribe(NodeCaught, lambda event: engine.runs[0].cancel())
    run = engine.start(caught(keep(cs.wait(60), fail()), log))
    with pytest.raises((Boom, asyncio.CancelledError)):
        await run
    assert log == []


# -- garbage and destructors -------------------------------------------------------------------------------------------


class Token:
    """Something whose end can be seen."""


@EACH_WAY
async def test_nothing_of_it_is_left(stopped_by: Callable[..., Any], cold: cs.Engine) -> None:
    started: list[bool] = []

    @cs.task
    async def sleeper(token: object) -> None:
        started.append(True)
        await asyncio.Event().wait()

    gate = asyncio.Event()
    hold = cs.task(gate.wait)

    def begin() -> tuple[cs.Run, list[weakref.ref[Token]]]:
        tokens = [Token() for _ in range(3)]
        beneath = keep(sleeper(tokens[0]), keep(leaf(tokens[1]), cs.wait(60)), [tokens[2], cs.wait(60)])
        made = cold.start(keep(cs.recover(stopped_by(beneath, lambda: bool(started)), repr), hold()))
        return made, [weakref.ref(token) for token in tokens]

    run, watches = begin()
    await settle(60)
    gc.collect()
    # Arguments of a frame that goes on are its data until it ends; what was evaluated for the rest is not.
    gate.set()
    await run
    await settle(5)
    gc.collect()
    assert [watch() for watch in watches] == [None] * 3


async def test_a_run_that_only_cycles_hold_while_something_of_it_is_being_stopped() -> None:
    """The frame that waits for the end of it is known to the garbage collector."""
    started: list[bool] = []

    async def main() -> weakref.ref[cs.Engine]:
        engine = cs.Engine()
        never: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        @cs.task
        async def sleeper(engine: cs.Engine, never: asyncio.Future[None] = never) -> None:
            started.append(True)
            try:
                await never
            finally:
                await never

        engine.start(keep(cs.fallback(keep(sleeper(engine), once(lambda: bool(started))), 1), engine))
        await settle(20)
        return weakref.ref(engine)

    watch = await main()
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        task._log_destroy_pending = False  # type: ignore[attr-defined]
    gc.collect()
    await settle(5)
    gc.collect()
    assert watch() is None


ACTS: dict[str, Callable[[cs.Engine, cs.Run, cs.Channel], object]] = {
    "cancels the run": lambda engine, run, channel: run.cancel(),
    "sends": lambda engine, run, channel: channel.send("sent"),
    "starts a run": lambda engine, run, channel: engine.start(leaf()),
    "collects garbage": lambda engine, run, channel: gc.collect(),
    "closes a channel": lambda engine, run, channel: channel.close(),
    "raises": lambda engine, run, channel: 1 / 0,
}


@EACH_WAY
@pytest.mark.parametrize("act", ACTS.values(), ids=ACTS)
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_a_destructor_that_uses_the_engine(
    act: Callable[..., object], stopped_by: Callable[..., Any], cold: cs.Engine
) -> None:
    """It is called as values of what was stopped are released, when the run is whole again."""
    runs: list[cs.Run] = []
    channel, acted = cs.Channel(), []

    class Acting:
        def __del__(self) -> None:
            if runs:
                acted.append(True)
                act(cold, runs[0], channel)

    def values() -> Iterator[object]:
        while True:
            yield Acting()

    made = cs.task(mode="inline")(lambda: next(values()))
    started: list[bool] = []
    note = cs.task(mode="inline")(lambda *inputs: started.append(True))

    @cs.task(mode="inline")
    def several() -> object:
        parts = [keep(made(), cs.wait(60)) for _ in range(3)]
        return keep(*parts, channel.recv(), note(made()))

    runs.append(cold.start(keep(stopped_by(several(), lambda: bool(started)), leaf())))
    await asyncio.gather(runs[0], return_exceptions=True)
    assert runs[0].done() and acted
    await settle(5)
    runs.clear()
    gc.collect()
    assert cold.runs == ()
