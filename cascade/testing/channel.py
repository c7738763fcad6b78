"""A fake channel, for tests of tasks that receive and send."""

from __future__ import annotations

import asyncio

from cascade._core.run.mailbox import Received, as_message, expect_nothing
from cascade._core.time.durations import Duration, as_seconds
from cascade._support.boundary import boundary
from cascade._support.public import public_in
from cascade._support.type_variables import M
from cascade.exceptions import ChannelClosedError
from cascade.messaging.channel import Channel

__all__ = ["FakeChannel"]


@public_in("cascade.testing")
class FakeChannel(Channel[M]):
    """A `cascade.Channel` with messages that the test has prepared. No operation on it waits.

    Its messages are received one after another. When none is left, receiving with a timeout times out at once, and
    receiving without a timeout raises `ChannelClosedError`. Messages that are sent to it are recorded in `sent`, and
    are not received. `cascade.select` ignores a fake channel without messages while a real channel among the others is
    open.

    Args:
        messages: the messages to be received, in this order.

    Attributes:
        sent: the messages that were sent to it, in order.

    >>> import cascade as cs
    >>> from cascade.testing import FakeChannel
    >>> inbox, outbox = FakeChannel(1, 2), FakeChannel()
    >>> @cs.task(mode="inline")
    ... def double(received):
    ...     if received.timed_out:
    ...         return "end"
    ...     outbox.send(2 * received.message)
    ...     return double(inbox.recv(timeout=60))
    >>> cs.run(double(inbox.recv(timeout=60)))
    'end'
    >>> outbox.sent
    [2, 4]
    """

    __slots__ = ("sent",)

    @boundary
    def __init__(self, *messages: M) -> None:
        super().__init__()
        expect_nothing(self)
        self.sent: list[M] = []
        self.preload(*messages)

    @boundary
    def preload(self, *messages: M) -> None:
        """Append messages to those to be received.

        Args:
            messages: the messages, in this order.

        Raises:
            ChannelClosedError: the channel is closed.
        """
        for message in messages:
            super().send(message)

    @boundary
    def send(self, message: M) -> None:
        """Record a message in `sent`.

        Args:
            message: any object, but no lazy result unless `cascade.data` says that it is meant itself.

        Raises:
            ChannelClosedError: the channel is closed.
            TaskArgumentError: the message is a lazy result.
        """
        if self.closed:
            raise self._refusal("sent to")
        self.sent.append(as_message(message))

    @boundary
    async def put(self, message: M) -> None:
        """Record a message in `sent`, in plain asyncio code.

        Args:
            message: any object, but no lazy result unless `cascade.data` says that it is meant itself.

        Raises:
            ChannelClosedError: the channel is closed.
            TaskArgumentError: the message is a lazy result.
        """
        self.send(message)

    @boundary
    async def receive(self, timeout: Duration | None = None) -> Received[M]:
        """Receive a message in plain asyncio code, as `recv` does in an expression. It yields once, and does not wait.

        Args:
            timeout: seconds, reported as elapsed if there is no message; None: there must be a message.

        Returns:
            A `Received` with the message; if there is none, one with ``timed_out`` set.

        Raises:
            ChannelClosedError: there is no message and no timeout, or the channel is closed and empty.
            TypeError, ValueError: ``timeout`` is not a number >= 0.
        """
        if timeout is not None:
            timeout = as_seconds(timeout, "timeout")
        await asyncio.sleep(0)
        if len(self) or self.closed:
            return await super().receive()
        if timeout is None:
            raise ChannelClosedError("received from a fake channel that has no message left, without a timeout")
        return Received.make(None, True, timeout, None)

    def __repr__(self) -> str:
        return f"<FakeChannel, {len(self)} messages left, {len(self.sent)} sent>"
