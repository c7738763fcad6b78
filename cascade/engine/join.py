"""Awaiting runs from asyncio code: futures of runs, and the graph of which task awaits which runs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import Context
from typing import TYPE_CHECKING, Any, Protocol

from cascade._core.run.current import CALL, Attempt
from cascade._core.run.mailbox import Mailbox
from cascade._support.futures import settle
from cascade.engine.call_graph import link
from cascade.exceptions import EngineStateError

if TYPE_CHECKING:
    from cascade._core.run.waiting import Launched
    from cascade.cache.single_flight import SingleFlight

__all__ = [
    "AllDone",
    "AllRuns",
    "AwaitGraph",
    "Awaited",
    "AwaitedRun",
    "Cancellable",
    "ClosedAtEnd",
    "DoneCallback",
    "RunFuture",
    "ScheduledCall",
    "call_all",
    "closed_at_end",
    "lacks_value",
    "mark_shared",
]


class AwaitedRun(Protocol):
    """A run, as far as awaiting it is concerned."""

    id: int

    @property
    def _called(self) -> str:
        """It, in messages."""

    @property
    def _is_running(self) -> bool:
        """Whether one of its tasks is executing in the loop's thread at this moment."""

    def _handles(self) -> list[Any]:
        """The asyncio tasks and futures that it has started and waits for."""

    def _add_done_callback(self, callbacks: tuple[DoneCallback, ...]) -> None:
        """Add callbacks for its end."""

    def _unfinished(self) -> Sequence[AwaitedRun]:
        """Return it in a sequence, which is empty if it has ended."""


class DoneCallback(Protocol):
    """A callback for the end of a run. It should not raise: other callbacks are called after it."""

    def _run_ended(self, run: Any, /) -> None:
        """Called with the run that has ended."""

    def _awaiters(self) -> Iterable[asyncio.Task[Any]]:
        """The asyncio tasks that it wakes: in a call graph, the run's async tasks are shown under them."""


class Awaited(Protocol):
    """A run, a population or an iteration: complete when some runs have ended."""

    def _unfinished(self) -> Sequence[AwaitedRun]:
        """The runs that have not ended."""


class Cancellable(Protocol):
    """A run or a population."""

    def cancel(self) -> object:
        """Request the cancellation."""


def call_all(callbacks: Iterable[DoneCallback], run: AwaitedRun) -> None:
    """Call all callbacks of an ended run, also if one raises (`MemoryError`, an interrupt); raise the last error."""
    wrong = None
    for callback in callbacks:
        try:
            callback._run_ended(run)
        except BaseException as error:
            wrong = error
    if wrong is not None:
        raise wrong


def mark_shared(callbacks: Sequence[DoneCallback]) -> None:
    """Mark the futures among the done callbacks of a run if something else awaits its value as well."""
    takers = [callback for callback in callbacks if not isinstance(callback, AllDone | ClosedAtEnd)]
    if len(takers) > 1:
        for taker in takers:
            if isinstance(taker, RunFuture):
                taker.shared = True


class RunFuture(asyncio.Future[None]):
    """A future for the end of a run or population. Cancelling it cancels those; it is done when they have ended.

    Attributes:
        shared: whether the run had other done callbacks that take its value.
    """

    def __init__(self, awaited: Cancellable, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop=loop)
        self._awaiter = asyncio.current_task(loop)
        self._awaited = awaited
        self.shared = False
        self._cancelled = False
        self._ended = False

    def cancel(self, msg: Any | None = None) -> bool:
        """Cancel the run or population. The future itself is cancelled when that has ended."""
        if self.done():
            return False
        if self._ended:  # a signal handler has interrupted `_run_ended`
            return super().cancel(msg)
        self._cancelled = True
        self._awaited.cancel()
        return True

    def _awaiters(self) -> Iterable[asyncio.Task[Any]]:
        """The task that awaits."""
        return () if self._awaiter is None else (self._awaiter,)

    def _run_ended(self, run: AwaitedRun, /) -> None:
        """Complete the future: the awaited run, or the last one of the population, has ended."""
        if self.get_loop().is_closed():  # and with it the task that was waiting
            return
        self._ended = True
        if self._cancelled:
            super().cancel()
            return
        try:
            self.set_result(None)
        except asyncio.InvalidStateError:  # a signal handler has just cancelled it
            return


class ScheduledCall:
    """A function of a user that is called with the run soon after its end, as a done callback of an asyncio future is.

    Args:
        function: takes the run. What it raises goes to the event loop's exception handler.
        loop: the engine's event loop.
        context: in which it is called.
    """

    __slots__ = ("_context", "_loop", "function")

    def __init__(self, function: Callable[[Any], object], loop: asyncio.AbstractEventLoop, context: Context) -> None:
        self.function = function
        self._loop = loop
        self._context = context

    def _awaiters(self) -> Iterable[asyncio.Task[Any]]:
        """No task: what the function wakes is not known."""
        return ()

    def _run_ended(self, run: AwaitedRun, /) -> None:
        """Schedule the call."""
        if not self._loop.is_closed():
            self._loop.call_soon(self.function, run, context=self._context)


class ClosedAtEnd:
    """Channels that belong to a run or a population: they are closed when it ends, with a failure if there is one."""

    __slots__ = ("channels",)

    def __init__(self, channels: tuple[Mailbox, ...]) -> None:
        self.channels = channels

    def _awaiters(self) -> Iterable[asyncio.Task[Any]]:
        """No task: who receives is not known."""
        return ()

    def _run_ended(self, run: Any, /) -> None:
        """Close them."""
        self.close(run if lacks_value(run) else None)

    def close(self, closer: Any) -> None:
        """Close them; ``closer``: the run that has failed or was cancelled; None: nothing went wrong."""
        for channel in self.channels:
            channel._close_for(closer)


def lacks_value(run: Any) -> bool:
    """Whether an ended run has failed or was cancelled, and was not just skipped."""
    return run._failure() is not None and not run._skipped


def closed_at_end(channels: object) -> ClosedAtEnd | None:
    """Return what closes the channels that a user has given; None: there are none.

    Raises:
        TypeError: one of them is no channel.
    """
    if channels is None:
        return None
    given = (channels,) if isinstance(channels, Mailbox) else channels
    if not isinstance(given, Iterable):
        raise TypeError(f"closes must be a channel, or several in a list, got `{type(given).__name__}`")
    found = tuple(given)
    for index, channel in enumerate(found):
        if not isinstance(channel, Mailbox):
            raise TypeError(f"closes[{index}] must be a channel, got `{type(channel).__name__}`")
    return ClosedAtEnd(found)


class AllDone(asyncio.Future[None]):
    """A future that is done when all of some runs have ended.

    Args:
        runs: runs that have not ended.
        loop: their event loop.
    """

    def __init__(self, runs: Sequence[AwaitedRun], loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop=loop)
        self._unfinished_count = len(runs)
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
        """Done callback of the runs."""
        self._unfinished_count -= 1
        if not self._unfinished_count and not self.get_loop().is_closed():
            settle(self)


class AllRuns:
    """Runs that are awaited together. Their failures are raised elsewhere."""

    __slots__ = ("_runs",)

    def __init__(self, runs: Sequence[AwaitedRun]) -> None:
        self._runs = runs

    def _unfinished(self) -> Sequence[AwaitedRun]:
        """The runs that have not ended."""
        return [each for run in self._runs for each in run._unfinished()]


class AwaitGraph:
    """Records which asyncio tasks await which runs, to refuse a run that would await its own end.

    Attributes:
        calls: of these asyncio tasks, those whose code is part of a call, with the waiter of the call.
        flights: cached calls, some of which have waited for equal ones; None: none has.
    """

    def __init__(self) -> None:
        self._awaited: dict[asyncio.Task[Any], Awaited] = {}
        self.calls: dict[asyncio.Task[Any], Launched] = {}
        self.flights: SingleFlight | None = None

    def has(self, task: asyncio.Task[Any]) -> bool:
        """Whether an asyncio task awaits runs."""
        return task in self._awaited

    @contextmanager
    def record(self, awaited: Awaited, *, again: bool = False) -> Iterator[None]:
        """Record, while a `with` block lasts, that the current asyncio task awaits runs.

        Args:
            awaited: the run, population or iteration that it awaits.
            again: the task has awaited the same before, so the check, which is linear in the runs, is skipped.

        Raises:
            EngineStateError: one of the runs awaits this task in turn, so none could ever end.
        """
        current = asyncio.current_task()
        if current is None:
            yield
            return
        if not again:
            link(self._check(current, awaited), current)
        self._awaited[current] = awaited
        try:
            if (call := CALL.get()) is not None:
                self._note_call(current, call.waiter if type(call) is Attempt else call, awaited, again=again)
            yield
        finally:
            self._awaited.pop(current, None)
            self.calls.pop(current, None)

    def _note_call(self, current: asyncio.Task[Any], waiter: Any, awaited: Awaited, *, again: bool) -> None:
        self.calls[current] = waiter
        if self.flights is not None and not again:
            self.flights.release(waiter, awaited._unfinished(), self)

    def calls_awaiting(self, run: Any) -> Iterable[Launched]:
        """Return the waiters of the calls whose code awaits a run."""
        return [self.calls[task] for task in run._awaiters() if task in self.calls]

    def _check(self, current: asyncio.Task[Any], awaited: Awaited) -> list[Any]:
        """Check for a cycle; return the handles of the awaited runs themselves.

        It follows the edges run -> handle (an asyncio task that the run has started) -> what that task awaits.
        """
        runs = list(awaited._unfinished())
        count = len(runs)
        direct: list[Any] = []
        found: set[AwaitedRun] = set()
        for number, run in enumerate(runs):
            handles = run._handles()
            if number < count:
                direct += handles
            if current in handles or run._is_running:  # running: called from a coroutine before its first suspension
                raise EngineStateError(f"{run._called} would await its own end")
            for handle in handles:
                if (other := self._awaited.get(handle)) is not None:
                    found = found or set(runs)
                    more = [each for each in other._unfinished() if each not in found]
                    found.update(more)
                    runs += more
        return direct
