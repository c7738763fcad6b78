"""A pool of worker processes in which a call can be abandoned."""

from __future__ import annotations

import concurrent.futures
import multiprocessing
import os
import sys
import threading
import weakref
from collections import deque
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from contextvars import Context
from functools import partial
from multiprocessing.connection import wait
from multiprocessing.util import Finalize
from typing import Any

from cascade._support.failures import another, set_cause
from cascade._support.forks import reset_in_children
from cascade._support.public import shown_as
from cascade.exceptions import WorkerError
from cascade.workers.thread_pool import ThreadPool, set_seconds
from cascade.workers.worker_process import end_with_parent
from cascade.workers.worker_result import WorkerResult, is_plain, make_call, unpack

__all__ = ["GRACE", "ProcessPool", "WorkerDiedError"]

GRACE = 5.0
"""Seconds that a worker process has for its exit when the pool is closed and no call runs in it; then it is killed."""

_SHOWN = 5  # running calls that a message names
_EXIT = 1.0  # seconds for which the exit code of a process is awaited that has closed its pipes
_UNGUARDED = (
    "if it died as it imported the program's main module, start runs under `if __name__ == '__main__':` there "
    "(its traceback is on standard error)"
)


@shown_as(WorkerError)
class WorkerDiedError(WorkerError, BrokenProcessPool):
    """A worker process died while the call ran in it, or in another process of the same generation."""


class ProcessPool:
    """A pool of processes that make calls, in the order in which they were submitted.

    It differs from `concurrent.futures.ProcessPoolExecutor` in two ways: a running call can be abandoned, and the death
    of a process fails only the calls that were running, not those that wait. A single process of such an executor
    cannot be replaced. So the pool uses one executor after another, each a *generation* of processes: when a call is
    abandoned, its generation retires. It takes no more calls, and is killed when it runs only abandoned ones; a new
    generation takes the calls that wait.

    In a forked process, the pool begins anew, without processes and calls.

    Args:
        max_processes: how many processes in a generation, >= 1; None: one for each processor.
    """

    def __init__(self, max_processes: int | None = None) -> None:
        self._max_processes = default_processes() if max_processes is None else max_processes
        self._inherited: list[object] = []
        self._make()
        reset_in_children(self)

    def _reset_after_fork(self) -> None:
        # Kept alive until `_at_exit` has found the executors of the parent: if they were freed first, this process
        # would wait at its exit for processes that are not its children.
        self._inherited += [self._current, *self._retired]
        self._make()

    def _make(self) -> None:
        self._waiting: deque[tuple[Future[Any], bytes, str]] = deque()
        self._current: _Generation | None = None
        self._retired: set[_Generation] = set()
        self._unpacker = _Unpacker()
        self._lock = threading.RLock()  # reentrant: a done callback of a call that fails here may submit another

    def submit(self, call: bytes, task: str) -> Future[Any]:
        """Submit a call.

        Args:
            call: pickled, as `cascade.workers.worker_result.make_call` takes it.
            task: a description of the call, for messages.

        Returns:
            The `concurrent.futures.Future` of the call.
        """
        future: Future[Any] = Future()
        with self._lock:
            self._waiting.append((future, call, task))
        self._feed()
        return future

    def abandon(self, future: Future[Any]) -> None:
        """Abandon a call. If it has not begun, it is cancelled; if it runs, its generation retires.

        Args:
            future: the future of a call of this pool. If the call has ended, nothing happens.
        """
        if future.cancel():
            return
        with self._lock:
            for generation in (self._current, *self._retired):
                if generation is not None and generation.abandon(future):
                    self._retire(generation)
        self._unpacker.abandon(future)
        self._feed()

    def close(self) -> None:
        """Cancel the calls that have not begun, wait for the running ones, save abandoned ones, and end all processes.

        A process without a call that does not exit within `GRACE`, such as one with a thread of its own, is killed. A
        later `submit` starts new processes.
        """
        with self._lock:
            waiting, self._waiting = self._waiting, deque()
            if self._current is not None:
                self._retire(self._current)
            generations, self._retired = self._retired, set()
            unpacker, self._unpacker = self._unpacker, _Unpacker()
        for future, *_ in waiting:
            if future.cancel():
                future.set_running_or_notify_cancel()  # else `concurrent.futures.wait` would not return
        for generation in generations:
            generation.join(GRACE)
        unpacker.close()

    def _retire(self, generation: _Generation) -> None:
        generation.retire()
        self._retired = {other for other in self._retired if not other.gone} | {generation}
        if generation is self._current:
            self._current = None

    def _feed(self) -> None:
        """Submit as many calls to the current generation as it has processes.

        Other calls wait here, not in the executor, which would mark a call as running that waits behind another one.
        """
        failed: list[tuple[Future[Any], Exception]] = []
        with self._lock:
            while self._waiting and (self._current is None or len(self._current.calls) < self._max_processes):
                future, call, task = self._waiting.popleft()
                if future.set_running_or_notify_cancel():
                    try:
                        self._hand_over(future, call, task)
                    except Exception as error:  # no process can be started
                        failed.append((future, error))
        for future, failure in failed:  # after the lock: this calls done callbacks
            future.set_exception(failure)

    def _hand_over(self, future: Future[Any], call: bytes, task: str) -> None:
        if self._current is not None:
            try:
                self._current.call(future, call, task)
                return
            except BrokenExecutor:  # a process died
                self._retire(self._current)
        generation = _Generation(self._max_processes, self._feed, self._unpacker)
        generation.call(future, call, task)
        self._current = generation


class _Unpacker:
    """Completes futures with the outcomes of worker processes.

    The executor's only thread must not unpickle what runs code of the user, such as a model that is loaded: the
    results of all other calls would wait. That is done in threads, and an outcome that takes no time at once.
    """

    def __init__(self) -> None:
        self._threads = ThreadPool(name="cascade-unpickle")
        self._waiting: dict[Future[Any], Future[None]] = {}  # by the future that it completes

    def complete(self, future: Future[Any], packed: WorkerResult) -> None:
        """Complete the future of a call with its outcome, now or later."""
        if is_plain(packed):
            _complete(future, packed)
            return
        try:
            working = self._threads.submit(_complete, future, packed)
        except RuntimeError:  # no thread can be started
            _complete(future, packed)
            return
        self._waiting[future] = working
        working.add_done_callback(lambda _: self._waiting.pop(future, None))

    def abandon(self, future: Future[Any]) -> None:
        """Stop waiting for the outcome of a call, if it is being unpickled."""
        working = self._waiting.pop(future, None)
        if working is not None:
            self._threads.abandon(working)
            if working.cancelled():  # it had not begun: no thread will complete the future
                future.set_exception(concurrent.futures.CancelledError())

    def close(self) -> None:
        """Wait for the outcomes that are not abandoned."""
        concurrent.futures.wait(list(self._waiting.values()))
        self._threads.close()


def _complete(future: Future[Any], packed: WorkerResult) -> None:
    value, failure = unpack(packed)
    set_seconds(future, packed.seconds)
    if failure is None:
        future.set_result(value)
    else:
        future.set_exception(failure)


def default_processes() -> int:
    """Return the default number of processes: one for each processor."""
    processors = int(getattr(os, "process_cpu_count", os.cpu_count)() or 1)
    return min(61, processors) if sys.platform == "win32" else processors  # Windows cannot wait for more handles


class _AtExit:
    """Shuts the executors down at the exit of this process.

    Without this, a process that `multiprocessing` has started would wait at its exit for its own worker processes,
    which nothing tells to exit.
    """

    def __init__(self) -> None:
        self._inherited: list[object] = []
        self._executors: weakref.WeakSet[ProcessPoolExecutor] = weakref.WeakSet()
        self._reset_after_fork()
        reset_in_children(self)

    def _reset_after_fork(self) -> None:
        # Executors of the parent process are kept alive: freeing them here would acquire locks that may be held for
        # ever. Their processes are not children of this one.
        for executor in self._executors:
            self._inherited.append(executor)
            for process in tuple((getattr(executor, "_processes", None) or {}).values()):
                getattr(multiprocessing.process, "_children", set()).discard(process)
        self._executors = weakref.WeakSet()
        self._finalizer: Finalize | None = None

    def add(self, executor: ProcessPoolExecutor) -> None:
        """Shut an executor down at exit, too."""
        self._executors.add(executor)
        if self._finalizer is None or not self._finalizer.still_active():
            # The higher the priority, the earlier; the queues of an executor have 10.
            self._finalizer = Finalize(None, self._end, exitpriority=100)

    def _end(self) -> None:
        for executor in tuple(self._executors):
            executor.shutdown()


_at_exit = _AtExit()


class _Generation:
    """One executor with its processes and running calls. Retired as a whole; see `ProcessPool`.

    Args:
        size: how many processes.
        freed: called when a call has ended, so that a process is free.
        unpacker: completes the futures of calls that have ended.

    Attributes:
        calls: the futures of the running calls, abandoned ones included, with descriptions of the calls.
    """

    def __init__(self, size: int, freed: Callable[[], None], unpacker: _Unpacker) -> None:
        self.calls: dict[Future[Any], str] = {}
        self._at_work_at_death: list[str] | None = (
            None  # descriptions of the calls that ran when a process died; None: none died
        )
        self._abandoned: set[Future[Any]] = set()
        self._answered = False  # a process of it has started, and has ended a call
        self._retired = False
        self._ended = threading.Event()
        self._freed = freed
        self._unpacker = unpacker
        self._executor = ProcessPoolExecutor(size, multiprocessing.get_context("spawn"), end_with_parent)
        # A private attribute, which `shutdown` clears. Without it abandoned calls are not killed: no other harm.
        self._processes: dict[int, Any] = getattr(self._executor, "_processes", None) or {}
        self._manager: threading.Thread | None = None
        self._lock = threading.RLock()
        _at_exit.add(self._executor)

    def call(self, future: Future[Any], call: bytes, task: str) -> None:
        """Submit a call to the executor. ``task``: a description of the call."""
        before = len(self._processes)
        # In an empty context: the executor may start threads, which keep the context alive.
        inner = Context().run(self._executor.submit, make_call, call, task)
        self._processes = getattr(self._executor, "_processes", None) or self._processes
        self._manager = getattr(self._executor, "_executor_manager_thread", None) or self._manager
        if len(self._processes) > before:
            self._watch_all()
        with self._lock:
            self.calls[future] = task
        inner.add_done_callback(partial(self._end, future))

    def _watch_all(self) -> None:
        """Wake the executor's thread, so that it watches a new process too: it may have listed its processes before."""
        lock, wakeup = (
            getattr(self._executor, name, None) for name in ("_shutdown_lock", "_executor_manager_thread_wakeup")
        )
        if lock is not None and wakeup is not None:
            with lock:
                wakeup.wakeup()

    def abandon(self, future: Future[Any]) -> bool:
        """Mark a running call of this generation as abandoned; return whether it was one."""
        with self._lock:
            if future not in self.calls:
                return False
            self._abandoned.add(future)
            return True

    def retire(self) -> None:
        """Shut down as soon as all running calls are abandoned."""
        with self._lock:
            self._retired = True
            ends = self._take_end()
        if ends:
            self._shut_down()

    @property
    def gone(self) -> bool:
        """Whether it is shut down and its processes have exited."""
        return self._ended.is_set() and (self._manager is None or not self._manager.is_alive())

    def join(self, grace: float) -> None:
        """Wait until the processes have exited. Only after `retire`.

        Args:
            grace: seconds that a process has for its exit, from the end of the last call on; then it is killed.
        """
        if self._manager is None or self._manager is threading.current_thread():
            return
        self._ended.wait()
        self._manager.join(grace)
        if self._manager.is_alive():
            self._kill()
            self._manager.join()

    def _end(self, future: Future[Any], inner: Future[Any]) -> None:
        """Done callback of a call, in the executor's own thread: nothing here may wait for a lock of the executor."""
        error = inner.exception()
        with self._lock:
            if isinstance(error, BrokenExecutor) and self._at_work_at_death is None:
                self._at_work_at_death = list(self.calls.values())
            task = self.calls.pop(future)
            self._abandoned.discard(future)
            ends = self._take_end()
        if error is None:
            self._answered = True
            self._unpacker.complete(future, inner.result())
        else:
            future.set_exception(self._death(task, error) if isinstance(error, BrokenExecutor) else another(error))
        if isinstance(error, BrokenExecutor):  # the executor holds its lock during this callback
            thread = threading.Thread(target=self._after_call, args=(ends,), name="cascade-process-pool", daemon=True)
            Context().run(thread.start)
        else:
            self._after_call(ends)

    def _death(self, task: str, error: BrokenExecutor) -> WorkerDiedError:
        """Return the error of a call that ran when a process died. Which call that process ran is not known."""
        others = list(self._at_work_at_death or ())
        if task in others:
            others.remove(task)
        code = self._exit_code()
        named = ", ".join(others[:_SHOWN]) + (f" and {len(others) - _SHOWN} more" if len(others) > _SHOWN else "")
        made = WorkerDiedError(
            f"a worker process died{'' if code is None else f' with exit code {code}'} while task {task} was running; "
            + (f"so were {named}, and it may have run any of these" if others else "no other task was")
            # 1 is the exit code after an exception: a worker process imports the main module before its first call.
            + ("" if code != 1 or self._answered else f"; {_UNGUARDED}")
        )
        set_cause(made, error)
        return made

    def _exit_code(self) -> int | None:
        """The exit code of a process that has died, unless it is 0 or cannot be had."""
        for process in tuple(self._processes.values()):
            with suppress(ValueError, OSError):  # closed processes have no exit code
                if wait([process.sentinel], 0):
                    process.join(_EXIT)
                    if process.exitcode:
                        return int(process.exitcode)
        return None

    def _after_call(self, ends: bool) -> None:
        if ends:
            self._shut_down()
        self._freed()

    def _take_end(self) -> bool:
        """Return True, once, when it must be shut down: it is retired and all running calls are abandoned."""
        if not self._retired or self._ended.is_set() or not self.calls.keys() <= self._abandoned:
            return False
        self._ended.set()
        return True

    def _shut_down(self) -> None:
        self._executor.shutdown(wait=False)
        if self.calls:
            self._kill()

    def _kill(self) -> None:
        for process in tuple(self._processes.values()):
            with suppress(ValueError):  # closed: it has exited
                process.kill()
