"""Failures in a population that nobody looks at are told in one line; those that somebody looks at, in none."""

from __future__ import annotations

import asyncio
import contextlib
import gc
from collections.abc import Awaitable, Callable

import pytest

import cascade as cs
from support.observation import settle
from support.tasks import give


@cs.task(mode="inline")
def fail(why: object) -> None:
    raise ValueError(why)


def reports(main: Callable[[cs.Engine], Awaitable[object]], quantum: float = 0.001) -> list[tuple[str, str]]:
    """What is reported to the event loop, message and exception, until all is gone."""
    found: list[tuple[str, str]] = []

    async def run() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(
            lambda loop, context: found.append((str(context["message"]), str(context.get("exception"))))
        )
        engine = cs.Engine(quantum=quantum)
        await main(engine)
        while engine.runs:
            await asyncio.sleep(0)
        del engine
        await settle()
        gc.collect()
        gc.collect()  # of what was in a cycle

    asyncio.run(run())
    return found


def test_one_line_however_many_there_are() -> None:
    async def main(engine: cs.Engine) -> None:
        await engine.start_many(fail(number) for number in range(3000))

    assert reports(main) == [
        ("the exception of 3,000 runs in a population of 3,000 was never retrieved; this is the first", "0")
    ]


def test_counts_do_not_say_what_went_wrong() -> None:
    async def main(engine: cs.Engine) -> None:
        population = engine.start_many([give(1), fail("so"), give(2)])
        assert (await population).failed == 1
        assert population.counts().failed == 1

    ((message, error),) = reports(main)
    assert "1 run in a population of 3" in message
    assert error == "so"


def test_started_and_forgotten() -> None:
    async def main(engine: cs.Engine) -> None:
        engine.start_many([fail("a"), give(1), fail("b")])

    ((message, error),) = reports(main)
    assert "2 runs in a population of 3" in message
    assert error in ("a", "b")


def test_nothing_is_reported_before_all_have_ended() -> None:
    """Until then, somebody may still look."""
    told: list[object] = []

    async def main(engine: cs.Engine) -> None:
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: told.append(context["message"]))
        channel = cs.Channel()
        population = engine.start_many([fail("a"), channel.recv()])
        while population.counts().ready:
            await asyncio.sleep(0)
        gc.collect()
        assert told == []
        channel.send(1)
        await population
        assert [str(run._failure()) for run in population.failed] == ["a"]

    assert reports(main) == []
    assert told == []


async def reads_failed(engine: cs.Engine) -> None:
    population = engine.start_many([fail("a"), fail("b")])
    await population
    assert len(population.failed) == 2


async def awaits_each(engine: cs.Engine) -> None:
    runs = engine.start_many([fail("a"), give(1), fail("b")]).runs
    for run in runs:  # the population itself is gone by then
        await asyncio.gather(run, return_exceptions=True)


async def takes_results(engine: cs.Engine) -> None:
    async for run in engine.as_completed(engine.start_many([fail("a"), give(1), fail("b")])):
        with contextlib.suppress(ValueError):
            run.result()


async def is_raised(engine: cs.Engine) -> None:
    with pytest.raises(ValueError):
        await engine.start_many([fail("a"), cs.wait(3600)], on_failure="stop")


async def is_raised_together(engine: cs.Engine) -> None:
    @cs.task
    async def fails_when_cancelled() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            raise LookupError("b")

    @cs.task
    async def fails_later() -> None:
        await settle()
        raise ValueError("a")

    with pytest.raises(ExceptionGroup):
        await engine.start_many([fails_when_cancelled(), fails_later()], on_failure="stop")


async def is_cancelled_and_cause(engine: cs.Engine) -> None:
    @cs.task
    async def fails_when_cancelled() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            raise LookupError("b")

    waiting = asyncio.ensure_future(engine.start_many([fails_when_cancelled()], on_failure="stop"))
    await settle()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting


async def was_started_again(engine: cs.Engine) -> None:
    calls: list[None] = []

    @cs.task(mode="inline")
    def flaky() -> None:
        calls.append(None)
        if len(calls) < 3:
            raise ValueError

    assert (await engine.start_many([flaky()], on_failure=cs.Restart())).restarts == 2


async def was_skipped_or_cancelled(engine: cs.Engine) -> None:
    population = engine.start_many([give(1).run_if(None), cs.wait(3600)])
    while population.counts().ready:
        await asyncio.sleep(0)
    population.cancel()
    await population


@pytest.mark.parametrize(
    "look",
    [
        reads_failed,
        awaits_each,
        takes_results,
        is_raised,
        is_raised_together,
        is_cancelled_and_cause,
        was_started_again,
        was_skipped_or_cancelled,
    ],
)
def test_retrieved_failures_are_not_reported(look: Callable[[cs.Engine], Awaitable[object]]) -> None:
    assert reports(look) == []


def test_only_failures_that_were_not_retrieved_are_reported() -> None:
    async def main(engine: cs.Engine) -> None:
        population = engine.start_many(fail(number) for number in range(5))
        await population
        for run in population.runs[:2]:
            with pytest.raises(ValueError):
                run.result()

    ((message, error),) = reports(main)
    assert "3 runs in a population of 5" in message
    assert error == "2"


@pytest.mark.parametrize("policy", ["stop", cs.Restart(limit=1)])
def test_whatever_the_policy(policy: object) -> None:
    async def main(engine: cs.Engine) -> None:
        engine.start_many([give(1), fail("so")], on_failure=policy)  # type: ignore[arg-type]

    ((message, error),) = reports(main)
    assert "1 run in a population of 2" in message
    assert error == "so"


def test_failures_of_a_garbage_cycle_are_reported_too() -> None:
    """The traceback of a failure leads to the function that raised, and so to all that it closes over."""

    async def main(engine: cs.Engine) -> None:
        @cs.task(mode="inline")
        def fails(n: int) -> None:
            raise ValueError(f"{n} of {len(population)}")

        population = engine.start_many(fails(n) for n in range(100))
        await population

    found = reports(main)
    assert found == [
        ("the exception of 100 runs in a population of 100 was never retrieved; this is the first", "0 of 100")
    ]


def test_after_the_event_loop(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> cs.Population:
        population = cs.Engine().start_many(fail(number) for number in range(50))
        await population
        return population

    population = asyncio.run(main())
    assert not caplog.records
    del population
    gc.collect()
    gc.collect()
    (record,) = caplog.records
    assert "50 runs in a population of 50" in record.getMessage()
    assert record.exc_info is not None
