"""Requests and grants: what a call asks for before it starts, and what it holds until it ends."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Protocol

from cascade._support.public import public_in
from cascade.exceptions import LimitError
from cascade.limits.capacity import Holding
from cascade.limits.rulebook import NO_RULES, ApplicableRules
from cascade.limits.selector import run_name, task_names
from cascade.limits.units import UNIT, shown

if TYPE_CHECKING:
    from cascade.limits.capacity import Pool
    from cascade.limits.rate import Rate
    from cascade.limits.rulebook import Rulebook
    from cascade.limits.selector import Selector

__all__ = ["EMPTY_GRANT", "UNLIMITED", "Grant", "Request", "Share", "Tokens"]

Share = tuple["Pool", int]
"""A pool and units of it."""

Tokens = tuple["Rate", int]
"""A rate and units of it."""


class Lender(Protocol):
    """What grants take from and give back to: the admission queue."""

    def take_back(self, grant: Grant, started: bool) -> None:
        """Take back what a grant has taken; the tokens of rates only if the call has not started."""


@public_in("cascade.limits")
class Request:
    """What calls of one task in one run ask for: amounts of limits, and admission by the rules that apply to them.

    A request names no rules: they are looked up when it is used, so it can be kept and used again after they changed.

    Args:
        task: the module and qualified name of the task.
        qualname: its qualified name.
        run: the number of the run.
        names: what else selectors match for the run.
        limits: the limits that it asks for, with units >= 1.
        tokens: the rates that it asks for by name, with units >= 1.
        priority: of the call; None: that of the rules that apply.
        is_scope: whether it is of a scope: rules about how many calls run or start do not apply.
        around: the grants of the scopes and calls that it is inside of, from the inside out.
    """

    __slots__ = (
        "_applicable",
        "_shares",
        "_tokens",
        "_version",
        "around",
        "is_scope",
        "limits",
        "named",
        "names",
        "own_priority",
        "qualname",
        "run",
        "task",
    )  # fmt: skip

    def __init__(
        self,
        task: str,
        qualname: str,
        run: int,
        limits: tuple[Share, ...],
        names: tuple[str, ...] = (),
        tokens: tuple[Tokens, ...] = (),
        priority: float | None = None,
        is_scope: bool = False,
        around: Iterable[Grant] = (),
    ) -> None:
        self.task = task
        self.qualname = qualname
        self.run = run
        self.names = names
        self.limits = limits
        self.named = tokens
        self.own_priority = priority
        self.is_scope = is_scope
        self.around = tuple(around)
        self._version = -1 if self.around else 0  # of the rulebook when the next three were found
        self._applicable = NO_RULES
        self._shares = limits
        self._tokens = tokens

    def applicable(self, rulebook: Rulebook) -> ApplicableRules:
        """Return the rules that apply to it now."""
        if self._version != rulebook.version:
            self._version = rulebook.version
            found = rulebook.find(self.task, self.qualname, self.run, self.names)
            if self.is_scope:
                found = found._replace(pools=(), rates=())
            self._applicable = found
            shares, tokens = self.limits, self.named
            if found.pools:
                shares = (*shares, *((pool, UNIT) for pool in found.pools))
            if found.rates:
                tokens = (*tokens, *((rate, UNIT) for rate in found.rates))
            if self.around:
                shares = tuple((self._nearest(pool), wanted) for pool, wanted in shares)
            self._shares, self._tokens = shares, tokens
        return self._applicable

    def shares(self, rulebook: Rulebook) -> tuple[Share, ...]:
        """Return what it takes of which pools, by the rules that apply to it now."""
        self.applicable(rulebook)
        return self._shares

    def tokens(self, rulebook: Rulebook) -> tuple[Tokens, ...]:
        """Return what it takes of which rates, by the rules that apply to it now."""
        self.applicable(rulebook)
        return self._tokens

    def priority(self, rulebook: Rulebook) -> float:
        """Return its priority: its own, or the highest of the rules that apply to it now, or 0."""
        if self.own_priority is not None:
            return self.own_priority
        rules = self.applicable(rulebook).priorities
        return max(rule.priority for rule in rules) if rules else 0

    def is_selected(self, selector: Selector) -> bool:
        """Whether a selector matches its calls."""
        names = (*task_names(self.task, self.qualname), run_name(self.run), *self.names)
        return any(selector.matches(name) for name in names)

    def forget_holdings(self) -> None:
        """Something around it has ended: find again what it takes from which pools."""
        self._version = -1

    def _nearest(self, pool: Pool) -> Pool:
        """Return the pool that it takes units of a limit from: what something around it holds, or the limit."""
        for grant in self.around:
            holding = grant.holding(pool)
            if holding is not None:
                return holding
        return pool

    def check(self) -> None:
        """Check that it can be granted at some time.

        Raises:
            LimitError: it asks for more than the capacity of a limit, than the burst of a rate, or than what the scope
                around it holds.
        """
        for pool, wanted in self.limits:
            nearest = self._nearest(pool) if self.around else pool
            if wanted > nearest.capacity:
                what = "what the scope around it holds" if type(nearest) is Holding else "the capacity of the limit"
                raise LimitError(_too_much(pool.name, nearest.capacity, what, wanted, self.task))
        for rate, wanted in self.named:
            if wanted > rate.burst:
                raise LimitError(_too_much(rate.name, rate.burst, "the burst of the rate", wanted, self.task))


def _too_much(name: str, most: int, what: str, wanted: int, task: str) -> str:
    return f"amount of {name!r} must be at most {shown(most)}, {what}, got {shown(wanted)} - at task {task}"


@public_in("cascade.limits")
class Grant:
    """Permission to start a call. It is held until the call has ended; as a context manager, it is released at the end.

    Args:
        lender: takes back what was taken; None: there is nothing to take back.
        shares: what was taken of which pools.
        tokens: what was taken of which rates.

    Attributes:
        shares: the same.
        tokens: the same; changed by `settle`.
        holdings: by pool, what calls inside of what holds this can take; made when one of them asks.
        generation: of the lender.
    """

    __slots__ = ("_lender", "generation", "holdings", "shares", "tokens")

    def __init__(
        self,
        lender: Lender | None,
        shares: tuple[Share, ...] = (),
        tokens: tuple[Tokens, ...] = (),
        generation: int = 0,
    ) -> None:
        self._lender = lender
        self.shares = shares
        self.tokens = tokens
        self.generation = generation
        self.holdings: dict[Pool, Holding] | None = None

    @property
    def is_held(self) -> bool:
        """Whether there is something to give back that was not given back."""
        return self._lender is not None

    def release(self) -> None:
        """Give back what was taken; later calls do nothing."""
        if self._lender is not None:
            lender, self._lender = self._lender, None
            lender.take_back(self, True)

    def undo(self) -> None:
        """Give back all that was taken, tokens of rates included: the call has not started."""
        if self._lender is not None:
            lender, self._lender = self._lender, None
            lender.take_back(self, False)

    def settle(self, rate: Rate, used: int) -> int:
        """Note what was really used of a rate, in units. Return what was noted before."""
        before = dict(self.tokens)
        self.tokens = tuple({**before, rate: used}.items())
        return before.get(rate, 0)

    def holding(self, limit: Pool) -> Holding | None:
        """Return what this holds of a limit, for calls inside of what holds it; None: it holds nothing of it."""
        if self._lender is not None:
            for pool, amount in self.shares:
                if pool.root is limit.root:
                    if self.holdings is None:
                        self.holdings = {}
                    holding = self.holdings.get(pool)
                    if holding is None:
                        holding = self.holdings[pool] = Holding(pool, amount)
                    return holding
        return None

    def __enter__(self) -> Grant:
        return self

    def __exit__(self, *exc: object) -> None:
        self.release()


UNLIMITED = Request("", "", 0, ())
"""The request of calls that nothing limits."""

EMPTY_GRANT = Grant(None)
"""The grant of calls that nothing limits: one for all, as there is nothing to give back."""
