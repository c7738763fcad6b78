"""Awaiting runs from asyncio code: the future of a run, of many, and which task awaits what."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

from cascade._support.futures import settle
from cascade.engine.call_graph import link
from cascade.exceptions import EngineStateError

__all__ = ["AllDone", "AwaitGraph", "Awaited", "AwaitedRun", "Cancellable", "DoneCallback", "RunFuture", "call_all"]


class AwaitedRun(Protocol):
    """What is asked of a run here."""

    id: int

    @property
    def _is_running(self) -> bool:
        """Whether one of its tasks is running in the loop's thread right now."""

    def _handles(self) -> list[Any]:
        """The asyncio tasks, and the like, that it has started."""

    def _add_done_callback(self, callbacks: tuple[DoneCallback, ...]) -> None:
        """Call these when it has ended."""

    def _unfinished(self) -> Sequence[AwaitedRun]:
        """Itself, unless it has ended."""


class DoneCallback(Protocol):
    """Is called when a run has ended. It raises nothing: others may have to be called after it."""

    def _run_ended(self, run: Any, /) -> None:
        """Called with the run."""

    def _awaiters(self) -> Iterable[asyncio.Task[Any]]:
        """The asyncio tasks that it wakes: what the run starts is shown under them."""


class Awaited(Protocol):
    """What is over when runs have ended."""

    def _unfinished(self) -> Sequence[AwaitedRun]:
        """The runs that must end before it is over."""


class Cancellable(Protocol):
    """What can be stopped: a run, or many."""

    def cancel(self) -> None:
        """Have them stopped."""


def call_all(callbacks: Iterable[DoneCallback], run: AwaitedRun) -> None:
    """Call all of them for a run that has ended, also if one raises (no memory, an interrupt)."""
    wrong = None
    for callback in callbacks:
        try:
            callback._run_ended(run)
        except BaseException as error:
            wrong = error
    if wrong is not None:
        raise wrong


class RunFuture(asyncio.Future[None]):
    """What awaits an end. Cancelling it cancels what is awaited at once, but it is not done before that has ended."""

    def __init__(self, awaited: Cancellable, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop=loop)
        self._awaiter = asyncio.current_task(loop)
        self._awaited = awaited
        self._cancelled = False
        self._ended = False

    def cancel(self, msg: Any | None = None) -> bool:
        """Cancel what is awaited."""
        if self.done():
            return False
        if self._ended:  # a signal came in the middle of `_run_ended`
            return super().cancel(msg)
        self._cancelled = True
        self._awaited.cancel()
        return True

    def _awaiters(self) -> Iterable[asyncio.Task[Any]]:
        """The task that awaits."""
        return () if self._awaiter is None else (self._awaiter,)

    def _run_ended(self, run: AwaitedRun, /) -> None:
        """What is awaited has ended, this run being the last of it."""
        if self.get_loop().is_closed():  # together with whoever was waiting
            return
        self._ended = True
        if self._cancelled:
            super().cancel()
            return
        try:
            self.set_result(None)
        except asyncio.InvalidStateError:  # a signal has just cancelled it
            return


class AllDone(asyncio.Future[None]):
    """Done once all of some runs have ended.

    Args:
        runs: that have not.
        loop: the one that they are on.
    """

    def __init__(self, runs: Sequence[AwaitedRun], loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop=loop)
        self._left = len(runs)
        self._awaiter = asyncio.current_task(loop)
        callbacks = (self,)
        for run in runs:
            run._add_done_callback(callbacks)
            link(run._handles(), self._awaiter)
        if not runs:
            self.set_result(None)

    def _awaiters(self) -> Iterable[asyncio.Task[Any]]:
        """The task that awaits."""
        return () if self._awaiter is None else (self._awaiter,)

    def _run_ended(self, run: AwaitedRun, /) -> None:
        """One of them has ended."""
        self._left -= 1
        if not self._left and not self.get_loop().is_closed():
            settle(self)


class AwaitGraph:
    """Which asyncio tasks await what, so that no run comes to await its own end."""

    def __init__(self) -> None:
        self._awaited: dict[asyncio.Task[Any], Awaited] = {}

    def has(self, task: asyncio.Task[Any]) -> bool:
        """Whether a task awaits anything."""
        return task in self._awaited

    @contextmanager
    def record(self, awaited: Awaited, *, again: bool = False) -> Iterator[None]:
        """Record, for the time of a `with` block, that the current asyncio task awaits something.

        Args:
            awaited: what it awaits.
            again: it has done so before; there is no need to look at it all once more.

        Raises:
            EngineStateError: that awaits the task in turn.
        """
        current = asyncio.current_task()
        if current is None:
            yield
            return
        if not again:
            link(self._check(current, awaited), current)
        self._awaited[current] = awaited
        try:
            yield
        finally:
            self._awaited.pop(current, None)

    def _check(self, current: asyncio.Task[Any], awaited: Awaited) -> list[Any]:
        """Return what the runs themselves wait for that are awaited."""
        runs = list(awaited._unfinished())
        count = len(runs)
        direct: list[Any] = []
        found: set[AwaitedRun] = set()
        for number, run in enumerate(runs):
            handles = run._handles()
            if number < count:
                direct += handles
            if current in handles or run._is_running:  # running: the coroutine has not got to its first suspension
                raise EngineStateError(f"run {run.id} would await its own end")
            for handle in handles:
                if (other := self._awaited.get(handle)) is not None:
                    found = found or set(runs)
                    more = [each for each in other._unfinished() if each not in found]
                    found.update(more)
                    runs += more
        return direct
