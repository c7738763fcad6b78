"""Workers: which executor calls a task."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import pytest

import cascade as cs
from cascade.workers.executors import ThreadExecutor
from cascade.workers.workers import Workers
from support.worker_tasks import double
from unit.workers.test_thread_pool import PATIENCE, Held, until

DEMOTED: list[Any] = []


class Direct:
    """An executor that makes calls at once, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[Any] = []

    def submit(self, task: cs.Task, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Future[Any]:
        self.asked.append(("submit", task.name, arguments, keywords))
        future: Future[Any] = Future()
        future.set_result(task.fn(*arguments, **keywords))
        return future

    def abandon(self, future: Future[Any]) -> None:
        self.asked.append(("abandon", future))

    def close(self) -> None:
        self.asked.append("close")


def workers(**options: Any) -> Workers:
    return Workers(1, 1, lambda *told: DEMOTED.append(told), **options)


def test_each_kind_has_its_executor() -> None:
    thread, process = Direct(), Direct()
    made = workers(executors={"thread": thread, "process": process})
    first = made.call("thread", double, (1,), {})
    second = made.call("process", double, (), {"number": 2})
    assert (first.result(), second.result()) == (2, 4)
    made.abandon("thread", first)
    made.abandon("process", second)
    made.close()
    assert thread.asked == [("submit", "double", (1,), {}), ("abandon", first), "close"]
    assert process.asked == [("submit", "double", (), {"number": 2}), ("abandon", second), "close"]


def test_one_may_be_replaced_alone() -> None:
    direct = Direct()
    made = workers(executors={"process": direct})
    assert made.call_in_process(double, (1,), {}).result(PATIENCE) == 2
    assert made.call_in_thread(double, (1,), {}).result(PATIENCE) == 2
    assert len(direct.asked) == 1
    made.close()


METHODS = "must be an executor with the methods submit, abandon, close"


@pytest.mark.parametrize(
    ("executors", "kind", "message"),
    [
        ({"inline": Direct()}, ValueError, "a key of executors must be 'thread' or 'process', got 'inline'"),
        ({"thread": 3}, TypeError, f"executors['thread'] {METHODS}, got `int`"),
        ({"thread": Direct}, TypeError, f"executors['thread'] {METHODS}, got the class `Direct`"),
        ({"process": None}, TypeError, f"executors['process'] {METHODS}, got `NoneType`"),
    ],
)
def test_what_is_no_executor_is_refused(executors: Any, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind) as caught:
        workers(executors=executors)
    assert message in str(caught.value)


@pytest.mark.parametrize(("threads", "processes"), [(0, None), (None, 0), (True, None), (None, 1.0), ("1", None)])
def test_what_is_no_number_of_workers_is_refused(threads: Any, processes: Any) -> None:
    with pytest.raises(ValueError, match=r"max_(threads|processes) must be None or an int >= 1, got"):
        Workers(threads, processes, lambda *told: None)


def test_threads_get_a_copy_of_the_context() -> None:
    variable = contextvars.ContextVar("variable", default="outside")

    @cs.task
    def change() -> str:
        before = variable.get()
        variable.set("inside")
        return before

    made = workers()
    variable.set("caller")
    assert made.call_in_thread(change, (), {}).result(PATIENCE) == "caller"
    assert made.call_in_thread(change, (), {}).result(PATIENCE) == "caller"
    assert variable.get() == "caller"
    made.close()


@pytest.mark.parametrize("check", ["alone_when_all_threads_are_idle", "not_alone_beside_a_thread_of_others"])
def test_who_is_alone(interpreter: Callable[..., str], check: str) -> None:
    """In a process of its own: an engine that other tests share may have idle threads, and they count."""
    interpreter(f"from unit.workers import test_workers; test_workers.{check}()")


def alone_when_all_threads_are_idle() -> None:
    held, made = Held(), workers()
    until(made.is_only_thread)
    task = cs.task(held.call, name="held")
    stuck = made.call_in_thread(task, (0,), {})
    held.wait(1)
    assert not made.is_only_thread()
    made.abandon("thread", stuck)
    made.call_in_thread(double, (1,), {}).result(PATIENCE)
    assert not made.is_only_thread()  # it is still at work
    held.gate(0).set()
    stuck.result(PATIENCE)
    until(made.is_only_thread)
    made.close()
    until(made.is_only_thread)


def not_alone_beside_a_thread_of_others() -> None:
    made, gate = workers(), threading.Event()
    until(made.is_only_thread)
    other = threading.Thread(target=gate.wait, args=(PATIENCE,))
    other.start()
    assert not made.is_only_thread()
    gate.set()
    other.join()
    assert made.is_only_thread()


def test_they_start_again_after_closing() -> None:
    made = workers()
    for _ in range(3):
        assert made.call_in_thread(double, (4,), {}).result(PATIENCE) == 8
        made.close()


def test_calls_in_threads_are_measured() -> None:
    executor = ThreadExecutor(max_threads=1)
    task = cs.task(lambda: None, name="measured by the executor")
    assert not task._runs_inline
    for _ in range(5):
        executor.submit(task, (), {}).result(PATIENCE)
    assert task._runs_inline
    executor.close()
