"""What the state backend of an engine gets: each tail call of a target, and the end of each run."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

import cascade as cs
import cascade.events
from support.tasks import echo, forever, holds


@cs.task(mode="inline")
def one(x: Any = None) -> Any:
    return x


@cs.task(mode="inline")
def broken(*x: Any) -> Any:
    raise ValueError("broken")


@cs.task(mode="thread")
def in_thread(x: Any) -> Any:
    return x


@cs.task(mode="inline")
def countdown(n: int) -> Any:
    return countdown(n - 1) if n else "done"


@cs.task
async def countdown_later(n: int) -> Any:
    return countdown_later(n - 1) if n else "done"


class Recording(cs.MemoryState):
    """A state that remembers what it was told."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[tuple[Any, ...]] = []

    def boundary(self, run: int, iteration: int, digest: str, slots: Any) -> None:
        self.told.append(("boundary", iteration, digest, list(slots)[-1]))
        super().boundary(run, iteration, digest, slots)

    def clear(self, run: int, before: int) -> None:
        self.told.append(("clear", before))
        super().clear(run, before)

    def forget(self, run: int) -> None:
        self.told.append(("forget",))
        super().forget(run)


@pytest.mark.parametrize("task", [countdown, countdown_later])
async def test_a_state_sees_each_boundary_and_clears_what_is_dead(task: cs.Task) -> None:
    state = Recording()
    async with cs.Engine(state=state) as engine:
        assert await engine.run(task(3)) == "done"
        digests = {entry[2] for entry in state.told if entry[0] == "boundary"}
        assert len(digests) == 1 and len(digests.pop()) > 16
        assert [entry[:2] + entry[3:] for entry in state.told] == [
            ("boundary", 1, 2), ("clear", 1), ("boundary", 2, 1), ("clear", 2), ("boundary", 3, 0), ("clear", 3),
            ("forget",),
        ]  # fmt: skip
        assert len(state) == 0


@pytest.mark.parametrize("end", ["done", "failed", "cancelled", "nested"])
async def test_a_state_is_empty_after_a_run(end: str) -> None:
    state = cs.MemoryState()
    last = {"done": one(1), "failed": broken(), "cancelled": forever(), "nested": echo(countdown(3))}[end]

    @cs.task(mode="inline")
    def first() -> Any:
        return last

    async with cs.Engine(state=state) as engine:
        run = engine.start(first())
        if end == "cancelled":
            await holds(lambda: len(state) == 1)
            run.cancel()
        try:
            await run
        except (ValueError, asyncio.CancelledError):
            assert end in ("failed", "cancelled")
        assert len(state) == 0


async def test_a_state_that_fails_fails_the_run_as_itself() -> None:
    class Full(cs.MemoryState):
        def boundary(self, *arguments: Any) -> None:
            raise OSError("full")

    async with cs.Engine(state=Full()) as engine:
        other = engine.start(in_thread(threading.Event()))
        with pytest.raises(OSError, match="full"):
            await engine.run(countdown(3))
        await other


async def test_the_state_is_recorded_before_the_event_is_emitted() -> None:
    state = cs.MemoryState()
    recorded: list[int] = []
    async with cs.Engine(state=state) as engine:
        engine.events.subscribe(cascade.events.TailCall, lambda event: recorded.append(len(state)))
        engine.events.subscribe(cascade.events.RunFinished, lambda event: recorded.append(len(state)))
        await engine.run(countdown(2))
    assert recorded == [1, 1, 0]
