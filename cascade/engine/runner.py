"""`cascade.run`: evaluates a target in a new event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from cascade._core.expr.lazy import LazyResult
from cascade._support.public import public
from cascade.engine.engine import Engine
from cascade.engine.interrupts import Interrupts
from cascade.exceptions import EngineStateError
from cascade.expressions.targets import expression
from cascade.templates.cache import default_templates

__all__ = ["in_event_loop", "run"]


@public
def run(
    target: LazyResult | list[Any] | tuple[Any, ...],
    *,
    params: Mapping[str, Any] | None = None,
    engine: Engine | None = None,
) -> Any:
    """Run a target in a new event loop and return its value.

    Ctrl-C in the main thread cancels the run, and `KeyboardInterrupt` is raised when it has ended; a second Ctrl-C
    raises at once.

    Args:
        target: a lazy result, or a list or tuple of them, whose value is the list of their values.
        params: values for the `Param`s of the target, by name.
        engine: the engine to use; None: a new one for this call, with templates that all such calls share.

    Returns:
        The value of the target.

    Raises:
        BaseException: the exception of a task, itself, with a note that names the task and its place; an
            `ExceptionGroup` if several tasks failed at once.
        TargetError: ``target`` is not a target.
        EngineStateError: an event loop is running in this thread: use ``await engine.run(target)`` there; or the engine
            is in use on another event loop.

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
    # The outcome goes into these lists, not into the asyncio task: at its end asyncio formats the repr of the task with
    # its result, which may be large, or run code of the user.
    try:
        value.append(await _evaluate(target, params, engine))
    except (asyncio.CancelledError, KeyboardInterrupt, SystemExit):  # handled by asyncio
        raise
    except BaseException as error:
        failure.append(error)


async def _evaluate(target: LazyResult, params: Mapping[str, Any] | None, engine: Engine | None) -> Any:
    if engine is None:
        async with Engine(templates=default_templates) as own:
            return await own.run(target, params=params)
    engine._driver.bind()
    try:
        value = await engine.run(target, params=params)
    except BaseException as error:
        engine._driver.raise_or_report((await engine._driver.release())[1], error)
        raise
    cancelled, wrong = await engine._driver.release()  # engine resources cannot outlive their event loop
    engine._driver.raise_or_report(wrong, cancelled)
    if cancelled is not None:
        raise cancelled
    return value
