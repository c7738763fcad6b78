"""A clock that a test advances by hand, with the timers of an engine on it."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count

SECOND = 10**9


class FakeTimer:
    def __init__(self, timers: FakeTimers, deadline: int, callback: Callable[[], None]) -> None:
        self.timers = timers
        self.deadline = deadline
        self.callback = callback

    def cancel(self) -> None:
        self.timers.pending.pop(self, None)


class FakeTimers:
    """Timers whose time stands still but for `advance`, which fires each at its deadline."""

    def __init__(self) -> None:
        self.time = 10**15 + 7
        self.pending: dict[FakeTimer, int] = {}
        self.fired = 0
        self._order = count()

    def now(self) -> int:
        return self.time

    def call_at(self, deadline: int, callback: Callable[[], None]) -> FakeTimer:
        assert type(deadline) is int
        timer = FakeTimer(self, deadline, callback)
        self.pending[timer] = next(self._order)
        return timer

    def advance(self, nanoseconds: int) -> None:
        """Let time pass, and whatever is due meanwhile happen in time."""
        end = self.time + nanoseconds
        while True:
            due = [timer for timer in self.pending if timer.deadline <= end]
            if not due:
                break
            timer = min(due, key=lambda timer: (timer.deadline, self.pending[timer]))
            del self.pending[timer]
            self.time = max(self.time, timer.deadline)
            self.fired += 1
            timer.callback()
        self.time = end

    def jump(self, nanoseconds: int) -> None:
        """Let time pass, and nothing happen: as if the loop were held up."""
        self.time += nanoseconds
