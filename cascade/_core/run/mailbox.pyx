"""Mailboxes: messages that wait for a receiver, or receivers that wait for a message; never both.

If a mailbox blocks, senders may wait for room. They stand in the same line, because no receiver waits for a mailbox
that is full.
"""

from types import GenericAlias as _GenericAlias

cimport cython
from cpython.pyport cimport PY_SSIZE_T_MAX

from cascade._core.public cimport name_type
from cascade._core.time.durations cimport nanoseconds
from cascade._core.expr.data cimport Data
from cascade._core.expr.lazy cimport LazyResult
from cascade._core.expr.task_spec cimport RECV, SEND
from cascade._core.expr.task cimport Task, builtin_task, lazy_call

from cascade.exceptions import ChannelClosedError, ChannelFullError, TaskArgumentError


@cython.final
@cython.freelist(64)
cdef class Received:
    """The outcome of receiving from a channel.

    Attributes:
        message: the message; None if the timeout ended first.
        timed_out: whether the timeout ended before a message came.
        elapsed: seconds for which it waited.
        channel: the channel that the message came from; None if the timeout ended first, and in pickles and copies.
    """

    __match_args__ = ("message", "timed_out", "elapsed")

    @staticmethod
    @cython.binding(True)
    def make(message, timed_out, elapsed, channel):
        """Make one, for a receiver outside the core."""
        cdef Received made = Received.__new__(Received)
        made.message = message
        made.timed_out = timed_out
        made.elapsed = elapsed
        made.channel = channel
        return made

    @classmethod
    def __class_getitem__(cls, message):
        """``Received[str]``: whose message is a str, for annotations."""
        return _GenericAlias(cls, message)

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


@cython.no_gc  # the engine or the event loop holds each waiter: the collector has nothing to find here
cdef class Receiver(Timer):
    """A place in a mailbox's line, of something that waits for a message or for room for one.

    A mailbox serves it in three steps, so that the mailbox is consistent before anything outside it is called:

        prepare, refusal,   allocate what is needed, and ask for the turn in which it is taken note of. The collector
        ensure_turn         may run, and any code with it: check again afterwards. If this raises, nothing has happened
        deliver, refuse,    change pointers and nothing else: nothing is called, nothing fails, and no reference is
        outgoing, sent      released whose destructor might call something
        notify              wake it, last of all: this may call anything, in any thread
    """

    cdef Receiver owner(self):
        """The receiver that is served: itself, or the one that has this place among several."""
        return self

    cdef bint in_no_line(self) noexcept:
        """Whether its owner stands in no line, once it has left this one."""
        return True

    cdef int ensure_turn(self) except -1:
        """See that a turn comes in which its run takes note of what is next. It may raise, `notify` hardly does."""
        return 0

    cdef Received prepare(self):
        """Allocate what `deliver` needs, then `ensure_turn`; None if it needs nothing."""
        return None

    cdef void deliver(self, Mailbox mailbox, object message, Received made) noexcept:
        """Leave the line, and take a message."""

    cdef object refusal(self, Mailbox mailbox):
        """Allocate what `refuse` needs; None if it needs nothing."""
        return None

    cdef void refuse(self, object error) noexcept:
        """Take note that the mailbox was closed. It has left the line already."""

    cdef object outgoing(self):
        """The message of a sender."""
        return None

    cdef void sent(self) noexcept:
        """Take note that the mailbox has taken its message. It has left the line already."""

    cdef bint notify(self) except -1:
        """Wake it. False: it cannot be woken, and has returned the message that was delivered."""
        return True


@cython.final
cdef class _Returned:
    """A message that was delivered and put back. These come before all other messages in a queue."""

    cdef object message
    cdef int64_t delivery


cdef int64_t _deliveries = 0


cdef int64_t next_delivery() noexcept:
    """A number for a delivery, higher than that of each earlier one."""
    global _deliveries
    _deliveries += 1
    return _deliveries


cdef class Mailbox:
    """Mailbox(capacity=None, overflow='error', *, name=None)\n--\n\nThe compiled part of `cascade.Channel`."""

    @classmethod
    def __class_getitem__(cls, message):
        """``Channel[str]``: whose messages are str, for annotations."""
        return _GenericAlias(cls, message)

    def __init__(self, capacity=None, overflow="error", *, name=None):
        if capacity is not None and type(capacity) is not int:
            raise TypeError(f"capacity must be None or an int >= 1, got `{type(capacity).__name__}`")
        if capacity is not None and capacity < 1:
            raise ValueError(f"capacity must be None or an int >= 1, got {capacity!r}")
        if type(overflow) is not str:
            raise TypeError(f"overflow must be a str, got `{type(overflow).__name__}`")
        if overflow not in ("error", "block", "drop_oldest", "drop_newest"):
            raise ValueError(f"overflow must be 'error', 'block', 'drop_oldest' or 'drop_newest', got {overflow!r}")
        if name is not None and type(name) is not str:
            raise TypeError(f"name must be None or a str, got `{type(name).__name__}`")
        self.capacity = capacity
        self.overflow = overflow
        self.name = name
        self.blocks = overflow == "block"
        self.limit = PY_SSIZE_T_MAX if capacity is None else min(capacity, PY_SSIZE_T_MAX)

    def __len__(self):
        """The number of queued messages."""
        return 0 if self.queued is None else len(self.queued) - self.head

    def __bool__(self):
        return True

    def send(self, message):
        """Send a message: to the receiver that has waited longest, or into the queue. Never waits.

        On a channel with ``overflow="block"``, `send` returns a lazy result instead: it sends when it is evaluated, and
        completes when there is room.

        Args:
            message: any object, but no lazy result unless `cascade.data` says that it is meant itself. On a channel
                that blocks, a lazy result is evaluated first, and its value is sent.

        Returns:
            None; on a channel that blocks, a `LazyResult` whose value is None.

        Raises:
            ChannelClosedError: the channel is closed.
            ChannelFullError: ``capacity`` messages are queued and ``overflow`` is "error".
            TaskArgumentError: the message is a lazy result, and the channel does not block.

        >>> import cascade as cs
        >>> channel = cs.Channel(capacity=1, overflow="block")
        >>> _, received, _ = cs.run([channel.send("a"), channel.recv(), channel.send("b")])
        >>> received.message, channel.drain()
        ('a', ['b'])
        """
        if self.blocks:
            if self.closed:
                raise self.refusal("sent to")
            return lazy_call(_send, (self, message))
        self.offer(as_message(message))

    cdef bint offer(self, object message) except -1:
        """Take a message, by the rule of overflow. False: the mailbox blocks and is full, so the sender must wait."""
        cdef object _dropped
        while True:
            if self.closed:
                raise self.refusal("sent to")
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
            _dropped = self.pop()  # its destructor may call anything: so the condition is checked again
        return True

    cdef bint hand_out(self, object message) except -1:
        """Deliver a message to the first receiver in line that can take it. False: there is none."""
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
        """Receive the next message, when the lazy result is evaluated.

        Args:
            timeout: seconds to wait at most, or a lazy result with that value; None: no bound.

        Returns:
            A `LazyResult` whose value is a `Received`. It fails with `ChannelClosedError` if the channel is closed and
            empty.

        Raises:
            TypeError, ValueError: ``timeout`` is not a duration.

        >>> import cascade as cs
        >>> channel = cs.Channel()
        >>> channel.send("hello")
        >>> cs.run(channel.recv(timeout=1.0)).message
        'hello'
        """
        if timeout is not None and type(timeout) is not LazyResult:
            nanoseconds(timeout, "timeout")
        return lazy_call(_recv, (self, timeout))

    def unreceive(self, message):
        """Put a message back that was received and is not used: it becomes the next one to be received.

        This works on a full and on a closed channel as well.

        Args:
            message: any object.

        >>> import cascade as cs
        >>> channel = cs.Channel()
        >>> channel.send("later")
        >>> channel.unreceive("first")
        >>> channel.drain()
        ['first', 'later']
        """
        cdef Receiver place = self.first
        if place is not None and not self.sending:
            place.owner().prepare()  # before anything changes, as this may raise
        self.put_back(message, 0)
        self.serve()

    def drain(self):
        """Take all queued messages. Returns a list, the oldest first."""
        cdef list messages
        cdef Py_ssize_t i = 0
        if self.sending:
            self.ensure_turns(False)
        messages = self.queued
        if messages is None:
            return []
        del messages[:self.head]
        self.queued = None  # first: code that is called from here on must not see these messages
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
        """Put messages that were taken back, before those that have come since."""
        if self.queued is None:
            self.queued = messages
        else:
            self.queued[self.head:self.head] = messages
        return 0

    def close(self):
        """Stop accepting messages.

        Queued messages can still be received; waiting senders and receivers fail with `ChannelClosedError`.
        """
        self.close_for(None)

    def _close_for(self, run):
        """Close it, as a run has ended to which it belongs; `run`: that run if it has failed, else None."""
        if not self.closed:
            self.close_for(run)

    def _refusal(self, done):
        return self.refusal(done)

    cdef object refusal(self, str done):
        """The error of something that cannot be done any more. Who gets it has seen the failure of the run, if any."""
        if self.closer is None:
            return ChannelClosedError(f"{done} a closed channel")
        how = "was cancelled" if self.closer.state == "cancelled" else "has failed"
        error = ChannelClosedError(f"{done} a closed channel: {self.closer._called}, to which it belongs, {how}")
        error.__cause__ = self.closer._failure()
        self.closer._retrieved = True
        return error

    cdef int close_for(self, object closer) except -1:
        cdef Receiver place, receiver
        cdef object failure = None
        self.ensure_turns(True)
        self.closer = closer
        self.closed = True
        while self.first is not None:
            place = self.first
            receiver = place.owner()
            try:
                error = receiver.refusal(self)
            except BaseException as raised:  # no receiver may wait for a closed mailbox: it fails with this instead
                error = failure = raised
            if self.first is not place:
                continue
            self.leave(place)
            if closer is not None or place.in_no_line():  # a failure is not waited past, whatever else may send
                receiver.refuse(error)
                try:
                    receiver.notify()
                except BaseException as raised:  # the others must be notified, too
                    failure = raised if failure is None else failure
        if failure is not None:
            raise failure

    cdef int ensure_turns(self, bint refusing) except -1:
        """See that all in line can take note of a change, before it happens. ``refusing``: the mailbox is closed."""
        cdef Receiver place = self.first
        cdef Receiver receiver
        while place is not None:
            receiver = place.owner()
            if refusing:
                receiver.refusal(self)  # to see that there is room and memory for it
            receiver.ensure_turn()
            place = place.behind if place.in_line() else self.first
        return 0

    cdef Received poll(self):
        """The oldest message, as a `Received`; None if no message is queued."""
        cdef Received made
        if not self.has_messages():
            return None
        made = Received.__new__(Received)
        if not self.has_messages():
            return None
        made.message = self.take()
        made.channel = self
        made.delivery = next_delivery()
        return made

    cdef object take(self):
        """Take the oldest message, and let waiting senders in. Only if a message is queued."""
        message = self.pop()
        if self.sending:
            try:
                self.admit_senders()
            except BaseException:
                self.put_back(message, 0)
                raise
        return message

    cdef object pop(self):
        """Take the oldest message, and change nothing else. Only if a message is queued."""
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
        """Make a queue, if there is none. The collector may run: the caller must check its findings again."""
        queue = []
        if self.queued is None:
            self.queued = queue
        return 0

    cdef int admit_senders(self) except -1:
        """Take messages of waiting senders as long as there is room, and notify those senders.

        Other code finds the mailbox with room and senders that wait until this returns: so no code may run before that,
        and the turns of the senders are ensured before room is made.
        """
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
                    last.behind = sender  # it has left the line, so `behind` is free to link this chain
                last = sender
        finally:
            notify_all(first)
        return 0

    cdef int put_back(self, object message, int64_t delivery) except -1:
        """Undo a delivery: put the message before all but those of earlier deliveries. `serve` must follow."""
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
        """Deliver messages that were put back to receivers in line."""
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
            try:
                woken = receiver.notify()
            except BaseException:
                if place.in_line():  # the delivery is undone
                    self.put_back(message, 0)
                raise
            if not woken:
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

    cdef void join_first(self, Receiver receiver) noexcept:
        """Put a receiver back at the beginning of the line, which it has just left; not if senders stand there."""
        if self.sending:
            return
        receiver.mailbox = self
        receiver.behind = self.first
        receiver.ahead = NULL
        if self.first is None:
            self.last = <PyObject*>receiver
        else:
            self.first.ahead = <PyObject*>receiver
        self.first = receiver

    cdef void leave(self, Receiver receiver) noexcept:
        """Take a receiver out of the line, if it stands in it. Its reference to the mailbox stays."""
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
    """Notify a chain of receivers that have left the line: all of them, then the first error is raised."""
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


cpdef object as_message(object message):
    """Return what is sent where nothing evaluates it: a lazy result only if it is marked as data."""
    if type(message) is LazyResult:
        raise TaskArgumentError(
            f"message must be a value, got {message!r}, which nothing would evaluate: send it from a task that is "
            f"given it as an argument; or send cs.data(...) if the lazy result itself is meant"
        )
    return message.value if type(message) is Data else message


def expect_nothing(Mailbox mailbox not None):
    """Mark a mailbox as one without senders, for fake channels in tests: its queued messages are all there will be.

    Args:
        mailbox: receiving from it when it is empty times out at once, or, without a timeout, fails.
    """
    mailbox.without_senders = True


cdef Received nothing(int64_t span):
    """The outcome of receiving from an empty mailbox without senders: a timeout of `span` nanoseconds, at once."""
    if span < 0:
        raise ChannelClosedError("received from a fake channel that has no message left, without a timeout")
    return received(None, True, span, None)


cdef Task _recv = builtin_task("recv", RECV)
cdef Task _send = builtin_task("send", SEND)


name_type(Received, b"cascade.Received")
Received.make.__module__ = "cascade"
