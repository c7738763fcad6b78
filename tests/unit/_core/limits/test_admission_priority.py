"""Priorities: of the calls that wait, which goes first."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import cascade as cs
from cascade.limits import Limits
from cascade.testing import VirtualTime
from support.fake_timers import SECOND, FakeTimers
from support.tasks import give


@pytest.fixture
def log() -> list[object]:
    return []


def work(log: list[object], name: object, seconds: float = 1) -> cs.LazyResult:
    @cs.task(name="work")
    async def worked() -> None:
        log.append(name)
        await asyncio.sleep(seconds)

    return worked()


def test_a_higher_priority_goes_first_then_arrival(log: list[object]) -> None:
    virtual = VirtualTime(limits={"gpu": 1})
    asked = [("first", 0), ("low", -1), ("a", 0), ("high", 2), ("b", 0), ("half", 0.5), ("high too", 2)]
    virtual.run([work(log, name).with_constraints(gpu=1, priority=priority) for name, priority in asked])
    assert log == ["first", "high", "high too", "half", "a", "b", "low"]
    virtual.close()


def test_a_priority_may_be_computed_and_is_merged_with_the_tasks(log: list[object]) -> None:
    virtual = VirtualTime(limits={"gpu": 1})
    first = work(log, "first").with_constraints(gpu=1)
    low = work(log, "low").with_constraints(gpu=1).with_constraints(priority=give(-1))
    urgent = work(log, "urgent").with_constraints(priority=5, gpu=1).with_constraints(priority=give(7))
    other = work(log, "other").with_constraints(gpu=1, priority=6)
    virtual.run([first, low, other, urgent])
    assert log[0] == "first" and log[1:] in (["urgent", "other", "low"], ["other", "urgent", "low"])
    task = cs.task(mode="inline")(lambda: None).with_constraints(gpu=1, priority=3)
    assert task().with_constraints(priority=4).policies["constraints"] == {"gpu": 1, "priority": 4}
    virtual.close()


def test_rules_give_priorities_to_all_calls_that_they_match(log: list[object]) -> None:
    virtual = VirtualTime(limits={"gpu": 1})
    limits = virtual.engine.limits
    limits.set("tag:tier=gold", priority=10)
    limits.set("run:batch-*", priority=-1)
    limits.set("tag:*", priority=1)

    async def main() -> None:
        start = virtual.engine.start
        one = work(log, "one").with_constraints(gpu=1)
        runs = [start(one)]
        await asyncio.sleep(0.5)
        runs += [
            start(work(log, "batch").with_constraints(gpu=1), name="batch-1"),
            start(work(log, "plain").with_constraints(gpu=1)),
            start(work(log, "silver").with_constraints(gpu=1), tags={"tier": "silver"}),
            start(work(log, "gold").with_constraints(gpu=1), tags={"tier": "gold"}),
            start(work(log, "own").with_constraints(gpu=1, priority=-5), tags={"tier": "gold"}),
        ]
        await asyncio.gather(*runs)

    virtual.run(main())
    assert log == ["one", "gold", "silver", "plain", "batch", "own"]
    virtual.close()


def test_a_priority_that_is_changed_moves_what_waits(log: list[object]) -> None:
    virtual = VirtualTime(limits={"gpu": 1})
    limits = virtual.engine.limits

    async def main() -> None:
        names = ("first", "a", "b", "c")
        runs = [virtual.engine.start(work(log, name).with_constraints(gpu=1), name=name) for name in names]
        await asyncio.sleep(0.5)
        limits.set("run:c", priority=5)
        limits.set("run:a", priority=-5, ttl=1)  # over when the second one ends
        await asyncio.sleep(1)
        limits.set("run:b", priority=-9)
        await asyncio.gather(*runs)

    virtual.run(main())
    assert log == ["first", "c", "a", "b"]
    virtual.close()


def test_scopes_have_priorities(log: list[object]) -> None:
    virtual = VirtualTime(limits={"gpu": 1})
    parts = [("first", 0), ("low", 0), ("high", 1)]
    virtual.run([cs.scope([work(log, name)]).with_constraints(gpu=1, priority=priority) for name, priority in parts])
    assert log == ["first", "high", "low"]
    virtual.close()


def test_a_large_request_of_a_high_priority_holds_up_small_ones_of_a_low_one(log: list[object]) -> None:
    virtual = VirtualTime(limits={"gpu": 4})
    calls = [work(log, f"first {n}", seconds=n).with_constraints(gpu=1) for n in (1, 2, 3)]
    small = [work(log, f"small {n}").with_constraints(gpu=1) for n in range(3)]
    large = work(log, "large").with_constraints(gpu=4, priority=1)

    async def main() -> None:
        runs = [virtual.engine.start(call) for call in calls]
        await asyncio.sleep(0.5)
        runs += [virtual.engine.start(large)]
        runs += [virtual.engine.start(call) for call in small]
        await asyncio.gather(*runs)

    virtual.run(main())
    assert log == ["first 1", "first 2", "first 3", "large", "small 0", "small 1", "small 2"]
    virtual.close()


def test_rates_admit_by_priority() -> None:
    virtual = VirtualTime(limits={"tokens": "1/s"})

    @cs.task(mode="inline")
    def when() -> float:
        return cs.current().engine.clock.time()

    calls = [when().with_constraints(tokens=1, priority=priority) for priority in (0, 0, 1, 2, 2)]
    assert virtual.run(calls) == [0, 4, 3, 1, 2]
    virtual.close()


async def test_it_overtakes_at_once_what_cannot_go_on(timers: FakeTimers, limits: Limits) -> None:
    held = limits.try_acquire(limits.request("m.f", "f", 1, {"gpu": 1}))
    large = asyncio.ensure_future(limits.acquire(limits.request("m.f", "f", 1, {"gpu": 2})))
    await asyncio.sleep(0)
    assert limits.try_acquire(limits.request("m.f", "f", 1, {"gpu": 1})) is None
    told: list[str] = []
    grant = await limits.acquire(limits.request("m.f", "f", 1, {"gpu": 1, "priority": 1}), told.append)
    assert told == []  # it has not waited
    assert held is not None
    held.release()
    grant.release()
    (await large).release()
    assert limits.snapshot()[0].in_use == 0


async def test_rules_that_end_together_leave_the_order_of_arrival(timers: FakeTimers, limits: Limits) -> None:
    limits.set("task:f", concurrency=2)
    limits.set("*", rate="7/10s", priority=1)
    granted = [limits.try_acquire(limits.request("m.f", "f", 1, {"priority": 0}))]
    waits = [asyncio.ensure_future(limits.acquire(limits.request("m.f", "f", 1, None))) for _ in range(2)]
    await asyncio.sleep(0)
    limits.remove("*")  # now the two have no priority, and one of them can go on
    for _ in range(3):
        await asyncio.sleep(0)
    assert [wait.done() for wait in waits] == [True, False]
    for grant in granted:
        assert grant is not None
        grant.release()
    (await waits[0]).release()
    (await waits[1]).release()


async def test_what_is_overtaken_at_a_rate_holds_up_nothing_at_a_limit(timers: FakeTimers, limits: Limits) -> None:
    limits.rate("tokens", "1/s", burst=10)
    limits.spend(tokens=5)
    held = limits.try_acquire(limits.request("m.f", "f", 1, {"gpu": 2}))
    both = asyncio.ensure_future(limits.acquire(limits.request("m.f", "f", 1, {"gpu": 1, "tokens": 1})))
    await asyncio.sleep(0)  # it waits for the gpu: there are tokens
    other = asyncio.ensure_future(limits.acquire(limits.request("m.f", "f", 1, {"gpu": 1})))
    await asyncio.sleep(0)
    urgent = asyncio.ensure_future(limits.acquire(limits.request("m.f", "f", 1, {"tokens": 9, "priority": 1})))
    await asyncio.sleep(0)
    assert held is not None
    held.release()
    for _ in range(3):
        await asyncio.sleep(0)
    assert other.done() and not both.done() and not urgent.done()
    timers.advance(5 * SECOND)
    (await urgent).release()
    (await both).release()
    (await other).release()
    assert limits.snapshot()[0].in_use == 0 and not list(limits.admission.claims())


@pytest.mark.parametrize("priority", ["1", True, None, [1], float("nan"), float("inf"), give("1"), give(float("nan"))])
def test_what_is_no_priority_is_refused(priority: Any) -> None:
    engine = cs.Engine(limits={"gpu": 1})
    if priority is not None:
        with pytest.raises(cs.PolicyError, match="priority must be a"):
            cs.run(cs.task(mode="inline")(lambda: 1)().with_constraints(gpu=1, priority=priority), engine=engine)
    if not isinstance(priority, cs.LazyResult):
        with pytest.raises(cs.LimitError if priority is None else cs.PolicyError):
            engine.limits.set("run:1", priority=priority)


def test_what_is_shown() -> None:
    engine = cs.Engine(limits={"gpu": 1})
    engine.limits.set("tag:tier=gold", priority=2.5, concurrency=3, ttl=60)
    states = engine.limits.snapshot()[1:]
    assert [(state.kind, state.name, state.priority) for state in states] == [
        ("concurrency", "tag:tier=gold", None), ("priority", "tag:tier=gold", 2.5),
    ]  # fmt: skip
    assert engine.limits.remove("tag:tier=gold") and not engine.limits.remove("tag:tier=gold")
    with pytest.raises(cs.LimitError, match="must not be 'priority'"):
        cs.Engine(limits={"priority": 1})
    with pytest.raises(cs.LimitError, match="capacity must be given alone, got it with priority"):
        engine.limits.set("gpu", capacity=2, priority=1)


PRIORITIES = st.sampled_from([0, 0, 1, -1, 0.5])
SECONDS = 0.9371  # so that no call ends at an instant at which one comes


@given(st.lists(st.tuples(st.integers(1, 3), PRIORITIES, st.integers(0, 2)), min_size=1, max_size=12))
def test_the_order_is_that_of_a_sorted_line(asked: list[tuple[int, float, int]]) -> None:
    virtual, log = VirtualTime(limits={"gpu": 3}), list[Any]()

    async def main() -> None:
        runs = []
        for number, (amount, priority, pause) in enumerate(asked):
            await asyncio.sleep(pause)
            call = work(log, number, SECONDS).with_constraints(gpu=amount, priority=priority)
            runs.append(virtual.engine.start(call))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        await asyncio.gather(*runs)

    virtual.run(main())
    assert log == sorted_line(asked)
    assert virtual.engine.limits.snapshot()[0].in_use == virtual.engine.limits.snapshot()[0].waiting == 0
    virtual.close()


def sorted_line(asked: list[tuple[int, float, int]]) -> list[int]:
    """Give the order in which calls start if those that wait are sorted, and the first goes when there is room."""
    started: list[int] = []
    line: list[tuple[float, int, int]] = []  # minus the priority, number, amount
    running: list[tuple[float, int]] = []  # until when, amount
    coming: list[tuple[float, tuple[float, int, int]]] = []
    at = 0
    for number, (amount, priority, pause) in enumerate(asked):
        at += pause
        coming.append((at, (-priority, number, amount)))
    while coming or line:
        now = min([at for at, _ in coming[:1]] + [until for until, _ in running])
        running = [each for each in running if each[0] > now]
        if coming and coming[0][0] == now:
            line.append(coming.pop(0)[1])
        line.sort()
        while line and sum(amount for _, amount in running) + line[0][2] <= 3:
            _, number, amount = line.pop(0)
            started.append(number)
            running.append((now + SECONDS, amount))
    return started
