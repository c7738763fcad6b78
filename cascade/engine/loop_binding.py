"""Which event loop holds an engine: the one that its runs are on, and that keeps its time."""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
from asyncio.events import _get_running_loop
from collections.abc import Callable, Coroutine, Sized
from contextlib import suppress
from contextvars import Context
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from cascade._core.run.ending import detach_all
from cascade._core.time.clock import Clock
from cascade._support.failures import add_note, describe, exc_info
from cascade._support.forks import new_lock
from cascade._support.threads import call_in_executor
from cascade.clock.timers import ClockTimers
from cascade.engine.join import AwaitGraph
from cascade.exceptions import DeadlockError, EngineClosedError, EngineStateError

if TYPE_CHECKING:
    from cascade._core.run.scheduler import Scheduler
    from cascade.engine.run import Run
    from cascade.engine.services import Services
    from cascade.limits.snapshot import LimitState
    from cascade.resources.scope import Scope
    from cascade.templates.cache import Templates
    from cascade.workers.workers import Workers

__all__ = ["LoopBinding", "runs_here"]

_logger = logging.getLogger("cascade")
_inherited: list[object] = []  # of engines in the parent of this process
_SHOWN = 3  # runs that were lost, in words
_id = attrgetter("id")


def runs_here(loop: asyncio.AbstractEventLoop) -> bool:
    """Whether an event loop is running in this thread."""
    try:  # asyncio's own loops know; to ask asyncio for the one that is running here costs a system call on Python 3.11
        return bool(loop._thread_id == threading.get_ident())  # type: ignore[attr-defined]
    except AttributeError:
        return _get_running_loop() is loop


class LoopBinding:
    """What an engine has on its event loop: its runs, and what runs beside them. `LoopDriver` gives them turns.

    Of two, `_home` is the event loop that holds the engine, and `loop` the last one that did.

    Args:
        clock: the engine's.
        templates: the engine's.

    Attributes:
        timers: the clock, for Python code.
        context: in which turns are taken, and resources of the engine set up.
        await_graph: which asyncio tasks await which runs.
        closed: whether the engine can start no run any more.
        leaving: at the end of ``async with``, or of an event loop: no run is started again...
        refusing: ...and no run is started at all.
    """

    scheduler: Scheduler
    services: Services
    workers: Workers

    def __init__(self, clock: Clock, templates: Templates) -> None:
        self.clock = clock
        self.templates = templates
        self.timers = ClockTimers(clock, self._timer_set)
        self.context = Context()
        self.await_graph = AwaitGraph()
        self.closed = False
        self.leaving = False
        self.refusing = False
        self.loop: asyncio.AbstractEventLoop | None = None
        self._lock = new_lock()  # for taking an event loop
        self._home: asyncio.AbstractEventLoop | None = None
        self._thread = 0
        self._runs: dict[Run, None] = {}  # in the order in which they were started
        self._tended: set[asyncio.Task[None]] = set()  # what runs beside the runs
        self._turn_due = False
        self._turn_handle: asyncio.Handle | None = None  # of the last turn that was asked for in the loop's thread
        self._alarm: asyncio.TimerHandle | None = None
        self._alarm_at = 0

    def configure(self, limits_active: bool, notify_nodes: bool, notify_tail_calls: bool) -> None:
        """Set which callbacks the core makes: see `Scheduler.configure`."""
        self.scheduler.configure(limits_active, notify_nodes, notify_tail_calls)

    def runs_on(self, loop: asyncio.AbstractEventLoop) -> bool:
        """Whether it has runs on an event loop."""
        return self.loop is loop and bool(self._runs)

    def tell_deadlock(self, message: str) -> bool:
        """Nothing will ever wake the runs that are left: have them fail. Return whether there were any to tell."""
        told = False
        for run in self.runs:
            told |= run._fail_from_outside(DeadlockError(message))
        return told

    @property
    def runs(self) -> tuple[Run, ...]:
        """The runs that have not ended."""
        return tuple(self._runs.copy())  # in one step: other threads may ask, and end runs meanwhile

    def awaits(self, task: asyncio.Task[Any]) -> bool:
        """Whether an asyncio task awaits runs of it."""
        return self.await_graph.has(task)

    def waited_for(self) -> list[LimitState]:
        """The limits for which calls wait."""
        return self.services.waited_for()

    def bind(self) -> None:
        """Have the event loop that is running in this thread be the engine's own."""
        if self.closed:
            raise EngineClosedError("the engine is closed")
        if self.refusing:  # it would never come to an end, if whoever ends could leave an heir
            raise EngineStateError("the engine ends its runs, at the end of `async with`: nothing can be started now")
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            raise EngineStateError("no event loop is running: use cascade.run, or await engine.run") from None
        if loop is not self._home:
            self._take(loop)

    def _take(self, loop: asyncio.AbstractEventLoop) -> None:
        """Have an event loop that is running in this thread be the engine's own, unless another one holds it.

        A loop holds it from here on: as long as it is running, or the engine has runs there, and until the engine is
        left or closed. So nobody takes the engine away from code that runs on its loop, and that code needs no lock. Of
        several threads that come at once, one gets the engine, and the others are told so.
        """
        outside = self._fit(loop)
        with self._lock:
            home = self._home
            if home is not None:
                self._check_free(home)
                # From here on, whatever begins to run there comes to this lock first. It may just have begun to.
                self._home = None
                self._silence()
                try:
                    self._check_free(home)
                except EngineStateError:
                    self._home = home
                    home.call_soon_threadsafe(self._turn_on, home)
                    raise
            self._home = self.loop = loop
            self._thread = threading.get_ident()
            self._silence()
        left = self._leave_behind()
        self.scheduler.reset(outside)
        self.services.clear_limits()
        self._abandon(*left)

    def _check_free(self, home: asyncio.AbstractEventLoop) -> None:
        """Raise if the engine is held by an event loop that is not the one that is running in this thread."""
        if home.is_closed():
            return
        if home.is_running():
            raise EngineStateError(
                "the engine must be used on one event loop at a time, got a second one while it is in use on another "
                "one, which is running: call `asyncio.run_coroutine_threadsafe(engine.run(target), loop)` with that "
                "loop, or give each thread an engine of its own"
            )
        if self._runs:
            raise EngineStateError(
                "the engine must be used on one event loop at a time, got a second one while it has runs on another "
                "event loop that have not ended: await them there first, or use an engine of its own here"
            )

    def check_thread(self) -> None:
        """Raise if the engine is in use in another thread."""
        home = self._home
        if home is not None and home.is_running() and home is not _get_running_loop():
            self._check_free(home)

    def _silence(self) -> None:
        """Have nothing called any more that the engine has asked its event loop for."""
        for handle in (self._turn_handle, self._alarm):
            if handle is not None:
                handle.cancel()
        self._turn_handle = self._alarm = None
        self._turn_due = False

    def _renew(self) -> None:
        """This process is a child of `os.fork`: runs, resources and event loop are those of the parent.

        They are kept as they are: to let go of them might tear them down, which is for the parent to do.
        """
        _inherited.append((self._runs, self.await_graph, self._tended, self.loop, self.scheduler))
        self._home = self.loop = self._turn_handle = self._alarm = None
        self._turn_due = self.leaving = self.refusing = False
        self._runs = {}
        self.await_graph = AwaitGraph()
        self._tended = set()
        self.context = Context()  # that of the parent may be in use, and will never be left here
        self.clock.forget()
        self.scheduler = self.scheduler.renewed()
        _inherited.append(self.services.renew())

    def _timer_set(self) -> None:
        raise NotImplementedError

    def _turn_on(self, loop: asyncio.AbstractEventLoop) -> None:
        raise NotImplementedError

    def __del__(self) -> None:
        """Nothing holds it any more, so nothing will give its runs their turns: let go of what is theirs, and say so.

        It may have been found by the collector: in any thread, and what awaits its runs is lost together with it.
        Python calls this once: an engine that something holds again afterwards is closed.
        """
        if not hasattr(self, "services"):  # it was never made. To ask for `__dict__` would make one, and keep it alive
            return
        runs = tuple(self._runs)
        self._runs = {}
        self.closed = True
        error = EngineStateError("the engine was dropped before the run had ended")
        scope = self.services.take_scope()
        # The report comes last. Any of the rest may fail: at the end of a program, or near the limit of recursion.
        try:
            detach_all(runs)
        finally:
            try:
                for run in runs:
                    run._close()
                    run._abandon_scope(error)
                if self._alarm is not None:
                    self._alarm.cancel()
                if scope is not None:
                    scope.abandon(EngineStateError("the engine was dropped before its resources were torn down"))
            finally:
                if runs and not sys.is_finalizing():
                    ids = ", ".join(map(str, map(_id, runs[:_SHOWN])))  # without a frame
                    more = f" and {len(runs) - _SHOWN} more" if len(runs) > _SHOWN else ""
                    self.report(f"an engine was dropped with pending runs ({ids}{more}): hold it while they run", error)

    def _fit(self, loop: asyncio.AbstractEventLoop) -> Sized | None:
        """See that an event loop keeps the engine's time. Return what it is about to call, if that matters."""
        clock = getattr(loop, "clock", None)
        if not self.clock.is_virtual:
            if isinstance(clock, Clock):
                raise EngineStateError("the event loop keeps virtual time, the engine real time: give it loop.clock")
            return None
        if clock is not self.clock:
            raise EngineStateError(
                "an engine with a virtual clock needs an event loop of that clock: use cascade.run(target, "
                "engine=engine), or asyncio.Runner(loop_factory=engine.new_loop)"
            )
        loop.join(self)  # type: ignore[attr-defined]
        outside: Sized = loop.outside  # type: ignore[attr-defined]
        return outside

    def _leave_behind(self) -> tuple[tuple[Run, ...], Scope | None]:
        """Take away all at once what was on another event loop, and return it: runs, and the engine's resources."""
        lost, self._runs = tuple(self._runs), {}
        scope = self.services.take_scope()
        self._tended = set()
        return lost, scope

    def _abandon(self, lost: tuple[Run, ...], scope: Scope | None) -> None:
        """Tell runs, and the engine's resources, that their event loop was closed: no more can be done for them.

        The engine is whole, and may be used by what is called here.
        """
        leaving, self.leaving = self.leaving, True
        try:
            for run in lost:
                error = EngineStateError("the event loop was closed before the run had ended")
                run._kill(error)
                run._close()
                run._abandon_scope(error)
                run._end_leads()
            for run in lost:
                run._call_done_callbacks()
        finally:
            self.leaving = leaving
        if scope is not None:
            scope.abandon(EngineStateError("the event loop was closed before the engine's resources were torn down"))
        for run in lost:
            self.services.emitter.run_finished(run)

    def lives(self) -> bool:
        """Whether what has ended may be started again: nobody is waiting for the engine to come to its end."""
        return not (self.closed or self.leaving or self.loop is None or self.loop.is_closed())

    def running_loop(self) -> asyncio.AbstractEventLoop:
        """The engine's loop, for code that runs on it."""
        loop = asyncio.get_running_loop()
        if loop is not self.loop:
            raise EngineStateError(
                "a run can be awaited on its engine's own event loop only: from another thread, call "
                "`asyncio.run_coroutine_threadsafe` with that loop and a coroutine that awaits it"
            )
        return loop

    # --------------------------------------------------------------------------- beside the runs

    async def call_in_thread(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Call what may block in a thread; under a virtual clock, which waits for no thread, at once."""
        if self.clock.is_virtual:
            return function(*arguments)
        loop = asyncio.get_running_loop()
        value, error = await call_in_executor(loop, None, _attempt, function, *arguments)
        if error is not None:
            raise error
        return value

    def call_in_loop(self, function: Callable[[], object]) -> None:
        """Call a function in the event loop's thread: now, if this is it."""
        loop = self.loop
        if loop is None:
            return
        if runs_here(loop) or (threading.get_ident() == self._thread and not loop.is_running()):
            function()
        elif not loop.is_closed():
            with suppress(RuntimeError):  # closed meanwhile
                loop.call_soon_threadsafe(function)

    def look_after(self, work: Callable[[], Coroutine[Any, Any, None]], ended: Callable[[], None]) -> None:
        """Run a coroutine beside the runs; the engine does not stop before it has ended.

        Args:
            work: makes the coroutine. What is cancelled before it has begun never knows: as it must be done, it is
                begun once more then.
            ended: called when it has ended, in whatever way.
        """
        loop = asyncio.get_running_loop()
        begun = False

        async def begin() -> None:
            nonlocal begun
            begun = True
            await work()

        def done(task: asyncio.Task[None]) -> None:
            self._tended.discard(task)
            if not begun and not loop.is_closed():
                self.look_after(work, ended)
            else:
                ended()

        task = loop.create_task(begin())
        self._tended.add(task)
        task.add_done_callback(done)

    def report(self, message: str, error: BaseException) -> None:
        """Hand an error that no caller gets to the event loop's exception handler, or the log.

        Mostly a finalizer has found it, which the collector may call near the limit of recursion. If that leaves no
        room for a log, the report is raised: from a finalizer it goes to `sys.unraisablehook`, which needs no room.
        """
        try:
            if self.loop is not None and not self.loop.is_closed():
                self.loop.call_exception_handler({"message": message, "exception": error})
            else:
                _logger.error(message, exc_info=exc_info(error))
        except RecursionError:
            raise EngineStateError(message) from error

    async def release(self) -> tuple[asyncio.CancelledError | None, BaseException | None]:
        """Wait for what runs beside the runs, and tear down what is set up for the engine as a whole.

        Returns:
            What cancelled this meanwhile, and what went wrong in a teardown.
        """
        cancelled = None
        while self._tended:
            try:
                done, _ = await asyncio.wait(self._tended)
                self._tended -= done  # whose callbacks may not have been called
            except asyncio.CancelledError as error:
                cancelled = error
        scope = self.services.take_scope()
        wrong = None
        if scope is not None:
            try:
                wrong = await scope.close(None)
            except asyncio.CancelledError as error:
                cancelled = error
        return cancelled, wrong

    def raise_or_report(self, wrong: BaseException | None, failure: BaseException | None) -> None:
        """Raise what went wrong in a teardown of the engine; report and note it where there is a failure already."""
        if wrong is None:
            return
        if failure is None:
            raise wrong
        add_note(failure, f"a resource of the engine failed in its teardown: {describe(wrong)}")
        self.report("a resource of the engine failed in its teardown", wrong)


def _attempt(function: Callable[..., Any], *arguments: Any) -> tuple[Any, BaseException | None]:
    """What a call comes to, as a value: not every exception can be put into a future of asyncio's."""
    try:
        return function(*arguments), None
    except BaseException as error:
        return None, error
