"""Scopes that only hold amounts of limits."""

from cascade._core.run.waiting cimport Launched


cdef class HeldScope:
    cdef object host  # the engine
    cdef object run
    cdef Launched waiter
    cdef readonly object held  # the grant; None: it waits for it
    cdef readonly object claim  # that waits; None: none does
    cdef object blocked  # why it waits, and since when; None: no event was made of it
    cdef bint is_over  # the expression is of no use any longer
    cdef bint ended

    cdef int end(self, object value, object error, bint is_cancelled) except -1
