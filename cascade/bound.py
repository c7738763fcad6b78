"""What binds an engine to an event loop: the one that its runs are on, and that keeps its time."""

from __future__ import annotations

import asyncio
import sys
import threading
from asyncio.events import _get_running_loop
from collections.abc import Sized
from contextvars import Context
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from cascade._core.clock import Clock
from cascade._core.evaluation import detach_all
from cascade.belongings import Belongings
from cascade.exceptions import DeadlockError, EngineClosedError, EngineStateError
from cascade.joins import Joins

if TYPE_CHECKING:
    from cascade.limits.state import LimitState
    from cascade.resources.scope import Scope
    from cascade.runs import Run

__all__ = ["Bound"]

_inherited: list[object] = []  # of engines in the parent of this process
_SHOWN = 3  # runs that were lost, in words
_id = attrgetter("id")


class Bound(Belongings):
    """The part of an `Engine` that knows its event loop.

    Of two, `_home` is the event loop that holds the engine, and `_loop` the last one that did.
    """

    _alarm: asyncio.TimerHandle | None
    _closed: bool
    _home: asyncio.AbstractEventLoop | None
    _joins: Joins
    _runs: dict[Run, None]
    _leaving: bool
    _refusing: bool
    _turn_due: bool
    _turn_handle: asyncio.Handle | None

    def new_loop(self) -> asyncio.AbstractEventLoop:
        """Make an event loop for its clock, on which plain asyncio code can run beside its runs.

        Returns:
            A `VirtualLoop` if the clock is virtual, else what asyncio makes.

        >>> import asyncio, cascade as cs
        >>> engine = cs.Engine(clock=cs.Clock.virtual())
        >>> async def main():
        ...     run = engine.start(cs.wait(10))
        ...     await asyncio.sleep(4)
        ...     return run.state, await run
        >>> with asyncio.Runner(loop_factory=engine.new_loop) as runner:
        ...     runner.run(main())
        ('parked', 10.0)
        """
        if not self.clock.is_virtual:
            return asyncio.new_event_loop()
        from cascade.loop import VirtualLoop

        return VirtualLoop(self.clock)

    def runs_on(self, loop: asyncio.AbstractEventLoop) -> bool:
        """Whether it has runs on an event loop."""
        return self._loop is loop and bool(self._runs)

    def tell_deadlock(self, message: str) -> bool:
        """Nothing will ever wake the runs that are left: have them fail. Return whether there were any to tell."""
        told = False
        for run in self.runs:
            told |= run.break_off(DeadlockError(message))
        return told

    @property
    def runs(self) -> tuple[Run, ...]:
        """The runs that have not ended."""
        return tuple(self._runs.copy())  # in one step: other threads may ask, and end runs meanwhile

    def awaits(self, task: asyncio.Task[Any]) -> bool:
        """Whether an asyncio task awaits runs of it."""
        return self._joins.has(task)

    def waited_for(self) -> list[LimitState]:
        """The limits for which calls wait."""
        return [] if self._limits is None else [limit for limit in self._limits.snapshot() if limit.waiting]

    def _bind(self) -> None:
        """Have the event loop that is running in this thread be the engine's own."""
        if self._closed:
            raise EngineClosedError("the engine is closed")
        if self._refusing:  # it would never come to an end, if whoever ends could leave an heir
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
            self._home = self._loop = loop
            self._thread = threading.get_ident()
            self._silence()
        left = self._leave_behind()
        self._scheduler.reset(outside)
        if self._limits is not None:
            self._limits.clear()
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

    def _check_thread(self) -> None:
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
        _inherited.append((self._runs, self._joins, self._scope, self._tended))
        _inherited.append((self._loop, self._scheduler, self._flights))
        self._home = self._loop = self._turn_handle = self._alarm = None
        self._turn_due = self._leaving = self._refusing = False
        self._runs = {}
        self._joins = Joins()
        self._scope = self._flights = None
        self._tended = set()
        self._context = Context()  # that of the parent may be in use, and will never be left here
        self.clock.forget()
        self._scheduler = self._scheduler.another()
        if self._limits is not None:
            self._limits.clear()
        self.attend()

    def _turn_on(self, loop: asyncio.AbstractEventLoop) -> None:
        raise NotImplementedError

    def __del__(self) -> None:
        """Nothing holds it any more, so nothing will give its runs their turns: let go of what is theirs, and say so.

        It may have been found by the collector: in any thread, and what awaits its runs is lost together with it.
        Python calls this once: an engine that something holds again afterwards is closed.
        """
        if not hasattr(self, "_joins"):  # it was never made. To ask for `__dict__` would make one, and keep it alive
            return
        runs = tuple(self._runs)
        self._runs = {}
        self._closed = True
        error = EngineStateError("the engine was dropped before the run had ended")
        scope, self._scope = self._scope, None
        # What is told comes last. Any of it may fail: at the end of a program, or near the limit of recursion.
        try:
            detach_all(runs)
        finally:
            try:
                for run in runs:
                    run.finished = True
                    run.abandon_scope(error)
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
        scope, self._scope = self._scope, None
        self._tended = set()
        return lost, scope

    def _abandon(self, lost: tuple[Run, ...], scope: Scope | None) -> None:
        """Tell runs, and the engine's resources, that their event loop was closed: no more can be done for them.

        The engine is whole, and may be used by what is called here.
        """
        leaving, self._leaving = self._leaving, True
        try:
            for run in lost:
                error = EngineStateError("the event loop was closed before the run had ended")
                run.abandon(error)
                run.finished = True
                run.abandon_scope(error)
                run.end_leads()
            for run in lost:
                run.end_joins()
        finally:
            self._leaving = leaving
        if scope is not None:
            scope.abandon(EngineStateError("the event loop was closed before the engine's resources were torn down"))
        for run in lost:
            self.reporter.run_finished(run)

    def _lives(self) -> bool:
        """Whether what has ended may be started again: nobody is waiting for the engine to come to its end."""
        return not (self._closed or self._leaving or self._loop is None or self._loop.is_closed())

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        """The engine's loop, for code that runs on it."""
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            raise EngineStateError(
                "a run can be awaited on its engine's own event loop only: from another thread, call "
                "`asyncio.run_coroutine_threadsafe` with that loop and a coroutine that awaits it"
            )
        return loop
