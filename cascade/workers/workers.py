"""Workers: the executors of one engine, by mode."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Any

from cascade._core.expr.debug import is_active
from cascade._core.expr.lazy import note_returned
from cascade._core.expr.task import Task
from cascade.workers.executors import ProcessExecutor, ThreadExecutor, check_count

if TYPE_CHECKING:
    from concurrent.futures import Future

    from cascade.workers.protocol import Executor

__all__ = ["Workers"]

_CLOSES = (ThreadExecutor.close, ProcessExecutor.close)  # a derived class may override it
_METHODS = ("submit", "abandon", "close")


class Workers:
    """The worker threads and processes of one engine. None is started before it is needed.

    Args:
        max_threads: how many threads, >= 1; None: the default of `concurrent.futures.ThreadPoolExecutor`.
        max_processes: how many processes, >= 1; None: one for each processor.
        demoted: called with the module and the name of a task that no longer runs inline, and the seconds that a call
            took.
        executors: replacements of the engine's own executors, by mode: "thread", "process", or both.

    Raises:
        ValueError: a number is neither None nor an int >= 1, or a key of ``executors`` is another one.
        TypeError: a value of ``executors`` lacks a method of `Executor`.
    """

    def __init__(
        self,
        max_threads: int | None,
        max_processes: int | None,
        demoted: Callable[[str, str, float], None],
        executors: Mapping[str, Executor] | None = None,
    ) -> None:
        check_count(max_threads, "max_threads")
        check_count(max_processes, "max_processes")
        self._threads = ThreadExecutor(max_threads, demoted)
        self._executors: dict[str, Executor] = {"thread": self._threads, "process": ProcessExecutor(max_processes)}
        for name, executor in (executors or {}).items():
            if name not in self._executors:
                raise ValueError(f"a key of executors must be 'thread' or 'process', got {name!r}")
            self._executors[name] = _check_executor(executor, f"executors[{name!r}]")

    def call(self, mode: str, task: Task, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Future[Any]:
        """Have a worker call a task's callable.

        Args:
            mode: "thread" or "process".
            task: the task whose callable is called.
            arguments: its positional arguments.
            keywords: its keyword arguments.

        Returns:
            The future of the call.

        Raises:
            TypeError: the executor has returned something other than a future.
            Exception: the executor cannot make the call.
        """
        future = self._executors[mode].submit(task, arguments, keywords)
        if not callable(getattr(future, "add_done_callback", None)):
            kind = type(self._executors[mode]).__name__
            raise TypeError(f"{kind}.submit must return a `concurrent.futures.Future`, got `{type(future).__name__}`")
        if is_active():
            future.add_done_callback(_note_returned)
        return future

    def abandon(self, mode: str, future: Future[Any]) -> None:
        """Abandon a call that has timed out: its result is dropped, and its worker replaced.

        Args:
            mode: "thread" or "process".
            future: the future of the call.
        """
        self._executors[mode].abandon(future)

    def is_only_thread(self) -> bool:
        """Whether certainly no other thread is running Python code now."""
        idle = self._threads.idle
        return idle is not None and threading.active_count() - idle <= 1

    def close(self) -> None:
        """Stop the workers. Running calls end first, save abandoned ones; calls that have not begun are cancelled."""
        if (wait := self.detach()) is not None:
            wait()

    def detach(self) -> Callable[[], object] | None:
        """Begin what `close` does; return a function that waits for its end, in any thread; None: it has ended.

        Calls that are made meanwhile get new workers, save those of executors that the engine was given.
        """
        waits = []
        for executor in reversed(self._executors.values()):
            wait: Callable[[], object] | None = executor.close
            if isinstance(executor, (ThreadExecutor, ProcessExecutor)) and type(executor).close in _CLOSES:
                wait = executor.detach()
            if wait is not None:
                waits.append(wait)
        return partial(_call_all, waits) if waits else None


def _call_all(functions: list[Callable[[], object]]) -> None:
    with ExitStack() as closing:  # calls all of them, also if one raises
        for function in reversed(functions):
            closing.callback(function)


def _check_executor(executor: Any, where: str) -> Executor:
    kind = executor if isinstance(executor, type) else type(executor)
    if isinstance(executor, type) or not all(callable(getattr(executor, method, None)) for method in _METHODS):
        got = f"the class `{kind.__name__}`" if isinstance(executor, type) else f"`{kind.__name__}`"
        raise TypeError(f"{where} must be an executor with the methods {', '.join(_METHODS)}, got {got}")
    found: Executor = executor
    return found


def _note_returned(future: Future[Any]) -> None:
    """Note what a call has returned, for debug mode: it may come too late to be used."""
    if not future.cancelled() and future.exception() is None:
        note_returned(future.result())
