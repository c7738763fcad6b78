"""What ends by itself: rules and pauses that last for a time."""

from __future__ import annotations

from cascade.limits import Limits
from support.fake_timers import SECOND, FakeTimers
from support.limit_requests import ask, now
from support.observation import settle


async def test_a_pause_ends_by_itself_and_wakes_waiting_calls(timers: FakeTimers, limits: Limits) -> None:
    limits.pause(ttl=10)
    waits = ask(limits)
    await settle()
    timers.advance(10 * SECOND - 1)
    await settle()
    assert timers.fired == 0 and not waits.done()  # nothing looks before it is time
    timers.advance(1)
    await settle()
    assert timers.fired == 1 and waits.done() and not limits.active and not timers.pending


async def test_a_pause_is_over_in_time_even_if_the_loop_is_late(timers: FakeTimers, limits: Limits) -> None:
    limits.pause(ttl=10)
    waits = ask(limits)
    await settle()
    timers.jump(11 * SECOND)
    assert not limits.resume()  # it is over already
    await settle()
    assert waits.done() and now(limits) is not None and not timers.pending


async def test_a_ttl_can_be_renewed_and_taken_away(timers: FakeTimers, limits: Limits) -> None:
    limits.pause(ttl=1)
    for _ in range(100):
        timers.advance(SECOND // 2)
        limits.pause(ttl=1)
    assert now(limits) is None and len(timers.pending) == 1
    limits.pause()
    assert not timers.pending
    timers.advance(100 * SECOND)
    assert now(limits) is None
    limits.pause(ttl=0)
    assert now(limits) is not None and not limits.active


async def test_a_rule_expires_by_itself_and_wakes_waiting_calls(timers: FakeTimers, limits: Limits) -> None:
    limits.set("task:fetch", concurrency=1, rate="1/d", ttl=5)
    first = now(limits)
    waits = [ask(limits) for _ in range(3)]
    await settle()
    timers.advance(5 * SECOND)
    await settle()
    assert first is not None and all(task.done() for task in waits) and not limits.active and not timers.pending


async def test_what_ends_in_one_moment_ends_at_once_for_all(timers: FakeTimers, limits: Limits) -> None:
    limits.set("task:shop.*", concurrency=2, ttl=2)
    limits.set("task:fetch", concurrency=1)
    limits.pause(ttl=2)
    first = ask(limits, gpu=1)
    await settle()
    second = ask(limits)
    await settle()
    timers.advance(2 * SECOND)
    await settle()
    assert first.done() and not second.done()


async def test_a_pause_of_zero_seconds_lets_no_call_overtake(limits: Limits) -> None:
    held = now(limits, gpu=1)
    first, second = ask(limits, gpu=2), ask(limits, "store", gpu=1)
    await settle()
    limits.pause("task:fetch", ttl=0)
    await settle()
    assert held is not None and not first.done() and not second.done()
