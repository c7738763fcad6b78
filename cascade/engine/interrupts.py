"""Interrupts: what Ctrl-C does to a program that waits in `cascade.run`."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Coroutine
from types import FrameType, TracebackType
from typing import Any

__all__ = ["Interrupts"]


class Interrupts:
    """A context in which the first SIGINT cancels a coroutine, and is raised once that has ended.

    Python raises `KeyboardInterrupt` between any two instructions, also in the middle of a teardown. Here the signal is
    only noted, and the event loop cancels the coroutine in a call of its own; so nothing is left half done. A second
    SIGINT is raised at once, and from then on all are. `asyncio.Runner` does nearly the same, but forgets a signal that
    comes while it begins, and raises one that comes while it ends.

    Like `asyncio.Runner`, it leaves signals alone outside the main thread, and where the program has a handler of its
    own.
    """

    def __init__(self) -> None:
        self._noted = False
        self._task: asyncio.Task[Any] | None = None

    def watch(self, coroutine: Coroutine[Any, Any, Any]) -> Coroutine[Any, Any, Any]:
        """Give a coroutine that awaits another one, which a SIGINT cancels, also one that came before."""
        watched: Any = self._watch(coroutine)
        watched.__qualname__ = getattr(coroutine, "__qualname__", watched.__qualname__)  # as messages have it
        given: Coroutine[Any, Any, Any] = watched
        return given

    async def _watch(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        task = self._task = asyncio.current_task()
        if self._noted and task is not None:
            task.cancel()
        try:
            return await coroutine
        finally:
            self._task = None

    def __enter__(self) -> Interrupts:
        main = threading.current_thread() is threading.main_thread()
        if main and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if signal.getsignal(signal.SIGINT) == self._note:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        if self._noted and (kind is None or issubclass(kind, (Exception, asyncio.CancelledError))):
            # Of a run that was cancelled, and has failed all the same, the cause is that failure.
            raise KeyboardInterrupt from (error.__cause__ if isinstance(error, asyncio.CancelledError) else error)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self._noted:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            raise KeyboardInterrupt
        self._noted = True
        task = self._task
        if task is not None:
            task.get_loop().call_soon_threadsafe(self._cancel)  # not here: in the middle of whatever it is

    def _cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()
