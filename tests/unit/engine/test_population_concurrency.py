"""Populations of which so many members are at work at once, and to which members are added."""

from __future__ import annotations

import asyncio
import gc
import logging
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import cascade as cs
from cascade.events import RunFinished, RunStarted
from cascade.testing import VirtualTime
from support.observation import settle
from support.tasks import leaf


class Boom(Exception):
    """A failure."""


class Work:
    """Counts who is at work."""

    def __init__(self) -> None:
        self.now = self.most = 0
        self.begun: list[int] = []

    def call(self, number: int, seconds: float, how: str = "ends") -> Any:
        @cs.task(name="work")
        async def work() -> int:
            self.begun.append(number)
            self.now += 1
            self.most = max(self.most, self.now)
            try:
                await asyncio.sleep(seconds)
                if how == "fails":
                    raise Boom(number)
                return number
            finally:
                self.now -= 1

        return work()


@given(
    st.lists(st.tuples(st.integers(0, 5), st.sampled_from(["ends", "fails", "cancelled"])), min_size=1, max_size=12),
    st.integers(1, 4),
    st.integers(0, 5),
)
def test_as_asyncio_code_with_a_semaphore(members: list[tuple[int, str]], concurrency: int, later: int) -> None:
    """They begin in order, as many as there is room for, and as soon as there is."""
    virtual = VirtualTime()
    work = Work()

    async def ours() -> tuple[float, list[str]]:
        calls = [work.call(number, seconds, how) for number, (seconds, how) in enumerate(members)]
        first = len(calls) - min(later, len(calls) - 1)
        population = virtual.engine.start_many(calls[:first], concurrency=concurrency)
        for call in calls[first:]:
            population.add(call)
        for number, (_, how) in enumerate(members):
            if how == "cancelled":
                population.runs[number].cancel()
        await population
        return virtual.engine.clock.time(), [run.state for run in population.runs]

    seconds, states = virtual.run(ours())
    virtual.close()
    there = asyncio.Semaphore(concurrency)
    begun: list[int] = []

    async def one(number: int, seconds: float) -> None:
        async with there:
            begun.append(number)
            await asyncio.sleep(seconds)

    async def plain() -> float:
        left = [(number, seconds) for number, (seconds, how) in enumerate(members) if how != "cancelled"]
        await asyncio.gather(*(one(number, seconds) for number, seconds in left))
        return asyncio.get_running_loop().time()

    other = VirtualTime()
    expected = other.run(plain())
    other.close()
    assert (seconds, work.begun) == (expected, begun) and work.most <= concurrency and work.now == 0
    words = {"ends": "done", "fails": "failed", "cancelled": "cancelled"}
    assert states == [words[how] for _, how in members]


def test_a_member_that_is_started_again_keeps_its_place(virtual: VirtualTime) -> None:
    seen: list[str] = []

    @cs.task(mode="inline")
    def flaky(name: str, times: int, _: object = None) -> str:
        seen.append(name)
        if seen.count(name) <= times:
            raise Boom
        return name

    async def main() -> None:
        population = virtual.engine.start_many(
            [flaky("a", 2), flaky("b", 0)], concurrency=1, on_failure=cs.Restart(limit=5, delay=1)
        )
        assert [run.state for run in population.runs] == ["ready", "parked"]
        population.add(flaky("c", 1))
        counts = await population
        assert (counts.done, counts.restarts) == (3, 3)
        assert seen == ["a", "a", "a", "b", "c", "c"]

    virtual.run(main())


@pytest.mark.parametrize("how", ["cancel", "close", "stop"])
async def test_members_that_are_held_end_with_the_population(how: str) -> None:
    told: list[tuple[str, int]] = []
    engine = cs.Engine()
    engine.events.subscribe(RunStarted, lambda event: told.append(("started", event.run)))
    engine.events.subscribe(RunFinished, lambda event: told.append((event.outcome, event.run)))

    @cs.task
    async def fail() -> None:
        await settle()
        raise Boom

    targets = [fail() if how == "stop" else cs.wait(3600), *[cs.wait(3600) for _ in range(3)]]
    population = engine.start_many(targets, concurrency=1, on_failure="stop")
    await settle()
    if how == "cancel":
        population.cancel()
    elif how == "close":
        await engine.aclose()
    with pytest.raises(Boom) if how == "stop" else _cancelled(population):
        await population
    await engine.aclose()
    numbers = [run.id for run in population.runs]
    assert [run for what, run in told if what == "started"] == numbers
    assert sorted(run for what, run in told if what != "started") == numbers
    assert population.counts().cancelled == (3 if how == "stop" else 4)


class _cancelled:
    """A population that was cancelled gives its counts."""

    def __init__(self, population: cs.Population) -> None:
        self.population = population

    def __enter__(self) -> None: ...

    def __exit__(self, *exc: object) -> None: ...


async def test_members_are_added_to_one_that_has_ended() -> None:
    async with cs.Engine() as engine:
        population = engine.start_many([leaf(1)], on_failure=cs.Restart(limit=1))
        await population
        tries: list[int] = []

        @cs.task(mode="inline")
        def once() -> str:
            tries.append(1)
            if len(tries) == 1:
                raise Boom
            return "again"

        run = population.add(once())
        assert not population.done() and len(population) == 2
        counts = await population
        assert (counts.done, counts.restarts) == (2, 1)
        assert population.runs[1].result() == "again" and run.state == "failed"
        population.cancel()
        with pytest.raises(cs.EngineStateError, match="got one that was cancelled"):
            population.add(leaf())
        with pytest.raises(cs.TargetError):
            population.add(leaf)


async def test_an_iteration_sees_what_is_added() -> None:
    async with cs.Engine() as engine:
        population = engine.start_many([leaf(0)])
        seen = []
        async for run in engine.as_completed(population):
            seen.append(run.result())
            if len(seen) < 4:
                population.add(leaf(len(seen)))
        assert seen == [0, 1, 2, 3]


async def test_failures_of_members_that_were_added_are_reported(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)

    @cs.task(mode="inline")
    def fail() -> None:
        raise Boom

    async with cs.Engine() as engine:
        population = engine.start_many([leaf()])
        population.add(fail())
        await population
        await settle()  # what has woken this task holds the population
        del population
        gc.collect()
    assert ["in a population of 2 was never retrieved" in record.getMessage() for record in caplog.records] == [True]


@pytest.mark.parametrize("wrong", [0, -1, True, 1.0, "2"])
async def test_what_is_no_concurrency(wrong: Any) -> None:
    async with cs.Engine() as engine:
        with pytest.raises(cs.PolicyError, match=r"^concurrency must be None or an int >= 1, got "):
            engine.start_many([leaf()], concurrency=wrong)
        assert engine.runs == ()
