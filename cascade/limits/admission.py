"""The turnstile: who waits, and whose turn it is.

A claim stands in the lines of everything that it wants and is granted all of it at once, when it is the first in each
of these lines and each has enough. As all lines are in the order of arrival, nobody is overtaken in any of them, how
much he may want, and somebody is always the first wherever he stands. Nothing looks at all who wait when something is
given back: only the first of a line can go on.

Two things come before the pools. A claim that is paused stands in no line, and one that waits for a rate in those of
its rates only, so that neither keeps others from what it cannot use yet. It keeps its place in the order of arrival.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from heapq import heappop, heappush
from itertools import count
from typing import TYPE_CHECKING

from cascade.exceptions import InternalError, LimitError
from cascade.limits.request import NOTHING, Claim, Demand, Grant
from cascade.limits.rulebook import Pause
from cascade.limits.timetable import Agenda

if TYPE_CHECKING:
    from cascade.clock.timers import Timers
    from cascade.limits.rate import Rate
    from cascade.limits.request import Share
    from cascade.limits.rulebook import Rule, Rules
    from cascade.limits.wait_queue import Line

__all__ = ["FREE", "Turnstile"]

FREE = Grant(None, (), (), 0)
"""The grant of calls that nothing limits: one for all, as there is nothing to give back."""


class Turnstile:
    """Grants demands, in the order in which they came.

    Args:
        rules: which hold.
        timers: the engine's clock.
        expire: called with rules whose time is over; it removes them.

    Attributes:
        stopped: whether the timer is to be set again when somebody comes by, as it was taken away by `clear`.
    """

    def __init__(self, rules: Rules, timers: Timers, expire: Callable[[list[Rule]], None]) -> None:
        self.stopped = False
        self.agenda = Agenda(timers, self.catch_up)
        self._rules = rules
        self._timers = timers
        self._expire = expire
        self._claims: dict[Claim, None] = {}  # all that wait
        self._order = count()
        self._lines: dict[Line[Claim], None] = {}  # those in which somebody stands
        self._candidates: list[Claim] = []  # a heap of the claims for which something has changed
        self._era = 0

    # -------------------------------------------------------------------------------------------------- to be asked

    def try_acquire(self, demand: Demand) -> Grant | None:
        """Grant a demand, or return None if it has to wait: also behind others that do.

        Raises:
            LimitError: it can never be met.
        """
        if demand is NOTHING:
            return FREE
        demand.check()
        if self.agenda.at is not None or self.stopped:
            self.catch_up()
        found = demand.found(self._rules)
        if found.pauses:
            return None
        if found.rates:
            now = self._timers.now()
            for rate in found.rates:
                if rate.line or not rate.ready(now):
                    return None
        shares = demand.shares(self._rules)
        for pool, wanted in shares:
            if pool.line or pool.used + wanted > pool.capacity:
                return None
        return self._grant(shares, found.rates)

    async def acquire(self, demand: Demand, blocked: Callable[[str], None] | None) -> Grant:
        """Grant a demand when its turn has come.

        Args:
            demand: what is wanted.
            blocked: told once why it has to wait, if it has to.

        Raises:
            LimitError: it can never be met, or not any more.
        """
        grant = self.try_acquire(demand)
        if grant is not None:
            return grant
        loop = asyncio.get_running_loop()
        claim = Claim(next(self._order), demand, loop.create_future())
        try:
            self._enter(claim)
            if blocked is not None and not claim.future.done():
                blocked(self._reason(claim))
            while True:
                grant = await claim.future
                # What was granted but has not been taken yet when a pause began has not started: it stays so.
                self.catch_up()
                if not demand.found(self._rules).pauses:
                    return grant
                claim.future = loop.create_future()
                grant.undo()
                self._enter(claim)
        except BaseException:
            self._abandon(claim)
            raise

    def give_back(self, shares: Iterable[Share], rates: Iterable[Rate], era: int) -> None:
        """Take back what a grant has given: of pools, and of rates, if the call has not started."""
        if era != self._era:
            return
        for pool, taken in shares:
            pool.used -= taken
            if pool.line:
                self._first_of(pool.line)
        if rates:
            now = self._timers.now()
            for rate in rates:
                rate.put_back(now)
                self._first_of(rate.line)
        if self._candidates:
            self._settle()

    # ------------------------------------------------------------------------------------------------ to be changed

    def catch_up(self) -> None:
        """Do what is due by now."""
        self.stopped = False
        agenda = self.agenda
        at = agenda.next()
        if at is not None and at <= (now := self._timers.now()):
            for rate in agenda.awake(now):
                self._first_of(rate.line)
            if expired := agenda.expired(now):
                self._expire(expired)
            self._settle()
        else:
            agenda.arm()

    def rule_added(self, rule: Rule) -> None:
        """A rule holds that did not: it holds for those that wait, too."""
        self._sort_again(claim for claim in self._claims if _holds(rule, claim.demand, self._rules))

    def rules_removed(self, rules: list[Rule]) -> None:
        """Rules and pauses hold no more: all at once, so that who came first goes on first, whatever held him up."""
        affected: dict[Claim, None] = {}
        for rule in rules:
            if isinstance(rule, Pause):
                affected |= rule.parked
            else:
                affected |= dict.fromkeys(claim for claim in self._claims if _is_among(rule, claim))
        self._sort_again(affected)

    def paused(self) -> None:
        """A pause has begun. Those that are the first somewhere make way; the others do when they come up."""
        for line in self._lines:
            self._first_of(line)
        self._settle()

    def line_changed(self, line: Line[Claim]) -> None:
        """There is more, or less, of what a line waits for."""
        self._first_of(line)
        self._settle()

    def refuse(self) -> None:
        """Have all fail that wait for more than there will ever be."""
        for claim in list(self._claims):
            try:
                claim.demand.check()
            except LimitError as error:
                self._leave(claim)
                if claim.is_awaited():
                    claim.future.set_exception(error)
        self._settle()

    def clear(self) -> None:
        """Forget all who wait, and what was granted until now: nothing of it runs any more."""
        self.stopped = True
        self.agenda.disarm()
        self.agenda.wakes.clear()
        self._era += 1
        for claim in list(self._claims):
            self._leave(claim)
            if claim.is_awaited():
                claim.future.cancel()
        self._candidates.clear()

    def demands(self) -> Iterator[Demand]:
        """What is waited for."""
        return (claim.demand for claim in self._claims)

    # ------------------------------------------------------------------------------------------------ whose turn it is

    def _settle(self) -> None:
        """Look at the candidates, in the order in which they came, and grant what can be granted."""
        if self._candidates:
            now = self._timers.now()
            while self._candidates:
                claim = heappop(self._candidates)
                if claim in self._claims and claim.parked is None:
                    self._examine(claim, now)
        self.agenda.arm()

    def _examine(self, claim: Claim, now: int) -> None:
        """Grant a claim, or leave it standing where it must wait."""
        if not claim.is_awaited():
            self._leave(claim)
            return
        if pauses := claim.demand.found(self._rules).pauses:
            self._leave_lines(claim)
            claim.parked = pauses[0]
            claim.parked.parked[claim] = None
            return
        if any(rate.line.first() is not claim for rate in claim.rates):
            return
        if not self._have_leave(claim.rates, now):
            self._leave_pools(claim)
            return
        if not claim.in_pools:
            claim.in_pools = True
            for pool, _ in claim.shares:
                self._stand(claim, pool.line)
        for pool, wanted in claim.shares:
            if pool.line.first() is not claim or pool.used + wanted > pool.capacity:
                return
        self._leave(claim)
        claim.future.set_result(self._grant(claim.shares, claim.rates))

    def _have_leave(self, rates: tuple[Rate, ...], now: int) -> bool:
        """Whether all rates let a call start; those that do not wake up when they will."""
        all_ready = True
        for rate in rates:
            if rate.ready(now):
                self.agenda.wakes.leave(rate)
            else:
                self.agenda.wakes.enter(rate, rate.due(now))
                all_ready = False
        return all_ready

    def _grant(self, shares: tuple[Share, ...], rates: tuple[Rate, ...]) -> Grant:
        for rate in rates:
            rate.take()
        if not shares and not rates:
            return FREE
        for pool, wanted in shares:
            pool.used += wanted
        return Grant(self, shares, rates, self._era)

    # ----------------------------------------------------------------------------------------------------- the lines

    def _enter(self, claim: Claim) -> None:
        """Have a claim wait; if it can be granted by now, it is."""
        self._claims[claim] = None
        self._join(claim)
        self._settle()

    def _join(self, claim: Claim) -> None:
        """Have a claim stand where it must, by the rules as they stand: in the lines of rates, to begin with."""
        claim.shares = claim.demand.shares(self._rules)
        claim.rates = claim.demand.found(self._rules).rates
        for rate in claim.rates:
            before = rate.line.first()
            self._stand(claim, rate.line)
            if before is not None and rate.line.first() is claim:
                self._leave_pools(before)  # it comes back from a pause, and was here earlier
        heappush(self._candidates, claim)

    def _stand(self, claim: Claim, line: Line[Claim]) -> None:
        line.enter(claim, claim.order)
        self._lines[line] = None

    def _sort_again(self, claims: Iterable[Claim]) -> None:
        """Have claims stand where they must by new rules; in each line they stand where they stood."""
        for claim in list(claims):
            self._unpark(claim)
            self._leave_lines(claim)
            self._join(claim)
        self._settle()

    def _abandon(self, claim: Claim) -> None:
        """Nobody waits any more. It may have been granted in the same moment."""
        future = claim.future
        if claim in self._claims:
            self._leave(claim)
            self._settle()
        elif future.done() and not future.cancelled() and future.exception() is None:
            future.result().undo()

    def _leave(self, claim: Claim) -> None:
        """Have a claim wait no more."""
        del self._claims[claim]
        self._unpark(claim)
        self._leave_lines(claim)

    def _unpark(self, claim: Claim) -> None:
        if claim.parked is not None:
            del claim.parked.parked[claim]
            claim.parked = None

    def _leave_lines(self, claim: Claim) -> None:
        self._leave_pools(claim)
        for rate in claim.rates:
            self._leave_line(claim, rate.line)
            if not rate.line:
                self.agenda.wakes.leave(rate)

    def _leave_pools(self, claim: Claim) -> None:
        if claim.in_pools:
            claim.in_pools = False
            for pool, _ in claim.shares:
                self._leave_line(claim, pool.line)

    def _leave_line(self, claim: Claim, line: Line[Claim]) -> None:
        was_first = line.first() is claim
        line.leave(claim)
        if not line:
            self._lines.pop(line, None)
        elif was_first:
            self._first_of(line)

    def _first_of(self, line: Line[Claim]) -> None:
        """Have the first of a line looked at."""
        first = line.first()
        if first is not None:
            heappush(self._candidates, first)

    def _reason(self, claim: Claim) -> str:
        """What a claim waits for in the first place."""
        if claim.parked is not None:
            return claim.parked.reason()
        now = self._timers.now()
        for rate in claim.rates:
            if rate.line.first() is not claim or not rate.ready(now):
                return rate.reason()
        for pool, wanted in claim.shares:
            if pool.used + wanted > pool.capacity:
                return pool.reason(wanted)
        for pool, wanted in claim.shares:
            if pool.line.first() is not claim:
                return f"{pool.reason(wanted)}, others wait before it"
        raise InternalError("a claim waits for nothing")


def _holds(rule: Rule, demand: Demand, rules: Rules) -> bool:
    """Whether a rule holds for a demand."""
    found = demand.found(rules)
    return any(held is rule for held in (*found.rates, *found.pools))


def _is_among(rule: Rule, claim: Claim) -> bool:
    """Whether a claim wants something of a rule."""
    return any(held is rule for held in (*claim.rates, *(pool for pool, _ in claim.shares)))
