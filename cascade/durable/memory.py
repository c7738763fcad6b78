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

    It keeps the objects in the slots themselves, not copies. It may be shared by engines and threads.

    Args:
        max_runs: the highest number of runs, >= 1; beyond it, the run whose boundary is the oldest is dropped.

    Raises:
        ValueError: ``max_runs`` is not an int >= 1.

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
        self._latest: dict[int, Boundary] = {}  # by run; the oldest boundary first
        self._lock = new_lock()

    def boundary(self, run: int, iteration: int, digest: str, slots: Sequence[Any]) -> None:
        """Keep a boundary in place of the one before.

        Args:
            run: the number of the run.
            iteration: the number of the iteration that begins.
            digest: the digest of the template, in hexadecimal.
            slots: the data of the slots; the sequence is copied.
        """
        kept = Boundary(run, iteration, digest, tuple(slots))
        with self._lock:
            before = self._latest.pop(run, None)
            self._latest[run] = kept
            surplus = self._latest.pop(next(iter(self._latest))) if len(self._latest) > self._max_runs else None
        del before, surplus  # outside the lock: finalizers of the user's objects may run

    def clear(self, run: int, before: int) -> None:
        """Delete the boundary of a run if it began an earlier iteration than ``before``.

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
        """Delete all boundaries of a run.

        Args:
            run: the number of the run.
        """
        with self._lock:
            kept = self._latest.pop(run, None)
        del kept

    def latest(self, run: int) -> Boundary | None:
        """Return the latest boundary of a run; None: it has made no tail call, or was forgotten or dropped.

        Args:
            run: the number of the run.
        """
        return self._latest.get(run)

    def __len__(self) -> int:
        """Return the number of runs with a boundary."""
        return len(self._latest)

    def __repr__(self) -> str:
        return f"<MemoryState of {len(self)} runs>"
