"""Workers: the threads and processes in which sync tasks run that must not hold up the loop."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from cascade._core.expr.task import Task
from cascade.workers.executors import ProcessExecutor, ThreadExecutor, check_count

if TYPE_CHECKING:
    from concurrent.futures import Future

    from cascade.workers.protocol import Executor

__all__ = ["Workers"]

_METHODS = ("submit", "abandon", "close")


class Workers:
    """The worker threads and processes of one engine; none is started before it is needed.

    Args:
        max_threads: how many threads; None: as `concurrent.futures.ThreadPoolExecutor` has it.
        max_processes: how many processes; None: one for each processor.
        demoted: told the module and name of a task that is not to run inline again, and how many seconds a call took.
        executors: what calls tasks in place of the engine's own: "thread", "process", or both.

    Raises:
        ValueError: a number is not an int of at least 1, or there is nothing to be replaced by such a name.
        TypeError: an executor is none.
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
            mode: which kind of worker: "thread" or "process".
            task: whose callable.
            arguments: its positional arguments.
            keywords: its keyword arguments.

        Returns:
            The future of the call.
        """
        future = self._executors[mode].submit(task, arguments, keywords)
        if not callable(getattr(future, "add_done_callback", None)):
            kind = type(self._executors[mode]).__name__
            raise TypeError(f"{kind}.submit must return a `concurrent.futures.Future`, got `{type(future).__name__}`")
        return future

    def call_in_thread(self, task: Task, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Future[Any]:
        """Have a thread call a task's callable, in a copy of the context of this moment."""
        return self.call("thread", task, arguments, keywords)

    def call_in_process(self, task: Task, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Future[Any]:
        """Have a process call a task's callable; it finds the task by its name, everything else is pickled."""
        return self.call("process", task, arguments, keywords)

    def abandon(self, mode: str, future: Future[Any]) -> None:
        """Give up a call that takes too long: its result is dropped, and its worker replaced.

        Args:
            mode: of the worker: "thread" or "process".
            future: of the call.
        """
        self._executors[mode].abandon(future)

    def alone(self) -> bool:
        """Whether surely no other thread is running Python code now."""
        idle = self._threads.idle
        return idle is not None and threading.active_count() - idle <= 1

    def close(self) -> None:
        """Stop the workers. Those at work finish first, unless they are abandoned; what has not begun is dropped."""
        with ExitStack() as closing:  # all, also if one raises
            for executor in reversed(self._executors.values()):
                closing.callback(executor.close)


def _check_executor(executor: Any, where: str) -> Executor:
    kind = executor if isinstance(executor, type) else type(executor)
    if isinstance(executor, type) or not all(callable(getattr(executor, method, None)) for method in _METHODS):
        got = f"the class `{kind.__name__}`" if isinstance(executor, type) else f"`{kind.__name__}`"
        raise TypeError(f"{where} must be an executor with the methods {', '.join(_METHODS)}, got {got}")
    found: Executor = executor
    return found
