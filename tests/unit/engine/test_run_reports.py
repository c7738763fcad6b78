"""What a program prints of runs that are left as it ends: nothing, unless one of them has failed by itself."""

from __future__ import annotations

import subprocess
import sys

import pytest

BEGIN = """
import asyncio, gc, os, signal, sys
import cascade as cs

@cs.task
async def forever():
    await asyncio.Event().wait()

@cs.task
async def awaits():
    return await forever()

@cs.task
async def tidy():
    try:
        await asyncio.Event().wait()
    finally:
        await asyncio.sleep(0)

@cs.task
async def fails():
    await asyncio.sleep(0)
    raise ValueError("it")

@cs.task(mode="inline")
def keep(x):
    return x

def everything():
    yield forever()
    yield awaits()
    yield tidy()
    yield cs.wait(100)
    yield cs.Channel().recv()
    yield cs.recover(forever(), keep)
    yield cs.scope(forever()).with_retry(2)
    yield cs.lazy(forever()).with_retry(2).with_timeout(50)
    yield cs.race(forever(), cs.wait(50))
    yield cs.gather(forever(), awaits())
    yield keep.map(x=[forever(), cs.wait(50)])

async def turns():
    for _ in range(30):
        await asyncio.sleep(0)

def interrupt():
    os.kill(os.getpid(), signal.SIGINT)

def start(engine):
    return [engine.start(target) for target in everything()]
"""

QUIET = {
    "left behind": """
async def main():
    engine = cs.Engine()
    runs = start(engine)
    await turns()
asyncio.run(main())
""",
    "held, with their engine": """
engine = cs.Engine()
async def main():
    global runs
    runs = start(engine)
    await turns()
asyncio.run(main())
""",
    "not begun": """
engine = cs.Engine()
async def main():
    start(engine)
asyncio.run(main())
""",
    "the engine is used again": """
engine = cs.Engine()
async def main():
    start(engine)
    await turns()
asyncio.run(main())
assert cs.run(keep(1), engine=engine) == 1
""",
    "the engine is closed later": """
engine = cs.Engine()
async def main():
    start(engine)
    await turns()
asyncio.run(main())
engine.close()
""",
    "async with": """
async def main():
    async with cs.Engine() as engine:
        start(engine)
        await turns()
asyncio.run(main())
""",
    "an exception in async with": """
async def main():
    async with cs.Engine() as engine:
        start(engine)
        await turns()
        raise LookupError
try:
    asyncio.run(main())
except LookupError:
    pass
""",
    "an exception": """
async def main():
    engine = cs.Engine()
    runs = start(engine)
    await turns()
    raise LookupError
try:
    asyncio.run(main())
except LookupError:
    pass
""",
    "Ctrl-C in cs.run": """
@cs.task(mode="inline")
def asks():
    interrupt()
    return [*everything()]
try:
    cs.run(asks())
except KeyboardInterrupt:
    pass
""",
    "Ctrl-C in asyncio.run": """
async def main():
    engine = cs.Engine()
    runs = start(engine)
    await turns()
    asyncio.get_running_loop().call_soon(interrupt)
    await runs[0]
try:
    asyncio.run(main())
except KeyboardInterrupt:
    pass
""",
    "exit": """
async def main():
    engine = cs.Engine()
    runs = start(engine)
    await turns()
    sys.exit(0)
asyncio.run(main())
""",
    "tasks that await are left": """
async def main():
    global tasks
    engine = cs.Engine()
    tasks = [asyncio.ensure_future(engine.run(target)) for target in everything()]
    await turns()
asyncio.run(main())
""",
    "what awaits is cancelled": """
async def main():
    async with cs.Engine() as engine:
        for target in everything():
            task = asyncio.ensure_future(engine.run(target))
            await turns()
            task.cancel()
        await turns()
asyncio.run(main())
""",
    "cancelled and dropped": """
async def main():
    async with cs.Engine() as engine:
        for target in everything():
            engine.start(target).cancel()
        for target in everything():
            run = engine.start(target)
            await turns()
            run.cancel()
        await turns()
        gc.collect()
asyncio.run(main())
""",
    "a population": """
async def main():
    engine = cs.Engine()
    population = engine.start_many(everything())
    await turns()
asyncio.run(main())
""",
    "a population that is restarted": """
async def main():
    engine = cs.Engine()
    population = engine.start_many(everything(), on_failure=cs.Restart(limit=3))
    await turns()
asyncio.run(main())
""",
    "aclose": """
async def main():
    engine = cs.Engine()
    start(engine)
    await turns()
    await engine.aclose()
asyncio.run(main())
""",
    "virtual time": """
engine = cs.Engine(clock=cs.Clock.virtual())
async def main():
    runs = start(engine)
    await turns()
with asyncio.Runner(loop_factory=engine.new_loop) as runner:
    runner.run(main())
""",
    "the loop is closed under them": """
engine = cs.Engine()
loop = asyncio.new_event_loop()
async def main():
    global runs
    runs = [engine.start(target) for target in (forever(), awaits(), cs.wait(100), cs.scope(forever()).with_retry(2))]
    await turns()
loop.run_until_complete(main())
loop.close()
engine.close()
del runs
gc.collect()
""",
}

FAILED = {
    "async with": """
async def main():
    async with cs.Engine() as engine:
        engine.start(fails(), name="order-17", tags={"site": "7", "by": "me"})
        await turns()
asyncio.run(main())
""",
    "left behind": """
async def main():
    engine = cs.Engine()
    runs = [*start(engine), engine.start(fails(), name="order-17", tags={"site": "7", "by": "me"})]
    await turns()
asyncio.run(main())
""",
    "held": """
engine = cs.Engine()
async def main():
    global run
    run = engine.start(fails(), name="order-17", tags={"site": "7", "by": "me"})
    await turns()
asyncio.run(main())
""",
    "closed under it": """
engine = cs.Engine()
loop = asyncio.new_event_loop()
async def main():
    engine.start(fails(), name="order-17", tags={"site": "7", "by": "me"})
    await turns()
loop.run_until_complete(main())
loop.close()
engine.close()
""",
}


def errors(program: str) -> str:
    """What a program prints on standard error."""
    done = subprocess.run(
        [sys.executable, "-c", BEGIN + program], capture_output=True, text=True, timeout=120, check=True
    )
    return done.stderr


@pytest.mark.parametrize("name", QUIET)
def test_nothing_is_said_of_runs_that_end_with_the_program(name: str) -> None:
    assert errors(QUIET[name]) == ""


@pytest.mark.parametrize("name", FAILED)
def test_a_failure_is_reported_once(name: str) -> None:
    shown = errors(FAILED[name])
    assert shown.startswith("the exception of run ")
    assert " 'order-17' (site=7, by=me) was never retrieved\n" in shown
    assert shown.count("never retrieved") == 1
    assert shown.count("ValueError: it") == 1


def test_so_is_one_of_a_population() -> None:
    shown = errors("""
async def main():
    async with cs.Engine() as engine:
        engine.start_many([fails(), fails(), forever()], name="orders", tags={"site": "7"})
        await turns()
asyncio.run(main())
""")
    assert shown.startswith("the exception of 2 runs 'orders' (site=7) in a population of 3 was never retrieved; ")
    assert shown.count("never retrieved") == 1


def test_a_failure_during_the_cancellation_is_reported() -> None:
    shown = errors("""
@cs.task
async def breaks():
    try:
        await asyncio.Event().wait()
    finally:
        raise ValueError("it")
async def main():
    async with cs.Engine() as engine:
        engine.start(breaks())
        await turns()
asyncio.run(main())
""")
    assert shown.count("never retrieved") == 1
    assert shown.rstrip().splitlines()[-2] == "ValueError: it"
