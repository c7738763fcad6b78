"""`cascade.run` and `cascade.arun`: evaluate a target in a new event loop, and inside a running one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Mapping
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, TypeVar, Unpack, overload

from cascade._core.expr.lazy import LazyResult
from cascade._core.time.clock import Clock
from cascade._core.time.durations import Duration
from cascade._support.public import public
from cascade.engine.engine import Engine
from cascade.engine.interrupts import Interrupts, awake_in_kernels
from cascade.exceptions import EngineStateError
from cascade.expressions.targets import expression
from cascade.templates.cache import default_templates

if TYPE_CHECKING:
    from cascade._core.run.mailbox import Mailbox
    from cascade.engine.bounds import RunOptions
    from cascade.engine.run import Run
    from cascade.expressions.targets import C, DictOf, ListOf

__all__ = ["arun", "in_event_loop", "run", "run_in_new_loop"]


K = TypeVar("K")
R = TypeVar("R")


@overload
def run(target: LazyResult[R], *, engine: Engine | None = ..., **options: Unpack[RunOptions]) -> R: ...
@overload
def run(target: C, *, engine: Engine | None = ..., **options: Unpack[RunOptions]) -> C: ...
@overload
def run(
    target: tuple[LazyResult[R], ...], *, engine: Engine | None = ..., **options: Unpack[RunOptions]
) -> tuple[R, ...]: ...
@overload
def run(target: ListOf[R], *, engine: Engine | None = ..., **options: Unpack[RunOptions]) -> list[R]: ...
@overload
def run(target: DictOf[K, R], *, engine: Engine | None = ..., **options: Unpack[RunOptions]) -> dict[K, R]: ...
@overload
def run(target: R, *, engine: Engine | None = ..., **options: Unpack[RunOptions]) -> R: ...
@public
def run(
    target: Any,
    *,
    params: Mapping[str, Any] | None = None,
    engine: Engine | None = None,
    max_iterations: int | None = None,
    deadline: Duration | None = None,
    name: str | None = None,
    tags: Mapping[str, str] | None = None,
    closes: Mailbox | Iterable[Mailbox] | None = None,
) -> Any:
    """Run a target in a new event loop and return its value.

    Ctrl-C in the main thread cancels the run, and `KeyboardInterrupt` is raised when it has ended; a second Ctrl-C
    raises at once.

    Args:
        target: a lazy result, a container of lazy results, or any value, which is its own value.
        params: values for the `Param`s of the target, by name.
        engine: the engine to use; None: a new one for this call, with templates that all such calls share.
        max_iterations: how many tail calls the run may make, >= 0; None: those of the engine.
        deadline: seconds on the engine's clock within which the run must have its value; None: no deadline.
        name: `Run.name`, of your choice.
        tags: `Run.tags`, a mapping of str to str.
        closes: channels that are closed when the run ends; see `Engine.start`.

    Returns:
        The value of the target.

    Raises:
        BaseException: the exception of a task, itself, with a note that names the task and its place; an
            `ExceptionGroup` if several tasks failed at once.
        TargetError: ``target`` is not a target.
        EngineStateError: an event loop is running in this thread: write ``await cs.arun(target)`` there; or the engine
            is in use on another event loop.
        RunLimitError, RunDeadlineError: the run has reached a bound.

    >>> import cascade as cs
    >>> @cs.task(mode="inline")
    ... def add(a, b):
    ...     return a + b
    >>> cs.run(add(1, add(2, 3)))
    6
    """
    wanted = expression(target)
    _check_engine(engine)
    if in_event_loop():
        given = "target" if engine is None else "target, engine=engine"
        raise EngineStateError(
            f"an event loop is running in this thread: write `await cs.arun({given})` instead of cs.run"
        )
    options: RunOptions = {
        "max_iterations": max_iterations,
        "deadline": deadline,
        "params": params,
        "name": name,
        "tags": tags,
        "closes": closes,
    }
    return run_in_new_loop(wanted, options, engine, Interrupts())


def run_in_new_loop(target: LazyResult, options: RunOptions, engine: Engine | None, interrupts: Interrupts) -> Any:
    """Do what `run` does, after the check of its arguments.

    Args:
        target: an expression.
        options: as for `Engine.run`.
        engine: as for `run`.
        interrupts: what is done at SIGINT.
    """
    value: list[Any] = []
    failure: list[BaseException] = []
    with interrupts, asyncio.Runner(loop_factory=None if engine is None else engine.new_loop) as runner:
        runner.run(interrupts.watch(_keep(_evaluate(target, options, engine), value, failure)))
    if failure:
        raise failure.pop()
    return value[0]


@overload
async def arun(target: LazyResult[R], *, engine: Engine | None = ..., **options: Unpack[RunOptions]) -> R: ...
@overload
async def arun(target: C, *, engine: Engine | None = ..., **options: Unpack[RunOptions]) -> C: ...
@overload
async def arun(
    target: tuple[LazyResult[R], ...], *, engine: Engine | None = ..., **options: Unpack[RunOptions]
) -> tuple[R, ...]: ...
@overload
async def arun(target: ListOf[R], *, engine: Engine | None = ..., **options: Unpack[RunOptions]) -> list[R]: ...
@overload
async def arun(target: DictOf[K, R], *, engine: Engine | None = ..., **options: Unpack[RunOptions]) -> dict[K, R]: ...
@overload
async def arun(target: R, *, engine: Engine | None = ..., **options: Unpack[RunOptions]) -> R: ...
@public
async def arun(
    target: Any,
    *,
    params: Mapping[str, Any] | None = None,
    engine: Engine | None = None,
    max_iterations: int | None = None,
    deadline: Duration | None = None,
    name: str | None = None,
    tags: Mapping[str, str] | None = None,
    closes: Mailbox | Iterable[Mailbox] | None = None,
) -> Any:
    """Run a target inside a running event loop, under real or virtual time, and return its value.

    It is `cascade.run` for notebooks, web services and asynchronous tests. The run is evaluated on the running event
    loop if the clock of the engine is real, or is that of the loop. An engine with another virtual clock gets an event
    loop of its own, as `cascade.run` makes one, in a thread of its own, in which all its tasks are called: the running
    loop stays free meanwhile.

    Cancelling this cancels the run, and ends once the run has ended. So does Ctrl-C, and an interrupt of the cell of a
    notebook: asyncio or the kernel cancel what awaits this. Where neither handles the signal, this does, as
    `cascade.run` does.

    Args:
        target: a lazy result, a container of lazy results, or any value, which is its own value.
        params: values for the `Param`s of the target, by name.
        engine: the engine to use. It stays open; resources of a virtual one are torn down at the end, as by
            `cascade.run`. None: a new engine for this call, with templates that all such calls share.
        max_iterations: how many tail calls the run may make, >= 0; None: those of the engine.
        deadline: seconds on the engine's clock within which the run must have its value; None: no deadline.
        name: `Run.name`, of your choice.
        tags: `Run.tags`, a mapping of str to str.
        closes: channels that are closed when the run ends; see `Engine.start`.

    Returns:
        The value of the target.

    Raises:
        BaseException: the exception of a task, itself, with a note that names the task and its place; an
            `ExceptionGroup` if several tasks failed at once.
        TargetError: ``target`` is not a target.
        EngineStateError: no event loop of asyncio is running; the engine, or its virtual clock, is in use on another
            event loop; or the running loop keeps another virtual time.
        RunLimitError, RunDeadlineError: the run has reached a bound.

    >>> import asyncio, cascade as cs
    >>> engine = cs.Engine(clock=cs.Clock.virtual())
    >>> async def main():
    ...     return await cs.arun(cs.wait(3600), engine=engine)
    >>> asyncio.run(main()), engine.clock.time()
    (3600.0, 3600.0)
    """
    wanted = expression(target)
    _check_engine(engine)
    options: RunOptions = {
        "max_iterations": max_iterations,
        "deadline": deadline,
        "params": params,
        "name": name,
        "tags": tags,
        "closes": closes,
    }
    if not in_event_loop():
        raise EngineStateError("cs.arun() must be awaited where an event loop of asyncio is running, got none")
    running = getattr(asyncio.get_running_loop(), "clock", None)
    in_virtual_time = isinstance(running, Clock)
    work = _run_here
    if engine is not None and engine.clock.is_virtual and running is not engine.clock:
        if in_virtual_time:
            raise EngineStateError(
                "the running event loop keeps another virtual time than the engine: give both engines one clock"
            )
        work = _run_in_thread
    with Interrupts() as interrupts, nullcontext() if in_virtual_time else awake_in_kernels():
        return await interrupts.watch(work(wanted, options, engine))


async def _run_here(target: LazyResult, options: RunOptions, engine: Engine | None) -> Any:
    """Evaluate a target on the running event loop."""
    if engine is not None:
        return await engine.run(target, **options)
    async with Engine(templates=default_templates) as own:
        return await own.run(target, **options)


async def _run_in_thread(target: LazyResult, options: RunOptions, engine: Engine | None) -> Any:
    """Evaluate a target under virtual time, on an event loop in a thread of its own."""
    assert engine is not None
    from cascade.engine.loop_thread import drive

    runs: list[Run[Any]] = []
    value: list[Any] = []
    failure: list[BaseException] = []

    async def start_and_join() -> Any:
        runs.append(engine.start(target, **options))
        return await runs[0]._join(returns_messages=True)

    try:
        await drive(
            engine.clock, engine.new_loop, lambda: _keep(_release_after(engine, start_and_join), value, failure)
        )
    except asyncio.CancelledError as cancelled:
        if value:  # the cancellation came too late for the run: nobody gets its value
            runs[0]._return_messages()
        raise cancelled from (failure.pop() if failure else cancelled.__cause__)
    if failure:
        raise failure.pop()
    return value[0]


def _check_engine(engine: object) -> None:
    if engine is not None and not isinstance(engine, Engine):
        raise TypeError(f"engine must be an `Engine` or None, got `{type(engine).__name__}`")


def in_event_loop() -> bool:
    """Whether an event loop is running in this thread."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


async def _keep(work: Coroutine[Any, Any, Any], value: list[Any], failure: list[BaseException]) -> None:
    # The outcome goes into these lists, not into the asyncio task: at its end asyncio formats the repr of the task with
    # its result, which may be large, or run code of the user.
    try:
        value.append(await work)
    except (asyncio.CancelledError, KeyboardInterrupt, SystemExit):  # handled by asyncio
        raise
    except BaseException as error:
        failure.append(error)


async def _evaluate(target: LazyResult, options: RunOptions, engine: Engine | None) -> Any:
    if engine is None:
        return await _run_here(target, options, None)
    return await _release_after(engine, lambda: engine.run(target, **options))


async def _release_after(engine: Engine, work: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    """Await a coroutine on the last event loop that a call makes for an engine, then tear its resources down there."""
    engine._driver.bind()
    try:
        value = await work()
    except BaseException as error:
        engine._driver.raise_or_report((await engine._driver.release())[1], error)
        raise
    cancelled, wrong = await engine._driver.release()  # engine resources cannot outlive their event loop
    engine._driver.raise_or_report(wrong, cancelled)
    if cancelled is not None:
        raise cancelled
    return value
