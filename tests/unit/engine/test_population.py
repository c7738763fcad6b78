"""Populations: many runs that are started together, counted together, and stopped together."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable

import msgspec
import pytest

import cascade as cs
from cascade.events import RunEvent, RunFinished, RunStarted
from support.observation import settle
from support.population_parts import count, fail, fails_when_cancelled, flaky, parked, rest, states
from support.tasks import give

WORD: contextvars.ContextVar[str] = contextvars.ContextVar("word", default="nothing")


# ------------------------------------------------------------------------------------------------------------ starting


async def test_each_target_has_a_run_in_order() -> None:
    engine = cs.Engine()
    population = engine.start_many(give(number) for number in range(100))
    assert isinstance(population, cs.Population)
    assert len(population) == 100
    assert not population.done()
    counts = await population
    assert isinstance(counts, cs.PopulationCounts)
    assert counts.done == 100
    assert population.done()
    assert [run.result() for run in population.runs] == list(range(100))
    assert [run.id for run in population.runs] == sorted({run.id for run in population.runs})
    assert engine.runs == ()


async def test_targets_may_be_lists_and_equal() -> None:
    target = give(1)
    population = cs.Engine().start_many([[give(1), give(2)], (give(3),), target, target, []])
    await population
    assert [run.result() for run in population.runs] == [[1, 2], (3,), 1, 1, []]


async def test_a_population_without_members() -> None:
    engine = cs.Engine()
    population = engine.start_many([])
    assert population.done()
    assert sum(msgspec.structs.astuple(await population)) == len(population) == 0
    assert [run async for run in engine.as_completed(population)] == []
    assert "no members" in repr(population)


@pytest.mark.parametrize(
    ("targets", "place"),
    [
        ([give(1), give(2), give], "targets[2]"),
        ([give(1), [give(2), give]], "targets[1][1]"),
        ((target for target in (len, give(1))), "targets[0]"),
        ([{"a": give}], "targets[0]['a']"),
        (give(1), "`LazyResult`"),
        (7, "`int`"),
    ],
)
async def test_a_wrong_target_is_refused_before_anything_starts(targets: object, place: str) -> None:
    engine = cs.Engine()
    seen: list[RunEvent] = []
    engine.events.subscribe(RunEvent, seen.append)
    with pytest.raises(cs.TargetError) as caught:
        engine.start_many(targets)  # type: ignore[arg-type]
    assert place in str(caught.value)
    assert engine.runs == ()
    await settle()
    assert not seen


@pytest.mark.parametrize("on_failure", ["restart", None, 3, cs.Restart, ["leave"]])
async def test_a_wrong_policy_is_refused_at_once(on_failure: object) -> None:
    engine = cs.Engine()
    with pytest.raises(cs.PolicyError, match="on_failure must be 'leave', 'stop' or a `Restart`"):
        engine.start_many([give(1)], on_failure=on_failure)  # type: ignore[arg-type]
    assert engine.runs == ()


@pytest.mark.parametrize("limit", [-1, True, 1.5, "3", None])
def test_limits_of_restarts(limit: object) -> None:
    with pytest.raises(cs.PolicyError, match="limit"):
        cs.Restart(limit=limit)  # type: ignore[arg-type]
    assert cs.Restart() == cs.Restart(3)
    assert {cs.Restart(limit=0), cs.Restart(0)} == {cs.Restart(0)}
    with pytest.raises(AttributeError):
        cs.Restart().limit = 4  # type: ignore[misc]


async def test_no_population_on_a_closed_engine() -> None:
    engine = cs.Engine()
    await engine.aclose()
    with pytest.raises(cs.EngineClosedError):
        engine.start_many([give(1)])


def test_no_population_without_an_event_loop() -> None:
    with pytest.raises(cs.EngineStateError):
        cs.Engine().start_many([give(1)])


async def test_all_have_the_params() -> None:
    number = cs.Param("number", type=int)
    population = cs.Engine().start_many([give(number), give([number, 2])], params={"number": "7"})
    await population
    assert [run.result() for run in population.runs] == [7, [7, 2]]


async def test_each_has_a_copy_of_the_context() -> None:
    @cs.task(mode="inline")
    def meet(name: str) -> str:
        found = WORD.get()
        WORD.set(name)
        return found

    WORD.set("given")
    population = cs.Engine().start_many(meet(name) for name in "abc")
    WORD.set("later")
    await population
    assert [run.result() for run in population.runs] == ["given"] * 3
    assert WORD.get() == "later"


# -------------------------------------------------------------------------------------------------------------- counts


async def test_counts_through_a_life() -> None:
    seen: list[dict[str, int]] = []

    @cs.task(mode="inline")
    def look() -> None:
        seen.append(states(population))

    population = cs.Engine(quantum=1).start_many([look(), fail("so"), parked(), give(1).run_if(False)])
    assert states(population) == {"ready": 4}
    await rest(population)
    assert seen == [{"running": 1, "ready": 3}]
    assert states(population) == {"done": 1, "failed": 1, "parked": 1, "skipped": 1}
    population.runs[2].cancel()
    counts = await population
    assert counts == population.counts()
    assert states(population) == {"done": 1, "failed": 1, "cancelled": 1, "skipped": 1}
    assert "1 done, 1 failed, 1 skipped, 1 cancelled" in repr(population)
    assert [str(run._failure()) for run in population.failed] == ["so"]
    with pytest.raises(AttributeError):
        counts.done = 2  # type: ignore[misc]


async def test_counts_add_up_whenever_they_are_read() -> None:
    sums: set[int] = set()

    def look(event: RunEvent) -> None:
        if population is not None:
            sums.add(sum(msgspec.structs.astuple(population.counts())) - population.counts().restarts)

    population: cs.Population | None = None
    engine = cs.Engine(quantum=0)
    engine.events.subscribe(RunEvent, look)
    targets = [*(count(number % 7) for number in range(30)), *(flaky(2) for _ in range(10)), fail("so")]
    population = engine.start_many(targets, on_failure=cs.Restart(limit=2))
    await population
    assert sums == {41}
    assert states(population) == {"done": 40, "failed": 1, "restarts": 22}
    assert population.failed


# ---------------------------------------------------------------------------------------------------------- cancelling


async def test_cancelling_the_awaiting_task_cancels_all_members_and_waits_for_them() -> None:
    log: list[str] = []

    @cs.task
    async def cleans_up(name: str) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await settle()
            log.append(name)

    engine = cs.Engine()
    population = engine.start_many([cleans_up("a"), parked(), cleans_up("b")])
    waiting = [asyncio.ensure_future(population) for _ in range(2)]
    await settle()
    waiting[0].cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting[0]
    assert sorted(log) == ["a", "b"]
    assert (await waiting[1]).cancelled == 3
    assert engine.runs == ()


async def test_a_failure_that_comes_with_the_cancellation_is_its_cause() -> None:
    population = cs.Engine().start_many([fails_when_cancelled()], on_failure="stop")
    with pytest.raises(TimeoutError) as caught:
        async with asyncio.timeout(0):
            await population
    assert isinstance(caught.value.__cause__, asyncio.CancelledError)
    assert str(caught.value.__cause__.__cause__) == "in the middle of cleaning up"


async def test_cancelled_it_ends_with_its_counts() -> None:
    population = cs.Engine().start_many([parked(), give(1), parked()])
    await rest(population)
    population.cancel()
    population.cancel()
    counts = await population
    assert (counts.done, counts.cancelled) == (1, 2)
    population.cancel()
    assert await population == counts


async def test_cancelled_before_anybody_began() -> None:
    calls: list[str] = []

    @cs.task(mode="inline")
    def called() -> None:
        calls.append("called")

    population = cs.Engine().start_many([called()] * 3)
    population.cancel()
    assert (await population).cancelled == 3
    assert not calls


async def test_a_population_that_would_await_itself_is_a_clear_error() -> None:
    engine = cs.Engine()
    found: list[object] = []

    @cs.task
    async def awaits(what: Callable[[], cs.Population | cs.Run]) -> None:
        await settle()
        try:
            await what()
        except cs.EngineStateError as error:
            found.append(error)
            raise

    population = engine.start_many([awaits(lambda: population), parked()])
    while not found:
        await asyncio.sleep(0)
    population.cancel()
    assert (await population).failed == len(population.failed) == 1

    # In a circle: a member awaits a run that awaits the population.
    middle = engine.start(awaits(lambda: circle))
    circle = engine.start_many([awaits(lambda: middle)])
    await asyncio.gather(middle, circle, return_exceptions=True)
    assert len(found) == 2
    assert len(circle.failed) + (middle.state == "failed") == 1


def test_its_event_loop_is_closed_under_it(caplog: pytest.LogCaptureFixture) -> None:
    engine = cs.Engine()

    async def leave_behind() -> cs.Population:
        population = engine.start_many([parked(), parked()], on_failure=cs.Restart())
        asyncio.ensure_future(population)  # noqa: RUF006
        await settle()
        return population

    async def come_back() -> None:
        assert await engine.run(give(1)) == 1
        assert (await population).failed == 2
        assert [run async for run in engine.as_completed(population)] == [*population.runs]

    loop = asyncio.new_event_loop()
    population = loop.run_until_complete(leave_behind())
    assert states(population) == {"parked": 2}
    pending = asyncio.all_tasks(loop)
    loop.close()
    asyncio.run(come_back())
    assert {type(run._failure()) for run in population.failed} == {cs.EngineStateError}
    for task in pending:
        task._log_destroy_pending = False  # type: ignore[attr-defined]
    assert "was never retrieved" not in caplog.text


# ------------------------------------------------------------------------------------------------- agents and events


@pytest.mark.parametrize("starter", ["start", "start_many"])
async def test_agents_start_others_from_inside_a_task(starter: str) -> None:
    engine = cs.Engine()
    born: list[cs.Run] = []
    words: list[str] = []

    @cs.task(mode="inline")
    def agent(generation: int) -> object:
        words.append(WORD.get())
        WORD.set(f"of generation {generation}")
        if generation:
            targets = [agent(generation - 1), agent(generation - 1)]
            if starter == "start":
                born.extend(engine.start(target) for target in targets)
            else:
                born.extend(engine.start_many(targets).runs)
        return count(3)

    population = engine.start_many([agent(4)])
    assert (await population).done == 1
    while engine.runs:
        await asyncio.sleep(0)
    assert [await run for run in born] == ["end"] * 30
    assert words[0] == "nothing"
    assert set(words[1:]) == {f"of generation {generation}" for generation in (1, 2, 3, 4)}


async def test_an_agent_awaits_the_population_that_it_has_started() -> None:
    @cs.task
    async def total(depth: int) -> int:
        if not depth:
            return 1
        population = engine.start_many([total(depth - 1), total(depth - 1)], on_failure="stop")
        await population
        return sum(run.result() for run in population.runs)

    async with cs.Engine() as engine:
        assert await engine.run(total(6)) == 64


async def test_a_member_that_starts_others_without_end_is_stopped_with_all() -> None:
    @cs.task(mode="inline")
    def spawn(n: int) -> object:
        engine.start(parked())
        return spawn(n + 1)

    async with cs.Engine(quantum=0) as engine:
        population = engine.start_many([spawn(0)])
        while len(engine.runs) < 100:
            await asyncio.sleep(0)
    assert engine.runs == ()
    assert states(population) == {"cancelled": 1}


async def test_events_tell_of_members_as_of_other_runs() -> None:
    engine = cs.Engine()
    seen: list[RunEvent] = []
    engine.events.subscribe((RunStarted, RunFinished), seen.append)
    population = engine.start_many([give(1), flaky(1)], on_failure=cs.Restart())
    await population
    started = [event.run for event in seen if isinstance(event, RunStarted)]
    finished = {event.run: event.outcome for event in seen if isinstance(event, RunFinished)}
    first, last = population.runs
    assert len(set(started)) == 3
    assert set(started) == set(finished)
    (lost,) = set(started) - {first.id, last.id}
    assert finished == {first.id: "done", lost: "failed", last.id: "done"}


async def test_very_many_and_the_rest_of_the_loop_has_its_turns() -> None:
    number = 5_000
    turns = 0

    async def ticks() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    engine = cs.Engine(quantum=1e-9)  # a turn is over when the clock is first looked at
    population = engine.start_many(parked() for _ in range(number))
    await rest(population)
    assert states(population) == {"parked": number}
    ticking = asyncio.ensure_future(ticks())
    population.cancel()
    assert (await population).cancelled == number
    ticking.cancel()
    assert turns > number / 100


def test_a_member_of_no_population_carries_nothing_of_one(interpreter: Callable[..., str]) -> None:
    code = """
        import asyncio, sys
        from importlib.util import find_spec
        import cascade as cs

        OF_POPULATIONS = {"cascade.engine.population", "cascade.engine.as_completed", "cascade.engine.unretrieved"}

        @cs.task(mode="inline")
        def give(value):
            return value

        async def main():
            engine = cs.Engine()
            await asyncio.gather(engine.run(give(1)), engine.start(give(2)))
            print(sorted(OF_POPULATIONS & set(sys.modules)))
            assert all(map(find_spec, OF_POPULATIONS))

        asyncio.run(main())
    """
    assert interpreter(code).strip() == "[]"
