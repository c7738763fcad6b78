"""Rates: their form, and that they neither drift nor round, whatever the time."""

from __future__ import annotations

import asyncio
from fractions import Fraction
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

import cascade as cs
from cascade._core.limits.units import UNIT
from cascade.limits import Limits
from cascade.limits.rate import RateRule, parse_rate
from cascade.limits.selector import Selector
from support.fake_timers import SECOND, FakeTimers
from support.observation import settle

MINUTE = 60 * SECOND


@pytest.fixture
def limits(timers: FakeTimers) -> Limits:
    return Limits(None, timers, lambda: None)


def start(limits: Limits, started: list[int], number: int, task: str = "fetch") -> asyncio.Task[None]:
    """Have somebody ask for leave, and note when it was given."""

    async def ask() -> None:
        with await limits.acquire(limits.request(f"shop.{task}", task, 1, None)):
            started.append(number)

    return asyncio.ensure_future(ask())


# -- the form --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("5/s", Fraction(SECOND, 5)),
        ("10/m", 6 * SECOND),
        ("1/h", 3600 * SECOND),
        ("2/d", 43200 * SECOND),
        ("1/10s", 10 * SECOND),
        ("3/100ms", Fraction(SECOND, 30)),
        ("0.5/s", 2 * SECOND),
        ("1/0.5s", SECOND // 2),
        (" 7 / 3 m ", Fraction(180 * SECOND, 7)),
        ("1000000000000/s", Fraction(1, 1000)),
    ],
)
def test_a_rate_is_a_number_of_starts_in_a_period(text: str, nanoseconds: Fraction) -> None:
    gain, cost = parse_rate(text)
    assert Fraction(cost, gain) == nanoseconds


@pytest.mark.parametrize(
    "text",
    ["", "5", "/s", "5/", "5/x", "-1/s", "1e3/s", "5/S", "nan/s", "0/s", "0.0/m", "1/0s", "1/400000000d", "٣/s"],
)
def test_what_is_no_rate_is_refused(limits: Limits, text: str) -> None:
    with pytest.raises(cs.LimitError, match="rate must be"):
        limits.set("*", rate=text)
    assert limits.snapshot() == () and not limits.active


@pytest.mark.parametrize("rate", [5, 1.5, b"5/s", True])
def test_a_rate_is_text(limits: Limits, rate: object) -> None:
    with pytest.raises(TypeError, match="rate must be a str"):
        limits.set("*", rate=rate)  # type: ignore[arg-type]


# -- the bucket ------------------------------------------------------------------------------------------------


@given(
    st.sampled_from(["1/s", "7/s", "3/10s", "1000/s", "10/m", "0.7/h", "999999999/s", "3000000000/s"]),
    st.integers(1, 5),
    st.lists(st.integers(0, 3 * SECOND) | st.integers(0, 10), max_size=40),
)
def test_never_more_than_the_rate_and_a_burst(rate: str, burst: int, pauses: list[int]) -> None:
    now = 12345
    bucket = RateRule(Selector("*"), rate, burst, now)
    gain, cost = parse_rate(rate)
    taken: list[int] = []
    for pause in pauses:
        now += pause
        while len(taken) < 200 and bucket.ready(now, UNIT):
            bucket.take(UNIT)
            taken.append(now)
        assert bucket.left(now) <= burst * UNIT
    for first in range(len(taken)):
        for last in range(first, len(taken)):
            assert last - first + 1 <= burst + Fraction(gain, cost) * (taken[last] - taken[first] + 1)


@given(st.sampled_from(["1/s", "7/s", "3/10s", "10/m", "0.7/h", "13/d"]), st.integers(1, 1000))
def test_who_comes_when_it_is_due_gets_exactly_the_rate(rate: str, calls: int) -> None:
    bucket = RateRule(Selector("*"), rate, 1, 0)
    gain, cost = parse_rate(rate)
    now = 0
    for call in range(calls):
        now = bucket.due(now, UNIT)
        assert now == ceil(Fraction(cost, gain) * call)
        assert now == 0 or not bucket.ready(now - 1, UNIT)
        assert bucket.ready(now, UNIT)
        bucket.take(UNIT)


def test_a_rate_does_not_drift_when_it_is_asked_in_between() -> None:
    often, seldom = RateRule(Selector("*"), "7/s", 3, 0), RateRule(Selector("*"), "7/s", 3, 0)
    for bucket in (often, seldom):
        for _ in range(3):
            bucket.take(UNIT)
    for now in range(0, SECOND // 7 + 1, 1000):
        often.ready(now, UNIT)
    assert often.due(SECOND // 7, UNIT) == seldom.due(SECOND // 7, UNIT) == SECOND // 7 + 1


# -- those who wait --------------------------------------------------------------------------------------------


async def test_ten_a_minute_are_ten_a_minute(timers: FakeTimers, limits: Limits) -> None:
    limits.set("task:fetch", rate="10/m")
    started: list[int] = []
    tasks = [start(limits, started, number) for number in range(100)]
    await settle()
    assert started == [0]
    for minute in range(1, 10):
        for _ in range(10):
            timers.advance(6 * SECOND - 1)
            await settle()
            before = len(started)
            timers.advance(1)
            await settle()
            assert len(started) == min(before + 1, 100)
        assert len(started) == min(1 + 10 * minute, 100)
    assert started == list(range(91))
    timers.advance(MINUTE)
    await asyncio.gather(*tasks)
    assert started == list(range(100)) and not timers.pending


async def test_one_timer_serves_all_waiting_calls(timers: FakeTimers, limits: Limits) -> None:
    limits.set("task:fetch", rate="1/s")
    limits.set("task:store", rate="1/d")
    started: list[int] = []
    tasks = [start(limits, started, number, task) for number in range(500) for task in ("fetch", "store")]
    await settle()
    assert len(timers.pending) == 1
    timers.advance(10 * SECOND)
    await settle()
    assert timers.fired == 10 and len(started) == 12 and len(timers.pending) == 1
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert not timers.pending


async def test_a_burst_starts_at_once_after_quiet(timers: FakeTimers, limits: Limits) -> None:
    limits.set("task:*", rate="1/m", burst=3)
    started: list[int] = []
    tasks = [start(limits, started, number) for number in range(8)]
    await settle()
    assert len(started) == 3
    timers.advance(5 * MINUTE)
    await asyncio.gather(*tasks)
    tasks = [start(limits, started, number) for number in range(4)]
    timers.advance(MINUTE - 1)
    await settle()
    assert len(started) == 8
    timers.advance(10 * MINUTE)
    await asyncio.gather(*tasks)


async def test_below_one_a_second_over_a_long_time(timers: FakeTimers, limits: Limits) -> None:
    limits.set("task:fetch", rate="7/d")
    started: list[int] = []
    tasks = [start(limits, started, number) for number in range(71)]
    timers.advance(0)
    await settle()
    for day in range(10):
        assert len(started) == 1 + 7 * day
        timers.advance(86400 * SECOND)
        await settle()
    await asyncio.gather(*tasks)


async def test_a_call_that_waits_for_a_rate_blocks_no_other_call(timers: FakeTimers) -> None:
    limits = Limits({"db": 2}, timers, lambda: None)
    limits.set("task:report", rate="1/h")
    limits.try_acquire(limits.request("m.report", "report", 1, {"db": 1})).release()
    waits = asyncio.ensure_future(limits.acquire(limits.request("m.report", "report", 1, {"db": 2})))
    await settle()
    other = limits.try_acquire(limits.request("m.fetch", "fetch", 1, {"db": 2}))
    assert other is not None
    timers.advance(3600 * SECOND)
    await settle()
    # From now on it is the first in the line of the limit as well.
    assert not waits.done()
    assert limits.try_acquire(limits.request("m.report", "report", 1, {"db": 1})) is None
    other.release()
    (await waits).release()


async def test_the_first_in_the_line_of_a_rate_keeps_its_leave_until_a_limit_is_free(timers: FakeTimers) -> None:
    limits = Limits({"db": 1}, timers, lambda: None)
    limits.set("task:report", rate="1/h")
    held = limits.try_acquire(limits.request("m.fetch", "fetch", 1, {"db": 1}))
    assert held is not None
    first = asyncio.ensure_future(limits.acquire(limits.request("m.report", "report", 1, {"db": 1})))
    second = asyncio.ensure_future(limits.acquire(limits.request("m.report", "report", 1, None)))
    await settle()
    assert not first.done() and not second.done()
    held.release()
    await settle()
    assert first.done() and not second.done()
    timers.advance(3600 * SECOND)
    await settle()
    assert second.done()


async def test_a_changed_rate_holds_at_once_and_keeps_what_the_bucket_held(timers: FakeTimers, limits: Limits) -> None:
    limits.set("task:fetch", rate="1/d")
    started: list[int] = []
    tasks = [start(limits, started, number) for number in range(5)]
    await settle()
    timers.advance(12 * 3600 * SECOND)  # half of what a call costs
    limits.set("task:fetch", rate="1/10s", burst=2)
    timers.advance(5 * SECOND - 1)
    await settle()
    assert len(started) == 1
    timers.advance(1)
    await settle()
    assert len(started) == 2
    limits.remove("task:fetch")
    await asyncio.gather(*tasks)
    assert started == [0, 1, 2, 3, 4] and not timers.pending


async def test_what_is_cancelled_as_it_is_given_leave_has_not_used_it(timers: FakeTimers, limits: Limits) -> None:
    limits.set("task:fetch", rate="1/h")
    started: list[int] = []
    tasks = [start(limits, started, number) for number in range(3)]
    await settle()
    assert started == [0]
    timers.advance(3600 * SECOND)  # the second has leave now, and is cancelled before it knows
    tasks[1].cancel()
    await settle()
    assert started == [0, 2]
    await asyncio.wait(tasks)
