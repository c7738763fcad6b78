"""The loop driver: gives runs their turns on the engine's event loop.

The working loop is `LoopDriver._turn`. Between two of its lines the compiled core advances run after run; what the core
cannot do itself comes back here: starting coroutines and workers, and ending runs.
"""

from __future__ import annotations

import asyncio
import weakref
from functools import partial
from typing import TYPE_CHECKING, Any

from cascade._core.expr.lazy import LazyResult
from cascade._support.failures import another
from cascade.engine.join import AllDone
from cascade.engine.loop_binding import LoopBinding, runs_here
from cascade.exceptions import InternalError

if TYPE_CHECKING:
    from cascade.engine.run import Run

__all__ = ["LoopDriver"]


class LoopDriver(LoopBinding):
    """What an engine consists of on its event loop; all that belongs to the engine holds it, and not the `Engine`.

    Whatever the event loop or a hook raises (no memory, an interrupt), a run that has ended is ended, and a turn that
    is due is asked for: nobody waits for ever because of it.
    """

    def _turn(self) -> None:
        """One turn: advance the runs that are ready until the quantum is over, then see when to come back."""
        run: Any = None
        try:
            self._turn_due = False
            scheduler = self.scheduler
            scheduler.begin_turn()
            while (run := scheduler.advance()) is not None:
                self._decide(run)
        except Exception as error:
            self._give_up(error, run)
        except BaseException as error:  # an interrupt from the keyboard
            if run is not None:
                self._decide_again(run, error)
            raise
        finally:  # also then
            if self.scheduler.end_turn():
                try:
                    self._turn_handle = self.loop.call_soon(self._turn, context=self.context)  # type: ignore[union-attr]
                    self._turn_due = True
                except BaseException as error:
                    self._stumble(error)
            elif len(self.clock) and not self.clock.is_virtual:
                self._set_alarm()

    def _turn_on(self, loop: asyncio.AbstractEventLoop) -> None:
        """Have a turn that another thread has asked for, unless the engine is on another event loop by now."""
        if loop is self._home:
            self._turn()

    def _decide(self, run: Any) -> None:
        """A run has ended, or must stop what it has started before it can end."""
        if not run._ended:
            self._cancel_handles(run)
        elif run._extras is not None and run._holds_resources:
            self.look_after(partial(self._tear_down, run), partial(self._see_ended, run))
        else:
            self._end(run)

    def _cancel_handles(self, run: Run) -> None:
        """Stop all that a run awaits: one that cannot be stopped, perhaps an executor's future, spares none of them."""
        for handle in run._handles():
            try:
                handle.cancel()
            except Exception as error:
                self.report(f"run {run.id} could not cancel something that it awaits", error)

    def _decide_again(self, run: Run, error: BaseException) -> None:
        """Something was raised in the middle of a decision, which is made all the same: somebody waits for it."""
        try:
            if run in self._runs:
                self._decide(run)
            else:
                run._finish()
        except BaseException as worse:
            self.report(f"run {run.id} has ended, and not all could be told so", worse)

    async def _tear_down(self, run: Run) -> None:
        """A run has ended that has resources of its own: it is not done before they are torn down."""
        try:
            await run._release()
        finally:
            self._end(run)

    def _see_ended(self, run: Run) -> None:
        """A run is torn down. An interrupt may have kept it from being ended, too."""
        if run in self._runs or not run._announced:
            self._end(run)

    def begin(self, run: Run, target: LazyResult) -> None:
        """Start a run that was made for the engine. What this raises, its caller has instead of the run."""
        self._runs[run] = None
        try:
            if self.services.emitter.listens:
                self.services.emitter.run_started(run, target)
            run._begin()
        except BaseException as error:  # who starts it has this instead of the run
            self._runs.pop(run, None)
            run._kill(error)
            run._close()
            run._retrieved = True
            raise

    def _end(self, run: Run) -> None:
        self._runs.pop(run, None)
        run._finish()

    def _give_up(self, error: Exception, deciding: Run | None) -> None:
        """The core itself has failed: no run may hang because of it.

        Args:
            error: what went wrong.
            deciding: the run about which a decision was being made; None: about none.
        """
        failure = InternalError("the engine failed; this is a defect in Cascade: please report it")
        failure.__cause__ = error
        if not self._runs:
            self.report("the engine failed when no run was left to be told so", failure)
        if deciding is not None:
            self._decide_again(deciding, failure)
        for run in self.runs:
            own = another(failure)  # its notes are about this run
            try:
                self._cancel_handles(run)
                run._kill(own)
            except Exception as worse:
                self.report(f"run {run.id} could not be given up", worse)
            self._decide_again(run, own)

    def _set_alarm(self) -> None:
        """Come back when the first timer is due; the event loop of virtual time comes back by itself."""
        deadline = self.clock.next_deadline()
        if deadline is None:  # by now: another thread may have taken the last one away
            return
        before = self._alarm
        if before is not None and self._alarm_at <= deadline:
            return
        delay = max(0.0, self.clock.delay(deadline))
        loop = self.loop
        assert loop is not None
        self._alarm = loop.call_later(delay, _ring, weakref.ref(self), context=self.context)
        self._alarm_at = deadline
        if before is not None:
            before.cancel()

    def _timer_set(self) -> None:
        """A timer was set, perhaps outside a turn, at whose end somebody looks."""
        if self._turn_due or self.clock.is_virtual or not len(self.clock):
            return
        if self._home is not None and not self._home.is_closed():
            self._set_alarm()

    def _ring(self) -> None:
        self._alarm = None
        if not self._turn_due:
            self._turn()

    def wake(self) -> None:
        """A run has become ready while no turn was on its way. Called from any thread."""
        loop = self.loop
        if loop is None or loop.is_closed():
            return
        if not runs_here(loop):
            self._turn_due = True  # before it is: it may be over before the call returns
            try:
                loop.call_soon_threadsafe(self._turn_on, loop, context=self.context)
            except BaseException as error:
                self._turn_due = False
                if not isinstance(error, RuntimeError):  # closed meanwhile
                    raise
        else:
            try:
                self._turn_handle = loop.call_soon(self._turn, context=self.context)
                self._turn_due = True
            except BaseException as error:
                self._stumble(error)

    def _stumble(self, error: BaseException) -> None:
        """The event loop could not be asked for a turn. Ask once more; if that fails too, whatever comes next will.

        Args:
            error: what was raised, in the loop's thread; raised here, if it is no matter of memory that was short.
        """
        loop = self.loop
        assert loop is not None
        try:
            self._turn_handle = loop.call_soon(self._turn, context=self.context)
            self._turn_due = True
        except BaseException:
            self._turn_due = False
            self.scheduler.cancel_turn()
            raise error from None
        if not isinstance(error, Exception):
            raise error

    def take_turn(self) -> None:
        """Have a turn, in which virtual time passes if nobody is ready."""
        if not self._turn_due:
            self.wake()

    # ------------------------------------------------------------------------------------------- the end

    def come(self) -> None:
        """Be on the event loop that is running in this thread, to end there; what was on one that is closed is lost."""
        home = self._home
        if home is None or home is asyncio.get_running_loop():
            return
        with self._lock:
            self._check_free(home)
            self._home = None
            self._silence()
        self._abandon(*self._leave_behind())

    async def end_runs(self) -> asyncio.CancelledError | None:
        """Cancel and await the runs that there are now. Return what cancelled this meanwhile: they must end first."""
        cancelled: asyncio.CancelledError | None = None
        if self._runs:
            runs = self.runs
            ends = AllDone(runs, self.running_loop())
            for run in runs:
                run.cancel()
            if not self.clock.is_virtual:  # an interrupt may have come at the very beginning of the last turn
                self.running_loop().call_soon(self._turn, context=self.context)
            while not ends.done():
                try:
                    await asyncio.wait((ends,))
                except asyncio.CancelledError as error:
                    cancelled = error
        return cancelled

    def let_go(self) -> None:
        """Be free for another event loop, also while this one goes on; unless a run was left behind."""
        if not self._runs:
            self._home = None
            self._silence()


def _ring(known: weakref.ref[LoopDriver]) -> None:
    """The alarm of an engine, which its event loop is not to keep alive: see `LoopBinding.__del__`."""
    engine = known()
    if engine is not None:
        engine._ring()
