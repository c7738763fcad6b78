"""Work on a result that a cache policy follows from beginning to end."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

__all__ = ["Making"]


class Making:
    """Work on what a policy is to keep, from before the first attempt until nothing of it runs any more.

    Args:
        end: what the policy has given for the end: called with whether the result is whole.
    """

    __slots__ = ("_end", "_left", "_overlaps")

    def __init__(self, end: Callable[[bool], object]) -> None:
        self._end: Callable[[bool], object] | None = end
        self._left: list[Future[Any]] = []  # calls that were given up and may still be running
        self._overlaps = False

    def attempt(self) -> None:
        """An attempt begins."""
        self._left = [future for future in self._left if not future.done()]
        self._overlaps = bool(self._left)

    def leave(self, future: Future[Any]) -> None:
        """A call is given up, and goes on in its worker."""
        self._left.append(future)

    def done(self) -> None:
        """The last attempt has ended well. It does not count if an earlier one was still at work beside it."""
        self._finish(not self._overlaps)

    def failed(self) -> None:
        """The last attempt has failed, or was cancelled."""
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
