"""Waiting: nodes that have started and not ended."""

cimport cython
from cpython.object cimport PyObject
from libc.stdint cimport int32_t, int64_t, uint8_t

from cascade._core.expr.task_spec cimport ASYNC, SYNC
from cascade._core.run.frame cimport Frame
from cascade._core.run.mailbox cimport Mailbox, Receiver
from cascade._core.run.scheduler cimport Runnable, RunPhase, Scheduler
from cascade._core.shape.template cimport Node


@cython.no_gc
cdef class Waiter(Receiver):
    cdef readonly Waiting run  # None once its outcome was taken
    cdef Frame frame
    cdef int32_t node  # in the order of the plan
    cdef uint8_t landed
    cdef uint8_t permitted  # it landed with a permit: the node is executed again, and has no value yet
    cdef uint8_t awaits  # its asyncio task awaits expressions of the run, or did
    cdef public object handle  # what can be cancelled: a future; None for timers and mailboxes
    cdef object value  # until it lands: what it waits with, a message to send or the `Choice` of a select
    cdef object error
    cdef public object completion  # for the frame of the expression that is the value
    cdef Mailbox origin  # of a message that is the value
    cdef Waiter next  # in the run's list of waiters
    cdef PyObject* previous
    cdef Waiter next_landed

    cdef int land(self, object value, object error) except -1
    cdef void arrive(self, object value, object error) noexcept
    cdef void clear(self) noexcept
    cdef void withdraw(self) noexcept
    cdef object waited_mailboxes(self)


@cython.no_gc  # no traversal made by Cython: `gc_traverse` has a complete one
cdef class Launched(Waiter):
    cdef readonly long long iteration  # of the run, when the node started
    cdef Py_ssize_t children  # expressions of the run that its asyncio task, or one made by it, awaits

    cdef inline bint is_call(self) noexcept:
        """Whether its node is a call of a task, and not a scope, say."""
        if self.frame is None:
            return False
        return self.frame.template.nodes[self.node].kind in (SYNC, ASYNC)


cdef PyObject* PENDING  # instead of a value, which comes later. Compared by identity, never given to user code


cdef class Waiting(Runnable):
    cdef Scheduler scheduler
    cdef Waiter waiters
    cdef Waiter first_landed
    cdef Waiter last_landed
    cdef dict dying  # by waiter that was cancelled because of a caught failure, the `Catch` that awaits it; or None
    cdef dict expressions  # in debug mode, by address of a frame, what it evaluates; None: nothing is known
    cdef dict regions  # by their future, each `Region`; None: there are none
    cdef readonly long long iterations  # tail calls so far
    cdef RunPhase phase
    cdef bint running

    cdef PyObject* wait(self, Frame frame, Node* node, Py_ssize_t at) except NULL
    cdef PyObject* wait_until(self, Frame frame, Node* node, Py_ssize_t at) except NULL
    cdef PyObject* tick(self, Frame frame, Node* node, Py_ssize_t at) except NULL
    cdef PyObject* receive(self, Frame frame, Node* node, Py_ssize_t at) except NULL
    cdef PyObject* select(self, Frame frame, Node* node, Py_ssize_t at) except NULL
    cdef Waiter park_node(self, Frame frame, Py_ssize_t at, int64_t span)
    cdef int park_until(self, Frame frame, Py_ssize_t at, int64_t deadline) except -1
    cdef int park(self, Waiter waiter, int64_t span) except -1
    cdef PyObject* send(self, Frame frame, Node* node, Py_ssize_t at) except NULL
    cdef void link(self, Waiter waiter) noexcept
    cdef void unlink(self, Waiter waiter) noexcept
    cdef int return_messages(self) except -1
    cdef list written(self, Frame frame, Py_ssize_t node)

    cdef inline bint is_awaited(self, Launched waiter, object value) noexcept:
        """Whether what was launched has the waiter itself as its value so far: then that comes later."""
        if value is waiter:
            self.link(waiter)
            return True
        self.scheduler.ended_calls += waiter.is_call()
        discard(waiter)
        return False

    cdef inline void append_landed(self, Waiter waiter) noexcept:
        """Put a waiter at the end of the list of those that have landed."""
        if self.first_landed is None:
            self.first_landed = waiter
        else:
            self.last_landed.next_landed = waiter
        self.last_landed = waiter

    cdef inline Waiter pop_landed(self):
        """Take the first waiter out of the list of those that have landed. Only if there is one."""
        cdef Waiter waiter = self.first_landed
        self.first_landed = waiter.next_landed
        waiter.next_landed = None
        if self.first_landed is None:
            self.last_landed = None
        return waiter


cdef Waiter new_waiter(Waiting run, Frame frame, Py_ssize_t node)
cdef Launched new_launched(Waiting run, Frame frame, Py_ssize_t node)
cdef void discard(Launched waiter) noexcept
