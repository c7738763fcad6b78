"""The protocol of state backends, which record the tail calls of runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

from cascade._support.public import public
from cascade.durable.checkpoint import Boundary

__all__ = ["StateBackend"]


@public
@runtime_checkable
class StateBackend(Protocol):
    """Records the tail calls of runs: between two iterations, the state of a run is a template digest and slots.

    Its methods are called in the event loop's thread and block it, so a slow backend should only enqueue the data. Only
    tail calls of the target are recorded, not those in the middle of a graph.

    >>> from cascade.durable.memory import MemoryState
    >>> isinstance(MemoryState(), StateBackend)
    True
    """

    def boundary(self, run: int, iteration: int, digest: str, slots: Sequence[Any]) -> None:
        """Record a tail call.

        Args:
            run: the number of the run.
            iteration: the number of the iteration that begins; greater than any earlier one of this run.
            digest: the digest of the template of the next expression, in hexadecimal.
            slots: its data. The engine changes the sequence after the call: copy what must be kept.
        """
        ...

    def clear(self, run: int, before: int) -> None:
        """Delete boundaries that a later one has replaced: those of all iterations of a run before one.

        Args:
            run: the number of the run; an unknown one is ignored.
            before: the number of the first iteration to keep.
        """
        ...

    def forget(self, run: int) -> None:
        """Delete all boundaries of a run: it has ended.

        Args:
            run: the number of the run; an unknown one is ignored.
        """
        ...

    def latest(self, run: int) -> Boundary | None:
        """Return the latest boundary of a run that was not deleted; None: there is none.

        Args:
            run: the number of the run.
        """
        ...
