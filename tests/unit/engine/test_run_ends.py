"""Runs and engines that end at awkward moments: deep down, twice, late, all at once."""

from __future__ import annotations

import asyncio
import gc
import weakref

import pytest

import cascade as cs
from support.tasks import add, keep

DEPTH = 300_000


@cs.task
async def fails_later() -> int:
    await asyncio.sleep(0)
    raise ValueError("at the bottom")


@cs.task(mode="thread")
def fails_in_a_thread() -> int:
    raise ValueError("at the bottom")


CHANNEL = cs.Channel()


@cs.task(mode="inline")
def deep(n: int, leaf: str) -> object:
    if n:
        return add(1, deep(n - 1, leaf))
    return add(1, {"later": fails_later, "thread": fails_in_a_thread, "recv": CHANNEL.recv}[leaf]())


@pytest.mark.parametrize("leaf", ["later", "thread"])
def test_a_failure_at_the_bottom_of_a_deep_recursion(leaf: str) -> None:
    with pytest.raises(ValueError, match="at the bottom"):
        cs.run(deep(DEPTH, leaf))


async def test_a_deep_recursion_is_cancelled_as_its_message_arrives() -> None:
    run = cs.Engine().start(deep(DEPTH, "recv"))
    while run.state != "parked":
        await asyncio.sleep(0)
    CHANNEL.send(1)
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    assert CHANNEL.drain() == [1]


async def test_a_deep_recursion_whose_channel_is_closed() -> None:
    channel = cs.Channel()

    @cs.task(mode="inline")
    def waits(n: int) -> object:
        return add(1, waits(n - 1)) if n else channel.recv()

    run = cs.Engine().start(waits(DEPTH))
    while run.state != "parked":
        await asyncio.sleep(0)
    channel.close()
    with pytest.raises(cs.ChannelClosedError):
        await run


async def test_two_closes_at_once() -> None:
    started = asyncio.Event()
    released = asyncio.Event()

    @cs.task
    async def slow() -> None:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            await released.wait()

    engine = cs.Engine()
    engine.start(slow())
    await started.wait()
    closes = [asyncio.create_task(engine.aclose()) for _ in range(3)]
    for _ in range(5):
        await asyncio.sleep(0)
    assert not any(close.done() for close in closes)
    released.set()
    await asyncio.gather(*closes)
    assert engine.runs == ()


def test_an_engine_is_closed_after_its_loop_was(caplog: pytest.LogCaptureFixture) -> None:
    engine = cs.Engine()

    async def leave_behind() -> None:
        engine.start(cs.wait(3600))
        await asyncio.sleep(0)

    async def close() -> None:
        async with engine:
            assert await engine.run(keep(1)) == (1,)

    asyncio.run(leave_behind())
    asyncio.run(close())
    gc.collect()
    assert engine.runs == ()
    assert "was never retrieved" not in caplog.text  # as of an asyncio task that the end of its event loop cancels


async def test_very_many_failures_at_once() -> None:
    channel = cs.Channel()
    run = cs.Engine().start(cs.gather(*(channel.recv() for _ in range(20_000))))
    while run.state != "parked":
        await asyncio.sleep(0)
    channel.close()
    with pytest.raises(ExceptionGroup) as caught:
        await run
    assert len(caught.value.exceptions) == 20_000


@pytest.mark.parametrize("key", [lambda lazy: (lazy, 2), lambda lazy: (1, (2, frozenset({lazy})))])
def test_a_lazy_result_inside_a_dict_key_is_refused(key: object) -> None:
    for value in (3, keep(3)):
        with pytest.raises(cs.StructureError, match="dict key"):
            cs.run(keep({key(keep(1)): value}))  # type: ignore[operator]


def test_observed_tail_calls_keep_no_template_alive() -> None:
    @cs.task(mode="inline")
    def grow(n: int, items: list[object]) -> object:
        return grow(n + 1, [keep(1)] * (n + 1)) if n < 100 else n

    templates = cs.Templates(max_entries=8)
    engine = cs.Engine(templates=templates)
    first = weakref.ref(templates.lookup(grow(0, [])))
    assert cs.run(grow(0, []), engine=engine) == 100
    gc.collect()
    assert first() is None
    assert len(templates) <= 8


def test_a_cycle_through_a_default_is_collected() -> None:
    class Token:
        pass

    def make() -> weakref.ref[Token]:
        token = Token()
        seen: list[object] = [token]

        @cs.task
        def step(n: int, seen: list[object] = seen) -> None: ...

        seen.append(step(1))
        return weakref.ref(token)

    watch = make()
    gc.collect()
    assert watch() is None


@pytest.mark.parametrize("quantum", [0, 1.0])
async def test_a_run_cancels_itself(quantum: float) -> None:
    ran: list[int] = []

    @cs.task(mode="inline")
    def loop(n: int) -> object:
        ran.append(n)
        if n == 10:
            run.cancel()
        return loop(n - 1) if n else "end"

    run = cs.Engine(quantum=quantum).start(loop(20))
    with pytest.raises(asyncio.CancelledError):
        await run
    assert ran == list(range(20, 9, -1))
