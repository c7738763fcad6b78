"""Helpers for asyncio futures."""

from __future__ import annotations

import asyncio

__all__ = ["settle"]


def settle(future: asyncio.Future[None]) -> None:
    """Complete a future unless it is done, also if a signal handler cancels it between the check and the call."""
    try:
        if not future.done():
            future.set_result(None)
    except asyncio.InvalidStateError:
        return
