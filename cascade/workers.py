"""Workers: the threads and processes in which sync tasks run that must not hold up the loop."""

from __future__ import annotations

import contextvars
import pickle
import threading
import time
from collections.abc import Callable
from types import MethodType
from typing import TYPE_CHECKING, Any

from cascade._core.task import Task, import_task
from cascade.exceptions import TaskDefinitionError

if TYPE_CHECKING:
    from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor

__all__ = ["Workers"]


class Workers:
    """The worker threads and processes of one engine; none is started before it is needed.

    Args:
        max_threads: how many threads; None: as `concurrent.futures.ThreadPoolExecutor` has it.
        max_processes: how many processes; None: one for each processor.
        demoted: told the module and name of a task that is not to run inline again, and how many seconds a call took.
    """

    def __init__(
        self, max_threads: int | None, max_processes: int | None, demoted: Callable[[str, str, float], None]
    ) -> None:
        for name, count in (("max_threads", max_threads), ("max_processes", max_processes)):
            if count is not None and (type(count) is not int or count < 1):
                raise ValueError(f"expected {name} as None or an int of at least 1, got {count!r}")
        self._demoted = demoted
        self._max_threads = max_threads
        self._max_processes = max_processes
        self._threads: ThreadPoolExecutor | None = None
        self._processes: ProcessPoolExecutor | None = None
        self._calling = 0  # threads in which a task is running; changed under the lock
        self._lock = threading.Lock()

    def call_in_thread(self, task: Task, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Future[Any]:
        """Have a thread call a task's callable, in a copy of the context of this moment."""
        if self._threads is None:
            from concurrent.futures import ThreadPoolExecutor  # not needed by most programs, slow to import

            self._threads = ThreadPoolExecutor(self._max_threads, thread_name_prefix="cascade")
        context = contextvars.copy_context()
        return self._threads.submit(context.run, self._call, task, arguments, keywords)

    def call_in_process(self, task: Task, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Future[Any]:
        """Have a process call a task's callable; it finds the task by its name, everything else is pickled."""
        import multiprocessing
        from concurrent.futures import BrokenExecutor, ProcessPoolExecutor

        _check_name(task)
        # Pickled here, for an error at once, and unpickled by the call itself: what fails to arrive fails alone.
        call = pickle.dumps((task, arguments, keywords))
        if self._processes is not None:
            try:
                return self._processes.submit(_call_by_name, call)
            except BrokenExecutor:  # a process died; its calls have failed, later ones need not
                self._processes.shutdown(wait=False)
                self._processes = None
        self._processes = ProcessPoolExecutor(self._max_processes, multiprocessing.get_context("spawn"))
        return self._processes.submit(_call_by_name, call)

    def alone(self) -> bool:
        """Whether surely no other thread is running Python code now."""
        idle = 0 if self._threads is None else len(self._threads._threads)
        return self._calling == 0 and threading.active_count() - idle <= 1

    def close(self) -> None:
        """Stop the workers. Those at work finish what they do first; nothing new is taken on."""
        threads, self._threads = self._threads, None
        processes, self._processes = self._processes, None
        if threads is not None:
            threads.shutdown(wait=True, cancel_futures=True)
        if processes is not None:
            processes.shutdown(wait=True, cancel_futures=True)

    def _call(self, task: Task, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        function: Callable[..., Any] = task.fn
        with self._lock:
            self._calling += 1
        start = time.perf_counter_ns()
        try:
            return function(*arguments, **keywords)
        finally:
            took = time.perf_counter_ns() - start
            if task.measured(took):
                self._demoted(task.module, task.name, took * 1e-9)
            with self._lock:
                self._calling -= 1


def _check_name(task: Task) -> None:
    """Raise if a worker process could not find a task by its name."""
    if isinstance(task.fn, MethodType):  # found through its instance, which is pickled
        return
    try:
        found = import_task(task.module, task.name)
    except (ImportError, AttributeError):
        found = None
    if found is not task and found is not task.fn and getattr(found, "fn", None) is not task.fn:
        raise TaskDefinitionError(
            f"a task that runs in a worker process must be importable by its name; "
            f"`{task.module}.{task.name}` does not lead to it"
        )


def _call_by_name(call: bytes) -> Any:
    found, arguments, keywords = pickle.loads(call)
    # The name leads to the task if it was made with the decorator, else to the function that it was made of.
    function = found.fn if isinstance(found, Task) else found
    return function(*arguments, **keywords)
