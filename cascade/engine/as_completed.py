"""AsCompleted: runs in the order in which they end."""

from __future__ import annotations

import asyncio
import weakref
from collections import deque
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Generic

from cascade._core.expr.lazy import LazyResult
from cascade._core.tracebacks import hide_frames
from cascade._support.boundary import boundary
from cascade._support.futures import settle
from cascade._support.type_variables import R_co
from cascade.engine.call_graph import unlink
from cascade.engine.population import Population
from cascade.engine.run import Run
from cascade.exceptions import EngineStateError

if TYPE_CHECKING:
    from cascade.engine.host import Host

__all__ = ["AsCompleted"]


class AsCompleted(Generic[R_co]):
    """An asynchronous iterator over runs in the order in which they end. Made by `Engine.as_completed`.

    When it is closed or freed, its done callbacks are removed from the runs.
    """

    __slots__ = ("_host", "_population", "_queue", "_waited")

    @boundary
    def __init__(self, host: Host, runs: Population[R_co] | Iterable[Run[R_co]]) -> None:
        self._queue = _Queue()
        self._population: Population | None = None
        self._host = host
        self._waited = False
        host.check_thread()
        if isinstance(runs, Population):
            if runs._host is not host:
                raise EngineStateError("the population belongs to another engine")
            self._population = runs
            self._queue.ended.extend(run for run in runs.runs if run._announced)
            runs._add_done_callback(self._queue)
        else:
            callbacks = (self._queue,)
            for run in _check(runs, host):
                if run._announced:
                    self._queue.ended.append(run)
                else:
                    self._queue.pending[run] = None
                    run._add_done_callback(callbacks)
            self._queue.unfinished = len(self._queue.pending)

    def __aiter__(self) -> AsCompleted[R_co]:
        return self

    async def __anext__(self) -> Run[R_co]:
        try:
            queue = self._queue
            while not queue.ended:
                if not self._count_unfinished():
                    raise StopAsyncIteration
                await self._wait()
            return queue.ended.popleft()
        except BaseException as error:
            hide_frames(error)
            raise

    def _count_unfinished(self) -> int:
        """How many runs have not ended. Members may be added to a population meanwhile."""
        if self._population is None or self._queue.closed:
            return self._queue.unfinished
        return self._population._unfinished_count

    async def aclose(self) -> None:
        """End the iteration, also for tasks that await the next run."""
        _unsubscribe(self._queue, self._population)
        self._queue.close()

    def __del__(self) -> None:
        # The garbage collector runs in any thread, but runs may be used in that of their event loop only.
        queue, population = self._queue, self._population
        self._host.call_in_loop(lambda: _unsubscribe(queue, population))

    def _unfinished(self) -> Sequence[Run]:
        """The runs that have not ended."""
        return self._population._unfinished() if self._population is not None else list(self._queue.pending)

    async def _wait(self) -> None:
        future = self._host.running_loop().create_future()
        queue = self._queue
        queue.waiters.append(future)
        try:
            with self._host.await_graph.record(self, again=self._waited):
                self._waited = True
                if (current := asyncio.current_task()) is not None:
                    queue.awaiting.add(current)
                await future
        finally:
            if future in queue.waiters:
                queue.waiters.remove(future)


class _Queue:
    """Ended runs that were not yet yielded. The runs refer to this done callback, so the iterator itself can be freed.

    Attributes:
        ended: the runs that have ended and were not yet yielded.
        unfinished: how many runs have not ended; unused for a population, likewise.
        closed: whether the iteration was ended.
        pending: the runs that have not ended; unused for a population, which knows them itself.
        waiters: futures of asyncio tasks that await the next run.
        awaiting: the asyncio tasks that have awaited a run. Until the iterator is freed they are shown as awaiting all
            runs, also while they do something else: to record that for each run at each step would take quadratic time.
    """

    __slots__ = ("awaiting", "closed", "ended", "pending", "unfinished", "waiters")

    def __init__(self) -> None:
        self.ended: deque[Run] = deque()
        self.unfinished = 0
        self.closed = False
        self.pending: dict[Run, None] = {}
        self.waiters: list[asyncio.Future[None]] = []
        self.awaiting: weakref.WeakSet[asyncio.Task[object]] = weakref.WeakSet()

    def _awaiters(self) -> Iterable[asyncio.Task[object]]:
        """The asyncio tasks that have waited for a run."""
        return tuple(self.awaiting)

    def _run_ended(self, run: Run, /) -> None:
        """Done callback of a run."""
        self.pending.pop(run, None)
        self.ended.append(run)
        self.unfinished -= 1
        self._wake()

    def close(self) -> None:
        """Forget all runs, and wake the waiters."""
        self.ended.clear()
        self.pending.clear()
        self.unfinished = 0
        self.closed = True
        self._wake()

    def _wake(self) -> None:
        waiters, self.waiters = self.waiters, []
        for future in waiters:
            if not future.get_loop().is_closed():
                settle(future)


def _unsubscribe(queue: _Queue, population: Population | None) -> None:
    """Remove the done callbacks from the runs, and the edges from asyncio's call graph."""
    for task in queue.awaiting:
        for run in queue.pending if population is None else population._unfinished():
            unlink(run._handles(), task)
    if population is not None:
        population._remove_done_callback(queue)
    else:
        for run in tuple(queue.pending):
            run._remove_done_callback(queue)


def _check(runs: object, host: Host) -> dict[Run, None]:
    """Check that all are runs of this engine; return each once, in order."""
    found: dict[Run, None] = {}
    if isinstance(runs, Run) or not isinstance(runs, Iterable):
        raise TypeError(f"runs must be a population or an iterable of runs, got `{type(runs).__name__}`")
    for index, run in enumerate(runs):
        if not isinstance(run, Run):
            hint = ": start it, engine.start(...)" if isinstance(run, LazyResult) else ""
            raise TypeError(f"runs[{index}] must be a run, got `{type(run).__name__}`{hint}")
        if run._host is not host:
            raise EngineStateError(f"runs[{index}] must be a run of this engine, got run {run.id} of another engine")
        found[run] = None
    return found
