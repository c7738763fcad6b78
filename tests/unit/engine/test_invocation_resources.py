"""Resources on the engine: what uses them fails, is cancelled, ends at other times or in another event loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

import cascade as cs
from cascade.events import ResourceAcquired, ResourceReleased, RunFinished
from support.observation import settle
from support.tasks import echo, holds


def spoken(log: list[object], scope: Any = "run", name: str = "db", *, asynchronous: bool = True) -> Any:
    """A resource that says what becomes of it."""

    async def later() -> AsyncIterator[str]:
        log.append("open")
        try:
            yield name
        except BaseException as error:
            log.append(type(error))
            raise
        finally:
            await asyncio.sleep(0)
            log.append("close")

    def now() -> Iterator[str]:
        log.append("open")
        try:
            yield name
        except BaseException as error:
            log.append(type(error))
            raise
        finally:
            log.append("close")

    made = later if asynchronous else now
    made.__name__ = made.__qualname__ = name
    return cs.resource(made, scope=scope)


@cs.task(mode="inline")
def broken(x: object = None) -> None:
    raise ValueError("broken")


BOTH = pytest.mark.parametrize("asynchronous", [True, False])
SCOPES = pytest.mark.parametrize("scope", ["run", "call"])


@BOTH
@SCOPES
@pytest.mark.parametrize("mode", ["async", "thread"])
async def test_a_failing_task_beside_a_sibling_that_uses_a_resource(scope: str, mode: str, asynchronous: bool) -> None:
    log: list[object] = []
    using, gate = threading.Event(), threading.Event()

    async def use_later(db: str) -> None:
        using.set()
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            log.append("used")

    def use_in_thread(db: str) -> None:
        using.set()
        gate.wait()
        log.append("used")

    use = cs.task(use_later) if mode == "async" else cs.task(use_in_thread, mode="thread")

    @cs.task
    async def fail() -> None:
        await holds(using.is_set)
        gate.set()
        raise ValueError

    async with cs.Engine() as engine:
        engine.register(spoken(log, scope, asynchronous=asynchronous))
        with pytest.raises(ValueError):
            await engine.run(echo(use(cs.inject("db")), fail()))
        thrown = ValueError if scope == "run" else asyncio.CancelledError  # the sibling's own end is a cancellation
        assert log == ["open", "used", thrown, "close"]


@BOTH
@SCOPES
@pytest.mark.parametrize("fails", [True, False])
async def test_a_teardown_that_raises_loses_nothing(scope: str, fails: bool, asynchronous: bool) -> None:
    log: list[object] = []
    reports: list[dict[str, Any]] = []

    @cs.resource(scope=scope)
    def bad() -> Iterator[str]:
        try:
            yield "bad"
        finally:
            raise OSError("teardown")

    async with cs.Engine() as engine:
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: reports.append(context))
        released: list[ResourceReleased] = []
        engine.events.subscribe(ResourceReleased, released.append)
        engine.register(spoken(log, scope, asynchronous=asynchronous))
        engine.register(bad)
        target = (broken if fails else echo)(cs.inject("bad"))
        run = engine.start(echo(target) if scope == "call" else echo(target, cs.inject("db")))
        if fails:
            with pytest.raises(ValueError, match="broken"):
                await run
        else:
            with pytest.raises(OSError, match="teardown") as caught:
                await run
            assert caught.value.__notes__[0] == "in the teardown of resource `bad`"
            assert caught.value.__notes__[1].endswith(f"iteration 0 of run {run.id}") and run.state == "failed"
        assert [event.error for event in released if event.name == "bad"] == ["OSError: teardown"]
        told = ["resource `bad` failed in its teardown"] if fails else []
        assert [context["message"] for context in reports] == told
        assert log.count("open") == log.count("close")


@pytest.mark.parametrize("turns", range(10))
@BOTH
@SCOPES
async def test_cancelled_after_any_number_of_turns(scope: str, turns: int, asynchronous: bool) -> None:
    log: list[object] = []

    @cs.task
    async def use(db: str) -> str:
        await asyncio.sleep(0)
        return db

    async with cs.Engine(limits={"gpu": 1}) as engine:
        engine.register(spoken(log, scope, asynchronous=asynchronous))
        run = engine.start(echo(use(cs.inject("db")).with_constraints(gpu=1), use(cs.inject("db"))))
        await settle(turns)
        run.cancel()
        if run.state != "done":
            try:
                await run
            except asyncio.CancelledError:
                assert run.state in ("cancelled", "done")  # it was being torn down, with a value
        assert log.count("open") == log.count("close") and not engine.runs
        assert not engine.limits.snapshot()[0].in_use


@SCOPES
async def test_cancelled_in_the_middle_of_a_teardown(scope: str) -> None:
    log: list[str] = []
    gate = asyncio.Event()

    @cs.resource(scope=scope)
    async def slow() -> AsyncIterator[None]:
        yield
        log.append("closing")
        await gate.wait()
        log.append("closed")

    async with cs.Engine(limits={"gpu": 1}) as engine:
        engine.register(slow)
        run = engine.start(echo(cs.inject("slow")).with_constraints(gpu=1))
        await holds(lambda: log)
        assert not run.done()
        run.cancel()
        await settle()
        assert log == ["closing"] and not run.done()
        gate.set()
        if scope == "run":  # it has its value, and only that
            assert await run == [None] and run.state == "done"
        else:
            with pytest.raises(asyncio.CancelledError):
                await run
        assert log == ["closing", "closed"] and not engine.runs and not engine.limits.snapshot()[0].in_use


async def test_cancelled_in_the_middle_of_a_set_up() -> None:
    log: list[str] = []
    async with cs.Engine() as engine:
        for scope in ("run", "call", "engine"):
            log.clear()
            engine.register(cs.resource(slow_of(log), scope=scope), "slow")  # type: ignore[call-overload]
            run = engine.start(echo(cs.inject("slow")))
            await holds(lambda: log)
            run.cancel()
            with pytest.raises(asyncio.CancelledError):
                await run
            assert log == ["opening", "stopped"] and not engine.runs


def slow_of(log: list[str]) -> Any:
    async def slow() -> AsyncIterator[None]:
        log.append("opening")
        try:
            await asyncio.Event().wait()
        finally:
            log.append("stopped")
        yield

    return slow


class Broker:
    """A connector."""

    def __init__(self, log: list[str]) -> None:
        self.log = log

    async def connect(self) -> None:
        await asyncio.sleep(0)
        self.log.append("connect")

    async def close(self) -> None:
        await asyncio.sleep(0)
        self.log.append("close")

    async def publish(self, topic: str, message: Any) -> None:
        assert self.log[-1] != "close"
        self.log.append(message)

    def subscribe(self, topics: Any, /) -> Any:
        raise NotImplementedError


@cs.task
async def publish(before: Any, message: str, broker: Any = cs.Inject("broker")) -> None:  # noqa: B008
    await broker.publish("topic", message)


@cs.task
async def when(event: asyncio.Event) -> None:
    await event.wait()


async def test_two_runs_that_end_at_different_times_share_a_connector() -> None:
    log: list[str] = []
    gate = asyncio.Event()
    async with cs.Engine() as engine:
        engine.register(Broker(log), "broker")
        long = engine.start(echo(publish(None, "first of long"), publish(when(gate), "last of long")))
        await holds(lambda: "first of long" in log)
        await engine.run(publish(None, "short"))
        with pytest.raises(ValueError):
            await engine.run(echo(publish(None, "failing"), broken()))
        assert "close" not in log
        gate.set()
        await long
        assert log[0] == "connect" and log[-1] == "last of long" and "close" not in log
    assert log[-1] == "close" and log.count("connect") == log.count("close") == 1


def test_one_event_loop_after_the_other() -> None:
    log: list[str] = []
    engine = cs.Engine()
    engine.register(Broker(log), "broker")
    for number in range(2):
        cs.run(publish(None, str(number)), engine=engine)
    assert log == ["connect", "0", "close", "connect", "1", "close"]

    async def leave() -> None:
        engine.start(echo(publish(None, "left"), when(asyncio.Event())))
        await holds(lambda: log[-1] == "left")

    asyncio.run(leave())
    cs.run(publish(None, "2"), engine=engine)
    assert log[-3:] == ["connect", "2", "close"]


async def test_events_of_resources_come_before_that_of_the_end() -> None:
    log: list[object] = []
    seen: list[Any] = []
    async with cs.Engine() as engine:
        engine.events.subscribe((ResourceAcquired, ResourceReleased, RunFinished), seen.append)
        engine.register(spoken(log, "run", "a"))
        engine.register(spoken(log, "call", "b", asynchronous=False))
        engine.register(spoken(log, "engine", "c"))
        run = engine.start(echo(cs.inject("a"), cs.inject("b"), cs.inject("c")))
        await run
    told = [(type(event).__name__, getattr(event, "name", ""), event.run) for event in seen]
    assert told[-1] == ("ResourceReleased", "c", 0) and told[-2] == ("RunFinished", "", run.id)
    assert told[-4:-2] == [("ResourceReleased", "b", run.id), ("ResourceReleased", "a", run.id)]
    assert ("ResourceAcquired", "c", 0) in told and len(told) == 7


@pytest.mark.parametrize("nodes", [1, 12])
async def test_an_unregistered_resource_of_a_later_iteration(nodes: int) -> None:
    @cs.task(mode="inline")
    def go_on(*x: object) -> object:
        return echo(cs.inject("nowhere"))

    async with cs.Engine() as engine:
        other = engine.start(when(gate := asyncio.Event()))
        with pytest.raises(cs.ResourceError, match="nowhere") as caught:
            await engine.run(go_on(*(echo(n) for n in range(nodes))))
        assert not isinstance(caught.value, cs.InternalError)
        gate.set()
        await other


async def test_a_resource_is_not_set_up_for_what_is_not_needed() -> None:
    log: list[object] = []
    async with cs.Engine() as engine:
        engine.register(spoken(log))
        use = echo(cs.inject("db"))
        assert await engine.run(echo(use.run_if(False, otherwise=1))) == [1]
        assert await engine.run(echo(cs.Router(name(), {"a": use, "b": 2}))) == [2]
        assert log == []


@cs.task(mode="inline")
def name() -> str:
    return "b"


# -- what commits after the yield ---------------------------------------------------------------------------------


def committing(scope: Any, log: list[str], fails: int = 1_000_000) -> Any:
    @cs.resource(scope=scope)
    def transaction() -> Iterator[str]:
        try:
            yield "tx"
        except BaseException as error:
            log.append(f"roll back: {type(error).__name__}")
            raise
        log.append("commit")
        if log.count("commit") <= fails:
            raise OSError("disk full")

    return transaction


def test_a_failed_commit_of_a_call_is_tried_again_and_not_kept() -> None:
    log: list[str] = []
    engine = cs.Engine()
    engine.register(committing("call", log))
    # A key of its own: what a resource is made of is in the key otherwise, and this one has a log that grows.
    cache = cs.ResultCache(key=lambda value: "echo")
    target = echo(cs.inject("transaction")).with_retry(3, on=OSError).with_cache(cache)
    for times in (1, 2):
        with pytest.raises(OSError, match="disk full") as caught:
            cs.run(target, engine=engine)
        assert log == ["commit"] * 3 * times
        assert caught.value.__notes__[0] == "in the teardown of resource `transaction`"
    log.clear()
    engine.register(committing("call", log, fails=1))
    assert cs.run(target, engine=engine) == ["tx"]
    assert cs.run(target, engine=engine) == ["tx"]
    assert log == ["commit", "commit"]


def test_a_failed_commit_of_a_run_fails_it() -> None:
    async def main() -> None:
        log: list[str] = []
        finished: list[RunFinished] = []
        async with cs.Engine() as engine:
            engine.register(committing("run", log))
            engine.events.subscribe(RunFinished, finished.append)
            run = engine.start(echo(cs.inject("transaction")))
            with pytest.raises(OSError, match="disk full") as caught:
                await run
            assert run.state == "failed" and finished[0].error == "OSError: disk full"
            assert caught.value.__notes__[-1] == f"the target, iteration 0 of run {run.id}"
            population = engine.start_many([echo(cs.inject("transaction"))], on_failure=cs.Restart(limit=2))
            assert (await population).failed == 1
            assert log == ["commit"] * 4

    asyncio.run(main())


def test_a_failed_commit_of_the_engine_is_raised_when_it_ends() -> None:
    log: list[str] = []
    target = echo(cs.inject("transaction"))
    engine = cs.Engine()
    engine.register(committing("engine", log))
    with pytest.raises(OSError, match="disk full"):
        cs.run(target, engine=engine)

    async def left(how: str) -> None:
        engine = cs.Engine()
        engine.register(committing("engine", log))
        if how == "closed":
            assert await engine.run(target) == ["tx"]
            await engine.aclose()
            return
        async with engine:
            assert await engine.run(target) == ["tx"]
            if how == "failing":
                asyncio.get_running_loop().set_exception_handler(lambda loop, context: log.append(context["message"]))
                raise ValueError("of the block")

    for how in ("closed", "left"):
        with pytest.raises(OSError, match="disk full"):
            asyncio.run(left(how))
    with pytest.raises(ValueError, match="of the block") as caught:
        asyncio.run(left("failing"))
    assert caught.value.__notes__ == ["a resource of the engine failed in its teardown: OSError: disk full"]
    assert log[-1] == "a resource of the engine failed in its teardown"


@pytest.mark.parametrize("scope", ["call", "run"])
def test_a_failed_commit_rolls_back_what_is_torn_down_after_it(scope: Any) -> None:
    log: list[str] = []

    @cs.resource(scope=scope)
    def inner(transaction: str) -> Iterator[str]:
        yield transaction
        raise KeyError("inner")

    engine = cs.Engine()
    engine.register(committing(scope, log))
    engine.register(inner)
    with pytest.raises(KeyError, match="inner"):
        cs.run(echo(cs.inject("inner")), engine=engine)
    assert log == ["roll back: KeyError"]


@pytest.mark.parametrize("scope", ["call", "run"])
def test_the_failure_of_a_call_comes_before_that_of_its_teardown(scope: Any) -> None:
    @cs.resource(scope=scope)
    def bad() -> Iterator[None]:
        try:
            yield
        finally:
            raise OSError("teardown")

    async def main() -> None:
        messages: list[str] = []
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: messages.append(context["message"]))
        async with cs.Engine() as engine:
            engine.register(bad)
            with pytest.raises(ValueError, match="broken") as caught:
                await engine.run(broken(cs.inject("bad")))
        assert "resource `bad` failed in its teardown: OSError: teardown" in caught.value.__notes__
        assert messages == ["resource `bad` failed in its teardown"]

    asyncio.run(main())


@pytest.mark.parametrize("scope", ["call", "run"])
async def test_a_teardown_that_cancels_itself_is_a_failure(scope: Any) -> None:
    @cs.resource(scope=scope)
    async def odd() -> AsyncIterator[None]:
        yield
        raise asyncio.CancelledError

    async with cs.Engine() as engine:
        engine.register(odd)
        with pytest.raises(cs.ResourceError, match="the teardown of resource `odd` was cancelled"):
            await engine.run(echo(cs.inject("odd")))
