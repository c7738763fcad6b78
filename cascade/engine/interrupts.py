"""Interrupts: Ctrl-C in a program that waits in `cascade.run`, and in a notebook that waits in `cascade.arun`."""

from __future__ import annotations

import asyncio
import signal
import sys
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from types import FrameType, TracebackType
from typing import Any

__all__ = ["Cancellable", "Interrupts", "awake_in_kernels"]

_BEAT = 0.1  # seconds after which an interrupt of a cell is noticed


@contextmanager
def awake_in_kernels() -> Iterator[None]:
    """Keep the running event loop awake while a cell of a notebook awaits something, so that it can be interrupted.

    The signal handler of Jupyter's kernel adds a callback to the event loop, and does not wake it: a cell that waits
    for an hour would be interrupted after it. The loop must not be a virtual one: waking it would make its time pass.
    """
    if "ipykernel" not in sys.modules:
        yield
        return
    loop = asyncio.get_running_loop()
    due: list[asyncio.TimerHandle] = []

    def beat() -> None:
        due[:] = [loop.call_later(_BEAT, beat)]

    beat()
    try:
        yield
    finally:
        due.pop().cancel()


class Cancellable:
    """Cancels a coroutine, from a signal handler or from another thread, in a callback of its event loop."""

    def __init__(self) -> None:
        self._received = False
        self._task: asyncio.Task[Any] | None = None

    def watch(self, coroutine: Coroutine[Any, Any, Any]) -> Coroutine[Any, Any, Any]:
        """Return a coroutine that awaits another one and that `cancel` cancels, also if that was called before."""
        watched: Any = self._watch(coroutine)
        watched.__qualname__ = getattr(coroutine, "__qualname__", watched.__qualname__)  # for messages of asyncio
        given: Coroutine[Any, Any, Any] = watched
        return given

    def cancel(self) -> None:
        """Cancel the coroutine, unless it has ended. Not here: this may interrupt arbitrary code of its thread."""
        self._received = True
        task = self._task
        if task is not None:
            with suppress(RuntimeError):  # in another thread: it has ended meanwhile, and its event loop is closed
                task.get_loop().call_soon_threadsafe(self._cancel)

    async def _watch(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        task = self._task = asyncio.current_task()
        if self._received and task is not None:
            task.cancel()
        try:
            return await coroutine
        finally:
            self._task = None

    def _cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()


class Interrupts(Cancellable):
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
        super().__init__()
        self._at_second = at_second

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
        self.cancel()
