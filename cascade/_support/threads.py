"""Calls in threads of an executor."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from contextvars import Context, copy_context
from functools import partial
from typing import Any, TypeVar

__all__ = ["call_in_executor"]

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
