"""Mailboxes: messages that wait for a receiver, or receivers that wait for a message; never both.

Where a mailbox blocks, senders may wait for room too: they stand in the same line, as nobody waits to receive from a
mailbox that is full.
"""

cimport cython
from cpython.pyport cimport PY_SSIZE_T_MAX

from cascade._core.clock cimport nanoseconds
from cascade._core.lazy cimport LazyResult
from cascade._core.spec cimport RECV, SELECT, SEND, WAIT
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
        channel: from which the message came; None if nothing came in time. It does not travel: what was pickled or
            copied has none.
    """

    __match_args__ = ("message", "timed_out", "elapsed")

    @staticmethod
    def make(message, timed_out, elapsed, channel):
        """What a receiver outside the core has received."""
        cdef Received made = Received.__new__(Received)
        made.message = message
        made.timed_out = timed_out
        made.elapsed = elapsed
        made.channel = channel
        return made

    def __reduce__(self):
        return Received.make, (self.message, bool(self.timed_out), self.elapsed, None)

    def __repr__(self):
        return f"Received(message={self.message!r}, timed_out={bool(self.timed_out)}, elapsed={self.elapsed!r})"


cdef Received received(object message, bint timed_out, int64_t elapsed, object channel):
    cdef Received made = Received.__new__(Received)
    made.message = message
    made.timed_out = timed_out
    made.elapsed = elapsed / 1e9
    made.channel = channel
    return made


@cython.no_gc  # who waits is known to the engine or to the event loop: nothing for the collector to find
cdef class Receiver(Timer):
    """One that waits in a mailbox's line, perhaps with a deadline: for a message, or for room for one."""

    cdef bint deliver(self, Mailbox mailbox, object message) except -1:
        """Take a message; False: it cannot, and the message is for another."""
        return False

    cdef int refuse(self) except -1:
        """The mailbox was closed."""
        return 0

    cdef object hand_over(self):
        """There is room for its message: give it."""
        return None


cdef class Callback(Receiver):
    """One that is not a run and waits for a message.

    Args:
        wake: called, in any thread, once there is something to `take`. It returns whether there is still somebody to
            do so; if not, the message is for another.
    """

    cdef object wake
    cdef Mailbox origin  # of the message that it has; None: it has none
    cdef object message
    cdef bint over  # it waits no more
    cdef readonly bint refused  # the mailbox was closed

    def __init__(self, wake):
        self.wake = wake

    cdef bint deliver(self, Mailbox mailbox, object message) except -1:
        if self.over:
            return False
        self.message = message
        self.origin = mailbox
        self.since = next_delivery()
        if self.wake() or self.origin is None:  # taken already, from another thread
            return True
        self.message = self.origin = None
        return False

    cdef int refuse(self) except -1:
        self.refused = True
        self.wake()
        return 0

    def stand_in(self, Mailbox mailbox not None):
        """Take the message that waits, and return whether there was one; else join the line."""
        if mailbox.holds():
            return self.deliver(mailbox, mailbox.take())
        if mailbox.closed:
            self.refuse()
            return True
        mailbox.join(self)
        return False

    def take(self):
        """Wait no more. Return a tuple of the message that has come, or None if there is none."""
        self.withdraw()
        if self.origin is None:
            return None
        self.origin = None
        return (self.message,)

    def give_back(self):
        """Wait no more. A message that has come is for another."""
        cdef Mailbox origin = self.origin
        taken = self.take()
        if taken is not None:
            origin.put_back(taken[0], self.since)
            origin.serve()

    def withdraw(self):
        """Leave the line."""
        self.over = True
        if self.mailbox is not None:
            self.mailbox.leave(self)


cdef class SendCallback(Callback):
    """One that is not a run and waits for room for its message.

    Args:
        wake: called, in any thread, once the message is taken or the mailbox closed.
        message: anything.
    """

    def __init__(self, wake, message):
        self.wake = wake
        self.message = message

    cdef object hand_over(self):
        self.wake()
        return self.message

    def stand_in(self, Mailbox mailbox not None):
        """Send the message, and return whether there was room; else join the line."""
        if mailbox.offer(self.message):
            return True
        mailbox.sending = True
        mailbox.join(self)
        return False


@cython.no_gc
cdef class Seat(Receiver):
    """The place in one mailbox's line of a receiver that stands in several."""

    cdef bint deliver(self, Mailbox mailbox, object message) except -1:
        cdef Receiver receiver = self.receiver
        self.choice.leave()
        return receiver.deliver(mailbox, message)

    cdef int refuse(self) except -1:
        cdef Receiver receiver = self.receiver
        if not self.choice.is_over():
            return 0
        self.choice.leave()
        return receiver.refuse()


@cython.no_gc
cdef class Choice:
    """The places of a receiver that waits for the first message of several mailboxes."""

    cdef int join(self, Receiver receiver, object mailboxes) except -1:
        """Put the receiver in the line of each mailbox from which a message may come."""
        cdef Mailbox mailbox
        cdef Seat seat
        self.seats = []
        for mailbox in mailboxes:
            if mailbox.may_bring():
                seat = Seat.__new__(Seat)
                seat.receiver = receiver
                seat.choice = self
                self.seats.append(seat)
                mailbox.join(seat)
        return 0

    cdef int leave(self) except -1:
        """Leave all the lines, and hold on to nobody."""
        cdef Seat seat
        for seat in self.seats:
            if seat.mailbox is not None:
                seat.mailbox.leave(seat)
            seat.receiver = None
        self.seats = []
        return 0

    cdef tuple mailboxes(self):
        """Those in whose lines it still stands."""
        cdef Seat seat
        return tuple([seat.mailbox for seat in self.seats if seat.mailbox is not None])

    cdef bint is_over(self) noexcept:
        """Whether all the mailboxes were closed meanwhile."""
        cdef Seat seat
        for seat in self.seats:
            if seat.mailbox is not None:
                return False
        return True


@cython.final
cdef class _Returned:
    """A message that was delivered, and put back. Only the first ones in a queue are such."""

    cdef object message
    cdef int64_t delivery


cdef int64_t _deliveries = 0


cdef int64_t next_delivery() noexcept:
    """A number for a delivery, larger than that of any before."""
    global _deliveries
    _deliveries += 1
    return _deliveries


cdef class Mailbox:
    """The compiled part of `cascade.Channel`."""

    def __init__(self, capacity=None, overflow="error", *, name=None):
        if capacity is not None and type(capacity) is not int:
            raise TypeError(f"expected capacity as an int or None, got `{type(capacity).__name__}`")
        if capacity is not None and capacity < 1:
            raise ValueError(f"expected a capacity of at least 1, got {capacity!r}")
        if type(overflow) is not str:
            raise TypeError(f"expected overflow as a str, got `{type(overflow).__name__}`")
        if overflow not in ("error", "block", "drop_oldest", "drop_newest"):
            raise ValueError(f"expected overflow 'error', 'block', 'drop_oldest' or 'drop_newest', got {overflow!r}")
        if name is not None and type(name) is not str:
            raise TypeError(f"expected name as a str or None, got `{type(name).__name__}`")
        self.capacity = capacity
        self.overflow = overflow
        self.name = name
        self.blocks = overflow == "block"
        self.limit = PY_SSIZE_T_MAX if capacity is None else min(capacity, PY_SSIZE_T_MAX)

    def __len__(self):
        """How many messages wait."""
        return 0 if self.queued is None else len(self.queued) - self.head

    def __bool__(self):
        return True

    def send(self, message):
        """Hand a message to the receiver that waits longest, or keep it until one comes. Never waits.

        Where ``overflow`` is "block" it is another thing, as there may be no room: then it sends nothing at once, but
        gives a lazy result, which sends when it is evaluated, and waits for room first if it must.

        Args:
            message: anything; on a channel that blocks a lazy result is evaluated, and its value is sent.

        Returns:
            None; on a channel that blocks, a `LazyResult` giving None.

        Raises:
            ChannelClosedError: if the channel is closed.
            ChannelFullError: if ``capacity`` messages wait already and ``overflow`` is "error".

        >>> import cascade as cs
        >>> channel = cs.Channel(capacity=1, overflow="block")
        >>> _, received, _ = cs.run([channel.send("a"), channel.recv(), channel.send("b")])
        >>> received.message, channel.drain()
        ('a', ['b'])
        """
        if self.blocks:
            if self.closed:
                raise ChannelClosedError("sent to a closed channel")
            return lazy_call(_send, (self, message))
        self.offer(message)

    cdef bint offer(self, object message) except -1:
        """Take a message as the rule of overflow has it; False: there must be room first."""
        if self.closed:
            raise ChannelClosedError("sent to a closed channel")
        if self.hand_out(message):
            return True
        if self.is_full():
            if self.blocks:
                return False
            if self.overflow == "error":
                raise ChannelFullError(f"sent to a channel at its capacity: {self.capacity} messages wait")
            if self.overflow == "drop_newest":
                self.dropped += 1
                return True
            while self.is_full():  # more than once if messages were put back
                self.take()
                self.dropped += 1
        if self.queued is None:
            self.queued = []
        self.queued.append(message)
        return True

    cdef bint hand_out(self, object message) except -1:
        """Give a message to the first in line who can take it; False: there is none."""
        cdef Receiver receiver
        while self.first is not None and not self.sending:
            receiver = self.first
            self.leave(receiver)
            if receiver.deliver(self, message):
                return True
        return False

    def recv(self, timeout=None):
        """A lazy result that gives the next message.

        Args:
            timeout: seconds to wait at most; None: as long as it takes.

        Returns:
            A `LazyResult` giving a `Received`. It fails with `ChannelClosedError` if the channel is closed and empty.

        Raises:
            TypeError, ValueError: ``timeout`` is no span of time.
        """
        if timeout is not None and type(timeout) is not LazyResult:
            nanoseconds(timeout, "timeout")
        return lazy_call(_recv, (self, timeout))

    def unreceive(self, message):
        """Put back a message that was received and is not used: it is the next to be received, before all others.

        It finds room also where ``capacity`` messages wait already, or the channel is closed.

        Args:
            message: anything.

        >>> import cascade as cs
        >>> channel = cs.Channel()
        >>> channel.send("later")
        >>> channel.unreceive("first")
        >>> channel.drain()
        ['first', 'later']
        """
        self.put_back(message, 0)
        self.serve()

    def drain(self):
        """Take all messages that wait: a list, the oldest first."""
        cdef Py_ssize_t i = 0
        if self.queued is None:
            return []
        messages = self.queued if self.head == 0 else self.queued[self.head:]
        while i < len(messages) and type(messages[i]) is _Returned:
            messages[i] = (<_Returned>messages[i]).message
            i += 1
        self.queued = None
        self.head = 0
        if self.sending:
            self.let_in()
        return messages

    def close(self):
        """Take no more messages. Those that wait can be received; who waits in line gets `ChannelClosedError`."""
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
        if self.sending:
            self.let_in()
        return (<_Returned>message).message if type(message) is _Returned else message

    cdef int let_in(self) except -1:
        """There is room: take the messages of those that wait to send, as far as it goes."""
        cdef Receiver sender
        while self.sending and not self.is_full():
            sender = self.first
            self.leave(sender)
            if self.queued is None:
                self.queued = []
            self.queued.append(sender.hand_over())
        return 0

    cdef int put_back(self, object message, int64_t delivery) except -1:
        """Undo a delivery: the message goes before all others but those of earlier deliveries. `serve` follows."""
        cdef _Returned returned = _Returned.__new__(_Returned)
        cdef Py_ssize_t at = self.head
        returned.message = message
        returned.delivery = delivery
        if self.queued is None:
            self.queued = []
        while at < len(self.queued):
            other = self.queued[at]
            if type(other) is not _Returned or (<_Returned>other).delivery >= delivery:
                break
            at += 1
        self.queued.insert(at, returned)
        return 0

    cdef int serve(self) except -1:
        """Messages were put back: they are for those in line, if anybody is."""
        while self.queued is not None and self.first is not None and not self.sending:
            message = self.take()
            if not self.hand_out(message):
                return self.put_back(message, 0)
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
        if self.first is None:
            self.sending = False
        return 0


def expect_nothing(Mailbox mailbox not None):
    """Have nobody wait in a mailbox: what it holds is all that comes. For channels that stand in for others in tests.

    Args:
        mailbox: one that nobody sends to. Who finds it empty is told at once that the time is over, or, without a
            timeout, that there is nothing.
    """
    mailbox.unserved = True


cdef Received nothing(int64_t span):
    """What comes at once of receiving where nobody waits: the span of time, in nanoseconds, seems to have passed."""
    if span < 0:
        raise ChannelClosedError("received from a fake channel that has no message left, without a timeout")
    return received(None, True, span, None)


cdef Task _recv = builtin_task("recv", RECV)
cdef Task _send = builtin_task("send", SEND)
cdef Task _select = builtin_task("select", SELECT)
cdef Task _wait = builtin_task("wait", WAIT)


def wait(seconds):
    """A lazy result that comes true after some time. The run that waits for it costs nothing meanwhile.

    Args:
        seconds: how long, or a lazy result giving it.

    Returns:
        A `LazyResult` giving the seconds that really passed.

    Raises:
        TypeError, ValueError: ``seconds`` is no span of time.

    >>> import cascade as cs
    >>> cs.run(cs.wait(0.01)) >= 0.01
    True
    """
    if type(seconds) is not LazyResult:
        nanoseconds(seconds, "seconds")
    return lazy_call(_wait, (seconds,))


def select(channels, *, timeout=None):
    """A lazy result that gives the next message of any of several channels.

    Where several hold messages, the first of them in the list is taken from. A channel that is closed and empty is
    passed over as long as another one is open.

    Args:
        channels: a list or tuple of channels, or of lazy results giving them, or a lazy result giving such a list.
        timeout: seconds to wait at most; None: as long as it takes.

    Returns:
        A `LazyResult` giving a `Received`, whose ``channel`` says where the message came from. It fails with
        `ChannelClosedError` if all the channels are closed and empty.

    Raises:
        TypeError, ValueError: there is no channel, or something that is none; or ``timeout`` is no span of time.

    >>> import cascade as cs
    >>> orders, news = cs.Channel(), cs.Channel()
    >>> news.send("rain")
    >>> received = cs.run(cs.select([orders, news]))
    >>> received.message, received.channel is news
    ('rain', True)
    """
    if timeout is not None and type(timeout) is not LazyResult:
        nanoseconds(timeout, "timeout")
    if type(channels) is list:
        channels = tuple(channels)  # what the caller does to the list does not matter any more
    if type(channels) is not LazyResult:
        check_channels(channels, True)
    return lazy_call(_select, (channels, timeout))


cdef int check_channels(object channels, bint lazily) except -1:
    """Raise if these are not channels, or lazy results where they may be."""
    if type(channels) is not list and type(channels) is not tuple:
        raise TypeError(f"expected a list of channels, got `{type(channels).__name__}`")
    if not channels:
        raise ValueError("expected at least one channel to select from, got none")
    for index, channel in enumerate(channels):
        if not isinstance(channel, Mailbox) and not (lazily and type(channel) is LazyResult):
            raise TypeError(f"expected a channel, got `{type(channel).__name__}` - at `channels[{index}]`")
    return 0
