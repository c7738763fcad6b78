"""Threads of an executor, which outlive the run that happened to start them."""

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

    A thread that is started for the call begins with an empty context. With ``thread_inherit_context`` (Python 3.14) it
    would have a copy of the current one otherwise, and keep all values in it alive until the executor is shut down.

    Args:
        loop: the one that is running in this thread.
        executor: whose thread it is; None: the loop's own.
        function: called with ``arguments``. It must return what it raises: not every exception fits into a future.
        arguments: its positional arguments.
    """
    call: Any = partial(copy_context().run, function, *arguments)
    started: asyncio.Future[T] = Context().run(lambda: loop.run_in_executor(executor, call))
    return started
