"""A result that is being computed, for cache policies that follow its computation from beginning to end."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

__all__ = ["PendingResult"]


class PendingResult:
    """A result that is being computed: from before the first attempt until none of its calls runs any more.

    Args:
        end: called once at the end, with whether the result is complete. The policy's `begin` has returned it.
    """

    __slots__ = ("_end", "_left", "_overlaps")

    def __init__(self, end: Callable[[bool], object]) -> None:
        self._end: Callable[[bool], object] | None = end
        self._left: list[Future[Any]] = []  # given up calls that may still run in workers
        self._overlaps = False

    def attempt(self) -> None:
        """Note that an attempt starts."""
        self._left = [future for future in self._left if not future.done()]
        self._overlaps = bool(self._left)

    def leave(self, future: Future[Any]) -> None:
        """Note that a call was given up but still runs in its worker."""
        self._left.append(future)

    def done(self) -> None:
        """End with a result. It is not complete if an earlier attempt was still running during the last one."""
        self._finish(not self._overlaps)

    def failed(self) -> None:
        """End with a failure or cancellation of the last attempt."""
        self._finish(False)

    def _finish(self, whole: bool) -> None:
        end, self._end = self._end, None
        if end is None:
            return
        running = [future for future in self._left if not future.done()]
        if not running:
            end(whole)
            return
        left = len(running)
        lock = threading.Lock()

        def one_less(_: object) -> None:
            nonlocal left
            with lock:
                left -= 1
                last = not left
            if last:
                end(False)

        for future in running:
            future.add_done_callback(one_less)
