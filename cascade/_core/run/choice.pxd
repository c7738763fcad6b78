"""Choices: receiving from the first of several mailboxes that has a message."""

cimport cython

from cascade._core.run.mailbox cimport Receiver


@cython.no_gc
cdef class Seat(Receiver):
    cdef Receiver receiver  # that has this place; None: it has left
    cdef Choice choice


@cython.no_gc
cdef class Choice:
    cdef list seats

    cdef void join(self) noexcept
    cdef void leave(self) noexcept
    cdef bint in_no_line(self) noexcept
    cdef tuple mailboxes(self)


cdef Choice new_choice(Receiver receiver, tuple mailboxes)
cdef int check_channels(object channels, bint lazily) except -1
