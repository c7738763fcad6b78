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

A claim that waits for a pool waits for the ends of the scopes that hold a part of it. So claims inside of these must
not wait behind it, in whatever queue: they move to the place before the first claim of that pool's queue, as long as it
cannot have enough. Else a claim for two things could wait for a scope whose calls wait behind it for the other one.
"""

from heapq import heapify as _heapify, heappop as _heappop, heappush as _heappush

from cascade._core.limits.pools cimport Holding, Pool
from cascade._core.limits.requests cimport NOTHING, UNLIMITED_REQUEST, Claim, Grant, Request, new_claim, new_grant
from cascade._core.limits.wait_queue cimport WaitQueue

from cascade.exceptions import InternalError, LimitError


cdef class AdmissionQueue:
    """Grants requests by priority, then in order of arrival.

    Args:
        rulebook: the rules and pauses.
        timers: the engine's clock.
        timetable: makes the timetable of timers and a callback.
        expire: called with the rules that have expired; it removes them.

    Attributes:
        stopped: whether `clear` has cancelled the timer, which is to be set again at the next use.
        timetable: when rules expire and rates have enough.
    """

    def __cinit__(self, rulebook, timers, timetable, expire):
        self.stopped = False
        self.wakes = self.expiries = WaitQueue()
        self.timetable = timetable(timers, self.catch_up)
        self.wakes = self.timetable.wakes
        self.expiries = self.timetable.expiries
        self.rulebook = rulebook
        self.timers = timers
        self.expire = expire
        self.waiting = {}
        self.queues = {}
        self.paused = {}
        self.inside = {}
        self.candidates = []

    # ---------------------------------------------------------------------------------------------------- requests

    def try_acquire(self, Request request not None):
        """Grant a request, or return None if it has to wait, also if only because earlier requests wait.

        Raises:
            LimitError: it can never be granted.
        """
        cdef Pool pool
        if request is UNLIMITED_REQUEST:
            return NOTHING
        request.check_amounts()
        if self.timetable.at is not None or self.stopped:
            self.catch_up()
        if request.look_up(self.rulebook)[3]:
            return None
        if request.all_tokens:
            now = self.timers.now()
            for rate, wanted in request.all_tokens:
                if wanted and (rate in self.queues or not rate.ready(now, wanted)):
                    return None
        for share, wanted in request.all_shares:
            pool = <Pool?>share
            if pool in self.queues or not pool.has(wanted):
                return None
        return self.grant(request.all_shares, request.all_tokens)

    def submit(self, Request request not None, receiver):
        """Let a request wait that `try_acquire` has not granted. It may be granted in this very call.

        Args:
            request: what is asked for.
            receiver: an object with the methods of `cascade.limits.claim.Receiver`.

        Returns:
            The `Claim`.
        """
        cdef Claim claim = new_claim(self.arrivals, request, receiver)
        self.arrivals += 2  # an odd number is the place before a claim
        self.enter(claim)
        return claim

    def submit_again(self, Claim claim not None):
        """Let a claim wait again that was granted, as it could not use the grant. It keeps its place."""
        if claim.request is None:
            raise TypeError("a claim is made by `AdmissionQueue.submit`")
        self.enter(claim)

    def withdraw(self, Claim claim not None):
        """Let a claim no longer wait. Return whether it did."""
        if claim not in self.waiting:
            return False
        self.remove(claim)
        self.settle()
        return True

    def claims(self):
        """Yield the claims that wait."""
        return iter(self.waiting)

    def spend(self, rate, amount):
        """Take units of a rate at once, perhaps more than there are; a negative amount gives units back."""
        rate.spend(self.timers.now(), amount)
        self.supply_changed(rate)

    # ----------------------------------------------------------------------------------------------------- changes

    def catch_up(self):
        """Do what is due by now: remove expired rules, examine claims whose rate has a token."""
        self.stopped = False
        timetable = self.timetable
        at = timetable.next_time()
        if at is not None and at <= (now := self.timers.now()):
            for rate in timetable.take_awake(now):
                self.first_changed(rate)
            if expired := timetable.take_expired(now):
                self.expire(expired)
            self.settle()
        else:
            timetable.arm()

    def rule_added(self, rule):
        """Apply a new rule to the claims that wait, too."""
        self.requeue([claim for claim in self.waiting if self.rulebook.selects(rule, (<Claim>claim).request)])

    def rule_changed(self, rule):
        """Move the claims of a priority to where they belong by its new value."""
        self.rule_added(rule)

    def rules_removed(self, list rules not None):
        """Requeue the claims that rules and pauses held up.

        All in one call, so that claims go on in order of arrival, whichever of the rules held them up.
        """
        affected = {}
        for rule in rules:
            if rule.kind == "pause":
                affected |= self.paused.get(rule, {})
            else:
                affected |= dict.fromkeys(
                    [claim for claim in self.waiting if self.rulebook.selects(rule, (<Claim>claim).request)]
                )
        self.requeue(list(affected))

    def pause_added(self):
        """Apply a new pause: examine the first claim of each queue. The others are examined when they are the first."""
        for queue in self.queues.values():
            self.push_first(<WaitQueue>queue)
        self.settle()

    def supply_changed(self, supply):
        """Examine the first claim that waits for a pool or rate, as its capacity or rate has changed."""
        self.first_changed(supply)
        self.settle()

    def refuse_impossible(self):
        """Fail each claim that asks for more than a capacity, which was lowered."""
        cdef Claim claim
        for claim in list(self.waiting):
            if claim not in self.waiting:  # what was refused before it has changed more
                continue
            try:
                claim.request.check_amounts()
            except LimitError as error:
                self.remove(claim)
                if claim.receiver.is_awaited():
                    claim.receiver.refuse(error)
        self.settle()

    def clear(self):
        """Cancel all claims and forget all grants: no call is running."""
        self.stopped = True
        self.timetable.disarm()
        self.wakes.clear()
        self.generation += 1
        for claim in list(self.waiting):
            if claim not in self.waiting:
                continue
            self.remove(<Claim>claim)
            if claim.receiver.is_awaited():
                claim.receiver.drop()
        self.candidates.clear()

    # ---------------------------------------------------------------------------------------------------- granting

    cdef int settle(self) except -1:
        """Examine the candidates in order, and grant what can be granted."""
        cdef Claim claim
        while self.candidates:
            claim = <Claim>(<tuple>_heappop(self.candidates))[1]
            if claim in self.waiting and claim.paused_by is None:
                self.examine(claim)
        if self.wakes is None:  # the collector has cleared it
            return 0
        if self.wakes.places or self.expiries.places or self.timetable.at is not None:
            self.timetable.arm()
        return 0

    cdef int examine(self, Claim claim) except -1:
        """Grant a claim, or let it wait where it must."""
        cdef Pool pool
        cdef Grant grant
        cdef bint waits = False
        if not claim.receiver.is_awaited():
            self.remove(claim)
            return 0
        if pauses := claim.request.look_up(self.rulebook)[3]:
            self.leave_queues(claim)
            claim.paused_by = pauses[0]
            self.paused.setdefault(pauses[0], {})[claim] = None
            return 0
        for rate, _ in claim.tokens:
            if self.first(rate) is not claim:
                return 0
        if claim.tokens and not self.all_ready(claim.tokens):
            self.leave_pools(claim)
            return 0
        if not claim.in_pools:
            if claim.request.around:  # something around it may have ended while it waited elsewhere
                claim.request.forget_holdings()
                claim.request.look_up(self.rulebook)
                claim.shares = claim.request.all_shares
            claim.in_pools = True
            for share, _ in claim.shares:
                self.wait_for(claim, share)
        for share, wanted in claim.shares:
            pool = <Pool?>share
            if self.first(pool) is not claim:
                waits = True
            elif not pool.has(wanted):
                waits = True
                self.let_pass(claim, pool)
            if waits and not self.inside:  # else there may be claims to let pass in other queues
                return 0
        if waits:
            return 0
        grant = self.grant(claim.shares, claim.request.all_tokens)
        self.remove(claim)  # only now: the next claim is not looked at if nothing is left
        claim.receiver.grant(grant)
        return 0

    cdef bint all_ready(self, tuple tokens) except -1:
        """Whether all rates have enough tokens; for each that has not, the time at which it will is noted."""
        cdef bint all_ready = True
        now = self.timers.now()
        for rate, wanted in tokens:
            if rate.ready(now, wanted):
                self.wakes.discard(rate)
            else:
                self.wakes.add(rate, rate.due(now, wanted))
                all_ready = False
        return all_ready

    cdef Grant grant(self, tuple shares, tuple tokens):
        for rate, wanted in tokens:
            rate.take(wanted)
        if not shares and not tokens:
            return NOTHING
        for pool, wanted in shares:
            (<Pool>pool).used += wanted
        return new_grant(self, shares, tokens, self.generation)

    def take_back(self, Grant grant not None, bint started):
        """Take back what a grant has taken; the tokens of rates only if the call has not started."""
        cdef Holding holding
        cdef Pool pool
        cdef Claim first
        if grant.generation != self.generation:
            return
        if len(grant.shares) == 1 and grant.holdings is None and not grant.tokens and not self.candidates:
            pool = <Pool?>(<tuple>grant.shares[0])[0]
            first = self.first(pool.return_units((<tuple>grant.shares[0])[1]))
            if first is not None and first.paused_by is None:  # the most common case: no need to sort candidates
                self.examine(first)
                self.settle()
            return
        for share, taken in grant.shares:
            pool = <Pool?>share
            holding = None if grant.holdings is None else <Holding>grant.holdings.get(pool)
            pool = pool.return_units(taken if holding is None else holding.close())
            pool.passed = None  # what a holding has lent is a part of its parent's now
            self.first_changed(pool)
        if grant.tokens and not started:
            now = self.timers.now()
            for rate, taken in grant.tokens:
                rate.spend(now, -taken)
                self.first_changed(rate)
        if grant.holdings is not None:
            self.requeue_beneath(list(grant.holdings.values()))
        if self.candidates:
            self.settle()

    cdef int requeue_beneath(self, holdings) except -1:
        """Let claims that wait for what has ended wait for what is around that, as something else needs them, too."""
        for holding in holdings:
            queue = self.queues.get(holding)
            if queue is not None:
                claims = list((<WaitQueue>queue).places)
                for claim in claims:
                    (<Claim>claim).request.forget_holdings()
                self.requeue(claims)
        return 0

    # ------------------------------------------------------------------------------- claims inside of what is held

    cdef int let_pass(self, Claim claim, Pool pool) except -1:
        """Move the claims inside of what holds a part of a pool to the place before a claim that waits for the pool.

        The claim is the first in the pool's queue.
        """
        cdef Claim inner
        if not self.inside or (pool.passed is not None and pool.passed <= claim.order):
            return 0
        moved = []
        for each in self.inside:
            inner = <Claim>each
            if inner.may_pass(claim) and inner.request.is_inside(pool):
                moved.append(inner)
        pool.passed = claim.order
        if moved:
            for each in moved:
                self.unpause(<Claim>each)
                self.leave_queues(<Claim>each)
            for each in moved:
                (<Claim>each).pass_before(claim)
            self.reenter(moved)
        return 0

    cdef int pass_waiting(self, Claim inner) except -1:
        """Move a claim that is about to wait before those that wait for what is around it."""
        cdef Claim first
        cdef Pool pool
        held = inner.request.held_around()
        for each in held:
            pool = <Pool>each
            first = self.first(pool)
            if first is not None and inner.may_pass(first) and not pool.has(first.wanted_of(pool)):
                inner.pass_before(first)
        for each in held:
            pool = <Pool>each
            if pool.passed is not None and pool.passed <= inner.order:
                pool.passed = None
        return 0

    # ------------------------------------------------------------------------------------------------------ queues

    cdef int enter(self, Claim claim) except -1:
        """Let a claim wait; if it can be granted by now, it is."""
        self.waiting[claim] = None
        if claim.request.around:
            self.inside[claim] = None
        self.look_up(claim)
        if not self.joins_line(claim):
            self.enqueue(claim)
            self.settle()
        return 0

    cdef bint joins_line(self, Claim claim) except -1:
        """Let a claim wait where others do, if that is all that there is to do: it is first nowhere."""
        cdef Claim first
        if len(claim.shares) != 1 or claim.tokens or (<tuple>claim.request.found)[3]:
            return False
        pool = (<tuple>claim.shares[0])[0]
        queue = self.queues.get(pool)
        if queue is None:
            return False
        first = (<WaitQueue>queue).first()
        if first is None or claim.order < first.order:
            return False
        claim.in_pools = True
        (<WaitQueue>queue).add(claim, claim.order)
        return True

    cdef int look_up(self, Claim claim) except -1:
        """Find what applies to a claim now. It waits in no queue."""
        claim.request.look_up(self.rulebook)
        claim.shares = claim.request.all_shares
        if claim.request.all_tokens:
            claim.tokens = tuple([each for each in claim.request.all_tokens if each[1]])
        else:
            claim.tokens = ()
        claim.order = (-claim.request.known_priority(), claim.arrival)
        if claim.passed is not None and claim.passed < claim.order:
            claim.order = claim.passed
        if claim.request.around:
            self.pass_waiting(claim)
        return 0

    cdef int enqueue(self, Claim claim) except -1:
        """Put a claim into the queues of its rates, and examine it next."""
        cdef Claim before
        for rate, _ in claim.tokens:
            before = self.first(rate)
            self.wait_for(claim, rate)
            if before is not None and self.first(rate) is claim:  # by its priority, or it returns from a pause
                self.leave_pools(before)
        _heappush(self.candidates, (claim.order, claim))
        return 0

    cdef int wait_for(self, Claim claim, supply) except -1:
        queue = self.queues.get(supply)
        if queue is None:
            queue = self.queues[supply] = WaitQueue()
        (<WaitQueue>queue).add(claim, claim.order)
        return 0

    cdef int requeue(self, list moved) except -1:
        """Move claims to the queues of the rules that apply now, each to its place by priority and arrival."""
        for claim in moved:
            self.unpause(<Claim>claim)
            self.leave_queues(<Claim>claim)
        self.reenter(moved)
        self.settle()
        return 0

    cdef int reenter(self, list moved) except -1:
        """Put claims that have left their queues into those of the rules that apply now."""
        for claim in moved:
            self.look_up(<Claim>claim)
        if self.candidates:  # some of them, which have become the first in a queue, may have another priority now
            self.candidates = [((<Claim>claim).order, claim) for _, claim in self.candidates]
            _heapify(self.candidates)
        for claim in moved:
            self.enqueue(<Claim>claim)
        return 0

    cdef int remove(self, Claim claim) except -1:
        """Remove a claim: it no longer waits."""
        del self.waiting[claim]
        if claim.request.around:
            self.inside.pop(claim, None)
        self.unpause(claim)
        self.leave_queues(claim)
        return 0

    cdef int unpause(self, Claim claim) except -1:
        pause, claim.paused_by = claim.paused_by, None
        if pause is not None:
            paused = self.paused[pause]
            del paused[claim]
            if not paused:
                del self.paused[pause]
        return 0

    cdef int leave_queues(self, Claim claim) except -1:
        self.leave_pools(claim)
        for rate, _ in claim.tokens:
            self.leave_queue(claim, rate)
            if rate not in self.queues:
                self.wakes.discard(rate)
        return 0

    cdef int leave_pools(self, Claim claim) except -1:
        if claim.in_pools:
            claim.in_pools = False
            for pool, _ in claim.shares:
                self.leave_queue(claim, pool)
        return 0

    cdef int leave_queue(self, Claim claim, supply) except -1:
        cdef WaitQueue queue = <WaitQueue>self.queues.get(supply)
        cdef bint was_first
        if queue is None:
            return 0
        was_first = queue.first() is claim
        queue.discard(claim)
        if not queue.places:
            del self.queues[supply]
        elif was_first and (
            self.inside or not isinstance(supply, Pool) or (<Pool>supply).used < (<Pool>supply).capacity
        ):
            self.push_first(queue)
        return 0

    cdef Claim first(self, supply):
        """Return the first claim that waits for a pool or rate, or None."""
        queue = self.queues.get(supply)
        return None if queue is None else (<WaitQueue>queue).first()

    cdef int first_changed(self, supply) except -1:
        """Make the first claim that waits for a pool or rate a candidate."""
        queue = self.queues.get(supply)
        if queue is not None:
            self.push_first(<WaitQueue>queue)
        return 0

    cdef int push_first(self, WaitQueue queue) except -1:
        cdef Claim first = queue.first()
        if first is not None:
            _heappush(self.candidates, (first.order, first))
        return 0

    def reason(self, Claim claim not None):
        """Return the first thing that a claim waits for, as text for an event."""
        if claim.paused_by is not None:
            return claim.paused_by.reason()
        now = self.timers.now()
        for rate, wanted in claim.tokens:
            if self.first(rate) is not claim or not rate.ready(now, wanted):
                return rate.reason(wanted)
        for pool, wanted in claim.shares:
            if not (<Pool?>pool).has(wanted):
                return pool.reason(wanted)
        for pool, wanted in claim.shares:
            if self.first(pool) is not claim:
                return f"{pool.reason(wanted)}, others wait before it"
        raise InternalError("a claim waits for nothing")
