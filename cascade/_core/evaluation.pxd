"""Evaluation: the state of one run between two decisions."""

from cpython.object cimport PyObject
from libc.stdint cimport int64_t

from cascade._core.frame cimport Frame
from cascade._core.lazy cimport LazyResult
from cascade._core.mailbox cimport Receiver
from cascade._core.scheduler cimport Runnable, Scheduler
from cascade._core.template cimport Node, Template


cdef class Waiter(Receiver):
    cdef Evaluation run
    cdef Frame frame
    cdef Py_ssize_t node
    cdef public object handle  # what can be cancelled: a future; None for timers and mailboxes
    cdef object value
    cdef object error
    cdef bint landed
    cdef Waiter next  # in the run's list of waiters
    cdef PyObject* previous
    cdef Waiter next_landed

    cdef int land(self, object value, object error) except -1


cdef class Evaluation(Runnable):
    cdef Scheduler scheduler
    cdef object context  # in which its tasks run
    cdef readonly object target  # until it begins
    cdef Frame top  # of the stack of frames that can go on
    cdef Py_ssize_t at  # the node of the top frame that is being executed
    cdef LazyResult expansion  # the value of that node, if it is an expression
    cdef Waiter waiters
    cdef Waiter first_landed
    cdef Waiter last_landed
    cdef list launches  # to workers, when this advance is over
    cdef readonly long long iterations  # tail calls so far
    cdef readonly object value
    cdef readonly list errors  # what failed, in order
    cdef readonly bint ended
    cdef readonly bint stopping  # nothing new starts; what has started is being awaited
    cdef bint interrupted  # from outside
    cdef bint running

    cdef int go_on(self) except -1
    cdef int run_frames(self) except -1
    cdef int run_frame(self, Frame frame) except -1
    cdef PyObject* execute(self, Frame frame, Node* node) except NULL
    cdef PyObject* call(self, Frame frame, Node* node, PyObject* callable) except NULL
    cdef PyObject* call_sync(self, Frame frame, Node* node) except NULL
    cdef PyObject* call_async(self, Frame frame, object coroutine) except NULL
    cdef PyObject* call_worker(self, Frame frame, Node* node, int mode) except NULL
    cdef PyObject* call_wait(self, Frame frame, Node* node) except NULL
    cdef PyObject* call_recv(self, Frame frame, Node* node) except NULL
    cdef Frame enter(self, LazyResult expression, Frame parent, Py_ssize_t parent_node)
    cdef int replace(self, Frame frame) except -1
    cdef int leave(self, Frame frame) except -1
    cdef int settle(self, Frame frame, Py_ssize_t node, object value) except -1
    cdef int settle_landed(self) except -1
    cdef int launch(self) except -1
    cdef int fail(self, object error, Frame frame, Py_ssize_t node) except -1
    cdef int stop(self) except -1
    cdef Waiter new_waiter(self, Frame frame)
    cdef int link(self, Waiter waiter) except -1
    cdef int unlink(self, Waiter waiter) except -1

    cdef inline void push(self, Frame frame) noexcept:
        if not frame.stacked:
            frame.stacked = True
            frame.below = self.top
            self.top = frame
