"""Starting coroutines and calls in workers for the compiled core."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Coroutine
from concurrent.futures import Future
from types import CoroutineType
from typing import TYPE_CHECKING, Any

from cascade._core.run.current import CALL, Attempt, SentCall
from cascade._core.run.waiting import Launched
from cascade.engine import call_graph
from cascade.engine.places import path_of

if TYPE_CHECKING:
    from cascade._core.expr.task import Task
    from cascade.engine.host import Host

__all__ = ["call_worker", "start_async"]


def start_async(host: Host, waiter: Launched, coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Start a coroutine as an asyncio task.

    Args:
        host: the engine.
        waiter: completed with the outcome.
        coroutine: a coroutine, or another awaitable.

    Returns:
        The value if the coroutine ends at once, else the waiter, completed later.
    """
    if type(coroutine) is not CoroutineType and not asyncio.iscoroutine(coroutine):
        coroutine = _await(coroutine)
    loop = host.loop
    known = CALL.set(waiter)  # for `await f(x)` and `cs.current()`: the asyncio task copies the context
    # Not eagerly under a virtual clock: coroutines then begin in the same order on all versions of Python.
    try:
        if sys.version_info >= (3, 12) and not host.clock.is_virtual:
            task = asyncio.Task(coroutine, loop=loop, eager_start=True)
        else:
            task = asyncio.Task(coroutine, loop=loop)
    finally:
        CALL.reset(known)
    if task.done():
        return task.result()
    waiter.handle = task
    task.add_done_callback(waiter.follow)
    if call_graph.AVAILABLE:
        run: Any = waiter.run
        if run is not None and run._callbacks:
            for awaiter in run._awaiters():
                call_graph.link((task,), awaiter)
    return waiter


def call_worker(
    host: Host,
    waiter: Launched,
    mode: str,
    task: Task,
    arguments: tuple[Any, ...],
    keywords: dict[str, Any],
    attempt: Attempt | None = None,
) -> Future[Any]:
    """Have a worker call a sync task, whose code finds its call by `cascade.current`. See `Workers.call`."""
    call: Launched | Attempt | SentCall
    if mode == "process":
        run: Any = waiter.run
        place = waiter._place()
        assert place is not None  # it is being started
        number = 1 if attempt is None else attempt.number
        path = path_of(place)
        call = SentCall(run.id, run.name, dict(run.tags), waiter.iteration, number, path, place.call)
    else:
        call = waiter if attempt is None else attempt
    known = CALL.set(call)
    try:
        return host.workers.call(mode, task, arguments, keywords)
    finally:
        CALL.reset(known)


async def _await(awaitable: Awaitable[Any]) -> Any:
    return await awaitable
