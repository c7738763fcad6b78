"""The loop driver: gives runs their turns on the engine's event loop.

The working loop is `LoopDriver._turn`. Between two of its lines the compiled core advances run after run; what the core
cannot do itself comes back here: starting coroutines and workers, and ending runs.
"""

from __future__ import annotations

import asyncio
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import Context
from functools import partial
from typing import TYPE_CHECKING, Any

from cascade._core.expr.lazy import LazyResult
from cascade._support.failures import another
from cascade.cache.io_threads import io_threads
from cascade.engine.join import AllDone, AllRuns
from cascade.engine.loop_binding import LoopBinding, attempt, runs_here
from cascade.exceptions import InternalError

if TYPE_CHECKING:
    from cascade.engine.bounds import Bounds
    from cascade.engine.run import Run

__all__ = ["LoopDriver"]


class LoopDriver(LoopBinding):
    """Gives runs their turns. Runs, calls and services refer to it, and not to the `Engine`.

    Invariant: whatever the event loop or a callback raises (`MemoryError`, an interrupt), an ended run is announced to
    its awaiters, and a turn that is due is scheduled. So no awaiter waits for ever.
    """

    def _turn(self) -> None:
        """One turn: advance the ready runs until the quantum is over, then schedule the next turn or set the alarm."""
        run: Any = None
        try:
            self._turn_due = False
            scheduler = self.scheduler
            scheduler.begin_turn()
            while (run := scheduler.advance()) is not None:
                self._end_or_cancel(run)
        except Exception as error:
            self._fail_all(error, run)
        except BaseException as error:  # an interrupt from the keyboard
            if run is not None:
                self._end_after_error(run, error)
            raise
        finally:  # also after an interrupt
            if self.scheduler.end_turn():
                try:
                    self._turn_handle = self.loop.call_soon(self._turn, context=self.context)  # type: ignore[union-attr]
                    self._turn_due = True
                except BaseException as error:
                    self._retry_turn(error)
            elif len(self.clock) and not self.clock.is_virtual:
                self._set_alarm()

    def _turn_on(self, loop: asyncio.AbstractEventLoop) -> None:
        """Take a turn that another thread has requested, unless the engine has moved to another event loop since."""
        if loop is self._bound_loop:
            self._turn()

    def _end_or_cancel(self, run: Any) -> None:
        """End a run that has ended, its resources torn down first; of one that is stopping, cancel what it awaits."""
        if not run._ended:
            self._cancel_handles(run)
        elif run._extras is not None and run._holds_resources:
            self.run_in_background(partial(self._tear_down, run), partial(self._ensure_ended, run))
        else:
            self._end(run)

    def _cancel_handles(self, run: Run) -> None:
        """Cancel everything that a run awaits, also if one cancellation fails (an executor's future may raise)."""
        for handle in run._live_handles():
            try:
                handle.cancel()
            except Exception as error:
                self.report(f"{run._called} could not cancel something that it awaits", error)

    def _end_after_error(self, run: Run, error: BaseException) -> None:
        """End a run although an exception has interrupted that before: an awaiter may wait for its end."""
        try:
            if run in self._runs:
                self._end_or_cancel(run)
            else:
                run._finish()
        except BaseException as worse:
            self.report(f"a done callback of {run._called} failed", worse)

    async def _tear_down(self, run: Run) -> None:
        """Tear down the resources of an ended run, then end it: it is not done before."""
        try:
            await run._release()
        finally:
            self._end(run)

    def _ensure_ended(self, run: Run) -> None:
        """End a run after its teardown, unless that has happened: an interrupt may have prevented it."""
        if run in self._runs or not run._announced:
            self._end(run)

    def begin(self, run: Run, target: LazyResult, bounds: Bounds, delay: float = 0, *, held: bool = False) -> None:
        """Start a run that was made for this engine. If this raises, the run counts as retrieved."""
        self._runs[run] = None
        try:
            if self.services.emitter.listens:
                self.services.emitter.run_started(run, target)
            if delay:
                due = self.timers.now() + round(delay * 1e9)
                run._ensure_extras().beginning = self.timers.call_at(due, partial(_begin_now, self, run, bounds))
            elif not held:
                bounds.apply(self.timers, run)
                run._begin()
        except BaseException as error:  # the caller receives it; the run must not report it again
            self._runs.pop(run, None)
            run._kill(error)
            run._close()
            run._retrieved = True
            raise

    def begin_held(self, run: Run, bounds: Bounds) -> None:
        """Begin a run that was held, unless it was cancelled meanwhile."""
        _begin_now(self, run, bounds)

    def _end(self, run: Run) -> None:
        self._runs.pop(run, None)
        run._finish()

    def _fail_all(self, error: Exception, ending: Run | None) -> None:
        """Fail all runs: the compiled core itself has failed, and no run may hang because of that.

        Args:
            error: the exception of the core.
            ending: the run that was being ended or cancelled; None: none was.
        """
        failure = InternalError("the engine failed; this is a defect in Cascade: please report it")
        failure.__cause__ = error
        if not self._runs:
            self.report("the engine failed while it had no runs", failure)
        if ending is not None:
            self._end_after_error(ending, failure)
        for run in self.runs:
            own = another(failure)  # a copy for each run: notes name the run
            try:
                self._cancel_handles(run)
                run._kill(own)
            except Exception as worse:
                self.report(f"{run._called} could not be stopped after the engine failed", worse)
            self._end_after_error(run, own)

    def _set_alarm(self) -> None:
        """Schedule a turn for when the first timer is due. A virtual loop needs none: it moves the clock itself."""
        deadline = self.clock.next_deadline()
        if deadline is None:  # another thread may have cancelled the last timer since
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
        """Set the alarm for a new timer, unless a turn is due, which sets it at its end."""
        if self._turn_due or self.clock.is_virtual or not len(self.clock):
            return
        if self._bound_loop is not None and not self._bound_loop.is_closed():
            self._set_alarm()

    def _ring(self) -> None:
        self._alarm = None
        if not self._turn_due:
            self._turn()

    def wake(self) -> None:
        """Schedule a turn: a run has become ready while none was scheduled. Called from any thread.

        If this raises, the core calls it once more.
        """
        loop = self.loop
        if loop is None or loop.is_closed():
            return
        if not runs_here(loop):
            self._turn_due = True  # before the call: the turn may be over before it returns
            try:
                loop.call_soon_threadsafe(self._turn_on, loop, context=self.context)
            except BaseException as error:
                self._turn_due = False
                if not isinstance(error, RuntimeError):  # closed meanwhile
                    raise
        else:
            self._turn_handle = loop.call_soon(self._turn, context=self.context)
            self._turn_due = True

    def _retry_turn(self, error: BaseException) -> None:
        """Schedule a turn once more, after `call_soon` has raised. If it fails again, the next `wake` schedules one.

        Args:
            error: the exception of `call_soon`. It is raised again, unless the second attempt succeeds and it is an
                `Exception` such as `MemoryError`: then nothing is lost. An interrupt is always raised.
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
        """Schedule a turn, in which virtual time passes if no run is ready."""
        if not self._turn_due:
            try:
                self.wake()
            except BaseException as error:
                self._retry_turn(error)

    # ------------------------------------------------------------------------------------------- the end

    @contextmanager
    def shutting_down(self) -> Iterator[None]:
        """Bind the engine to the event loop that is running in this thread, to shut down there.

        Runs on a loop that was closed fail. While the block lasts, failed members of populations are not restarted.

        Raises:
            EngineStateError: the engine is in use on another event loop.
        """
        loop = asyncio.get_running_loop()
        if loop is not self._bound_loop:
            keeps_time = not self.clock.is_virtual or getattr(loop, "clock", None) is self.clock
            self._hold(loop, self._join_clock(loop) if keeps_time else ())  # to shut down takes no time
        self._shutdowns += 1
        try:
            yield
        finally:
            if self._shutdowns and self._bound_loop is loop:
                self._shutdowns -= 1

    async def join(self) -> None:
        """Wait until there is no run that has not ended."""
        while self._runs:
            loop = self.running_loop()
            with self.await_graph.record(AllRuns(self.runs)):
                ends = AllDone(self.runs, loop)
                try:
                    await ends
                finally:
                    for run in self.runs:
                        run._remove_done_callback(ends)

    async def end_runs(self) -> asyncio.CancelledError | None:
        """Cancel and await the runs that have not ended.

        Returns:
            The cancellation of this call, which is raised later: the runs must end first; None: there was none.
        """
        cancelled: asyncio.CancelledError | None = None
        if self._runs:
            runs = self.runs
            ends = AllDone(runs, self.running_loop())
            for run in runs:
                run.cancel()
            if not self.clock.is_virtual:  # an interrupt at the very beginning of the last turn may have lost it
                self.running_loop().call_soon(self._turn, context=self.context)
            while not ends.done():
                try:
                    await asyncio.wait((ends,))
                except asyncio.CancelledError as error:
                    cancelled = error
        return cancelled

    async def close_workers(self) -> asyncio.CancelledError | None:
        """Stop the workers. Their end is awaited in a thread: the loop must go on if one of them needs long for it.

        Returns:
            The cancellation of this call, which is raised later; the thread goes on then. None: there was none.
        """
        io_threads.leave(self)
        wait = self.workers.detach()
        if wait is None:
            return None
        if self.clock.is_virtual:  # its loop does not wait for threads
            wait()
            return None
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[BaseException | None] = loop.create_future()

        def finish() -> None:
            _, error = attempt(wait)
            with suppress(RuntimeError):  # the loop was closed meanwhile
                loop.call_soon_threadsafe(_settle, ended, error)

        # Not a thread of the loop's executor: `asyncio.run` would wait for it at its end, also after a cancellation.
        thread = threading.Thread(target=finish, name="cascade-close", daemon=True)
        try:
            Context().run(thread.start)
        except RuntimeError:  # no thread can be started
            finish()
        try:
            error = await ended
        except asyncio.CancelledError as cancelled:
            return cancelled
        if error is not None:
            raise error
        return None

    def detach(self) -> None:
        """Release the event loop at the end of shutting down, so that the engine can be used on another one.

        The engine stays bound while it has runs, and while another asyncio task is shutting it down.
        """
        with self._lock:
            if self.is_held() and not self._runs and self._shutdowns == 1:
                self._shutdowns = 0
                self._bound_loop = None
                self._cancel_callbacks()


def _settle(ended: asyncio.Future[BaseException | None], error: BaseException | None) -> None:
    if not ended.done():
        ended.set_result(error)


def _begin_now(driver: LoopDriver, run: Run, bounds: Bounds) -> None:
    """Begin a run after its delay. It may have been cancelled meanwhile: then this has no effect."""
    if run._extras is not None:
        run._extras.beginning = None
    if not run._stopping and not run._ended:
        bounds.apply(driver.timers, run)
        run._begin()


def _ring(known: weakref.ref[LoopDriver]) -> None:
    """Ring the alarm of an engine. By a weak reference: the loop must not keep it alive, see `LoopBinding.__del__`."""
    engine = known()
    if engine is not None:
        engine._ring()
