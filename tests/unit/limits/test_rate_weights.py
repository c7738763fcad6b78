"""Rates of which each call takes the amount that it asks for: tokens per minute beside requests per minute."""

from __future__ import annotations

import asyncio
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import cascade as cs
from cascade._core.limits.units import UNIT
from cascade.limits import Limits
from cascade.limits.rate import Rate, parse_rate
from cascade.testing import VirtualTime
from support.fake_timers import SECOND, FakeTimers
from support.tasks import give


@cs.task(mode="inline")
def ask(*_: object) -> float:
    """Give the time at which it starts."""
    return cs.current().engine.clock.time()


def of(engine: cs.Engine, name: str = "tokens") -> Any:
    return next(state for state in engine.limits.snapshot() if state.name == name)


# -- the bucket --------------------------------------------------------------------------------------------------------


@given(
    st.sampled_from(["1/s", "7/10s", "90_000/m", "0.7/h", "3000000000/s"]),
    st.fractions(Fraction(1, UNIT), 20),
    st.lists(st.tuples(st.integers(0, 3 * SECOND) | st.integers(0, 10), st.floats(0, 1)), max_size=40),
)
def test_never_more_than_the_rate_and_a_burst(text: str, burst: Fraction, asks: list[tuple[int, float]]) -> None:
    most = max(1, int(burst * UNIT))
    now = 12345
    bucket = Rate("tokens", text, most, now)
    gain, cost = parse_rate(text)
    taken: list[tuple[int, int]] = []
    for pause, part in asks:
        now += pause
        wanted = int(most * part)
        if bucket.ready(now, wanted):
            bucket.take(wanted)
            taken.append((now, wanted))
        else:
            due = bucket.due(now, wanted)
            assert due > now and not bucket.ready(due - 1, wanted) and bucket.ready(due, wanted)
            now = due
    for first in range(len(taken)):
        for last in range(first, len(taken)):
            amount = Fraction(sum(wanted for _, wanted in taken[first : last + 1]), UNIT)
            time = taken[last][0] - taken[first][0] + 1
            assert amount <= Fraction(most, UNIT) + Fraction(gain, cost) * time


@given(st.lists(st.integers(1, 9), min_size=1, max_size=60))
def test_calls_that_come_when_they_are_due_get_exactly_the_rate(weights: list[int]) -> None:
    bucket = Rate("tokens", "7/10s", 9 * UNIT, 0)
    bucket.take(9 * UNIT)
    now = spent = 0
    for weight in weights:
        now = bucket.due(now, weight * UNIT)
        spent += weight
        assert now == -(-spent * 10 * SECOND // 7)
        bucket.take(weight * UNIT)


@given(st.lists(st.tuples(st.integers(0, SECOND), st.integers(-5, 20)), max_size=20))
def test_a_debt_is_paid_by_time(spent: list[tuple[int, int]]) -> None:
    bucket = Rate("tokens", "10/s", 10 * UNIT, 0)
    now, left = 0, Fraction(10)
    for pause, amount in spent:
        now += pause
        left = min(Fraction(10), left + Fraction(pause * 10, SECOND)) - amount
        left = min(Fraction(10), left)
        bucket.spend(now, amount * UNIT)
        assert abs(Fraction(bucket.left(now), UNIT) - left) < Fraction(1, 10**6)
    assert bucket.due(now, 10 * UNIT) - now == pytest.approx(float(10 - left) * SECOND / 10, abs=3)


# -- calls -------------------------------------------------------------------------------------------------------------


def test_tokens_and_requests_per_minute() -> None:
    virtual = VirtualTime(limits={"tokens": "90_000/m", "requests": "100/m"})
    llm = ask.with_constraints(requests=1)
    calls = [llm().with_constraints(tokens=30_000) for _ in range(6)]
    assert virtual.run(calls) == [0, 0, 0, 20, 40, 60]
    # Small ones are held up by the requests: the burst of 100 is what an idle minute saves.
    virtual.engine.limits.rate("requests", "100/m", burst=1)
    times = virtual.run([llm().with_constraints(tokens=10) for _ in range(4)])
    assert [round(time - times[0], 6) for time in times] == [0, 0.6, 1.2, 1.8]
    virtual.close()


def test_a_weight_that_is_known_only_when_the_call_starts() -> None:
    virtual = VirtualTime(limits={"tokens": "60/m"})
    assert virtual.run([ask().with_constraints(tokens=give(60)), ask().with_constraints(tokens=give(30))]) == [0, 30]
    virtual.close()


def test_a_rule_and_a_named_rate_on_one_call() -> None:
    virtual = VirtualTime(limits={"tokens": "60/m"})
    virtual.engine.limits.set("task:ask", rate="1/20s")
    assert virtual.run([ask().with_constraints(tokens=tokens) for tokens in (60, 1, 30)]) == [0, 20, 40]
    virtual.close()


def test_a_large_request_is_not_overtaken_by_small_ones() -> None:
    virtual = VirtualTime(limits={"tokens": "60/m"})
    times = virtual.run([ask().with_constraints(tokens=tokens) for tokens in (50, 60, 1, 1)])
    assert times == [0, 50, 51, 52]
    virtual.close()


@pytest.mark.parametrize("amount", [61, give(61), 60.000000001])
def test_more_than_the_burst_is_an_error_at_once(amount: float) -> None:
    engine = cs.Engine(limits={"tokens": "60/m"})
    with pytest.raises(cs.LimitError, match=r"amount of 'tokens' must be at most 60, the burst of the rate, got 6[01]"):
        cs.run(ask().with_constraints(tokens=amount), engine=engine)
    assert of(engine).in_use == 0


async def test_a_lowered_burst_refuses_what_waits(timers: FakeTimers, limits: Limits) -> None:
    limits.rate("tokens", "60/m")
    limits.spend(tokens=60)
    waits = [
        asyncio.ensure_future(limits.acquire(limits.request("m.f", "f", 1, {"tokens": tokens}))) for tokens in (40, 20)
    ]
    await asyncio.sleep(0)
    limits.rate("tokens", "60/m", burst=30)
    with pytest.raises(cs.LimitError, match="at most 30, the burst of the rate, got 40"):
        await waits[0]
    timers.advance(20 * SECOND)
    await waits[1]
    assert not timers.pending


async def test_what_has_not_started_gives_its_tokens_back(timers: FakeTimers, limits: Limits) -> None:
    limits.rate("tokens", "60/m")
    grant = limits.try_acquire(limits.request("m.f", "f", 1, {"tokens": 45}))
    assert grant is not None and limits.try_acquire(limits.request("m.f", "f", 1, {"tokens": 16})) is None
    grant.undo()
    grant = limits.try_acquire(limits.request("m.f", "f", 1, {"tokens": 60}))
    assert grant is not None
    grant.release()
    assert limits.snapshot()[-1].in_use == 60
    timers.advance(1)


def test_each_attempt_takes_its_tokens() -> None:
    virtual = VirtualTime(limits={"tokens": "60/m"})
    times: list[float] = []

    @cs.task(mode="inline")
    def flaky() -> str:
        times.append(cs.current().engine.clock.time())
        if len(times) < 3:
            raise OSError
        return "third"

    assert virtual.run(flaky().with_constraints(tokens=60).with_retry(5)) == "third"
    assert times == [0, 60, 120]
    virtual.close()


# -- settling ----------------------------------------------------------------------------------------------------------

MODES = ["inline", "thread", "async"]


def settling(mode: str, *amounts: float) -> Any:
    """Make a task that settles some amounts one after the other."""
    if mode == "async":

        @cs.task(name="settling")
        async def settle_later() -> float:
            await asyncio.sleep(0)
            for amount in amounts:
                cs.current().settle(tokens=amount)
            return cs.current().engine.clock.time()

        return settle_later

    def settle() -> float:
        for amount in amounts:
            cs.current().settle(tokens=amount)
        return cs.current().engine.clock.time()

    return cs.task(settle, mode=mode)  # type: ignore[call-overload]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("asked", [0, 40, 100])
@pytest.mark.parametrize("used", [0, 30, 70, 250])
def test_what_was_used_counts_and_not_what_was_asked_for(mode: str, asked: float, used: float) -> None:
    engine = cs.Engine(limits={"tokens": "100/d"})
    cs.run(settling(mode, 5, used)().with_constraints(tokens=asked), engine=engine)
    assert of(engine).in_use == pytest.approx(used, abs=0.1)


@pytest.mark.parametrize("mode", ["inline", "async"])
def test_calls_go_on_or_wait_by_what_was_settled(mode: str) -> None:
    virtual = VirtualTime(limits={"tokens": "60/m"})
    for used, after in ((10, 0), (90, 60)):
        begin = virtual.time
        first = settling(mode, used)().with_constraints(tokens=60)
        times = virtual.run([first, ask().with_constraints(tokens=30)])
        assert times[1] - begin == after
        virtual.run(cs.wait(1000))
    virtual.close()


def test_each_attempt_settles_its_own() -> None:
    engine = cs.Engine(limits={"tokens": "100/d"})
    tries: list[int] = []

    @cs.task(mode="inline")
    def flaky() -> None:
        tries.append(1)
        cs.current().settle(tokens=0 if len(tries) == 1 else 7)
        if len(tries) == 1:
            raise OSError

    cs.run(flaky().with_constraints(tokens=90).with_retry(2), engine=engine)
    assert of(engine).in_use == pytest.approx(7, abs=0.1)


def test_what_settle_refuses() -> None:
    engine = cs.Engine(limits={"tokens": "100/m", "gpu": 1})
    wrong: list[tuple[dict[str, Any], type[Exception], str]] = [
        ({"tokens": -1}, cs.LimitError, "amount of 'tokens' must be >= 0, got -1"),
        ({"tokens": float("nan")}, cs.LimitError, "must be a finite number"),
        ({"tokens": "1"}, TypeError, "must be a number, got `str`"),
        ({"gpu": 1}, cs.LimitError, "limit must be a rate, got 'gpu'"),
        ({"nothing": 1}, cs.LimitError, r"one of the engine's \('tokens', 'gpu'\), got 'nothing'"),
    ]

    @cs.task(mode="inline")
    def call(amounts: dict[str, Any]) -> None:
        cs.current().settle(**amounts)

    for amounts, kind, text in wrong:
        with pytest.raises(kind, match=text):
            cs.run(call(amounts).with_constraints(tokens=1, gpu=1), engine=engine)
    for unasked in (call({"tokens": 1}), call({"tokens": 1}).with_constraints(gpu=1)):
        with pytest.raises(cs.LimitError, match=r"give the call with_constraints\(tokens=...\), or use `limits.spend"):
            cs.run(unasked, engine=engine)
    kept: list[cs.CurrentCall] = []

    @cs.task(mode="inline")
    def keeping() -> None:
        kept.append(cs.current())

    cs.run(keeping().with_constraints(tokens=1), engine=engine)
    with pytest.raises(cs.EngineStateError, match="before the attempt of the call ends"):
        kept[0].settle(tokens=1)


def test_spending() -> None:
    virtual = VirtualTime(limits={"tokens": "60/m", "gpu": 1})
    virtual.engine.limits.spend(tokens=90)
    assert of(virtual.engine).in_use == 90
    assert virtual.run(ask().with_constraints(tokens=0)) == 0  # nothing is asked for, so a debt holds nothing up
    assert virtual.run(ask().with_constraints(tokens=10)) == 40
    virtual.engine.limits.spend(tokens=-1000)
    assert of(virtual.engine).in_use == 0
    wrong: list[tuple[dict[str, Any], type[Exception]]] = [
        ({"gpu": 1}, cs.LimitError), ({"tokens": "1"}, TypeError), ({"x": 1}, cs.LimitError),
        ({"tokens": 1e300}, cs.LimitError), ({"tokens": float("-inf")}, cs.LimitError),
    ]  # fmt: skip
    for amounts, kind in wrong:
        with pytest.raises(kind):
            virtual.engine.limits.spend(**{"tokens": 5, **amounts})
        assert of(virtual.engine).in_use == 0  # all or nothing
    for _ in range(3):
        virtual.engine.limits.spend(tokens=1e18)  # a debt for ever
    assert of(virtual.engine).in_use == 3e18
    with pytest.raises(cs.RunDeadlineError):
        virtual.run(virtual.engine.run(ask().with_constraints(tokens=1), deadline=1000))
    virtual.close()


# -- what is given -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "rate", "burst", "kind", "text"),
    [
        ("tokens", 5, None, TypeError, "rate must be a str such as '10/m', got `int`"),
        ("tokens", "5", None, cs.LimitError, "rate must be a str such as"),
        ("tokens", "0/s", None, cs.LimitError, "rate must be > 0"),
        ("tokens", "5__0/s", None, cs.LimitError, "rate must be a str such as"),
        ("tokens", "5/s", 0, cs.LimitError, "burst of 'tokens' must be a number > 0, got 0"),
        ("tokens", "5/s", -1, cs.LimitError, "burst of 'tokens' must be a number > 0, got -1"),
        ("tokens", "5/s", "9", TypeError, "burst of 'tokens' must be a number, got `str`"),
        ("gpu", "5/s", None, cs.LimitError, "name of a rate must not be that of a limit, got 'gpu'"),
        ("task:f", "5/s", None, cs.LimitError, "name of a limit must be a word"),
        ("priority", "5/s", None, cs.LimitError, "must not be 'priority'"),
        (7, "5/s", None, TypeError, "name of a limit must be a str"),
    ],
)
def test_what_is_no_rate_is_refused(name: Any, rate: Any, burst: Any, kind: type[Exception], text: str) -> None:
    engine = cs.Engine(limits={"gpu": 2})
    with pytest.raises(kind, match=text):
        engine.limits.rate(name, rate, burst)
    assert [state.name for state in engine.limits.snapshot()] == ["gpu"]


def test_limits_and_rates_are_not_mixed_up() -> None:
    engine = cs.Engine(limits={"gpu": 2, "tokens": "90_000/m"})
    for arguments in ({"capacity": 5}, {"rate": "5/s"}, {"concurrency": 1}):
        with pytest.raises(cs.LimitError, match=r"'tokens' is a rate: change it with `limits.rate\('tokens', ...\)`"):
            engine.limits.set("tokens", **arguments)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="capacity of 'gpu' must be a number, or a rate such as '90_000/m', got `str`"):
        cs.Engine(limits={"gpu": "2"})
    with pytest.raises(cs.LimitError, match="rate must be a str such as"):
        cs.Engine(limits={"gpu": "2/y"})


def test_what_is_shown() -> None:
    virtual = VirtualTime(limits={"gpu": 2, "tokens": "90_000/m"})

    async def main() -> None:
        run = virtual.engine.start([ask().with_constraints(tokens=tokens) for tokens in (90_000, 600, 1200)])
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        state = of(virtual.engine)
        assert (state.kind, state.capacity, state.in_use, state.rate) == ("rate", 90_000, 90_000, "90_000/m")
        assert (state.waiting, state.wanted) == (2, 1800)
        assert repr(virtual.engine.limits) == (
            "<Limits: gpu 0 of 2, tokens 90000 of 90000 at 90_000/m, 0 rules, 2 waiting>"
        )
        await run

    virtual.run(main())
    virtual.close()


@given(
    st.lists(st.tuples(st.integers(0, 40), st.integers(0, 30), st.integers(0, 60)), min_size=1, max_size=12),
    st.integers(20, 40),
)
def test_any_calls_keep_to_the_rate(calls: list[tuple[int, int, int]], burst: int) -> None:
    """In any period the calls use at most what the rate gives, one burst, and what settling has added too late."""
    virtual = VirtualTime()
    virtual.engine.limits.rate("tokens", "1/s", burst=40)
    virtual.engine.limits.rate("tokens", "1/s", burst=burst)
    begun: list[tuple[float, int]] = []

    @cs.task(mode="inline")
    def call(_: object, weight: int, used: int) -> None:
        begun.append((cs.current().engine.clock.time(), weight))
        cs.current().settle(tokens=max(weight, used))

    weights = [min(weight, burst) for _, weight, _ in calls]
    virtual.run(
        [
            call(cs.wait(at), weight, used).with_constraints(tokens=weight)
            for (at, _, used), weight in zip(calls, weights, strict=True)
        ]
    )
    for first in range(len(begun)):
        for last in range(first, len(begun)):
            amount = sum(weight for _, weight in begun[first : last + 1])
            assert amount <= burst + begun[last][0] - begun[first][0] + 1e-6
    assert len(begun) == len(calls) and of(virtual.engine).waiting == 0
    virtual.close()
