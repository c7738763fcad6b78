"""Awaiting a lazy result inside an async task: it is evaluated as a part of the task's run."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from typing import TYPE_CHECKING, Any

from cascade._core.expr.lazy import LazyResult, awaited_by
from cascade._core.run.current import CALL, Attempt, SentCall
from cascade._core.tracebacks import hide_frames
from cascade.engine.regions import RegionResult, await_region
from cascade.exceptions import EngineStateError

if TYPE_CHECKING:
    from cascade._core.run.waiting import Launched
    from cascade.engine.run import Run

__all__ = ["await_lazy"]


def await_lazy(expression: LazyResult) -> Generator[Any, None, Any]:
    """Evaluate an expression as a part of the run of the current async task; see `LazyResult.__await__`."""
    try:
        return (yield from await_region(*_open(expression)).__await__())
    except BaseException as error:
        hide_frames(error)
        raise


def _open(expression: LazyResult) -> tuple[Run, asyncio.Future[RegionResult]]:
    """Have the run of the current async task evaluate an expression. Return the run and the region."""
    call: Any = CALL.get()
    if type(call) is SentCall:
        raise EngineStateError(
            f"a lazy result cannot be awaited in a worker process; {_name(expression)} was: return it instead"
        )
    grant = None
    waiter: Launched | None
    if type(call) is Attempt:
        waiter, grant = call.waiter, call.grant
    else:
        waiter = call
    if waiter is None:
        raise EngineStateError(
            f"a lazy result can be awaited inside an async task only; {_name(expression)} was awaited outside: write "
            f"`await cs.arun(...)`, `await engine.run(...)`, or cs.run(...)"
        )
    run: Any = waiter.run
    if run is None:
        raise EngineStateError(
            f"{_name(expression)} cannot be awaited any longer: the async task that awaits it has ended; what is still "
            f"to be evaluated needs a run of its own: `await engine.run(...)`"
        )
    loop = run._host.loop
    if not _is_running(loop):
        raise EngineStateError(
            f"a lazy result must be awaited on the event loop of its run; {_name(expression)} was awaited on another "
            f"one, perhaps in a worker thread: return the lazy result instead, or use cs.run there"
        )
    region: asyncio.Future[RegionResult] = loop.create_future()
    run._open_child(waiter, expression, region, grant)
    return run, region


def _is_running(loop: asyncio.AbstractEventLoop) -> bool:
    """Whether an event loop is that of the code which asks."""
    try:
        return asyncio.get_running_loop() is loop
    except RuntimeError:  # a thread without one
        return False


def _name(expression: LazyResult) -> str:
    return f"{expression.task.name}(...)"


awaited_by(await_lazy)
