"""The engine: the object that users hold. It is composed of a loop driver and services, and exposes neither.

How it takes an event loop is in `cascade.engine.loop_binding`, and how it gives runs their turns there in
`cascade.engine.loop_driver`.
"""

from __future__ import annotations

import asyncio
import contextvars
import os
import random
import weakref
from asyncio.events import _get_running_loop
from collections.abc import AsyncIterable, Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, ParamSpec, TypeVar, Unpack, overload

from cascade._core.expr.debug import is_active
from cascade._core.expr.lazy import LazyResult, start_debugging
from cascade._core.run.current import forget_call
from cascade._core.run.scheduler import Scheduler
from cascade._core.time.clock import Clock
from cascade._core.time.durations import Duration
from cascade._core.tracebacks import hide_frames
from cascade._support.boundary import boundary
from cascade._support.forks import reset_in_children
from cascade._support.not_copied import NotCopied
from cascade._support.notebooks import HTML, PLAIN, bundle, table
from cascade._support.public import public
from cascade.engine import awaiting  # noqa: F401 - lazy results can be awaited
from cascade.engine.bounds import Bounds, check_iterations
from cascade.engine.callbacks import Callbacks
from cascade.engine.join import closed_at_end
from cascade.engine.loop_binding import NO_LOOP
from cascade.engine.loop_driver import LoopDriver
from cascade.engine.run import Run
from cascade.engine.run_label import run_label
from cascade.engine.services import Services, check_state_backend
from cascade.exceptions import EngineStateError
from cascade.expressions.targets import expression
from cascade.templates.cache import Templates
from cascade.workers.workers import Workers

if TYPE_CHECKING:
    from concurrent.futures import Future

    from cascade._core.run.mailbox import Mailbox
    from cascade._support.notebooks import Types
    from cascade.durable.protocol import StateBackend
    from cascade.engine.as_completed import AsCompleted
    from cascade.engine.bounds import RunOptions, SharedOptions
    from cascade.engine.population import Population
    from cascade.engine.restart import Restart
    from cascade.events import Event, Events
    from cascade.expressions.targets import C, DictOf, ListOf
    from cascade.graph.solver import Solver
    from cascade.limits import Limits
    from cascade.resources.registry import Registry
    from cascade.workers.protocol import Executor

__all__ = ["Engine", "Mode"]

K = TypeVar("K")
P = ParamSpec("P")
R = TypeVar("R")

Mode = Literal["auto", "inline", "thread", "process"]

_SHOWN = 20  # runs that a notebook shows
_MODES = ("auto", "inline", "thread", "process")


@public
class Engine(NotCopied):
    """Runs targets: owns the runs, their turns, workers, clock and templates.

    Use it inside an event loop, with or without ``async with``, for any number of runs at once, and again in a later
    loop; but in one loop at a time, and so in one thread. Leaving ``async with`` cancels and awaits what still runs.
    Without it, if the loop closes under runs that have not ended, they fail with `EngineStateError` the next time the
    engine is used or closed. Keep a reference to the engine, or to one of its runs, while runs are pending: an
    unreferenced engine is freed together with its runs, and logs that.

    Args:
        quantum: seconds for which ready runs may occupy the event loop before other callbacks get their turn; 0: the
            loop gets a turn after every tail call.
        default_mode: the mode of sync tasks that name none: "auto", "inline", "thread" or "process".
        max_threads: how many worker threads, >= 1; None: the default of `concurrent.futures.ThreadPoolExecutor`.
        max_processes: how many worker processes, >= 1; None: one for each processor.
        templates: the cache of templates: a `Templates`, or the path of a template file; None: a new one in memory.
        solver: plans each graph; None: the native solver. Must be None if ``templates`` is given: they have a solver.
        limits: what calls can ask for with `LazyResult.with_constraints`, by name: the capacity of a limit as a number,
            or a rate as a str: "90_000/m".
        seed: seeds `random`; None: the seed of a virtual clock, else an arbitrary one.
        executors: replacements of the engine's own workers, by mode: "thread", "process", or both.
        state: the state backend, which records each tail call; None: none.
        clock: made by `Clock.real` or `Clock.virtual`; None: a new real clock.
        max_iterations: how many tail calls each of its runs may make, >= 0; None: as many as it likes.
        debug: True: switch debug mode on for the process, as the environment variable ``CASCADE_DEBUG=1`` does.

    Attributes:
        templates: the cache of templates.
        clock: the time in which its runs wait.
        random: the random source of the jitter of retries; users may draw from it too.

    Raises:
        ValueError, TypeError: an argument has the wrong value or type; the message names it.

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

    @boundary
    def __init__(
        self,
        *,
        quantum: float = 0.001,
        default_mode: Mode = "auto",
        max_threads: int | None = None,
        max_processes: int | None = None,
        templates: Templates | str | os.PathLike[str] | None = None,
        solver: Solver | None = None,
        limits: Mapping[str, float | str] | None = None,
        seed: int | None = None,
        executors: Mapping[str, Executor] | None = None,
        state: StateBackend | None = None,
        clock: Clock | None = None,
        max_iterations: int | None = None,
        debug: bool = False,
    ) -> None:
        check_iterations(max_iterations)
        if clock is not None and not isinstance(clock, Clock):
            raise TypeError(f"clock must be a `Clock`, got `{type(clock).__name__}`")
        if default_mode not in _MODES:
            raise ValueError(f"default_mode must be 'auto', 'inline', 'thread' or 'process', got {default_mode!r}")
        if templates is not None and solver is not None:
            raise ValueError("solver must be None if templates are given: pass the solver to `Templates` instead")
        if limits is not None and not isinstance(limits, Mapping):
            raise TypeError(f"limits must be a mapping from names to capacities, got `{type(limits).__name__}`")
        if executors is not None and not isinstance(executors, Mapping):
            raise TypeError(f"executors must be a mapping from modes to executors, got `{type(executors).__name__}`")
        if seed is not None and type(seed) is not int:
            raise TypeError(f"seed must be None or an int, got `{type(seed).__name__}`")
        if type(debug) is not bool:
            raise TypeError(f"debug must be a bool, got `{type(debug).__name__}`")
        if isinstance(templates, (str, os.PathLike)):
            templates = Templates(templates)
        if templates is not None and not isinstance(templates, Templates):
            raise TypeError(f"templates must be a `Templates`, a path or None, got `{type(templates).__name__}`")
        check_state_backend(state)
        self.templates = Templates(solver=solver) if templates is None else templates
        self.clock = Clock.real() if clock is None else clock
        driver = LoopDriver(self.clock, self.templates)
        callbacks = Callbacks(driver)
        driver.scheduler = Scheduler(self.templates, self.clock, callbacks, default_mode, quantum)
        driver.workers = Workers(max_threads, max_processes, callbacks.demoted, executors)
        seed = self.clock.seed if seed is None else seed
        services = Services(driver, driver.configure, seed, state, limits)
        self.clock.claim()  # the last step that may fail: a failed constructor must not keep the clock
        driver.services = services
        if debug and not is_active():
            start_debugging()
        if is_active():
            driver.scheduler.debugging = True
            services.refresh()
        self._driver = driver
        driver.max_iterations = max_iterations
        driver.engine = weakref.ref(self)
        reset_in_children(driver)

    @classmethod
    def _of(cls, driver: Any) -> Engine:
        """Return the engine of a loop driver: the object that the user made, unless that is gone."""
        known: Engine | None = driver.engine()
        if known is None:
            known = cls.__new__(cls)
            known.templates, known.clock, known._driver = driver.templates, driver.clock, driver
            driver.engine = weakref.ref(known)
        return known

    # ------------------------------------------------------------------------------------------------ for users

    @overload
    def start(self, target: LazyResult[R], **options: Unpack[RunOptions]) -> Run[R]: ...
    @overload
    def start(self, target: C, **options: Unpack[RunOptions]) -> Run[C]: ...
    @overload
    def start(self, target: tuple[LazyResult[R], ...], **options: Unpack[RunOptions]) -> Run[tuple[R, ...]]: ...
    @overload
    def start(self, target: ListOf[R], **options: Unpack[RunOptions]) -> Run[list[R]]: ...
    @overload
    def start(self, target: DictOf[K, R], **options: Unpack[RunOptions]) -> Run[dict[K, R]]: ...
    @overload
    def start(self, target: R, **options: Unpack[RunOptions]) -> Run[R]: ...
    def start(
        self,
        target: Any,
        *,
        params: Mapping[str, Any] | None = None,
        max_iterations: int | None = None,
        deadline: Duration | None = None,
        name: str | None = None,
        tags: Mapping[str, str] | None = None,
        closes: Mailbox | Iterable[Mailbox] | None = None,
    ) -> Run[Any]:
        """Start a run of a target and return at once.

        Args:
            target: a lazy result, a container of lazy results, or any value, which is its own value.
            params: values for each `Param` of the target, by name.
            max_iterations: how many tail calls the run may make, >= 0; None: those of the engine.
            deadline: seconds on the engine's clock within which the run must have its value; None: no deadline.
            name: `Run.name`, of your choice; it need not be unique.
            tags: `Run.tags`, a mapping of str to str.
            closes: a channel that belongs to the run, or several: they are closed when it ends. If it fails or is
                cancelled, who finds one of them closed gets a `ChannelClosedError` whose cause that is.

        Returns:
            The `Run`: await it for the value. If it reaches a bound, it fails with `RunLimitError` or
            `RunDeadlineError`.

        Raises:
            TargetError: ``target`` is not a target.
            TypeError: another argument has a wrong type.
            EngineClosedError: the engine was closed.
            EngineStateError: no event loop is running; or the engine is in use on another event loop, which is running
                or has runs that have not ended; or the engine is leaving its `async with` block.

        >>> import asyncio, cascade as cs
        >>> @cs.task
        ... def add(a, b):
        ...     return a + b
        >>> async def main():
        ...     async with cs.Engine() as engine:
        ...         run = engine.start([add(1, 2), add(3, 4)])
        ...         return run.done(), await run
        >>> asyncio.run(main())
        (False, [3, 7])
        """
        try:
            wanted = expression(target)
            label = run_label(name, tags)
            channels = closed_at_end(closes)
            bounds = Bounds(self._driver.max_iterations if max_iterations is None else max_iterations, deadline)
            self._driver.bind()
            started: Run[Any] = Run(self._driver, wanted, forget_call(contextvars.copy_context()), params, label)
            if channels is not None:
                started._add_done_callback((channels,))
            self._driver.begin(started, wanted, bounds)
            return started
        except BaseException as error:
            hide_frames(error)
            raise

    @overload
    def start_many(
        self,
        targets: Iterable[LazyResult[R]],
        *,
        params: Mapping[str, Any] | None = None,
        on_failure: Literal["leave", "stop"] | Restart = "leave",
        max_iterations: int | None = None,
        deadline: Duration | None = None,
        name: str | None = None,
        tags: Mapping[str, str] | None = None,
        concurrency: int | None = None,
        closes: Mailbox | Iterable[Mailbox] | None = None,
    ) -> Population[R]: ...
    @overload
    def start_many(
        self,
        targets: Iterable[R],
        *,
        params: Mapping[str, Any] | None = None,
        on_failure: Literal["leave", "stop"] | Restart = "leave",
        max_iterations: int | None = None,
        deadline: Duration | None = None,
        name: str | None = None,
        tags: Mapping[str, str] | None = None,
        concurrency: int | None = None,
        closes: Mailbox | Iterable[Mailbox] | None = None,
    ) -> Population[R]: ...
    @boundary
    def start_many(
        self,
        targets: Iterable[Any],
        *,
        params: Mapping[str, Any] | None = None,
        on_failure: Literal["leave", "stop"] | Restart = "leave",
        max_iterations: int | None = None,
        deadline: Duration | None = None,
        name: str | None = None,
        tags: Mapping[str, str] | None = None,
        concurrency: int | None = None,
        closes: Mailbox | Iterable[Mailbox] | None = None,
    ) -> Population[Any]:
        """Start a run of each of many targets, all at once, and return.

        Args:
            targets: each as `start` takes it.
            params: values for each `Param` of all targets, by name.
            on_failure: what happens when a member fails. "leave": the other members go on; "stop": they are cancelled;
                `Restart`: they go on, and the failed member is started again.
            max_iterations: how many tail calls each run may make, >= 0; None: those of the engine.
            deadline: seconds from the start of each run, on the engine's clock; None: no deadline.
            name: `Run.name` of all members.
            tags: `Run.tags` of all members.
            concurrency: how many members are at work at once, >= 1: the others are held, in order, until one has ended.
                None: all are.
            closes: a channel that belongs to the population, or several: they are closed when all members have ended.
                If members have failed, who finds one of them closed gets a `ChannelClosedError` whose cause is the
                first failure.

        Returns:
            The `Population`: await it for the end of all.

        Raises:
            TargetError: one of ``targets`` is not a target; nothing was started.
            PolicyError: ``on_failure`` or ``concurrency`` has another value.
            TypeError: ``closes`` is no channel.
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

        bounds = Bounds(self._driver.max_iterations if max_iterations is None else max_iterations, deadline)
        label = run_label(name, tags)
        return start_many(self._driver, targets, params, on_failure, bounds, label, concurrency, closes)

    @overload
    def as_completed(self, runs: Population[R] | Iterable[Run[R]]) -> AsCompleted[R]: ...
    @overload
    def as_completed(
        self,
        runs: Iterable[LazyResult[R]] | AsyncIterable[LazyResult[R]],
        *,
        concurrency: int | None = None,
        **options: Unpack[SharedOptions],
    ) -> AsCompleted[R]: ...
    @overload
    def as_completed(
        self,
        runs: Iterable[R] | AsyncIterable[R],
        *,
        concurrency: int | None = None,
        **options: Unpack[SharedOptions],
    ) -> AsCompleted[R]: ...
    @boundary
    def as_completed(
        self,
        runs: Any,
        *,
        params: Mapping[str, Any] | None = None,
        max_iterations: int | None = None,
        deadline: Duration | None = None,
        name: str | None = None,
        tags: Mapping[str, str] | None = None,
        concurrency: int | None = None,
    ) -> AsCompleted[Any]:
        """Iterate over runs in the order in which they end: ``async for run in engine.as_completed(runs)``.

        Args:
            runs: a population: of each member, the last run is yielded; an iterable of runs: each is yielded once; or
                an iterable or async iterable of targets, each as `start` takes it and with a lazy result: a run of each
                is started, as there is room, and yielded.
            concurrency: of targets, how many runs are started and not yet yielded, at most; >= 1. None: 1,024.
            params: of targets, values for the `Param`s of all of them, by name.
            max_iterations: of targets, how many tail calls each run may make, >= 0; None: those of the engine.
            deadline: of targets, seconds from the start of each run, on the engine's clock; None: no deadline.
            name: of targets, `Run.name` of all their runs.
            tags: of targets, `Run.tags` of all their runs.

        Returns:
            An asynchronous iterator of `Run`. Runs that have ended already come first, in the order of ``runs``.
            Cancelling a task that awaits the next run does not affect the runs. Breaking off the iteration does not
            affect those that were given; those of targets are cancelled, and no more are started. If the iterable of
            targets fails, its exception is raised once all runs that it has given were yielded.

        Raises:
            TypeError: ``runs`` is none of these, or one of its items is not a run or a target as the others are; or
                runs are given what is for targets.
            PolicyError: ``concurrency`` has another value.
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
        from cascade.engine.as_completed import as_completed

        options: SharedOptions = {
            "params": params,
            "max_iterations": max_iterations,
            "deadline": deadline,
            "name": name,
            "tags": tags,
        }
        return as_completed(self._driver, runs, self.start, options, concurrency)

    @overload
    async def run(self, target: LazyResult[R], **options: Unpack[RunOptions]) -> R: ...
    @overload
    async def run(self, target: C, **options: Unpack[RunOptions]) -> C: ...
    @overload
    async def run(self, target: tuple[LazyResult[R], ...], **options: Unpack[RunOptions]) -> tuple[R, ...]: ...
    @overload
    async def run(self, target: ListOf[R], **options: Unpack[RunOptions]) -> list[R]: ...
    @overload
    async def run(self, target: DictOf[K, R], **options: Unpack[RunOptions]) -> dict[K, R]: ...
    @overload
    async def run(self, target: R, **options: Unpack[RunOptions]) -> R: ...
    async def run(
        self,
        target: Any,
        *,
        params: Mapping[str, Any] | None = None,
        max_iterations: int | None = None,
        deadline: Duration | None = None,
        name: str | None = None,
        tags: Mapping[str, str] | None = None,
        closes: Mailbox | Iterable[Mailbox] | None = None,
    ) -> Any:
        """Run a target and return its value.

        Args:
            target: a lazy result, a container of lazy results, or any value, which is its own value.
            params: values for each `Param` of the target, by name.
            max_iterations: how many tail calls the run may make, >= 0; None: those of the engine.
            deadline: seconds on the engine's clock within which the run must have its value; None: no deadline.
            name: `Run.name`, of your choice; it need not be unique.
            tags: `Run.tags`, a mapping of str to str.
            closes: channels that are closed when the run ends; see `start`.

        Returns:
            The value of the target.

        Raises:
            BaseException: the exception of a task, itself, with a note that names the task and its place; an
                `ExceptionGroup` if several tasks failed at once. By then no task of the run is running.
            RunLimitError, RunDeadlineError: the run has reached a bound.
            TargetError, EngineClosedError, EngineStateError: as `start` does.
        """
        try:
            started = self.start(
                target,
                params=params,
                max_iterations=max_iterations,
                deadline=deadline,
                name=name,
                tags=tags,
                closes=closes,
            )
            return await started._join(returns_messages=True)
        except BaseException as error:
            hide_frames(error)
            raise

    @overload
    def submit(self, target: LazyResult[R], **options: Unpack[RunOptions]) -> Future[R]: ...
    @overload
    def submit(self, target: C, **options: Unpack[RunOptions]) -> Future[C]: ...
    @overload
    def submit(self, target: tuple[LazyResult[R], ...], **options: Unpack[RunOptions]) -> Future[tuple[R, ...]]: ...
    @overload
    def submit(self, target: ListOf[R], **options: Unpack[RunOptions]) -> Future[list[R]]: ...
    @overload
    def submit(self, target: DictOf[K, R], **options: Unpack[RunOptions]) -> Future[dict[K, R]]: ...
    @overload
    def submit(self, target: R, **options: Unpack[RunOptions]) -> Future[R]: ...
    @boundary
    def submit(self, target: Any, **options: Unpack[RunOptions]) -> Future[Any]:
        """Run a target on the event loop that holds the engine, from another thread. The safe way in from there.

        The engine must be in use on a running event loop, as it is in an ``async with`` block and while it has runs.

        Args:
            target: as `run` takes it.
            options: as `run` takes them.

        Returns:
            A `concurrent.futures.Future` of the value. Cancelling it cancels the run. It is cancelled if the event loop
            is closed before the run has ended, and has an `EngineStateError` if the engine was left before the run
            could start.

        Raises:
            TargetError: ``target`` is not a target.
            EngineStateError: no running event loop holds the engine; or it is that of this thread, which would wait for
                itself.
            EngineClosedError: the engine was closed.

        >>> import asyncio, cascade as cs
        >>> @cs.task(mode="inline")
        ... def add(a, b):
        ...     return a + b
        >>> async def main():
        ...     async with cs.Engine() as engine:
        ...         return await asyncio.to_thread(lambda: engine.submit(add(1, 2)).result())
        >>> asyncio.run(main())
        3
        """
        expression(target)
        if self._driver.closed:
            raise self._driver.closed_error()
        loop = self._driver.loop_elsewhere()
        self.run(target, **options).close()  # wrong options are an error here
        work = self._run_submitted(target, options)
        try:
            return asyncio.run_coroutine_threadsafe(work, loop)
        except RuntimeError:  # it was closed meanwhile
            work.close()
            raise EngineStateError(NO_LOOP.format("engine.submit()")) from None

    @boundary
    def call_threadsafe(self, function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Future[R]:
        """Call a function in the thread of the event loop that holds the engine, from any thread.

        For what only that thread may use, such as `limits`. The call is made between two turns of the runs; in that
        thread itself, it is made at once.

        Args:
            function: called with ``args`` and ``kwargs``. It must not block: the event loop waits for it.
            args: its positional arguments.
            kwargs: its arguments by name.

        Returns:
            A `concurrent.futures.Future` of what it returns or raises. It is cancelled if the event loop is closed
            before the call is made. Code on the event loop must not wait for it.

        Raises:
            TypeError: ``function`` cannot be called.
            EngineStateError: no running event loop holds the engine.

        >>> import asyncio, cascade as cs
        >>> @cs.task(mode="thread")
        ... def watch():
        ...     engine = cs.current().engine
        ...     engine.call_threadsafe(engine.limits.pause, "task:fetch", ttl=30).result()
        ...     return engine.call_threadsafe(repr, engine.limits).result()
        >>> cs.run(watch())
        '<Limits: 1 rule, 0 waiting>'
        """
        if not callable(function):
            raise TypeError(f"function must be callable, got `{type(function).__name__}`")
        return self._driver.call_threadsafe(partial(function, *args, **kwargs))

    @boundary
    async def _run_submitted(self, target: Any, options: RunOptions) -> Any:
        """Run a target of `submit`, unless the engine was left since: then it must not take the event loop again."""
        if not self._driver.closed and not self._driver.is_held():
            raise EngineStateError("the engine was left before the run that was submitted could start")
        return await self.run(target, **options)

    @boundary
    async def join(self) -> None:
        """Wait until no run is left: until all have ended, also those that are started meanwhile.

        The failure of a run is raised where that is awaited, and not here. Cancelling this does not affect the runs.

        Raises:
            EngineStateError: the engine is in use on another event loop; or one of the runs awaits this itself.

        >>> import asyncio, cascade as cs
        >>> async def main():
        ...     async with cs.Engine() as engine:
        ...         run = engine.start(cs.wait(0.01))
        ...         await engine.join()
        ...         return run.done()
        >>> asyncio.run(main())
        True
        """
        self._driver.check_thread()
        await self._driver.join()

    @boundary
    async def drain(self) -> None:
        """Start no more runs, wait for those that have not ended, and close the engine.

        Failed members of populations are not started again. If this is cancelled, the engine still refuses runs: close
        it, or drain it once more. ``await asyncio.wait_for(engine.drain(), 30)`` gives the runs half a minute; then
        `aclose` cancels what is left.

        Raises:
            EngineStateError: as `join` does; then the engine is as before.
            BaseException: as `aclose` does.

        >>> import asyncio, cascade as cs
        >>> async def main():
        ...     engine = cs.Engine()
        ...     run = engine.start(cs.wait(0.01))
        ...     await engine.drain()
        ...     return run.state
        >>> asyncio.run(main())
        'done'
        """
        self._driver.check_thread()
        before, self._driver.closed = self._driver.closed, True
        try:
            await self._driver.join()
        except EngineStateError:
            self._driver.closed = before
            raise
        await self.aclose()

    @boundary
    def close(self) -> None:
        """Do what `aclose` does, where no event loop is running: in a program that uses `cascade.run`.

        Raises:
            EngineStateError: an event loop is running in this thread; or the engine is in use in another one.
            BaseException: as `aclose` does.

        >>> import cascade as cs
        >>> engine = cs.Engine()
        >>> cs.run(cs.wait(0), engine=engine) >= 0
        True
        >>> engine.close()
        >>> cs.run(cs.wait(0), engine=engine)
        Traceback (most recent call last):
            ...
        cascade.EngineClosedError: the engine is closed
        """
        if _get_running_loop() is not None:
            raise EngineStateError(
                "engine.close() must be called where no event loop is running: `await aclose()` here"
            )
        with asyncio.Runner(loop_factory=self.new_loop) as runner:
            runner.run(self.aclose())

    @boundary
    async def aclose(self) -> None:
        """Cancel and await the runs that have not ended, and stop the workers. No run can be started afterwards.

        Raises:
            EngineStateError: the engine is in use on another event loop; it stays open.
            BaseException: the exception of a teardown of an engine resource. By then everything else has ended.
        """
        with self._driver.shutting_down():
            self._driver.closed = True
            await self._stop(None)

    @boundary
    async def __aenter__(self) -> Engine:
        self._driver.bind()
        return self

    @boundary
    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with self._driver.shutting_down():
            await self._stop(error)

    @property
    def runs(self) -> tuple[Run, ...]:
        """The runs that have not ended."""
        return self._driver.runs

    @property
    def random(self) -> random.Random:
        """The random source of the jitter of retries, seeded by ``seed``."""
        return self._driver.services.random

    @property
    def events(self) -> Events:
        """The event bus, for subscribers."""
        return self._driver.services.emitter.events

    @boundary
    def emit(self, event: Event) -> None:
        """Emit an event of your own that belongs to no run; `cascade.emit` is for tasks. May be called from any thread.

        If nothing subscribes to its class, this does nothing.

        Args:
            event: of a subclass of `cascade.events.Event` that you have defined. Subscribers get a copy with time,
                timestamp and process.

        Raises:
            TypeError: ``event`` is no event, or one of the engine's own classes.
        """
        from cascade.events.event import check_own_event

        check_own_event(event)
        emitter = self._driver.services.emitter
        if emitter.emits(type(event)):
            emitter.emit_own(event, None, 0)

    @property
    def limits(self) -> Limits:
        """How many calls run at once, and how often they start: rules and pauses, which can be changed at any time."""
        return self._driver.services.limits

    @property
    def resources(self) -> Registry:
        """The resources that tasks can ask for."""
        return self._driver.services.resources

    @boundary
    def register(self, provider: Any, name: str | None = None) -> None:
        """Register a resource, which tasks get by its name.

        Args:
            provider: a function decorated with `cascade.resource`; a `Connector`; or any other object, the value.
            name: the name; None: that of the function.

        Raises:
            TypeError: there is no name, or ``provider`` cannot be a resource.

        >>> import cascade as cs
        >>> engine = cs.Engine()
        >>> engine.register("db.example", "host")
        >>> @cs.task
        ... def address(path, host=cs.Inject("host")):
        ...     return f"https://{host}/{path}"
        >>> cs.run(address("users"), engine=engine)
        'https://db.example/users'
        """
        self.resources.register(provider, name)

    @boundary
    def override(self, name: str, provider: Any) -> AbstractContextManager[None]:
        """Replace a resource while a `with` block lasts; see also `cascade.testing.override`.

        Args:
            name: the name of a registered resource.
            provider: the replacement, as `register` takes it.

        Returns:
            A context manager.

        Raises:
            ResourceError: no resource of that name is registered.
            TypeError: ``provider`` cannot be a resource.
        """
        return self.resources.override(name, provider)

    def __repr__(self) -> str:
        count = len(self.runs)
        runs = f"{count:,} run{'' if count == 1 else 's'}"
        if self._driver.closed:
            runs = f"closing, {runs}" if count else "closed"
        return f"<Engine: {runs}, {self.clock}>"

    def _repr_mimebundle_(self, include: Types = None, exclude: Types = None) -> dict[str, str]:
        """What a notebook shows: a table of its runs that have not ended."""
        return bundle({PLAIN: self.__repr__, HTML: lambda: table(self._rows())}, include, exclude)

    def _rows(self) -> Iterator[tuple[str, object]]:
        runs = self.runs
        yield "clock", self.clock
        yield "runs", "closed" if self._driver.closed else f"{len(runs):,}"
        yield from ((f"run {run.id}", run) for run in runs[:_SHOWN])

    @boundary
    def new_loop(self) -> asyncio.AbstractEventLoop:
        """Make an event loop on the engine's clock, on which plain asyncio code can run beside its runs.

        Returns:
            A `VirtualLoop` if the clock is virtual, else the result of `asyncio.new_event_loop`.

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
        """Cancel and await the runs that have not ended, and stop the workers, which start again when needed.

        Args:
            failure: the exception that has ended the ``async with`` block; None: there is none.
        """
        driver = self._driver
        current = asyncio.current_task()
        runs = driver.runs
        if any(run._is_running or current in run._handles() for run in runs):
            for run in runs:
                run.cancel()
            return  # called by a task of this engine: to await all runs here would be to await itself
        cancelled = await driver.end_runs()  # a run may start another one for its cleanup...
        driver.refuses_runs = True
        try:
            # ...which is cancelled too, and cannot start a third one: else this might never end.
            cancelled = await driver.end_runs() or cancelled
            driver.refuses_runs = False  # the teardown of a resource may run something
            interrupted, wrong = await driver.release()
            cancelled = cancelled if interrupted is None else interrupted
            driver.refuses_runs = True
            # What was started meanwhile, by whatever code, would still be there when the engine was left; and so would
            # its resources, if it has ended already.
            cancelled = await driver.end_runs() or cancelled
            interrupted, again = await driver.release()
            cancelled, wrong = interrupted or cancelled, wrong or again
            interrupted = await driver.close_workers()
            cancelled = cancelled if interrupted is None else interrupted
            if len(self.templates.files):
                await driver.call_in_thread(self.templates.files.flush)  # the thread finishes even if this is cancelled
            driver.refuses_runs = False  # first: other threads are told that it is in use, or may have it
            driver.detach()
        finally:
            driver.refuses_runs = False
        driver.raise_or_report(wrong, failure if cancelled is None else cancelled)
        if cancelled is not None:
            raise cancelled
