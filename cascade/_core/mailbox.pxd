"""Mailboxes: messages that wait for a receiver, or receivers that wait for a message; never both."""

cimport cython
from cpython.object cimport PyObject
from libc.stdint cimport int64_t

from cascade._core.clock cimport Timer


cdef class Received:
    cdef readonly object message
    cdef readonly bint timed_out
    cdef readonly double elapsed  # seconds
    cdef readonly object channel


@cython.no_gc
cdef class Receiver(Timer):
    cdef Mailbox mailbox  # in whose line it stands, None: in none
    cdef Receiver behind
    cdef PyObject* ahead  # a borrowed Receiver
    cdef int64_t since  # nanoseconds, when it began to wait; once a message has come, the number of its delivery

    cdef bint deliver(self, Mailbox mailbox, object message) except -1
    cdef int refuse(self) except -1
    cdef object hand_over(self)


@cython.no_gc
cdef class Seat(Receiver):
    cdef Receiver receiver
    cdef Choice choice


@cython.no_gc
cdef class Choice:
    cdef list seats

    cdef int join(self, Receiver receiver, object mailboxes) except -1
    cdef int leave(self) except -1
    cdef bint is_over(self) noexcept
    cdef tuple mailboxes(self)


cdef class Mailbox:
    cdef readonly object capacity  # int, None: unbounded
    cdef readonly str overflow
    cdef public str name
    cdef readonly bint closed
    cdef readonly Py_ssize_t dropped  # messages lost because there was no room
    cdef bint blocks  # a sender waits for room
    cdef bint sending  # those in line wait to send, not to receive
    cdef bint unserved  # nobody sends to it: who finds it empty does not wait
    cdef Py_ssize_t limit  # the capacity
    cdef list queued  # the messages that wait, from `head` on; None: nothing waits
    cdef Py_ssize_t head
    cdef Receiver first
    cdef PyObject* last
    cdef object __weakref__

    cdef bint offer(self, object message) except -1
    cdef bint hand_out(self, object message) except -1
    cdef object take(self)
    cdef int let_in(self) except -1
    cdef int put_back(self, object message, int64_t delivery) except -1
    cdef int serve(self) except -1
    cdef int join(self, Receiver receiver) except -1
    cdef int leave(self, Receiver receiver) except -1

    cdef inline bint holds(self) noexcept:
        return self.queued is not None

    cdef inline bint is_full(self) noexcept:
        return self.queued is not None and len(self.queued) - self.head >= self.limit

    cdef inline bint may_bring(self) noexcept:
        """Whether it is of use to wait for a message."""
        return not (self.closed or self.unserved)


cdef Received received(object message, bint timed_out, int64_t elapsed, object channel)
cdef Received nothing(int64_t span)
cdef int64_t next_delivery() noexcept
cdef int check_channels(object channels, bint lazily) except -1
