"""Deadlines: like `asyncio.timeout`, on the engine's clock."""

from __future__ import annotations

import asyncio
from types import TracebackType

from cascade.clock.timers import Handle, Timers

__all__ = ["Deadline", "pause"]


class Deadline:
    """An async context manager that cancels the current asyncio task when a duration has passed.

    Args:
        timers: the engine's timers.
        seconds: the duration; None: no deadline.

    Attributes:
        expired: whether the duration passed before the block was left. Its own cancellation becomes a `TimeoutError`; a
            cancellation from elsewhere is passed on.

    Raises:
        TimeoutError: at the end of the block, if the deadline has cancelled it.
    """

    __slots__ = ("_alarm", "_cancelling", "_seconds", "_task", "_timers", "expired")

    def __init__(self, timers: Timers, seconds: float | None) -> None:
        self._timers = timers
        self._seconds = seconds
        self._alarm: Handle | None = None
        self._task: asyncio.Task[object] | None = None
        self._cancelling = 0
        self.expired = False

    async def __aenter__(self) -> Deadline:
        if self._seconds is not None:
            self._task = asyncio.current_task()
            assert self._task is not None
            self._cancelling = self._task.cancelling()
            self._alarm = self._timers.call_at(self._timers.now() + round(self._seconds * 1e9), self._expire)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        if not self.expired or self._task is None:
            return
        # As in `asyncio.timeout`: only if the task was not cancelled from elsewhere, too.
        if self._task.uncancel() <= self._cancelling and kind is not None and issubclass(kind, asyncio.CancelledError):
            raise TimeoutError from error

    def _expire(self) -> None:
        self.expired = True
        if self._task is not None and not self._task.get_loop().is_closed():  # else the task will not run again
            self._task.cancel()


async def pause(timers: Timers, seconds: float) -> None:
    """Wait for a duration in seconds on the engine's clock."""
    if seconds <= 0:
        await asyncio.sleep(0)
        return
    woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def wake() -> None:
        if not woken.done() and not woken.get_loop().is_closed():
            woken.set_result(None)

    alarm = timers.call_at(timers.now() + round(seconds * 1e9), wake)
    try:
        await woken
    finally:
        alarm.cancel()
