"""Evaluation: one run, its frames, and what happens between two decisions of the engine."""

from cascade._core.expr.lazy cimport LazyResult
from cascade._core.run.frame cimport Frame
from cascade._core.run.regions cimport Regions


cdef class Evaluation(Regions):
    cdef object context  # in which its tasks run
    cdef public object _extras  # optional state, params among it; None: there is none
    cdef public long long _max_iterations  # tail calls that it may make

    cdef int go_on(self) except -1
    cdef int work(self) except -1
    cdef int run_frames(self) except -1
    cdef int run_frame(self, Frame frame) except -1
    cdef int admit(self, Frame frame) except -1
    cdef int remember(self, Frame frame, LazyResult expression) except -1
    cdef int exceed(self, Frame frame) except -1
    cdef int replace(self, Frame frame) except -1
    cdef int replace_observed(self, Frame frame) except -1
    cdef int finish_frame(self, Frame frame) except -1
    cdef int settle_returned(self, Frame frame, Py_ssize_t node, object value, object completion) except -1
    cdef int settle(self, Frame frame, Py_ssize_t node, object value, object completion) except -1
    cdef int settle_item(self, Frame frame, Py_ssize_t node, Py_ssize_t item, object value) except -1
    cdef int make_ready(self, Frame frame, Py_ssize_t node) except -1
    cdef int settle_landed(self) except -1

    cdef inline void number_calls(self, Frame frame) noexcept:
        """Give the calls of a frame their numbers."""
        frame.first_call = self.scheduler.calls
        self.scheduler.calls += frame.template.node_count
