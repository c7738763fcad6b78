"""Agents that die, flood a channel, receive from a closed one, or start others: bounded, told, and nothing is lost."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

import cascade as cs
from cascade.events import RunFinished
from cascade.testing import VirtualTime
from support.observation import settle

OVERFLOWS = ("error", "block", "drop_oldest", "drop_newest")


async def begun(runs: Sequence[cs.Run]) -> None:
    """Wait until each waits for something."""
    while any(run.state == "ready" for run in runs):
        await asyncio.sleep(0)
    await settle()  # that may be a coroutine, which then has yet to begin


@given(
    producers=st.lists(st.tuples(st.integers(0, 20), st.integers(0, 2)), min_size=1, max_size=4),
    consumers=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 30)), min_size=1, max_size=4),
    capacity=st.integers(1, 5),
    overflow=st.sampled_from(OVERFLOWS),
)
def test_every_message_of_a_flood_is_accounted_for(
    producers: list[tuple[int, int]], consumers: list[tuple[int, int]], capacity: int, overflow: str
) -> None:
    """Producers send, some faster than consumers receive, and consumers die after so many messages."""
    virtual = VirtualTime()
    channel = cs.Channel(capacity, overflow)
    received: list[object] = []
    refused: list[object] = []
    deepest = 0

    @cs.task(mode="inline")
    def produce(me: int, left: int, pause: int, _: object = None, __: object = None) -> object:
        nonlocal deepest
        deepest = max(deepest, len(channel))
        if not left:
            return "done"
        try:
            sent = channel.send((me, left))
        except cs.ChannelFullError:
            refused.append((me, left))
            sent = None
        return produce(me, left - 1, pause, sent, cs.wait(pause))

    @cs.task(mode="inline")
    def consume(pause: int, lives: int, got: cs.Received | None = None, _: object = None) -> object:
        if got is not None:
            if got.timed_out:
                return "idle"
            received.append(got.message)
        if not lives:
            raise ConnectionError("dead")
        return consume(pause, lives - 1, channel.recv(timeout=100), cs.wait(pause))

    async def main() -> list[object]:
        runs = [virtual.engine.start(produce(me, count, pause)) for me, (count, pause) in enumerate(producers)]
        runs += [virtual.engine.start(consume(pause, lives)) for pause, lives in consumers]
        ends: list[object] = []
        for run in runs:
            try:
                ends.append(await run)
            except (ConnectionError, cs.DeadlockError) as error:
                ends.append(type(error))
        return ends

    ends = virtual.run(main())
    virtual.close()
    assert deepest <= capacity
    left = channel.drain()
    stuck = 0 if overflow != "block" else ends[: len(producers)].count(cs.DeadlockError)
    sent = Counter((me, n) for me, (count, _) in enumerate(producers) for n in range(1, count + 1))
    seen = Counter(received) + Counter(left) + Counter(refused)
    assert not seen - sent, "nothing is received twice, and nothing that was not sent"
    if overflow == "block":
        # Whoever waits for room for ever knows of it, and what it could not send yet is its own.
        lost = sent - seen
        assert {me for me, _ in lost} == {
            me for me, end in enumerate(ends[: len(producers)]) if end is cs.DeadlockError
        }
        assert len({me for me, _ in lost}) == stuck
    else:
        assert (sent - seen).total() == channel.dropped
    assert channel.dropped == 0 or overflow.startswith("drop")


def test_messages_to_ended_agents_are_kept_for_their_successors() -> None:
    virtual = VirtualTime()
    channel = cs.Channel()

    @cs.task(mode="inline")
    def die_of(received: cs.Received) -> None:
        raise ValueError(received.message)

    @cs.task(mode="inline")
    def inherit(received: cs.Received) -> object:
        return received.message

    async def main() -> object:
        run = virtual.engine.start(die_of(channel.recv()))
        for n in range(3):
            channel.send(n)
        with pytest.raises(ValueError, match="0"):
            await run
        return [await virtual.engine.run(inherit(channel.recv())) for _ in range(2)]

    assert virtual.run(main()) == [1, 2]
    virtual.close()


def test_agents_that_start_others() -> None:
    virtual = VirtualTime()
    born: list[int] = []

    @cs.task(mode="inline")
    def agent(depth: int, _: object = None) -> object:
        born.append(depth)
        if depth:
            for _ in range(2):
                virtual.engine.start(agent(depth - 1, cs.wait(1)))
        return depth

    async def main() -> None:
        await virtual.engine.run(agent(10))
        await virtual.engine.run(cs.wait(100))

    virtual.run(main())
    assert len(born) == 2**11 - 1
    assert virtual.engine.runs == ()
    virtual.close()


def test_an_agent_that_receives_from_a_closed_channel_fails_and_the_others_go_on() -> None:
    virtual = VirtualTime()
    channels = [cs.Channel() for _ in range(10)]

    @cs.task(mode="inline")
    def agent(me: int, received: cs.Received) -> object:
        return agent(me, channels[me].recv(timeout=10)) if not received.timed_out else me

    async def main() -> list[object]:
        runs = [virtual.engine.start(agent(me, channels[me].recv(timeout=10))) for me in range(10)]
        await virtual.engine.run(cs.wait(1))
        channels[3].close()
        channels[7].send("hello")
        channels[7].close()
        ends: list[object] = []
        for run in runs:
            try:
                ends.append(await run)
            except cs.ChannelClosedError:
                ends.append("closed")
        return ends

    assert virtual.run(main()) == [0, 1, 2, "closed", 4, 5, 6, "closed", 8, 9]
    assert virtual.time == 10
    virtual.close()


async def test_a_run_that_starts_another_one_at_its_end_does_not_keep_the_engine_open() -> None:
    heirs: list[cs.Run] = []

    @cs.task
    async def agent(generation: int) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            heirs.append(engine.start(agent(generation + 1)))

    async with asyncio.timeout(30):
        async with cs.Engine() as engine:
            await begun(engine.start_many(agent(0) for _ in range(3)).runs)
        assert len(heirs) >= 3 and all(heir.done() for heir in heirs)
        assert engine.runs == ()
        async with engine:  # and then again
            assert await engine.run([cs.wait(0)]) is not None


async def test_a_supervisor_does_not_keep_the_engine_from_its_end(caplog: pytest.LogCaptureFixture) -> None:
    started: list[cs.Run] = []
    channel = cs.Channel()

    def start_another(event: RunFinished) -> None:
        started.append(engine.start(channel.recv()))

    async with asyncio.timeout(30), cs.Engine() as engine:
        engine.events.subscribe(RunFinished, start_another)
        await engine.run(cs.wait(0))
        assert len(started) == 1
    assert [run.state for run in started] == ["cancelled", "cancelled"]
    assert "cannot start a run: the engine is shutting down" in caplog.text


@pytest.mark.parametrize("seconds", [0.0, 0.01])
async def test_who_is_stopped_may_run_something_to_clean_up(seconds: float) -> None:
    cleaned: list[object] = []

    @cs.task
    async def agent() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cleaned.append(await engine.run(cs.wait(seconds)))

    async with asyncio.timeout(30), cs.Engine() as engine:
        await begun(engine.start_many(agent() for _ in range(3)).runs)
    assert len(cleaned) == 3


async def test_a_resource_may_run_something_when_it_is_torn_down() -> None:
    seen: list[object] = []

    @cs.resource(scope="engine")
    async def held() -> AsyncIterator[str]:
        yield "resource"
        seen.append(await engine.run([cs.wait(0)]))

    @cs.task(mode="inline")
    def use(held: str) -> str:
        return held

    async with asyncio.timeout(30), cs.Engine() as engine:
        engine.register(held)
        assert await engine.run(use(cs.inject("held"))) == "resource"
    assert len(seen) == 1


async def test_an_engine_that_is_left_inside_one_of_its_tasks_ends() -> None:
    @cs.task
    async def agent() -> None:
        async with engine:
            await asyncio.sleep(3600)

    async with asyncio.timeout(30):
        async with cs.Engine() as engine:
            run = engine.start(agent())
            await begun([run])
        assert run.state == "cancelled"
        async with engine:
            run = engine.start(leaves(engine))
            other = engine.start(cs.wait(3600))
            await asyncio.wait([asyncio.ensure_future(other)])
            assert other.state == "cancelled"
        assert run.state == "cancelled"


@cs.task
async def leaves(engine: cs.Engine) -> None:
    async with engine:
        pass
    await asyncio.sleep(3600)


async def test_all_are_stopped_in_the_order_in_which_they_were_started() -> None:
    ended: list[int] = []

    @cs.task
    async def agent(number: int) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(number)

    async with cs.Engine() as engine:
        await begun(engine.start_many(agent(number) for number in range(40)).runs)
        assert [run.id for run in engine.runs] == sorted(run.id for run in engine.runs)
    assert ended == list(range(40))
