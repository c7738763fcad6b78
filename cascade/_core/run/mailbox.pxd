"""Mailboxes: messages that wait for a receiver, or receivers that wait for a message; never both."""

cimport cython
from cpython.object cimport PyObject
from libc.stdint cimport int64_t

from cascade._core.time.clock cimport Timer


cdef class Received:
    cdef readonly object message
    cdef readonly bint timed_out
    cdef readonly double elapsed  # seconds
    cdef readonly object channel
    cdef int64_t delivery  # its number


@cython.no_gc
cdef class Receiver(Timer):
    cdef Mailbox mailbox  # in whose line it stands or has stood; None: it has stood in none, or was cleared
    cdef Receiver behind
    cdef PyObject* ahead  # a borrowed Receiver; NULL: it is the first, or stands in no line
    cdef int64_t since  # nanoseconds: when it began to wait; after a delivery, the number of the delivery

    cdef Receiver owner(self)
    cdef bint in_no_line(self) noexcept
    cdef int ensure_turn(self) except -1
    cdef Received prepare(self)
    cdef void deliver(self, Mailbox mailbox, object message, Received made) noexcept
    cdef object refusal(self, Mailbox mailbox)
    cdef void refuse(self, object error) noexcept
    cdef object outgoing(self)
    cdef void sent(self) noexcept
    cdef bint notify(self) except -1

    cdef inline bint in_line(self) noexcept:
        """Whether it stands in its mailbox's line."""
        return self.mailbox is not None and (self.ahead is not NULL or self.mailbox.first is self)


cdef class Mailbox:
    cdef readonly object capacity  # int, None: unbounded
    cdef readonly str overflow
    cdef public str name
    cdef readonly bint closed
    cdef readonly Py_ssize_t dropped  # messages lost because there was no room
    cdef object closer  # the run that it belongs to, if that has closed it by failing; or None
    cdef bint blocks  # overflow is "block": a sender waits for room
    cdef bint sending  # those in line wait to send, not to receive
    cdef bint without_senders  # for tests: a receiver that finds it empty does not wait
    cdef Py_ssize_t limit  # the capacity
    cdef list queued  # the queued messages, from `head` on; None: no message is queued (an empty list means the same)
    cdef Py_ssize_t head
    cdef Receiver first
    cdef PyObject* last
    cdef object __weakref__

    cdef bint offer(self, object message) except -1
    cdef bint hand_out(self, object message) except -1
    cdef object refusal(self, str done)
    cdef int close_for(self, object closer) except -1
    cdef int ensure_turns(self, bint refusing) except -1
    cdef Received poll(self)
    cdef object take(self)
    cdef object pop(self)
    cdef int make_queue(self) except -1
    cdef int restore(self, list messages) except -1
    cdef int admit_senders(self) except -1
    cdef int put_back(self, object message, int64_t delivery) except -1
    cdef int serve(self) except -1
    cdef void join(self, Receiver receiver) noexcept
    cdef void join_first(self, Receiver receiver) noexcept
    cdef void leave(self, Receiver receiver) noexcept

    cdef inline int ensure_sender(self) except -1:
        """Before a message is taken: see that the sender that is let in then takes note. Other code may run."""
        cdef Receiver sender = None
        while self.sending and self.first is not sender:
            sender = self.first
            sender.ensure_turn()
        return 0

    cdef inline bint has_messages(self) noexcept:
        return self.queued is not None and self.head < len(self.queued)

    cdef inline bint is_full(self) noexcept:
        return self.queued is not None and len(self.queued) - self.head >= self.limit

    cdef inline bint may_deliver(self) noexcept:
        """Whether a message may still come."""
        return not (self.closed or self.without_senders)


cpdef object as_message(object message)
cdef Received received(object message, bint timed_out, int64_t elapsed, object channel)
cdef Received nothing(int64_t span)
cdef int64_t next_delivery() noexcept
cdef int notify_all(Receiver first) except -1
