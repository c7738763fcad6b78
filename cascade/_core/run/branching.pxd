"""Branching: nodes that decide which others are evaluated, and how often."""

from cpython.object cimport PyObject
from libc.stdint cimport int32_t

from cascade._core.run.frame cimport Frame
from cascade._core.expr.task cimport Task
from cascade._core.shape.template cimport Node
from cascade._core.run.waiting cimport Waiting
from cascade._core.expr.map_inputs cimport Zipped


cdef class MapState:
    cdef bint returns_failures  # the result of an item that fails is its exception
    cdef Task task
    cdef Zipped zipped
    cdef tuple names  # of an item's arguments: the zipped ones, then the constants, or in the order of the call
    cdef list constants
    cdef list order  # where each argument by name stands among the zipped ones and the constants; None: in their order
    cdef list policies  # (role, operand) of the policies that every item has
    cdef list results
    cdef Py_ssize_t in_flight  # items that have started and not ended
    cdef Py_ssize_t concurrency  # how many may be in flight at once
    cdef bint exhausted  # no item is left to start
    cdef bint queued  # the node stands in its frame's heap of ready nodes
    cdef bint is_fed  # the engine is taking items of async inputs, or closing these: the node has a waiter for that


cdef PyObject* DEFERRED  # instead of a value: the node is executed again, once its chosen node or an item has one


cdef class Branching(Waiting):
    cdef Py_ssize_t item  # number (1, 2, ...) of the item that a map has just started

    cdef PyObject* execute_builtin(self, Frame frame, Node* node, Py_ssize_t at) except NULL
    cdef PyObject* execute_catching(self, Frame frame, Node* node, Py_ssize_t at) except NULL
    cdef bint is_predecessor(self, Frame frame, Node* node, int32_t operand) noexcept
    cdef bint decide(self, Frame frame, Node* node, Py_ssize_t at, PyObject* value) except -1
    cdef Py_ssize_t choose_whole(self, Frame frame, Node* node, Py_ssize_t at) except -2
    cdef int raise_failed(self, PyObject* value) except -1
    cdef PyObject* choose(self, Frame frame, Node* node, Py_ssize_t at) except NULL
    cdef Py_ssize_t choose_branch(self, Frame frame, Node* node) except -2
    cdef Py_ssize_t choose_route(self, Frame frame, Node* node, PyObject** value) except -2
    cdef PyObject* start_item(self, Frame frame, Node* node, Py_ssize_t at) except NULL
    cdef int launch_feed(self, Frame frame, Py_ssize_t at, MapState state) except -1
    cdef MapState open_map(self, Frame frame, Node* node, Py_ssize_t at)
    cdef PyObject* resource(self, Frame frame, Node* node, Py_ssize_t at) except NULL
    cdef PyObject* inherited(self, Frame frame, Node* node) except? NULL
    cdef PyObject* part_of_value(self, Frame frame, int32_t at) except? NULL
    cdef PyObject* build_skipping(self, Frame frame, Node* node, Py_ssize_t at, PyObject* skip) except NULL
