"""A crowd: so many lines at once that some are counted only."""

from __future__ import annotations

__all__ = ["Crowd"]

LINES = 20
"""Lines of a kind that are admitted in a second."""


class Crowd:
    """Admits some lines of each kind in a second, and counts the others.

    Attributes:
        time: when the last line came, in seconds.

    >>> crowd = Crowd()
    >>> crowd.opens(0.0), sum(crowd.admits("started") for _ in range(1000))
    (True, 20)
    >>> crowd.opens(0.5), crowd.opens(1.0), crowd.summary(), crowd.summary()
    (False, True, '980 x started', '')
    """

    __slots__ = ("_admitted", "_opened", "_rest", "time")

    def __init__(self) -> None:
        self._admitted: dict[str, int] = {}
        self._rest: dict[str, int] = {}
        self._opened: float | None = None
        self.time = 0.0

    def opens(self, time: float) -> bool:
        """Return whether with this moment, in seconds, another second begins."""
        self.time = time
        if self._opened is not None and time - self._opened < 1:
            return False
        self._opened = time
        self._admitted.clear()
        return True

    def admits(self, kind: str) -> bool:
        """Return whether there is room for one more line of a kind; if not, it is counted."""
        admitted = self._admitted.get(kind, 0)
        if admitted < LINES:
            self._admitted[kind] = admitted + 1
            return True
        self._rest[kind] = self._rest.get(kind, 0) + 1
        return False

    def summary(self) -> str:
        """Return how many lines of which kinds were not admitted, "" if none; and forget it."""
        rest, self._rest = self._rest, {}
        return ", ".join(f"{number:,} x {kind}" for kind, number in rest.items())
