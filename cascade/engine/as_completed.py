"""AsCompleted: runs in the order in which they end."""

from __future__ import annotations

import asyncio
import weakref
from collections import deque
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Generic

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

    Once it is gone, or closed, the runs know nothing of it any more.
    """

    __slots__ = ("_host", "_population", "_queue", "_waited")

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
            self._queue.left = len(runs) - len(self._queue.ended)
            runs._watch(self._queue)
        else:
            callbacks = (self._queue,)
            for run in _check(runs, host):
                if run._announced:
                    self._queue.ended.append(run)
                else:
                    self._queue.pending[run] = None
                    run._add_done_callback(callbacks)
            self._queue.left = len(self._queue.pending)

    def __aiter__(self) -> AsCompleted[R_co]:
        return self

    async def __anext__(self) -> Run[R_co]:
        queue = self._queue
        while not queue.ended:
            if not queue.left:
                raise StopAsyncIteration
            await self._wait()
        return queue.ended.popleft()

    async def aclose(self) -> None:
        """Give no more runs, also not to who waits for one."""
        _let_go(self._queue, self._population)
        self._queue.close()

    def __del__(self) -> None:
        # Garbage is collected in any thread, and the runs belong to that of their event loop.
        queue, population = self._queue, self._population
        self._host.call_in_loop(lambda: _let_go(queue, population))

    def _unfinished(self) -> Sequence[Run]:
        """The runs that must end before it is over."""
        return self._population._unfinished() if self._population is not None else list(self._queue.pending)

    async def _wait(self) -> None:
        future = self._host.running_loop().create_future()
        queue = self._queue
        queue.waiting.append(future)
        try:
            with self._host.await_graph.record(self, again=self._waited):
                self._waited = True
                if (current := asyncio.current_task()) is not None:
                    queue.awaiting.add(current)
                await future
        finally:
            if future in queue.waiting:
                queue.waiting.remove(future)


class _Queue:
    """Runs that have ended and were not yet given. It is what hangs on the runs, so that the iterator itself does not.

    Attributes:
        ended: the runs that have ended.
        left: how many have not.
        pending: which: of runs, not of a population, which has that on record itself.
        waiting: futures of those who wait for the next one.
        awaiting: the asyncio tasks that have waited for one. Until the iterator is gone they count as awaiting all
            runs, also while they do something else: to note it for each run at each step would take a time that grows
            as the square of the runs.
    """

    __slots__ = ("awaiting", "ended", "left", "pending", "waiting")

    def __init__(self) -> None:
        self.ended: deque[Run] = deque()
        self.left = 0
        self.pending: dict[Run, None] = {}
        self.waiting: list[asyncio.Future[None]] = []
        self.awaiting: weakref.WeakSet[asyncio.Task[object]] = weakref.WeakSet()

    def _awaiters(self) -> Iterable[asyncio.Task[object]]:
        """The asyncio tasks that have waited for a run."""
        return tuple(self.awaiting)

    def _run_ended(self, run: Run, /) -> None:
        """A run has ended."""
        self.pending.pop(run, None)
        self.ended.append(run)
        self.left -= 1
        self._wake()

    def close(self) -> None:
        """Neither give nor expect any more."""
        self.ended.clear()
        self.pending.clear()
        self.left = 0
        self._wake()

    def _wake(self) -> None:
        waiting, self.waiting = self.waiting, []
        for future in waiting:
            if not future.get_loop().is_closed():
                settle(future)


def _let_go(queue: _Queue, population: Population | None) -> None:
    """Have nothing told any more."""
    for task in queue.awaiting:
        for run in queue.pending if population is None else population._unfinished():
            unlink(run._handles(), task)
    if population is not None:
        population._unwatch(queue)
    else:
        for run in tuple(queue.pending):
            run._remove_done_callback(queue)


def _check(runs: object, host: Host) -> dict[Run, None]:
    """Return runs, each once, in order."""
    found: dict[Run, None] = {}
    if isinstance(runs, Run) or not isinstance(runs, Iterable):
        raise TypeError(f"expected a population or an iterable of runs, got `{type(runs).__name__}`")
    for index, run in enumerate(runs):
        if not isinstance(run, Run):
            raise TypeError(f"expected a run, got `{type(run).__name__}` - at `runs[{index}]`")
        if run._host is not host:
            raise EngineStateError(f"run {run.id} belongs to another engine - at `runs[{index}]`")
        found[run] = None
    return found
