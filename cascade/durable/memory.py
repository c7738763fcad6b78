"""A state backend in memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cascade._support.forks import new_lock
from cascade._support.public import public
from cascade.durable.checkpoint import Boundary

__all__ = ["MemoryState"]


@public
class MemoryState:
    """A `StateBackend` that keeps the latest boundary of each run in memory.

    It keeps the very objects that are in the slots. It may be shared by engines and threads.

    Args:
        max_runs: how many runs to keep; the one whose boundary is the oldest is let go.

    Raises:
        ValueError: ``max_runs`` is not an int of at least 1.

    >>> state = MemoryState()
    >>> state.boundary(7, 1, "5d41", [10])
    >>> state.boundary(7, 2, "5d41", [9])
    >>> state.latest(7)
    Boundary(run=7, iteration=2, digest='5d41', slots=(9,))
    >>> state.forget(7)
    >>> state.latest(7) is None
    True
    """

    def __init__(self, max_runs: int = 100_000) -> None:
        if type(max_runs) is not int or max_runs < 1:
            raise ValueError(f"max_runs must be an int >= 1, got {max_runs!r}")
        self._max_runs = max_runs
        self._latest: dict[int, Boundary] = {}  # the oldest first
        self._lock = new_lock()

    def boundary(self, run: int, iteration: int, digest: str, slots: Sequence[Any]) -> None:
        """Keep a boundary in place of the one before.

        Args:
            run: the number of the run.
            iteration: of the iteration that begins.
            digest: of the template.
            slots: the data; the sequence is copied.
        """
        kept = Boundary(run, iteration, digest, tuple(slots))
        with self._lock:
            before = self._latest.pop(run, None)
            self._latest[run] = kept
            surplus = self._latest.pop(next(iter(self._latest))) if len(self._latest) > self._max_runs else None
        del before, surplus  # not under the lock: what is let go may run code of the user's

    def clear(self, run: int, before: int) -> None:
        """Let the boundary of a run go if it began an iteration before one.

        Args:
            run: the number of the run.
            before: the number of the first iteration to keep.
        """
        with self._lock:
            kept = self._latest.get(run)
            if kept is not None and kept.iteration < before:
                del self._latest[run]
        del kept

    def forget(self, run: int) -> None:
        """Let all of a run go.

        Args:
            run: the number of the run.
        """
        with self._lock:
            kept = self._latest.pop(run, None)
        del kept

    def latest(self, run: int) -> Boundary | None:
        """Return the latest boundary of a run; None: it has made no tail call, or has ended.

        Args:
            run: the number of the run.
        """
        return self._latest.get(run)

    def __len__(self) -> int:
        """How many runs it knows."""
        return len(self._latest)

    def __repr__(self) -> str:
        return f"<MemoryState of {len(self)} runs>"
