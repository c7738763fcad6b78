"""Limits: what users change, and what the engine asks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Literal, TypeVar

from cascade._core.time.clock import check_seconds
from cascade.exceptions import LimitError, PolicyError
from cascade.limits.admission import Turnstile
from cascade.limits.capacity import Concurrency, Pool
from cascade.limits.rate import Rate, parse_rate
from cascade.limits.request import NOTHING, Demand, Grant
from cascade.limits.rulebook import Pause, Rule, Rules
from cascade.limits.selector import Scope, looks_like_scope
from cascade.limits.snapshot import LimitState
from cascade.limits.units import UNIT, shown, units

if TYPE_CHECKING:
    from cascade.clock.timers import Timers

__all__ = ["Limits"]

R = TypeVar("R", bound=Rule)
_SECOND = 10**9  # nanoseconds


class Limits:
    """How much may run at once on an engine, and how often. It is found as `Engine.limits`.

    All of it belongs to the thread of the engine's event loop.

    Args:
        capacities: how much there is of each limit, by name.
        timers: the engine's clock.
        changed: called when `active` has changed.
        check: called by what users call; raises if that is another thread than the one of the event loop in use.

    Attributes:
        active: whether there are rules or pauses, so that every call must be asked about.

    Raises:
        TypeError: a capacity is no number, or a name no text.
        LimitError: a capacity is negative, infinite or not a number, or a name is none.

    >>> import cascade as cs
    >>> engine = cs.Engine(limits={"gpu": 2})
    >>> engine.limits.set("task:fetch*", concurrency=5, rate="10/m")
    >>> engine.limits.pause("run:7", ttl=60)
    >>> [(state.name, state.kind, state.capacity) for state in engine.limits.snapshot()]
    [('gpu', 'limit', 2), ('task:fetch*', 'concurrency', 5), ('task:fetch*', 'rate', 1), ('run:7', 'pause', 0)]
    """

    __slots__ = ("_changed", "_check", "_pools", "_rules", "_timers", "_turnstile", "active")

    def __init__(
        self,
        capacities: Mapping[str, float] | None,
        timers: Timers,
        changed: Callable[[], None],
        check: Callable[[], None] = lambda: None,
    ) -> None:
        self.active = False
        self._check = check
        self._timers = timers
        self._changed = changed
        self._rules = Rules()
        self._turnstile = Turnstile(self._rules, timers, self._drop)
        self._pools = {name: _new_pool(name, capacity) for name, capacity in (capacities or {}).items()}

    # ------------------------------------------------------------------------------------------------ for users

    def set(
        self,
        scope: str,
        *,
        capacity: float | None = None,
        concurrency: int | None = None,
        rate: str | None = None,
        burst: int | None = None,
        ttl: float | None = None,
    ) -> None:
        """Change how much there is of a limit, or make or change a rule. It holds at once, also for calls that wait.

        Args:
            scope: the name of a limit, with ``capacity``; else the calls for which the rule holds, as a glob:
                "task:..." with a task's qualified name, with or without its module, "run:..." with a run's number, or
                "*".
            capacity: how much there is of the limit, from 0 on. What is in use beyond it is not taken away.
            concurrency: how many calls run at once, from 1 on.
            rate: how often calls start: "5/s", "10/m", "1/100ms"; the units are ms, s, m, h and d.
            burst: how many calls a rate lets start at once after a time of quiet; None: 1.
            ttl: seconds after which the rule vanishes; None: it stays. This replaces what was said before.

        Raises:
            TypeError: an argument is not of the type that it should be.
            LimitError, ValueError: a scope, number or rate is none.

        >>> import cascade as cs
        >>> limits = cs.Engine(limits={"gpu": 2}).limits
        >>> limits.set("gpu", capacity=4)
        >>> limits.set("task:shop.*", rate="0.5/s", burst=2, ttl=3600)
        """
        self._check()
        self._turnstile.catch_up()
        if capacity is not None:
            for name, value in (("concurrency", concurrency), ("rate", rate), ("burst", burst), ("ttl", ttl)):
                if value is not None:
                    raise LimitError(f"expected either a capacity or {name}, got both for {scope!r}")
            self._set_capacity(scope, capacity)
            return
        if isinstance(scope, str) and scope in self._pools:
            raise LimitError(f"expected a capacity for the limit {scope!r}, got none")
        if concurrency is None and rate is None:
            raise LimitError(f"expected concurrency or rate for {scope!r}, got neither")
        if burst is not None and rate is None:
            raise LimitError(f"expected a rate with the burst for {scope!r}, got none")
        parsed = Scope(scope)
        lifetime = _lifetime(ttl)
        # All is looked at before anything is changed.
        most = None if concurrency is None else _count(concurrency, "concurrency") * UNIT
        tokens = 1 if burst is None else _count(burst, "burst")
        if rate is not None:
            parse_rate(rate)
        if most is not None:
            self._set_concurrency(parsed, most, lifetime)
        if rate is not None:
            self._set_rate(parsed, rate, tokens, lifetime)

    def remove(self, scope: str) -> bool:
        """Remove the rules of a scope. What it paused stays paused.

        Args:
            scope: exactly as it was given to `set`.

        Returns:
            Whether there were any.

        Raises:
            TypeError, LimitError: it is no scope.
        """
        self._check()
        text = Scope(scope).text
        self._turnstile.catch_up()
        rules = [rule for kind in ("concurrency", "rate") if (rule := self._rules.get(kind, text)) is not None]
        self._drop(rules)
        return bool(rules)

    def pause(self, scope: str = "*", ttl: float | None = None) -> None:
        """Have no call start any more. What runs is let run to its end.

        Args:
            scope: the calls for which it holds, as for `set`.
            ttl: seconds after which the pause is over by itself; None: it lasts until `resume`.

        Raises:
            TypeError, LimitError, ValueError: an argument is not what it should be.
        """
        self._check()
        parsed = Scope(scope)
        lifetime = _lifetime(ttl)
        self._turnstile.catch_up()
        if self._rules.get("pause", parsed.text) is None:
            pause = Pause(parsed)
            self._rules.add(pause)
            self._expire_after(pause, lifetime)
            self._turnstile.paused()
            self._see()
        else:
            self._expire_after(self._known("pause", parsed, Pause), lifetime)

    def resume(self, scope: str = "*") -> bool:
        """End a pause. Calls for which another one holds stay paused.

        Args:
            scope: exactly as it was given to `pause`.

        Returns:
            Whether there was one.

        Raises:
            TypeError, LimitError: it is no scope.
        """
        self._check()
        text = Scope(scope).text
        self._turnstile.catch_up()
        pause = self._rules.get("pause", text)
        if pause is None:
            return False
        self._drop([pause])
        return True

    def snapshot(self) -> tuple[LimitState, ...]:
        """How things stand: the limits, then the rules, then the pauses."""
        self._check()
        self._turnstile.catch_up()
        waiting: dict[object, int] = {}
        for demand in self._turnstile.demands():
            found = demand.found(self._rules)
            for held in (*(pool for pool, _ in demand.shares(self._rules)), *found.rates, *found.pauses):
                waiting[held] = waiting.get(held, 0) + 1
        rules = sorted(self._rules, key=lambda rule: rule.kind == "pause")
        return (
            *(_pool_state(pool, "limit", waiting.get(pool, 0), None) for pool in self._pools.values()),
            *(self._rule_state(rule, waiting.get(rule, 0)) for rule in rules),
        )

    # --------------------------------------------------------------------------------------------- for the engine

    def governs(self, task: str, qualname: str, run: int) -> bool:
        """Whether a rule or a pause holds for the calls of a task in a run."""
        if self._turnstile.stopped:
            self._turnstile.catch_up()
        found = self._rules.find(task, qualname, run)
        return bool(found.pauses or found.rates or found.pools)

    def demand(self, task: str, qualname: str, run: int, amounts: Mapping[str, float] | None) -> Demand:
        """What a call wants. It may be kept, but for `NOTHING`, which is to be asked for anew each time.

        Args:
            task: the module and qualified name of its task.
            qualname: its qualified name.
            run: the number of its run.
            amounts: how much it wants of limits, by name.

        Raises:
            LimitError: a limit is unknown, or has less than that.
            PolicyError: an amount is no number from 0 on.
        """
        limits = self._amounts(task, amounts) if amounts else ()
        if not limits and not self.governs(task, qualname, run):
            return NOTHING
        demand = Demand(task, qualname, run, limits)
        demand.check()
        return demand

    def paused(self, demand: Demand) -> bool:
        """Whether a pause holds for a demand."""
        self._turnstile.catch_up()
        return bool(demand.found(self._rules).pauses)

    def try_acquire(self, demand: Demand) -> Grant | None:
        """Grant a demand, or return None if it has to wait: also behind others that do.

        Raises:
            LimitError: it can never be met.
        """
        return self._turnstile.try_acquire(demand)

    async def acquire(self, demand: Demand, blocked: Callable[[str], None] | None = None) -> Grant:
        """Grant a demand when its turn has come. If this is cancelled, nothing is held.

        Args:
            demand: what is wanted.
            blocked: told once why it has to wait, if it has to.

        Raises:
            LimitError: it can never be met, or not any more.
        """
        return await self._turnstile.acquire(demand, blocked)

    def clear(self) -> None:
        """Forget all who wait and all that is held, as nothing runs any more. Limits, rules and pauses stay."""
        self._turnstile.clear()
        for pool in self._pools.values():
            pool.used = 0
        for rule in self._rules:
            if isinstance(rule, Concurrency):
                rule.used = 0

    # ------------------------------------------------------------------------------------------------- the parts

    def _amounts(self, task: str, amounts: Mapping[str, float]) -> tuple[tuple[Pool, int], ...]:
        limits = []
        for name, amount in amounts.items():
            pool = self._pools.get(name)
            if pool is None:
                known = ", ".join(repr(known) for known in self._pools) or "none at all"
                raise LimitError(f"expected a limit of the engine ({known}), got {name!r} - at task {task}")
            try:
                wanted = units(amount)
            except (TypeError, ValueError) as error:
                raise PolicyError(
                    f"expected an amount of the limit {name!r} as a number from 0 on, got {error} - at task {task}"
                ) from None
            if wanted:
                limits.append((pool, wanted))
        return tuple(limits)

    def _set_capacity(self, name: str, capacity: float) -> None:
        given = _new_pool(name, capacity)
        pool = self._pools.setdefault(name, given)
        lowered = given.capacity < pool.capacity
        pool.capacity = given.capacity
        if lowered:
            self._turnstile.refuse()
        else:
            self._turnstile.line_changed(pool.line)

    def _set_concurrency(self, scope: Scope, most: int, lifetime: int | None) -> None:
        if self._rules.get("concurrency", scope.text) is None:
            self._add(Concurrency(scope, most), lifetime)
        else:
            pool = self._known("concurrency", scope, Concurrency)
            pool.capacity = most
            self._expire_after(pool, lifetime)
            self._turnstile.line_changed(pool.line)

    def _set_rate(self, scope: Scope, text: str, burst: int, lifetime: int | None) -> None:
        now = self._timers.now()
        if self._rules.get("rate", scope.text) is None:
            self._add(Rate(scope, text, burst, now), lifetime)
        else:
            rate = self._known("rate", scope, Rate)
            rate.change(text, burst, now)
            self._expire_after(rate, lifetime)
            self._turnstile.line_changed(rate.line)

    def _known(self, kind: str, scope: Scope, of: type[R]) -> R:
        rule = self._rules.get(kind, scope.text)
        assert isinstance(rule, of)
        return rule

    def _add(self, rule: Rule, lifetime: int | None) -> None:
        self._rules.add(rule)
        self._expire_after(rule, lifetime)
        self._turnstile.rule_added(rule)
        self._see()

    def _expire_after(self, rule: Rule, lifetime: int | None) -> None:
        """Have a rule vanish after so many nanoseconds, or never; at once after none, before it has any effect."""
        expiries = self._turnstile.agenda.expiries
        if lifetime is None:
            expiries.leave(rule)
        else:
            expiries.enter(rule, self._timers.now() + lifetime)
        self._turnstile.catch_up()

    def _drop(self, rules: list[Rule]) -> None:
        """Have rules hold no more."""
        for rule in rules:
            self._rules.discard(rule)
            self._turnstile.agenda.expiries.leave(rule)
        self._turnstile.rules_removed(rules)
        self._see()

    def _see(self) -> None:
        active = len(self._rules) > 0
        if active is not self.active:
            self.active = active
            self._changed()

    def _rule_state(self, rule: Rule, waiting: int) -> LimitState:
        now = self._timers.now()
        at = self._turnstile.agenda.expiries.key_of(rule)
        expires_in = None if at is None else (at - now) / _SECOND
        if isinstance(rule, Concurrency):
            return _pool_state(rule, "concurrency", waiting, expires_in)
        if isinstance(rule, Rate):
            return LimitState(
                name=rule.scope.text, kind="rate", capacity=rule.burst, in_use=rule.burst - rule.left(now),
                waiting=waiting, rate=rule.text, expires_in=expires_in,
            )  # fmt: skip
        return LimitState(
            name=rule.scope.text, kind="pause", capacity=0, in_use=0, waiting=waiting, expires_in=expires_in
        )


def _pool_state(
    pool: Pool, kind: Literal["limit", "concurrency"], waiting: int, expires_in: float | None
) -> LimitState:
    return LimitState(
        name=pool.name, kind=kind, capacity=shown(pool.capacity), in_use=shown(pool.used), waiting=waiting,
        expires_in=expires_in,
    )  # fmt: skip


def _new_pool(name: str, capacity: float) -> Pool:
    """A limit as a user describes it."""
    if not isinstance(name, str):
        raise TypeError(f"expected the name of a limit as text, got `{type(name).__name__}`")
    if not name or looks_like_scope(name):
        raise LimitError(f"expected the name of a limit, such as 'gpu', got {name!r}; for tasks and runs, set a rule")
    try:
        return Pool(name, units(capacity))
    except TypeError as error:
        raise TypeError(f"expected the capacity of {name!r} as a number, got {error}") from None
    except ValueError as error:
        raise LimitError(f"expected the capacity of {name!r} as a number from 0 on, got {error}") from None


def _count(number: int, what: str) -> int:
    """A number of calls."""
    if isinstance(number, bool) or not isinstance(number, int):
        raise TypeError(f"expected {what} as a whole number, got `{type(number).__name__}`")
    if number < 1:
        raise LimitError(f"expected {what} from 1 on, got {number}; to stop calls, pause them")
    return number


def _lifetime(ttl: float | None) -> int | None:
    """A span of time, in nanoseconds."""
    if ttl is None:
        return None
    check_seconds(ttl, "ttl")
    return round(ttl * _SECOND)
