"""Call graphs: under which asyncio task the tools of Python 3.14 and later show the async tasks of a run.

`asyncio.capture_call_graph`, `asyncio.print_call_graph` and ``python -m asyncio ps`` read, at any moment and even from
another process, which task awaits a task. So this cannot be computed on demand: it is recorded on each async task of
an awaited run, when the task starts or when a task begins to await the run. Nothing is recorded for a task that ends at
once, nor for a run without awaiters. Links always lead to an `asyncio.Task`: another process cannot look behind a plain
future.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterable
from typing import Any

__all__ = ["AVAILABLE", "link", "unlink"]

AVAILABLE = sys.version_info >= (3, 14)
"""Whether this version of Python keeps a call graph."""

if sys.version_info >= (3, 14):

    def link(handles: Iterable[Any], awaiter: asyncio.Task[Any] | None) -> None:
        """Record that an asyncio task awaits others. A future of another kind, such as a worker's, is skipped.

        Args:
            handles: the asyncio tasks and futures that a run waits for, as `Run._handles` returns them.
            awaiter: the asyncio task that awaits the run; None: nothing is recorded.
        """
        if awaiter is not None:
            for handle in handles:
                asyncio.future_add_to_awaited_by(handle, awaiter)

    def unlink(handles: Iterable[Any], awaiter: asyncio.Task[Any] | None) -> None:
        """Record that an asyncio task no longer awaits others; one that it never awaited is skipped."""
        if awaiter is not None:
            for handle in handles:
                asyncio.future_discard_from_awaited_by(handle, awaiter)

else:

    def link(handles: Iterable[Any], awaiter: asyncio.Task[Any] | None) -> None:
        """Do nothing: this version of Python keeps no call graph."""

    def unlink(handles: Iterable[Any], awaiter: asyncio.Task[Any] | None) -> None:
        """Do nothing: this version of Python keeps no call graph."""
