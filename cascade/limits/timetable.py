"""The agenda: what is to happen by itself, with one timer for all of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from cascade.limits.wait_queue import Line

if TYPE_CHECKING:
    from cascade.clock.timers import Handle, Timers
    from cascade.limits.rate import Rate
    from cascade.limits.rulebook import Rule

__all__ = ["Agenda"]

T = TypeVar("T")


class Agenda:
    """When rules vanish, and when rates have leave to give to somebody who waits.

    Args:
        timers: the engine's clock.
        due: called when something is.

    Attributes:
        at: for when the timer is set, in nanoseconds on the clock; None: it is not.
        wakes: rates for which a claim waits, by the time at which it may go on.
        expiries: rules that vanish, by the time at which they do.
    """

    __slots__ = ("_due", "_handle", "_timers", "at", "expiries", "wakes")

    def __init__(self, timers: Timers, due: Callable[[], None]) -> None:
        self._timers = timers
        self._due = due
        self._handle: Handle | None = None
        self.at: int | None = None
        self.wakes: Line[Rate] = Line()
        self.expiries: Line[Rule] = Line()

    def next(self) -> int | None:
        """When something is due next, in nanoseconds on the clock; None: nothing ever is."""
        wake, expiry = self.wakes.first_key(), self.expiries.first_key()
        if wake is None or expiry is None:
            return expiry if wake is None else wake
        return min(wake, expiry)

    def arm(self) -> None:
        """Have the timer set for what is due next."""
        at = self.next()
        if at == self.at:
            return
        self.disarm()
        if at is not None:
            self._handle = self._timers.call_at(at, self._ring)
            self.at = at

    def disarm(self) -> None:
        """Have no timer set."""
        handle, self._handle = self._handle, None
        self.at = None
        if handle is not None:
            handle.cancel()

    def expired(self, now: int) -> list[Rule]:
        """Take out the rules that have vanished."""
        return _take(self.expiries, now)

    def awake(self, now: int) -> list[Rate]:
        """Take out the rates that may have leave to give."""
        return _take(self.wakes, now)

    def _ring(self) -> None:
        self._handle = None
        self.at = None
        self._due()


def _take(line: Line[T], now: int) -> list[T]:
    taken = []
    while (key := line.first_key()) is not None and key <= now:
        thing = line.first()
        assert thing is not None
        line.leave(thing)
        taken.append(thing)
    return taken
