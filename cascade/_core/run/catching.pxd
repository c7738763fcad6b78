"""Catching: failures that become values instead of ending their run."""

from cpython.object cimport PyObject

from cascade._core.expr.builtin_nodes cimport Failed
from cascade._core.expr.lazy cimport LazyResult
from cascade._core.run.ending cimport Ending
from cascade._core.run.frame cimport Frame
from cascade._core.run.waiting cimport Waiter
from cascade._core.shape.template cimport Node


cdef class Catch:
    cdef Frame frame  # in which it goes on once everything that was stopped has ended
    cdef Py_ssize_t node  # beneath which things were stopped
    cdef Failed failed  # None: nothing has failed
    cdef list poisoned  # nodes that have `failed` as their value: those to be resolved by it
    cdef bint again  # the node itself is to be executed again
    cdef Region region  # to be told about it; None: none
    cdef object closed  # a future, done once it is quiet; None: none
    cdef Py_ssize_t pending  # waiters that were cancelled and have not landed


cdef class Region:
    cdef Frame frame  # of the scope, or of the expression that is awaited
    cdef Py_ssize_t node  # of the scope; -1: the whole frame, which an async task awaits
    cdef object future  # of asyncio: its result is the pair of value and error


cdef class Catching(Ending):
    cdef dict regions  # by their future; None: there are none
    cdef list requests  # of the engine, to be served in the next advance; None: there are none
    cdef list closings  # catches whose end an asyncio task awaits; None: there are none

    cdef int catch_or_fail(self, object error, Frame frame, Py_ssize_t node) except -1
    cdef int catch_in(
        self, object error, Frame frame, Py_ssize_t node, Frame at, Py_ssize_t failed, list poisoned
    ) except -1
    cdef list poisoned_by(self, Frame frame, Py_ssize_t node, object error)
    cdef bint catches_at(self, Frame frame, Py_ssize_t at, Py_ssize_t operand, object error) except -1
    cdef int abort(self, Catch catch, bytearray doomed, Frame failing) except -1
    cdef int release_aborted(
        self, Catch catch, list frames, list landed, list waiting, list adopted, list handles
    ) except -1
    cdef int close(self, Catch catch) except -1
    cdef int settle_dying(self, Waiter waiter, Frame frame, object value, object error) except -1
    cdef Frame enter(self, LazyResult expression, Frame parent, Py_ssize_t parent_node)
    cdef int conclude(self, Catch catch) except -1
    cdef PyObject* recover(self, Frame frame, Node* node, object error) except NULL
    cdef PyObject* race(self, Frame frame, Node* node, Py_ssize_t at) except NULL
    cdef int serve_requests(self) except -1
    cdef int request(self, str what, object first, object second, object third) except -1
    cdef Region add_region(self, Frame frame, Py_ssize_t node, object future)
    cdef list reset_exclusive(self, Frame frame, Py_ssize_t at)
    cdef int open_child(self, Waiter waiter, LazyResult expression, object future) except -1
    cdef int finish_child(self, Frame frame, object value) except -1
    cdef int release_closings(self, list closings, list requests) except -1
    cdef int open_scope(self, Waiter waiter, object future) except -1
    cdef int close_region(self, object future, object closed) except -1
    cdef int end_region(self, Region region, object value, object error) except -1
