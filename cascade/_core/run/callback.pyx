"""Callbacks: what waits in a mailbox's line and is not a run."""

from cascade._core.run.mailbox cimport Mailbox, Received, Receiver, next_delivery


cdef class Callback(Receiver):
    """One that waits for a message.

    Args:
        wake: called, in any thread, once there is something to `take`. It returns whether there is still something that
            will do so; if not, the message is for another.
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
        if self.wake() or self.origin is None:  # taken already, from another thread; or it was only to be refused
            return True
        _message, _origin = self.message, self.origin  # to be let go of last
        self.message = self.origin = None
        return False

    def try_or_join(self, Mailbox mailbox not None):
        """Take the message that waits, and return whether there was one; else join the line."""
        if mailbox.has_messages():
            message = mailbox.take()
            self.deliver(mailbox, message, None)
            if not self.notify():
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
        """Wait no more. Return a tuple of the message that has come, or None if there is none."""
        cdef Mailbox origin = self.origin
        self.withdraw()
        if origin is None:
            return None
        taken = (self.message,)
        if self.origin is None:  # the collector came by, and with it another that took it
            return None
        self.message = self.origin = None
        return taken

    def give_back(self):
        """Wait no more. A message that has come is for another."""
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
    """One that waits for room for its message.

    Args:
        wake: called, in any thread, once the message is taken or the mailbox closed.
        message: anything.
    """

    def __init__(self, wake, message):
        self.wake = wake
        self.message = message

    cdef object outgoing(self):
        return self.message

    cdef bint notify(self) except -1:
        self.wake()
        return True

    def try_or_join(self, Mailbox mailbox not None):
        """Send the message, and return whether there was room; else join the line."""
        if mailbox.offer(self.message):
            return True
        mailbox.sending = True
        mailbox.join(self)
        return False
