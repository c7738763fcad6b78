"""Callbacks: receivers and senders that are no runs."""

from cascade._core.run.mailbox cimport Mailbox, Receiver


cdef class Callback(Receiver):
    cdef object wake
    cdef Mailbox origin  # of the message that it has; None: it has none
    cdef object message
    cdef readonly bint refused  # the mailbox was closed


cdef class SendCallback(Callback):
    pass
