"""Demands: what a call wants before it may start, and what it was given."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from cascade.exceptions import LimitError
from cascade.limits.rulebook import NO_RULES, Found
from cascade.limits.units import UNIT, shown

if TYPE_CHECKING:
    from cascade.limits.admission import Turnstile
    from cascade.limits.capacity import Pool
    from cascade.limits.rate import Rate
    from cascade.limits.rulebook import Pause, Rules

__all__ = ["NOTHING", "Claim", "Demand", "Grant"]

Share = tuple["Pool", int]
"""A pool and units of it."""


class Demand:
    """What calls of one task in one run want: amounts of limits, and leave by the rules that hold for them.

    It says nothing of when: the rules are those that hold when somebody asks. So a demand may be kept and used again.

    Args:
        task: the module and qualified name of the task.
        qualname: its qualified name.
        run: the number of the run.
        limits: the limits that it asks for, with units from 1 on.
    """

    __slots__ = ("_found", "_shares", "_version", "limits", "qualname", "run", "task")

    def __init__(self, task: str, qualname: str, run: int, limits: tuple[Share, ...]) -> None:
        self.task = task
        self.qualname = qualname
        self.run = run
        self.limits = limits
        self._version = 0
        self._found = NO_RULES
        self._shares = limits

    def found(self, rules: Rules) -> Found:
        """The rules that hold for it as they stand."""
        if self._version != rules.version:
            self._found = rules.find(self.task, self.qualname, self.run)
            self._shares = (*self.limits, *((pool, UNIT) for pool in self._found.pools))
            self._version = rules.version
        return self._found

    def shares(self, rules: Rules) -> tuple[Share, ...]:
        """What it takes of which pools, by the rules as they stand."""
        self.found(rules)
        return self._shares

    def check(self) -> None:
        """Refuse what can never be met.

        Raises:
            LimitError: it wants more of a limit than there is.
        """
        for pool, wanted in self.limits:
            if wanted > pool.capacity:
                raise LimitError(
                    f"expected at most {shown(pool.capacity)} of the limit {pool.name!r}, which is all there is, "
                    f"got {shown(wanted)} - at task {self.task}"
                )


class Grant:
    """Leave to start: what a call holds until it has ended. As a context, it is released at its end."""

    __slots__ = ("_era", "_rates", "_shares", "_turnstile")

    def __init__(
        self, turnstile: Turnstile | None, shares: tuple[Share, ...], rates: tuple[Rate, ...], era: int
    ) -> None:
        self._turnstile = turnstile
        self._shares = shares
        self._rates = rates
        self._era = era

    def release(self) -> None:
        """Give back what was taken, once; later calls do nothing."""
        if self._turnstile is not None:
            turnstile, self._turnstile = self._turnstile, None
            turnstile.give_back(self._shares, (), self._era)

    def undo(self) -> None:
        """Give everything back, the leave that rates gave too: the call has not started."""
        if self._turnstile is not None:
            turnstile, self._turnstile = self._turnstile, None
            turnstile.give_back(self._shares, self._rates, self._era)

    def __enter__(self) -> Grant:
        return self

    def __exit__(self, *exc: object) -> None:
        self.release()


NOTHING = Demand("", "", 0, ())
"""The demand of calls that nothing limits."""


class Claim:
    """A demand that waits.

    Args:
        order: its place among all that ever waited, which it keeps.
        demand: what is wanted.
        future: is given the grant.

    Attributes:
        rates: in whose lines it stands...
        shares: ...and those that it wants of pools, in whose lines it stands only if nothing else holds it up:
            a call that is paused, or waits for a rate, is in nobody's way.
        in_pools: whether it stands in the lines of pools.
        parked: the pause that it waits for.
    """

    __slots__ = ("demand", "future", "in_pools", "order", "parked", "rates", "shares")

    def __init__(self, order: int, demand: Demand, future: asyncio.Future[Grant]) -> None:
        self.order = order
        self.demand = demand
        self.future = future
        self.rates: tuple[Rate, ...] = ()
        self.shares: tuple[Share, ...] = ()
        self.in_pools = False
        self.parked: Pause | None = None

    def is_awaited(self) -> bool:
        """Whether somebody still waits: nobody does in a loop that was closed."""
        return not self.future.done() and not self.future.get_loop().is_closed()

    def __lt__(self, other: Claim) -> bool:
        return self.order < other.order
