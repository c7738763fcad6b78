"""Aborting: a part of a run is stopped, and the rest goes on."""

from cpython.object cimport PyObject

from cascade._core.expr.builtin_nodes cimport Failed
from cascade._core.expr.lazy cimport LazyResult
from cascade._core.run.ending cimport Ending
from cascade._core.run.frame cimport Frame
from cascade._core.run.waiting cimport Launched, Waiter


cdef class Catch:
    cdef Frame frame  # continues once everything that was stopped has ended
    cdef Py_ssize_t node  # of it, beneath which things were stopped
    cdef list errors  # takes the failures of what was stopped; None: they are of no interest
    cdef Failed failed  # becomes the value of `poisoned`; None: nothing has failed
    cdef list poisoned  # nodes of the frame that have failed
    cdef bint again  # the node itself is executed again
    cdef Region region  # ends with the failure; None: there is none
    cdef Region closing  # was stopped, and that is the reason; None: there is none
    cdef Py_ssize_t pending  # how many waiters were cancelled and have not landed


cdef class Region:
    cdef Frame frame  # of the scope, or of the expression that is awaited
    cdef Py_ssize_t node  # of the scope; -1: the whole frame, which an async task awaits
    cdef object future  # of asyncio: its result is the pair of value and error
    cdef bint aborted  # it will have no result, and is kept until what was stopped in it has ended
    cdef Catch failing  # the failure that it ends with, once what was stopped by it has ended; None: it goes on
    cdef Py_ssize_t dying  # how many waiters in it were cancelled and have not landed
    cdef object closed  # a future of asyncio, done once that are none; None: nothing awaits it
    cdef list errors  # the failures of what was stopped with it, the result of `closed`; None: another one takes them
    cdef Launched waiter  # of the async task that awaits it, itself or through an asyncio task; None: it is a scope's


cdef class Stopped:
    cdef Frame root
    cdef list nodes
    cdef bytearray doomed
    cdef dict known
    cdef list frames
    cdef list landed
    cdef list withdrawn
    cdef list cancelled
    cdef list adopted
    cdef list regions
    cdef list maps
    cdef dict dying
    cdef dict dying_in

    cdef bint holds(self, Frame frame, Py_ssize_t node) except -1


cdef class Aborting(Ending):
    cdef dict held  # waiters of async tasks that land once what they have left behind has ended; None: there are none
    cdef dict dying_in  # the waiters of `dying` that are in regions, and which these are; None: none is

    cdef int abort(self, Catch catch, list doomed, Frame failing) except -1
    cdef bint is_alone(self, Catch catch, list doomed, list path) except -1
    cdef int find_beneath(self, Stopped found, Catch catch) except -1
    cdef int find_waiter(self, Stopped found, Catch catch, Waiter waiter, bint landed) except -1
    cdef int count_dying(self, Stopped found) except -1
    cdef void unlink_stopped(self, Stopped found, Catch catch) noexcept
    cdef void unstack(self, list frames) noexcept
    cdef int release_stopped(self, Stopped found, Catch catch) except -1
    cdef bint note_failure(self, Catch catch, object error, Frame frame, Py_ssize_t node) except -1
    cdef int abandon(self, object completion) except -1
    cdef int settle_dying(self, Waiter waiter, Frame frame, object value, object error, object completion) except -1
    cdef int leave_regions(self, Waiter waiter) except -1
    cdef int leave_region(self, Region region) except -1
    cdef int conclude(self, Catch catch) except -1
    cdef int end_region(self, Region region, object value, object error) except -1
    cdef int drop_region(self, Region region) except -1
    cdef void release_held(self) noexcept
    cdef int release_regions(self) except -1


cdef list undemanded(Frame frame, list seeds)
cdef bint may_be_caught(object error) noexcept
cdef int set_result(object future, object result) except -1
cdef int cancel_future(object future) except -1
