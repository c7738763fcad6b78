"""Call graphs: under which asyncio task the async tasks of a run are shown, by the tools of Python 3.14 and later.

`asyncio.capture_call_graph`, `asyncio.print_call_graph` and ``python -m asyncio ps`` read, at any moment and even from
another process, which task awaits a task. So that cannot be found out when it is asked for: it is noted on each async
task of a run that somebody awaits, when the task is started or when the run comes to be awaited. Nothing is noted on a
task that ends at once, nor for a run that nothing awaits. What is linked is always an `asyncio.Task`: another process
sees nothing behind a plain future.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterable
from typing import Any

__all__ = ["AVAILABLE", "link", "unlink"]

AVAILABLE = sys.version_info >= (3, 14)
"""Whether this Python keeps a call graph."""

if sys.version_info >= (3, 14):

    def link(handles: Iterable[Any], awaiter: asyncio.Task[Any] | None) -> None:
        """Note that an asyncio task awaits some others. What is no future of asyncio's, such as a worker's, is skipped.

        Args:
            handles: what a run waits for, as `Waiting._handles` gives it.
            awaiter: the task that awaits the run; None: nothing is noted.
        """
        if awaiter is not None:
            for handle in handles:
                asyncio.future_add_to_awaited_by(handle, awaiter)

    def unlink(handles: Iterable[Any], awaiter: asyncio.Task[Any] | None) -> None:
        """Note that an asyncio task does not await some others any more; one that it never did is skipped."""
        if awaiter is not None:
            for handle in handles:
                asyncio.future_discard_from_awaited_by(handle, awaiter)

else:

    def link(handles: Iterable[Any], awaiter: asyncio.Task[Any] | None) -> None:
        """Nothing: this Python keeps no call graph."""

    def unlink(handles: Iterable[Any], awaiter: asyncio.Task[Any] | None) -> None:
        """Nothing: this Python keeps no call graph."""
