"""AsCompleted: runs in the order in which they end, and those of targets that are started as there is room."""

from __future__ import annotations

import asyncio
import weakref
from collections import deque
from collections.abc import AsyncIterable, Callable, Iterable, Sequence
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any, Generic

from cascade._core.expr.lazy import LazyResult
from cascade._core.tracebacks import hide_frames
from cascade._support.boundary import boundary
from cascade._support.futures import settle
from cascade._support.not_copied import NotCopied
from cascade._support.type_variables import R_co
from cascade.engine.call_graph import unlink
from cascade.engine.population import Population
from cascade.engine.run import Run
from cascade.engine.starter import Starter, check_target
from cascade.exceptions import EngineStateError, PolicyError

if TYPE_CHECKING:
    from cascade.engine.bounds import SharedOptions
    from cascade.engine.host import Host

__all__ = ["AsCompleted", "as_completed"]

AT_ONCE = 1024  # runs that are started and not yet yielded, by default: as many as items of a map


class AsCompleted(NotCopied, Generic[R_co]):
    """An asynchronous iterator over runs in the order in which they end. Made by `Engine.as_completed`.

    When it is closed or freed, its done callbacks are removed from the runs, and the runs that it has started itself
    are cancelled.
    """

    __slots__ = ("_host", "_population", "_queue", "_starter", "_waited")

    @boundary
    def __init__(self, host: Host, runs: Population[R_co] | Iterable[Run[R_co]]) -> None:
        self._queue = _Queue()
        self._starter: Starter | None = None
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
            queue, starter = self._queue, self._starter
            if starter is not None and not queue.closed:
                starter.fill()
            while not queue.ended:
                if not self._count_unfinished() and (starter is None or starter.exhausted):
                    if starter is not None and starter.failure is not None:
                        failure, starter.failure = starter.failure, None
                        raise failure
                    raise StopAsyncIteration
                await self._wait()
            run = queue.ended.popleft()
            if starter is not None:
                try:
                    starter.fill()
                except BaseException:  # of the process: it is still to be yielded
                    queue.ended.appendleft(run)
                    raise
            return run
        except BaseException as error:
            hide_frames(error)
            raise

    def _start_from(self, targets: Any, start: Callable[[Any], Run], concurrency: int) -> None:
        """Have the runs started of which it yields each."""
        queue = self._queue
        callbacks = (queue,)

        def begin(target: Any) -> Run:
            run = start(target)
            queue.pending[run] = None
            queue.unfinished += 1
            run._add_done_callback(callbacks)
            return run

        def room() -> int:
            return concurrency - len(queue.pending) - len(queue.ended)

        self._starter = Starter(self._host, targets, begin, room, queue._wake)

    def _count_unfinished(self) -> int:
        """How many runs have not ended. Members may be added to a population meanwhile."""
        if self._population is None or self._queue.closed:
            return self._queue.unfinished
        return self._population._unfinished_count

    async def aclose(self) -> None:
        """End the iteration, also for tasks that await the next run.

        Runs that it has started itself are cancelled and awaited, and the async iterable of their targets is closed.
        """
        stopped = _unsubscribe(self._queue, self._population, self._starter)
        self._queue.close()
        if stopped:
            await asyncio.wait(stopped)

    def __del__(self) -> None:
        # The garbage collector runs in any thread, but runs may be used in that of their event loop only.
        queue, population, starter = self._queue, self._population, self._starter
        self._host.call_in_loop(lambda: _unsubscribe(queue, population, starter))

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


def _unsubscribe(queue: _Queue, population: Population | None, starter: Starter | None) -> list[Any]:
    """Remove the done callbacks from the runs, and the edges from asyncio's call graph.

    Returns:
        What has to be awaited: runs that are cancelled, as the iteration has started them, and the asyncio task that
        closes the iterable of their targets.
    """
    for task in queue.awaiting:
        for run in queue.pending if population is None else population._unfinished():
            unlink(run._handles(), task)
    if population is not None:
        population._remove_done_callback(queue)
    else:
        for run in tuple(queue.pending):
            run._remove_done_callback(queue)
    if starter is None:
        return []
    closing = starter.stop()
    stopped: list[Any] = [] if closing is None else [closing]
    for run in tuple(queue.pending):
        run.cancel()
        stopped.append(run)
    return stopped


def as_completed(
    host: Host, runs: Any, start: Callable[..., Run], options: SharedOptions, concurrency: int | None
) -> AsCompleted[Any]:
    """Iterate over runs, or over those of targets. See `Engine.as_completed`.

    Args:
        host: the engine.
        runs: a population, an iterable of runs, or an iterable or async iterable of targets.
        start: starts a run of a target, with these options.
        options: of the runs of targets.
        concurrency: how many runs of targets may be started and not yet yielded; None: the default.
    """
    if concurrency is not None and (type(concurrency) is not int or concurrency < 1):
        raise PolicyError(f"concurrency must be None or an int >= 1, got {concurrency!r}")
    given = [each for each, value in {"concurrency": concurrency, **options}.items() if value is not None]
    if isinstance(runs, Population):
        _check_for_targets(given, "a population")
        return AsCompleted(host, runs)
    targets: Any = runs
    if isinstance(runs, (Run, LazyResult, str, bytes)) or not isinstance(runs, (Iterable, AsyncIterable)):
        hint = ": for the results of a map as they come, give the call of each item, (f(x) for x in xs)"
        raise TypeError(
            f"runs must be a population or an iterable of runs or of targets, got `{type(runs).__name__}`"
            f"{hint if isinstance(runs, LazyResult) else ''}"
        )
    if isinstance(runs, Iterable):
        targets = iter(runs)
        for first in targets:
            targets = chain((first,), targets)
            if isinstance(first, Run):
                _check_for_targets(given, "runs")
                return AsCompleted(host, targets)
            check_target(first, 0)
            break
    made: AsCompleted[Any] = AsCompleted(host, ())
    made._start_from(targets, partial(start, **options), AT_ONCE if concurrency is None else concurrency)
    return made


def _check_for_targets(given: list[str], what: str) -> None:
    """Refuse options of runs that are to be started where runs are given that were."""
    if given:
        raise TypeError(f"{given[0]} is for targets, of which runs are started; got {what}: give it where these start")


def _check(runs: Iterable[Run], host: Host) -> dict[Run, None]:
    """Check that all are runs of this engine; return each once, in order."""
    found: dict[Run, None] = {}
    for index, run in enumerate(runs):
        if not isinstance(run, Run):
            hint = ": start it, engine.start(...)" if isinstance(run, LazyResult) else ""
            raise TypeError(f"runs[{index}] must be a run, as those before it are, got `{type(run).__name__}`{hint}")
        if run._host is not host:
            raise EngineStateError(f"runs[{index}] must be a run of this engine, got {run._called} of another engine")
        found[run] = None
    return found
