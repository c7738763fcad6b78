"""How long a call has run, and how long it has waited."""

from __future__ import annotations

from concurrent.futures import Future
from contextlib import closing
from typing import Any

import pytest

import cascade as cs
from cascade.engine.open_calls import OpenCall
from cascade.events import NodeCaught, NodeEvent, NodeFinished, NodeStarted, NodeStopped
from cascade.testing import VirtualTime


@cs.task
async def work(seconds: float) -> float:
    await cs.lazy(cs.wait(seconds))
    return seconds


@cs.task
async def fail(seconds: float) -> None:
    await cs.lazy(cs.wait(seconds))
    raise ValueError("no")


def ended(target: Any, **options: Any) -> list[tuple[str, str, float, float]]:
    """Which calls of tasks have ended how, and their times."""
    seen: list[Any] = []
    with closing(VirtualTime(**options)) as virtual:
        virtual.engine.events.subscribe(NodeEvent, seen.append)
        virtual.run(cs.outcome(target))
    return [
        (type(event).__name__, event.task.rpartition(".")[2], round(event.seconds, 6), round(event.waited, 6))
        for event in seen
        if isinstance(event, NodeFinished | NodeCaught | NodeStopped) and event.kind == "async"
    ]


def test_a_call_that_waits_for_nothing() -> None:
    assert ended(work(2)) == [("NodeFinished", "work", 2.0, 0.0)]
    assert ended(fail(2)) == [("NodeCaught", "fail", 2.0, 0.0)]


def test_a_wait_for_a_limit_is_no_run_time() -> None:
    calls = cs.gather(*[work(n).with_constraints(gpu=1) for n in (1, 2, 3)])
    assert ended(calls, limits={"gpu": 1}) == [
        ("NodeFinished", "work", 1.0, 0.0), ("NodeFinished", "work", 2.0, 1.0), ("NodeFinished", "work", 3.0, 3.0)
    ]  # fmt: skip


def test_the_time_between_attempts_is_no_run_time() -> None:
    again = fail(2).with_retry(max_attempts=3, delay=10, backoff=1)
    assert ended(again) == [("NodeCaught", "fail", 6.0, 20.0)]


def test_what_is_given_up_has_its_times() -> None:
    assert ended(cs.race(work(1), work(5))) == [("NodeFinished", "work", 1.0, 0.0), ("NodeStopped", "work", 1.0, 0.0)]


def test_failures_without_starts_have_no_times() -> None:
    seen: list[NodeCaught] = []
    with closing(VirtualTime()) as virtual:
        virtual.engine.events.subscribe(NodeCaught, seen.append)
        virtual.run(cs.outcome(fail(2)))
    assert [(event.seconds, event.waited) for event in seen] == [(None, None)]


def test_the_queue_of_a_worker_is_no_run_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0]
    monkeypatch.setattr("cascade.engine.open_calls.time.monotonic_ns", lambda: now[0])
    call = OpenCall(None, 0, 0, 0)  # type: ignore[arg-type]
    told: Future[int] = Future()
    silent: Future[int] = Future()
    call.follow(told)
    call.follow(silent)
    now[0] = 5_000_000_000
    silent.set_result(1)
    assert call.times(6_000_000_000) == {"seconds": 6.0, "waited": 0.0}
    told.seconds = 2.0  # type: ignore[attr-defined]
    told.set_result(1)
    assert call.times(6_000_000_000) == {"seconds": 3.0, "waited": 3.0}


@pytest.mark.parametrize("mode", ["thread", "process"])
def test_workers_tell_how_long_a_call_took(mode: str) -> None:
    engine = cs.Engine()
    seen: list[NodeFinished] = []
    futures: list[Future[Any]] = []
    engine.events.subscribe(NodeFinished, seen.append)
    engine.events.subscribe(NodeStarted, lambda event: None)
    call = engine._driver.workers.call

    def spied(*arguments: Any) -> Future[Any]:
        futures.append(call(*arguments))
        return futures[-1]

    engine._driver.workers.call = spied  # type: ignore[method-assign]
    cs.run(cs.task(sum, mode=mode)([1, 2]), engine=engine)
    (future,) = futures
    assert type(future.seconds) is float  # type: ignore[attr-defined]
    assert future.seconds >= 0  # type: ignore[attr-defined]
    assert seen[0].seconds >= 0
    assert seen[0].waited >= 0
