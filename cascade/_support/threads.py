"""Calls in threads of an executor, and from any thread in that of an event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor, Future
from contextvars import Context, copy_context
from functools import partial
from typing import Any, Generic, TypeVar

__all__ = ["LoopCall", "call_in_executor"]

T = TypeVar("T")


def call_in_executor(
    loop: asyncio.AbstractEventLoop, executor: Executor | None, function: Callable[..., T], *arguments: Any
) -> asyncio.Future[T]:
    """Call a function in a thread of an executor, in a copy of the current context.

    A thread that is started for the call begins with an empty context. Otherwise, with ``thread_inherit_context``
    (Python 3.14), it would hold a copy of the current one, and keep its values alive until the executor is shut down.

    Args:
        loop: the event loop that is running in this thread.
        executor: the executor; None: the loop's default executor.
        function: called with ``arguments``. It must catch exceptions and return them: a future does not take each one.
        arguments: its positional arguments.

    Returns:
        The future of the call.
    """
    call: Any = partial(copy_context().run, function, *arguments)
    started: asyncio.Future[T] = Context().run(lambda: loop.run_in_executor(executor, call))
    return started


class LoopCall(Generic[T]):
    """A call that another thread has given to an event loop.

    Args:
        function: called once, with no arguments.

    Attributes:
        future: of what the function returns or raises; cancelled if the event loop is closed before the call.
    """

    __slots__ = ("_function", "future")

    def __init__(self, function: Callable[[], T]) -> None:
        self._function = function
        self.future: Future[T] = Future()

    def __call__(self) -> None:
        """Make the call, unless the future was cancelled."""
        if not self.future.set_running_or_notify_cancel():
            return
        try:
            value = self._function()
        except BaseException as error:
            self.future.set_exception(error)
            if isinstance(error, KeyboardInterrupt | SystemExit):  # these are for the event loop, too
                raise
        else:
            self.future.set_result(value)

    def __del__(self) -> None:
        # Its loop was closed: nothing else would end the future.
        self.future.cancel()
