"""What binds an engine to an event loop: the one that its runs are on, and that keeps its time."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sized
from typing import TYPE_CHECKING, Any

from cascade._core.clock import Clock
from cascade.belongings import Belongings
from cascade.exceptions import DeadlockError, EngineClosedError, EngineStateError

if TYPE_CHECKING:
    from cascade.joins import Joins
    from cascade.limits.state import LimitState
    from cascade.runs import Run

__all__ = ["Bound"]

_SHOWN = 3  # runs that were lost, in words


class Bound(Belongings):
    """The part of an `Engine` that knows its event loop."""

    _alarm: asyncio.TimerHandle | None
    _closed: bool
    _joins: Joins
    _runs: dict[Run, None]
    _leaving: bool
    _refusing: bool
    _turn_due: bool

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
        for run in self._runs:
            told |= run.break_off(DeadlockError(message))
        return told

    def awaits(self, task: asyncio.Task[Any]) -> bool:
        """Whether an asyncio task awaits runs of it."""
        return self._joins.has(task)

    def waited_for(self) -> list[LimitState]:
        """The limits for which calls wait."""
        return [] if self._limits is None else [limit for limit in self._limits.snapshot() if limit.waiting]

    def _bind(self) -> None:
        """Take the running event loop as the one to run on."""
        if self._closed:
            raise EngineClosedError("the engine is closed")
        if self._refusing:  # it would never come to an end, if whoever ends could leave an heir
            raise EngineStateError("the engine ends its runs, at the end of `async with`: nothing can be started now")
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            raise EngineStateError("no event loop is running: use cascade.run, or await engine.run") from None
        if loop is self._loop:
            return
        outside = self._fit(loop)
        lost: tuple[Run, ...] = ()
        if self._loop is not None and self._runs:
            if not self._loop.is_closed():
                raise EngineStateError("the engine has runs on another event loop that have not ended")
            lost = self._abandon_runs()
        self._loop = loop
        self._thread = threading.get_ident()
        self._alarm = None
        self._turn_due = False
        self._scheduler.reset(outside)
        if self._limits is not None:
            self._limits.clear()
        self._abandon_scope("the event loop was closed")
        for run in lost:
            self.reporter.run_finished(run)

    def __del__(self) -> None:
        """Nobody holds it any more, so nothing will give its runs their turns: say so, and let go of what is theirs.

        It may have been found by the collector: in any thread, and what awaits its runs is lost together with it.
        """
        if not hasattr(self, "_joins"):  # it was never made. To ask for `__dict__` would make one, and keep it alive
            return
        runs = tuple(self._runs)
        shown = ", ".join(map(repr, runs[:_SHOWN])) + (f" and {len(runs) - _SHOWN} more" if len(runs) > _SHOWN else "")
        error = EngineStateError("the engine was dropped before the run had ended")
        for run in runs:
            run.forsake()
            run.finished = True
            run.abandon_scope(error)
        if self._alarm is not None:
            self._alarm.cancel()
        self._abandon_scope("the engine was dropped")
        if runs:
            self.report(f"an engine was dropped while runs were pending: {shown}; hold it as long as they run", error)

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

    def _abandon_runs(self) -> tuple[Run, ...]:
        """The event loop was closed under its runs: they can only be told so. Return them."""
        lost = tuple(self._runs)
        error = EngineStateError("the event loop was closed before the run had ended")
        for run in lost:
            run.abandon(error)
            run.finished = True
            self._runs.pop(run, None)
            run.abandon_scope(error)
            run.end_leads()
        for run in lost:
            run.end_joins()
        return lost

    def _lives(self) -> bool:
        """Whether what has ended may be started again: nobody is waiting for the engine to come to its end."""
        return not (self._closed or self._leaving or self._loop is None or self._loop.is_closed())

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        """The engine's loop, for code that runs on it."""
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            raise EngineStateError("a run can be awaited on its engine's own event loop only")
        return loop
