"""Limits, rates and pauses with what else a node can have: loops, waits, mailboxes, maps, retries, events."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import cascade as cs
from cascade.events import NodeBlocked, NodeFinished, NodeStarted, NodeUnblocked
from cascade.testing import VirtualTime
from support.observation import settle
from support.tasks import echo, holds


def free(engine: cs.Engine) -> bool:
    return all(state.kind == "rate" or (not state.in_use and not state.waiting) for state in engine.limits.snapshot())


class Doors:
    """A task whose calls stay inside until they are let out, one by one."""

    def __init__(self) -> None:
        self.inside: dict[int, asyncio.Event] = {}
        self.entered: list[int] = []

        @cs.task(name="enter")
        async def enter(x: int) -> int:
            self.entered.append(x)
            self.inside[x] = asyncio.Event()
            try:
                await self.inside[x].wait()
            finally:
                del self.inside[x]
            return x

        self.task = enter

    async def let_all_out(self, run: cs.Run) -> object:
        while not run.done():
            for event in self.inside.values():
                event.set()
            await asyncio.sleep(0)
        return await run


# -- maps --------------------------------------------------------------------------------------------------------


async def test_a_map_as_wide_as_the_limit_is_all_inside_at_once() -> None:
    doors = Doors()
    async with cs.Engine(limits={"gpu": 3}) as engine:
        run = engine.start(doors.task.with_constraints(gpu=1).map(x=range(3)))
        await holds(lambda: len(doors.inside) == 3)
        assert await doors.let_all_out(run) == [0, 1, 2] and free(engine)


async def test_a_map_holds_nothing_itself() -> None:
    doors = Doors()
    async with cs.Engine(limits={"gpu": 1}) as engine:
        engine.limits.set("task:enter", concurrency=1)
        run = engine.start(doors.task.with_constraints(gpu=1).map(x=range(3), concurrency=2))
        for x in range(3):
            await holds(lambda x=x: doors.entered[-1:] == [x])  # type: ignore[misc]
            assert list(doors.inside) == [x]
            doors.inside[x].set()
        assert await run == [0, 1, 2] and free(engine)


async def test_maps_in_maps_under_the_limit_that_both_want() -> None:
    inner = echo.with_constraints(gpu=1)

    @cs.task(mode="inline")
    def middle(x: int) -> object:
        return inner2.map(x=range(x))

    @cs.task(mode="inline")
    def one(x: int) -> object:
        return inner(x)

    inner2 = one.with_constraints(gpu=1)
    async with cs.Engine(limits={"gpu": 1}) as engine:
        engine.limits.set("*", concurrency=1)
        value = await engine.run(middle.with_constraints(gpu=1).map(x=range(4)))
        assert value == [[[x] for x in range(n)] for n in range(4)] and free(engine)


async def test_a_map_of_which_one_item_can_never_be() -> None:
    async with cs.Engine(limits={"gpu": 0}) as engine:
        with pytest.raises(cs.LimitError):
            await engine.run(one_of.with_constraints(gpu=1).map(x=[1, 2]))
        assert free(engine) and await engine.run(one_of.with_constraints(gpu=0).map(x=[1, 2])) == [1, 2]


@cs.task(mode="inline")
def one_of(x: int) -> int:
    return x


# -- rates -------------------------------------------------------------------------------------------------------


async def test_ten_a_minute() -> None:
    reasons: list[str] = []
    async with cs.Engine() as engine:
        engine.events.subscribe(NodeBlocked, lambda event: reasons.append(event.reason))
        engine.limits.set("task:one_of", rate="10/m", burst=10)
        assert await engine.run([one_of(x) for x in range(10)]) == list(range(10))
        run = engine.start(one_of(10))
        await holds(lambda: reasons)
        assert "10/m" in reasons[0] and not run.done()
        engine.limits.set("task:one_of", rate="1000/s")  # and a rate that is raised wakes who waits for it
        assert await run == 10


@pytest.mark.parametrize("kind", ["wait", "recv"])
async def test_each_wait_takes_one_leave_of_a_rate(kind: str) -> None:
    channel: cs.Channel[int] = cs.Channel()
    calls = [cs.wait(0) if kind == "wait" else channel.recv(timeout=0) for _ in range(4)]
    seen: list[Any] = []
    async with cs.Engine() as engine:
        engine.events.subscribe((NodeStarted, NodeFinished, NodeBlocked, NodeUnblocked), seen.append)
        engine.limits.set("*", rate="1/2ms")
        async with asyncio.timeout(20):
            assert len(await engine.run(calls)) == 4
    for node in {event.node for event in seen if isinstance(event, NodeBlocked)}:
        names = [type(event).__name__ for event in seen if event.node == node]
        assert names == ["NodeBlocked", "NodeUnblocked", "NodeStarted", "NodeFinished"]


# -- pauses ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("quantum", [0.001, 10, 0])
async def test_a_pause_from_inside_a_loop_that_never_suspends(quantum: float) -> None:
    seen: list[int] = []

    @cs.task(mode="inline", name="step")
    def step(n: int) -> object:
        seen.append(n)
        if n == 1000:
            engine.limits.pause("task:step")
        return step(n + 1) if n < 2000 else n

    async with cs.Engine(quantum=quantum) as engine:
        run = engine.start(step(0))
        await holds(lambda: engine.limits.active)
        await settle(20)
        assert len(seen) == 1001 and run.iterations == 1001 and run.state == "parked"
        engine.limits.resume("task:step")
        assert await run == 2000 and len(seen) == 2001


async def test_a_pause_in_the_middle_of_a_graph_and_in_the_beginning_of_a_coroutine() -> None:
    seen: list[str] = []

    @cs.task(mode="inline")
    def first() -> None:
        engine.limits.pause()

    @cs.task
    async def first_later() -> None:
        engine.limits.pause()
        await asyncio.sleep(0)

    @cs.task(mode="inline")
    def second(x: object = None) -> None:
        seen.append("second")

    async with cs.Engine() as engine:
        run = engine.start(echo(first(), second()))
        await holds(lambda: engine.limits.active)
        await settle(20)
        assert not seen
        engine.limits.resume()
        assert await run == [None, None]
        seen.clear()
        run = engine.start(echo(second(first_later()), second()))
        await holds(lambda: engine.limits.active)
        count = len(seen)  # those that started before it
        await settle(20)
        assert len(seen) == count
        engine.limits.resume()
        assert await run == [None, None] and len(seen) == 2


@pytest.mark.parametrize("kind", ["wait", "recv"])
async def test_a_pause_stops_waits_and_mailboxes_before_they_begin(kind: str) -> None:
    channel: cs.Channel[int] = cs.Channel()
    channel.send(7)
    names: list[str] = []
    async with cs.Engine() as engine:
        engine.events.subscribe(
            (NodeStarted, NodeFinished, NodeBlocked, NodeUnblocked), lambda event: names.append(type(event).__name__)
        )
        engine.limits.pause()
        run = engine.start(cs.wait(0) if kind == "wait" else channel.recv())
        await holds(lambda: names)
        await settle(20)
        assert names == ["NodeBlocked"] and len(channel) == 1
        engine.limits.resume()
        engine.limits.pause()  # it has been let go, but has not started
        await settle(20)
        assert len(channel) == 1 and "NodeStarted" not in names
        engine.limits.resume()
        await run
        assert names[0] == "NodeBlocked" and names[-2:] == ["NodeStarted", "NodeFinished"]
        assert names.count("NodeStarted") == 1


@pytest.mark.parametrize("kind", ["wait", "recv", "call", "thread"])
async def test_cancelled_while_it_is_paused(kind: str) -> None:
    channel: cs.Channel[int] = cs.Channel()
    target = {
        "wait": cs.wait(3600), "recv": channel.recv(), "call": echo(1), "thread": cs.task(print, mode="thread")(1)
    }[kind]  # fmt: skip
    async with cs.Engine() as engine:
        engine.limits.pause()
        run = engine.start(echo(target))
        await settle(5)
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run
        assert free(engine) and not engine.runs


def test_a_pause_that_expires_lets_all_go_on_in_their_order() -> None:
    seen: list[int] = []
    virtual = VirtualTime(limits={"gpu": 1})

    @cs.task(mode="inline")
    def note(x: int) -> int:
        seen.append(x)
        return x

    async def main() -> None:
        engine = virtual.engine
        engine.limits.pause(ttl=10)
        runs = [engine.start(note(x).with_constraints(gpu=1)) for x in range(5)]
        runs += [engine.start(note(x).with_retry()) for x in range(5, 8)]
        await asyncio.sleep(9)
        assert not seen
        for run in runs:
            await run
        assert virtual.time == 10
        assert [x for x in seen if x < 5] == [0, 1, 2, 3, 4] and len(seen) == 8 and not engine.limits.active

    virtual.run(main())
    virtual.close()


# -- cancelled in the middle of acquiring ------------------------------------------------------------------------


@pytest.mark.parametrize("turns", range(10))
async def test_cancelled_as_it_is_granted(turns: int) -> None:
    doors = Doors()
    call = doors.task.with_constraints(gpu=1)
    async with cs.Engine(limits={"gpu": 1}) as engine:
        first, second, third = (engine.start(call(x)) for x in range(3))
        await holds(lambda: doors.entered == [0])
        doors.inside[0].set()
        await settle(turns)
        second.cancel()
        assert await first == 0
        with pytest.raises(asyncio.CancelledError):
            await second
        assert await doors.let_all_out(third) == 2 and free(engine)


async def test_blocked_comes_before_started() -> None:
    doors = Doors()
    names: list[tuple[int, str]] = []
    async with cs.Engine(limits={"gpu": 1}) as engine:
        engine.events.subscribe(
            (NodeStarted, NodeFinished, NodeBlocked, NodeUnblocked),
            lambda event: names.append((event.run, type(event).__name__)),
        )
        first, second = (engine.start(doors.task(x).with_constraints(gpu=1)) for x in range(2))
        await holds(lambda: (second.id, "NodeBlocked") in names)
        assert (second.id, "NodeStarted") not in names
        await doors.let_all_out(first)
        await doors.let_all_out(second)
        assert [name for run, name in names if run == first.id] == ["NodeStarted", "NodeFinished"]
        assert [name for run, name in names if run == second.id] == [
            "NodeBlocked", "NodeUnblocked", "NodeStarted", "NodeFinished",
        ]  # fmt: skip
