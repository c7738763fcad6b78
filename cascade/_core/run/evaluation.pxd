"""Evaluation: the state of one run between two decisions."""

from cascade._core.run.frame cimport Frame
from cascade._core.expr.lazy cimport LazyResult
from cascade._core.run.dispatch cimport Starting
from cascade._core.run.scheduler cimport RunPhase


cdef class Evaluation(Starting):
    cdef object context  # in which its tasks run
    cdef object target  # until it begins
    cdef public object _extras  # optional state, params among it; None: there is none
    cdef Frame top  # of the stack of frames that can go on
    cdef LazyResult expansion  # the value of the node that was just executed, if it is an expression
    cdef readonly long long iterations  # tail calls so far
    cdef object value
    cdef list errors  # what failed, in order, each once
    cdef set failed  # their ids
    cdef bint interrupted  # it was to be cancelled, from outside, and did not come to its value before
    cdef public bint _retrieved  # its outcome was asked for

    cdef int detach(self) except -1
    cdef void drop(self) noexcept
    cdef int go_on(self) except -1
    cdef int run_frames(self) except -1
    cdef int run_frame(self, Frame frame) except -1
    cdef Frame enter(self, LazyResult expression, Frame parent, Py_ssize_t parent_node)
    cdef int admit(self, Frame frame) except -1
    cdef int replace(self, Frame frame) except -1
    cdef int tell_tail(self, Frame frame) except -1
    cdef int leave(self, Frame frame) except -1
    cdef int settle(self, Frame frame, Py_ssize_t node, object value, object completion) except -1
    cdef int settle_item(self, Frame frame, Py_ssize_t node, Py_ssize_t item, object value) except -1
    cdef int look_again(self, Frame frame, Py_ssize_t node) except -1
    cdef int settle_landed(self) except -1
    cdef int fail(self, object error, Frame frame, Py_ssize_t node) except -1
    cdef int record(self, object error, Frame frame, Py_ssize_t node) except -1
    cdef int stop(self) except -1

    cdef inline void enter_phase(self, RunPhase phase) noexcept:
        """The one place where its phase changes; it never goes back."""
        if phase > self.phase:
            self.phase = phase

    cdef inline void push(self, Frame frame) noexcept:
        if not frame.stacked:
            frame.stacked = True
            frame.below = self.top
            self.top = frame
