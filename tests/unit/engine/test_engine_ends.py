"""How an engine comes to its end: joined, drained, closed."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import AsyncIterator
from typing import Any

import pytest

import cascade as cs
from cascade.testing import VirtualTime
from support.observation import settle
from support.tasks import leaf


class Boom(Exception):
    """A failure."""


@cs.task(mode="inline")
def fail(_: object = None) -> None:
    raise Boom


def test_join_waits_for_all_runs_also_for_those_that_are_started_meanwhile(virtual: VirtualTime) -> None:
    engine = virtual.engine

    @cs.task(mode="inline")
    def starts(_: object) -> None:
        runs.append(engine.start(fail(cs.wait(5))))

    async def main() -> None:
        await engine.join()  # there is none
        runs.extend([engine.start(starts(cs.wait(1))), engine.start(cs.wait(2))])
        population = engine.start_many([cs.wait(3), fail()])
        await engine.join()
        assert engine.clock.time() == 6.0 and engine.runs == ()
        assert [run.state for run in runs] == ["done", "done", "failed"] and population.done
        assert type(runs[2].exception()) is Boom and population.failed

    runs: list[Any] = []
    virtual.run(main())


async def test_a_join_that_is_cancelled_leaves_the_runs_alone() -> None:
    async with cs.Engine() as engine:
        run = engine.start(cs.wait(3600))
        joining = [asyncio.ensure_future(engine.join()) for _ in range(2)]
        await settle()
        joining[0].cancel()
        await settle()
        assert joining[0].cancelled() and not joining[1].done() and run.state == "parked"
        run.cancel()
        await joining[1]
        assert run._callbacks is None


@pytest.mark.parametrize("how", ["join", "drain"])
async def test_a_run_that_would_await_its_own_end(how: str) -> None:
    async with cs.Engine() as engine:

        @cs.task
        async def waits() -> None:
            await asyncio.sleep(0)
            await getattr(engine, how)()

        with pytest.raises(cs.EngineStateError, match="would await its own end"):
            await engine.run(waits())
        assert await engine.run(leaf()) == "leaf"  # it was not drained


async def test_a_drained_engine_starts_no_more_runs_and_closes() -> None:
    log: list[str] = []

    @cs.resource(scope="engine")
    async def db() -> AsyncIterator[str]:
        yield "db"
        log.append(f"closed, runs: {len(engine.runs)}")

    @cs.task
    async def uses(_: object, db: str = cs.Inject("db")) -> str:
        await gate.wait()
        log.append("used")
        return db

    gate = asyncio.Event()
    engine = cs.Engine()
    engine.register(db)
    run = engine.start(uses(1))
    agents = engine.start_many([fail(cs.wait(0))], on_failure=cs.Restart(limit=10**6))
    await settle()
    draining = asyncio.ensure_future(engine.drain())
    await settle()
    for start in (lambda: engine.start(leaf()), lambda: engine.start_many([leaf()])):
        with pytest.raises(cs.EngineClosedError, match="is being closed, starts no more runs and has 1 that have not"):
            start()
    assert not draining.done() and agents.done and repr(engine).startswith("<Engine: closing, 1 run, ")
    gate.set()
    await draining
    assert await run == "db" and log == ["used", "closed, runs: 0"]
    with pytest.raises(cs.EngineClosedError, match=r"^the engine is closed$"):
        engine.start(leaf())
    await engine.drain()  # once more: there is nothing to be done
    await engine.join()


async def test_a_drain_that_is_cancelled_still_refuses_runs() -> None:
    engine = cs.Engine()
    run = engine.start(cs.wait(3600))
    draining = asyncio.ensure_future(engine.drain())
    await settle()
    draining.cancel()
    await settle()
    with pytest.raises(cs.EngineClosedError):
        engine.start(leaf())
    assert run.state == "parked"
    await engine.aclose()
    assert run.state == "cancelled"


def test_close_where_no_loop_is_running() -> None:
    log: list[str] = []

    @cs.resource(scope="engine")
    async def db() -> AsyncIterator[str]:
        yield "db"
        log.append("closed")

    @cs.task(mode="thread")
    def uses(db: str = cs.Inject("db")) -> str:
        return threading.current_thread().name

    engine = cs.Engine()
    engine.register(db)
    name = cs.run(uses(), engine=engine)
    engine.close()
    gc.collect()
    assert log == ["closed"] and name not in {thread.name for thread in threading.enumerate()}
    with pytest.raises(cs.EngineClosedError):
        cs.run(leaf(), engine=engine)
    engine.close()
    virtual = cs.Engine(clock=cs.Clock.virtual())
    assert cs.run(cs.wait(5), engine=virtual) == 5.0
    virtual.close()


async def test_close_in_a_loop_says_what_to_do() -> None:
    engine = cs.Engine()
    with pytest.raises(cs.EngineStateError, match=r"must be called where no event loop is running: `await aclose\(\)`"):
        engine.close()
    run = engine.start(cs.wait(3600))
    for use in (engine.close, lambda: asyncio.run(engine.join()), lambda: asyncio.run(engine.drain())):
        with pytest.raises(cs.EngineStateError, match="one event loop at a time"):
            await asyncio.to_thread(use)
    assert run.state == "parked"
    await engine.aclose()


@pytest.mark.parametrize("resources", [False, True])
async def test_what_is_started_while_an_engine_is_left_does_not_outlive_that(*, resources: bool) -> None:
    opened: list[str] = []

    @cs.resource(scope="engine")
    async def db() -> AsyncIterator[str]:
        opened.append("open")
        yield "db"
        begun.set()
        await settle()
        opened.append("closed")

    @cs.task(mode="inline")
    def use(_: object, db: str = cs.Inject("db")) -> str:
        return db

    async def intrude() -> cs.Run[Any]:
        await begun.wait()
        return engine.start(use(1) if resources else cs.wait(3600))

    begun = asyncio.Event()
    async with asyncio.timeout(30), cs.Engine() as engine:
        engine.register(db)
        assert await engine.run(use(1)) == "db"
        intruder = asyncio.ensure_future(intrude())
        await settle()
    assert (await intruder).done() and engine.runs == () and opened.count("open") == opened.count("closed")
    async with engine:  # it is not held any longer, and can be used again
        assert await engine.run(leaf()) == "leaf"


async def test_what_was_submitted_and_not_begun_when_the_engine_was_left_takes_it_up_no_more() -> None:
    async with cs.Engine() as engine:
        await engine.run(leaf())
        futures: list[Any] = []
        thread = threading.Thread(target=lambda: futures.append(engine.submit(leaf())))
        thread.start()
        thread.join()  # the event loop is held up until it has been submitted
    with pytest.raises(cs.EngineStateError, match="was left before the run that was submitted could start"):
        await asyncio.wrap_future(futures[0])
    assert engine.runs == ()
    async with engine:
        with pytest.raises(TypeError, match="unexpected keyword argument 'nme'"):
            await asyncio.to_thread(engine.submit, leaf(), nme="x")  # type: ignore[call-overload]
