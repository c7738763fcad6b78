"""Calls that wait for the clock: to an instant, and from tick to tick."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import cascade as cs
from support.tasks import give

SPANS = st.integers(1, 10_000).map(lambda milliseconds: milliseconds / 1000)


@cs.task(mode="inline")
def beat(count: int, period: float, work: list[float], seen: list[float], tick: float | None, _: object = None) -> Any:
    """Take a tick, then work for a while, and so on."""
    if tick is not None:
        seen = [*seen, tick]
    if len(seen) == count:
        return seen
    tick_lazy = cs.ticks(period)
    return beat(count, period, work[1:] + work[:1], seen, tick_lazy, cs.wait(work[0]).after(tick_lazy))


@given(SPANS, st.lists(SPANS, min_size=1, max_size=5), st.integers(0, 5000))
def test_ticks_do_not_drift_however_long_the_steps_take(period: float, work: list[float], start: int) -> None:
    engine = cs.Engine(clock=cs.Clock.virtual(start=start / 1000))
    now, expected = start * 10**6, []
    every, steps = round(period * 1e9), [round(span * 1e9) for span in work]
    for number in range(8):
        now = now // every * every + every
        expected.append(now / 1e9)
        now += steps[number % len(steps)]
    assert cs.run(beat(8, period, work, [], None), engine=engine) == expected


@given(SPANS, SPANS, st.integers(0, 50_000))
def test_a_tick_is_the_next_multiple_beyond_the_offset(period: float, offset: float, start: int) -> None:
    engine = cs.Engine(clock=cs.Clock.virtual(start=start / 1000))
    every, later, now = round(period * 1e9), round(offset * 1e9), start * 10**6
    expected = (now - later) // every * every + every + later
    assert cs.run(cs.ticks(period, offset=offset), engine=engine) == expected / 1e9
    assert now < expected <= now + every
    again = cs.Engine(clock=cs.Clock.virtual(start=start / 1000))
    assert cs.run(cs.ticks(give(period), offset=give(offset)), engine=again) == expected / 1e9


@pytest.mark.parametrize("period", [1e-9, 9e9])
def test_the_shortest_and_the_longest_period(period: float) -> None:
    engine = cs.Engine(clock=cs.Clock.virtual(start=8e9))
    assert cs.run(cs.ticks(period, offset=9e9), engine=engine) >= 8e9
    assert cs.run(cs.ticks(period, offset=0), engine=engine) >= 8e9


def test_all_wake_at_an_instant_in_the_order_in_which_they_began() -> None:
    engine = cs.Engine(clock=cs.Clock.virtual())
    seen: list[int] = []

    @cs.task(mode="inline")
    def note(number: int, at: float) -> float:
        seen.append(number)
        return at

    waits = [cs.wait_until(10), cs.ticks(5, offset=10), cs.wait(10), cs.ticks(10), cs.wait_until(10)]
    found = cs.run([note(number, wait) for number, wait in enumerate(waits)], engine=engine)
    assert (found, seen) == ([10.0, 5.0, 10.0, 10.0, 10.0], [1, 0, 2, 3, 4])


async def test_a_wait_for_an_instant_is_cancelled_and_timed_out_like_any_wait() -> None:
    async with cs.Engine() as engine:
        run = engine.start(cs.race(cs.wait_until(engine.clock.time() + 3600), cs.ticks(3600, offset=1), give(1)))
        assert await run == 1
        parked = engine.start(cs.wait_until(engine.clock.time() + 3600))
        parked.cancel()
        with pytest.raises(BaseException, match="was cancelled"):
            await parked
        assert len(engine.clock) == 0
