"""Processes: a pool of them in which a call can be given up."""

from __future__ import annotations

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
from multiprocessing.util import Finalize
from typing import Any

from cascade._support.failures import another, set_cause
from cascade._support.forks import renew_in_children
from cascade.exceptions import WorkerError
from cascade.workers.worker_result import make_call, unpack

__all__ = ["ProcessPool", "WorkerDiedError"]

_SHOWN = 5  # calls at work, in words


class WorkerDiedError(WorkerError, BrokenProcessPool):
    """A worker process died while a call was at work in it, or in another one of its team."""


class ProcessPool:
    """Processes that make calls, in the order in which they were submitted.

    What `concurrent.futures.ProcessPoolExecutor` is, but that a call at work can be abandoned, and that the death of a
    process fails only the calls that were at work. The processes of such an executor cannot be had one by one, so a
    call that is abandoned takes its *team* with it: the others of the team finish the calls at work and take no more, a
    new team takes the calls that wait, and when all that is at work in the old one is abandoned, it is killed.
    In a process that was forked, it begins anew, without processes and calls.

    Args:
        max_processes: how many processes in a team; None: one for each processor.
    """

    def __init__(self, max_processes: int | None = None) -> None:
        self._max_processes = default_processes() if max_processes is None else max_processes
        self._inherited: list[object] = []
        self._make()
        renew_in_children(self)

    def _renew(self) -> None:
        # Kept until the executors of the parent were found: freed, they would leave their processes to this one's end.
        self._inherited += [self._team, *self._retired]
        self._make()

    def _make(self) -> None:
        self._waiting: deque[tuple[Future[Any], bytes, str]] = deque()
        self._team: _Team | None = None
        self._retired: set[_Team] = set()
        self._lock = threading.RLock()  # a call may fail as it is handed over, and who hears of it submit another

    def submit(self, call: bytes, task: str) -> Future[Any]:
        """Have a process make a call.

        Args:
            call: as `cascade.worker_result.make_call` takes it.
            task: the call in words, for messages.

        Returns:
            The `concurrent.futures.Future` of the call.
        """
        future: Future[Any] = Future()
        with self._lock:
            self._waiting.append((future, call, task))
        self._feed()
        return future

    def abandon(self, future: Future[Any]) -> None:
        """Give a call up. If it has not begun, it is cancelled. If it is at work, another team takes its team's place.

        Args:
            future: of a call of this pool. If it has ended, nothing happens.
        """
        if future.cancel():
            return
        with self._lock:
            for team in (self._team, *self._retired):
                if team is not None and team.give_up(future):
                    self._retire(team)
        self._feed()

    def close(self) -> None:
        """Cancel the calls that have not begun, wait for those at work that are not abandoned, and end all processes.

        A later `submit` starts processes anew.
        """
        with self._lock:
            waiting, self._waiting = self._waiting, deque()
            if self._team is not None:
                self._retire(self._team)
            teams, self._retired = self._retired, set()
        for future, *_ in waiting:
            if future.cancel():
                future.set_running_or_notify_cancel()  # else `concurrent.futures.wait` would wait on
        for team in teams:
            team.join()

    def _retire(self, team: _Team) -> None:
        team.retire()
        self._retired = {other for other in self._retired if not other.gone} | {team}
        if team is self._team:
            self._team = None

    def _feed(self) -> None:
        """Hand over as many calls as there are processes.

        Calls wait here, not in the executor, which would mark as running one that waits behind a call that never ends.
        """
        with self._lock:
            while self._waiting and (self._team is None or len(self._team.calls) < self._max_processes):
                future, call, task = self._waiting.popleft()
                if future.set_running_or_notify_cancel():
                    try:
                        self._hand_over(future, call, task)
                    except Exception as error:  # no process can be started
                        future.set_exception(error)

    def _hand_over(self, future: Future[Any], call: bytes, task: str) -> None:
        if self._team is not None:
            try:
                self._team.call(future, call, task)
                return
            except BrokenExecutor:  # a process died
                self._retire(self._team)
        team = _Team(self._max_processes, self._feed)
        team.call(future, call, task)
        self._team = team


def default_processes() -> int:
    """Return how many processes a pool has that was not told: one for each processor."""
    processors = int(getattr(os, "process_cpu_count", os.cpu_count)() or 1)
    return min(61, processors) if sys.platform == "win32" else processors  # Windows cannot wait for more


class _Exit:
    """The end of this process: its executors end before.

    A process that multiprocessing has made waits at its end for its own processes, but does not tell them to end.
    """

    def __init__(self) -> None:
        self._inherited: list[object] = []
        self._executors: weakref.WeakSet[ProcessPoolExecutor] = weakref.WeakSet()
        self._renew()
        renew_in_children(self)

    def _renew(self) -> None:
        # Those of the process that this one was forked from are kept: freed here, they would take locks that may be
        # held for ever. Their processes are no children of this one.
        for executor in self._executors:
            self._inherited.append(executor)
            for process in tuple((getattr(executor, "_processes", None) or {}).values()):
                getattr(multiprocessing.process, "_children", set()).discard(process)
        self._executors = weakref.WeakSet()
        self._finalizer: Finalize | None = None

    def add(self, executor: ProcessPoolExecutor) -> None:
        """Have an executor end, too."""
        self._executors.add(executor)
        if self._finalizer is None or not self._finalizer.still_active():
            # The higher the priority, the earlier; the queues of an executor have 10.
            self._finalizer = Finalize(None, self._end, exitpriority=100)

    def _end(self) -> None:
        for executor in tuple(self._executors):
            executor.shutdown()


_exit = _Exit()


class _Team:
    """Some processes, and the calls at work in them.

    Args:
        size: how many processes.
        freed: called when one has ended its call.

    Attributes:
        calls: the futures of the calls at work, abandoned ones included, and the calls in words.
    """

    def __init__(self, size: int, freed: Callable[[], None]) -> None:
        self.calls: dict[Future[Any], str] = {}
        self._lost: list[str] | None = None  # the calls that were at work when a process died
        self._abandoned: set[Future[Any]] = set()
        self._retired = False
        self._ended = False
        self._freed = freed
        self._executor = ProcessPoolExecutor(size, multiprocessing.get_context("spawn"))
        # Not public, and forgotten when it is shut down; without them abandoned calls run on, which harms nobody else.
        self._processes: dict[int, Any] = getattr(self._executor, "_processes", None) or {}
        self._manager: threading.Thread | None = None
        self._lock = threading.RLock()
        _exit.add(self._executor)

    def call(self, future: Future[Any], call: bytes, task: str) -> None:
        """Make a call. ``task``: it in words."""
        before = len(self._processes)
        # It may start threads, which keep their context.
        inner = Context().run(self._executor.submit, make_call, call, task)
        self._processes = getattr(self._executor, "_processes", None) or self._processes
        self._manager = getattr(self._executor, "_executor_manager_thread", None) or self._manager
        if len(self._processes) > before:
            self._watch_all()
        with self._lock:
            self.calls[future] = task
        inner.add_done_callback(partial(self._end, future))

    def _watch_all(self) -> None:
        """Have the executor see its new process die: it may have looked which it has before that was among them."""
        lock, wakeup = (
            getattr(self._executor, name, None) for name in ("_shutdown_lock", "_executor_manager_thread_wakeup")
        )
        if lock is not None and wakeup is not None:
            with lock:
                wakeup.wakeup()

    def give_up(self, future: Future[Any]) -> bool:
        """Return whether a call was at work here, which is abandoned now."""
        with self._lock:
            if future not in self.calls:
                return False
            self._abandoned.add(future)
            return True

    def retire(self) -> None:
        """End when nothing is at work any more but what is abandoned."""
        with self._lock:
            self._retired = True
            ends = self._ends()
        if ends:
            self._shut_down()

    @property
    def gone(self) -> bool:
        """Whether it has ended, and its processes with it."""
        return self._ended and (self._manager is None or not self._manager.is_alive())

    def join(self) -> None:
        """Wait until the processes have ended. Only after `retire`."""
        if self._manager is not None and self._manager is not threading.current_thread():
            self._manager.join()

    def _end(self, future: Future[Any], inner: Future[Any]) -> None:
        """A call has ended. The executor's own thread tells it, so nothing here may wait for a lock of the executor."""
        error = inner.exception()
        with self._lock:
            if isinstance(error, BrokenExecutor) and self._lost is None:
                self._lost = list(self.calls.values())
            task = self.calls.pop(future)
            self._abandoned.discard(future)
            ends = self._ends()
        value, failure = None, None
        if error is None:
            value, failure = unpack(inner.result())
        elif isinstance(error, BrokenExecutor):
            failure = self._death(task, error)
        else:
            failure = another(error)
        if failure is None:
            future.set_result(value)
        else:
            future.set_exception(failure)
        if isinstance(error, BrokenExecutor):  # it holds its lock while it tells of it
            thread = threading.Thread(target=self._go_on, args=(ends,), name="cascade-team", daemon=True)
            Context().run(thread.start)
        else:
            self._go_on(ends)

    def _death(self, task: str, error: BrokenExecutor) -> WorkerDiedError:
        """What a call fails with whose team has lost a process. Which call that was at, nothing can tell."""
        others = list(self._lost or ())
        if task in others:
            others.remove(task)
        code = ""
        with suppress(ValueError):  # they are closed by now; and one that has just died may not know its code
            codes = [process.exitcode for process in tuple(self._processes.values())]
            code = next((f" with exit code {code}" for code in codes if code), "")
        beside = ", ".join(others[:_SHOWN]) + (f" and {len(others) - _SHOWN} more" if len(others) > _SHOWN else "")
        made = WorkerDiedError(
            f"a worker process died{code} while task {task} was at work; "
            + (f"so were {beside}, and it may have been at any of these" if others else "no other one was")
        )
        set_cause(made, error)
        return made

    def _go_on(self, ends: bool) -> None:
        if ends:
            self._shut_down()
        self._freed()

    def _ends(self) -> bool:
        """Whether it is to be shut down now: nothing is wanted of it any more. Says so once."""
        if not self._retired or self._ended or not self.calls.keys() <= self._abandoned:
            return False
        self._ended = True
        return True

    def _shut_down(self) -> None:
        self._executor.shutdown(wait=False)
        if self.calls:
            for process in tuple(self._processes.values()):
                process.kill()
