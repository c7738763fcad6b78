"""The engine: owns runs and gives them their turns on an asyncio event loop.

How it takes an event loop is in `cascade.engine.loop_driver`, and how it gives turns there in `cascade.engine.turns`.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import os
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal

from cascade._core.expr.lazy import LazyResult
from cascade._core.run.scheduler import Scheduler
from cascade._core.time.clock import Clock
from cascade._support.forks import renew_in_children
from cascade._support.public import public
from cascade.clock.timers import ClockTimers
from cascade.engine.callbacks import Launcher
from cascade.engine.interrupts import Interrupts
from cascade.engine.join import Ends, Joins
from cascade.engine.run import Run
from cascade.engine.turns import Turns
from cascade.exceptions import EngineClosedError, EngineStateError
from cascade.expressions.targets import expression
from cascade.templates.cache import Templates
from cascade.workers.workers import Workers

if TYPE_CHECKING:
    from cascade.durable.protocol import StateBackend
    from cascade.engine.as_completed import Completion
    from cascade.engine.population import Population, Restart
    from cascade.graph.solver import Solver
    from cascade.workers.protocol import Executor

__all__ = ["Engine", "default_templates", "in_event_loop", "run"]

Mode = Literal["auto", "inline", "thread", "process"]

_MODES = ("auto", "inline", "thread", "process")
_logger = logging.getLogger("cascade")

# What engines share that `cascade.run` makes: the second run of a script is warm.
default_templates = Templates()


@public
class Engine(Turns):
    """Runs targets: owns the runs, their turns, workers, clock and templates.

    Use it inside an event loop, with or without ``async with``, for any number of runs at once, and again in a later
    loop; but in one loop at a time, and so in one thread. Leaving ``async with`` cancels and awaits what still runs.
    Without it, runs that are left when their loop is closed are kept, and told so, until the engine is used or closed
    the next time. Hold it, or one of its runs, as long as they are to go on: an engine that nothing holds is freed
    together with its runs, and reports so.

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
        self._home: asyncio.AbstractEventLoop | None = None
        self._context = contextvars.Context()
        self._turn_due = False
        self._turn_handle: asyncio.Handle | None = None  # of the last turn that was asked for in the loop's thread
        self._alarm: asyncio.TimerHandle | None = None
        self._alarm_at = 0
        self._closed = False
        self._leaving = False  # at the end of `async with`, or of an event loop: nobody is started again
        self._refusing = False  # and nobody is started at all
        self._joins = Joins()
        self.clock.claim()  # last: an engine that could not be made has no clock
        renew_in_children(self)

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
            EngineStateError: no event loop is running; another one holds the engine, as it is running or has runs of
                it; or the engine is at the end of its `async with`, and ends its runs.
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
        from cascade.engine.population import start_many

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
        from cascade.engine.as_completed import Completion

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
        started = self.start(target, params=params)
        try:
            return await started
        except asyncio.CancelledError:
            started._return_messages()
            raise

    async def aclose(self) -> None:
        """Cancel and await what still runs, and stop the workers. Nothing can be started any more.

        Raises:
            EngineStateError: the engine is in use on another event loop; it stays open.
            BaseException: what a resource of the engine raised in its teardown. By then all else has ended.
        """
        self._come()
        self._closed = True
        await self._stop(None)

    async def __aenter__(self) -> Engine:
        if self._closed:
            raise EngineClosedError("the engine is closed")
        self._check_thread()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._come()
        self._leaving = True
        try:
            await self._stop(error)
        finally:
            self._leaving = False

    def _come(self) -> None:
        """Be on the event loop that is running in this thread, to end there; what was on one that is closed is lost."""
        home = self._home
        if home is None or home is asyncio.get_running_loop():
            return
        with self._lock:
            self._check_free(home)
            self._home = None
            self._silence()
        self._abandon(*self._leave_behind())

    async def _stop(self, failure: BaseException | None) -> None:
        """Cancel and await what still runs, and stop the workers; they start again when they are needed.

        Args:
            failure: what has ended the ``async with`` block.
        """
        current = asyncio.current_task()
        runs = self.runs
        if any(run.is_running or current in run.handles() for run in runs):
            for run in runs:
                run.cancel()
            return  # a task of this engine: whoever awaited all runs in it would await itself
        cancelled = await self._end_runs()  # who ends may run something to clean up...
        self._refusing = True
        try:
            cancelled = await self._end_runs() or cancelled  # ...but what it leaves behind ends, and leaves nothing
        finally:
            self._refusing = False
        interrupted, wrong = await self._release()
        cancelled = cancelled if interrupted is None else interrupted
        self._workers.close()
        if len(self.templates.shelf):
            await self.aside(self.templates.shelf.flush)  # goes on to its end even if this is cancelled
        if not self._runs:  # from here on, another event loop may take it, also while this one goes on
            self._home = None
            self._silence()
        self._tell_wrong(wrong, failure if cancelled is None else cancelled)
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
            if not self.clock.is_virtual:  # an interrupt may have come at the very beginning of the last turn
                self._running_loop().call_soon(self._turn, context=self._context)
            while not ends.done():
                try:
                    await asyncio.wait((ends,))
                except asyncio.CancelledError as error:
                    cancelled = error
        return cancelled


@public
def run(
    target: LazyResult | list[Any] | tuple[Any, ...],
    *,
    params: Mapping[str, Any] | None = None,
    engine: Engine | None = None,
) -> Any:
    """Run a target in an event loop of its own and return its value.

    Ctrl-C, in the main thread, cancels the run, and is raised once all of it has ended; the second time, at once.

    Args:
        target: a lazy result, or a list or tuple of them, whose value is the list of their values.
        params: values for the `Param`s of the target, by name.
        engine: the engine to use; None: one for this call, with templates that such calls share.

    Raises:
        BaseException: what a task raised, as itself, with a note that says which and where; an `ExceptionGroup` if
            several failed at once.
        TargetError: ``target`` is nothing of the kind.
        EngineStateError: an event loop is running in this thread already: ``await engine.run(target)`` there. Or
            another one holds the engine.

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
    failure: list[BaseException] = []
    with (
        Interrupts() as interrupts,
        asyncio.Runner(loop_factory=None if engine is None else engine.new_loop) as runner,
    ):
        runner.run(interrupts.watch(_run(wanted, params, engine, value, failure)))
    if failure:
        raise failure.pop()
    return value[0]


def in_event_loop() -> bool:
    """Whether an event loop is running in this thread."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


async def _run(
    target: LazyResult,
    params: Mapping[str, Any] | None,
    engine: Engine | None,
    value: list[Any],
    failure: list[BaseException],
) -> None:
    # Neither becomes the asyncio task's own: at its end asyncio writes out what the task looks like, which may be
    # large, or run the user's code.
    try:
        value.append(await _evaluate(target, params, engine))
    except (asyncio.CancelledError, KeyboardInterrupt, SystemExit):  # these are asyncio's to deal with
        raise
    except BaseException as error:
        failure.append(error)


async def _evaluate(target: LazyResult, params: Mapping[str, Any] | None, engine: Engine | None) -> Any:
    if engine is None:
        async with Engine(templates=default_templates) as own:
            return await own.run(target, params=params)
    engine._bind()
    try:
        value = await engine.run(target, params=params)
    except BaseException as error:
        engine._tell_wrong((await engine._release())[1], error)
        raise
    cancelled, wrong = await engine._release()  # what is set up for the engine cannot outlive its event loop
    engine._tell_wrong(wrong, cancelled)
    if cancelled is not None:
        raise cancelled
    return value
