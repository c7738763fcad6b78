"""Timers on the engine's clock, for the parts of the engine that are written in Python."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from cascade._core.time.clock import Alarm, Clock

__all__ = ["ClockTimers", "Handle", "Timers"]


class Handle(Protocol):
    """A timer."""

    def cancel(self) -> None:
        """Cancel the timer: its callback is not called."""


class Timers(Protocol):
    """A clock with timers."""

    def now(self) -> int:
        """Return the time in nanoseconds on a clock that never goes back."""

    def call_at(self, deadline: int, callback: Callable[[], None]) -> Handle:
        """Call a function in the event loop's thread at a time in nanoseconds, as `now` returns it."""


class ClockTimers:
    """The `Timers` of a `Clock`.

    Args:
        clock: the engine's clock.
        changed: called when a timer was set, which may be the earliest one.
    """

    __slots__ = ("_changed", "_clock")

    def __init__(self, clock: Clock, changed: Callable[[], None]) -> None:
        self._clock = clock
        self._changed = changed

    def now(self) -> int:
        """Return the time in nanoseconds."""
        return self._clock.time_ns()

    def call_at(self, deadline: int, callback: Callable[[], None]) -> Alarm:
        """Call a function in the event loop's thread at a time in nanoseconds, as `now` returns it."""
        alarm = Alarm(self._clock, deadline, callback)
        try:
            self._changed()
        except BaseException:
            alarm.cancel()
            raise
        return alarm
