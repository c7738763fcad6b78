"""The admission queue: which requests wait, and which is granted next."""

from cascade._core.limits.pools cimport Pool
from cascade._core.limits.requests cimport Claim, Grant
from cascade._core.limits.wait_queue cimport WaitQueue


cdef class AdmissionQueue:
    cdef public bint stopped
    cdef readonly object timetable
    cdef WaitQueue wakes, expiries  # of the timetable
    cdef object rulebook
    cdef object timers
    cdef object expire
    cdef long long arrivals
    cdef dict waiting  # the claims that wait, in order of arrival
    cdef dict queues  # by pool or rate, those that are not empty
    cdef dict paused  # by pause, the claims that it holds up, of those examined under it
    cdef dict inside  # of the claims that wait, those inside of a scope or a call that holds something
    cdef list candidates  # a heap of the claims for which something has changed: (order, claim)
    cdef long long generation  # incremented by `clear`, after which older grants give nothing back

    cdef int settle(self) except -1
    cdef int examine(self, Claim claim) except -1
    cdef bint all_ready(self, tuple tokens) except -1
    cdef Grant grant(self, tuple shares, tuple tokens)
    cdef int requeue_beneath(self, holdings) except -1
    cdef int let_pass(self, Claim claim, Pool pool) except -1
    cdef int pass_waiting(self, Claim inner) except -1
    cdef int enter(self, Claim claim) except -1
    cdef bint joins_line(self, Claim claim) except -1
    cdef int look_up(self, Claim claim) except -1
    cdef int enqueue(self, Claim claim) except -1
    cdef int wait_for(self, Claim claim, supply) except -1
    cdef int requeue(self, list moved) except -1
    cdef int reenter(self, list moved) except -1
    cdef int remove(self, Claim claim) except -1
    cdef int unpause(self, Claim claim) except -1
    cdef int leave_queues(self, Claim claim) except -1
    cdef int leave_pools(self, Claim claim) except -1
    cdef int leave_queue(self, Claim claim, supply) except -1
    cdef Claim first(self, supply)
    cdef int first_changed(self, supply) except -1
    cdef int push_first(self, WaitQueue queue) except -1
