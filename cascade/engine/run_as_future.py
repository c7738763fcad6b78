"""What a run has of a future of asyncio, beside the methods of the run: its error, and the check of its callbacks."""

from __future__ import annotations

import asyncio
import inspect

from cascade._core.expr.task import Task
from cascade.exceptions import EngineStateError

__all__ = ["NotEndedError", "check_callback"]


class NotEndedError(EngineStateError, asyncio.InvalidStateError):
    """The run has not ended, so it has neither a value nor an exception yet.

    To users it is an `EngineStateError`, and is pickled as one: `cascade.exceptions` has no class that is derived from
    one of asyncio, as importing Cascade does not import that.
    """

    def __reduce__(self) -> tuple[type[EngineStateError], tuple[object, ...]]:
        return EngineStateError, self.args


NotEndedError.__module__ = "cascade"
NotEndedError.__name__ = NotEndedError.__qualname__ = EngineStateError.__qualname__


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
