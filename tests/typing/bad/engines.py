"""Wrong uses of runs, populations and engines."""

from __future__ import annotations

import asyncio

import cascade as cs
from cascade.testing import VirtualTime


@cs.task
def add(a: int, b: int) -> int:
    return a + b


@cs.task
async def fetch(url: str) -> bytes:
    return url.encode()


@cs.task
def spawn(engine: cs.Engine, n: int) -> cs.Run[str]:
    return engine.start(add(n, 1))  # error


def first(runs: tuple[cs.Run[bytes], ...]) -> bytes:
    return runs[0].result()


async def finish(run: cs.Run[int]) -> str:
    return await run  # error


async def cell(engine: cs.Engine) -> None:
    (await cs.arun(add(1, 2))).upper()  # error
    cs.arun(add(1, 2)) + 1  # error
    await cs.arun(add("1", 2))  # error
    await cs.arun(add(1, 2), engine="virtual")  # error
    await cs.arun(add(1, 2), param={"n": 3})  # error
    await cs.arun(add(1, 2), engine)  # error
    (await cs.arun([add(1, 2)], engine=engine))[0].upper()  # error


async def main() -> None:
    async with cs.Engine() as engine:
        run = engine.start(add(1, 2))
        text: str = await run  # error
        texts: str = run.result()  # error
        other: cs.Run[str] = run  # error
        run.result().upper()  # error
        run.results()  # error
        run + 1  # error
        engine.start(add("1", 2))  # error
        engine.start()  # error
        engine.start(add(1, 2), param={"n": 3})  # error
        engine.start(add(1, 2), params=[3])  # error
        number: int = engine.start(add(1, 2))  # error
        numbers: list[str] = await engine.start([add(1, 2)])  # error
        wrong: str = await engine.start(cs.lazy(add(1, 2)).run_if(True))  # error: pyright

        population = engine.start_many(fetch(url) for url in ("a", "b"))
        first(engine.start_many([add(1, 2)]).runs)  # error
        done: str = (await population).done  # error
        population.runs[0].result() + 1  # error
        (await population).finished  # error
        engine.start_many(add(1, 2))  # error
        engine.start_many([add(1, 2)], on_failure="restart")  # error
        engine.start_many([add(1, 2)], on_failure=3)  # error
        members: cs.Population[str] = population  # error
        async for ended in engine.as_completed(population):
            ended.result() + 1  # error
        async for one in engine.as_completed(fetch("u") for _ in range(3)):
            one.result() + 1  # error
        engine.as_completed([add(1, 2)], concurrency="2")  # error
        engine.as_completed(run)  # error
        print(text, texts, other, number, numbers, wrong, done, members)


asyncio.run(main())

cs.Engine(quantum="0")  # error
cs.Engine(default_mode="fast")  # error
cs.Engine(limit={"gpu": 2})  # error
cs.Engine(limits={"gpu": [2]})  # error
cs.Engine(clock=3)  # error
cs.Restart(limit="3")  # error
cs.Restart(limits=3)  # error
cs.Restart(delay="1")  # error
cs.Restart(delay=None)  # error
cs.Restart(backof=2)  # error
cs.Restart(reset_after="60")  # error
cs.Restart(limit=3).delays  # error
cs.Restart(limit=3).limit = 4  # error
cs.Engine(max_iterations="25")  # error
cs.Engine(max_iteration=25)  # error
cs.Engine(debug="yes")  # error
cs.run(add(1, 2), max_iterations="25")  # error
cs.run(add(1, 2), max_iterations=2.5)  # error
cs.run(add(1, 2), max_iteration=25)  # error
cs.run(add(1, 2), deadline="3")  # error
cs.run(add(1, 2), timeout=3)  # error
cs.run(add(1, 2), 25)  # error
cs.run([add(1, 2)], deadlines=3)  # error


async def in_bounds(engine: cs.Engine) -> None:
    await engine.run(add(1, 2), max_iterations="25")  # error
    await engine.run(add(1, 2), deadline="3")  # error
    engine.start(add(1, 2), max_iteration=25)  # error
    engine.start_many([add(1, 2)], deadline="3")  # error
    text: str = await engine.run(add(1, 2), max_iterations=25, deadline=3)  # error
    print(text)


virtual = VirtualTime(seed=3)
value: str = virtual.run(add(1, 2))  # error
slept: int = virtual.run(asyncio.sleep(1, "x"))  # error
virtual.run(add("1", 2))  # error

cs.wait("1")  # error
cs.wait_until("noon")  # error
cs.ticks()  # error
cs.ticks(1, offset="1")  # error


def elsewhere(engine: cs.Engine) -> str:
    engine.submit(add(1, 2), dedline=3)  # error
    engine.call_threadsafe(engine.limits.pause, fetch, tll=30)  # error
    engine.call_threadsafe(engine.limits.resume, "task:fetch").result().upper()  # error
    return engine.submit(add(1, 2)).result()  # error


async def more(engine: cs.Engine, out: cs.Channel[int]) -> None:
    engine.start(add(1, 2), closes="out")  # error
    engine.start_many([add(1, 2)], concurrency="3")  # error
    engine.start_many([add(1, 2)], closes="out")  # error
    engine.start_many([add(1, 2)]).add(add(1, 2), name=3)  # error
    engine.start_many([add(1, 2)]).add(add(1, 2), tags={"site": 7})  # error
    engine.start_many([add(1, 2)]).add(fetch("u"))  # error
    async for number in out:
        number.upper()  # error
