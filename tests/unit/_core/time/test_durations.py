"""What counts as a duration or an instant, wherever one is given."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from fractions import Fraction
from typing import Any

import pytest

import cascade as cs
from cascade.testing import VirtualTime
from support.tasks import give, leaf

np: Any
try:
    import numpy as np
except ImportError:
    np = None

NAN = float("nan")
LONGEST = 9e9


def of_numpy(make: Callable[[], list[Any]]) -> list[Any]:
    """Give these values, where numpy is installed."""
    return [] if np is None else make()


@cs.task
async def later() -> None: ...


def waited(duration: Any) -> float:
    """How long a wait takes in virtual time."""
    return cs.run(cs.wait(duration), engine=cs.Engine(clock=cs.Clock.virtual()))


@pytest.mark.parametrize(
    ("duration", "seconds"),
    [
        (2, 2.0),
        (0.5, 0.5),
        (timedelta(milliseconds=1500), 1.5),
        (timedelta(days=40, microseconds=1), 3456000.000001),
        *of_numpy(lambda: [(np.float64(0.25), 0.25), (np.float32(0.25), 0.25), (np.int64(3), 3.0), (np.uint8(3), 3.0)]),
        *of_numpy(lambda: [(np.timedelta64(1500, "ms"), 1.5), (np.timedelta64(2, "h"), 7200.0)]),
        (Fraction(1, 4), 0.25),
    ],
)
def test_numbers_and_differences_of_time(duration: Any, seconds: float) -> None:
    assert waited(duration) == seconds
    assert waited(give(duration)) == seconds
    engine = cs.Engine(clock=cs.Clock.virtual())
    silent: cs.Channel[int] = cs.Channel()
    assert cs.run(silent.recv(timeout=duration), engine=engine).elapsed == seconds
    assert cs.run(cs.select([silent], timeout=duration), engine=engine).elapsed == seconds
    assert cs.lazy(later().with_timeout(duration)).policies["timeout"].seconds == seconds
    assert cs.lazy(leaf().with_retry(delay=duration)).policies["retry"].delay == seconds
    assert cs.ResultCache(ttl=duration).ttl == seconds
    assert restarted_after(duration) == seconds
    with pytest.raises(cs.RunDeadlineError):
        cs.run(cs.wait(LONGEST).after(cs.wait(1)), deadline=duration, engine=engine)
    engine.limits.pause("*", ttl=duration)


def restarted_after(delay: Any) -> float:
    """How long a failed member of a population waits."""
    virtual = VirtualTime()

    @cs.task(mode="inline")
    def fail() -> None:
        raise LookupError

    async def main() -> float:
        await virtual.engine.start_many([fail()], on_failure=cs.Restart(limit=1, delay=delay, reset_after=delay))
        return virtual.engine.clock.time()

    seconds = virtual.run(main())
    virtual.close()
    return float(seconds)


TAKERS: dict[str, Callable[[Any], object]] = {
    "wait": cs.wait,
    "period": cs.ticks,
    "offset": lambda wrong: cs.ticks(1, offset=wrong),
    "recv": lambda wrong: cs.Channel().recv(timeout=wrong),
    "receive": lambda wrong: asyncio.run(cs.Channel().receive(timeout=wrong)),
    "select": lambda wrong: cs.select([cs.Channel()], timeout=wrong),
    "timeout": lambda wrong: later.with_timeout(wrong),
    "delay": lambda wrong: leaf.with_retry(delay=wrong),
    "ttl": lambda wrong: cs.ResultCache(ttl=wrong),
    "restart": lambda wrong: cs.Restart(delay=wrong),
    "deadline": lambda wrong: cs.run(leaf(), deadline=wrong),
    "pause": lambda wrong: cs.Engine().limits.pause("*", ttl=wrong),
    "quantum": lambda wrong: cs.Engine(quantum=wrong),
}


@pytest.mark.parametrize("taker", TAKERS.values(), ids=TAKERS)
@pytest.mark.parametrize(
    "wrong",
    [
        -1,
        NAN,
        float("inf"),
        10**400,
        timedelta(microseconds=-1),
        timedelta.max,
        *of_numpy(lambda: [np.timedelta64("NaT", "s"), np.timedelta64(10**12, "D"), np.float32("nan")]),
    ],
    ids=repr,
)
def test_what_is_out_of_range(taker: Callable[[Any], object], wrong: Any) -> None:
    with pytest.raises((ValueError, cs.PolicyError), match=r"^\w+ must be from 0 to 9e\+09 seconds, got "):
        taker(wrong)


@pytest.mark.parametrize("taker", TAKERS.values(), ids=TAKERS)
@pytest.mark.parametrize(
    "wrong", [True, "1", 1j, [1], datetime(2026, 1, 1), *of_numpy(lambda: [np.bool_(1), np.array([1.0])])], ids=repr
)
def test_what_is_no_duration(taker: Callable[[Any], object], wrong: Any) -> None:
    with pytest.raises((TypeError, cs.PolicyError), match=r"^\w+ must be a number of seconds or a timedelta, got `"):
        taker(wrong)


def test_a_period_is_some_time() -> None:
    with pytest.raises(ValueError, match=r"^period must be at least a nanosecond, got 0$"):
        cs.ticks(0)
    with pytest.raises(ValueError, match=r"^period must be at least a nanosecond, got 1e-12"):
        cs.run(cs.ticks(give(1e-12)))


@pytest.mark.parametrize(
    ("instant", "seconds"),
    [
        (12, 12.0),
        (12.5, 12.5),
        *of_numpy(lambda: [(np.float32(12.5), 12.5)]),
        (3, 10.0),
        (-5, 10.0),
        (datetime(1970, 1, 1, 0, 1, tzinfo=UTC), 60.0),
        (datetime(1970, 1, 1, 1, 1, 0, 500, tzinfo=timezone(timedelta(hours=1))), 60.0005),
        (datetime.min.replace(tzinfo=UTC), 10.0),
    ],
    ids=repr,
)
def test_instants_of_a_virtual_clock(instant: Any, seconds: float) -> None:
    for given in (instant, give(instant)):
        engine = cs.Engine(clock=cs.Clock.virtual(start=10))
        assert cs.run(cs.wait_until(given), engine=engine) == engine.clock.time() == seconds


@pytest.mark.parametrize("speed", [1.0, 50.0])
def test_instants_of_the_calendar(speed: float) -> None:
    """The clock has come as far as the calendar has, by its own speed."""
    engine = cs.Engine(clock=cs.Clock.real(speed=speed))
    before, instant = engine.clock.time(), datetime.now(UTC) + timedelta(milliseconds=20)
    assert cs.run(cs.wait_until(instant), engine=engine) - before >= 0.015 * speed
    assert cs.run(cs.wait_until(datetime.now(UTC) - timedelta(days=1)), engine=engine) >= before


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (datetime(2026, 1, 1), "instant must be a number of seconds or a datetime with a time zone, got datetime"),
        (timedelta(1), "instant must be a number of seconds or a datetime, got `timedelta`"),
        (True, "instant must be a number of seconds or a datetime, got `bool`"),
        ("noon", "instant must be a number of seconds or a datetime, got `str`"),
        *of_numpy(lambda: [(np.timedelta64(1, "s"), "instant must be a number of seconds or a datetime, got `timed")]),
        (NAN, "instant must be from -9e\\+09 to 9e\\+09 seconds, got nan"),
        (10**400, "instant must be from"),
    ],
    ids=repr,
)
def test_what_is_no_instant(wrong: Any, message: str) -> None:
    with pytest.raises((TypeError, ValueError), match="^" + message):
        cs.wait_until(wrong)
    with pytest.raises((TypeError, ValueError), match="^" + message):
        cs.run(cs.wait_until(give(wrong)))
