"""Dispatch: how one node is executed, on the fast path or the slow one."""

from cpython.object cimport PyObject

from cascade._core.expr.builtin_nodes cimport Skip
from cascade._core.run.branching cimport Branching
from cascade._core.run.frame cimport Frame
from cascade._core.expr.task cimport Task
from cascade._core.shape.template cimport Node


cdef class Dispatching(Branching):
    cdef Py_ssize_t at  # the node of the top frame that is being executed, or whose value is being settled
    cdef list launches  # calls for workers, kept until this advance is over; None: there are none
    cdef object completion  # of the expression that a node has just given: to be called with its value

    cdef PyObject* execute(self, Frame frame, Node* node) except NULL
    cdef PyObject* call_async(self, Frame frame, object coroutine) except NULL
    cdef PyObject* call_worker(self, Frame frame, Node* node, int mode) except NULL
    cdef int note_inline(self, Task task, int mode) except -1
    cdef int launch(self) except -1
    cdef PyObject* execute_slow(self, Frame frame, Node* node) except NULL
    cdef bint has_begun(self, Frame frame, Py_ssize_t at) except -1
    cdef PyObject* report_scope(self, Frame frame, Node* node, Py_ssize_t at) except NULL
    cdef bint request_permit(self, Frame frame, Node* node) except -1
    cdef bint takes_placeholder(self, Frame frame, Node* node) noexcept
    cdef PyObject* call_invocation(self, Frame frame, Node* node) except NULL
    cdef int notify_skipped(self, Frame frame, Node* node, Py_ssize_t at, Skip skip) except -1
    cdef int notify_finished(self, Frame frame, Py_ssize_t node) except -1
    cdef int notify_tail_finished(self, Frame frame, Py_ssize_t node) except -1
    cdef int notify_pruned(self, Frame frame) except -1
    cdef bint is_tail(self, Frame frame, Node* node, Py_ssize_t at) noexcept
