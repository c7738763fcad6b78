"""Starting coroutines for the compiled core."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Coroutine
from types import CoroutineType
from typing import TYPE_CHECKING, Any

from cascade._core.run.waiting import Waiter
from cascade.engine import call_graph

if TYPE_CHECKING:
    from cascade.engine.host import Host

__all__ = ["start_async"]


def start_async(host: Host, waiter: Waiter, coroutine: Coroutine[Any, Any, Any]) -> Any:
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
    # Not eagerly under a virtual clock: coroutines then begin in the same order on all versions of Python.
    if sys.version_info >= (3, 12) and not host.clock.is_virtual:
        task = asyncio.Task(coroutine, loop=loop, eager_start=True)
    else:
        task = asyncio.Task(coroutine, loop=loop)
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


async def _await(awaitable: Awaitable[Any]) -> Any:
    return await awaitable
