"""The protocol of executors, which call sync tasks outside the event loop's thread."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from cascade._support.public import public

if TYPE_CHECKING:
    from concurrent.futures import Future

    from cascade._core.expr.task import Task

__all__ = ["Executor"]


@public
@runtime_checkable
class Executor(Protocol):
    """Calls sync tasks outside the event loop's thread, for one engine.

    The engine uses it in its event loop's thread; futures may complete in any thread. An executor whose calls are made
    in this process should make each in a copy of the `contextvars` context in which it was submitted.

    >>> from cascade.workers.executors import ThreadExecutor
    >>> isinstance(ThreadExecutor(), Executor)
    True
    """

    def submit(self, task: Task, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Future[Any]:
        """Have ``task.fn(*arguments, **keywords)`` called once, and return without waiting for it.

        Args:
            task: the task. ``task.module`` and ``task.name`` are the names under which it can be imported.
            arguments: its positional arguments.
            keywords: its keyword arguments.

        Returns:
            A future, completed with the result or the exception of the call. If it is cancelled before the call begins,
            the call is never made.

        Raises:
            Exception: the call cannot be made; the task fails with it.
        """
        ...

    def abandon(self, future: Future[Any]) -> None:
        """Abandon a call that has timed out: its result is no longer needed.

        If the call has not begun, its future is cancelled and it is never made. If it is running, it must no longer
        delay other calls, nor `close`. If it has ended, nothing happens.

        Args:
            future: the future that `submit` has returned for it.
        """
        ...

    def close(self) -> None:
        """Cancel the calls that have not begun, wait for the running ones, save abandoned ones, and stop the workers.

        Called when the engine is closed or its ``async with`` block is left. A later `submit` must work again: an
        engine can be used again.
        """
        ...
