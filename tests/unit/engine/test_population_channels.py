"""Channels that belong to a population, and members with names of their own."""

from __future__ import annotations

import asyncio
import gc
import weakref
from typing import Any

import pytest

import cascade as cs
from support.observation import settle
from support.tasks import give


class Boom(Exception):
    """A failure."""


@cs.task(mode="inline")
def fail(text: str, _: object = None) -> object:
    raise Boom(text)


@cs.task(mode="inline")
def tell(out: cs.Channel[Any], number: int, _: object = None) -> None:
    out.send(number)


async def heard(out: cs.Channel[Any]) -> tuple[list[Any], BaseException | None, str]:
    """What a consumer gets: the messages, the cause of the end, and what it is told."""
    got = []
    try:
        async for message in out:
            got.append(message)
        await out.receive()
    except cs.ChannelClosedError as error:
        return got, error.__cause__, str(error)
    raise AssertionError("it is open")


# ------------------------------------------------------------------------------------------------------------- closes


async def test_they_are_closed_when_all_members_have_ended() -> None:
    one: cs.Channel[int] = cs.Channel()
    other: cs.Channel[int] = cs.Channel()
    waits: cs.Channel[None] = cs.Channel()
    async with cs.Engine() as engine:
        population = engine.start_many([tell(one, 1), tell(one, 2, waits.recv())], closes=[one, other])
        await population.runs[0]
        assert not one.closed
        waits.send(None)
        await population
        assert one.closed and other.closed
        assert await heard(one) == ([1, 2], None, "received from a closed channel")
        assert await heard(other) == ([], None, "received from a closed channel")


async def test_the_cause_is_the_failure_that_was_first() -> None:
    out: cs.Channel[int] = cs.Channel()
    first: cs.Channel[None] = cs.Channel()
    async with cs.Engine() as engine:
        population = engine.start_many(
            [give(0), fail("late", first.recv()), tell(out, 1), fail("early")], closes=out, name="producers"
        )
        await asyncio.wait([population.runs[3]])
        first.send(None)
        await population
        got, cause, text = await heard(out)
        assert got == [1] and isinstance(cause, Boom) and cause.args == ("early",)
        run = population.runs[3]
        assert text == f"received from a closed channel: run {run.id} 'producers', to which it belongs, has failed"


async def test_all_are_stopped_and_the_cause_is_what_has_stopped_them() -> None:
    out: cs.Channel[int] = cs.Channel()
    async with cs.Engine() as engine:
        population = engine.start_many([tell(out, 1, cs.wait(3600)), fail("a")], closes=out, on_failure="stop")
        got, cause, _ = await heard(out)
        assert got == [] and isinstance(cause, Boom)
        assert population.counts().cancelled == 1


async def test_of_a_cancelled_population_the_cause_is_the_cancellation() -> None:
    out: cs.Channel[int] = cs.Channel()
    async with cs.Engine() as engine:
        population = engine.start_many([give(0), tell(out, 1, cs.wait(3600))], closes=out)
        await population.runs[0]
        population.cancel()
        got, cause, text = await heard(out)
        assert got == [] and isinstance(cause, asyncio.CancelledError)
        assert text.endswith(f"run {population.runs[1].id}, to which it belongs, was cancelled")


async def test_a_skipped_member_is_no_failure() -> None:
    out: cs.Channel[int] = cs.Channel()
    async with cs.Engine() as engine:
        engine.start_many([cs.lazy(give(0)).run_if(False), give(1)], closes=out)
        assert await heard(out) == ([], None, "received from a closed channel")


async def test_a_member_that_is_started_again_has_not_ended() -> None:
    out: cs.Channel[int] = cs.Channel()
    failures = iter([Boom(), None])

    @cs.task(mode="inline")
    def flaky() -> None:
        if (error := next(failures)) is not None:
            raise error
        out.send(7)

    async with cs.Engine() as engine:
        engine.start_many([flaky()], closes=out, on_failure=cs.Restart(limit=1))
        assert await heard(out) == ([7], None, "received from a closed channel")


async def test_members_that_are_held_have_not_ended() -> None:
    out: cs.Channel[int] = cs.Channel()
    async with cs.Engine() as engine:
        engine.start_many([tell(out, number, cs.wait(0)) for number in range(5)], closes=out, concurrency=1)
        assert (await heard(out))[0] == [0, 1, 2, 3, 4]


async def test_the_channel_of_an_empty_population_is_closed_at_once() -> None:
    out: cs.Channel[int] = cs.Channel()
    async with cs.Engine() as engine:
        engine.start_many([], closes=out)
        assert await heard(out) == ([], None, "received from a closed channel")


async def test_members_are_added_until_all_have_ended() -> None:
    out: cs.Channel[int] = cs.Channel()
    waits: cs.Channel[None] = cs.Channel()
    async with cs.Engine() as engine:
        population = engine.start_many([tell(out, 1, waits.recv())], closes=out)
        waits.send(None)
        await population.add(tell(out, 2))
        await population
        with pytest.raises(cs.EngineStateError, match="before all others have ended, as the population closes its"):
            population.add(tell(out, 3))
        assert sorted((await heard(out))[0]) == [1, 2]


async def test_what_is_no_channel_is_refused_and_nothing_starts() -> None:
    out: Any = 3
    async with cs.Engine() as engine:
        with pytest.raises(TypeError, match="closes must be a channel, or several in a list, got `int`"):
            engine.start_many([give(1)], closes=out)
        assert engine.runs == ()


async def test_the_channel_keeps_one_failed_run_and_not_the_population() -> None:
    out: cs.Channel[int] = cs.Channel()
    async with cs.Engine() as engine:
        population = engine.start_many([fail("a"), give(1)], closes=out)
        await population
        assert len(population.failed) == 1
        gone = weakref.ref(population)
        del population
        await settle()
        gc.collect()
        assert gone() is None and out.closed


# ------------------------------------------------------------------------------------------------------ names and tags


async def test_a_member_has_what_the_population_has_and_its_own_before_it() -> None:
    async with cs.Engine() as engine:
        population = engine.start_many([give(0)], name="crawl", tags={"app": "shop", "site": "1"})
        plain = population.add(give(1))
        named = population.add(give(2), name="crawl-2")
        tagged = population.add(give(3), tags={"site": "7", "depth": "2"})
        await population
        assert [(run.name, dict(run.tags)) for run in (plain, named, tagged)] == [
            ("crawl", {"app": "shop", "site": "1"}),
            ("crawl-2", {"app": "shop", "site": "1"}),
            ("crawl", {"app": "shop", "site": "7", "depth": "2"}),
        ]


async def test_of_a_population_without_any() -> None:
    async with cs.Engine() as engine:
        population = engine.start_many([])
        run = population.add(give(1), name="a", tags={"site": "7"})
        assert (run.name, run.tags, population.add(give(2)).name) == ("a", {"site": "7"}, None)
        await population


async def test_they_are_those_of_the_run_that_is_started_again() -> None:
    failures = iter([Boom(), None])

    @cs.task(mode="inline")
    def flaky() -> object:
        if (error := next(failures)) is not None:
            raise error
        run = cs.current().run
        return run.name, dict(run.tags)

    async with cs.Engine() as engine:
        population = engine.start_many([give(0)], name="a", on_failure=cs.Restart(limit=1))
        population.add(flaky(), name="b", tags={"site": "7"})
        await population
        assert population.runs[1].result() == ("b", {"site": "7"})


async def test_a_pause_by_the_tag_of_one_member_holds_up_that_one() -> None:
    async with cs.Engine() as engine:
        engine.limits.pause("tag:site=7")
        population = engine.start_many([give(0)])
        held, goes = population.add(give(1), tags={"site": "7"}), population.add(give(2), tags={"site": "8"})
        assert await goes == 2 and not held.done()
        engine.limits.resume("tag:site=7")
        assert await held == 1


@pytest.mark.parametrize(("given", "error"), [({"name": 7}, TypeError), ({"tags": {"": "x"}}, ValueError)])
async def test_wrong_ones_are_refused_and_nothing_is_added(given: Any, error: type[Exception]) -> None:
    async with cs.Engine() as engine:
        population = engine.start_many([give(0)])
        with pytest.raises(error):
            population.add(give(1), **given)
        assert len(population) == 1
        await population
