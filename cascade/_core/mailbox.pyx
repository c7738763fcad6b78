"""Mailboxes: messages that wait for a receiver, or receivers that wait for a message; never both."""

cimport cython

from cascade._core.clock cimport nanoseconds
from cascade._core.lazy cimport LazyResult
from cascade._core.spec cimport RECV, WAIT
from cascade._core.task cimport Task, builtin_task, lazy_call

from cascade.exceptions import ChannelClosedError, ChannelFullError


@cython.final
@cython.freelist(64)
cdef class Received:
    """What receiving from a channel came to.

    Attributes:
        message: what was sent; None if nothing came in time.
        timed_out: whether nothing came in time.
        elapsed: seconds that passed since it began to wait.
    """

    __match_args__ = ("message", "timed_out", "elapsed")

    @staticmethod
    def make(message, timed_out, elapsed):
        """What a receiver outside the core has received."""
        cdef Received made = Received.__new__(Received)
        made.message = message
        made.timed_out = timed_out
        made.elapsed = elapsed
        return made

    def __repr__(self):
        return f"Received(message={self.message!r}, timed_out={bool(self.timed_out)}, elapsed={self.elapsed!r})"


cdef Received received(object message, bint timed_out, int64_t elapsed):
    cdef Received made = Received.__new__(Received)
    made.message = message
    made.timed_out = timed_out
    made.elapsed = elapsed * 1e-9
    return made


@cython.no_gc  # who waits is known to the engine or to the event loop: nothing for the collector to find
cdef class Receiver(Timer):
    """One that waits in a mailbox's line, perhaps with a deadline."""

    cdef int deliver(self, Mailbox mailbox, object message) except -1:
        return 0

    cdef int refuse(self) except -1:
        """The mailbox was closed."""
        return 0


cdef class Callback(Receiver):
    """A receiver that is not a run: calls a function with the message, or with nothing once the mailbox is closed."""

    cdef object call

    def __init__(self, call):
        self.call = call

    cdef int deliver(self, Mailbox mailbox, object message) except -1:
        self.call(message)
        return 0

    cdef int refuse(self) except -1:
        self.call()
        return 0

    def stand_in(self, Mailbox mailbox):
        """Take the message that waits, and return whether there was one; else join the line."""
        if mailbox.holds():
            self.call(mailbox.take())
            return True
        if mailbox.closed:
            self.call()
            return True
        mailbox.join(self)
        return False

    def withdraw(self):
        """Leave the line."""
        if self.mailbox is not None:
            self.mailbox.leave(self)


cdef class Mailbox:
    """The compiled part of `cascade.Channel`."""

    def __init__(self, capacity=None, overflow="error"):
        if capacity is not None and (type(capacity) is not int or capacity < 1):
            raise ValueError(f"expected a capacity of None or an int of at least 1, got {capacity!r}")
        if overflow not in ("error", "drop_oldest", "drop_newest"):
            raise ValueError(f"expected overflow 'error', 'drop_oldest' or 'drop_newest', got {overflow!r}")
        self.capacity = capacity
        self.overflow = overflow

    def __len__(self):
        """How many messages wait."""
        return 0 if self.queued is None else len(self.queued) - self.head

    def __bool__(self):
        return True

    def send(self, message):
        """Hand a message to the receiver that waits longest, or keep it until one comes. Never waits.

        Raises:
            ChannelClosedError: if the channel is closed.
            ChannelFullError: if ``capacity`` messages wait already and ``overflow`` is "error".
        """
        cdef Receiver receiver = self.first
        if self.closed:
            raise ChannelClosedError("sent to a closed channel")
        if receiver is not None:
            self.leave(receiver)
            receiver.deliver(self, message)
            return
        if self.queued is not None and self.capacity is not None and len(self.queued) - self.head >= self.capacity:
            if self.overflow == "drop_newest":
                return
            if self.overflow == "error":
                raise ChannelFullError(f"sent to a channel at its capacity: {self.capacity} messages wait")
            self.take()
        if self.queued is None:
            self.queued = []
        self.queued.append(message)

    def recv(self, timeout=None):
        """A lazy result that gives the next message.

        Args:
            timeout: seconds to wait at most; None: as long as it takes.

        Returns:
            A `LazyResult` giving a `Received`. It fails with `ChannelClosedError` if the channel is closed and empty.
        """
        if timeout is not None and type(timeout) is not LazyResult:
            nanoseconds(timeout, "timeout")
        return lazy_call(_recv, (self, timeout))

    def unreceive(self, message):
        """Put back, before all others, a message whose receiver was cancelled before it could take it."""
        self.put_back(message)

    def drain(self):
        """Take all messages that wait: a list, the oldest first."""
        if self.queued is None:
            return []
        messages = self.queued if self.head == 0 else self.queued[self.head:]
        self.queued = None
        self.head = 0
        return messages

    def close(self):
        """Take no more messages. Those that wait can be received; receivers that wait get `ChannelClosedError`."""
        cdef Receiver receiver
        self.closed = True
        while self.first is not None:
            receiver = self.first
            self.leave(receiver)
            receiver.refuse()

    cdef object take(self):
        """The oldest message. Only if one waits."""
        message = self.queued[self.head]
        self.queued[self.head] = None
        self.head += 1
        if self.head == len(self.queued):
            self.queued = None  # most mailboxes are empty most of the time
            self.head = 0
        elif self.head > 64 and 2 * self.head > len(self.queued):
            del self.queued[:self.head]
            self.head = 0
        return message

    cdef int put_back(self, object message) except -1:
        """Undo a delivery: the message is for the next receiver, before all others."""
        cdef Receiver receiver = self.first
        if receiver is not None:
            self.leave(receiver)
            receiver.deliver(self, message)
        elif self.queued is None:
            self.queued = [message]
        elif self.head:
            self.head -= 1
            self.queued[self.head] = message
        else:
            self.queued.insert(0, message)
        return 0

    cdef int join(self, Receiver receiver) except -1:
        """Put a receiver at the end of the line."""
        receiver.mailbox = self
        receiver.behind = None
        receiver.ahead = NULL
        if self.first is None:
            self.first = receiver
        else:
            receiver.ahead = self.last
            (<Receiver>self.last).behind = receiver
        self.last = <PyObject*>receiver
        return 0

    cdef int leave(self, Receiver receiver) except -1:
        """Take a receiver out of the line."""
        cdef Receiver behind = receiver.behind
        if receiver.ahead is NULL:
            self.first = behind
        else:
            (<Receiver>receiver.ahead).behind = behind
        if behind is None:
            self.last = receiver.ahead
        else:
            behind.ahead = receiver.ahead
        receiver.mailbox = None
        receiver.behind = None
        receiver.ahead = NULL
        return 0


cdef Task _recv = builtin_task("recv", RECV)
cdef Task _wait = builtin_task("wait", WAIT)


def wait(seconds):
    """A lazy result that comes true after some time. The run that waits for it costs nothing meanwhile.

    Args:
        seconds: how long, or a lazy result giving it.

    Returns:
        A `LazyResult` giving the seconds that really passed.

    >>> import cascade as cs
    >>> cs.run(cs.wait(0.01)) >= 0.01
    True
    """
    if type(seconds) is not LazyResult:
        nanoseconds(seconds, "seconds")
    return lazy_call(_wait, (seconds,))
