"""A pool of worker threads in which a call can be abandoned."""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from contextvars import Context
from queue import SimpleQueue
from typing import Any, TypeVar

from cascade._support.forks import reset_in_children

__all__ = ["ThreadPool"]

T = TypeVar("T")


class ThreadPool:
    """A pool of threads that make calls, in the order in which they were submitted.

    It differs from `concurrent.futures.ThreadPoolExecutor` in that a running call can be abandoned: its thread, which
    cannot be interrupted, no longer counts and ends with the call, and another thread takes its place. Hence the
    threads are daemon threads: a call that runs when the interpreter exits is cut off, and neither an abandoned call
    nor an unreferenced pool delays the exit.

    A thread is started when a call is submitted and no thread is idle. A pool that is freed completes the submitted
    calls, and its threads end. In a forked process, the pool begins anew, without threads and calls.

    Args:
        max_threads: the highest number of threads, those of abandoned calls not counted; None: the default of
            `concurrent.futures.ThreadPoolExecutor`.
        name: the prefix of the names of its threads.

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
        self._reset_after_fork()
        reset_in_children(self)

    def _reset_after_fork(self) -> None:
        self._shared = _SharedState(self, self._max_threads, self._name)  # not the pool: threads would keep it alive

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
        self._shared.add(_Call(future, fn, args, kwargs))
        return future

    def abandon(self, future: Future[Any]) -> None:
        """Abandon a call. If it has not begun, it is cancelled. If it is running, its thread is replaced.

        An abandoned call goes on in its thread, and its future is completed when it ends.

        Args:
            future: the future of a call of this pool. If the call has ended, nothing happens.
        """
        if not future.cancel():
            self._shared.abandon(future)

    def close(self, wait: bool = True) -> None:
        """Accept no more calls, and cancel those that have not begun.

        Args:
            wait: whether to wait for running calls, save those that are abandoned before or meanwhile.
        """
        self._shared.close(wait)

    @property
    def threads(self) -> int:
        """How many threads it has, those of abandoned calls not counted."""
        return len(self._shared.threads)

    @property
    def idle(self) -> int:
        """How many of them wait for a call."""
        return self._shared.idle_and_alive()

    def __repr__(self) -> str:
        return f"<ThreadPool {self._name}: {self.threads} of {self._max_threads} threads, {self.idle} idle>"


def set_seconds(future: Future[Any], seconds: float) -> None:
    """Note on the future of a call how long the call itself has taken, for events."""
    future.seconds = seconds  # type: ignore[attr-defined]


def default_threads() -> int:
    """Return the default number of threads: that of `concurrent.futures.ThreadPoolExecutor`."""
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
        """Make the call. Afterwards only its future refers to the result, and nothing to the arguments."""
        future = self.future
        start = time.perf_counter()
        try:
            value = self.fn(*self.args, **self.kwargs)
        except BaseException as error:
            del self.fn, self.args, self.kwargs
            set_seconds(future, time.perf_counter() - start)
            future.set_exception(error)
            # The traceback refers to this frame. A reference from here to the future would close a cycle.
            del self, future
        else:
            del self.fn, self.args, self.kwargs
            set_seconds(future, time.perf_counter() - start)
            future.set_result(value)


class _SharedState:
    """The state that a pool shares with its threads: waiting calls and threads.

    It refers to the pool weakly, so that an unreferenced pool is freed while its threads are alive.
    """

    def __init__(self, pool: ThreadPool, max_threads: int, name: str) -> None:
        # One item for each call, and one when the threads must check whether to end. The calls are not in it: an
        # asynchronous exception between two instructions would lose what the thread has just taken from it.
        queue: SimpleQueue[None] = SimpleQueue()
        self.queue = queue
        self._calls: deque[_Call] = deque()  # those that wait, cancelled ones included
        # The callback runs wherever the pool is freed, perhaps in a thread that holds the lock: it may use the queue
        # only.
        self.pool = weakref.ref(pool, lambda _: queue.put(None))
        self.max_threads = max_threads
        self.name = name
        self.closed = False
        self.threads: set[_Thread] = set()  # those of abandoned calls not included
        self._started = 0  # threads in total, for their names
        self._starting = 0
        self._working: dict[Future[Any], _Thread] = {}  # threads in `threads` that have a call
        self._lock = threading.RLock()  # reentrant: finalizers that run under it may submit calls

    # ------------------------------------------------------------------------------------------- called by the pool

    def add(self, call: _Call) -> None:
        """Enqueue a call, and start a thread if no thread is idle."""
        with self._lock:
            if self.closed:
                raise RuntimeError("cannot submit a call: the thread pool is closed")
            self._calls.append(call)
            self.queue.put(None)
            failure = self._grow()
        if failure is not None and call.future.cancel():
            raise failure

    def abandon(self, future: Future[Any]) -> None:
        """Exclude the thread of a running call from the pool, and start another one for calls that wait."""
        with self._lock:
            thread = self._working.pop(future, None)
            if thread is None:
                return
            self.threads.discard(thread)
            thread.abandoned = True
            thread.over.set()
            failure = None if self.closed else self._grow()
            stranded = [] if failure is None else self._drain()
        _fail(stranded, failure)

    def close(self, wait: bool) -> None:
        """Cancel the calls that wait, let the threads end, and wait for them."""
        with self._lock:
            self.closed = True
            unwanted = self._drain()
            threads = tuple(self.threads)
            self.queue.put(None)
        _fail(unwanted, None)
        if not wait:
            return
        for thread in threads:
            if thread is not threading.current_thread():
                thread.over.wait()
                if not thread.abandoned:
                    thread.join()  # it only has to return

    def idle_and_alive(self) -> int:
        """How many threads wait for a call; threads that are being started are not counted."""
        with self._lock:
            return self._idle() - self._starting

    # ---------------------------------------------------------------------------------------- called by its threads

    def begin(self, thread: _Thread) -> _Call | None:
        """Called by a thread that has taken an item of the queue; return the call to make, or None."""
        with self._lock:
            if not self._calls:
                return None
            call = thread.call = self._calls[0]  # kept there before it is removed here: it must not be lost
            self._calls.popleft()
            if not call.future.set_running_or_notify_cancel():  # it was cancelled
                thread.call = None
                return None
            self._working[call.future] = thread
            return call

    def end(self, future: Future[Any], thread: _Thread) -> bool:
        """Called by a thread that has made a call; return whether it stays in the pool: it may have been abandoned."""
        with self._lock:
            thread.call = None
            return self._working.pop(future, None) is not None

    def end_if_unwanted(self, thread: _Thread) -> bool:
        """Called by a thread without a call; return whether it must end, and remove it from the pool if so."""
        with self._lock:
            if self._calls or not (self.closed or self.pool() is None):
                return False
            self.threads.discard(thread)
            self.queue.put(None)  # for the next thread
            return True

    def thread_failed(self, thread: _Thread, error: BaseException) -> None:
        """Called by a thread that ends with an exception: of a done callback, or raised by another thread.

        A call that it has not begun goes back to those that wait. One that it has begun and not ended fails.
        """
        before = None  # released after the lock: a future may hold the last reference to a value of the user
        with self._lock:
            call, thread.call = thread.call, None
            self.threads.discard(thread)
            before = self._working
            self._working = {future: other for future, other in self._working.items() if other is not thread}
            if call is not None and not call.future.running() and not call.future.done():
                if call not in self._calls:
                    self._calls.appendleft(call)
                call = None
            failure = None if self.closed else self._grow()
            self.queue.put(None)  # in place of the one that the thread may have taken
            stranded = self._drain() if self.closed or failure is not None else []
        del before
        _fail(stranded, failure)
        if call is not None and not call.future.done():
            call.future.set_exception(error)

    # -------------------------------------------------------------------------------------------- under the lock

    def _grow(self) -> RuntimeError | None:
        """Start a thread if there are more calls than idle threads. Return the error if the pool has no thread then."""
        if len(self._calls) <= self._idle() or len(self.threads) >= self.max_threads:
            return None
        thread = _Thread(self, f"{self.name}_{self._started}")
        self._started += 1
        self._starting += 1
        self.threads.add(thread)
        try:
            Context().run(thread.start)  # an empty context: the thread must not keep the current one alive
        except RuntimeError as error:  # too many threads, or the interpreter is exiting
            self.threads.discard(thread)
            return None if self.threads else error
        finally:
            self._starting -= 1
        return None

    def _drain(self) -> list[_Call]:
        calls = list(self._calls)
        self._calls.clear()
        return calls

    def _idle(self) -> int:
        """How many threads have no call, those that are being started included."""
        return len(self.threads) - len(self._working)


def _fail(calls: list[_Call], error: BaseException | None) -> None:
    """Complete calls that no thread will make: with an exception; None: they are cancelled."""
    for call in calls:
        if error is None:
            call.future.cancel()
        # Also of a cancelled one, or else `concurrent.futures.wait` would not return.
        if call.future.set_running_or_notify_cancel():
            call.future.set_exception(error)


class _Thread(threading.Thread):
    """One thread of a pool.

    Attributes:
        abandoned: whether its call was abandoned, so that it ends with the call.
        over: set when `close` need not wait for it: it is about to end, or was abandoned.
        call: the call that it has taken; None: it has none.
    """

    def __init__(self, shared: _SharedState, name: str) -> None:
        super().__init__(name=name, daemon=True)
        self.abandoned = False
        self.over = threading.Event()
        self.call: _Call | None = None
        self._shared = shared

    def run(self) -> None:
        shared = self._shared
        try:
            while True:
                shared.queue.get()
                call = shared.begin(self)
                if call is not None:
                    future = call.future
                    call.make()
                    if not shared.end(future, self):
                        return
                    del future
                elif shared.end_if_unwanted(self):
                    return
                del call  # an idle thread keeps nothing alive
        except BaseException as error:
            call = future = None  # the traceback refers to this frame
            shared.thread_failed(self, error)
            raise
        finally:
            self.over.set()
