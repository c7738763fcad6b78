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
    """Start a coroutine: return its value if it has one at once, else the waiter, which lands later.

    Args:
        host: the engine.
        waiter: lands with the outcome.
        coroutine: or anything else that can be awaited.
    """
    if type(coroutine) is not CoroutineType and not asyncio.iscoroutine(coroutine):
        coroutine = _await(coroutine)
    loop = host.loop
    # Under a virtual clock coroutines begin in the order in which Python 3.11 has them begin: the same on all.
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
