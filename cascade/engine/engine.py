"""The engine: what users hold. It is composed of a loop driver and services, and shows neither.

How it takes an event loop is in `cascade.engine.loop_binding`, and how it gives runs their turns there in
`cascade.engine.loop_driver`.
"""

from __future__ import annotations

import asyncio
import contextvars
import os
import random
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal

from cascade._core.expr.lazy import LazyResult
from cascade._core.run.scheduler import Scheduler
from cascade._core.time.clock import Clock
from cascade._support.forks import renew_in_children
from cascade._support.public import public
from cascade.engine.callbacks import Callbacks
from cascade.engine.loop_driver import LoopDriver
from cascade.engine.run import Run
from cascade.engine.services import Services, check_state_backend
from cascade.exceptions import EngineClosedError
from cascade.expressions.targets import expression
from cascade.templates.cache import Templates
from cascade.workers.workers import Workers

if TYPE_CHECKING:
    from cascade.durable.protocol import StateBackend
    from cascade.engine.as_completed import AsCompleted
    from cascade.engine.population import Population, Restart
    from cascade.events import Events
    from cascade.graph.solver import Solver
    from cascade.limits import Limits
    from cascade.resources.registry import Registry
    from cascade.workers.protocol import Executor

__all__ = ["Engine", "Mode"]

Mode = Literal["auto", "inline", "thread", "process"]

_MODES = ("auto", "inline", "thread", "process")


@public
class Engine:
    """Runs targets: owns the runs, their turns, workers, clock and templates.

    Use it inside an event loop, with or without ``async with``, for any number of runs at once, and again in a later
    loop; but in one loop at a time, and so in one thread. Leaving ``async with`` cancels and awaits what still runs.
    Without it, if the loop closes under runs that have not ended, they fail with `EngineStateError` the next time the
    engine is used or closed. Hold the engine, or one of its runs, as long as they are to go on: an engine that nothing
    holds is freed together with its runs, and reports so.

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
        random: the source of the jitter of retries, from which users may draw too. Seeded by ``seed``, else by a
            virtual clock.

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
        check_state_backend(state)
        self.templates = Templates(solver=solver) if templates is None else templates
        self.clock = Clock.real() if clock is None else clock
        driver = LoopDriver(self.clock, self.templates)
        callbacks = Callbacks(driver)
        driver.scheduler = Scheduler(self.templates, self.clock, callbacks, default_mode, quantum)
        driver.workers = Workers(max_threads, max_processes, callbacks.demoted, executors)
        seed = self.clock.seed if seed is None else seed
        services = Services(driver, driver.configure, seed, state, limits)
        self.clock.claim()  # last of what may fail: an engine that could not be made has no clock
        driver.services = services
        self._driver = driver
        renew_in_children(driver)

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
        self._driver.bind()
        started = Run(self._driver, wanted, contextvars.copy_context(), params)
        self._driver.begin(started, wanted)
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

        return start_many(self._driver, targets, params, on_failure)

    def as_completed(self, runs: Population | Iterable[Run]) -> AsCompleted:
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
        from cascade.engine.as_completed import AsCompleted

        return AsCompleted(self._driver, runs)

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
        self._driver.come()
        self._driver.closed = True
        await self._stop(None)

    async def __aenter__(self) -> Engine:
        if self._driver.closed:
            raise EngineClosedError("the engine is closed")
        self._driver.check_thread()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._driver.come()
        self._driver.leaving = True
        try:
            await self._stop(error)
        finally:
            self._driver.leaving = False

    @property
    def runs(self) -> tuple[Run, ...]:
        """The runs that have not ended."""
        return self._driver.runs

    @property
    def random(self) -> random.Random:
        """The source of the jitter of retries; see ``seed``."""
        return self._driver.services.random

    @property
    def events(self) -> Events:
        """Where to subscribe to what happens."""
        return self._driver.services.emitter.events

    @property
    def limits(self) -> Limits:
        """How much may run at once, and how often: rules and pauses, which can be changed at any time."""
        return self._driver.services.limits

    @property
    def resources(self) -> Registry:
        """The resources that tasks can ask for."""
        return self._driver.services.resources

    def register(self, provider: Any, name: str | None = None) -> None:
        """Make a resource known, which tasks get by its name.

        Args:
            provider: what `cascade.resource` made of a generator function; a `Connector`; or any value.
            name: what to call it; None: as the function is called.

        Raises:
            TypeError: it has no name, or cannot be a resource.
        """
        self.resources.register(provider, name)

    def override(self, name: str, provider: Any) -> AbstractContextManager[None]:
        """Have another resource stand in for one, as long as the context lasts.

        Args:
            name: of a resource that is registered.
            provider: as `register` takes it.

        Raises:
            ResourceError: no resource of that name is registered.
        """
        return self.resources.override(name, provider)

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
        from cascade.clock.virtual_loop import VirtualLoop

        return VirtualLoop(self.clock)

    async def _stop(self, failure: BaseException | None) -> None:
        """Cancel and await what still runs, and stop the workers; they start again when they are needed.

        Args:
            failure: what has ended the ``async with`` block.
        """
        driver = self._driver
        current = asyncio.current_task()
        runs = driver.runs
        if any(run._is_running or current in run._handles() for run in runs):
            for run in runs:
                run.cancel()
            return  # a task of this engine: whatever awaited all runs in it would await itself
        cancelled = await driver.end_runs()  # a run that ends may start one to clean up...
        driver.refusing = True
        try:
            cancelled = await driver.end_runs() or cancelled  # ...which ends too, and starts none
        finally:
            driver.refusing = False
        interrupted, wrong = await driver.release()
        cancelled = cancelled if interrupted is None else interrupted
        driver.workers.close()
        if len(self.templates.files):
            await driver.call_in_thread(self.templates.files.flush)  # goes on to its end even if this is cancelled
        driver.let_go()
        driver.raise_or_report(wrong, failure if cancelled is None else cancelled)
        if cancelled is not None:
            raise cancelled
