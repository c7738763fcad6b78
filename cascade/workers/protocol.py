"""The protocol of executors: what the engine asks of whatever calls sync tasks off the event loop."""

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
    """Calls sync tasks somewhere else than in the event loop's thread. It belongs to one engine.

    The engine calls it from its event loop's thread; futures may end in any thread. An executor whose calls are made in
    this process should make each in a copy of the context in which it was submitted.

    >>> from cascade.workers.executors import ThreadExecutor
    >>> isinstance(ThreadExecutor(), Executor)
    True
    """

    def submit(self, task: Task, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Future[Any]:
        """Have ``task.fn(*arguments, **keywords)`` called once, and return without waiting for it.

        Args:
            task: whose callable is to be called. ``task.module`` and ``task.name`` say what it is called.
            arguments: its positional arguments.
            keywords: its keyword arguments.

        Returns:
            A future that ends with what the call returns or raises. Cancelled before the call begins, it is never made.

        Raises:
            Exception: the call cannot be made; the task fails with it.
        """
        ...

    def abandon(self, future: Future[Any]) -> None:
        """Give up a call whose time is over: nobody looks at its future any more.

        If it has not begun, its future is cancelled and it is never made. If it is at work, it no longer keeps other
        calls from being made, nor `close` from returning. If it has ended, nothing happens.

        Args:
            future: what `submit` has returned for it.
        """
        ...

    def close(self) -> None:
        """Cancel the calls that have not begun, wait for those at work, save abandoned ones, and let go of workers.

        Called when the engine is left or closed. A later `submit` begins anew: an engine can be used again.
        """
        ...
