"""Timers: the engine's clock, for all of the engine that is written in Python."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from cascade._core.time.clock import Alarm, Clock

__all__ = ["ClockTimers", "Handle", "Timers"]


class Handle(Protocol):
    """A timer that was set."""

    def cancel(self) -> None:
        """Have the function not called."""


class Timers(Protocol):
    """What time it is, and who is to be called when."""

    def now(self) -> int:
        """Nanoseconds on a clock that never goes back."""

    def call_at(self, deadline: int, callback: Callable[[], None]) -> Handle:
        """Have a function called on the event loop's thread at a time, in nanoseconds on this clock."""


class ClockTimers:
    """Timers on an engine's clock.

    Args:
        clock: the clock.
        changed: called when a timer was set: it may be the first one that is due.
    """

    __slots__ = ("_changed", "_clock")

    def __init__(self, clock: Clock, changed: Callable[[], None]) -> None:
        self._clock = clock
        self._changed = changed

    def now(self) -> int:
        """Nanoseconds on the clock."""
        return self._clock.time_ns()

    def call_at(self, deadline: int, callback: Callable[[], None]) -> Alarm:
        """Have a function called on the event loop's thread at a time, in nanoseconds on the clock."""
        alarm = Alarm(self._clock, deadline, callback)
        try:
            self._changed()
        except BaseException:
            alarm.cancel()
            raise
        return alarm
