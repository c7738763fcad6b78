"""The time by which results age: the calendar, which is never set back and never stands still.

A result must not be used for longer than its ttl because a calendar was set back, by a person or by a time server. So
between two readings in one process the time advances as far as the calendar or as the clock that counts from the start
of the computer, whichever has advanced further. A calendar that is set forward lets results expire early, which costs
a call at most.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from cascade._support.forks import new_lock

__all__ = ["AgeClock", "age_clock"]

STEP = 0.5  # seconds by which the clocks must differ for a calendar that was set; time servers adjust it by less


def _since_boot() -> float:
    """Return the seconds since the computer was started, those included in which it slept, where they are known."""
    boot: int | None = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if boot is None else time.clock_gettime(boot)


class AgeClock:
    """A clock of one process, shared by its threads.

    Args:
        calendar: returns the seconds since 1970, which may be set at any time.
        steady: returns seconds of a clock that is never set.

    >>> clock = AgeClock()
    >>> clock.now() <= clock.now()
    True
    """

    def __init__(
        self, calendar: Callable[[], float] = lambda: time.time(), steady: Callable[[], float] = _since_boot
    ) -> None:
        self._calendar = calendar
        self._steady = steady
        self._calendar_ahead = 0.0  # seconds by which it is ahead of the calendar
        self._steady_ahead: float | None = None  # and of the steady clock; None: it was not read yet
        self._lock = new_lock()

    def now(self) -> float:
        """Return seconds since 1970, as far as the calendar was right when it was read first."""
        with self._lock:
            calendar, steady = self._calendar(), self._steady()
            by_calendar = calendar + self._calendar_ahead
            if self._steady_ahead is None:
                self._steady_ahead = by_calendar - steady
            by_steady = steady + self._steady_ahead
            if by_steady - by_calendar > STEP:  # the calendar was set back
                self._calendar_ahead = by_steady - calendar
                return by_steady
            if by_calendar - by_steady > STEP:  # it was set forward
                self._steady_ahead = by_calendar - steady
            return by_calendar


age_clock = AgeClock()
