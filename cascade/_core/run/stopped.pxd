"""What is stopped of a run, and what awaits its end."""

from cascade._core.expr.builtin_nodes cimport Failed
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
    cdef object future  # of asyncio, or like one: its result is the value, the error, and unseen messages
    cdef object grant  # of the limits: what the scope or the call holds, for calls in it; None: nothing
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
    cdef list unseen
    cdef dict dying
    cdef dict dying_in

    cdef bint holds(self, Frame frame, Py_ssize_t node) except -1


cdef class Enclosing:
    cdef dict scopes
    cdef dict known

    cdef int prepare(self, list regions) except -1
    cdef int mark(self, Region region, dict others, dict places) except -1
    cdef list regions_of(self, Frame frame, Py_ssize_t node)


cdef bint may_be_caught(object error) noexcept
cdef int set_result(object future, object result) except -1
cdef int cancel_future(object future) except -1
