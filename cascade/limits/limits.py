"""The limits of an engine: what users change, and what the engine asks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Literal, TypeVar

from cascade._core.time.durations import Duration, as_seconds
from cascade._support.boundary import boundary
from cascade._support.public import public_in
from cascade.exceptions import LimitError, PolicyError
from cascade.limits.admission import AdmissionQueue
from cascade.limits.capacity import Concurrency, Pool
from cascade.limits.rate import Rate, parse_rate
from cascade.limits.request import UNLIMITED, Grant, Request
from cascade.limits.rule import Pause, Rule
from cascade.limits.rulebook import Rulebook
from cascade.limits.selector import Selector, looks_like_selector
from cascade.limits.snapshot import LimitState
from cascade.limits.units import UNIT, shown, units

if TYPE_CHECKING:
    from cascade.clock.timers import Timers

__all__ = ["Limits"]

R = TypeVar("R", bound=Rule)
_SECOND = 10**9  # nanoseconds


@public_in("cascade.limits")
class Limits:
    """How many calls run at once on an engine, and how often they start. An engine has it as `Engine.limits`.

    It must be used in the thread of the engine's event loop.

    Args:
        capacities: the capacity of each limit, by name; numbers >= 0 with a resolution of 1e-9.
        timers: the engine's clock.
        changed: called when `active` has changed.
        check: called first by each method for users; raises if the thread is not that of the event loop in use.

    Attributes:
        active: whether there are rules or pauses, so that each call needs admission.

    Raises:
        TypeError: a capacity is not a number, or a name is not a str.
        LimitError: a capacity is negative, infinite or NaN, or a name is empty or looks like a selector.

    >>> import cascade as cs
    >>> engine = cs.Engine(limits={"gpu": 2})
    >>> engine.limits.set("task:fetch*", concurrency=5, rate="10/m")
    >>> engine.limits.pause("run:7", ttl=60)
    >>> [(state.name, state.kind, state.capacity) for state in engine.limits.snapshot()]
    [('gpu', 'limit', 2), ('task:fetch*', 'concurrency', 5), ('task:fetch*', 'rate', 1), ('run:7', 'pause', 0)]
    """

    __slots__ = ("_admission", "_changed", "_check", "_pools", "_rulebook", "_timers", "active")

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
        self._rulebook = Rulebook()
        self._admission = AdmissionQueue(self._rulebook, timers, self._remove_rules)
        self._pools = {name: _new_pool(name, capacity) for name, capacity in (capacities or {}).items()}

    # ------------------------------------------------------------------------------------------------ for users

    @boundary
    def set(
        self,
        selector: str,
        *,
        capacity: float | None = None,
        concurrency: int | None = None,
        rate: str | None = None,
        burst: int | None = None,
        ttl: Duration | None = None,
    ) -> None:
        """Set the capacity of a limit, or add or change a rule. It takes effect at once, also for calls that wait.

        Args:
            selector: with ``capacity``, the name of a limit; else the calls to which the rule applies, as a glob:
                "task:..." with a task's qualified name, with or without its module, "run:..." with a run's number or
                name, "tag:key=value" with a tag of a run, or "*".
            capacity: the capacity of the limit, a number >= 0. What is in use beyond it is not taken away.
            concurrency: how many matching calls run at once, >= 1.
            rate: how often matching calls start: "5/s", "10/m", "1/100ms"; the units are ms, s, m, h and d.
            burst: how many calls a rate lets start at once after a quiet period, >= 1; None: 1.
            ttl: seconds after which the rule expires; None: it does not expire. It replaces an earlier ``ttl``.

        Raises:
            TypeError: an argument has the wrong type.
            LimitError: an argument, or the combination of them, is not valid.
            ValueError: ``ttl`` is negative, infinite or NaN.

        >>> import cascade as cs
        >>> limits = cs.Engine(limits={"gpu": 2}).limits
        >>> limits.set("gpu", capacity=4)
        >>> limits.set("task:shop.*", rate="0.5/s", burst=2, ttl=3600)
        """
        self._check()
        self._admission.catch_up()
        if capacity is not None:
            for name, value in (("concurrency", concurrency), ("rate", rate), ("burst", burst), ("ttl", ttl)):
                if value is not None:
                    raise LimitError(f"capacity must be given alone, got it with {name} for {selector!r}")
            self._set_capacity(selector, capacity)
            return
        if isinstance(selector, str) and selector in self._pools:
            raise LimitError(f"capacity must be given for the limit {selector!r}, got None; rules have selectors")
        parsed = Selector(selector)
        if concurrency is None and rate is None:
            raise LimitError(f"concurrency or rate must be given for {selector!r}, got neither")
        if burst is not None and rate is None:
            raise LimitError(f"rate must be given with burst for {selector!r}, got None")
        lifetime = _lifetime(ttl)
        # All arguments are checked before anything is changed.
        most = None if concurrency is None else _count(concurrency, "concurrency") * UNIT
        tokens = 1 if burst is None else _count(burst, "burst")
        if rate is not None:
            parse_rate(rate)
        if most is not None:
            self._set_concurrency(parsed, most, lifetime)
        if rate is not None:
            self._set_rate(parsed, rate, tokens, lifetime)

    @boundary
    def remove(self, selector: str) -> bool:
        """Remove the rules of a selector. Its pause, if there is one, stays.

        Args:
            selector: exactly as it was given to `set`.

        Returns:
            Whether there were any.

        Raises:
            TypeError: `selector` is not a str.
            LimitError: it is not a selector.
        """
        self._check()
        text = Selector(selector).text
        self._admission.catch_up()
        rules = [rule for kind in ("concurrency", "rate") if (rule := self._rulebook.get(kind, text)) is not None]
        self._remove_rules(rules)
        return bool(rules)

    @boundary
    def pause(self, selector: str = "*", ttl: Duration | None = None) -> None:
        """Start no more matching calls. Calls that run are not interrupted.

        Args:
            selector: the calls to which it applies, as for `set`.
            ttl: seconds after which the pause ends; None: it lasts until `resume`.

        Raises:
            TypeError: an argument has the wrong type.
            LimitError: `selector` is not a selector.
            ValueError: `ttl` is negative, infinite or NaN.
        """
        self._check()
        parsed = Selector(selector)
        lifetime = _lifetime(ttl)
        self._admission.catch_up()
        if self._rulebook.get("pause", parsed.text) is None:
            pause = Pause(parsed)
            self._rulebook.add(pause)
            self._expire_after(pause, lifetime)
            self._admission.pause_added()
            self._update_active()
        else:
            self._expire_after(self._existing("pause", parsed, Pause), lifetime)

    @boundary
    def resume(self, selector: str = "*") -> bool:
        """End a pause. Calls to which another pause applies stay paused.

        Args:
            selector: exactly as it was given to `pause`.

        Returns:
            Whether there was one.

        Raises:
            TypeError: `selector` is not a str.
            LimitError: it is not a selector.
        """
        self._check()
        text = Selector(selector).text
        self._admission.catch_up()
        pause = self._rulebook.get("pause", text)
        if pause is None:
            return False
        self._remove_rules([pause])
        return True

    def snapshot(self) -> tuple[LimitState, ...]:
        """Return the state of all limits, then of all rules, then of all pauses."""
        self._check()
        self._admission.catch_up()
        waiting: dict[object, int] = {}
        for request in self._admission.requests():
            applicable = request.applicable(self._rulebook)
            pools = (pool for pool, _ in request.shares(self._rulebook))
            for restriction in (*pools, *applicable.rates, *applicable.pauses):
                waiting[restriction] = waiting.get(restriction, 0) + 1
        rules = sorted(self._rulebook, key=lambda rule: rule.kind == "pause")
        return (
            *(_pool_state(pool, "limit", waiting.get(pool, 0), None) for pool in self._pools.values()),
            *(self._rule_state(rule, waiting.get(rule, 0)) for rule in rules),
        )

    # --------------------------------------------------------------------------------------------- for the engine

    def governs(self, task: str, qualname: str, run: int, names: tuple[str, ...] = ()) -> bool:
        """Whether a rule or a pause applies to the calls of a task in a run; ``names``: as for `request`."""
        if self._admission.stopped:
            self._admission.catch_up()
        return any(self._rulebook.find(task, qualname, run, names))

    def request(
        self, task: str, qualname: str, run: int, amounts: Mapping[str, float] | None, names: tuple[str, ...] = ()
    ) -> Request:
        """Return the request of a call. It can be kept and used again, unless it is `UNLIMITED`: rules may be added.

        Args:
            task: the module and qualified name of its task.
            qualname: its qualified name.
            run: the number of its run.
            amounts: how much it asks for of limits, by name.
            names: what selectors match for the run beside its number: its name and its tags.

        Raises:
            LimitError: a limit is unknown, or its capacity is smaller than the amount.
            PolicyError: an amount is not a number >= 0.
        """
        limits = self._amounts(task, amounts) if amounts else ()
        if not limits and not self.governs(task, qualname, run, names):
            return UNLIMITED
        request = Request(task, qualname, run, limits, names)
        request.check()
        return request

    def paused(self, request: Request) -> bool:
        """Whether a pause applies to a request."""
        self._admission.catch_up()
        return bool(request.applicable(self._rulebook).pauses)

    def try_acquire(self, request: Request) -> Grant | None:
        """Grant a request, or return None if it has to wait, be it only behind others that wait.

        Raises:
            LimitError: it can never be granted.
        """
        return self._admission.try_acquire(request)

    async def acquire(self, request: Request, blocked: Callable[[str], None] | None = None) -> Grant:
        """Grant a request when its turn has come. If this is cancelled, nothing is held.

        Args:
            request: what is asked for.
            blocked: called once with the reason if it has to wait.

        Raises:
            LimitError: it can never be granted, or no longer can.
        """
        return await self._admission.acquire(request, blocked)

    def clear(self) -> None:
        """Cancel all waiting requests and forget all grants: no call is running. Limits, rules and pauses stay."""
        self._admission.clear()
        for pool in self._pools.values():
            pool.used = 0
        for rule in self._rulebook:
            if isinstance(rule, Concurrency):
                rule.used = 0

    # ------------------------------------------------------------------------------------------------- the parts

    def _amounts(self, task: str, amounts: Mapping[str, float]) -> tuple[tuple[Pool, int], ...]:
        limits = []
        for name, amount in amounts.items():
            pool = self._pools.get(name)
            if pool is None:
                known = ", ".join(repr(known) for known in self._pools) or "none"
                raise LimitError(f"limit must be one of the engine's ({known}), got {name!r} - at task {task}")
            try:
                wanted = units(amount)
            except (TypeError, ValueError) as error:
                raise PolicyError(f"amount of {name!r} must be a number >= 0, got {error} - at task {task}") from None
            if wanted:
                limits.append((pool, wanted))
        return tuple(limits)

    def _set_capacity(self, name: str, capacity: float) -> None:
        given = _new_pool(name, capacity)
        pool = self._pools.setdefault(name, given)
        lowered = given.capacity < pool.capacity
        pool.capacity = given.capacity
        if lowered:
            self._admission.refuse_impossible()
        else:
            self._admission.supply_changed(pool)

    def _set_concurrency(self, selector: Selector, most: int, lifetime: int | None) -> None:
        if self._rulebook.get("concurrency", selector.text) is None:
            self._add(Concurrency(selector, most), lifetime)
        else:
            pool = self._existing("concurrency", selector, Concurrency)
            pool.capacity = most
            self._expire_after(pool, lifetime)
            self._admission.supply_changed(pool)

    def _set_rate(self, selector: Selector, text: str, burst: int, lifetime: int | None) -> None:
        now = self._timers.now()
        if self._rulebook.get("rate", selector.text) is None:
            self._add(Rate(selector, text, burst, now), lifetime)
        else:
            rate = self._existing("rate", selector, Rate)
            rate.change(text, burst, now)
            self._expire_after(rate, lifetime)
            self._admission.supply_changed(rate)

    def _existing(self, kind: str, selector: Selector, cls: type[R]) -> R:
        rule = self._rulebook.get(kind, selector.text)
        assert isinstance(rule, cls)
        return rule

    def _add(self, rule: Rule, lifetime: int | None) -> None:
        self._rulebook.add(rule)
        self._expire_after(rule, lifetime)
        self._admission.rule_added(rule)
        self._update_active()

    def _expire_after(self, rule: Rule, lifetime: int | None) -> None:
        """Let a rule expire after `lifetime` nanoseconds, or never; after 0, at once and before it has any effect."""
        expiries = self._admission.timetable.expiries
        if lifetime is None:
            expiries.discard(rule)
        else:
            expiries.add(rule, self._timers.now() + lifetime)
        self._admission.catch_up()

    def _remove_rules(self, rules: list[Rule]) -> None:
        """Remove rules, and let the calls go on that they held up."""
        for rule in rules:
            self._rulebook.discard(rule)
            self._admission.timetable.expiries.discard(rule)
        self._admission.rules_removed(rules)
        self._update_active()

    def _update_active(self) -> None:
        active = len(self._rulebook) > 0
        if active is not self.active:
            self.active = active
            self._changed()

    def _rule_state(self, rule: Rule, waiting: int) -> LimitState:
        now = self._timers.now()
        at = self._admission.timetable.expiries.key_of(rule)
        expires_in = None if at is None else (at - now) / _SECOND
        if isinstance(rule, Concurrency):
            return _pool_state(rule, "concurrency", waiting, expires_in)
        if isinstance(rule, Rate):
            return LimitState(
                name=rule.selector.text, kind="rate", capacity=rule.burst, in_use=rule.burst - rule.left(now),
                waiting=waiting, rate=rule.text, expires_in=expires_in,
            )  # fmt: skip
        return LimitState(
            name=rule.selector.text, kind="pause", capacity=0, in_use=0, waiting=waiting, expires_in=expires_in
        )


def _pool_state(
    pool: Pool, kind: Literal["limit", "concurrency"], waiting: int, expires_in: float | None
) -> LimitState:
    return LimitState(
        name=pool.name, kind=kind, capacity=shown(pool.capacity), in_use=shown(pool.used), waiting=waiting,
        expires_in=expires_in,
    )  # fmt: skip


def _new_pool(name: str, capacity: float) -> Pool:
    """Make a limit of what the user gave."""
    if not isinstance(name, str):
        raise TypeError(f"name of a limit must be a str, got `{type(name).__name__}`")
    if not name or looks_like_selector(name):
        raise LimitError(f"name of a limit must be a word such as 'gpu', got {name!r}; for tasks and runs, set a rule")
    try:
        return Pool(name, units(capacity))
    except TypeError as error:
        raise TypeError(f"capacity of {name!r} must be a number, got {error}") from None
    except ValueError as error:
        raise LimitError(f"capacity of {name!r} must be a number >= 0, got {error}") from None


def _count(number: int, name: str) -> int:
    """Check a number of calls."""
    if isinstance(number, bool) or not isinstance(number, int):
        raise TypeError(f"{name} must be an int, got `{type(number).__name__}`")
    if number < 1:
        raise LimitError(f"{name} must be >= 1, got {number}; to stop calls, use `limits.pause`")
    return number


def _lifetime(ttl: Duration | None) -> int | None:
    """Check a duration in seconds, and return it in nanoseconds."""
    if ttl is None:
        return None
    return round(as_seconds(ttl, "ttl") * _SECOND)
