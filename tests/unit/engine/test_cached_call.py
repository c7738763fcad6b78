"""Cached calls on the engine: expressions as results, one flight, cancellation, failing stores."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import cascade as cs
from cascade.cache.protocol import Hit
from cascade.events import CacheHit, NodeFinished, NodeStarted
from support.observation import settle
from support.tasks import echo, holds

made: list[object] = []
gate: asyncio.Event


@pytest.fixture(autouse=True)
def fresh() -> None:
    global gate
    made.clear()
    gate = asyncio.Event()


@pytest.fixture(params=["memory", "disk"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    kept: Any = cs.MemoryStore() if request.param == "memory" else cs.DiskStore(tmp_path / "cache.db")
    yield kept
    kept.close()


@cs.task(mode="inline")
def one(x: Any) -> Any:
    made.append(x)
    return x


@cs.task
async def gated(x: Any) -> Any:
    made.append(x)
    await gate.wait()
    return x


@cs.task(mode="inline")
def expression(x: Any) -> Any:
    made.append("expression")
    return echo(echo(gated(x)), one("more"))


VALUE = [[1], "more"]  # of the expression of 1


@cs.task(mode="inline")
def nothing() -> None:
    made.append(None)


@pytest.mark.parametrize("root", [True, False])
async def test_none_is_a_result(store: Any, root: bool) -> None:
    call = nothing().with_cache(cs.ResultCache(store=store))
    async with cs.Engine() as engine:
        for _ in range(3):
            assert await engine.run(call if root else echo(call)) == (None if root else [None])
    assert made == [None]


@pytest.mark.parametrize("root", [True, False])
async def test_the_value_of_an_expression_is_kept(store: Any, root: bool) -> None:
    call = expression(1).with_cache(cs.ResultCache(store=store))
    gate.set()
    async with cs.Engine() as engine:
        for _ in range(3):
            value = await engine.run(call if root else echo(call))
            assert value == (VALUE if root else [VALUE])
    assert made.count("expression") == 1 and len(made) == 3


async def test_one_flight_for_an_expression(store: Any) -> None:
    call = expression(1).with_cache(cs.ResultCache(store=store))
    async with cs.Engine() as engine:
        runs = [engine.start(echo(call)) for _ in range(3)] + [engine.start(echo(call, call))]
        await holds(lambda: 1 in made)
        await settle()
        gate.set()
        for run in runs:
            assert (await run)[0] == VALUE
    assert made.count("expression") == 1


async def test_the_run_that_leads_is_cancelled_in_between(store: Any) -> None:
    call = expression(1).with_cache(cs.ResultCache(store=store))
    async with cs.Engine() as engine:
        first = engine.start(call)
        await holds(lambda: 1 in made)
        second, third = engine.start(call), engine.start(echo(call))
        await settle()
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        await holds(lambda: made.count(1) == 2)  # the next one leads
        second.cancel()
        await settle()
        gate.set()
        assert (await third) == [VALUE]
        with pytest.raises(asyncio.CancelledError):
            await second
    assert made.count("expression") <= 3


@pytest.mark.parametrize("turns", range(8))
async def test_cancelled_after_any_number_of_turns(store: Any, turns: int) -> None:
    gate.set()
    call = expression(1).with_cache(cs.ResultCache(store=store))
    async with cs.Engine() as engine:
        first = engine.start(call)
        await settle(turns)
        first.cancel()
        async with asyncio.timeout(20):
            assert (await engine.run(call)) == VALUE
        if first.state != "done":
            with pytest.raises(asyncio.CancelledError):
                await first


def test_a_flight_that_a_closed_event_loop_has_left() -> None:
    engine = cs.Engine()
    call = waits(0).with_cache(cs.ResultCache(store=cs.MemoryStore()))

    async def leave() -> None:
        engine.start(call)
        await settle(5)

    async def again() -> object:
        async with asyncio.timeout(20):
            return await engine.run(call)

    global delay
    delay = 3600.0
    asyncio.run(leave())
    delay = 0.0
    assert asyncio.run(again()) == 0.0
    assert made == ["waits"] * 2


delay = 0.0


@cs.task(mode="inline")
def waits(x: int) -> Any:
    made.append("waits")
    return zero(cs.wait(delay))


@cs.task(mode="inline")
def zero(x: object) -> float:
    return 0.0


class Failing(cs.MemoryStore):
    """A store that fails at the first result that it is to give or to keep."""

    def __init__(self, blocking: bool, method: str, error: BaseException) -> None:
        super().__init__()
        self.slow = blocking
        self.failing = method
        self.error = error

    @property
    def blocking(self) -> bool:  # type: ignore[override]
        return self.slow

    def fail(self, method: str) -> None:
        if self.failing == method:
            self.failing = ""
            raise self.error

    def get(self, *arguments: Any, **keywords: Any) -> Hit | None:
        self.fail("get")
        return super().get(*arguments, **keywords)

    def set(self, *arguments: Any, **keywords: Any) -> None:
        self.fail("set")
        super().set(*arguments, **keywords)


class Falsy(Exception):
    def __bool__(self) -> bool:
        return False


class Outcome(BaseException):
    """Like the exceptions by which test libraries fail a test."""


ERRORS = [
    OSError("full"), StopIteration(), Falsy(), KeyError("x"), MemoryError(), asyncio.CancelledError(), SystemExit(1),
    GeneratorExit(), Outcome(), BaseExceptionGroup("several", [Outcome()]), KeyboardInterrupt(),
]  # fmt: skip


@pytest.mark.parametrize("error", ERRORS, ids=[type(error).__name__ for error in ERRORS])
@pytest.mark.parametrize("method", ["get", "set"])
@pytest.mark.parametrize("blocking", [False, True])
@pytest.mark.parametrize("kind", ["inline", "async", "expression"])
async def test_a_store_that_fails_is_none(blocking: bool, kind: str, method: str, error: BaseException) -> None:
    if isinstance(error, KeyboardInterrupt) and not blocking:
        pytest.skip("in the main thread it may be that of the keyboard")
    gate.set()
    target: Any = {"inline": one(1), "async": gated(1), "expression": expression(1)}[kind]
    call = target.with_cache(cs.ResultCache(store=Failing(blocking, method, error)))
    async with cs.Engine() as engine:
        values = [await engine.run(echo(call)) for _ in range(3)]
    assert values == [[VALUE if kind == "expression" else 1]] * 3
    # After the one failure, the next result is kept, or that of the first call was.
    assert made.count(1) == (2 if method == "set" else 1)


def test_an_interrupt_from_the_keyboard_in_a_store_ends_the_run() -> None:
    call = one(1).with_cache(cs.ResultCache(store=Failing(False, "get", KeyboardInterrupt())))
    with pytest.raises(KeyboardInterrupt):
        cs.run(call)


async def test_a_store_that_fails_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(cs.MemoryStore):
        def get(self, key: bytes, now: float) -> Hit | None:
            raise ConnectionError("no route to host")

    class Policy(cs.ResultCache):
        pass

    call = one(1).with_cache(Policy(store=Broken()))
    async with cs.Engine() as engine:
        assert [await engine.run(call) for _ in range(3)] == [1, 1, 1]
    (record,) = [record for record in caplog.records if "result cache" in record.getMessage()]
    assert record.getMessage() == "result cache: Policy.load has failed, and its calls run uncached"
    assert record.exc_info and isinstance(record.exc_info[1], ConnectionError)


async def test_a_load_does_not_wait_behind_saves() -> None:
    class Slow(cs.MemoryStore):
        blocking = True

        def set(self, *arguments: Any, **keywords: Any) -> None:
            saving.append(1)
            if len(saving) > 1:
                assert saves.wait(60)
            super().set(*arguments, **keywords)

    saves, saving = threading.Event(), list[int]()
    policy = cs.ResultCache(store=Slow())
    async with cs.Engine() as engine:
        await engine.run(one(0).with_cache(policy))
        runs = [engine.start(one(n).with_cache(policy)) for n in range(1, 40)]
        await holds(lambda: len(saving) > 4)
        assert await engine.run(one(0).with_cache(policy)) == 0
        assert not any(run.done() for run in runs)
        saves.set()
        assert [await run for run in runs] == list(range(1, 40))


async def test_two_closures_of_the_same_code() -> None:
    policy = cs.ResultCache(store=cs.MemoryStore())

    def scaled(factor: int) -> cs.Task:
        @cs.task(mode="inline")
        def scale(x: int) -> int:
            return factor * x

        return scale

    async with cs.Engine() as engine:
        for _ in range(2):
            calls = [scaled(factor)(10).with_cache(policy) for factor in (2, 3, 2)]
            assert await engine.run(calls) == [20, 30, 20]


async def test_a_failure_is_not_kept_and_a_retry_is_inside(store: Any) -> None:
    call = third_time(1).with_retry(max_attempts=2).with_cache(cs.ResultCache(store=store))
    async with cs.Engine() as engine:
        with pytest.raises(OSError):
            await engine.run(call)
        assert await engine.run(call) == 1
        assert await engine.run(call) == 1
    assert len(made) == 3


@cs.task(mode="inline")
def third_time(x: int) -> int:
    made.append(x)
    if len(made) < 3:
        raise OSError
    return x


async def test_a_hit_asks_no_limit_and_emits_one_event(store: Any) -> None:
    seen: list[Any] = []
    call = one(1).with_cache(cs.ResultCache(store=store)).with_constraints(gpu=1)
    async with cs.Engine(limits={"gpu": 1}) as engine:
        engine.events.subscribe((CacheHit, NodeStarted, NodeFinished), seen.append)
        await engine.run(call)
        engine.limits.set("gpu", capacity=0)
        assert await engine.run(call) == 1
    assert [type(event).__name__ for event in seen] == ["NodeStarted", "NodeFinished", "CacheHit"]
    assert len(seen[-1].key) == 64


async def test_an_injected_resource_counts_by_its_name(store: Any) -> None:
    policy = cs.ResultCache(store=store)

    @cs.resource(scope="call")
    def a() -> Iterator[str]:
        yield "a"

    async with cs.Engine() as engine:
        engine.register(a)
        engine.register(a, "b")
        for name in ("a", "b", "a", "b"):
            assert await engine.run(one(cs.inject(name)).with_cache(policy)) == "a"
    assert made == ["a", "a"]


async def test_a_skipped_expression_is_not_kept(store: Any) -> None:
    call = skips(1).with_cache(cs.ResultCache(store=store))
    async with cs.Engine() as engine:
        for _ in range(2):
            assert await engine.run([call, one(2)]) == [cs.SKIPPED, 2]
            with pytest.raises(cs.TaskSkippedError):
                await engine.run(call)
    assert made.count("skips") == 4


@cs.task(mode="inline")
def skips(x: int) -> Any:
    made.append("skips")
    return one(x).run_if(False)


async def test_a_resource_that_cannot_be_hashed_counts_by_its_name(store: Any) -> None:
    policy = cs.ResultCache(store=store)

    @cs.resource
    def connection() -> Iterator[object]:
        yield object()

    async with cs.Engine() as engine:
        engine.register(connection)
        for _ in range(2):
            assert await engine.run(uses(1).with_cache(policy)) == 1
            assert await engine.run(uses(2, connection=cs.inject("connection")).with_cache(policy)) == 2
            assert await engine.run(uses.with_cache(policy).map(x=[1, 2])) == [1, 2]
    assert made == [1, 2]


@cs.task(mode="inline")
def uses(x: int, connection: Any = cs.Inject("connection")) -> int:  # noqa: B008
    made.append(x)
    return x
