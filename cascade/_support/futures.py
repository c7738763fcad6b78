"""Futures of asyncio."""

from __future__ import annotations

import asyncio

__all__ = ["settle"]


def settle(future: asyncio.Future[None]) -> None:
    """Have a future be done, unless it is; also if a signal comes that cancels the task that awaits it."""
    try:
        if not future.done():
            future.set_result(None)
    except asyncio.InvalidStateError:
        return
