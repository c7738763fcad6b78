"""Channels that belong to runs: who receives is told how the run has ended; and iterating over channels."""

from __future__ import annotations

import asyncio
import gc
import logging
from typing import Any

import pytest

import cascade as cs
from cascade.testing import VirtualTime
from support.observation import settle
from support.tasks import keep


class Boom(Exception):
    """The failure of a producer."""


@cs.task(mode="inline")
def produce(out: cs.Channel[int], left: int, fails: bool, _: object = None) -> Any:
    if not left:
        if fails:
            raise Boom("as planned")
        return "produced"
    out.send(left)
    return produce(out, left - 1, fails, cs.wait(1))


def test_an_iteration_ends_with_the_run(virtual: VirtualTime) -> None:
    async def main() -> None:
        out: cs.Channel[int] = cs.Channel()
        run = virtual.engine.start(produce(out, 3, False), closes=out)
        assert [number async for number in out] == [3, 2, 1]
        assert await run == "produced" and out.closed
        assert [number async for number in out] == []

    virtual.run(main())


def test_the_failure_of_the_run_reaches_each_receiver(virtual: VirtualTime) -> None:
    async def main() -> None:
        out: cs.Channel[int] = cs.Channel()
        run = virtual.engine.start(produce(out, 2, True), closes=out)
        seen = []
        with pytest.raises(cs.ChannelClosedError) as raised:
            async for number in out:
                seen.append(number)
        assert seen == [2, 1] and raised.value.__cause__ is run.exception()
        assert str(raised.value) == f"received from a closed channel: run {run.id}, to which it belongs, has failed"
        assert type(run.exception()) is Boom

    virtual.run(main())


@pytest.mark.parametrize("how", ["fails", "is cancelled", "was skipped", "has a value", "deadline"])
@pytest.mark.parametrize("late", [False, True])
def test_in_every_way_in_which_a_run_ends(how: str, virtual: VirtualTime, *, late: bool) -> None:
    """Waiters and those that come later get the same."""
    target: Any = {
        "fails": produce(cs.Channel(), 1, True),
        "is cancelled": cs.wait(60),
        "was skipped": cs.lazy(cs.wait(1)).run_if(False),
        "has a value": cs.wait(1),
        "deadline": cs.wait(60),
    }[how]

    async def main() -> None:
        blocking: cs.Channel[int] = cs.Channel(capacity=1, overflow="block")
        blocking.unreceive(1)
        out, other = cs.Channel[int](), cs.Channel[int]()
        run = virtual.engine.start(target, closes=[out, other, blocking], deadline=30 if how == "deadline" else None)
        ask: list[Any] = [
            lambda: virtual.engine.run(out.recv()),
            lambda: out.receive(),
            lambda: virtual.engine.run(cs.select([out, other])),
            lambda: virtual.engine.run(cs.outcome(out.recv())),
            lambda: blocking.put(1),
            lambda: anext(aiter(out)),
        ]
        waiting = [] if late else [asyncio.ensure_future(each()) for each in ask]
        await asyncio.sleep(2)
        if how == "is cancelled":
            run.cancel()
        await asyncio.wait([run])  # type: ignore[type-var]
        if late:
            waiting = [asyncio.ensure_future(each()) for each in ask]
        done = await asyncio.gather(*waiting, return_exceptions=True)
        assert out.closed and other.closed and blocking.closed
        done[3] = done[3].error
        assert {type(error) for error in done[:5]} == {cs.ChannelClosedError}
        causes = [error.__cause__ for error in done[:5]]
        if how in ("was skipped", "has a value"):
            assert causes == [None] * 5 and type(done[5]) is StopAsyncIteration
            return
        expected = {"fails": Boom, "is cancelled": asyncio.CancelledError, "deadline": cs.RunDeadlineError}[how]
        assert {type(cause) for cause in [*causes, done[5].__cause__]} == {expected}
        assert {str(error).partition(": ")[0] for error in done} == {
            "received from a closed channel",
            "sent to a closed channel",
        }

    virtual.run(main())


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("first", [False, True])
def test_the_failure_reaches_who_waits_for_one_of_several_channels(
    virtual: VirtualTime, *, late: bool, first: bool
) -> None:
    async def main() -> None:
        out, control = cs.Channel[int](), cs.Channel[int]()
        channels = [out, control] if first else [control, out]
        selected: Any = cs.select(channels, timeout=60)
        run = virtual.engine.start(produce(out, 0, True) if late else produce(out, 0, True, cs.wait(1)), closes=out)
        if late:
            await asyncio.wait([run])  # type: ignore[type-var]
            control.send(7)  # a message that is there comes first
            assert (await virtual.engine.run(selected)).message == 7
        with pytest.raises(cs.ChannelClosedError, match="has failed") as raised:
            await virtual.engine.run(selected)
        assert raised.value.__cause__ is run.exception() and virtual.time == (0 if late else 1)
        control.send(8)
        assert control.drain() == [8]  # who has failed stands in no line

    virtual.run(main())


def test_who_waits_for_several_channels_goes_on_when_a_run_ends_well(virtual: VirtualTime) -> None:
    async def main() -> None:
        out, control = cs.Channel[int](), cs.Channel[int]()
        waiting = asyncio.ensure_future(virtual.engine.run(cs.select([out, control])))
        await virtual.engine.run(produce(cs.Channel(), 0, False), closes=out)
        await asyncio.sleep(1)
        control.send(1)
        assert (await waiting).message == 1

    virtual.run(main())


async def test_a_failure_that_no_receiver_has_seen_is_reported(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)
    async with cs.Engine() as engine:
        out: cs.Channel[int] = cs.Channel()
        engine.start(produce(out, 0, True), closes=out)
        await settle()
        with pytest.raises(cs.ChannelClosedError):
            await out.receive()
        del out
        gc.collect()
        assert caplog.records == []
        engine.start(produce(cs.Channel(), 0, True), closes=cs.Channel())
        await settle()
        gc.collect()
        assert ["never retrieved" in record.getMessage() for record in caplog.records] == [True]


async def test_a_channel_that_is_closed_stays_as_it_is() -> None:
    async with cs.Engine() as engine:
        out: cs.Channel[int] = cs.Channel()
        out.close()
        await asyncio.wait([engine.start(produce(out, 0, True), closes=out)])  # type: ignore[type-var]
        assert [number async for number in out] == []


async def test_an_iteration_that_is_broken_off_loses_nothing() -> None:
    out: cs.Channel[int] = cs.Channel()
    for number in range(5):
        out.send(number)
    async for number in out:
        if number == 1:
            break
    assert out.drain() == [2, 3, 4]
    iterating = asyncio.ensure_future(anext(aiter(out)))  # type: ignore[arg-type]
    await settle()
    out.send(5)
    iterating.cancel()
    await asyncio.gather(iterating, return_exceptions=True)
    assert out.drain() == [5]


def test_a_run_of_its_own(virtual: VirtualTime) -> None:
    """`engine.run` and `cs.run` close channels, too."""
    out: cs.Channel[int] = cs.Channel()
    assert cs.run(keep(cs.wait(1)), closes=out) and out.closed
    one: cs.Channel[int] = cs.Channel()
    assert virtual.run(virtual.engine.run(cs.wait(1), closes=(one,))) == 1.0 and one.closed


@pytest.mark.parametrize(
    ("closes", "message"),
    [
        (3, r"^closes must be a channel, or several in a list, got `int`$"),
        ([cs.Channel(), 3], r"^closes\[1\] must be a channel, got `int`$"),
    ],
)
async def test_what_is_no_channel(closes: Any, message: str) -> None:
    async with cs.Engine() as engine:
        with pytest.raises(TypeError, match=message):
            engine.start(keep(), closes=closes)
        assert engine.runs == ()
