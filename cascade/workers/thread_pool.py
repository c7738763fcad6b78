"""Threads: a pool of them in which a call can be given up."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import Future
from contextvars import Context
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from cascade._support.forks import renew_in_children

__all__ = ["ThreadPool"]

T = TypeVar("T")


class ThreadPool:
    """Threads that make calls, in the order in which they were submitted.

    What `concurrent.futures.ThreadPoolExecutor` is, but that a call at work can be abandoned: its thread, which nothing
    can stop, counts no more and ends when the call does, and another takes its place. So its threads are daemons: what
    is at work when the interpreter exits is cut off there, and neither an abandoned call nor a pool that was forgotten
    keeps a program from ending.

    A thread is started when a call comes and none is idle. A pool that is forgotten makes the calls that it has and
    lets its threads go. In a process that was forked, it begins anew, without threads and calls.

    Args:
        max_threads: how many threads at once, those of abandoned calls not counted; None: as many as
            `ThreadPoolExecutor` would have.
        name: how the names of its threads begin.

    Raises:
        ValueError: ``max_threads`` is neither None nor an int >= 1.

    >>> pool = ThreadPool(max_threads=2)
    >>> pool.submit(max, 1, 2).result()
    2
    >>> pool.close()
    """

    def __init__(self, max_threads: int | None = None, name: str = "cascade") -> None:
        if max_threads is not None and (type(max_threads) is not int or max_threads < 1):
            raise ValueError(f"max_threads must be None or an int >= 1, got {max_threads!r}")
        self._max_threads = default_threads() if max_threads is None else max_threads
        self._name = name
        self._renew()
        renew_in_children(self)

    def _renew(self) -> None:
        self._line = _Line(self, self._max_threads, self._name)  # what it shares with its threads

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """Have a thread call a function.

        Args:
            fn: the function.
            args: its positional arguments.
            kwargs: its keyword arguments.

        Returns:
            The `concurrent.futures.Future` of the call.

        Raises:
            RuntimeError: the pool is closed, or there is no thread and none can be started.
        """
        future: Future[T] = Future()
        self._line.add(_Call(future, fn, args, kwargs))
        return future

    def abandon(self, future: Future[Any]) -> None:
        """Give a call up. If it has not begun, it is cancelled. If it is at work, its thread is replaced.

        What it does in that thread, it goes on doing. Its future ends when the call does; nobody needs to look.

        Args:
            future: of a call of this pool. If it has ended, nothing happens.
        """
        if not future.cancel():
            self._line.give_up(future)

    def close(self, wait: bool = True) -> None:
        """Take no more calls, and cancel those that have not begun.

        Args:
            wait: whether to wait for the calls at work, save those that are abandoned before or meanwhile.
        """
        self._line.close(wait)

    @property
    def threads(self) -> int:
        """How many threads it has, those of abandoned calls not counted."""
        return len(self._line.threads)

    @property
    def idle(self) -> int:
        """How many of them wait for a call."""
        return self._line.idle_and_alive()

    def __repr__(self) -> str:
        return f"<ThreadPool {self._name}: {self.threads} of {self._max_threads} threads, {self.idle} idle>"


def default_threads() -> int:
    """Return how many threads a pool has that was not told: as many as `concurrent.futures` would."""
    processors = getattr(os, "process_cpu_count", os.cpu_count)() or 1
    return int(min(32, processors + 4))


class _Call:
    """One call that was submitted."""

    __slots__ = ("args", "fn", "future", "kwargs")

    def __init__(self, future: Future[Any], fn: Callable[..., Any], args: Any, kwargs: Any) -> None:
        self.future = future
        self.fn = fn
        self.args = args
        self.kwargs = kwargs

    def make(self) -> None:
        """Make the call. Afterwards nothing of it is held here but by its future."""
        future = self.future
        try:
            value = self.fn(*self.args, **self.kwargs)
        except BaseException as error:
            del self.fn, self.args, self.kwargs
            future.set_exception(error)
            # The traceback leads to this frame: it must not lead back to the future, and so to itself.
            del self, future
        else:
            del self.fn, self.args, self.kwargs
            future.set_result(value)


class _Line:
    """What a pool and its threads share: the calls that wait, and who is there to make them.

    It outlives a pool that is forgotten, to which it has no reference but a weak one.
    """

    def __init__(self, pool: ThreadPool, max_threads: int, name: str) -> None:
        queue: SimpleQueue[_Call | None] = SimpleQueue()  # None: see whether it is time to end
        self.queue = queue
        # Called wherever memory is freed, perhaps by a thread that holds the lock: it may only use the queue.
        self.pool = weakref.ref(pool, lambda _: queue.put(None))
        self.max_threads = max_threads
        self.name = name
        self.closed = False
        self.threads: set[_Thread] = set()  # without those of abandoned calls
        self._started = 0  # ever
        self._starting = 0
        self._idle = 0  # threads in `threads` that have no call, those that are being started included
        self._queued = 0  # calls in the queue, cancelled ones included
        self._working: dict[Future[Any], _Thread] = {}
        self._lock = threading.RLock()  # memory freed under it may run code of the user's that submits

    # ------------------------------------------------------------------------------------------- called by the pool

    def add(self, call: _Call) -> None:
        """Put a call at the end of the line, and start a thread if it would have to wait for one."""
        with self._lock:
            if self.closed:
                raise RuntimeError("cannot submit a call: the thread pool is closed")
            self.queue.put(call)
            self._queued += 1
            failure = self._grow()
        if failure is not None and call.future.cancel():
            raise failure

    def give_up(self, future: Future[Any]) -> None:
        """Have the thread that is making a call, if it still is, count no more."""
        with self._lock:
            thread = self._working.pop(future, None)
            if thread is None:
                return
            self.threads.discard(thread)
            thread.abandoned = True
            thread.over.set()
            failure = None if self.closed else self._grow()
            stranded = [] if failure is None else self._drain()
        for call in stranded:
            if call.future.set_running_or_notify_cancel():
                call.future.set_exception(failure)

    def close(self, wait: bool) -> None:
        """Cancel what waits, have the threads end, and wait for them."""
        with self._lock:
            self.closed = True
            unwanted = self._drain()
            threads = tuple(self.threads)
            self.queue.put(None)
        for call in unwanted:
            if call.future.cancel():
                call.future.set_running_or_notify_cancel()  # else `concurrent.futures.wait` would wait on
        if not wait:
            return
        for thread in threads:
            if thread is not threading.current_thread():
                thread.over.wait()
                if not thread.abandoned:
                    thread.join()  # the rest of it takes no time, and then it is really gone

    def idle_and_alive(self) -> int:
        """How many threads wait for a call; none of them is still to be started or has ended."""
        with self._lock:
            return self._idle - self._starting

    # ---------------------------------------------------------------------------------------- called by its threads

    def begin(self, call: _Call, thread: _Thread) -> bool:
        """A thread has taken a call: return whether it is to be made."""
        with self._lock:
            self._queued -= 1
            wanted = call.future.set_running_or_notify_cancel()
            if wanted:
                self._idle -= 1
                self._working[call.future] = thread
            return wanted

    def end(self, future: Future[Any], thread: _Thread) -> bool:
        """A thread has made a call: return whether it stays."""
        with self._lock:
            if self._working.pop(future, None) is None:  # it was abandoned
                return False
            self._idle += 1
            return True

    def leave(self, thread: _Thread) -> bool:
        """A thread asks whether it is time to end; if it is, it is gone as far as the pool is concerned."""
        with self._lock:
            if not self.closed and self.pool() is not None:
                return False
            self.threads.discard(thread)
            self._idle -= 1
            self.queue.put(None)  # for the next one
            return True

    def lose(self, thread: _Thread) -> None:
        """A thread is ending, expected or not."""
        with self._lock:
            if thread in self.threads:  # something but its call has failed, such as a callback of the future
                self.threads.discard(thread)
                self._working = {future: other for future, other in self._working.items() if other is not thread}

    # -------------------------------------------------------------------------------------------- under the lock

    def _grow(self) -> RuntimeError | None:
        """Start a thread if there are more calls than idle threads. Return why not, if then there is no thread."""
        if self._queued <= self._idle or len(self.threads) >= self.max_threads:
            return None
        thread = _Thread(self, f"{self.name}_{self._started}")
        self._started += 1
        self._idle += 1
        self._starting += 1
        self.threads.add(thread)
        try:
            Context().run(thread.start)  # it keeps nothing alive that happens to be in the context of this call
        except RuntimeError as error:  # the system has no more of them, or the interpreter is about to exit
            self._idle -= 1
            self.threads.discard(thread)
            return None if self.threads else error
        finally:
            self._starting -= 1
        return None

    def _drain(self) -> list[_Call]:
        calls: list[_Call] = []
        while True:
            try:
                call = self.queue.get_nowait()
            except Empty:
                return calls
            if call is not None:
                self._queued -= 1
                calls.append(call)


class _Thread(threading.Thread):
    """One thread of a pool.

    Attributes:
        abandoned: whether the call that it makes was given up, so that it ends after it.
        over: set when there is nothing to wait for any more: it is about to end, or was abandoned.
    """

    def __init__(self, line: _Line, name: str) -> None:
        super().__init__(name=name, daemon=True)
        self.abandoned = False
        self.over = threading.Event()
        self._line = line

    def run(self) -> None:
        line = self._line
        try:
            while True:
                call = line.queue.get()
                if call is None:
                    if line.leave(self):
                        return
                elif line.begin(call, self):
                    future = call.future
                    call.make()
                    if not line.end(future, self):
                        return
                    del future
                del call  # an idle thread keeps nothing alive
        finally:
            line.lose(self)
            self.over.set()
