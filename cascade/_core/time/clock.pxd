"""The clock: what time it is, and who is to be woken when."""

cimport cython
from libc.stdint cimport INT64_MAX, int64_t, uint64_t


@cython.no_gc
cdef class Timer:
    cdef int64_t deadline  # nanoseconds on its clock
    cdef Py_ssize_t place  # in the heap plus one, 0: not in it

    cdef int fire(self, int64_t now) except -1


cdef class Alarm(Timer):
    cdef Clock clock
    cdef object call  # None once it was called or cancelled


ctypedef struct Entry:  # of the heap; the deadline stands here too, so that comparing touches no timer
    int64_t deadline
    uint64_t order  # of setting: among equal deadlines, first set, first fired
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
    cdef bint scaled  # not as fast as real time
    cdef bint claimed  # an engine has it
    cdef bint taken  # an event loop is running on it
    cdef int64_t origin  # nanoseconds of real time, where a scaled clock shows the same
    cdef int64_t instant  # nanoseconds: where virtual time stands

    cdef int64_t now(self) noexcept
    cdef int set(self, Timer timer, int64_t deadline) except -1
    cdef void cancel(self, Timer timer) noexcept
    cdef int release(self, int64_t now) except -1
    cdef bint leap(self) except -1
    cdef void up(self, Py_ssize_t at, Entry entry) noexcept
    cdef void down(self, Py_ssize_t at, Entry entry) noexcept

cdef int64_t nanoseconds(object seconds, str what) except -1
cdef int64_t monotonic() noexcept


cdef inline int64_t after(int64_t now, int64_t span) noexcept:
    """A deadline; the end of time if it would lie beyond."""
    return now + span if span <= INT64_MAX - now else INT64_MAX
