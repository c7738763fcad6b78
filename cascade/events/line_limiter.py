"""A rate limiter for lines: of very many at once, some are counted only."""

from __future__ import annotations

__all__ = ["LineLimiter"]

LINES = 20
"""Lines of one kind that are admitted each second."""


class LineLimiter:
    """Admits at most `LINES` lines of each kind a second, and counts the others.

    Attributes:
        time: the time of the last line, in seconds on the clock of the events.

    >>> limiter = LineLimiter()
    >>> limiter.next_second(0.0), sum(limiter.admits("started") for _ in range(1000))
    (True, 20)
    >>> limiter.next_second(0.5), limiter.next_second(1.0), limiter.summary(), limiter.summary()
    (False, True, '980 x started', '')
    """

    __slots__ = ("_admitted", "_opened", "_refused", "time")

    def __init__(self) -> None:
        self._admitted: dict[str, int] = {}
        self._refused: dict[str, int] = {}
        self._opened: float | None = None
        self.time = 0.0

    def next_second(self, time: float) -> bool:
        """Return whether a new second begins at this time, in seconds."""
        self.time = time
        if self._opened is not None and time - self._opened < 1:
            return False
        self._opened = time
        self._admitted.clear()
        return True

    def admits(self, kind: str) -> bool:
        """Return whether one more line of a kind is admitted; if not, it is counted."""
        admitted = self._admitted.get(kind, 0)
        if admitted < LINES:
            self._admitted[kind] = admitted + 1
            return True
        self._refused[kind] = self._refused.get(kind, 0) + 1
        return False

    def summary(self) -> str:
        """Return the numbers of lines that were not admitted by kind, or "" if there are none, and reset them."""
        refused, self._refused = self._refused, {}
        return ", ".join(f"{number:,} x {kind}" for kind, number in refused.items())
