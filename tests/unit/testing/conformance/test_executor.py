"""The check of executors passes ours, and names what is wrong with others."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

import cascade as cs
from cascade.protocols import Executor
from cascade.testing.conformance.executor import check_executor
from cascade.workers.executors import ProcessExecutor, ThreadExecutor
from support.conformance import broken


class Plain:
    """`concurrent.futures` as it is. Its threads cannot be replaced."""

    def __init__(self, workers: int = 1) -> None:
        self.workers = workers
        self.pool = ThreadPoolExecutor(workers)

    def submit(self, task: cs.Task, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Future[Any]:
        return self.pool.submit(task.fn, *arguments, **keywords)

    def abandon(self, future: Future[Any]) -> None:
        future.cancel()

    def close(self) -> None:
        self.pool.shutdown(wait=True, cancel_futures=True)
        self.pool = ThreadPoolExecutor(self.workers)


class WrongThreads(ThreadExecutor):
    """Ours, spoilt in one way."""

    def __init__(self, way: str) -> None:
        super().__init__(max_threads=1)
        self.way = way
        self.closed = False

    def submit(self, task: cs.Task, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Future[Any]:
        if self.way == "forgets keywords":
            keywords = {}
        if self.way == "stays closed" and self.closed:
            raise RuntimeError("closed")
        future = super().submit(task, arguments, keywords)
        if self.way == "gives the value":
            return future.result()  # type: ignore[no-any-return]
        if self.way == "deaf":
            other: Future[Any] = Future()
            other.set_running_or_notify_cancel()
            future.add_done_callback(lambda done: other.set_result(None if done.exception() else done.result()))
            return other
        return future

    def abandon(self, future: Future[Any]) -> None:
        if self.way == "only cancels":
            future.cancel()
        elif self.way == "only gives up":
            if future.running():
                super().abandon(future)
        else:
            super().abandon(future)

    def close(self) -> None:
        self.closed = True
        if self.way == "does not wait" and self._pool is not None:
            self._pool.close(wait=False)
            self._pool = None
        super().close()


@pytest.mark.parametrize(
    "make",
    [
        lambda: ThreadExecutor(1),
        lambda: ThreadExecutor(4),
        lambda: ProcessExecutor(1),
        lambda: ProcessExecutor(2),
    ],
    ids=["1 thread", "4 threads", "1 process", "2 processes"],
)
def test_executors(make: Callable[[], Executor]) -> None:
    check_executor(make)


@pytest.mark.parametrize(
    ("way", "requirement"),
    [
        ("forgets keywords", "`submit` returns a future that ends with what the call returns: it raised TypeError"),
        (
            "gives the value",
            "`submit` returns a future that ends with what the call returns: `submit` must return a `Future`",
        ),
        ("deaf", "`submit` returns a future that ends with what the call raises: the exception must be LookupError("),
        ("does not wait", "`close` waits for the running calls: it returned while one was running"),
        ("stays closed", "after `close`, `submit` begins anew: it raised RuntimeError: closed"),
        ("only cancels", "an abandoned call that runs no longer delays other calls: a call had not begun"),
        ("only gives up", "a call that is abandoned before it begins is cancelled and never made: its future is not"),
    ],
)
def test_wrong_executors(way: str, requirement: str) -> None:
    broken(check_executor, lambda: WrongThreads(way), requirement, patience=2)


def test_what_an_executor_of_concurrent_futures_lacks() -> None:
    broken(check_executor, Plain, "an abandoned call that runs no longer delays other calls", patience=2)
