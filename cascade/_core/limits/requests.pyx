"""Requests, grants and claims: what a call asks for before it starts, what it holds, and a request that waits."""

from cascade._core.public cimport name_type

from cascade._core.limits.applicable import NO_RULES as _NO_RULES
from cascade._core.limits.units import UNIT as _UNIT, shown

from cascade.exceptions import LimitError


cdef class Request:
    """What calls of one task in one run ask for: amounts of limits, and admission by the rules that apply to them.

    A request names no rules: they are looked up when it is used, so it can be kept and used again after they changed.

    Args:
        task: the module and qualified name of the task.
        qualname: its qualified name.
        run: the number of the run.
        limits: the limits that it asks for, with units >= 1: (pool, units).
        names: what else selectors match for the run.
        tokens: the rates that it asks for by name, with units: (rate, units).
        priority: of the call; None: that of the rules that apply.
        is_scope: whether it is of a scope: rules about how many calls run or start do not apply.
        around: the grants of the scopes and calls that it is inside of, from the inside out.
    """

    def __init__(
        self, str task not None, str qualname not None, run, tuple limits not None, tuple names not None=(),
        tuple tokens not None=(), priority=None, bint is_scope=False, tuple around not None=(),
    ):
        self.task = task
        self.qualname = qualname
        self.run = run
        self.names = names
        self.limits = limits
        self.named = tokens
        self.own_priority = priority
        self.is_scope = is_scope
        self.around = around
        self.version = -1 if around else 0
        self.found = _NO_RULES
        self.all_shares = limits
        self.all_tokens = tokens

    cdef object look_up(self, rulebook):
        """Find what applies to it now."""
        version = rulebook.version
        if self.version != version:
            self.version = version
            found = rulebook.find(self.task, self.qualname, self.run, self.names)
            if self.is_scope:
                found = found._replace(pools=(), rates=())
            self.found = found
            shares, tokens = self.limits, self.named
            if found.pools:
                shares = (*shares, *[(pool, _UNIT) for pool in found.pools])
            if found.rates:
                tokens = (*tokens, *[(rate, _UNIT) for rate in found.rates])
            if self.around:
                shares = tuple([(self.nearest(pool), wanted) for pool, wanted in shares])
            self.all_shares, self.all_tokens = shares, tokens
        return self.found

    def applicable(self, rulebook):
        """Return the rules that apply to it now."""
        return self.look_up(rulebook)

    def shares(self, rulebook):
        """Return what it takes of which pools, by the rules that apply to it now."""
        self.look_up(rulebook)
        return self.all_shares

    def tokens(self, rulebook):
        """Return what it takes of which rates, by the rules that apply to it now."""
        self.look_up(rulebook)
        return self.all_tokens

    def priority(self, rulebook):
        """Return its priority: its own, or the highest of the rules that apply to it now, or 0."""
        self.look_up(rulebook)
        return self.known_priority()

    cdef object known_priority(self):
        """The priority by the rules that were looked up last."""
        if self.own_priority is not None:
            return self.own_priority
        rules = (<tuple>self.found)[2]
        return max([rule.priority for rule in rules]) if rules else 0

    def forget_holdings(self):
        """Something around it has ended: find again what it takes from which pools."""
        self.version = -1

    cdef Pool nearest(self, Pool pool):
        """Return the pool that it takes units of a limit from: what something around it holds, or the limit."""
        cdef Holding holding
        for grant in self.around:
            holding = (<Grant?>grant).find_holding(pool)
            if holding is not None:
                return holding
        return pool

    cdef bint is_inside(self, Pool pool) except -1:
        """Whether something around it holds a part of a pool."""
        cdef Pool held
        for grant in self.around:
            if (<Grant?>grant).lender is not None:
                for held, _ in (<Grant>grant).shares:
                    if held.find_open() is pool:
                        return True
        return False

    cdef list held_around(self):
        """Return the pools of which something around it holds a part."""
        cdef Pool held
        pools = []
        for grant in self.around:
            if (<Grant?>grant).lender is not None:
                for held, _ in (<Grant>grant).shares:
                    pools.append(held.find_open())
        return pools

    def check(self):
        """Check that it can be granted at some time.

        Raises:
            LimitError: it asks for more than the capacity of a limit, than the burst of a rate, or than what the scope
                around it holds.
        """
        self.check_amounts()

    cdef int check_amounts(self) except -1:
        cdef Pool pool
        for limit, wanted in self.limits:
            pool = self.nearest(<Pool?>limit) if self.around else <Pool?>limit
            if wanted > pool.capacity:
                what = "what the scope around it holds" if type(pool) is Holding else "the capacity of the limit"
                raise LimitError(_too_much(pool.name, pool.capacity, what, wanted, self.task))
        for rate, wanted in self.named:
            if wanted > rate.burst:
                raise LimitError(_too_much(rate.name, rate.burst, "the burst of the rate", wanted, self.task))
        return 0


def _too_much(name, most, what, wanted, task):
    return f"amount of {name!r} must be at most {shown(most)}, {what}, got {shown(wanted)} - at task {task}"


cdef class Grant:
    """Permission to start a call. It is held until the call has ended; as a context manager, it is released at the end.

    Args:
        lender: has `take_back`, which takes back what was taken; None: there is nothing to take back.
        shares: what was taken of which pools.
        tokens: what was taken of which rates.
        generation: of the lender.

    Attributes:
        shares: what was taken of which pools.
        generation: of the lender.
        tokens: what was taken of which rates; changed by `settle`.
        holdings: by pool, what calls inside of what holds this can take; made when one of them asks.
    """

    def __init__(self, lender, tuple shares not None=(), tuple tokens not None=(), long long generation=0):
        self.lender = lender
        self.shares = shares
        self.tokens = tokens
        self.generation = generation

    @property
    def is_held(self):
        """Whether there is something to give back that was not given back."""
        return self.lender is not None

    cpdef release(self):
        """Give back what was taken; later calls do nothing."""
        lender, self.lender = self.lender, None
        if lender is not None:
            lender.take_back(self, True)

    cpdef undo(self):
        """Give back all that was taken, tokens of rates included: the call has not started."""
        lender, self.lender = self.lender, None
        if lender is not None:
            lender.take_back(self, False)

    def settle(self, rate, used):
        """Note what was really used of a rate, in units. Return what was noted before."""
        before = dict(self.tokens)
        self.tokens = tuple({**before, rate: used}.items())
        return before.get(rate, 0)

    cdef Holding find_holding(self, Pool limit):
        """Return what this holds of a limit, for calls inside of what holds it; None: it holds nothing of it."""
        cdef Holding holding
        if self.lender is None:
            return None
        for pool, amount in self.shares:
            if (<Pool?>pool).find_root() is limit.find_root():
                if self.holdings is None:
                    self.holdings = {}
                holding = <Holding>self.holdings.get(pool)
                if holding is None:
                    holding = self.holdings[pool] = Holding(pool, amount)
                return holding
        return None

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.release()


cdef class Claim:
    """A request that waits, made by `AdmissionQueue.submit`. Claims are ordered by priority, then by arrival.

    Attributes:
        arrival: its place among all claims that ever waited. It keeps this place when rules change.
        request: what is asked for.
        receiver: is given the grant.
        order: minus its priority, and its arrival; or the place before another claim. It changes only while the claim
            waits in no queue.
        tokens: what it takes of the rates in whose queues it waits.
        shares: what it takes of which pools. It waits in the queues of these pools only when nothing else holds it
            up, so that a claim which is paused or waits for a rate does not block others.
        paused_by: the pause that holds it up; None: no pause does.
        passed: the place before another claim, which waits for something that is held around this one; or None.
        before: the arrivals of that claim and of those before which that one has passed in turn.
    """

    cdef bint may_pass(self, Claim other) except -1:
        """Whether it is behind another claim, and that one has not passed before it: two may wait for each other."""
        return other is not self and other.order < self.order and self.arrival not in other.before

    cdef int pass_before(self, Claim other) except -1:
        """Take the place before another claim, which it may pass."""
        self.passed = self.order = (*other.order[:-1], other.order[-1] - 1, self.arrival)
        self.before = (*other.before, other.arrival)
        return 0

    cdef object wanted_of(self, Pool pool):
        """Return how much it wants of a pool in whose queue it waits."""
        return dict(self.shares)[pool]


cdef Claim new_claim(long long arrival, Request request, object receiver):
    cdef Claim claim = Claim.__new__(Claim)
    claim.arrival = arrival
    claim.request = request
    claim.receiver = receiver
    claim.order = claim.tokens = claim.shares = claim.before = ()
    return claim


cdef Grant new_grant(object lender, tuple shares, tuple tokens, long long generation):
    cdef Grant grant = Grant.__new__(Grant)
    grant.lender = lender
    grant.shares = shares
    grant.tokens = tokens
    grant.generation = generation
    return grant


name_type(Request, b"cascade.limits.Request")
name_type(Grant, b"cascade.limits.Grant")

UNLIMITED_REQUEST = Request("", "", 0, ())
NOTHING = Grant(None)

UNLIMITED = UNLIMITED_REQUEST
EMPTY_GRANT = NOTHING
