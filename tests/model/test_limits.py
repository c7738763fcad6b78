"""Any sequence of operations on limits gives what a list of those who wait would give, looked through each time."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from fractions import Fraction
from math import ceil
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

import cascade as cs
from cascade.limits import Limits
from support.fake_timers import SECOND, FakeTimers
from support.observation import settle

CAPACITIES = {"gpu": 2, "mem": 1.5}
TASKS = [("a.get", "get"), ("a.put", "put"), ("b.get", "get")]
SELECTORS = ["*", "task:a.*", "task:get", "task:b.get", "run:1", "[rt]*2"]
RATES = {"1/s": Fraction(1, SECOND), "7/10s": Fraction(7, 10 * SECOND), "3/s": Fraction(3, SECOND)}
TTLS = st.sampled_from([None, None, 0, 0.7, 2])

wanted = st.fixed_dictionaries(
    {}, optional={"gpu": st.sampled_from([0, 1, 1, 2, 3]), "mem": st.sampled_from([0.1, 0.5, 1, 1.5])}
)
places = st.integers(0, 7)
OPERATIONS = st.one_of(
    st.tuples(st.just("acquire"), st.sampled_from(TASKS), st.integers(1, 2), wanted),
    st.tuples(st.just("acquire"), st.sampled_from(TASKS), st.integers(1, 2), wanted),
    st.tuples(st.just("release"), places),
    st.tuples(st.just("release"), places),
    st.tuples(st.just("cancel"), places),
    st.tuples(st.just("release and cancel"), places),
    st.tuples(st.just("capacity"), st.sampled_from(["gpu", "mem"]), st.sampled_from([0, 0.5, 1, 2, 3])),
    st.tuples(st.just("concurrency"), st.sampled_from(SELECTORS), st.integers(1, 3), TTLS),
    st.tuples(st.just("rate"), st.sampled_from(SELECTORS), st.sampled_from(sorted(RATES)), st.integers(1, 3), TTLS),
    st.tuples(st.just("remove"), st.sampled_from(SELECTORS)),
    st.tuples(st.just("pause"), st.sampled_from(SELECTORS), TTLS),
    st.tuples(st.just("resume"), st.sampled_from(SELECTORS)),
    st.tuples(st.just("advance"), st.integers(0, 2 * SECOND)),
)


@dataclass(eq=False)
class Rule:
    """A rule as one would write it down."""

    kind: str
    selector: str
    capacity: Fraction = Fraction(0)  # of a pool; of a rate, its burst
    used: Fraction = Fraction(0)
    speed: Fraction = Fraction(0)  # calls a nanosecond
    calls: Fraction = Fraction(0)  # that a rate lets start at once
    expires: int | None = None

    def gain(self, calls: Fraction) -> None:
        """Have a rate let so many calls more start, as far as its burst goes: and what is less than a nanosecond's."""
        parts = (1 / self.speed).numerator if self.speed else 1
        rest = min(self.speed, Fraction(1)) - Fraction(1, parts) if self.speed else 0
        self.calls = min(self.capacity + rest, self.calls + calls)


@dataclass(eq=False)
class Call:
    """One who wants something."""

    number: int
    names: tuple[str, ...]
    amounts: dict[str, Fraction]
    holds: list[tuple[Rule, Fraction]] = field(default_factory=list)
    started_by: list[Rule] = field(default_factory=list)  # rates


class Model:
    """What limits are: whoever waits is looked at in the order of arrival, again and again, until nobody can go on."""

    def __init__(self, now: int) -> None:
        self.now = now
        self.pools = {name: Rule("limit", name, Fraction(str(value))) for name, value in CAPACITIES.items()}
        self.rules: dict[tuple[str, str], Rule] = {}
        self.line: list[Call] = []
        self.running: dict[int, Call] = {}
        self.outcomes: dict[int, str] = {}

    # -- who may go on

    def matching(self, call: Call, kind: str) -> list[Rule]:
        rules = [rule for rule in self.rules.values() if rule.kind == kind]
        return [rule for rule in rules if any(fnmatchcase(name, rule.selector) for name in call.names)]

    def shares(self, call: Call) -> list[tuple[Rule, Fraction]]:
        asked = [(self.pools[name], amount) for name, amount in call.amounts.items() if amount]
        return asked + [(rule, Fraction(1)) for rule in self.matching(call, "concurrency")]

    def settle(self) -> None:
        while (call := self.next()) is not None:
            self.line.remove(call)
            call.holds = self.shares(call)
            call.started_by = self.matching(call, "rate")
            for rate in call.started_by:
                rate.calls -= 1
            for pool, amount in call.holds:
                pool.used += amount
            self.running[call.number] = call

    def next(self) -> Call | None:
        wanted_rates: set[Rule] = set()
        wanted_pools: set[Rule] = set()
        for call in self.line:
            if self.matching(call, "pause"):
                continue
            rates = self.matching(call, "rate")
            leave = all(rate.calls >= 1 and rate not in wanted_rates for rate in rates)
            wanted_rates.update(rates)
            if not leave:
                continue
            shares = self.shares(call)
            if all(pool not in wanted_pools and pool.used + amount <= pool.capacity for pool, amount in shares):
                return call
            wanted_pools.update(pool for pool, _ in shares)
        return None

    # -- what happens

    def acquire(self, call: Call) -> None:
        if any(amount > self.pools[name].capacity for name, amount in call.amounts.items()):
            self.outcomes[call.number] = "error"
        else:
            self.line.append(call)
            self.settle()

    def give_back(self, number: int, *, started: bool = True) -> None:
        call = self.running.pop(number)
        for pool, amount in call.holds:
            pool.used -= amount
        for rate in () if started else call.started_by:
            rate.gain(Fraction(1))
        self.outcomes[number] = "released" if started else "cancelled"
        self.settle()

    def cancel(self, call: Call) -> None:
        self.line.remove(call)
        self.outcomes[call.number] = "cancelled"
        self.settle()

    def set_capacity(self, name: str, capacity: Fraction) -> None:
        self.pools[name].capacity = capacity
        for call in list(self.line):
            if call.amounts.get(name, 0) > capacity:
                self.line.remove(call)
                self.outcomes[call.number] = "error"
        self.settle()

    def rule(self, kind: str, selector: str, capacity: int, ttl: float | None, speed: Fraction = Fraction(0)) -> None:
        rule = self.rules.get((kind, selector))
        if rule is None:
            rule = self.rules[kind, selector] = Rule(kind, selector, calls=Fraction(capacity), speed=speed)
        elif kind == "rate":
            cost = (1 / speed).numerator  # a call is so many parts, and there are whole parts only
            rule.calls = Fraction(int(rule.calls * cost), cost)
        rule.capacity = Fraction(capacity)
        rule.speed = speed
        rule.gain(Fraction(0))
        rule.expires = None if ttl is None else self.now + round(ttl * SECOND)
        self.pass_time(0)

    def remove(self, *keys: tuple[str, str]) -> bool:
        gone = [key for key in keys if self.rules.pop(key, None) is not None]
        self.settle()
        return bool(gone)

    def pass_time(self, nanoseconds: int) -> None:
        """Go from one moment in which something may change to the next."""
        end = self.now + nanoseconds
        self.expire()
        while self.now < end:
            moments = [end]
            for rule in self.rules.values():
                if rule.expires is not None:
                    moments.append(rule.expires)
                if rule.kind == "rate" and rule.calls < 1:
                    moments.append(self.now + ceil((1 - rule.calls) / rule.speed))
            moment = min(moments)
            for rule in self.rules.values():
                rule.gain((moment - self.now) * rule.speed)
            self.now = moment
            self.expire()
        self.settle()

    def expire(self) -> None:
        for key, rule in list(self.rules.items()):
            if rule.expires is not None and rule.expires <= self.now:
                del self.rules[key]
        self.settle()


class Real:
    """Limits themselves, driven by the same operations."""

    def __init__(self) -> None:
        self.timers = FakeTimers()
        self.flips: list[bool] = []
        self.limits = Limits(CAPACITIES, self.timers, lambda: self.flips.append(self.limits.active))
        self.tasks: dict[int, asyncio.Task[Any]] = {}
        self.grants: dict[int, Any] = {}
        self.outcomes: dict[int, str] = {}
        self.told: dict[int, list[str]] = {}

    def acquire(self, number: int, task: tuple[str, str], run: int, amounts: dict[str, float]) -> None:
        self.told[number] = []
        self.tasks[number] = asyncio.ensure_future(self.ask(number, task, run, amounts))

    async def ask(self, number: int, task: tuple[str, str], run: int, amounts: dict[str, float]) -> None:
        try:
            request = self.limits.request(*task, run, amounts)
            grant = self.limits.try_acquire(request)
            if grant is None:
                grant = await self.limits.acquire(request, self.told[number].append)
                assert len(self.told[number]) == 1
            self.grants[number] = grant
        except cs.LimitError:
            self.outcomes[number] = "error"
        except asyncio.CancelledError:
            self.outcomes[number] = "cancelled"

    def release(self, number: int) -> None:
        grant = self.grants.pop(number)
        self.outcomes[number] = "released"
        grant.release()
        grant.release()


def check(real: Real, model: Model) -> None:
    assert real.outcomes == model.outcomes
    assert sorted(real.grants) == sorted(model.running)
    seen = {(state.kind, state.name): state for state in real.limits.snapshot()}
    rules = {(rule.kind, rule.selector): rule for rule in (*model.pools.values(), *model.rules.values())}
    assert seen.keys() == rules.keys()
    for key, rule in rules.items():
        state = seen[key]
        if rule.kind == "rate":
            assert state.capacity - state.in_use == int(rule.calls)
        else:
            assert Fraction(str(state.in_use)) == rule.used
            assert Fraction(str(state.capacity)) == rule.capacity
        waits = sum(rule in subject(model, call) for call in model.line)
        assert state.waiting == waits
        assert state.expires_in == (None if rule.expires is None else (rule.expires - model.now) / SECOND)
    assert real.limits.active == bool(model.rules)
    assert all(before is not after for before, after in zip(real.flips, real.flips[1:], strict=False))
    assert len(real.timers.pending) <= 1


def subject(model: Model, call: Call) -> list[Rule]:
    """The rules and limits that hold for a call."""
    pools = [pool for pool, _ in model.shares(call)]
    return pools + model.matching(call, "rate") + model.matching(call, "pause")


def pick(candidates: list[int], place: int) -> int:
    return candidates[place % len(candidates)]


async def apply(real: Real, model: Model, number: int, operation: tuple[Any, ...]) -> None:
    match operation:
        case "acquire", task, run, amounts:
            names = (f"task:{task[0]}", f"task:{task[1]}", f"run:{run}")
            model.acquire(Call(number, names, {name: Fraction(str(amount)) for name, amount in amounts.items()}))
            real.acquire(number, task, run, amounts)
        case "release", place if model.running:
            chosen = pick(sorted(model.running), place)
            model.give_back(chosen)
            real.release(chosen)
        case "cancel", place if model.line:
            call = model.line[place % len(model.line)]
            model.cancel(call)
            real.tasks[call.number].cancel()
        case "release and cancel", place if model.running:
            chosen = pick(sorted(model.running), place)
            before = set(model.running)
            model.give_back(chosen)
            real.release(chosen)
            # Who is granted something in this moment is cancelled in the same one.
            granted = sorted(set(model.running) - before)
            for late in granted:
                assert real.tasks[late].cancel()
            for late in granted:
                model.give_back(late, started=False)
        case "capacity", name, capacity:
            model.set_capacity(name, Fraction(str(capacity)))
            real.limits.set(name, capacity=capacity)
        case "concurrency", selector, most, ttl:
            model.rule("concurrency", selector, most, ttl)
            real.limits.set(selector, concurrency=most, ttl=ttl)
        case "rate", selector, rate, burst, ttl:
            model.rule("rate", selector, burst, ttl, RATES[rate])
            real.limits.set(selector, rate=rate, burst=burst, ttl=ttl)
        case "remove", selector:
            expected = model.remove(("concurrency", selector), ("rate", selector))
            assert real.limits.remove(selector) is expected
        case "pause", selector, ttl:
            model.rule("pause", selector, 0, ttl)
            real.limits.pause(selector, ttl)
        case "resume", selector:
            assert real.limits.resume(selector) is model.remove(("pause", selector))
        case "advance", nanoseconds:
            model.pass_time(nanoseconds)
            real.timers.advance(nanoseconds)


@given(st.lists(OPERATIONS, max_size=10) | st.lists(OPERATIONS, min_size=20, max_size=60))
def test_any_sequence(operations: list[tuple[Any, ...]]) -> None:
    async def main() -> None:
        real = Real()
        model = Model(real.timers.now())
        for number, operation in enumerate(operations):
            await apply(real, model, number, operation)
            await settle(3)
            real.timers.advance(0)
            await settle(3)
            check(real, model)
        for task in real.tasks.values():
            task.cancel()
        await asyncio.gather(*real.tasks.values())
        for number in list(real.grants):
            real.release(number)
        for state in real.limits.snapshot():
            assert state.waiting == 0
            assert state.kind == "rate" or state.in_use == 0
        for selector in SELECTORS:
            real.limits.remove(selector)
            real.limits.resume(selector)
        assert not real.limits.active
        assert not real.timers.pending  # nothing is left that would wake somebody

    asyncio.run(main())
