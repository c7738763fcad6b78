"""Runs that are ready take turns, and so does the rest of the event loop."""

from __future__ import annotations

import asyncio

import pytest

import cascade as cs
from support.observation import settle


def counting(log: list[object], name: object) -> cs.Task:
    @cs.task(mode="inline")
    def loop(n: int) -> object:
        log.append(name)
        return loop(n - 1) if n else name

    return loop


async def test_quantum_0_yields_at_every_tail_call() -> None:
    log: list[object] = []
    engine = cs.Engine(quantum=0)
    found = await asyncio.gather(*(engine.run(counting(log, name)(20)) for name in "abc"))
    assert found == ["a", "b", "c"]
    assert log == list("abc") * 21


async def test_quantum_0_gives_asyncio_its_turns() -> None:
    log: list[object] = []
    done = asyncio.Event()

    async def ticks() -> None:
        while not done.is_set():
            log.append("tick")
            await asyncio.sleep(0)

    other = asyncio.ensure_future(ticks())
    await cs.Engine(quantum=0).run(counting(log, "step")(100))
    done.set()
    await other
    longest = max(map(len, "".join("." if name == "step" else " " for name in log).split()))
    assert longest <= 2
    assert log.count("tick") >= 50


@pytest.mark.parametrize("quantum", [0, 0.0001, 0.001])
async def test_an_endless_run_starves_nobody(quantum: float) -> None:
    ended = False

    @cs.task(mode="inline")
    def forever() -> object:
        return "stopped" if ended else forever()

    @cs.task(mode="inline")
    def deep(n: int) -> object:
        return deep(n - 1)

    engine = cs.Engine(quantum=quantum)
    endless = engine.start(forever())
    assert await engine.run(counting([], "other")(1000)) == "other"
    await asyncio.sleep(0)
    await engine.run(cs.wait(0))
    ended = True
    assert await endless == "stopped"


async def test_endless_async_and_middle_recursion_starve_nobody() -> None:
    """What never suspends: coroutines that finish at once, children that go on for ever."""
    ended = False

    @cs.task
    async def async_forever() -> object:
        return "stopped" if ended else async_forever()

    @cs.task(mode="inline")
    def middle() -> object:
        return "stopped" if ended else same(same(middle()))

    @cs.task(mode="inline")
    def same(value: object) -> object:
        return value

    channel = cs.Channel()

    @cs.task(mode="inline")
    def messages(received: object) -> object:
        channel.send("again")
        return "stopped" if ended else messages(channel.recv())

    @cs.task(mode="inline")
    def waits(elapsed: float) -> object:
        return "stopped" if ended else waits(cs.wait(0))

    channel.send("first")
    engine = cs.Engine()
    endless = [
        engine.start(target) for target in (async_forever(), middle(), messages(channel.recv()), waits(cs.wait(0)))
    ]
    assert await engine.run(counting([], "other")(100)) == "other"
    await settle(20)
    assert not any(run.done() for run in endless)
    ended = True
    assert await asyncio.gather(*endless) == ["stopped"] * 4


async def test_a_wide_expression_can_be_interrupted() -> None:
    """A turn ends between two tasks, also where there is no tail call for long."""
    gate = asyncio.Event()

    @cs.task(mode="inline")
    def part(number: int) -> int:
        if number == 0:
            asyncio.get_running_loop().call_soon(gate.set)
        seen.append(gate.is_set())
        return number

    seen: list[bool] = []
    count = 100_000
    assert await cs.Engine().run([part(number) for number in range(count)]) == list(range(count))
    assert seen[0] is False
    assert seen[-1] is True


async def test_many_runs_end_in_fair_order() -> None:
    """Equal work started together ends in the order of the start."""
    ended: list[int] = []
    engine = cs.Engine(quantum=0)

    async def one(number: int) -> None:
        await engine.run(counting([], number)(10))
        ended.append(number)

    await asyncio.gather(*(one(number) for number in range(100)))
    assert ended == list(range(100))
