"""Aborting: a part of a run is stopped, and the rest goes on."""

from cascade._core.run.ending cimport Ending
from cascade._core.run.frame cimport Frame
from cascade._core.run.stopped cimport Catch, Region, Stopped
from cascade._core.run.waiting cimport Waiter


cdef class Aborting(Ending):
    cdef dict held  # waiters of async tasks that land once what they have left behind has ended; None: there are none
    cdef dict dying_in  # the waiters of `dying` that are in regions, and which these are; None: none is

    cdef int abort(self, Catch catch, list doomed, Frame failing) except -1
    cdef Stopped find_stopped(self, Catch catch, list doomed, Frame failing)
    cdef bint is_alone(self, Catch catch, list doomed, list path) except -1
    cdef int find_beneath(self, Stopped found, Catch catch) except -1
    cdef int find_waiter(self, Stopped found, Catch catch, Waiter waiter, bint landed) except -1
    cdef int count_dying(self, Stopped found) except -1
    cdef void unlink_stopped(self, Stopped found, Catch catch) noexcept
    cdef void unstack(self, list frames) noexcept
    cdef int release_stopped(self, Stopped found, Catch catch) except -1
    cdef int notify_stopped(self, Stopped found) except -1
    cdef bint note_failure(self, Catch catch, object error, Frame frame, Py_ssize_t node) except -1
    cdef int abandon(self, object completion) except -1
    cdef int settle_dying(self, Waiter waiter, Frame frame, object value, object error, object completion) except -1
    cdef int leave_regions(self, Waiter waiter) except -1
    cdef int leave_region(self, Region region) except -1
    cdef int conclude(self, Catch catch) except -1
    cdef int end_region(self, Region region, object value, object error, list unseen=*) except -1
    cdef int drop_region(self, Region region) except -1
    cdef void release_held(self) noexcept
    cdef int release_regions(self) except -1
