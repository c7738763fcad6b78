"""The timetable: when rules expire and rates have a token, with one timer for all."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from cascade._core.limits.wait_queue import WaitQueue

if TYPE_CHECKING:
    from cascade.clock.timers import Handle, Timers
    from cascade.limits.rate import Rate
    from cascade.limits.rule import Rule

__all__ = ["Timetable"]

T = TypeVar("T")


class Timetable:
    """Times at which rules expire, and at which rates have a token for a claim that waits.

    Args:
        timers: the engine's clock.
        due: called when at least one of these times has come.

    Attributes:
        at: the time for which the timer is set, in nanoseconds on the clock; None: it is not set.
        wakes: rates for which a claim waits, by the time at which they have a token.
        expiries: rules by the time at which they expire.
    """

    __slots__ = ("_due", "_handle", "_timers", "at", "expiries", "wakes")

    def __init__(self, timers: Timers, due: Callable[[], None]) -> None:
        self._timers = timers
        self._due = due
        self._handle: Handle | None = None
        self.at: int | None = None
        self.wakes: WaitQueue[Rate, int] = WaitQueue()
        self.expiries: WaitQueue[Rule, int] = WaitQueue()

    def next_time(self) -> int | None:
        """Return the earliest of all times, in nanoseconds on the clock, or None if there is none."""
        wake, expiry = self.wakes.first_key(), self.expiries.first_key()
        if wake is None or expiry is None:
            return expiry if wake is None else wake
        return min(wake, expiry)

    def arm(self) -> None:
        """Set the timer for the earliest time."""
        if self.at is None and not self.wakes and not self.expiries:
            return
        at = self.next_time()
        if at == self.at:
            return
        self.disarm()
        if at is not None:
            self._handle = self._timers.call_at(at, self._fire)
            self.at = at

    def disarm(self) -> None:
        """Cancel the timer."""
        handle, self._handle = self._handle, None
        self.at = None
        if handle is not None:
            handle.cancel()

    def take_expired(self, now: int) -> list[Rule]:
        """Remove and return the rules that have expired."""
        return _take(self.expiries, now)

    def take_awake(self, now: int) -> list[Rate]:
        """Remove and return the rates that may have a token."""
        return _take(self.wakes, now)

    def _fire(self) -> None:
        self._handle = None
        self.at = None
        self._due()


def _take(queue: WaitQueue[T, int], now: int) -> list[T]:
    taken = []
    while (key := queue.first_key()) is not None and key <= now:
        item = queue.first()
        assert item is not None
        queue.discard(item)
        taken.append(item)
    return taken
