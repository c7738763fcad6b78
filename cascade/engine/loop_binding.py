"""The binding of an engine to one event loop at a time: the loop that its runs are on and that keeps its time."""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
import weakref
from asyncio.events import _get_running_loop
from collections.abc import Callable, Coroutine, Sized
from contextlib import suppress
from contextvars import Context
from operator import attrgetter
from typing import TYPE_CHECKING, Any, TypeVar

from cascade._core.run.ending import detach_all
from cascade._core.time.clock import Clock
from cascade._support.failures import add_note, describe, exc_info
from cascade._support.forks import new_lock
from cascade._support.futures import forget_tasks
from cascade._support.threads import LoopCall, call_in_executor
from cascade.clock.timers import ClockTimers
from cascade.engine.join import AwaitGraph
from cascade.exceptions import DeadlockError, EngineClosedError, EngineStateError

if TYPE_CHECKING:
    from concurrent.futures import Future

    from cascade._core.run.scheduler import Scheduler
    from cascade.engine.run import Run
    from cascade.engine.services import Services
    from cascade.limits.snapshot import LimitState
    from cascade.resources.scope import Scope
    from cascade.templates.cache import Templates
    from cascade.workers.workers import Workers

__all__ = ["NO_LOOP", "LoopBinding", "attempt", "runs_here"]

T = TypeVar("T")

_logger = logging.getLogger("cascade")
_inherited: list[object] = []  # state of the parent process: kept, as freeing it could tear resources down
_SHOWN = 3  # ids of lost runs in a message
_id = attrgetter("id")


def runs_here(loop: asyncio.AbstractEventLoop) -> bool:
    """Whether an event loop is running in this thread."""
    try:  # asyncio's own loops know; to ask asyncio for the one that is running here costs a system call on Python 3.11
        return bool(loop._thread_id == threading.get_ident())  # type: ignore[attr-defined]
    except AttributeError:
        return _get_running_loop() is loop


NO_LOOP = (
    "{} must be called while a running event loop holds the engine, got none: use `cs.run`, or enter "
    "`async with engine` on that loop first"
)


class LoopBinding:
    """The state of an engine on its event loop: its runs and background tasks. `LoopDriver` gives the runs turns.

    `_bound_loop` is the event loop to which the engine is bound now; `loop` is the last one, which may be closed.

    Args:
        clock: the engine's.
        templates: the engine's.

    Attributes:
        timers: the clock, for Python code.
        context: the `contextvars.Context` of turns and of the engine's resources.
        await_graph: which asyncio tasks await which runs.
        closed: whether the engine was closed, so that no run can be started.
        refuses_restarts: whether failed members of populations stay failed: their event loop was closed.
        refuses_runs: whether no run can be started: the engine awaits its last runs.
        max_iterations: of runs that are given no other; None: as many as they like.
        engine: the `Engine` that users hold, by a weak reference.
    """

    scheduler: Scheduler
    services: Services
    workers: Workers
    engine: weakref.ref[Any]

    def __init__(self, clock: Clock, templates: Templates) -> None:
        self.clock = clock
        self.templates = templates
        self.timers = ClockTimers(clock, self._timer_set)
        self.context = Context()
        self.await_graph = AwaitGraph()
        self.closed = False
        self.max_iterations: int | None = None
        self.refuses_restarts = False
        self.refuses_runs = False
        self._shutdowns = 0  # how many asyncio tasks are shutting the engine down
        self.loop: asyncio.AbstractEventLoop | None = None
        self._lock = new_lock()  # held while the event loop is changed
        self._bound_loop: asyncio.AbstractEventLoop | None = None
        self._thread = 0
        self._runs: dict[Run, None] = {}  # in the order in which they were started
        self._background_tasks: set[asyncio.Task[None]] = set()  # such as teardowns
        self._turn_due = False
        self._turn_handle: asyncio.Handle | None = None  # of the last turn that was scheduled in the loop's thread
        self._alarm: asyncio.TimerHandle | None = None
        self._alarm_at = 0

    def configure(self, limits_active: bool, notify_nodes: bool, notify_tail_calls: bool) -> None:
        """Set which callbacks the core makes: see `Scheduler.configure`."""
        self.scheduler.configure(limits_active, notify_nodes, notify_tail_calls)

    def runs_on(self, loop: asyncio.AbstractEventLoop) -> bool:
        """Whether the engine has runs on this event loop."""
        return self.loop is loop and bool(self._runs)

    def fail_deadlocked(self, message: str) -> bool:
        """Fail all runs with `DeadlockError`: nothing will ever wake them. Return whether any has failed."""
        any_failed = False
        for run in self.runs:
            any_failed |= run._fail_from_outside(DeadlockError(message))
        return any_failed

    @property
    def runs(self) -> tuple[Run, ...]:
        """The runs that have not ended."""
        return tuple(self._runs.copy())  # `copy` is one step: other threads may read this while runs end

    def awaits(self, task: asyncio.Task[Any]) -> bool:
        """Whether an asyncio task awaits runs of this engine."""
        return self.await_graph.has(task)

    def waited_for(self) -> list[LimitState]:
        """The limits for which calls wait."""
        return self.services.waited_for()

    def closed_error(self) -> EngineClosedError:
        """Return the error of what comes too late."""
        ending = f"is being closed, starts no more runs and has {len(self._runs):,} that have not ended"
        return EngineClosedError(f"the engine {ending if self._runs else 'is closed'}")

    def bind(self) -> None:
        """Bind the engine to the event loop that is running in this thread. See `Host.bind`."""
        if self.closed:
            raise self.closed_error()
        if self.refuses_runs:  # if each ending run could start another one, shutting down might never end
            self.check_thread()
            raise EngineStateError("cannot start a run: the engine is shutting down (leaving `async with`)")
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            loop = None
        if loop is None:
            self.check_thread()
            raise EngineStateError(
                "no event loop is running: use cs.run, or `await cs.arun(target, engine=engine)` where one is"
            )
        if loop is not self._bound_loop:
            self._take(loop)

    def _take(self, loop: asyncio.AbstractEventLoop) -> None:
        """Bind the engine to the event loop that is running in this thread, unless it is in use on another one.

        It stays bound while the loop is running or the engine has runs there, until the engine is closed or its
        ``async with`` block is left. So no other thread takes the engine away from code that runs on its loop, and
        that code needs no lock. If several threads bind at once, one succeeds and the others get `EngineStateError`.
        """
        self._hold(loop, self._join_clock(loop))

    def _hold(self, loop: asyncio.AbstractEventLoop, loop_ready: Sized | None) -> None:
        """Do the same for a loop that keeps the engine's time, or on which the engine only shuts down.

        The binding is read, checked and changed under the lock, so that no thread acts on a binding of another one.

        Args:
            loop: the event loop that is running in this thread.
            loop_ready: as `_join_clock` returns it.
        """
        before = self.loop  # released after the lock: code of the user may run when an event loop is freed
        with self._lock:
            home = self._bound_loop
            if home is loop:  # another thread has just failed to take it
                return
            if home is not None:
                self._check_free(home)
                # Code that begins to run on the old loop from here on finds the engine unbound, and waits for the
                # lock. It may have begun just before: hence the second check.
                self._bound_loop = None
                self._cancel_callbacks()
                try:
                    self._check_free(home)
                except EngineStateError:
                    self._bound_loop = home
                    with suppress(RuntimeError):  # closed meanwhile
                        home.call_soon_threadsafe(self._turn_on, home)
                    raise
            self._bound_loop = self.loop = loop
            self._thread = threading.get_ident()
            self._shutdowns = 0  # what was shutting down has ended with its event loop
            self._cancel_callbacks()
        del before, home
        left = self._take_lost()
        self.scheduler.reset(loop_ready)
        self.services.clear_limits()
        self._abandon(*left)

    def is_held(self) -> bool:
        """Whether the engine is bound to the event loop that is running in this thread.

        Then no other thread takes it before that loop stops running or the engine is released here.
        """
        return self._bound_loop is not None and self._bound_loop is _get_running_loop()

    def _check_free(self, home: asyncio.AbstractEventLoop) -> None:
        """Raise `EngineStateError` if the engine is in use on ``home``, which is not the running event loop."""
        if home.is_closed():
            return
        if home.is_running():
            raise EngineStateError(
                "the engine must be used on one event loop at a time, in the thread of that loop, got a call from "
                "elsewhere while one is running: from other threads, use `engine.submit(target)` to run a target and "
                "`engine.call_threadsafe(function, *args)` for all else, such as `engine.limits.pause`; or give each "
                "thread an engine of its own"
            )
        if self._runs:
            raise EngineStateError(
                "the engine must be used on one event loop at a time, got a second one while it has runs on another "
                "event loop that have not ended: await them there first, or use an engine of its own here"
            )

    def check_thread(self) -> None:
        """Raise `EngineStateError` if the engine is in use in another thread."""
        home = self._bound_loop
        if home is not None and home.is_running() and home is not _get_running_loop():
            self._check_free(home)

    def _cancel_callbacks(self) -> None:
        """Cancel the turn and the alarm that the engine has scheduled on its event loop."""
        for handle in (self._turn_handle, self._alarm):
            if handle is not None:
                handle.cancel()
        self._turn_handle = self._alarm = None
        self._turn_due = False

    def _reset_after_fork(self) -> None:
        """Begin anew in a child of `os.fork`: runs, resources and event loop are those of the parent.

        The old state is kept in `_inherited`: freeing it might tear resources down that the parent still uses.
        """
        _inherited.append((self._runs, self.await_graph, self._background_tasks, self.loop, self.scheduler))
        self._bound_loop = self.loop = self._turn_handle = self._alarm = None
        self._turn_due = self.refuses_restarts = self.refuses_runs = False
        self._shutdowns = 0
        self._runs = {}
        self.await_graph = AwaitGraph()
        self._background_tasks = set()
        self.context = Context()  # that of the parent may be entered, and is never exited here
        self.clock.forget()
        self.scheduler = self.scheduler.renewed()
        _inherited.append(self.services.reset_after_fork())

    def _timer_set(self) -> None:
        raise NotImplementedError

    def _turn_on(self, loop: asyncio.AbstractEventLoop) -> None:
        raise NotImplementedError

    def __del__(self) -> None:
        """Release the runs and resources of an unreferenced engine, which will take no more turns, and log that.

        The garbage collector may call this in any thread, and what awaits the runs is garbage too. Python calls it
        once: an engine that is referenced again afterwards is closed.
        """
        # Not by `__dict__`: reading it would create it, and keep it alive.
        if not hasattr(self, "services"):  # `__init__` has failed
            return
        runs = tuple(self._runs)
        self._runs = {}
        self.closed = True
        error = EngineStateError("the engine was dropped before the run had ended")
        scope = self.services.take_scope()
        # The report is made in any case: the rest may fail at interpreter exit, or near the recursion limit.
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
                    ids = ", ".join(map(str, map(_id, runs[:_SHOWN])))  # no Python frame: there may be no room
                    more = f" and {len(runs) - _SHOWN} more" if len(runs) > _SHOWN else ""
                    self.report(f"an engine was dropped with pending runs ({ids}{more}): hold it while they run", error)

    def _join_clock(self, loop: asyncio.AbstractEventLoop) -> Sized | None:
        """Check that an event loop keeps the engine's time, and join it if it is virtual.

        Returns:
            The callbacks that a virtual loop is about to call, which the scheduler must let run before time moves on;
            None: the clock is real.

        Raises:
            EngineStateError: the loop keeps another time.
        """
        clock = getattr(loop, "clock", None)
        if not self.clock.is_virtual:
            if isinstance(clock, Clock):
                raise EngineStateError("the event loop keeps virtual time, the engine real time: give it loop.clock")
            return None
        if clock is not self.clock:
            raise EngineStateError(
                "an engine with a virtual clock needs an event loop of that clock, and another one is running: write "
                "`await cs.arun(target, engine=engine)`, or asyncio.Runner(loop_factory=engine.new_loop)"
            )
        loop.join(self)  # type: ignore[attr-defined]
        loop_ready: Sized = loop.loop_ready  # type: ignore[attr-defined]
        return loop_ready

    def _take_lost(self) -> tuple[tuple[Run, ...], Scope | None]:
        """Remove the runs and the engine's resources that were on a closed event loop, all at once, and return them."""
        lost, self._runs = tuple(self._runs), {}
        scope = self.services.take_scope()
        self._background_tasks = set()
        return lost, scope

    def _abandon(self, lost: tuple[Run, ...], scope: Scope | None) -> None:
        """Fail lost runs, and abandon the engine's resources: their event loop was closed.

        The engine is consistent by now: callbacks that are called here may use it.
        """
        before, self.refuses_restarts = self.refuses_restarts, True
        try:
            for run in lost:
                error = EngineStateError("the event loop was closed before the run had ended")
                run._retrieved = True  # a run that ends with its event loop is not reported, as no asyncio task is
                forget_tasks(run._handles())
                run._kill(error)
                run._close()
                run._abandon_scope(error)
                run._fail_leaders()
            for run in lost:
                run._call_done_callbacks()
        finally:
            self.refuses_restarts = before
        if scope is not None:
            scope.abandon(EngineStateError("the event loop was closed before the engine's resources were torn down"))
        for run in lost:
            if self.services.recorder is not None:
                self.services.recorder.run_finished(run)
            self.services.emitter.run_finished(run)

    def may_restart(self) -> bool:
        """Whether a failed run may be started again: the engine is open and not shutting down."""
        stops = self.closed or self.refuses_restarts or self._shutdowns
        return not (stops or self.loop is None or self.loop.is_closed())

    def loop_elsewhere(self) -> asyncio.AbstractEventLoop:
        """Return the event loop that holds the engine, for another thread.

        Raises:
            EngineStateError: there is none that is running; or it is the one of this thread.
        """
        home = self._bound_loop
        if home is None or not home.is_running():
            raise EngineStateError(NO_LOOP.format("engine.submit()"))
        if home is _get_running_loop():
            raise EngineStateError(
                "engine.submit() must be called from another thread than that of the event loop, got it there: use "
                "`engine.start`, or `await engine.run`"
            )
        return home

    def call_threadsafe(self, function: Callable[[], T]) -> Future[T]:
        """Call a function in the thread of the event loop that holds the engine. See `Engine.call_threadsafe`."""
        call = LoopCall(function)
        home = self._bound_loop
        if home is None or not home.is_running():
            raise EngineStateError(NO_LOOP.format("engine.call_threadsafe()"))
        if home is _get_running_loop():
            call()
        else:
            try:
                home.call_soon_threadsafe(call)
            except RuntimeError:  # it was closed meanwhile
                raise EngineStateError(NO_LOOP.format("engine.call_threadsafe()")) from None
        return call.future

    def running_loop(self) -> asyncio.AbstractEventLoop:
        """Return the engine's event loop, for code that runs on it. See `Host.running_loop`."""
        loop = _get_running_loop()
        if loop is None or loop is not self.loop:
            raise EngineStateError(
                f"a run must be awaited, and given callbacks, on its engine's own event loop, got "
                f"{'none' if loop is None else 'another one'}: from another thread, use the future that "
                f"`engine.submit(target)` returns"
            )
        return loop

    # --------------------------------------------------------------------------- background tasks and threads

    async def call_in_thread(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Make a call that may block in a thread; under a virtual clock, which does not wait for threads, at once."""
        if self.clock.is_virtual:
            return function(*arguments)
        loop = asyncio.get_running_loop()
        value, error = await call_in_executor(loop, None, attempt, function, *arguments)
        if error is not None:
            raise error
        return value

    def call_in_loop(self, function: Callable[[], object]) -> None:
        """Call a function in the event loop's thread: at once, if this is that thread."""
        loop = self.loop
        if loop is None:
            return
        if runs_here(loop) or (threading.get_ident() == self._thread and not loop.is_running()):
            function()
        elif not loop.is_closed():
            with suppress(RuntimeError):  # closed meanwhile
                loop.call_soon_threadsafe(function)

    def run_in_background(self, work: Callable[[], Coroutine[Any, Any, None]], ended: Callable[[], None]) -> None:
        """Run a coroutine as a background task, for whose end the engine waits before it stops.

        Args:
            work: makes the coroutine. Called again if the task is cancelled before it begins: the work must be done.
            ended: called when the task has ended, in whatever way.
        """
        loop = asyncio.get_running_loop()
        begun = False

        async def begin() -> None:
            nonlocal begun
            begun = True
            await work()

        def done(task: asyncio.Task[None]) -> None:
            self._background_tasks.discard(task)
            if not begun and not loop.is_closed():
                self.run_in_background(work, ended)
            else:
                ended()

        task = loop.create_task(begin())
        self._background_tasks.add(task)
        task.add_done_callback(done)

    def report(self, message: str, error: BaseException) -> None:
        """Pass an error that no caller receives to the event loop's exception handler, or log it.

        Mostly a finalizer calls this, perhaps near the recursion limit. If that leaves no room for logging, the report
        is raised instead: from a finalizer it reaches `sys.unraisablehook`, which needs no Python frame.
        """
        try:
            if self.loop is not None and not self.loop.is_closed():
                self.loop.call_exception_handler({"message": message, "exception": error})
            else:
                _logger.error(message, exc_info=exc_info(error))
        except RecursionError:
            raise EngineStateError(message) from error

    async def release(self) -> tuple[asyncio.CancelledError | None, BaseException | None]:
        """Wait for the background tasks, and tear down the engine's resources.

        If the engine is not bound to the event loop that is running in this thread, nothing happens: it may be in use
        in another thread.

        Returns:
            The cancellation of this call, and the exception of a teardown; each None if there was none.
        """
        cancelled = None
        while self._background_tasks and self.is_held():
            try:
                done, _ = await asyncio.wait(self._background_tasks)
                self._background_tasks -= done  # their done callbacks may not have been called yet
            except asyncio.CancelledError as error:
                cancelled = error
        scope = self.services.take_scope() if self.is_held() else None
        wrong = None
        if scope is not None:
            try:
                wrong = await scope.close(None)
            except asyncio.CancelledError as error:
                cancelled = error
        return cancelled, wrong

    def raise_or_report(self, wrong: BaseException | None, failure: BaseException | None) -> None:
        """Raise the exception of an engine teardown; if there is a failure already, report it and note it there."""
        if wrong is None:
            return
        if failure is None:
            raise wrong
        add_note(failure, f"a resource of the engine failed in its teardown: {describe(wrong)}")
        self.report("a resource of the engine failed in its teardown", wrong)


def attempt(function: Callable[..., Any], *arguments: Any) -> tuple[Any, BaseException | None]:
    """Return the value or the exception of a call as values: an asyncio future does not take every exception."""
    try:
        return function(*arguments), None
    except BaseException as error:
        return None, error
