"""Callbacks: receivers and senders that are no runs."""

from cascade._core.run.mailbox cimport Mailbox, Received, Receiver, as_message, next_delivery
from cascade._core.run.scheduler cimport call_again


cdef class Callback(Receiver):
    """A receiver that calls a function when it has a message.

    Args:
        wake: called, in any thread, once there is a message to `take`. It returns False if nothing will take it any
            longer: then the next receiver gets the message.
    """

    def __init__(self, wake):
        self.wake = wake

    cdef void deliver(self, Mailbox mailbox, object message, Received made) noexcept:
        mailbox.leave(self)
        self.message = message
        self.origin = mailbox
        self.since = next_delivery()

    cdef void refuse(self, object error) noexcept:
        self.refused = True

    cdef bint notify(self) except -1:
        try:
            woken = self.wake()
        except BaseException as error:
            woken = self.wake_again(error)
        if woken or self.origin is None:  # taken already, in another thread; or refused
            return True
        _message, _origin = self.message, self.origin  # released when this returns
        self.message = self.origin = None
        return False

    cdef object wake_again(self, object error):
        """Wake it once more, after `wake` has raised. If that fails, it stands in its line as before."""
        cdef object _message = self.message  # released when this returns
        cdef Mailbox origin = self.origin
        try:
            woken = call_again(self.wake, error)
        except BaseException:
            if self.origin is not None:  # nothing has taken the message
                self.message = self.origin = None
                origin.join_first(self)
            raise error from None
        if not isinstance(error, Exception):  # an interrupt
            raise error
        return woken

    def try_or_join(self, Mailbox mailbox not None):
        """Take a queued message, or join the line. Return whether it is done: it has a message, or was refused."""
        mailbox.ensure_sender()
        if mailbox.has_messages():
            message = mailbox.take()
            self.deliver(mailbox, message, None)
            try:
                woken = self.notify()
            except BaseException:
                if self.in_line():  # the delivery is undone
                    mailbox.leave(self)
                    mailbox.put_back(message, 0)
                raise
            if not woken:
                mailbox.put_back(message, 0)
                mailbox.serve()
            return True
        if mailbox.closed:
            self.refuse(None)
            self.notify()
            return True
        mailbox.join(self)
        return False

    def take(self):
        """Stop waiting. Return a tuple of the message that has come, or None if there is none."""
        cdef Mailbox origin = self.origin
        self.withdraw()
        if origin is None:
            return None
        taken = (self.message,)
        if self.origin is None:  # making the tuple ran the collector, and with it code that took the message
            return None
        self.message = self.origin = None
        return taken

    def give_back(self):
        """Stop waiting. A message that has come goes back to its mailbox."""
        cdef Mailbox origin = self.origin
        cdef object taken = self.take()
        if taken is not None:
            origin.put_back(taken[0], self.since)
            origin.serve()

    def withdraw(self):
        """Leave the line."""
        if self.mailbox is not None:
            self.mailbox.leave(self)


cdef class SendCallback(Callback):
    """A sender that calls a function when its message is taken.

    Args:
        wake: called, in any thread, once the message is taken or the mailbox closed.
        message: any object, but no lazy result unless it is marked as data.
    """

    def __init__(self, wake, message):
        self.wake = wake
        self.message = as_message(message)

    cdef object outgoing(self):
        return self.message

    cdef bint notify(self) except -1:
        try:
            self.wake()
        except BaseException as error:
            self.wake_again(error)
        return True

    def try_or_join(self, Mailbox mailbox not None):
        """Send the message, or join the line. Return whether it was sent."""
        if mailbox.offer(self.message):
            return True
        mailbox.sending = True
        mailbox.join(self)
        return False
