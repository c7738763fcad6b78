"""Cancellation from outside, at any await: everything of the run ends, then it is raised."""

from __future__ import annotations

import asyncio
import threading

import pytest

import cascade as cs
from support.observation import settle
from support.tasks import take


class Ledger:
    """Tasks that count how many of them have begun and how many have ended."""

    def __init__(self) -> None:
        self.begun = 0
        self.ended = 0

    def task(self, turns: int, *inputs: object) -> cs.LazyResult:
        @cs.task
        async def counted(*values: object) -> int:
            self.begun += 1
            try:
                await settle(turns)
            finally:
                self.ended += 1
            return turns

        return counted(*inputs)

    def loop(self, count: int, turns: int) -> cs.LazyResult:
        @cs.task(mode="inline")
        def again(*values: object) -> object:
            return self.loop(count - 1, turns) if count else "end"

        return again(self.task(turns), self.middle(turns))

    def middle(self, turns: int) -> cs.LazyResult:
        @cs.task(mode="inline")
        def going_on(value: int) -> cs.LazyResult:
            return self.task(turns)

        return going_on(self.task(1))


@pytest.mark.parametrize("how", ["task", "run", "handle"])
async def test_at_every_turn_of_the_loop(how: str) -> None:
    cancelled = 0
    for turn in range(60):
        ledger = Ledger()
        engine = cs.Engine(quantum=0)
        run = engine.start(ledger.loop(4, 3))
        waiting = asyncio.ensure_future(engine.run(ledger.loop(4, 3))) if how == "task" else run
        await settle(turn)
        if how == "task":
            run.cancel()
        waiting.cancel()
        try:
            assert await waiting == "end"
        except asyncio.CancelledError:
            cancelled += 1
        if how == "task":
            await asyncio.gather(run, return_exceptions=True)
        assert ledger.begun == ledger.ended
        before = ledger.begun
        await settle(20)
        assert ledger.begun == before
        assert engine.runs == ()
    assert cancelled > 5


async def test_before_it_has_begun() -> None:
    log = []

    @cs.task(mode="inline")
    def note() -> None:
        log.append(1)

    run = cs.Engine().start(note())
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    await settle()
    assert log == []
    assert run.state == "cancelled"


async def test_after_it_has_ended() -> None:
    run = cs.Engine().start(take(1))
    assert await run == ((1,), {})
    run.cancel()
    assert await run == ((1,), {})
    assert run.state == "done"


async def test_twice() -> None:
    log = []

    @cs.task
    async def slow() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await settle(5)
            log.append("cleaned up")

    run = cs.Engine().start(take(slow()))
    await settle()
    run.cancel()
    await settle(2)
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    await settle(10)
    assert len(log) <= 1
    assert run.done()


async def test_in_a_loop_that_never_suspends() -> None:
    """The quantum lets others have their turn, among them who cancels."""

    @cs.task(mode="inline")
    def forever(n: int) -> cs.LazyResult:
        return forever(n + 1)

    for quantum in (0, 0.001):
        run = cs.Engine(quantum=quantum).start(forever(0))
        await settle(5)
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run
        assert run.iterations > 0


async def test_with_a_timeout() -> None:
    @cs.task(mode="inline")
    def forever() -> cs.LazyResult:
        return forever()

    for target in (forever(), take(cs.wait(3600)), cs.Channel().recv()):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await cs.Engine().run(target)


async def test_threads_are_awaited() -> None:
    begun, released, log = threading.Event(), threading.Event(), []

    @cs.task(mode="thread")
    def blocks() -> None:
        begun.set()
        assert released.wait(timeout=60)
        log.append("ended")

    @cs.task
    async def waits() -> None:
        await asyncio.to_thread(begun.wait)

    run = cs.Engine().start(take(blocks(), waits(), take(blocks())))
    await asyncio.to_thread(begun.wait)
    run.cancel()
    await settle(20)
    assert not run.done()
    released.set()
    with pytest.raises(asyncio.CancelledError):
        await run
    ended = len(log)
    assert ended >= 1
    await settle(20)
    assert len(log) == ended


@pytest.mark.parametrize("what", ["wait", "recv", "recv with timeout", "async", "in a child frame"])
async def test_whatever_it_waits_for(what: str) -> None:
    channel = cs.Channel()

    @cs.task
    async def waits() -> None:
        await asyncio.Event().wait()

    @cs.task(mode="inline")
    def parent() -> cs.LazyResult:
        return take(take(channel.recv()))

    target = {
        "wait": lambda: cs.wait(3600),
        "recv": channel.recv,
        "recv with timeout": lambda: channel.recv(timeout=3600),
        "async": waits,
        "in a child frame": lambda: take(parent()),
    }[what]()
    engine = cs.Engine()
    run = engine.start(target)
    await settle(10)
    assert not run.done()
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    assert run.state == "cancelled"
    assert engine.runs == ()
    channel.send("not lost")
    assert channel.drain() == ["not lost"]


@pytest.mark.parametrize("kind", ["inline", "async", "late"])
async def test_by_a_task_of_its_own(kind: str) -> None:
    log: list[str] = []

    def plain(*inputs: object) -> None:
        run.cancel()

    async def eager(*inputs: object) -> None:
        run.cancel()

    async def late(*inputs: object) -> None:
        await settle()
        run.cancel()
        await settle()

    @cs.task(mode="inline")
    def note(*inputs: object) -> None:
        log.append("ran")

    cancels = cs.task(plain, mode="inline") if kind == "inline" else cs.task(eager if kind == "async" else late)
    run = cs.Engine().start(take(note(cancels()), cs.wait(3600)))
    with pytest.raises(asyncio.CancelledError):
        await run
    assert run.state == "cancelled"
    await settle()
    assert log == []


async def test_closing_the_engine_from_a_task_does_not_hang() -> None:
    engine = cs.Engine()

    @cs.task
    async def closes() -> None:
        await engine.aclose()

    runs = [engine.start(take(cs.wait(3600))), engine.start(take(closes()))]
    found = await asyncio.gather(*runs, return_exceptions=True)
    assert [type(one) for one in found] == [asyncio.CancelledError] * 2
    assert engine.runs == ()


async def test_runs_started_by_tasks_live_on_their_own() -> None:
    engine = cs.Engine()
    started: list[cs.Run] = []

    @cs.task(mode="inline")
    def starts() -> None:
        started.append(engine.start(take(1)))
        started.append(engine.start(take(cs.wait(3600))))
        raise ValueError

    with pytest.raises(ValueError):
        await engine.run(take(starts()))
    assert await started[0] == ((1,), {})
    assert not started[1].done()
    await engine.aclose()
    assert started[1].state == "cancelled"


async def test_one_awaiter_cancelled_is_the_run_cancelled_for_all() -> None:
    """`await run` passes cancellation on, as awaiting an asyncio task does."""
    run = cs.Engine().start(take(cs.wait(3600)))

    async def awaits() -> object:
        return await run

    first, second = asyncio.ensure_future(awaits()), asyncio.ensure_future(awaits())
    await settle()
    first.cancel()
    for awaiter in (first, second):
        with pytest.raises(asyncio.CancelledError):
            await awaiter
    assert run.state == "cancelled"


async def test_a_failure_while_cancelling_is_not_swallowed() -> None:
    @cs.task
    async def fails_late() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            raise ValueError("while cleaning up")

    run = cs.Engine().start(take(fails_late()))
    await settle()
    run.cancel()
    with pytest.raises((asyncio.CancelledError, ValueError)) as caught:
        await run
    if isinstance(caught.value, asyncio.CancelledError):
        assert "while cleaning up" in repr(caught.value.__context__) + repr(caught.value.__cause__)
