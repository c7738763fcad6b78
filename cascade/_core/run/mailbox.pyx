"""Mailboxes: messages that wait for a receiver, or receivers that wait for a message; never both.

Where a mailbox blocks, senders may wait for room too: they stand in the same line, as nobody waits to receive from a
mailbox that is full.
"""

cimport cython
from cpython.pyport cimport PY_SSIZE_T_MAX

from cascade._core.public cimport name_type
from cascade._core.time.clock cimport nanoseconds
from cascade._core.expr.lazy cimport LazyResult
from cascade._core.expr.task_spec cimport RECV, SEND, WAIT
from cascade._core.expr.task cimport Task, builtin_task, lazy_call

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


@cython.no_gc  # a waiter is known to the engine or to the event loop: nothing for the collector to find
cdef class Receiver(Timer):
    """A place in a mailbox's line: of one that waits for a message, or for room for one.

    A mailbox serves it in steps, so that each of its own changes is whole before anything outside is called:

        prepare, refusal    allocate what it will need. The collector may run, and with it any code: look again after it
        deliver, refuse,    change pointers and nothing else: nothing is called, nothing fails, nothing is let go of
        outgoing, sent      whose end might call something
        notify              wake it, at last: may call anything, in any thread
    """

    cdef Receiver owner(self):
        """The one that stands here: itself, or the one for which it keeps a place."""
        return self

    cdef bint in_no_line(self) noexcept:
        """Whether, out of this line, it stands in no other."""
        return True

    cdef Received prepare(self):
        """What it needs to take a message, if anything."""
        return None

    cdef void deliver(self, Mailbox mailbox, object message, Received made) noexcept:
        """Leave the line with a message."""

    cdef object refusal(self, Mailbox mailbox):
        """What it needs to be told that the mailbox was closed, if anything."""
        return None

    cdef void refuse(self, object error) noexcept:
        """The mailbox was closed. It has left the line."""

    cdef object outgoing(self):
        """The message for which it wants room."""
        return None

    cdef void sent(self) noexcept:
        """There was room for its message. It has left the line."""

    cdef bint notify(self) except -1:
        """Wake it; False: it cannot be woken, and gives back what was delivered."""
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
        cdef object _dropped
        while True:
            if self.closed:
                raise ChannelClosedError("sent to a closed channel")
            if self.first is not None and not self.sending:
                if self.hand_out(message):
                    return True
                continue
            if self.blocks and (self.sending or self.is_full()):
                return False
            if self.overflow != "drop_oldest" and self.is_full():
                if self.overflow == "error":
                    raise ChannelFullError(f"sent to a channel at its capacity: {self.capacity} messages wait")
                self.dropped += 1
                return True
            if self.queued is not None:
                break
            self.make_queue()
        self.queued.append(message)
        while self.queued is not None and len(self.queued) - self.head > self.limit:
            self.dropped += 1
            _dropped = self.pop()  # its end may call anything: what waits is looked at anew
        return True

    cdef bint hand_out(self, object message) except -1:
        """Give a message to the first in line that can take it; False: there is none."""
        cdef Receiver place, receiver
        cdef Received made
        while self.first is not None and not self.sending:
            place = self.first
            receiver = place.owner()
            made = receiver.prepare()
            if self.first is not place:
                continue
            receiver.deliver(self, message, made)
            if receiver.notify():
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
        cdef list messages = self.queued
        cdef Py_ssize_t i = 0
        if messages is None:
            return []
        del messages[:self.head]
        self.queued = None  # first: what is called from here on finds that they are taken
        self.head = 0
        while i < len(messages) and type(messages[i]) is _Returned:
            messages[i] = (<_Returned>messages[i]).message
            i += 1
        try:
            self.admit_senders()
        except BaseException:
            self.restore(messages)
            raise
        return messages

    cdef int restore(self, list messages) except -1:
        """Put messages that were taken before those that have come since."""
        if self.queued is None:
            self.queued = messages
        else:
            self.queued[self.head:self.head] = messages
        return 0

    def close(self):
        """Take no more messages. Those that wait can be received; who waits in line gets `ChannelClosedError`."""
        cdef Receiver place, receiver
        cdef object failure = None
        self.closed = True
        while self.first is not None:
            place = self.first
            receiver = place.owner()
            error = receiver.refusal(self)
            if self.first is not place:
                continue
            self.leave(place)
            if place.in_no_line():
                receiver.refuse(error)
                try:
                    receiver.notify()
                except BaseException as raised:  # the others must hear of it too
                    failure = raised if failure is None else failure
        if failure is not None:
            raise failure

    cdef Received poll(self):
        """The oldest message as one that was received at once; None: nothing waits."""
        cdef Received made
        if not self.has_messages():
            return None
        made = Received.__new__(Received)
        if not self.has_messages():
            return None
        made.message = self.take()
        made.channel = self
        return made

    cdef object take(self):
        """The oldest message. Only if one waits."""
        message = self.pop()
        if self.sending:
            try:
                self.admit_senders()
            except BaseException:
                self.put_back(message, 0)
                raise
        return message

    cdef object pop(self):
        """The oldest message, and nothing else changed. Only if one waits."""
        cdef list queued = self.queued
        if self.head > 64 and 2 * self.head > len(queued):
            del queued[:self.head]
            self.head = 0
        message = queued[self.head]
        queued[self.head] = None
        self.head += 1
        if self.head == len(queued):
            self.queued = None  # most mailboxes are empty most of the time
            self.head = 0
        return (<_Returned>message).message if type(message) is _Returned else message

    cdef int make_queue(self) except -1:
        """Have a queue. The collector may run: who calls this looks again at what it has found before."""
        queue = []
        if self.queued is None:
            self.queued = queue
        return 0

    cdef int admit_senders(self) except -1:
        """There is room: take the messages of those that wait to send, as far as it goes."""
        cdef Receiver sender, first = None, last = None
        try:
            while self.sending and not self.is_full():
                if self.queued is None:
                    self.make_queue()
                    continue
                sender = self.first
                self.queued.append(sender.outgoing())
                self.leave(sender)
                sender.sent()
                if last is None:
                    first = sender
                else:
                    last.behind = sender  # in no line any more: the link is free for this chain
                last = sender
        finally:
            notify_all(first)
        return 0

    cdef int put_back(self, object message, int64_t delivery) except -1:
        """Undo a delivery: the message goes before all others but those of earlier deliveries. `serve` follows."""
        cdef _Returned returned = _Returned.__new__(_Returned)
        cdef Py_ssize_t at
        returned.message = message
        returned.delivery = delivery
        while self.queued is None:
            self.make_queue()
        at = self.head
        while at < len(self.queued):
            other = self.queued[at]
            if type(other) is not _Returned or (<_Returned>other).delivery >= delivery:
                break
            at += 1
        self.queued.insert(at, returned)
        return 0

    cdef int serve(self) except -1:
        """Messages were put back: they are for those in line, if anybody is."""
        cdef Receiver place, receiver
        cdef Received made
        while self.first is not None and not self.sending and self.has_messages():
            place = self.first
            receiver = place.owner()
            made = receiver.prepare()
            if self.first is not place or not self.has_messages():
                continue
            message = self.pop()
            receiver.deliver(self, message, made)
            if not receiver.notify():
                self.put_back(message, 0)
        return 0

    cdef void join(self, Receiver receiver) noexcept:
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

    cdef void leave(self, Receiver receiver) noexcept:
        """Take a receiver out of the line, if it stands in it. It keeps its mailbox alive until it is let go of."""
        cdef Receiver behind = receiver.behind
        if receiver.ahead is not NULL:
            (<Receiver>receiver.ahead).behind = behind
        elif self.first is receiver:
            self.first = behind
        else:
            return
        if behind is None:
            self.last = receiver.ahead
        else:
            behind.ahead = receiver.ahead
        receiver.behind = None
        receiver.ahead = NULL
        if self.first is None:
            self.sending = False


cdef int notify_all(Receiver first) except -1:
    """Notify a chain of those that have left the line. All are, whatever notifying one of them raises."""
    cdef Receiver receiver
    cdef object failure = None
    while first is not None:
        receiver = first
        first = receiver.behind
        receiver.behind = None
        try:
            receiver.notify()
        except BaseException as raised:
            failure = raised if failure is None else failure
    if failure is not None:
        raise failure
    return 0


def expect_nothing(Mailbox mailbox not None):
    """Have nobody wait in a mailbox: what it holds is all that comes. For channels that stand in for others in tests.

    Args:
        mailbox: one that nobody sends to. Who finds it empty is told at once that the time is over, or, without a
            timeout, that there is nothing.
    """
    mailbox.without_senders = True


cdef Received nothing(int64_t span):
    """What comes at once of receiving where nobody waits: the span of time, in nanoseconds, seems to have passed."""
    if span < 0:
        raise ChannelClosedError("received from a fake channel that has no message left, without a timeout")
    return received(None, True, span, None)


cdef Task _recv = builtin_task("recv", RECV)
cdef Task _send = builtin_task("send", SEND)
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


name_type(Received, b"cascade.Received")
wait.__module__ = Received.make.__module__ = "cascade"
