"""The engine: owns runs and gives them their turns on an asyncio event loop.

The working loop is `Engine._turn`. Between two of its lines the compiled core advances run after run; what it cannot
do itself comes back here: starting coroutines and workers, and ending runs.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import os
import threading
import weakref
from collections.abc import Iterable, Mapping
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal

from cascade._core.clock import Clock
from cascade._core.lazy import LazyResult
from cascade._core.scheduler import Scheduler
from cascade.bound import Bound
from cascade.exceptions import EngineClosedError, EngineStateError, InternalError
from cascade.joins import Ends, Joins
from cascade.launcher import Launcher
from cascade.runs import Run
from cascade.targets import expression
from cascade.templates import Templates
from cascade.timers import ClockTimers
from cascade.workers import Workers

if TYPE_CHECKING:
    from cascade.completion import Completion
    from cascade.graph.solver import Solver
    from cascade.population import Population, Restart
    from cascade.protocols import Executor, StateBackend

__all__ = ["Engine", "default_templates", "in_event_loop", "run"]

Mode = Literal["auto", "inline", "thread", "process"]

_MODES = ("auto", "inline", "thread", "process")
_logger = logging.getLogger("cascade")

# What engines share that `cascade.run` makes: the second run of a script is warm.
default_templates = Templates()


class Engine(Bound):
    """Runs targets: owns the runs, their turns, workers, clock and templates.

    Use it inside an event loop, with or without ``async with``, for any number of runs at once, and again in a later
    loop. Leaving ``async with`` cancels and awaits what still runs. Without it, runs that are left when their loop is
    closed are kept, and told so, until the engine is used or closed the next time. Hold it, or one of its runs, as long
    as they are to go on: an engine that nothing holds is freed together with its runs, and reports so.

    Args:
        quantum: seconds for which ready runs may keep the event loop to themselves; 0: a turn of the loop at every
            tail call.
        default_mode: the mode of sync tasks that name none: "auto", "inline", "thread" or "process".
        max_threads: how many worker threads; None: as `concurrent.futures` has it.
        max_processes: how many worker processes; None: one for each processor.
        templates: where templates are kept: `Templates`, or the path of a file; None: a store of its own.
        solver: makes the plans; None: the native one. Not together with ``templates``, which have theirs.
        limits: how much there is of what calls may ask for with `LazyResult.with_constraints`, by name.
        seed: of `random`; None: another one each time.
        executors: what calls sync tasks in place of the engine's own workers: "thread", "process", or both.
        state: sees each tail call's boundary; None: nothing does.
        clock: in which time it waits, by `Clock.real` or `Clock.virtual`; None: a real one of its own.

    Attributes:
        templates: the shapes that it knows.
        clock: what time it is for its runs.
        random: the source of chance from which the jitter of retries is drawn, and users may draw. Seeded by ``seed``,
            else by a virtual clock.
        timers: its clock, for what belongs to it.

    Raises:
        ValueError, TypeError: an argument is not what it should be.

    >>> import asyncio, cascade as cs
    >>> @cs.task
    ... async def greet(name):
    ...     await asyncio.sleep(0)
    ...     return f"hello {name}"
    >>> async def main():
    ...     async with cs.Engine() as engine:
    ...         return await engine.run([greet("you"), greet("me")])
    >>> asyncio.run(main())
    ['hello you', 'hello me']
    """

    def __init__(
        self,
        *,
        quantum: float = 0.001,
        default_mode: Mode = "auto",
        max_threads: int | None = None,
        max_processes: int | None = None,
        templates: Templates | str | os.PathLike[str] | None = None,
        solver: Solver | None = None,
        limits: Mapping[str, float] | None = None,
        seed: int | None = None,
        executors: Mapping[str, Executor] | None = None,
        state: StateBackend | None = None,
        clock: Clock | None = None,
    ) -> None:
        if clock is not None and not isinstance(clock, Clock):
            raise TypeError(f"expected a clock as `Clock`, got `{type(clock).__name__}`")
        if default_mode not in _MODES:
            raise ValueError(f"expected default_mode 'auto', 'inline', 'thread' or 'process', got {default_mode!r}")
        if templates is not None and solver is not None:
            raise ValueError("expected templates or a solver, got both: the templates have their solver")
        if isinstance(templates, (str, os.PathLike)):
            templates = Templates(templates)
        if templates is not None and not isinstance(templates, Templates):
            raise TypeError(f"expected templates as `Templates`, got `{type(templates).__name__}`")
        self.templates = Templates(solver=solver) if templates is None else templates
        self.clock = Clock.real() if clock is None else clock
        self.launcher = Launcher(self)
        self._scheduler = Scheduler(self.templates, self.clock, self.launcher, default_mode, quantum)
        if seed is None:
            seed = self.clock.seed
        super().__init__(ClockTimers(self.clock, self._timer_set), seed, state, limits)
        self._workers = Workers(max_threads, max_processes, self.launcher.demoted, executors)
        self._runs: dict[Run, None] = {}  # in the order in which they were started
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = 0
        self._context = contextvars.Context()
        self._turn_due = False
        self._alarm: asyncio.TimerHandle | None = None
        self._alarm_at = 0
        self._closed = False
        self._leaving = False  # at the end of `async with`: nobody is started again
        self._refusing = False  # and nobody is started at all
        self._joins = Joins()
        self.clock.claim()  # last: an engine that could not be made has no clock

    # ------------------------------------------------------------------------------------------------ for users

    def start(
        self, target: LazyResult | list[Any] | tuple[Any, ...], *, params: Mapping[str, Any] | None = None
    ) -> Run:
        """Start a run of a target and return at once.

        Args:
            target: a lazy result, or a list or tuple of them, whose value is the list of their values.
            params: values for the `Param`s of the target, by name.

        Returns:
            The `Run`: await it for the value.

        Raises:
            TargetError: ``target`` is nothing of the kind.
            EngineClosedError: the engine was closed.
            EngineStateError: no event loop is running; the engine has runs on another one; or it is at the end of
                its `async with`, and ends its runs.
        """
        wanted = expression(target)
        self._bind()
        started = Run(self, wanted, contextvars.copy_context(), params)
        self._begin(started, wanted)
        return started

    def start_many(
        self,
        targets: Iterable[LazyResult | list[Any] | tuple[Any, ...]],
        *,
        params: Mapping[str, Any] | None = None,
        on_failure: Literal["leave", "stop"] | Restart = "leave",
    ) -> Population:
        """Start a run of each of many targets, all at once, and return.

        Args:
            targets: each as `start` takes it.
            params: values for the `Param`s of all targets, by name.
            on_failure: what becomes of the others when one fails. "leave": nothing; "stop": they are cancelled;
                `Restart`: nothing, and the one that failed is started again.

        Returns:
            The `Population`: await it for the end of all.

        Raises:
            TargetError: one of ``targets`` is no target; nothing was started.
            PolicyError: ``on_failure`` is none of these.
            EngineClosedError, EngineStateError: as `start` does.

        >>> import asyncio, cascade as cs
        >>> @cs.task(mode="inline")
        ... def count(n):
        ...     return count(n - 1) if n else "done"
        >>> async def main():
        ...     async with cs.Engine() as engine:
        ...         return await engine.start_many(count(n) for n in range(1000))
        >>> asyncio.run(main()).done
        1000
        """
        from cascade.population import start_many

        return start_many(self, targets, params, on_failure)

    def as_completed(self, runs: Population | Iterable[Run]) -> Completion:
        """Iterate over runs in the order in which they end: ``async for run in engine.as_completed(runs)``.

        Args:
            runs: a population, of each of whose members the last run is given; or runs, each of which is given once.

        Returns:
            An asynchronous iterator: runs that have ended already come first, in the order in which they were given. To
            leave it, or to cancel who waits for the next run, does nothing to the runs.

        Raises:
            TypeError: something in ``runs`` is no run.
            EngineStateError: a run, or the population, belongs to another engine.

        >>> import asyncio, cascade as cs
        >>> @cs.task(mode="inline")
        ... def count(n, name):
        ...     return count(n - 1, name) if n else name
        >>> async def main():
        ...     async with cs.Engine(quantum=0) as engine:
        ...         runs = engine.start_many([count(100, "long"), count(10, "short")])
        ...         return [run.result() async for run in engine.as_completed(runs)]
        >>> asyncio.run(main())
        ['short', 'long']
        """
        from cascade.completion import Completion

        return Completion(self, runs)

    async def run(
        self, target: LazyResult | list[Any] | tuple[Any, ...], *, params: Mapping[str, Any] | None = None
    ) -> Any:
        """Run a target and return its value.

        Args:
            target: a lazy result, or a list or tuple of them, whose value is the list of their values.
            params: values for the `Param`s of the target, by name.

        Raises:
            BaseException: what a task raised, as itself, with a note that says which and where; an `ExceptionGroup`
                if several failed at once. By then nothing of the run is running any more.
            TargetError, EngineClosedError, EngineStateError: as `start` does.
        """
        return await self.start(target, params=params)

    @property
    def runs(self) -> tuple[Run, ...]:
        """The runs that have not ended."""
        return tuple(self._runs)

    async def aclose(self) -> None:
        """Cancel and await what still runs, and stop the workers. Nothing can be started any more."""
        self._closed = True
        await self._stop()

    async def __aenter__(self) -> Engine:
        if self._closed:
            raise EngineClosedError("the engine is closed")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._leaving = True
        try:
            await self._stop()
        finally:
            self._leaving = False

    async def _stop(self) -> None:
        """Cancel and await what still runs, and stop the workers; they start again when they are needed."""
        if self._loop is not None and self._loop.is_closed():
            for lost in self._abandon_runs():
                self.reporter.run_finished(lost)
        current = asyncio.current_task()
        if any(run.is_running or current in run.handles() for run in self._runs):
            for run in self._runs:
                run.cancel()
            return  # a task of this engine: whoever awaited all runs in it would await itself
        cancelled = await self._end_runs()  # who ends may run something to clean up...
        self._refusing = True
        try:
            cancelled = await self._end_runs() or cancelled  # ...but what it leaves behind ends, and leaves nothing
        finally:
            self._refusing = False
        cancelled = await self._release() or cancelled
        self._workers.close()
        if len(self.templates.shelf):
            await self.aside(self.templates.shelf.flush)  # goes on to its end even if this is cancelled
        if cancelled is not None:
            raise cancelled

    async def _end_runs(self) -> asyncio.CancelledError | None:
        """Cancel and await the runs that there are now. Return what cancelled this meanwhile: they must end first."""
        cancelled: asyncio.CancelledError | None = None
        if self._runs:
            runs = self.runs
            ends = Ends(runs, self._running_loop())
            for run in runs:
                run.cancel()
            while not ends.done():
                try:
                    await asyncio.wait((ends,))
                except asyncio.CancelledError as error:
                    cancelled = error
        return cancelled

    # -------------------------------------------------------------------------------------------- the working loop

    def _turn(self) -> None:
        """One turn: advance the runs that are ready until the quantum is over, then see when to come back."""
        scheduler = self._scheduler
        self._turn_due = False
        try:
            scheduler.begin_turn()
            while (run := scheduler.advance()) is not None:
                self._decide(run)
        except Exception as error:
            self._give_up(error)
        finally:  # also when an interrupt from the keyboard ends the turn
            if scheduler.end_turn():
                self._turn_due = True
                self._loop.call_soon(self._turn, context=self._context)  # type: ignore[union-attr]
            elif len(self.clock) and not self.clock.is_virtual:
                self._set_alarm()

    def _decide(self, run: Any) -> None:
        """A run has ended, or must stop what it has started before it can end."""
        if not run.ended:
            for handle in run.handles():
                handle.cancel()
        elif run.baggage is not None and run.holds_resources:
            self.look_after(self._tear_down(run))
        else:
            self._end(run)

    async def _tear_down(self, run: Run) -> None:
        """A run has ended that has resources of its own: it is not done before they are torn down."""
        try:
            await run.release()
        finally:
            self._end(run)

    def _begin(self, run: Run, target: LazyResult) -> None:
        self._runs[run] = None
        if self.reporter.listens:
            self.reporter.run_started(run, target)
        run.begin()

    def _end(self, run: Run) -> None:
        self._runs.pop(run, None)
        run._finish()

    def _give_up(self, error: Exception) -> None:
        """The core itself has failed: no run may hang because of it."""
        failure = InternalError("the engine failed; this is a defect in Cascade: please report it")
        failure.__cause__ = error
        if not self._runs:
            self.report("the engine failed when no run was left to be told so", failure)
        for run in self.runs:
            run.abandon(failure)
            self._decide(run)

    def _set_alarm(self) -> None:
        """Come back when the first timer is due; the event loop of virtual time comes back by itself."""
        deadline: int = self.clock.next_deadline()
        if self._alarm is not None:
            if self._alarm_at <= deadline:
                return
            self._alarm.cancel()
        delay = max(0.0, self.clock.delay(deadline))
        self._alarm_at = deadline
        self._alarm = self._loop.call_later(delay, _ring, weakref.ref(self), context=self._context)  # type: ignore[union-attr]

    def _timer_set(self) -> None:
        """A timer was set, perhaps outside a turn, at whose end somebody looks."""
        if self._turn_due or self.clock.is_virtual or not len(self.clock):
            return
        if self._loop is not None and not self._loop.is_closed():
            self._set_alarm()

    def _ring(self) -> None:
        self._alarm = None
        if not self._turn_due:
            self._turn()

    def _wake(self) -> None:
        """A run has become ready while no turn was on its way. Called from any thread."""
        loop = self._loop
        if loop is None or loop.is_closed():
            return
        self._turn_due = True
        if threading.get_ident() == self._thread:
            loop.call_soon(self._turn, context=self._context)
        else:
            with suppress(RuntimeError):  # closed meanwhile
                loop.call_soon_threadsafe(self._turn, context=self._context)

    def take_turn(self) -> None:
        """Have a turn, in which virtual time passes if nobody is ready."""
        if not self._turn_due:
            self._wake()


def _ring(known: weakref.ref[Engine]) -> None:
    """The alarm of an engine, which its event loop is not to keep alive: see `Bound.__del__`."""
    engine = known()
    if engine is not None:
        engine._ring()


def run(
    target: LazyResult | list[Any] | tuple[Any, ...],
    *,
    params: Mapping[str, Any] | None = None,
    engine: Engine | None = None,
) -> Any:
    """Run a target in an event loop of its own and return its value.

    Args:
        target: a lazy result, or a list or tuple of them, whose value is the list of their values.
        params: values for the `Param`s of the target, by name.
        engine: the engine to use; None: one for this call, with templates that such calls share.

    Raises:
        BaseException: what a task raised, as itself, with a note that says which and where; an `ExceptionGroup` if
            several failed at once.
        TargetError: ``target`` is nothing of the kind.
        EngineStateError: an event loop is running in this thread already: ``await engine.run(target)`` there.

    >>> import cascade as cs
    >>> @cs.task(mode="inline")
    ... def add(a, b):
    ...     return a + b
    >>> cs.run(add(1, add(2, 3)))
    6
    """
    wanted = expression(target)
    if in_event_loop():
        raise EngineStateError(
            "an event loop is running in this thread: use `await engine.run(target)` instead of cs.run"
        )
    value: list[Any] = []
    with asyncio.Runner(loop_factory=None if engine is None else engine.new_loop) as runner:
        runner.run(_run(wanted, params, engine, value))
    return value[0]


def in_event_loop() -> bool:
    """Whether an event loop is running in this thread."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


async def _run(
    target: LazyResult, params: Mapping[str, Any] | None, engine: Engine | None, value: list[Any]
) -> None:
    # The value does not become the asyncio task's own: at its end asyncio writes out what the task looks like,
    # which may be large, or run the user's code.
    if engine is None:
        async with Engine(templates=default_templates) as own:
            value.append(await own.run(target, params=params))
        return
    try:
        value.append(await engine.run(target, params=params))
    finally:
        await engine._release()  # what is set up for the engine cannot outlive its event loop
