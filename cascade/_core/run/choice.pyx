"""Choices: receiving from the first of several mailboxes that has a message."""

cimport cython

from cascade._core.time.durations cimport nanoseconds
from cascade._core.expr.lazy cimport LazyResult
from cascade._core.run.mailbox cimport Mailbox
from cascade._core.expr.task_spec cimport SELECT
from cascade._core.expr.task cimport Task, builtin_task, lazy_call


@cython.no_gc
cdef class Seat(Receiver):
    """The place in one mailbox's line of a receiver that stands in several lines."""

    cdef Receiver owner(self):
        return self.receiver

    cdef bint in_no_line(self) noexcept:
        return self.choice.in_no_line()


@cython.no_gc
cdef class Choice:
    """The seats of a receiver that waits for the first message of several mailboxes."""

    cdef void join(self) noexcept:
        """Join the line of each mailbox from which a message may come."""
        cdef Seat seat
        for seat in self.seats:
            if seat.mailbox.may_deliver():
                seat.mailbox.join(seat)

    cdef void leave(self) noexcept:
        """Leave all lines, and refer to nothing but the mailboxes."""
        cdef Seat seat
        for seat in self.seats:
            seat.mailbox.leave(seat)
            seat.receiver = None
            seat.choice = None

    cdef tuple mailboxes(self):
        """The mailboxes in whose lines the receiver stands."""
        cdef Seat seat
        return tuple([seat.mailbox for seat in self.seats if seat.in_line()])

    cdef bint in_no_line(self) noexcept:
        """Whether the receiver stands in no line any longer, because all mailboxes were closed."""
        cdef Seat seat
        for seat in self.seats:
            if seat.in_line():
                return False
        return True


cdef Choice new_choice(Receiver receiver, tuple mailboxes):
    """Make the seats of a receiver, which stand in no line yet."""
    cdef Choice choice = Choice.__new__(Choice)
    cdef Mailbox mailbox
    cdef Seat seat
    choice.seats = []
    for mailbox in mailboxes:
        seat = Seat.__new__(Seat)
        seat.receiver = receiver
        seat.choice = choice
        seat.mailbox = mailbox
        choice.seats.append(seat)
    return choice


cdef Task _select = builtin_task("select", SELECT)


def select(channels, *, timeout=None):
    """Receive the next message of any of several channels, when the lazy result is evaluated.

    If several channels have messages, the first of them in the list is taken. A channel that is closed and empty is
    ignored as long as another one is open, unless it belongs to a run that has failed or was cancelled.

    Args:
        channels: a list or tuple of channels or of lazy results with channels as values, or a lazy result with such a
            list as its value.
        timeout: seconds to wait at most, or a lazy result with that value; None: no bound.

    Returns:
        A `LazyResult` whose value is a `Received`; its ``channel`` is the one that the message came from. It fails with
        `ChannelClosedError` if all channels are closed and empty; or if none has a message and one was closed as its
        run, see `Engine.start`, has failed or was cancelled, which is the cause.

    Raises:
        TypeError, ValueError: ``channels`` is empty or has an item that is not a channel, or ``timeout`` is not a
            duration.

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
        channels = tuple(channels)  # the caller may change the list later
    if type(channels) is not LazyResult:
        check_channels(channels, True)
    return lazy_call(_select, (channels, timeout))


cdef int check_channels(object channels, bint lazily) except -1:
    """Refuse what is not a list of channels; `lazily`: lazy results may stand for channels."""
    if type(channels) is not list and type(channels) is not tuple:
        raise TypeError(f"channels must be a list or tuple of channels, got `{type(channels).__name__}`")
    if not channels:
        raise ValueError("channels must have at least one channel, got none")
    for index, channel in enumerate(channels):
        if not isinstance(channel, Mailbox) and not (lazily and type(channel) is LazyResult):
            raise TypeError(f"channels[{index}] must be a channel, got `{type(channel).__name__}`")
    return 0


select.__module__ = "cascade"
