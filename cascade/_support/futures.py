"""Helpers for asyncio futures and tasks."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Iterable

__all__ = ["forget_tasks", "settle"]


def settle(future: asyncio.Future[None]) -> None:
    """Complete a future unless it is done, also if a signal handler cancels it between the check and the call."""
    try:
        if not future.done():
            future.set_result(None)
    except asyncio.InvalidStateError:
        return


def forget_tasks(handles: Iterable[object]) -> None:
    """Have Python say nothing of asyncio tasks that are freed before they have ended, as their event loop was closed.

    Args:
        handles: asyncio tasks of the engine, and other futures.
    """
    for handle in handles:
        if isinstance(handle, asyncio.Task):
            # `asyncio.gather` does so, too.
            handle._log_destroy_pending = False  # type: ignore[attr-defined]  # noqa: SLF001
            coroutine = handle.get_coro()
            if inspect.iscoroutine(coroutine) and inspect.getcoroutinestate(coroutine) == inspect.CORO_CREATED:
                coroutine.close()  # it has not begun: nothing is run
