"""Interrupts: Ctrl-C in a program that waits in `cascade.run`."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable, Coroutine
from types import FrameType, TracebackType
from typing import Any

__all__ = ["Interrupts"]


class Interrupts:
    """A context manager: the first SIGINT cancels a coroutine, and `KeyboardInterrupt` is raised when that has ended.

    Python itself raises `KeyboardInterrupt` between any two instructions, also in the middle of a teardown. Here the
    signal handler only records the signal, and the event loop cancels the coroutine in a callback, so no operation is
    interrupted halfway. A second SIGINT raises at once, as do all that follow. `asyncio.Runner` does nearly the same,
    but loses a signal that arrives while it starts, and raises at once for one that arrives while it ends.

    Like `asyncio.Runner`, it changes nothing outside the main thread, or if the program has its own signal handler.

    Args:
        at_second: called at the second SIGINT, in the signal handler: a program may end itself there, as nothing can
            interrupt a thread. None: nothing is.
    """

    def __init__(self, at_second: Callable[[], object] | None = None) -> None:
        self._at_second = at_second
        self._received = False
        self._task: asyncio.Task[Any] | None = None

    def watch(self, coroutine: Coroutine[Any, Any, Any]) -> Coroutine[Any, Any, Any]:
        """Return a coroutine that awaits another one and that a SIGINT cancels, also one received before it begins."""
        watched: Any = self._watch(coroutine)
        watched.__qualname__ = getattr(coroutine, "__qualname__", watched.__qualname__)  # for messages of asyncio
        given: Coroutine[Any, Any, Any] = watched
        return given

    async def _watch(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        task = self._task = asyncio.current_task()
        if self._received and task is not None:
            task.cancel()
        try:
            return await coroutine
        finally:
            self._task = None

    def __enter__(self) -> Interrupts:
        main = threading.current_thread() is threading.main_thread()
        if main and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, self._handle_signal)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if signal.getsignal(signal.SIGINT) == self._handle_signal:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        if self._received and (kind is None or issubclass(kind, (Exception, asyncio.CancelledError))):
            # If a cancelled run has failed all the same, that failure is the cause.
            raise KeyboardInterrupt from (error.__cause__ if isinstance(error, asyncio.CancelledError) else error)

    def _handle_signal(self, number: int, frame: FrameType | None) -> None:
        if self._received:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            if self._at_second is not None:
                self._at_second()
            raise KeyboardInterrupt
        self._received = True
        task = self._task
        if task is not None:
            task.get_loop().call_soon_threadsafe(self._cancel)  # not here: the handler interrupts arbitrary code

    def _cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()
