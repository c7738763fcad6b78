"""The protocol of state backends: what the engine tells of each tail call of a run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

from cascade._support.public import public
from cascade.durable.checkpoint import Boundary

__all__ = ["StateBackend"]


@public
@runtime_checkable
class StateBackend(Protocol):
    """Sees each tail call of the runs of engines: between two iterations, a run is a template digest and slots.

    Its methods are called from the event loop's thread, which waits for them: a slow one should only take note.
    Tail calls in the middle of a graph are none of its business; those of the target are.

    >>> from cascade.durable.memory import MemoryState
    >>> isinstance(MemoryState(), StateBackend)
    True
    """

    def boundary(self, run: int, iteration: int, digest: str, slots: Sequence[Any]) -> None:
        """Take note of a tail call.

        Args:
            run: the number of the run.
            iteration: of the iteration that begins; greater than any before of this run.
            digest: of the template of the next expression, in hexadecimal.
            slots: its data. The sequence is the engine's own and changes after the call; what is to be kept is copied.
        """
        ...

    def clear(self, run: int, before: int) -> None:
        """Let go of what a boundary has made dead: all iterations of the run before one.

        Args:
            run: the number of the run; one that is not known is no error.
            before: the number of the first iteration to keep.
        """
        ...

    def forget(self, run: int) -> None:
        """Let go of all of a run: it has ended.

        Args:
            run: the number of the run; one that is not known is no error.
        """
        ...

    def latest(self, run: int) -> Boundary | None:
        """Return the latest boundary of a run that has not been let go of; None if there is none.

        Args:
            run: the number of the run.
        """
        ...
