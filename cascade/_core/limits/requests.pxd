"""Requests, grants and claims: what a call asks for before it starts, what it holds, and a request that waits."""

from cascade._core.limits.pools cimport Holding, Pool


cdef class Request:
    cdef readonly str task
    cdef readonly str qualname
    cdef readonly object run
    cdef readonly tuple names
    cdef readonly tuple limits  # of (pool, units)
    cdef readonly tuple named  # of (rate, units)
    cdef readonly object own_priority
    cdef readonly bint is_scope
    cdef readonly tuple around
    cdef object version  # of the rulebook when the next three were found
    cdef object found  # the rules that apply
    cdef tuple all_shares
    cdef tuple all_tokens

    cdef object look_up(self, rulebook)
    cdef object known_priority(self)
    cdef int check_amounts(self) except -1
    cdef Pool nearest(self, Pool pool)
    cdef bint is_inside(self, Pool pool) except -1
    cdef list held_around(self)


cdef class Grant:
    cdef object lender
    cdef readonly tuple shares
    cdef readonly tuple tokens
    cdef readonly dict holdings
    cdef readonly long long generation

    cpdef release(self)
    cpdef undo(self)
    cdef Holding find_holding(self, Pool limit)


cdef class Claim:
    cdef readonly long long arrival
    cdef readonly tuple order
    cdef readonly Request request
    cdef readonly object receiver
    cdef readonly tuple tokens
    cdef readonly tuple shares
    cdef bint in_pools
    cdef readonly object paused_by
    cdef object passed
    cdef tuple before

    cdef bint may_pass(self, Claim other) except -1
    cdef int pass_before(self, Claim other) except -1
    cdef object wanted_of(self, Pool pool)


cdef Claim new_claim(long long arrival, Request request, object receiver)
cdef Grant new_grant(object lender, tuple shares, tuple tokens, long long generation)
cdef Request UNLIMITED_REQUEST
cdef Grant NOTHING
