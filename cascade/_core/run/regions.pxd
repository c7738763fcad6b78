"""Regions: parts of a run that an asyncio task of the engine has evaluated, and awaits."""

from cpython.object cimport PyObject

from cascade._core.expr.lazy cimport LazyResult
from cascade._core.run.stopped cimport Region
from cascade._core.run.catching cimport Catching
from cascade._core.run.frame cimport Frame
from cascade._core.run.waiting cimport Launched, Waiter
from cascade._core.shape.template cimport Node


cdef class Regions(Catching):
    cdef list requests  # of the engine, to be served in the next advance; None: there are none

    cdef int request(self, str what, object first, object second, object third) except -1
    cdef int serve_requests(self) except -1
    cdef int open_scope(self, Waiter waiter, object future, object grant) except -1
    cdef PyObject* call_scope(self, Frame frame, Node* node) except NULL
    cdef bint is_waited_for(self, Waiter waiter) noexcept
    cdef int open_child(self, Launched waiter, LazyResult expression, object future, object grant) except -1
    cdef bint holds_back(self, Waiter waiter) except -1
    cdef int close_region(self, object future, object closed) except -1
    cdef int stop_region(self, Region region) except -1
    cdef Region add_region(self, Frame frame, Py_ssize_t node, object future, object grant)
    cdef int finish_child(self, Frame frame, object value) except -1
    cdef int wake_map(self, Frame frame, Py_ssize_t node, bint has_landed) except -1
    cdef Frame enter(self, LazyResult expression, Frame parent, Py_ssize_t parent_node)
