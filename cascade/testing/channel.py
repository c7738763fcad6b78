"""A fake channel: for tests of tasks that receive and send."""

from __future__ import annotations

import asyncio

from cascade._core.run.mailbox import Received, expect_nothing
from cascade._core.time.clock import check_seconds
from cascade._support.public import public_in
from cascade._support.type_variables import M
from cascade.exceptions import ChannelClosedError
from cascade.messaging.channel import Channel

__all__ = ["FakeChannel"]


@public_in("cascade.testing")
class FakeChannel(Channel[M]):
    """A `cascade.Channel` with the messages that a test has put into it, in which nobody waits.

    It gives its messages one after another. When there are none left, who has a timeout is told at once that it is
    over, and who would wait for ever gets `ChannelClosedError`. What is sent to it is kept in `sent` and received by
    nobody. `cascade.select` passes over one that has no message left, as long as a real channel among them is open.

    Args:
        messages: what is received from it, in this order.

    Attributes:
        sent: what was sent to it, in order.

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

    def __init__(self, *messages: M) -> None:
        super().__init__()
        expect_nothing(self)
        self.sent: list[M] = []
        self.preload(*messages)

    def preload(self, *messages: M) -> None:
        """Put more messages behind those that are to be received.

        Args:
            messages: what is received, in this order.

        Raises:
            ChannelClosedError: the channel is closed.
        """
        for message in messages:
            super().send(message)

    def send(self, message: M) -> None:
        """Keep a message in `sent`.

        Args:
            message: anything.

        Raises:
            ChannelClosedError: the channel is closed.
        """
        if self.closed:
            raise ChannelClosedError("sent to a closed channel")
        self.sent.append(message)

    async def put(self, message: M) -> None:
        """Send in plain asyncio code: what `send` is elsewhere.

        Args:
            message: anything.

        Raises:
            ChannelClosedError: the channel is closed.
        """
        self.send(message)

    async def receive(self, timeout: float | None = None) -> Received[M]:
        """Receive in plain asyncio code: what `recv` is in an expression. It lets others run, and does not wait.

        Args:
            timeout: seconds that seem to have passed if there is no message; None: there must be one.

        Raises:
            ChannelClosedError: there is no message and no timeout, or the channel is closed and empty.
            TypeError, ValueError: ``timeout`` is no span of time.
        """
        if timeout is not None:
            check_seconds(timeout, "timeout")
        await asyncio.sleep(0)
        if len(self) or self.closed:
            return await super().receive()
        if timeout is None:
            raise ChannelClosedError("received from a fake channel that has no message left, without a timeout")
        return Received.make(None, True, float(timeout), None)

    def __repr__(self) -> str:
        return f"<FakeChannel, {len(self)} messages left, {len(self.sent)} sent>"
