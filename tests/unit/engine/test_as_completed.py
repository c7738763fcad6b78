"""`engine.as_completed`: runs in the order in which they end."""

from __future__ import annotations

import asyncio
import gc

import pytest

import cascade as cs
from cascade.events import RunFinished
from support.observation import settle
from support.population_parts import flaky


@cs.task(mode="inline")
def count(n: int, name: object = None) -> object:
    return count(n - 1, name) if n else name


@cs.task(mode="inline")
def heard(received: cs.Received) -> object:
    return received.message


@cs.task(mode="inline")
def fail() -> None:
    raise ValueError("so")


def queues() -> int:
    """How many iterations hang on some run."""
    return sum(type(each).__qualname__ == "_Queue" for each in gc.get_objects())


@pytest.mark.parametrize("many", [False, True])
async def test_in_the_order_of_ending(many: bool) -> None:
    engine = cs.Engine()
    channels = [cs.Channel() for _ in range(5)]
    targets = [heard(channel.recv()) for channel in channels]
    population = engine.start_many(targets)
    order = [3, 0, 4, 2, 1]
    found = []
    ends = engine.as_completed(population if many else iter(population.runs))
    channels[order[0]].send(order[0])
    async for run in ends:
        assert isinstance(run, cs.Run)
        assert run.done()
        found.append(run.result())
        if len(found) < 5:
            channels[order[len(found)]].send(order[len(found)])
    assert found == order
    assert [run async for run in ends] == []


@pytest.mark.parametrize("many", [False, True])
async def test_those_that_have_ended_come_first_in_the_order_given(many: bool) -> None:
    engine = cs.Engine(quantum=0)
    channel = cs.Channel()
    population = engine.start_many([count(9, "a"), heard(channel.recv()), count(0, "c"), count(5, "d")])
    first, waiting, *others = population.runs
    while engine.runs != (waiting,):
        await asyncio.sleep(0)
    channel.send("b")
    found = [run async for run in engine.as_completed(population if many else [first, waiting, *others])]
    assert [run.result() for run in found] == ["a", "c", "d", "b"]


async def test_runs_of_any_kind_and_each_once() -> None:
    engine = cs.Engine()
    alone, parked = engine.start(count(3)), engine.start(cs.wait(3600))
    population = engine.start_many([count(5), fail()])
    runs = {alone: 1, parked: 2, **dict.fromkeys(population.runs)}
    parked.cancel()
    found = [run async for run in engine.as_completed([*runs, alone, *population.runs])]
    assert len(found) == 4
    assert set(found) == set(runs)
    assert [run.state for run in runs] == ["done", "cancelled", "done", "failed"]
    assert [run async for run in engine.as_completed([])] == []
    assert population.failed


async def test_of_a_member_that_was_started_again_the_last_run() -> None:
    engine = cs.Engine()
    population = engine.start_many([flaky(0), flaky(2), flaky(9)], on_failure=cs.Restart(limit=3))
    first = population.runs
    each = [run async for run in engine.as_completed(first)]
    found = [run async for run in engine.as_completed(population)]
    assert found == [*population.runs]
    assert [run.state for run in found] == ["done", "done", "failed"]
    # Runs that are given one by one are those that they are.
    assert each == [*first]
    assert [run.state for run in each] == ["done", "failed", "failed"]
    with pytest.raises(LookupError, match="attempt 4"):
        found[-1].result()


@pytest.mark.parametrize("many", [False, True])
async def test_begun_in_the_middle_of_an_end(many: bool) -> None:
    """A subscriber hears of an end before the population does."""
    engine = cs.Engine()
    iterations = []

    def begin(event: RunFinished) -> None:
        iterations.append(engine.as_completed(population if many else population.runs))

    engine.events.subscribe(RunFinished, begin)
    population = engine.start_many([count(1), flaky(1), count(2)], on_failure=cs.Restart())
    await population
    assert len(iterations) == 4
    for ends in iterations:
        found = [run async for run in ends]
        assert len(found) == len(set(found)) == 3
        assert not many or set(found) == set(population.runs)


@pytest.mark.parametrize("runs", [7, None, count(1), "ab", [None], ["ab"]])
async def test_what_is_no_run(runs: object) -> None:
    told = r"^runs(\[0\])? must be a (run or a target|population or an iterable of runs or of targets), got `\w+`"
    with pytest.raises(TypeError, match=told):
        cs.Engine().as_completed(runs)  # type: ignore[call-overload]


async def test_one_run_is_no_iterable_of_runs() -> None:
    engine = cs.Engine()
    run = engine.start(count(1))
    with pytest.raises(TypeError, match="iterable of runs or of targets, got `Run`"):
        engine.as_completed(run)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"runs\[1\]"):
        engine.as_completed([run, 2])  # type: ignore[list-item]
    with pytest.raises(TypeError, match=r"runs\[1\] must be a run, .* got `LazyResult`: start it, engine.start\(...\)"):
        engine.as_completed([run, count(1)])  # type: ignore[list-item]
    await run
    gc.collect()
    assert queues() == 0


async def test_of_another_engine() -> None:
    engine, other = cs.Engine(), cs.Engine()
    population = other.start_many([count(1)])
    with pytest.raises(cs.EngineStateError, match="another engine"):
        engine.as_completed(population)
    with pytest.raises(
        cs.EngineStateError, match=r"^runs\[1\] must be a run of this engine, got run \d+ of another engine"
    ):
        engine.as_completed([engine.start(count(1)), *population.runs])
    await population


@pytest.mark.parametrize("many", [False, True])
async def test_left_early_nothing_of_it_is_left_behind(many: bool) -> None:
    gc.collect()
    engine = cs.Engine(quantum=0)
    population = engine.start_many([count(0), cs.wait(3600), count(5)])
    async for run in engine.as_completed(population if many else population.runs):
        assert run is population.runs[0]
        break
    assert queues() == 0
    ends = engine.as_completed(population if many else population.runs)
    other = engine.as_completed(population if many else population.runs)
    assert queues() == 2
    del ends
    assert queues() == 1
    assert await anext(other) is population.runs[0]
    assert await anext(other) is population.runs[2]
    assert population.counts().parked == 1  # to look on does nothing to the runs
    population.cancel()
    assert await anext(other) is population.runs[1]
    assert queues() == 1
    del other
    await population
    assert queues() == 0


async def test_cancelling_the_waiting_task_does_not_affect_the_runs() -> None:
    engine = cs.Engine()
    channel = cs.Channel()
    run = engine.start(heard(channel.recv()))
    ends = engine.as_completed([run])
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await anext(ends)
    assert run.state == "parked"
    channel.send(1)
    assert await anext(ends) is run
    with pytest.raises(StopAsyncIteration):
        await anext(ends)


async def test_several_share_one_iteration() -> None:
    engine = cs.Engine()
    channel = cs.Channel()
    population = engine.start_many(heard(channel.recv()) for _ in range(10))
    ends = engine.as_completed(population)

    async def take() -> list[cs.Run]:
        return [run async for run in ends]

    taking = [asyncio.ensure_future(take()) for _ in range(3)]
    await settle()
    for number in range(10):
        channel.send(number)
    taken = await asyncio.gather(*taking)
    assert sorted(run.id for runs in taken for run in runs) == [run.id for run in population.runs]


@pytest.mark.parametrize("many", [False, True])
async def test_closing_it_ends_the_iteration_of_a_waiting_task(many: bool) -> None:
    engine = cs.Engine()
    population = engine.start_many([cs.wait(3600)])
    ends = engine.as_completed(population if many else population.runs)
    waiting = asyncio.ensure_future(anext(ends, "none"))
    await settle()
    await ends.aclose()
    assert await waiting == "none"
    assert [run async for run in ends] == []
    await ends.aclose()
    population.cancel()
    await population
    assert [run async for run in ends] == []


async def test_to_wait_for_ones_own_end_is_a_clear_error() -> None:
    engine = cs.Engine()

    @cs.task
    async def looks_on() -> list[cs.Run]:
        await settle()
        return [run async for run in engine.as_completed(population)]

    population = engine.start_many([count(3), looks_on()])
    await population
    with pytest.raises(cs.EngineStateError, match="its own end"):
        population.runs[1].result()


async def test_a_member_looks_on_others() -> None:
    engine = cs.Engine()

    @cs.task
    async def looks_on() -> list[object]:
        population = engine.start_many([count(5, "a"), count(1, "b")])
        return sorted([run.result() async for run in engine.as_completed(population)])

    assert await engine.run([looks_on(), looks_on()]) == [["a", "b"]] * 2


def test_its_event_loop_is_closed_under_it() -> None:
    engine = cs.Engine()

    async def leave_behind() -> tuple[object, cs.Run]:
        run = engine.start(cs.wait(3600))
        await settle()
        return engine.as_completed([run]), run

    async def come_back() -> None:
        with pytest.raises(cs.EngineStateError):
            await anext(ends)  # type: ignore[call-overload]
        await engine.run(count(1))
        assert await anext(ends) is run  # type: ignore[call-overload]
        assert isinstance(run._failure(), cs.EngineStateError)
        with pytest.raises(cs.EngineStateError):
            run.result()

    ends, run = asyncio.run(leave_behind())
    asyncio.run(come_back())
