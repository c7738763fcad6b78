"""Starting nodes: where the work of one is done, and what goes with it."""

from cpython.object cimport PyObject

from cascade._core.run.branching cimport Deciding
from cascade._core.run.frame cimport Frame
from cascade._core.expr.task cimport Task
from cascade._core.shape.template cimport Node


cdef class Starting(Deciding):
    cdef Py_ssize_t at  # the node of the top frame that is being executed
    cdef list launches  # to workers, when this advance is over
    cdef object completion  # what is to be called with the value of the expression that a node has just given

    cdef PyObject* execute(self, Frame frame, Node* node) except NULL
    cdef PyObject* call_async(self, Frame frame, object coroutine) except NULL
    cdef PyObject* call_worker(self, Frame frame, Node* node, int mode) except NULL
    cdef int stay(self, Task task, int mode) except -1
    cdef int launch(self) except -1
    cdef PyObject* step_aside(self, Frame frame, Node* node) except NULL
    cdef bint may_start(self, Frame frame, Node* node) except -1
    cdef bint takes_placeholder(self, Frame frame, Node* node) noexcept
    cdef PyObject* call_step(self, Frame frame, Node* node) except NULL
    cdef int tell_end(self, Frame frame, Py_ssize_t node) except -1
    cdef int tell_last(self, Frame frame, Py_ssize_t node) except -1
    cdef bint is_tail(self, Frame frame, Node* node, Py_ssize_t at) noexcept
