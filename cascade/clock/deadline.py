"""Deadlines: what asyncio's `timeout` is, on the engine's clock."""

from __future__ import annotations

import asyncio
from types import TracebackType

from cascade.clock.timers import Handle, Timers

__all__ = ["Deadline", "pause"]


class Deadline:
    """A context in which the current asyncio task is cancelled when the time is over.

    Args:
        timers: of the engine.
        seconds: how long; None: for ever.

    Attributes:
        expired: whether the time was over before the context was left. A cancellation that came of it ends there, as
            `TimeoutError`; one that came from elsewhere goes on.
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
        # As asyncio's own has it: only if nobody else has asked for the cancellation too.
        if self._task.uncancel() <= self._cancelling and kind is not None and issubclass(kind, asyncio.CancelledError):
            raise TimeoutError from error

    def _expire(self) -> None:
        self.expired = True
        if self._task is not None and not self._task.get_loop().is_closed():  # else nothing awaits it any more
            self._task.cancel()


async def pause(timers: Timers, seconds: float) -> None:
    """Wait on the engine's clock."""
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
