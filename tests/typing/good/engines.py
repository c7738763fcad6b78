"""Runs, populations, and what engines give."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from concurrent.futures import Future
from datetime import UTC, datetime, timedelta
from typing import assert_type

import cascade as cs
from cascade.testing import VirtualTime


@cs.task
def add(a: int, b: int) -> int:
    return a + b


@cs.task
async def fetch(url: str) -> bytes:
    return url.encode()


@cs.task
def spawn(engine: cs.Engine, n: int) -> cs.Run[int]:
    return engine.start(add(n, 1))


def first(runs: tuple[cs.Run[bytes], ...]) -> bytes:
    return runs[0].result()


async def calls() -> AsyncIterator[int]:
    yield add(1, 2)


async def finish(run: cs.Run[int]) -> int:
    return await run + 1


async def main(params: Mapping[str, object]) -> None:
    async with cs.Engine(quantum=0, limits={"gpu": 2}, seed=3) as engine:
        run = engine.start(add(1, 2), params=params)
        assert_type(run, cs.Run[int])
        assert_type(await run, int)
        assert_type(run.result(), int)
        assert_type(run.done(), bool)
        assert_type(await finish(run), int)
        run.cancel()

        assert_type(engine.start(fetch("u")), cs.Run[bytes])
        assert_type(await engine.start(fetch("u")), bytes)
        assert_type(engine.start([add(1, 2), add(3, 4)]), cs.Run[list[int]])
        assert_type((await engine.start([fetch("u")]))[0], bytes)
        assert_type(engine.start(cs.lazy(add(1, 2)).run_if(True)), cs.Run[int])
        assert_type(await engine.start(cs.gather(add(1, 2), fetch("u"))), tuple[int, bytes])
        assert_type(await engine.run(add(1, 2)), int)
        assert_type(await engine.run(add(1, 2)) + 1, int)
        assert_type(await engine.run(cs.lazy(add(1, 2)).with_retry(3)), int)
        assert_type(await engine.run(add.map(a=[1], b=[2])), list[int])
        known: cs.Run[float] = engine.start(add(1, 2))

        population = engine.start_many(fetch(url) for url in ("a", "b"))
        assert_type(population, cs.Population[bytes])
        assert_type(population.runs[0].result(), bytes)
        assert_type(first(population.failed), bytes)
        assert_type((await population).done, int)
        assert_type(population.counts().parked, int)
        async for ended in engine.as_completed(population):
            assert_type(ended, cs.Run[bytes])
            assert_type(ended.result(), bytes)
        async for one in engine.as_completed([run, run]):
            assert_type(one.result(), int)
        async for page in engine.as_completed((fetch("u") for _ in range(3)), concurrency=2, tags={"site": "7"}):
            assert_type(page, cs.Run[bytes])
        async for other in engine.as_completed(calls()):
            assert_type(other.result(), int)
        async for lazy in engine.as_completed([cs.lazy(add(1, 2))], name="sum"):
            assert_type(lazy.result(), int)
        lazies = engine.start_many([cs.lazy(add(1, 2)).after(fetch("u"))], on_failure=cs.Restart(limit=3))
        assert_type(lazies, cs.Population[int])
        assert_type(engine.start_many([add(1, 2)], on_failure="stop").runs, tuple[cs.Run[int], ...])
        print(known)


async def cell(engine: cs.Engine) -> None:
    assert_type(await cs.arun(add(1, 2)), int)
    assert_type(await cs.arun(fetch("u"), engine=engine, params={"n": 3}, deadline=5), bytes)
    assert_type(await cs.arun([add(1, 2), add(3, 4)], engine=engine), list[int])
    assert_type(await cs.arun(cs.gather(add(1, 2), fetch("u"))), tuple[int, bytes])
    assert_type(await cs.arun((add(1, 2), fetch("u")), name="one", tags={"site": "7"}), tuple[int, bytes])
    assert_type(await cs.arun({"a": add(1, 2)}, closes=cs.Channel[int]()), dict[str, int])
    assert_type(await cs.arun(cs.lazy(add(1, 2)).with_retry(3), max_iterations=9), int)
    assert_type(await cs.arun("a value"), str)


asyncio.run(main({"n": 3}))

assert_type(cs.run(add(1, 2), engine=cs.Engine(default_mode="inline"), params={"n": 3}), int)
assert_type(cs.dry_run(add(1, 2)).ok, bool)
assert_type(cs.explain(add(1, 2)), str)
assert_type(cs.cli(add(1, 2)), int)


async def of_several(engine: cs.Engine) -> int | bytes:
    assert_type(await engine.run(cs.race(add(1, 2), fetch("u"))), int | bytes)
    assert_type(await engine.run(cs.fallback(add(1, 2), None)), int | None)
    assert_type(engine.start(cs.race(add(1, 2), fetch("u"))), cs.Run[int | bytes])
    return await engine.run(cs.race(add(1, 2), fetch("u")))


# Bounds.
assert_type(cs.run(add(1, 2), max_iterations=25), int)
assert_type(cs.run([add(1, 2)], max_iterations=25, deadline=0.5), list[int])
assert_type(cs.run(cs.lazy(add(1, 2)).run_if(True), deadline=60), int)
assert_type(cs.run(add(1, 2), max_iterations=None, deadline=None), int)
bounded = cs.Engine(max_iterations=1000, debug=True)


async def in_bounds(engine: cs.Engine) -> int:
    assert_type(await engine.run(fetch("u"), max_iterations=25, deadline=3), bytes)
    assert_type(engine.start(fetch("u"), max_iterations=25, deadline=3.5), cs.Run[bytes])
    assert_type(engine.start_many([fetch("u")], max_iterations=25, deadline=3), cs.Population[bytes])
    try:
        return await engine.run(add(1, 2), deadline=3)
    except cs.RunDeadlineError:
        return 0
    except cs.RunLimitError as error:
        print(error.__notes__)
        return 1


# Restarts.
restart = cs.Restart(limit=5, delay=0.5, backoff=1.5, reset_after=60)
assert_type(restart.limit, int)
assert_type(restart.delay, float)
assert_type(restart.backoff, float)
assert_type(restart.reset_after, float | None)
cs.Restart()
cs.Restart(3, 1, 2, None)
cs.Restart(delay=timedelta(seconds=1), reset_after=timedelta(minutes=1))

# Durations, instants, ticks.
assert_type(cs.wait(timedelta(seconds=1)), float)
assert_type(cs.wait_until(datetime.now(UTC)), float)
assert_type(cs.wait_until(12), float)
assert_type(cs.ticks(timedelta(minutes=1), offset=3), float)
assert_type(fetch.with_timeout(timedelta(seconds=3))("u"), bytes)
assert_type(fetch.with_retry(delay=timedelta(seconds=1))("u"), bytes)


def elsewhere(engine: cs.Engine) -> bytes:
    assert_type(engine.submit([add(1, 2)]), Future[list[int]])
    assert_type(engine.call_threadsafe(engine.limits.resume, "task:fetch"), Future[bool])
    assert_type(engine.call_threadsafe(engine.limits.pause, fetch, ttl=30), Future[None])
    return engine.submit(fetch("u"), name="of a thread", deadline=timedelta(seconds=3)).result(60)


async def more(engine: cs.Engine, out: cs.Channel[str]) -> list[str]:
    run = engine.start(add(1, 2), closes=out)
    run.add_done_callback(lambda ended: print(ended.result() + 1))
    assert_type(run.exception(), BaseException | None)
    assert_type(run.cancel(), bool)
    population = engine.start_many([fetch("u")], concurrency=3, closes=out)
    engine.start_many([fetch("u")], closes=[out])
    assert_type(population.add(fetch("v"), name="v", tags={"depth": "2"}), cs.Run[bytes])
    assert_type(population.add(fetch("v")), cs.Run[bytes])
    await engine.join()
    return [text.upper() async for text in out]


virtual = VirtualTime(seed=3)
assert_type(virtual.run(add(1, 2)), int)
assert_type(virtual.run([add(1, 2)]), list[int])
assert_type(virtual.run(asyncio.sleep(1, "x")), str)
assert_type(virtual.run(cs.lazy(add(1, 2)).after(cs.wait(3))), int)
