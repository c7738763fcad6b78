"""What a run has of a future of asyncio, beside the methods of the run: its error, and the check of its callbacks."""

from __future__ import annotations

import asyncio
import inspect

from cascade._core.expr.task import Task
from cascade._support.public import shown_as
from cascade.exceptions import EngineStateError

__all__ = ["NotEndedError", "check_callback"]


@shown_as(EngineStateError)
class NotEndedError(EngineStateError, asyncio.InvalidStateError):
    """The run has not ended, so it has neither a value nor an exception yet.

    It is not in `cascade.exceptions`: importing Cascade does not import asyncio.
    """


def check_callback(function: object) -> None:
    """Raise `TypeError` for what is no function that is called with a run and works."""
    if not callable(function):
        raise TypeError(f"function must be callable, got `{type(function).__name__}`")
    if isinstance(function, Task):
        raise TypeError(f"function must be a plain function, got {function!r}: calling a task does not run it")
    # An instance may have an async `__call__`.
    if any(map(inspect.iscoroutinefunction, (function, getattr(type(function), "__call__", None)))):  # noqa: B004
        name = getattr(function, "__qualname__", f"`{type(function).__qualname__}`")
        raise TypeError(
            f"function must be a plain function, got the async function {name}, which nothing would await: start an "
            f"asyncio task in it"
        )
