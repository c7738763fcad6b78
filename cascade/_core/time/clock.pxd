"""The clock: the engine's time, real or virtual, and its timers."""

cimport cython
from libc.stdint cimport INT64_MAX, int64_t, uint64_t


@cython.no_gc
cdef class Timer:
    cdef int64_t deadline  # nanoseconds on its clock
    cdef Py_ssize_t place  # index in the heap plus one; 0: it is not set

    cdef int fire(self, int64_t now) except -1


cdef class Alarm(Timer):
    cdef Clock clock
    cdef object call  # None once it was called or cancelled


ctypedef struct Entry:  # of the heap; with a copy of the deadline, so that comparing reads no timer
    int64_t deadline
    uint64_t order  # of setting: among equal deadlines, the first one set fires first
    void* timer  # an owned Timer


cdef class Clock:
    cdef Entry* heap
    cdef Py_ssize_t count
    cdef Py_ssize_t room
    cdef uint64_t order
    cdef Py_ssize_t alarms  # among the timers in the heap
    cdef readonly bint is_virtual
    cdef readonly object seed
    cdef readonly double speed  # seconds for one of real time
    cdef bint scaled  # `speed` is not 1
    cdef bint claimed  # an engine uses it
    cdef bint taken  # an event loop advances it
    cdef int64_t origin  # nanoseconds: the real time at which a scaled clock was made
    cdef int64_t instant  # nanoseconds: the virtual time

    cdef int64_t now(self) noexcept
    cdef int set(self, Timer timer, int64_t deadline) except -1
    cdef void cancel(self, Timer timer) noexcept
    cdef int release(self, int64_t now) except -1
    cdef bint leap(self) except -1
    cdef void up(self, Py_ssize_t at, Entry entry) noexcept
    cdef void down(self, Py_ssize_t at, Entry entry) noexcept

cdef int64_t monotonic() noexcept


cdef inline int64_t after(int64_t now, int64_t span) noexcept:
    """A deadline `span` after `now`, at most the largest number."""
    return now + span if span <= INT64_MAX - now else INT64_MAX
