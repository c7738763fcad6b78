"""Durations and instants that users give, as the core counts them: in nanoseconds."""

from libc.stdint cimport int64_t

cdef double LONGEST  # seconds: the longest duration

cdef int64_t nanoseconds(object seconds, str what) except -1
cdef int64_t period_of(object duration, str what) except -1
cdef int64_t instant_of(object instant, str what, int64_t now, bint is_virtual, double speed) except? -1
