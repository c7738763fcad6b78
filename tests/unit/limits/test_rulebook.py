"""Rules and pauses: for whom they hold, how they change, how they end."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import cascade as cs
from cascade.limits import Grant, Limits, LimitState
from support.fake_timers import SECOND, FakeTimers
from support.limit_requests import ask, now
from support.observation import settle

# -- rules ----------------------------------------------------------------------------------------------------


def test_a_rule_that_matches_by_several_names_counts_once(limits: Limits) -> None:
    limits.set("*", concurrency=1)
    grant = now(limits)
    assert grant is not None
    assert [state.in_use for state in limits.snapshot() if state.kind == "concurrency"] == [1]


def test_rules_of_task_and_run_all_hold(limits: Limits) -> None:
    limits.set("task:fetch", concurrency=3)
    limits.set("task:shop.*", concurrency=2)
    limits.set("run:1", concurrency=1)
    first = now(limits, run=1)
    assert first is not None and now(limits, run=1) is None
    assert now(limits, run=2) is not None and now(limits, run=3) is None
    first.release()
    assert now(limits, "store", run=1) is not None and now(limits, run=4) is None


def test_very_many_pauses_of_single_runs(limits: Limits) -> None:
    for run in range(2000):
        limits.pause(f"run:{run}", ttl=run + 1)
    assert now(limits, run=1999) is None and now(limits, run=2000) is not None
    limits._timers.advance(1999 * SECOND)  # type: ignore[attr-defined]
    assert now(limits, run=1998) is not None and now(limits, run=1999) is None
    assert len(limits.snapshot()) == 2


# -- what is refused -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ({}, cs.LimitError),
        ({"burst": 2}, cs.LimitError),
        ({"concurrency": 0}, cs.LimitError),
        ({"concurrency": -1}, cs.LimitError),
        ({"concurrency": 1.5}, TypeError),
        ({"concurrency": True}, TypeError),
        ({"concurrency": "2"}, TypeError),
        ({"concurrency": 2, "burst": 2}, cs.LimitError),
        ({"rate": "1/s", "burst": 0}, cs.LimitError),
        ({"rate": "1/s", "burst": 1.0}, TypeError),
        ({"rate": "1/s", "ttl": -1}, ValueError),
        ({"rate": "1/s", "ttl": float("nan")}, ValueError),
        ({"rate": "1/s", "ttl": "1"}, TypeError),
        ({"concurrency": 2, "rate": "x"}, cs.LimitError),
        ({"capacity": 2}, cs.LimitError),
    ],
)
def test_a_rule_that_cannot_be_is_refused_and_changes_nothing(
    limits: Limits, settings: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error, match=r"must be|ttl"):
        limits.set("task:fetch", **settings)
    assert not limits.active and len(limits.snapshot()) == 1


# -- changes wake exactly who can go on -----------------------------------------------------------------------


async def test_a_changed_concurrency_wakes_the_calls_that_fit_and_keeps_its_count(limits: Limits) -> None:
    limits.set("task:fetch", concurrency=1)
    running = [ask(limits) for _ in range(5)]
    await settle()
    assert [task.done() for task in running] == [True, False, False, False, False]
    limits.set("task:fetch", concurrency=3)
    await settle()
    assert [task.done() for task in running] == [True, True, True, False, False]
    limits.set("task:fetch", concurrency=1)
    running[0].result().release()
    running[1].result().release()
    await settle()
    assert not running[3].done()
    running[2].result().release()
    await settle()
    assert running[3].done() and not running[4].done()
    limits.remove("task:fetch")
    await settle()
    assert running[4].done()


async def test_a_new_rule_applies_to_waiting_calls(limits: Limits) -> None:
    held = now(limits, gpu=2)
    assert held is not None
    waiting = [ask(limits, gpu=1), ask(limits, gpu=1)]
    await settle()
    limits.set("task:fetch", concurrency=1)
    assert now(limits) is None  # those who wait came first
    held.release()
    await settle()
    assert [task.done() for task in waiting] == [True, False]


async def test_a_grant_is_given_back_whatever_became_of_its_rules(limits: Limits) -> None:
    limits.set("task:fetch", concurrency=1, rate="1/s", burst=5)
    old = now(limits, gpu=1)
    assert old is not None
    limits.remove("task:fetch")
    limits.set("task:fetch", concurrency=1)
    new = now(limits)
    assert new is not None
    old.release()
    assert now(limits) is None  # what the old rule counted is none of the new one's business
    new.release()
    assert [state.in_use for state in limits.snapshot()] == [0, 0]


# -- pauses ----------------------------------------------------------------------------------------------------


async def test_a_pause_stops_matching_calls_at_once_and_no_others(limits: Limits) -> None:
    running = now(limits, gpu=1)
    limits.pause("task:fetch*")
    assert now(limits) is None and now(limits, "store") is not None
    waits = ask(limits, gpu=2)
    await settle()
    assert running is not None and now(limits, "store", gpu=1) is not None  # who is paused is in nobody's way
    running.release()
    await settle()
    assert not waits.done()
    assert limits.resume("task:fetch*") and not limits.resume("task:fetch*")


async def test_pauses_end_one_by_one(limits: Limits) -> None:
    limits.pause()
    limits.pause("task:fetch")
    limits.pause("run:1")
    waits, other = ask(limits), ask(limits, "store", 2)
    await settle()
    assert limits.resume()
    await settle()
    assert other.done() and not waits.done()
    assert limits.resume("task:fetch")
    await settle()
    assert not waits.done()
    assert limits.resume("run:1")
    await settle()
    assert waits.done()


async def test_who_was_paused_comes_back_to_its_place(limits: Limits) -> None:
    held = now(limits, gpu=2)
    assert held is not None
    order: list[str] = []

    async def take(name: str, task: str) -> None:
        with await limits.acquire(limits.request(f"shop.{task}", task, 1, {"gpu": 2})):
            order.append(name)

    tasks = []
    for name, task in [("a", "fetch"), ("b", "store"), ("c", "fetch"), ("d", "store")]:
        tasks.append(asyncio.ensure_future(take(name, task)))
        await settle()
    limits.pause("task:fetch")
    await settle()
    limits.resume("task:fetch")
    held.release()
    await asyncio.gather(*tasks)
    assert order == ["a", "b", "c", "d"]


async def test_what_was_granted_but_not_taken_when_a_pause_begins_does_not_start(limits: Limits) -> None:
    held = now(limits, gpu=2)
    assert held is not None
    paused, other = ask(limits, gpu=2), ask(limits, "store", gpu=2)
    await settle()
    held.release()  # granted to the first, which does not know yet
    limits.pause("task:fetch")
    await settle()
    assert not paused.done() and other.done()
    other.result().release()
    limits.resume("task:fetch")
    (await paused).release()
    assert limits.snapshot()[0].in_use == 0


def test_each_change_of_active_is_reported_once(timers: FakeTimers) -> None:
    told: list[bool] = []
    limits = Limits({"gpu": 1}, timers, lambda: told.append(limits.active))
    assert not limits.active
    limits.set("*", concurrency=2)
    limits.set("*", concurrency=3)
    limits.pause()
    limits.remove("*")
    assert told == [True]
    limits.resume()
    limits.set("gpu", capacity=3)
    limits.pause(ttl=1)
    timers.advance(SECOND)
    assert told == [True, False, True, False]


# -- what people see -------------------------------------------------------------------------------------------


async def test_snapshot_and_reasons(timers: FakeTimers, limits: Limits) -> None:
    limits.set("task:fetch", concurrency=2, rate="1/10s", burst=2, ttl=60)
    limits.pause("run:9", ttl=1.5)
    reasons: list[str] = []

    def wait(task: str, run: int, **amounts: float) -> asyncio.Task[Grant]:
        request = limits.request(f"shop.{task}", task, run, amounts)
        return asyncio.ensure_future(limits.acquire(request, reasons.append))

    tasks = [wait("fetch", 1, gpu=1.5), wait("fetch", 1), wait("fetch", 1), wait("store", 9), wait("store", 2, gpu=1)]
    await settle()
    tasks.append(wait("store", 2, gpu=0.5))
    await settle()
    assert reasons == [
        "rate 1/10s of task:fetch",
        "paused: run:9",
        "limit gpu: 1 wanted, 0.5 of 2 free",
        "limit gpu: 0.5 wanted, 0.5 of 2 free, others wait before it",
    ]
    assert limits.snapshot() == (
        LimitState(name="gpu", kind="limit", capacity=2, in_use=1.5, waiting=2, wanted=1.5),
        LimitState(name="task:fetch", kind="concurrency", capacity=2, in_use=2, waiting=1, wanted=1, expires_in=60),
        LimitState(
            name="task:fetch", kind="rate", capacity=2, in_use=2, waiting=1, wanted=1, rate="1/10s", expires_in=60
        ),
        LimitState(name="run:9", kind="pause", capacity=0, in_use=0, waiting=1, expires_in=1.5),
    )
    timers.advance(10 * SECOND)
    tasks.append(wait("fetch", 1))
    await settle()
    assert reasons[4:] == ["rate 1/10s of task:fetch"]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
