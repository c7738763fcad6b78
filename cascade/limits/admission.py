"""The admission queue: which requests wait, and which is granted next.

A waiting request is a claim. A claim waits in the queues of everything that it asks for and is granted all of it at
once, when it is the first in each of these queues and each has enough. All queues have one order: by priority, then by
arrival. So no claim is overtaken by one that comes later with the same priority, however much it asks for, and the
first of all claims is the first wherever it waits. When something is given back, only the first claim of its queue is
examined: the cost does not depend on the number of claims.

Two things are checked before the pools. A paused claim waits in no queue, and a claim that waits for a rate waits in
the queues of its rates only; so neither keeps others from what it cannot use yet. Both keep their place in the order.

A grant may have a holding of a pool: what calls inside of a scope take from what the scope holds. It is a pool like any
other, with a queue of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from heapq import heapify, heappop, heappush
from itertools import count
from typing import TYPE_CHECKING

from cascade.exceptions import InternalError, LimitError
from cascade.limits.capacity import Pool
from cascade.limits.claim import Claim, Entry
from cascade.limits.request import EMPTY_GRANT, UNLIMITED, Grant, Request
from cascade.limits.rule import Pause, Priority
from cascade.limits.timetable import Timetable
from cascade.limits.wait_queue import WaitQueue

if TYPE_CHECKING:
    from cascade.clock.timers import Timers
    from cascade.limits.capacity import Holding
    from cascade.limits.claim import Receiver
    from cascade.limits.rate import Rate
    from cascade.limits.request import Share, Tokens
    from cascade.limits.rule import Rule
    from cascade.limits.rulebook import Rulebook

__all__ = ["AdmissionQueue"]


class AdmissionQueue:
    """Grants requests by priority, then in order of arrival.

    Args:
        rulebook: the rules and pauses.
        timers: the engine's clock.
        expire: called with the rules that have expired; it removes them.

    Attributes:
        stopped: whether `clear` has cancelled the timer, which is to be set again at the next use.
        timetable: when rules expire and rates have a token.
    """

    def __init__(self, rulebook: Rulebook, timers: Timers, expire: Callable[[list[Rule]], None]) -> None:
        self.stopped = False
        self.timetable = Timetable(timers, self.catch_up)
        self._rulebook = rulebook
        self._timers = timers
        self._expire = expire
        self._order = count()
        self._claims: dict[Claim, None] = {}  # all that wait
        self._queues: dict[Pool | Rate, WaitQueue[Claim, tuple[float, int]]] = {}  # those that are not empty
        self._paused: dict[Pause, dict[Claim, None]] = {}  # claims that a pause holds up, of those examined under it
        self._candidates: list[Claim] = []  # a heap of the claims for which something has changed
        self._generation = 0  # incremented by `clear`, after which older grants give nothing back

    # ---------------------------------------------------------------------------------------------------- requests

    def try_acquire(self, request: Request) -> Grant | None:
        """Grant a request, or return None if it has to wait, also if only because earlier requests wait.

        Raises:
            LimitError: it can never be granted.
        """
        if request is UNLIMITED:
            return EMPTY_GRANT
        request.check()
        if self.timetable.at is not None or self.stopped:
            self.catch_up()
        if request.applicable(self._rulebook).pauses:
            return None
        tokens = request.tokens(self._rulebook)
        if tokens:
            now = self._timers.now()
            for rate, wanted in tokens:
                if wanted and (rate in self._queues or not rate.ready(now, wanted)):
                    return None
        shares = request.shares(self._rulebook)
        for pool, wanted in shares:
            if pool in self._queues or pool.used + wanted > pool.capacity:
                return None
        return self._grant(shares, tokens)

    def submit(self, request: Request, receiver: Receiver) -> Claim:
        """Let a request wait that `try_acquire` has not granted. It may be granted in this very call."""
        claim = Claim(next(self._order), request, receiver)
        self._enter(claim)
        return claim

    def withdraw(self, claim: Claim) -> bool:
        """Let a claim no longer wait. Return whether it did."""
        if claim not in self._claims:
            return False
        self._remove(claim)
        self._settle()
        return True

    async def acquire(self, request: Request, blocked: Callable[[str], None] | None) -> Grant:
        """Grant a request when its turn has come.

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
        entry.claim = self.submit(request, entry)
        return entry

    async def wait(self, entry: Entry, blocked: Callable[[str], None] | None) -> Grant:
        """Wait for the grant of a request that was let in."""
        claim = entry.claim
        try:
            if blocked is not None and not entry.future.done():
                blocked(self.reason(claim))
            while True:
                grant = await entry.future
                # A pause may have begun between the grant and this moment: the call has not started, so it waits again.
                self.catch_up()
                if not claim.request.applicable(self._rulebook).pauses:
                    return grant
                entry.future = asyncio.get_running_loop().create_future()
                grant.undo()
                self._enter(claim)
        except BaseException:
            self.abandon(entry)
            raise

    def claims(self) -> Iterator[Claim]:
        """Yield the claims that wait."""
        return iter(self._claims)

    def spend(self, rate: Rate, amount: int) -> None:
        """Take units of a rate at once, perhaps more than there are; a negative amount gives units back."""
        rate.spend(self._timers.now(), amount)
        self.supply_changed(rate)

    # ----------------------------------------------------------------------------------------------------- changes

    def catch_up(self) -> None:
        """Do what is due by now: remove expired rules, examine claims whose rate has a token."""
        self.stopped = False
        timetable = self.timetable
        at = timetable.next_time()
        if at is not None and at <= (now := self._timers.now()):
            for rate in timetable.take_awake(now):
                self._first_changed(rate)
            if expired := timetable.take_expired(now):
                self._expire(expired)
            self._settle()
        else:
            timetable.arm()

    def rule_added(self, rule: Rule) -> None:
        """Apply a new rule to the claims that wait, too."""
        self._requeue(claim for claim in self._claims if _applies(rule, claim.request, self._rulebook))

    def rules_removed(self, rules: list[Rule]) -> None:
        """Requeue the claims that rules and pauses held up.

        All in one call, so that claims go on in order of arrival, whichever of the rules held them up.
        """
        affected: dict[Claim, None] = {}
        for rule in rules:
            if isinstance(rule, Pause):
                affected |= self._paused.get(rule, {})
            elif isinstance(rule, Priority):
                affected |= dict.fromkeys(claim for claim in self._claims if claim.request.is_selected(rule.selector))
            else:
                affected |= dict.fromkeys(claim for claim in self._claims if _is_among(rule, claim))
        self._requeue(affected)

    def priority_changed(self, rule: Priority) -> None:
        """Move the claims of a rule to where they belong by its new priority."""
        self._requeue(claim for claim in self._claims if claim.request.is_selected(rule.selector))

    def pause_added(self) -> None:
        """Apply a new pause: examine the first claim of each queue. The others are examined when they are the first."""
        for queue in self._queues.values():
            self._push_first(queue)
        self._settle()

    def supply_changed(self, supply: Pool | Rate) -> None:
        """Examine the first claim that waits for a pool or rate, as its capacity or rate has changed."""
        self._first_changed(supply)
        self._settle()

    def refuse_impossible(self) -> None:
        """Fail each claim that asks for more than a capacity, which was lowered."""
        for claim in list(self._claims):
            try:
                claim.request.check()
            except LimitError as error:
                self._remove(claim)
                if claim.receiver.is_awaited():
                    claim.receiver.refuse(error)
        self._settle()

    def clear(self) -> None:
        """Cancel all claims and forget all grants: no call is running."""
        self.stopped = True
        self.timetable.disarm()
        self.timetable.wakes.clear()
        self._generation += 1
        for claim in list(self._claims):
            self._remove(claim)
            if claim.receiver.is_awaited():
                claim.receiver.drop()
        self._candidates.clear()

    # ---------------------------------------------------------------------------------------------------- granting

    def _settle(self) -> None:
        """Examine the candidates in order, and grant what can be granted."""
        candidates, claims = self._candidates, self._claims
        while candidates:
            claim = heappop(candidates)
            if claim in claims and claim.paused_by is None:
                self._examine(claim)
        self.timetable.arm()

    def _examine(self, claim: Claim) -> None:
        """Grant a claim, or let it wait where it must."""
        if not claim.receiver.is_awaited():
            self._remove(claim)
            return
        if pauses := claim.request.applicable(self._rulebook).pauses:
            self._leave_queues(claim)
            claim.paused_by = pauses[0]
            self._paused.setdefault(pauses[0], {})[claim] = None
            return
        for rate, _ in claim.tokens:
            if self._first(rate) is not claim:
                return
        if claim.tokens and not self._all_ready(claim.tokens):
            self._leave_pools(claim)
            return
        if not claim.in_pools:
            if claim.request.around:  # something around it may have ended while it waited elsewhere
                claim.request.forget_holdings()
                claim.shares = claim.request.shares(self._rulebook)
            claim.in_pools = True
            for pool, _ in claim.shares:
                self._wait_for(claim, pool)
        for pool, wanted in claim.shares:
            if self._first(pool) is not claim or pool.used + wanted > pool.capacity:
                return
        grant = self._grant(claim.shares, claim.request.tokens(self._rulebook))
        self._remove(claim)  # only now: the next claim is not looked at if nothing is left
        claim.receiver.grant(grant)

    def _all_ready(self, tokens: tuple[Tokens, ...]) -> bool:
        """Whether all rates have enough tokens; for each that has not, the time at which it will is noted."""
        all_ready = True
        now = self._timers.now()
        for rate, wanted in tokens:
            if rate.ready(now, wanted):
                self.timetable.wakes.discard(rate)
            else:
                self.timetable.wakes.add(rate, rate.due(now, wanted))
                all_ready = False
        return all_ready

    def _grant(self, shares: tuple[Share, ...], tokens: tuple[Tokens, ...]) -> Grant:
        for rate, wanted in tokens:
            rate.take(wanted)
        if not shares and not tokens:
            return EMPTY_GRANT
        for pool, wanted in shares:
            pool.used += wanted
        return Grant(self, shares, tokens, self._generation)

    def take_back(self, grant: Grant, started: bool) -> None:
        """Take back what a grant has taken; the tokens of rates only if the call has not started."""
        if grant.generation != self._generation:
            return
        holdings = grant.holdings
        for pool, taken in grant.shares:
            holding = None if holdings is None else holdings.get(pool)
            self._first_changed(pool.give_back(taken if holding is None else holding.close()))
        if grant.tokens and not started:
            now = self._timers.now()
            for rate, taken in grant.tokens:
                rate.spend(now, -taken)
                self._first_changed(rate)
        if holdings is not None:
            self._requeue_beneath(holdings.values())
        if self._candidates:
            self._settle()

    def _requeue_beneath(self, holdings: Iterable[Holding]) -> None:
        """Let claims that wait for what has ended wait for what is around that, as something else needs them, too."""
        for holding in holdings:
            queue = self._queues.get(holding)
            if queue is not None:
                claims = list(queue)
                for claim in claims:
                    claim.request.forget_holdings()
                self._requeue(claims)

    # ------------------------------------------------------------------------------------------------------ queues

    def _enter(self, claim: Claim) -> None:
        """Let a claim wait; if it can be granted by now, it is."""
        self._claims[claim] = None
        self._look_up(claim)
        if not self._joins_line(claim):
            self._enqueue(claim)
            self._settle()

    def _joins_line(self, claim: Claim) -> bool:
        """Let a claim wait where others do, if that is all that there is to do: it is first nowhere."""
        if len(claim.shares) != 1 or claim.tokens or claim.request.applicable(self._rulebook).pauses:
            return False
        pool = claim.shares[0][0]
        queue = self._queues.get(pool)
        if queue is None or (first := queue.first()) is None or claim.order < first.order:
            return False
        claim.in_pools = True
        queue.add(claim, claim.order)
        return True

    def _look_up(self, claim: Claim) -> None:
        """Find what applies to a claim now. It waits in no queue."""
        request, rulebook = claim.request, self._rulebook
        claim.shares = request.shares(rulebook)
        claim.tokens = tuple(each for each in request.tokens(rulebook) if each[1])
        claim.order = -request.priority(rulebook), claim.arrival

    def _enqueue(self, claim: Claim) -> None:
        """Put a claim into the queues of its rates, and examine it next."""
        for rate, _ in claim.tokens:
            before = self._first(rate)
            self._wait_for(claim, rate)
            if before is not None and self._first(rate) is claim:
                self._leave_pools(
                    before
                )  # the claim has a higher priority, or returns from a pause and arrived earlier
        heappush(self._candidates, claim)

    def _wait_for(self, claim: Claim, supply: Pool | Rate) -> None:
        queue = self._queues.get(supply)
        if queue is None:
            queue = self._queues[supply] = WaitQueue()
        queue.add(claim, claim.order)

    def _requeue(self, claims: Iterable[Claim]) -> None:
        """Move claims to the queues of the rules that apply now, each to its place by priority and arrival."""
        moved = list(claims)
        for claim in moved:
            self._unpause(claim)
            self._leave_queues(claim)
        for claim in moved:
            self._look_up(claim)
        heapify(self._candidates)  # some of them may have another priority
        for claim in moved:
            self._enqueue(claim)
        self._settle()

    def abandon(self, entry: Entry) -> None:
        """Let a request no longer wait that is not awaited any longer. It may have been granted in the same moment."""
        future = entry.future
        if not self.withdraw(entry.claim) and future.done() and not future.cancelled() and future.exception() is None:
            future.result().undo()

    def _remove(self, claim: Claim) -> None:
        """Remove a claim: it no longer waits."""
        del self._claims[claim]
        self._unpause(claim)
        self._leave_queues(claim)

    def _unpause(self, claim: Claim) -> None:
        pause, claim.paused_by = claim.paused_by, None
        if pause is not None:
            paused = self._paused[pause]
            del paused[claim]
            if not paused:
                del self._paused[pause]

    def _leave_queues(self, claim: Claim) -> None:
        self._leave_pools(claim)
        for rate, _ in claim.tokens:
            self._leave_queue(claim, rate)
            if rate not in self._queues:
                self.timetable.wakes.discard(rate)

    def _leave_pools(self, claim: Claim) -> None:
        if claim.in_pools:
            claim.in_pools = False
            for pool, _ in claim.shares:
                self._leave_queue(claim, pool)

    def _leave_queue(self, claim: Claim, supply: Pool | Rate) -> None:
        queue = self._queues.get(supply)
        if queue is None:
            return
        was_first = queue.first() is claim
        queue.discard(claim)
        if not queue:
            del self._queues[supply]
        elif was_first and (not isinstance(supply, Pool) or supply.used < supply.capacity):
            self._push_first(queue)

    def _first(self, supply: Pool | Rate) -> Claim | None:
        """Return the first claim that waits for a pool or rate, or None."""
        queue = self._queues.get(supply)
        return None if queue is None else queue.first()

    def _first_changed(self, supply: Pool | Rate) -> None:
        """Make the first claim that waits for a pool or rate a candidate."""
        queue = self._queues.get(supply)
        if queue is not None:
            self._push_first(queue)

    def _push_first(self, queue: WaitQueue[Claim, tuple[float, int]]) -> None:
        first = queue.first()
        if first is not None:
            heappush(self._candidates, first)

    def reason(self, claim: Claim) -> str:
        """Return the first thing that a claim waits for, as text for an event."""
        if claim.paused_by is not None:
            return claim.paused_by.reason()
        now = self._timers.now()
        for rate, wanted in claim.tokens:
            if self._first(rate) is not claim or not rate.ready(now, wanted):
                return rate.reason(wanted)
        for pool, wanted in claim.shares:
            if pool.used + wanted > pool.capacity:
                return pool.reason(wanted)
        for pool, wanted in claim.shares:
            if self._first(pool) is not claim:
                return f"{pool.reason(wanted)}, others wait before it"
        raise InternalError("a claim waits for nothing")


def _applies(rule: Rule, request: Request, rulebook: Rulebook) -> bool:
    """Whether a rule applies to a request."""
    applicable = request.applicable(rulebook)
    return any(other is rule for other in (*applicable.rates, *applicable.pools, *applicable.priorities))


def _is_among(rule: Rule, claim: Claim) -> bool:
    """Whether a claim waits by a rule."""
    return any(supply is rule or getattr(supply, "root", None) is rule for supply, _ in (*claim.tokens, *claim.shares))
