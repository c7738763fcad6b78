"""The clock: what time it is, and who is to be woken when."""

cimport cython
from libc.stdint cimport int64_t, uint64_t


@cython.no_gc
cdef class Timer:
    cdef int64_t deadline  # nanoseconds on its clock
    cdef Py_ssize_t place  # in the heap plus one, 0: not in it

    cdef int fire(self, int64_t now) except -1


cdef class Alarm(Timer):
    cdef Clock clock
    cdef object call


ctypedef struct Entry:  # of the heap; the deadline stands here too, so that comparing touches no timer
    int64_t deadline
    uint64_t order  # of setting: among equal deadlines, first set, first fired
    void* timer  # an owned Timer


cdef class Clock:
    cdef Entry* heap
    cdef Py_ssize_t count
    cdef Py_ssize_t room
    cdef uint64_t order

    cdef int64_t now(self) noexcept
    cdef int set(self, Timer timer, int64_t deadline) except -1
    cdef int cancel(self, Timer timer) except -1
    cdef int release(self, int64_t now) except -1
    cdef void up(self, Py_ssize_t at, Entry entry) noexcept
    cdef void down(self, Py_ssize_t at, Entry entry) noexcept

cdef int64_t nanoseconds(object seconds, str what) except -1
cdef int64_t monotonic() noexcept
