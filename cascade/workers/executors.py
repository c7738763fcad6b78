"""The executors of an engine: sync tasks in threads and in processes."""

from __future__ import annotations

import contextvars
import pickle
import threading
import time
from collections.abc import Callable
from itertools import islice
from types import MethodType
from typing import TYPE_CHECKING, Any

from cascade._core.expr.task import Task, import_task
from cascade._core.run.current import CALL, SentCall
from cascade._support.failures import describe, name_of
from cascade._support.forks import reset_in_children
from cascade._support.public import public_in
from cascade.exceptions import TaskDefinitionError, WorkerError

if TYPE_CHECKING:
    from concurrent.futures import Future

    from cascade.workers.process_pool import ProcessPool
    from cascade.workers.thread_pool import ThreadPool

__all__ = ["ProcessExecutor", "ThreadExecutor", "check_count"]

_SHOWN = 5  # arguments in the description of a call


@public_in("cascade.protocols")
class ThreadExecutor:
    """An `Executor` that calls tasks in threads, each call in a copy of the context in which it was submitted.

    An abandoned call goes on in its thread, which is replaced. The threads are daemon threads.

    Args:
        max_threads: how many threads, >= 1; None: the default of `concurrent.futures.ThreadPoolExecutor`.
        demoted: called with the module and the name of a task that no longer runs inline, and the seconds that a call
            took; None: not called.

    Raises:
        ValueError: ``max_threads`` is neither None nor an int >= 1.

    >>> import cascade as cs
    >>> @cs.task
    ... def add(a, b):
    ...     return a + b
    >>> executor = ThreadExecutor(max_threads=1)
    >>> executor.submit(add, (1,), {"b": 2}).result()
    3
    >>> executor.close()
    """

    def __init__(
        self, max_threads: int | None = None, demoted: Callable[[str, str, float], None] | None = None
    ) -> None:
        check_count(max_threads, "max_threads")
        self._max_threads = max_threads
        self._demoted = demoted
        self._pool: ThreadPool | None = None
        self._reset_after_fork()
        reset_in_children(self)

    def _reset_after_fork(self) -> None:
        """Forget the running calls: a forked process has none. The pool resets itself."""
        self._calling: set[int] = set()  # ids of threads with a running call, abandoned calls included

    def submit(self, task: Task, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Future[Any]:
        """Have a thread call a task's callable.

        Args:
            task: whose callable.
            arguments: its positional arguments.
            keywords: its keyword arguments.

        Returns:
            The future of the call.
        """
        pool = self._pool
        if pool is None:
            from cascade.workers.thread_pool import ThreadPool  # not needed by most programs

            pool = self._pool = ThreadPool(self._max_threads)
        return pool.submit(contextvars.copy_context().run, self._call, task, arguments, keywords)

    def abandon(self, future: Future[Any]) -> None:
        """Abandon a call: cancel it if it has not begun, else let it go on, and replace its thread.

        Args:
            future: the future of the call.
        """
        if self._pool is not None:
            self._pool.abandon(future)

    @property
    def idle(self) -> int | None:
        """How many threads wait for a call; None: a call is running, perhaps an abandoned one."""
        if self._calling:
            return None
        return 0 if self._pool is None else self._pool.idle

    def close(self) -> None:
        """Cancel the calls that have not begun, wait for the others. A later `submit` starts new threads."""
        if (wait := self.detach()) is not None:
            wait()

    def detach(self) -> Callable[[], object] | None:
        """Begin what `close` does; return a function that waits for its end; None: it has ended."""
        pool, self._pool = self._pool, None
        if pool is None:
            return None
        if pool.threads != pool.idle:
            return pool.close
        pool.close()  # its threads only have to return
        return None

    def _call(self, task: Task, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        function: Callable[..., Any] = task.fn
        me = threading.get_ident()
        self._calling.add(me)
        start = time.perf_counter_ns()
        try:
            return function(*arguments, **keywords)
        finally:
            took = time.perf_counter_ns() - start
            demoted = task._measured(took)  # noqa: SLF001 - the core implements mode="auto"
            if demoted and self._demoted is not None:
                self._demoted(task.module, task.name, took * 1e-9)
            self._calling.discard(me)


@public_in("cascade.protocols")
class ProcessExecutor:
    """An `Executor` that calls tasks in processes. A task is imported by its name; arguments and results are pickled.

    An abandoned call is killed with its process, but only when the other running calls of its generation of processes
    have ended: see `cascade.workers.process_pool.ProcessPool`. Until then there may be more than ``max_processes``.

    Args:
        max_processes: how many processes, >= 1; None: one for each processor.

    Raises:
        ValueError: ``max_processes`` is neither None nor an int >= 1.
    """

    def __init__(self, max_processes: int | None = None) -> None:
        check_count(max_processes, "max_processes")
        self._max_processes = max_processes
        self._pool: ProcessPool | None = None

    def submit(self, task: Task, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Future[Any]:
        """Have a process call a task's callable.

        Args:
            task: whose callable; it must be importable by its name.
            arguments: its positional arguments.
            keywords: its keyword arguments.

        Returns:
            The future of the call.

        Raises:
            TaskDefinitionError: the task's name does not lead to it.
            WorkerError: pickling an argument raises something other than an `Exception`, such as `SystemExit`.
            Exception: an argument cannot be pickled.
        """
        _check_name(task)
        shown = _described(task, arguments, keywords)
        # Pickled here, so that errors are raised at once; unpickled by `make_call`, so that errors fail this call only.
        try:
            sent = CALL.get()
            plain = task._ungoverned  # noqa: SLF001 - policies need not be picklable
            call = pickle.dumps((plain, arguments, keywords, sent if type(sent) is SentCall else None))
        except (Exception, KeyboardInterrupt):
            raise
        except BaseException as error:  # raised by an argument: it must neither end the program nor cancel the run
            wrong = WorkerError(
                f"arguments of task {shown} must be picklable to go to a worker process, got an error instead: "
                f"{describe(error)}"
            )
            raise wrong from error
        if self._pool is None:
            from cascade.workers.process_pool import ProcessPool  # not needed by most programs, slow to import

            self._pool = ProcessPool(self._max_processes)
        return self._pool.submit(call, shown)

    def abandon(self, future: Future[Any]) -> None:
        """Abandon a call: cancel it if it has not begun, else drop its result; other processes take later calls.

        Args:
            future: the future of the call.
        """
        if self._pool is not None:
            self._pool.abandon(future)

    def close(self) -> None:
        """Cancel the calls that have not begun, wait for running ones, save abandoned ones, and end the processes.

        A process that does not exit within `cascade.workers.process_pool.GRACE` after its last call is killed.
        """
        if (wait := self.detach()) is not None:
            wait()

    def detach(self) -> Callable[[], object] | None:
        """Begin what `close` does; return a function that waits for its end; None: it has ended."""
        pool, self._pool = self._pool, None
        return None if pool is None else pool.close


def check_count(count: object, name: str) -> None:
    """Raise `ValueError` unless a number of workers is None or an int >= 1."""
    if count is not None and (type(count) is not int or count < 1):
        raise ValueError(f"{name} must be None or an int >= 1, got {count!r}")


def _described(task: Task, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> str:
    """Describe a call for messages: the task and the types of its arguments. No code of the arguments is run."""
    kinds = [name_of(type(value))[1] for value in arguments[:_SHOWN]]
    kinds += [f"{name}={name_of(type(value))[1]}" for name, value in islice(keywords.items(), _SHOWN - len(kinds))]
    more = ", ..." if len(arguments) + len(keywords) > len(kinds) else ""
    return f"{task.module}.{task.name}({', '.join(kinds)}{more})"


def _check_name(task: Task) -> None:
    """Raise `TaskDefinitionError` if a worker process could not import a task by its name."""
    if isinstance(task.fn, MethodType):  # a bound method is pickled with its instance
        return
    try:
        found = import_task(task.module, task.name)
    except (ImportError, AttributeError):
        found = None
    if found is not task and found is not task.fn and getattr(found, "fn", None) is not task.fn:
        raise TaskDefinitionError(
            f"a task that runs in a worker process must be importable by its name; "
            f"`{task.module}.{task.name}` does not lead to it: define it at the top of a module, or use mode='thread'"
        )
