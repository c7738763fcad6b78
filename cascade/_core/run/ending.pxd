"""Ending: how a run fails, is cancelled, killed or detached, and what it came to."""

from libc.stdint cimport uint8_t

from cascade._core.expr.lazy cimport LazyResult
from cascade._core.run.dispatch cimport Dispatching
from cascade._core.run.frame cimport Frame
from cascade._core.run.scheduler cimport RunPhase
from cascade._core.run.waiting cimport Waiter


cdef class Ending(Dispatching):
    cdef object target  # a lazy result, until the run begins
    cdef Frame top  # of the stack of frames that can go on
    cdef LazyResult expansion  # the value of the node that was just executed, if it is an expression
    cdef object value
    cdef list errors  # in the order in which they were raised, each once; None: there are none
    cdef set failed  # their ids
    cdef uint8_t has_catching  # in some expression of it something catches failures
    cdef uint8_t interrupted  # cancellation was requested from outside, before the run came to a value
    cdef list received  # the messages in its value that it has received itself and no task had; None: there are none
    cdef public bint _retrieved  # the engine has given the outcome to its user

    cdef int fail(self, object error, Frame frame, Py_ssize_t node) except -1
    cdef object as_raised(self, object error)
    cdef int record(self, object error, Frame frame, Py_ssize_t node) except -1
    cdef int stop(self) except -1
    cdef int fail_late(self, object error, Frame frame, Waiter waiter) except -1
    cdef int discard_landed(self) except -1
    cdef int detach(self) except -1
    cdef void leave_frames(self) noexcept
    cdef void drop(self) noexcept

    cdef inline void enter_phase(self, RunPhase phase) noexcept:
        """Change the phase, which never goes back. Nothing else changes it."""
        if phase > self.phase:
            self.phase = phase

    cdef inline void push(self, Frame frame) noexcept:
        """Put a frame on top of the stack of those that can go on, unless it stands there."""
        if not frame.stacked:
            frame.stacked = True
            frame.below = self.top
            self.top = frame
