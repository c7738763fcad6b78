"""Any sequence of operations on limits gives what a list of those who wait would give, looked through each time."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from fractions import Fraction
from math import ceil, floor
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import cascade as cs
from cascade.limits import EMPTY_GRANT, Grant, Limits
from support.fake_timers import SECOND, FakeTimers
from support.observation import settle

CAPACITIES = {"gpu": 2, "mem": 1.5, "tokens": "10/4s"}
UNIT = 10**9  # the smallest part of an amount is one by this
TASKS = [("a.get", "get"), ("a.put", "put"), ("b.get", "get")]
SELECTORS = ["*", "task:a.*", "task:get", "task:b.get", "run:1", "[rt]*2"]
RATES = {"1/s": Fraction(1, SECOND), "7/10s": Fraction(7, 10 * SECOND), "3/s": Fraction(3, SECOND)}
TTLS = st.sampled_from([None, None, 0, 0.7, 2])

wanted = st.fixed_dictionaries(
    {},
    optional={
        "gpu": st.sampled_from([0, 1, 1, 2, 3]),
        "mem": st.sampled_from([0.1, 0.5, 1, 1.5]),
        "tokens": st.sampled_from([0, 0.5, 1, 4, 10, 11]),
        "priority": st.sampled_from([-1, 0, 2, 2.5]),
    },
)
a_few = st.fixed_dictionaries({"gpu": st.integers(1, 2)}, optional={"priority": st.integers(0, 1)})
places = st.integers(0, 7)
OPERATIONS = st.one_of(
    st.tuples(st.just("acquire"), st.sampled_from(TASKS), st.integers(1, 2), wanted),
    st.tuples(st.just("acquire"), st.sampled_from(TASKS), st.integers(1, 2), a_few),
    st.tuples(st.just("acquire inside"), st.sampled_from(TASKS), st.integers(1, 2), wanted, places),
    st.tuples(st.just("acquire inside"), st.just(TASKS[1]), st.just(2), st.just({"gpu": 1}), places),
    st.tuples(st.just("acquire inside"), st.just(TASKS[1]), st.just(2), st.just({"gpu": 1, "tokens": 4}), places),
    st.tuples(st.just("release"), places),
    st.tuples(st.just("release"), places),
    st.tuples(st.just("cancel"), places),
    st.tuples(st.just("tokens"), st.sampled_from(sorted(RATES)), st.sampled_from([None, 1, 5.5, 12])),
    st.tuples(st.just("spend"), st.sampled_from([-3, 0.25, 2, 30])),
    st.tuples(st.just("settle"), places, st.sampled_from([0, 0.5, 2, 12])),
    st.tuples(st.just("priority"), st.sampled_from(SELECTORS), st.sampled_from([-2, 1, 2, 3.5]), TTLS),
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
    calls: Fraction = Fraction(0)  # that a rate lets start at once; of one with weights, how much can be taken
    expires: int | None = None
    priority: float = 0
    parent: Rule | None = None  # of what a call holds, for those inside of it
    closed: bool = False

    @property
    def root(self) -> Rule:
        return self if self.parent is None else self.parent.root

    def gain(self, calls: Fraction) -> None:
        """Have a rate let so many calls more start, as far as its burst goes: and what is less than a nanosecond's."""
        rest = min(self.speed, Fraction(1)) - Fraction(1, self.parts) if self.speed else 0
        self.calls = min(self.capacity + rest, self.calls + calls)

    def change(self, speed: Fraction, capacity: Fraction) -> None:
        """Change a rate. A call is so many parts, and there are whole parts only."""
        self.speed, self.capacity = speed, capacity
        self.calls = Fraction(floor(self.calls * self.parts), self.parts)
        self.gain(Fraction(0))

    @property
    def parts(self) -> int:
        return (1 / self.speed).numerator * UNIT

    def give_back(self, amount: Fraction) -> None:
        if self.closed:
            assert self.parent is not None
            self.parent.give_back(amount)
        else:
            self.used -= amount

    @property
    def owner(self) -> Rule:
        """What that belongs to which is taken of this."""
        if not self.closed:
            return self
        assert self.parent is not None
        return self.parent.owner


@dataclass(eq=False)
class Call:
    """One who wants something."""

    number: int
    names: tuple[str, ...]
    amounts: dict[str, Fraction]
    priority: float | None = None
    around: tuple[Call, ...] = ()
    holds: list[tuple[Rule, Fraction]] = field(default_factory=list)
    lends: dict[Rule, Rule] = field(default_factory=dict)  # by what it holds, what calls inside of it take from
    started_by: dict[Rule, Fraction] = field(default_factory=dict)  # rates, and what it has taken of them
    passed: tuple[float, ...] | None = None  # the place before another one, which waits for what is around this one
    before: tuple[Call, ...] = ()  # that one, and those before which it has passed itself


class Model:
    """What limits are: all that wait are looked at by priority and arrival, again and again, until none can go on."""

    def __init__(self, now: int) -> None:
        self.now = now
        self.pools = {name: Rule("limit", name, Fraction(str(CAPACITIES[name]))) for name in ("gpu", "mem")}
        self.tokens = Rule("rate", "tokens", Fraction(10), speed=Fraction(10, 4 * SECOND), calls=Fraction(10))
        self.rules: dict[tuple[str, str], Rule] = {}
        self.line: list[Call] = []
        self.running: dict[int, Call] = {}
        self.outcomes: dict[int, str] = {}

    # -- who may go on

    def matching(self, call: Call, kind: str) -> list[Rule]:
        rules = [rule for rule in self.rules.values() if rule.kind == kind]
        return [rule for rule in rules if any(fnmatchcase(name, rule.selector) for name in call.names)]

    def shares(self, call: Call) -> list[tuple[Rule, Fraction]]:
        asked = [(self.pools[name], amount) for name, amount in call.amounts.items() if amount and name != "tokens"]
        asked += [(rule, Fraction(1)) for rule in self.matching(call, "concurrency")]
        return [(self.nearest(call, pool), amount) for pool, amount in asked]

    def nearest(self, call: Call, limit: Rule) -> Rule:
        """What the innermost call around it holds of a limit, if that has not ended; else the limit itself."""
        for holder in call.around:
            for pool, amount in holder.holds if holder.number in self.running else ():
                if pool.root is limit:
                    return holder.lends.setdefault(pool, Rule("holding", "", amount, parent=pool))
        return limit

    def rates(self, call: Call) -> dict[Rule, Fraction]:
        named = {self.tokens: call.amounts["tokens"]} if "tokens" in call.amounts else {}
        return named | dict.fromkeys(self.matching(call, "rate"), Fraction(1))

    def place(self, call: Call) -> tuple[float, ...]:
        priorities = [rule.priority for rule in self.matching(call, "priority")]
        own = -(call.priority if call.priority is not None else max(priorities, default=0)), call.number
        return own if call.passed is None else min(own, call.passed)

    def let_pass(self) -> bool:
        """Let one that is inside of a holder pass before the first of those that wait for what that one holds."""
        for pool, first in self.firsts().items():
            if pool.used + dict(self.shares(first))[pool] > pool.capacity:
                place = self.place(first)
                for call in sorted(self.line, key=self.place):
                    if self.place(call) > place and call not in first.before and self.is_inside(call, pool):
                        call.passed = (*place[:-1], place[-1] - 0.5, call.number)
                        call.before = (*first.before, first)
                        return True
        return False

    def is_inside(self, call: Call, pool: Rule) -> bool:
        holders = [holder for holder in call.around if holder.number in self.running]
        return any(held.owner is pool for holder in holders for held, _ in holder.holds)

    def settle(self) -> None:
        while self.let_pass():
            pass
        while (call := self.next()) is not None:
            self.line.remove(call)
            call.holds = self.shares(call)
            call.started_by = self.rates(call)
            for rate, amount in call.started_by.items():
                rate.calls -= amount
            for pool, amount in call.holds:
                pool.used += amount
            self.running[call.number] = call
            while self.let_pass():
                pass

    def next(self) -> Call | None:
        for call in sorted(self.line, key=self.place):
            if call in self.in_line_for_pools() and all(
                self.firsts()[pool] is call and pool.used + amount <= pool.capacity
                for pool, amount in self.shares(call)
            ):
                return call
        return None

    def firsts(self) -> dict[Rule, Call]:
        """The first of those that wait for each pool."""
        firsts: dict[Rule, Call] = {}
        for call in self.in_line_for_pools():
            for pool, _ in self.shares(call):
                firsts.setdefault(pool, call)
        return firsts

    def in_line_for_pools(self) -> list[Call]:
        """Those that wait for nothing but pools, in order."""
        wanted_rates: set[Rule] = set()
        waiting = []
        for call in sorted(self.line, key=self.place):
            if self.matching(call, "pause"):
                continue
            rates = {rate: amount for rate, amount in self.rates(call).items() if amount}
            leave = all(rate.calls >= amount and rate not in wanted_rates for rate, amount in rates.items())
            wanted_rates.update(rates)
            if leave:
                waiting.append(call)
        return waiting

    # -- what happens

    def acquire(self, call: Call) -> None:
        if self.is_impossible(call):
            self.outcomes[call.number] = "error"
        else:
            self.line.append(call)
            self.settle()

    def is_impossible(self, call: Call) -> bool:
        most = {name: self.nearest(call, pool).capacity for name, pool in self.pools.items()}
        most["tokens"] = self.tokens.capacity
        return any(amount > most[name] for name, amount in call.amounts.items())

    def refuse_impossible(self) -> None:
        for call in list(self.line):
            if self.is_impossible(call):
                self.line.remove(call)
                self.outcomes[call.number] = "error"

    def give_back(self, number: int, *, started: bool = True) -> None:
        call = self.running.pop(number)
        for pool, amount in call.holds:
            lent = call.lends.get(pool)
            if lent is not None:
                lent.closed = True
            pool.give_back(amount if lent is None else amount - lent.used)
        for rate, amount in () if started else call.started_by.items():
            rate.gain(amount)
        self.outcomes[number] = "released" if started else "cancelled"
        self.settle()

    def cancel(self, call: Call) -> None:
        self.line.remove(call)
        self.outcomes[call.number] = "cancelled"
        self.settle()

    def set_capacity(self, name: str, capacity: Fraction) -> None:
        lowered = capacity < self.pools[name].capacity
        self.pools[name].capacity = capacity
        if lowered:
            self.refuse_impossible()
        self.settle()

    def set_tokens(self, speed: Fraction, burst: Fraction) -> None:
        lowered = burst < self.tokens.capacity
        self.tokens.change(speed, burst)
        if lowered:
            self.refuse_impossible()
        self.settle()

    def spend(self, amount: Fraction) -> None:
        self.tokens.gain(-amount)
        self.settle()

    def rule(
        self,
        kind: str,
        selector: str,
        capacity: int,
        ttl: float | None,
        speed: Fraction = Fraction(0),
        priority: float = 0,
    ) -> None:
        rule = self.rules.get((kind, selector))
        if rule is None:
            rule = self.rules[kind, selector] = Rule(kind, selector, calls=Fraction(capacity), speed=speed)
        rule.capacity = Fraction(capacity)
        rule.priority = priority
        if kind == "rate":
            rule.change(speed, Fraction(capacity))
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
            for call in self.line:
                for rate, amount in self.rates(call).items():
                    if rate.calls < amount:
                        moments.append(self.now + ceil((amount - rate.calls) / rate.speed))
            moment = min(moments)
            for rule in (*self.rules.values(), self.tokens):
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

    def acquire(
        self, number: int, task: tuple[str, str], run: int, amounts: dict[str, float], around: tuple[Grant, ...]
    ) -> None:
        self.told[number] = []
        self.tasks[number] = asyncio.ensure_future(self.ask(number, task, run, amounts, around))

    async def ask(
        self, number: int, task: tuple[str, str], run: int, amounts: dict[str, float], around: tuple[Grant, ...]
    ) -> None:
        try:
            request = self.limits.request(*task, run, amounts, around=around)
            grant = self.limits.try_acquire(request)
            if grant is None:
                grant = await self.limits.acquire(request, self.told[number].append)
                assert len(self.told[number]) <= 1  # none if its priority lets it go on at once
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
    everything = (*model.pools.values(), model.tokens, *model.rules.values())
    rules = {(rule.kind, rule.selector): rule for rule in everything}
    assert seen.keys() == rules.keys()
    for key, rule in rules.items():
        state = seen[key]
        if rule is model.tokens:
            assert state.capacity == rule.capacity
            left = min(rule.capacity, Fraction(floor(rule.calls * UNIT), UNIT))
            assert state.in_use == float(rule.capacity - left)
        elif rule.kind == "rate":
            assert state.capacity - state.in_use == floor(rule.calls)
        elif rule.kind == "priority":
            assert state.priority == rule.priority
        else:
            assert Fraction(str(state.in_use)) == rule.used
            assert Fraction(str(state.capacity)) == rule.capacity
        waits = [subject(model, call)[rule] for call in model.line if rule in subject(model, call)]
        assert state.waiting == len(waits) and state.wanted == float(sum(waits))
        assert state.expires_in == (None if rule.expires is None else (rule.expires - model.now) / SECOND)
    assert real.limits.active == bool(model.rules)
    assert all(before is not after for before, after in zip(real.flips, real.flips[1:], strict=False))
    assert len(real.timers.pending) <= 1


def subject(model: Model, call: Call) -> dict[Rule, Fraction]:
    """The rules and limits that hold for a call, and what it wants of them."""
    pools = {pool.root: amount for pool, amount in model.shares(call)}
    others = dict.fromkeys([*model.matching(call, "pause"), *model.matching(call, "priority")], Fraction(0))
    return pools | model.rates(call) | others


def pick(candidates: list[int], place: int) -> int:
    return candidates[place % len(candidates)]


def acquire(
    real: Real,
    model: Model,
    number: int,
    task: tuple[str, str],
    run: int,
    amounts: dict[str, float],
    around: tuple[Call, ...],
) -> None:
    names = (f"task:{task[0]}", f"task:{task[1]}", f"run:{run}")
    wants = {name: Fraction(str(amount)) for name, amount in amounts.items() if name != "priority"}
    grants = tuple(real.grants.get(call.number, EMPTY_GRANT) for call in around)
    model.acquire(Call(number, names, wants, amounts.get("priority"), around))
    real.acquire(number, task, run, amounts, grants)


async def apply(real: Real, model: Model, number: int, operation: tuple[Any, ...]) -> None:
    match operation:
        case "acquire", task, run, amounts:
            acquire(real, model, number, task, run, amounts, ())
        case "acquire inside", task, run, amounts, place if model.running:
            outside = model.running[pick(sorted(model.running), place)]
            acquire(real, model, number, task, run, amounts, (outside, *outside.around))
        case "release", place if model.running:
            chosen = pick(sorted(model.running), place)
            model.give_back(chosen)
            real.release(chosen)
        case "cancel", place if model.line:
            waiting = model.line[place % len(model.line)]
            model.cancel(waiting)
            real.tasks[waiting.number].cancel()
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
        case _:
            change(real, model, operation)


def change(real: Real, model: Model, operation: tuple[Any, ...]) -> None:
    """Change what there is, or let time pass."""
    match operation:
        case "tokens", rate, burst:
            given = Fraction(rate.split("/")[0]) if burst is None else Fraction(str(burst))
            model.set_tokens(RATES[rate], given)
            real.limits.rate("tokens", rate, burst)
        case "spend", amount:
            model.spend(Fraction(str(amount)))
            real.limits.spend(tokens=amount)
        case "settle", place, amount if model.running:
            chosen = pick(sorted(model.running), place)
            call = model.running[chosen]
            if model.tokens in call.started_by:
                difference = Fraction(str(amount)) - call.started_by[model.tokens]
                call.started_by[model.tokens] += difference
                model.spend(difference)
                real.limits.settle(
                    real.grants[chosen], real.limits.check_settled(real.grants[chosen], {"tokens": amount})
                )
            else:
                with pytest.raises(cs.LimitError, match="settle"):
                    real.limits.check_settled(real.grants[chosen], {"tokens": amount})
        case "priority", selector, priority, ttl:
            model.rule("priority", selector, 0, ttl, priority=priority)
            real.limits.set(selector, priority=priority, ttl=ttl)
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
            expected = model.remove(("concurrency", selector), ("rate", selector), ("priority", selector))
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
