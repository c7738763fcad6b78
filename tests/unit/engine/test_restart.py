"""When members of a population are started again: delays, and the count that begins anew."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine

import pytest

import cascade as cs
from cascade.events import RunFinished, RunStarted


class Agent:
    """An agent that lives for some time, and then fails; when it has had all its lives, it ends.

    Attributes:
        begins: the times at which its runs have begun.
    """

    def __init__(self, *lives: float, ends: bool = True) -> None:
        self.engine = cs.Engine(clock=cs.Clock.virtual())
        self.begins: list[float] = []
        self._lives = lives
        self._ends = ends

    def target(self) -> cs.LazyResult:
        @cs.task(mode="inline")
        def lives() -> object:
            self.begins.append(self.engine.clock.time())
            number = len(self.begins)
            if number > len(self._lives):
                return "done" if self._ends else dies(None)
            return dies(cs.wait(self._lives[number - 1]))

        @cs.task(mode="inline")
        def dies(_: object) -> None:
            raise OSError

        return lives()

    def run(self, coroutine: Coroutine[object, object, object]) -> object:
        with asyncio.Runner(loop_factory=self.engine.new_loop) as runner:
            return runner.run(coroutine)

    def supervise(self, **policy: object) -> cs.PopulationCounts:
        """Run a population of it alone, and return the counts."""

        async def main() -> cs.PopulationCounts:
            async with self.engine:
                return await self.engine.start_many([self.target()], on_failure=cs.Restart(**policy))

        return self.run(main())


def test_at_once_without_a_delay() -> None:
    agent = Agent(1, 1)
    counts = agent.supervise()
    assert agent.begins == [0, 1, 2]
    assert (counts.done, counts.restarts) == (1, 2)


def test_the_delay_grows() -> None:
    agent = Agent(1, 1, 1, 1)
    agent.supervise(limit=9, delay=10)
    assert agent.begins == [0, 11, 32, 73, 154]
    agent = Agent(1, 1, 1, 1)
    agent.supervise(limit=9, delay=10, backoff=1)
    assert agent.begins == [0, 11, 22, 33, 44]
    agent = Agent(0, 0, 0)
    agent.supervise(limit=9, delay=1, backoff=1.5)
    assert agent.begins == [0, 1, 2.5, 4.75]


def test_the_limit_counts_restarts_since_the_member_was_well() -> None:
    agent = Agent(1, 1, 60, 1, 59.5, 1, ends=False)
    counts = agent.supervise(limit=2, delay=10, reset_after=60)
    # Two restarts; well for 60 s; two restarts, the life of 59.5 s does not count; then it has failed.
    assert agent.begins == [0, 11, 32, 102, 123]
    assert (counts.failed, counts.restarts) == (1, 4)


def test_the_delay_is_no_part_of_a_life() -> None:
    agent = Agent(1, 1, 1, ends=False)
    counts = agent.supervise(limit=2, delay=100, reset_after=50)
    assert counts.failed == 1
    assert agent.begins == [0, 101, 302]


def test_a_huge_backoff_waits_for_as_long_as_a_clock_can_count() -> None:
    agent = Agent(0, 0, 0)
    agent.supervise(limit=9, delay=1, backoff=1e300)
    assert agent.begins[:3] == [0, 1, 1 + 9e9]


def test_during_the_delay_it_is_parked() -> None:
    agent = Agent(1)

    async def main() -> None:
        async with agent.engine as engine:
            population = engine.start_many([agent.target()], on_failure=cs.Restart(delay=10))
            await asyncio.sleep(5)
            counts = population.counts()
            assert (counts.parked, counts.failed, counts.restarts) == (1, 0, 1)
            (run,) = population.runs
            assert engine.runs == (run,)
            assert (run.state, run.doing) == ("parked", "waiting to be started again")
            await population
            assert agent.begins == [0, 11]
            assert population.runs == (run,)
            assert run.result() == "done"

    agent.run(main())


@pytest.mark.parametrize("how", ["run", "population", "engine", "task"])
def test_cancelling_during_the_delay(how: str) -> None:
    agent = Agent(1)

    async def main() -> cs.PopulationCounts:
        async with agent.engine as engine:
            population = engine.start_many([agent.target()], on_failure=cs.Restart(delay=10))
            awaiting = asyncio.ensure_future(wait_for(population))
            await asyncio.sleep(5)
            match how:
                case "run":
                    population.runs[0].cancel()
                case "population":
                    population.cancel()
                case "task":
                    awaiting.cancel()
            if how != "engine":
                await asyncio.wait([awaiting])
                assert agent.engine.clock.time() == 5
        return population.counts()

    async def wait_for(population: cs.Population) -> None:
        await population

    counts = agent.run(main())
    assert (counts.cancelled, counts.restarts) == (1, 1)
    assert agent.begins == [0]
    assert agent.engine.clock.time() == 5
    assert len(agent.engine.clock) == 0


def test_a_loop_that_is_closed_during_the_delay() -> None:
    engine = cs.Engine()
    found: list[cs.Population] = []

    @cs.task(mode="inline")
    def fails() -> None:
        raise OSError

    async def main() -> None:
        found.append(engine.start_many([fails()], on_failure=cs.Restart(delay=1000)))
        while found[0].runs[0].doing != "waiting to be started again":
            await asyncio.sleep(0)

    asyncio.run(main())
    asyncio.run(engine.aclose())
    assert found[0].done()
    assert [type(run._failure()) for run in found[0].failed] == [cs.EngineStateError]


def test_events_of_a_member_that_is_started_again() -> None:
    agent = Agent(1)
    seen: list[tuple[str, float]] = []
    for kind in (RunStarted, RunFinished):
        agent.engine.events.subscribe(kind, lambda event: seen.append((type(event).__name__, event.time)))
    agent.supervise(delay=10)
    assert seen == [("RunStarted", 0), ("RunFinished", 1), ("RunStarted", 1), ("RunFinished", 11)]


def test_as_completed_yields_the_last_run() -> None:
    agent = Agent(1, 1)

    async def main() -> list[object]:
        async with agent.engine as engine:
            population = engine.start_many([agent.target()], on_failure=cs.Restart(delay=10))
            return [run.result() async for run in engine.as_completed(population)]

    assert agent.run(main()) == ["done"]
    assert agent.begins == [0, 11, 32]


@pytest.mark.parametrize(
    "wrong",
    [
        {"limit": -1},
        {"delay": -1},
        {"delay": "1"},
        {"delay": float("nan")},
        {"backoff": 0.5},
        {"backoff": True},
        {"backoff": float("inf")},
        {"reset_after": -1},
        {"reset_after": "never"},
    ],
    ids=str,
)
def test_wrong_settings_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(cs.PolicyError, match=f"^{next(iter(wrong))} must be"):
        cs.Restart(**wrong)
