"""Evaluation: the state of one run between two decisions."""

from cpython.object cimport PyObject

from cascade._core.frame cimport Frame
from cascade._core.lazy cimport LazyResult
from cascade._core.template cimport Node
from cascade._core.waiter cimport Awaiting


cdef class Evaluation(Awaiting):
    cdef object context  # in which its tasks run
    cdef readonly object target  # until it begins
    cdef Frame top  # of the stack of frames that can go on
    cdef Py_ssize_t at  # the node of the top frame that is being executed
    cdef LazyResult expansion  # the value of that node, if it is an expression
    cdef list launches  # to workers, when this advance is over
    cdef readonly long long iterations  # tail calls so far
    cdef readonly object value
    cdef readonly list errors  # what failed, in order, each once
    cdef set failed  # their ids
    cdef readonly bint ended
    cdef bint interrupted  # from outside

    cdef int go_on(self) except -1
    cdef int run_frames(self) except -1
    cdef int run_frame(self, Frame frame) except -1
    cdef PyObject* execute(self, Frame frame, Node* node) except NULL
    cdef PyObject* call_async(self, Frame frame, object coroutine) except NULL
    cdef PyObject* call_worker(self, Frame frame, Node* node, int mode) except NULL
    cdef Frame enter(self, LazyResult expression, Frame parent, Py_ssize_t parent_node)
    cdef int replace(self, Frame frame) except -1
    cdef int leave(self, Frame frame) except -1
    cdef int settle(self, Frame frame, Py_ssize_t node, object value) except -1
    cdef int settle_landed(self) except -1
    cdef int launch(self) except -1
    cdef int fail(self, object error, Frame frame, Py_ssize_t node) except -1
    cdef int stop(self) except -1

    cdef inline void push(self, Frame frame) noexcept:
        if not frame.stacked:
            frame.stacked = True
            frame.below = self.top
            self.top = frame
