"""What becomes of a population whose members fail: left alone, stopped, or started again."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import weakref
from collections.abc import Callable
from typing import Any

import pytest

import cascade as cs
from support.observation import settle
from support.population_parts import count, fail, fails_when_cancelled, flaky, parked, rest, states
from support.tasks import give

WORD: contextvars.ContextVar[str] = contextvars.ContextVar("word", default="nothing")


# ------------------------------------------------------------------------------------------------------------ failures


async def test_left_alone_the_others_go_on() -> None:
    population = cs.Engine().start_many([fail("a"), count(3), fail("b"), give(1)])
    counts = await population
    assert (counts.done, counts.failed) == (2, 2)
    assert [str(run._failure()) for run in population.failed] == ["a", "b"]
    with pytest.raises(ValueError, match="a"):
        await population.failed[0]


async def test_failed_is_in_order_of_failing() -> None:
    @cs.task(mode="inline")
    def late(received: cs.Received) -> None:
        raise ValueError(received.message)

    channels = [cs.Channel() for _ in range(3)]
    population = cs.Engine().start_many(late(channel.recv()) for channel in channels)
    for index in (2, 0, 1):
        await rest(population)
        channels[index].send(str(index))
    await population
    assert [str(run._failure()) for run in population.failed] == ["2", "0", "1"]


async def test_the_first_failure_stops_all() -> None:
    log: list[str] = []

    @cs.task
    async def cleans_up() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await settle()
            log.append("cleaned up")

    channel = cs.Channel()
    engine = cs.Engine()
    population = engine.start_many([cleans_up(), fail_at(channel), parked(), give(1)], on_failure="stop")
    await rest(population)
    assert states(population) == {"parked": 3, "done": 1}
    channel.send("so")
    for _ in range(2):
        with pytest.raises(ValueError, match="so") as caught:
            await population
        assert len(caught.value.__notes__) == 1
    assert log == ["cleaned up"]
    assert states(population) == {"done": 1, "failed": 1, "cancelled": 2}
    assert engine.runs == ()


@cs.task(mode="inline")
def raises(received: cs.Received) -> None:
    raise ValueError(received.message)


def fail_at(channel: cs.Channel) -> cs.LazyResult:
    return raises(channel.recv())


async def test_several_failures_are_raised_together() -> None:
    @cs.task
    async def fails_to_clean_up(name: str) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            raise LookupError(name)

    channel = cs.Channel()
    targets = [fails_to_clean_up("a"), fail_at(channel), fails_to_clean_up("b")]
    population = cs.Engine().start_many(targets, on_failure="stop")
    await rest(population)
    channel.send("first")
    with pytest.raises(ExceptionGroup) as caught:
        await population
    assert [type(error) for error in caught.value.exceptions] == [ValueError, LookupError, LookupError]
    assert "3 runs of a population" in str(caught.value)


async def test_neither_a_skipped_nor_a_cancelled_member_stops_the_others() -> None:
    population = cs.Engine().start_many([give(1).run_if(None), parked(), parked()], on_failure="stop")
    await rest(population)
    population.runs[1].cancel()
    await settle()
    assert states(population) == {"skipped": 1, "cancelled": 1, "parked": 1}
    population.cancel()
    assert (await population).cancelled == 2


# ------------------------------------------------------------------------------------------------------------ restarts


async def test_who_fails_is_started_again() -> None:
    engine = cs.Engine()
    population = engine.start_many([flaky(0), flaky(2), flaky(9), parked()], on_failure=cs.Restart(limit=3))
    first = population.runs
    while population.counts().failed == 0:
        await asyncio.sleep(0)
    await rest(population)
    assert states(population) == {"done": 2, "failed": 1, "parked": 1, "restarts": 5}
    assert first[0] is population.runs[0]
    assert first[1] is not population.runs[1]
    assert population.runs[1].result() == 3
    (lost,) = population.failed
    assert lost is population.runs[2]
    with pytest.raises(LookupError, match="attempt 4"):
        lost.result()
    assert set(engine.runs) == {population.runs[3]}
    population.cancel()
    assert (await population).restarts == 5


async def test_it_begins_anew_with_what_it_was_given() -> None:
    seen: list[object] = []

    @cs.task(mode="inline")
    def step(n: int, word: str) -> object:
        seen.append((n, word, WORD.get()))
        WORD.set("changed")
        if n == 0 and len(seen) < 4:
            raise ValueError
        return step(n - 1, word) if n else "end"

    WORD.set("given")
    population = cs.Engine().start_many([step(1, cs.Param("word"))], params={"word": "w"}, on_failure=cs.Restart())
    WORD.set("later")
    await population
    assert seen == [(1, "w", "given"), (0, "w", "changed")] * 2
    assert states(population) == {"done": 1, "restarts": 1}


async def test_a_limit_of_0_restarts_no_member() -> None:
    population = cs.Engine().start_many([flaky(1)], on_failure=cs.Restart(limit=0))
    counts = await population
    assert (counts.failed, counts.restarts, len(population.failed)) == (1, 0, 1)


class Interrupt(BaseException):
    """No `Exception`: it is meant for somebody else."""


async def test_only_exceptions_are_answered_by_a_restart() -> None:
    calls: list[str] = []

    @cs.task(mode="inline")
    def interrupts() -> None:
        calls.append("called")
        raise Interrupt

    population = cs.Engine().start_many([interrupts(), give(1).run_if(False)], on_failure=cs.Restart())
    counts = await population
    assert calls == ["called"]
    assert (counts.failed, counts.skipped, counts.restarts) == (1, 1, 0)
    assert isinstance(population.failed[0]._failure(), Interrupt)


async def leave(engine: cs.Engine, population: cs.Population) -> None:
    await engine.__aexit__(None, None, None)


async def close(engine: cs.Engine, population: cs.Population) -> None:
    await engine.aclose()


async def cancel_all(engine: cs.Engine, population: cs.Population) -> None:
    population.cancel()


async def cancel_one(engine: cs.Engine, population: cs.Population) -> None:
    population.runs[0].cancel()


@pytest.mark.parametrize("stop", [leave, close, cancel_all, cancel_one])
async def test_what_was_cancelled_is_not_started_again(stop: Callable[..., object]) -> None:
    engine = cs.Engine()
    population = engine.start_many([fails_when_cancelled()], on_failure=cs.Restart())
    await settle()
    await stop(engine, population)  # type: ignore[misc]
    counts = await population
    assert (counts.failed, counts.restarts, len(population.failed)) == (1, 0, 1)
    assert engine.runs == ()


@pytest.mark.parametrize("stop", [leave, close, cancel_all])
async def test_who_has_failed_is_not_started_again_once_all_is_to_end(stop: Callable[..., object]) -> None:
    """It had failed before, and its resource takes until now to be torn down."""
    torn, going = asyncio.Event(), asyncio.Event()

    @cs.resource(scope="run")
    async def slow() -> object:
        try:
            yield 1
        finally:
            going.set()
            await torn.wait()

    @cs.task
    async def fails(slow: int = cs.Inject("slow")) -> None:  # type: ignore[assignment]
        raise ValueError("so")

    engine = cs.Engine()
    engine.register(slow)
    population = engine.start_many([fails()], on_failure=cs.Restart())
    await going.wait()
    asyncio.get_running_loop().call_soon(torn.set)
    await stop(engine, population)  # type: ignore[misc]
    await population
    assert states(population) == {"failed": 1}
    assert population.failed


async def test_a_member_that_fails_for_ever_leaves_nothing_of_its_failures() -> None:
    class Data:
        """Something large."""

    left: list[weakref.ref[Data]] = []

    @cs.task(mode="inline")
    def member(_: object) -> None:
        data = Data()
        left.append(weakref.ref(data))
        raise LookupError(data)

    async with cs.Engine() as engine:
        population = engine.start_many([parked(), member(cs.wait(0))], on_failure=cs.Restart(limit=50))
        while not population.counts().failed:
            await asyncio.sleep(0)
        gc.collect()
        assert len(left) == 51
        assert sum(data() is not None for data in left) == 1  # the last one, which nobody has looked at
        assert population.failed


@pytest.mark.parametrize("end", [KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("policy", ["leave", "stop", cs.Restart(limit=5)], ids=["leave", "stop", "restart"])
async def test_what_ends_the_process_stops_any_population_and_is_raised(end: type[BaseException], policy: Any) -> None:
    @cs.task(mode="inline")
    def ends() -> None:
        raise end("of it all")

    first = fail("left alone") if policy == "leave" else parked()
    population = cs.Engine().start_many([first, parked(), ends(), parked()], on_failure=policy)
    with pytest.raises(end, match="of it all"):
        await population
    assert states(population)["cancelled"] == 2 + (policy != "leave")
    assert type(population.failed[-1]._failure()) is end
