"""`cascade.run`: evaluates a target in a new event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar, Unpack, overload

from cascade._core.expr.lazy import LazyResult
from cascade._core.time.durations import Duration
from cascade._support.public import public
from cascade.engine.engine import Engine
from cascade.engine.interrupts import Interrupts
from cascade.exceptions import EngineStateError
from cascade.expressions.targets import expression
from cascade.templates.cache import default_templates

if TYPE_CHECKING:
    from cascade._core.run.mailbox import Mailbox
    from cascade.engine.bounds import RunOptions
    from cascade.expressions.targets import C, DictOf, ListOf

__all__ = ["in_event_loop", "run"]


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
        params: values for each `Param` of the target, by name.
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
        EngineStateError: an event loop is running in this thread: use ``await engine.run(target)`` there; or the engine
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
    if engine is not None and not isinstance(engine, Engine):
        raise TypeError(f"engine must be an `Engine` or None, got `{type(engine).__name__}`")
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
        options = {
            "max_iterations": max_iterations,
            "deadline": deadline,
            "params": params,
            "name": name,
            "tags": tags,
            "closes": closes,
        }
        runner.run(interrupts.watch(_run(wanted, options, engine, value, failure)))
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
    options: dict[str, Any],
    engine: Engine | None,
    value: list[Any],
    failure: list[BaseException],
) -> None:
    # The outcome goes into these lists, not into the asyncio task: at its end asyncio formats the repr of the task with
    # its result, which may be large, or run code of the user.
    try:
        value.append(await _evaluate(target, options, engine))
    except (asyncio.CancelledError, KeyboardInterrupt, SystemExit):  # handled by asyncio
        raise
    except BaseException as error:
        failure.append(error)


async def _evaluate(target: LazyResult, options: dict[str, Any], engine: Engine | None) -> Any:
    if engine is None:
        async with Engine(templates=default_templates) as own:
            return await own.run(target, **options)
    engine._driver.bind()
    try:
        value = await engine.run(target, **options)
    except BaseException as error:
        engine._driver.raise_or_report((await engine._driver.release())[1], error)
        raise
    cancelled, wrong = await engine._driver.release()  # engine resources cannot outlive their event loop
    engine._driver.raise_or_report(wrong, cancelled)
    if cancelled is not None:
        raise cancelled
    return value
