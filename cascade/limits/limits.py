"""The limits of an engine: what users change, and what the engine asks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from cascade._core.expr.task import Task
from cascade._core.limits.pools import Pool
from cascade._core.limits.requests import UNLIMITED, Grant, Request
from cascade._core.limits.units import UNIT, units
from cascade._core.time.durations import Duration
from cascade._support.boundary import boundary
from cascade._support.not_copied import NotCopied
from cascade._support.public import public_in
from cascade.exceptions import LimitError, PolicyError
from cascade.limits.arguments import as_priority, count_of, is_rate, lifetime_of, new_pool, new_rate, signed
from cascade.limits.capacity import Concurrency
from cascade.limits.claim import Entry
from cascade.limits.rate import Rate, parse_rate
from cascade.limits.rules import Rules
from cascade.limits.selector import Selector
from cascade.limits.snapshot import LimitState, snapshot, text_of

if TYPE_CHECKING:
    from cascade.clock.timers import Timers

__all__ = ["Limits"]

_SCOPE = "cascade.scope"  # the name of its task


@public_in("cascade.limits")
class Limits(NotCopied):
    """How much calls may use on an engine, how many run at once, how often they start, and which of them first.

    An engine has it as `Engine.limits`.

    It must be used in the thread of the engine's event loop.

    Args:
        capacities: by name, the capacity of a limit, a number >= 0 with a resolution of 1e-9; or a rate: "90_000/m".
        timers: the engine's clock.
        changed: called when `active` has changed.
        check: called first by each method for users; raises if the thread is not that of the event loop in use.

    Attributes:
        admission: for the engine, the queue of the requests that wait.

    Raises:
        TypeError: a capacity is neither a number nor a str, or a name is not a str.
        LimitError: a capacity is negative, infinite or NaN, a rate is not valid, or a name is empty or looks like a
            selector.

    >>> import cascade as cs
    >>> engine = cs.Engine(limits={"gpu": 2, "tokens": "90_000/m"})
    >>> engine.limits.set("task:fetch*", concurrency=5, rate="10/m")
    >>> engine.limits.pause("run:7", ttl=60)
    >>> [(state.name, state.kind, state.capacity) for state in engine.limits.snapshot()][:2]
    [('gpu', 'limit', 2), ('tokens', 'rate', 90000)]
    >>> [(state.name, state.kind, state.capacity) for state in engine.limits.snapshot()][2:]
    [('task:fetch*', 'concurrency', 5), ('task:fetch*', 'rate', 1), ('run:7', 'pause', 0)]
    >>> engine.limits
    <Limits: gpu 0 of 2, tokens 0 of 90000 at 90_000/m, 3 rules, 0 waiting>
    """

    __slots__ = ("_check", "_limits", "_rulebook", "_rules", "_timers", "admission")

    def __init__(
        self,
        capacities: Mapping[str, float | str] | None,
        timers: Timers,
        changed: Callable[[], None],
        check: Callable[[], None] = lambda: None,
    ) -> None:
        self._check = check
        self._timers = timers
        self._rules = Rules(timers, changed)
        self._rulebook = self._rules.book
        self.admission = self._rules.admission
        self._limits: dict[str, Pool | Rate] = {
            name: new_rate(name, given, None, timers.now()) if is_rate(given) else new_pool(name, given)
            for name, given in (capacities or {}).items()
        }

    # ------------------------------------------------------------------------------------------------ for users

    @boundary
    def set(
        self,
        selector: str | Task,
        *,
        capacity: float | None = None,
        concurrency: int | None = None,
        rate: str | None = None,
        burst: int | None = None,
        priority: float | None = None,
        ttl: Duration | None = None,
    ) -> None:
        """Set the capacity of a limit, or add or change a rule. It takes effect at once, also for calls that wait.

        Args:
            selector: with ``capacity``, the name of a limit; else the calls to which the rule applies: a task, or a
                glob: "task:..." with a task's qualified name, with or without its module, "run:..." with a run's
                number or name, "tag:key=value" or "tag:key" with a tag of a run, or "*".
            capacity: the capacity of the limit, a number >= 0. What is in use beyond it is not taken away.
            concurrency: how many matching calls run at once, >= 1.
            rate: how often matching calls start: "5/s", "10/m", "1/100ms"; the units are ms, s, m, h and d.
            burst: how many calls a rate lets start at once after a quiet period, >= 1; None: 1.
            priority: of matching calls that wait: the higher, the earlier. It is for calls that have no priority by
                `with_constraints`; of several rules, the highest counts. Without any, a call has priority 0.
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
        self.admission.catch_up()
        if capacity is not None:
            others = {"concurrency": concurrency, "rate": rate, "burst": burst, "priority": priority, "ttl": ttl}
            for name, value in others.items():
                if value is not None:
                    raise LimitError(f"capacity must be given alone, got it with {name} for {selector!r}")
            if isinstance(selector, Task):
                raise LimitError(f"selector must be the name of a limit where a capacity is given, got {selector!r}")
            self._set_capacity(selector, capacity)
            return
        if isinstance(selector, str) and selector in self._limits:
            if isinstance(self._limits[selector], Rate):
                raise LimitError(f"{selector!r} is a rate: change it with `limits.rate({selector!r}, ...)`")
            raise LimitError(f"capacity must be given for the limit {selector!r}, got None; rules have selectors")
        parsed = Selector(selector)
        if concurrency is None and rate is None and priority is None:
            raise LimitError(f"concurrency, rate or priority must be given for {selector!r}, got none of them")
        if burst is not None and rate is None:
            raise LimitError(f"rate must be given with burst for {selector!r}, got None")
        lifetime = lifetime_of(ttl)
        # All arguments are checked before anything is changed.
        most = None if concurrency is None else count_of(concurrency, "concurrency") * UNIT
        calls = 1 if burst is None else count_of(burst, "burst")
        if priority is not None:
            priority = as_priority(priority)
        if rate is not None:
            parse_rate(rate)
        if most is not None:
            self._rules.set_concurrency(parsed, most, lifetime)
        if rate is not None:
            self._rules.set_rate(parsed, rate, calls, lifetime)
        if priority is not None:
            self._rules.set_priority(parsed, priority, lifetime)

    @boundary
    def rate(self, name: str, rate: str, burst: float | None = None) -> None:
        """Add or change a rate of which each call takes the amount that it asks for, such as tokens per minute.

        Calls ask for an amount by `LazyResult.with_constraints`. It is taken when they start, and not given back when
        they end: see `CurrentCall.settle`. A change takes effect at once, also for calls that wait.

        Args:
            name: as calls ask for it.
            rate: an amount per period: "90_000/m", "0.5/s", "1000/10s"; the units are ms, s, m, h and d.
            burst: how much it saves up while no call takes any, which is the most that one call can take, a number > 0;
                None: the amount of one period.

        Raises:
            TypeError: an argument has the wrong type.
            LimitError: an argument is not valid, or a limit has that name.

        >>> import cascade as cs
        >>> engine = cs.Engine(clock=cs.Clock.virtual())
        >>> engine.limits.rate("tokens", "1000/s", burst=500)
        >>> @cs.task(mode="inline")
        ... def ask(prompt):
        ...     return cs.current().engine.clock.time()
        >>> cs.run([ask("?").with_constraints(tokens=400), ask("?").with_constraints(tokens=300)], engine=engine)
        [0.0, 0.2]
        """
        self._check()
        given = new_rate(name, rate, burst, self._timers.now())
        self.admission.catch_up()
        known = self._limits.setdefault(name, given)
        if known is given:
            return
        if not isinstance(known, Rate):
            raise LimitError(f"name of a rate must not be that of a limit, got {name!r}: use another name")
        lowered = given.burst < known.burst
        known.change(rate, given.burst, self._timers.now())
        if lowered:
            self.admission.refuse_impossible()
        self.admission.supply_changed(known)

    @boundary
    def spend(self, **amounts: float) -> None:
        """Take amounts of rates at once, without waiting, and perhaps more than there is; negative ones give back.

        For what was used outside of calls, or what a service says is left. A call settles its own amounts with
        `CurrentCall.settle`. Beyond what there is, it is a debt: calls wait until time has paid it.

        Args:
            amounts: by the name of the rate.

        Raises:
            TypeError: an amount is not a number.
            LimitError: a rate is unknown, or an amount is infinite or NaN.

        >>> import cascade as cs
        >>> engine = cs.Engine(limits={"tokens": "100/m"}, clock=cs.Clock.virtual())
        >>> engine.limits.spend(tokens=130)
        >>> engine.limits.snapshot()[0].in_use
        130
        """
        self._check()
        self.admission.catch_up()
        for rate, amount in [(self._rate(name), signed(name, amount)) for name, amount in amounts.items()]:
            self.admission.spend(rate, amount)

    @boundary
    def remove(self, selector: str | Task) -> bool:
        """Remove the rules of a selector. Its pause, if there is one, stays.

        Args:
            selector: exactly as it was given to `set`.

        Returns:
            Whether there were any.

        Raises:
            TypeError: `selector` is neither a str nor a task.
            LimitError: it is not a selector.
        """
        self._check()
        text = Selector(selector).text
        self.admission.catch_up()
        kinds = ("concurrency", "rate", "priority")
        rules = [rule for kind in kinds if (rule := self._rulebook.get(kind, text)) is not None]
        self._rules.remove(rules)
        return bool(rules)

    @boundary
    def pause(self, selector: str | Task = "*", ttl: Duration | None = None) -> None:
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
        lifetime = lifetime_of(ttl)
        self.admission.catch_up()
        self._rules.pause(parsed, lifetime)

    @boundary
    def resume(self, selector: str | Task = "*") -> bool:
        """End a pause. Calls to which another pause applies stay paused.

        Args:
            selector: exactly as it was given to `pause`.

        Returns:
            Whether there was one.

        Raises:
            TypeError: `selector` is neither a str nor a task.
            LimitError: it is not a selector.
        """
        self._check()
        text = Selector(selector).text
        self.admission.catch_up()
        pause = self._rulebook.get("pause", text)
        if pause is None:
            return False
        self._rules.remove([pause])
        return True

    @boundary
    def snapshot(self) -> tuple[LimitState, ...]:
        """Return the state of all limits and rates, then of all rules, then of all pauses."""
        self._check()
        self.admission.catch_up()
        return snapshot(self._limits.values(), self._rulebook, self.admission, self._timers.now())

    def __repr__(self) -> str:
        parts = [text_of(limit, self._timers.now()) for limit in self._limits.values()]
        rules, waiting = len(self._rulebook), sum(1 for _ in self.admission.claims())
        parts += [f"{rules} rule{'' if rules == 1 else 's'}", f"{waiting} waiting"]
        return f"<Limits: {', '.join(parts)}>"

    # --------------------------------------------------------------------------------------------- for the engine

    @property
    def active(self) -> bool:
        """Whether there are rules or pauses, so that each call needs admission."""
        return self._rules.active

    def governs(self, task: str, qualname: str, run: int, names: tuple[str, ...] = ()) -> bool:
        """Whether a rule or a pause applies to the calls of a task in a run; ``names``: as for `request`."""
        if self.admission.stopped:
            self.admission.catch_up()
        return any(self._rulebook.find(task, qualname, run, names))

    def request(
        self,
        task: str,
        qualname: str,
        run: int,
        amounts: Mapping[str, float] | None,
        names: tuple[str, ...] = (),
        *,
        is_scope: bool = False,
        around: tuple[Grant, ...] = (),
    ) -> Request:
        """Return the request of a call. It can be kept and used again, unless it is `UNLIMITED`: rules may be added.

        Args:
            task: the module and qualified name of its task.
            qualname: its qualified name.
            run: the number of its run.
            amounts: how much it asks for of limits and rates, by name; and its "priority".
            names: what selectors match for the run beside its number: its name and its tags.
            is_scope: whether it is of a scope: rules about how many calls run or start do not apply.
            around: the grants of the scopes and calls that it is inside of, from the inside out.

        Raises:
            LimitError: a limit is unknown, or its capacity is smaller than the amount.
            PolicyError: an amount is not a number >= 0, or a priority is not a number.
        """
        limits: tuple[tuple[Pool, int], ...] = ()
        tokens: tuple[tuple[Rate, int], ...] = ()
        priority: float | None = None
        if amounts:
            limits, tokens = self._amounts(task, amounts)
            if "priority" in amounts:
                priority = as_priority(amounts["priority"], f" - at task {task}")
        if not limits and not tokens and not self.governs(task, qualname, run, names):
            return UNLIMITED
        request = Request(task, qualname, run, limits, names, tokens, priority, is_scope, around)
        request.check()
        return request

    def scope_request(
        self, run: int, amounts: Mapping[str, float], names: tuple[str, ...], around: tuple[Grant, ...]
    ) -> Request:
        """Return the request of a scope, as `request` does. Whether it can be granted at all is not checked."""
        if len(amounts) == 1:
            ((name, amount),) = amounts.items()
            limit = self._limits.get(name)
            if type(limit) is Pool and type(amount) is int and amount > 0:  # as most do: a server, a device
                return Request(_SCOPE, "scope", run, ((limit, amount * UNIT),), names, (), None, True, around)
        return self.request(_SCOPE, "scope", run, amounts, names, is_scope=True, around=around)

    def paused(self, request: Request) -> bool:
        """Whether a pause applies to a request."""
        self.admission.catch_up()
        return bool(request.applicable(self._rulebook).pauses)

    def try_acquire(self, request: Request) -> Grant | None:
        """Grant a request, or return None if it has to wait, be it only behind others that wait.

        Raises:
            LimitError: it can never be granted.
        """
        return self.admission.try_acquire(request)

    async def acquire(self, request: Request, blocked: Callable[[str], None] | None = None) -> Grant:
        """Grant a request when its turn has come. If this is cancelled, nothing is held.

        Args:
            request: what is asked for.
            blocked: called once with the reason if it has to wait.

        Raises:
            LimitError: it can never be granted, or no longer can.
        """
        grant = self.try_acquire(request)
        return grant if grant is not None else await self.wait(self.enter(request), blocked)

    def enter(self, request: Request) -> Entry:
        """Let a request wait that `try_acquire` has not granted, from now on. It must be awaited, or abandoned."""
        entry = Entry(asyncio.get_running_loop().create_future())
        entry.claim = self.admission.submit(request, entry)
        return entry

    async def wait(self, entry: Entry, blocked: Callable[[str], None] | None = None) -> Grant:
        """Wait for the grant of a request that was let in. If this is cancelled, nothing is held.

        Args:
            entry: of the request.
            blocked: called once with the reason if it has to wait.

        Raises:
            LimitError: it can no longer be granted.
        """
        admission, claim = self.admission, entry.claim
        try:
            if blocked is not None and not entry.future.done():
                blocked(admission.reason(claim))
            while True:
                grant = await entry.future
                # A pause may have begun between the grant and this moment: the call has not started, so it waits again.
                if not self.paused(claim.request):
                    return grant
                entry.future = asyncio.get_running_loop().create_future()
                grant.undo()
                admission.submit_again(claim)
        except BaseException:
            self.abandon(entry)
            raise

    def abandon(self, entry: Entry) -> None:
        """Let a request no longer wait that is not awaited any longer. It may have been granted in the same moment."""
        future, withdrawn = entry.future, self.admission.withdraw(entry.claim)
        if not withdrawn and future.done() and not future.cancelled() and future.exception() is None:
            future.result().undo()

    def check_settled(self, grant: Grant | None, amounts: Mapping[str, float]) -> list[tuple[Rate, int]]:
        """Check what `CurrentCall.settle` is given, and return it for `settle`. It may be called in any thread."""
        settled = [(self._rate(name), signed(name, amount, least=0)) for name, amount in amounts.items()]
        taken = () if grant is None else [rate for rate, _ in grant.tokens]
        for rate, _ in settled:
            if rate not in taken:
                raise LimitError(
                    f"settle() needs a call that asks for the rate: give the call with_constraints({rate.name}=...), "
                    f"or use `limits.spend({rate.name}=...)`"
                )
        return settled

    def settle(self, grant: Grant, amounts: list[tuple[Rate, int]]) -> None:
        """Correct what a call has taken of rates to what it has used."""
        self.admission.catch_up()
        for rate, used in amounts:
            self.admission.spend(rate, used - grant.settle(rate, used))

    def clear(self) -> None:
        """Cancel all waiting requests and forget all grants: no call is running. Limits, rules and pauses stay."""
        self.admission.clear()
        for limit in self._limits.values():
            if isinstance(limit, Pool):
                limit.used = 0
        for rule in self._rulebook:
            if isinstance(rule, Concurrency):
                rule.used = 0

    # ------------------------------------------------------------------------------------------------- the parts

    def _amounts(
        self, task: str, amounts: Mapping[str, float]
    ) -> tuple[tuple[tuple[Pool, int], ...], tuple[tuple[Rate, int], ...]]:
        limits: list[tuple[Pool, int]] = []
        tokens: list[tuple[Rate, int]] = []
        for name, amount in amounts.items():
            if name == "priority":
                continue
            limit = self._limits.get(name)
            if limit is None:
                raise LimitError(f"limit must be one of the engine's ({self._known()}), got {name!r} - at task {task}")
            try:
                wanted = units(amount)
            except (TypeError, ValueError) as error:
                raise PolicyError(f"amount of {name!r} must be a number >= 0, got {error} - at task {task}") from None
            if isinstance(limit, Rate):
                tokens.append((limit, wanted))  # also 0: it can be settled
            elif wanted:
                limits.append((limit, wanted))
        return tuple(limits), tuple(tokens)

    def _known(self) -> str:
        return ", ".join(repr(known) for known in self._limits) or "none"

    def _rate(self, name: str) -> Rate:
        rate = self._limits.get(name)
        if rate is None:
            raise LimitError(f"limit must be one of the engine's ({self._known()}), got {name!r}")
        if not isinstance(rate, Rate):
            raise LimitError(
                f"limit must be a rate, got {name!r}: what a call takes of a limit is given back at its end"
            )
        return rate

    def _set_capacity(self, name: str, capacity: float) -> None:
        given = new_pool(name, capacity)
        pool = self._limits.setdefault(name, given)
        if isinstance(pool, Rate):
            raise LimitError(f"{name!r} is a rate: change it with `limits.rate({name!r}, ...)`")
        lowered = given.capacity < pool.capacity
        pool.capacity = given.capacity
        if lowered:
            self.admission.refuse_impossible()
        else:
            self.admission.supply_changed(pool)
