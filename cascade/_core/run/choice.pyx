"""Choices: receiving from the first of several mailboxes that has a message."""

cimport cython

from cascade._core.time.clock cimport nanoseconds
from cascade._core.expr.lazy cimport LazyResult
from cascade._core.run.mailbox cimport Mailbox
from cascade._core.expr.task_spec cimport SELECT
from cascade._core.expr.task cimport Task, builtin_task, lazy_call


@cython.no_gc
cdef class Seat(Receiver):
    """The place in one mailbox's line of a receiver that stands in several."""

    cdef Receiver owner(self):
        return self.receiver

    cdef bint in_no_line(self) noexcept:
        return self.choice.in_no_line()


@cython.no_gc
cdef class Choice:
    """The places of a receiver that waits for the first message of several mailboxes."""

    cdef void join(self) noexcept:
        """Stand in the line of each mailbox from which a message may come."""
        cdef Seat seat
        for seat in self.seats:
            if seat.mailbox.may_deliver():
                seat.mailbox.join(seat)

    cdef void leave(self) noexcept:
        """Leave all the lines, and hold on to nothing but the mailboxes."""
        cdef Seat seat
        for seat in self.seats:
            seat.mailbox.leave(seat)
            seat.receiver = None
            seat.choice = None

    cdef tuple mailboxes(self):
        """Those in whose lines it stands."""
        cdef Seat seat
        return tuple([seat.mailbox for seat in self.seats if seat.in_line()])

    cdef bint in_no_line(self) noexcept:
        """Whether it stands in no line any more: all the mailboxes were closed meanwhile."""
        cdef Seat seat
        for seat in self.seats:
            if seat.in_line():
                return False
        return True


cdef Choice new_choice(Receiver receiver, tuple mailboxes):
    """The places of a receiver in mailboxes, in no line yet."""
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


select.__module__ = "cascade"
