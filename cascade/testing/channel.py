"""A fake channel: for tests of tasks that receive and send."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any

from cascade._core.clock import check_seconds
from cascade._core.lazy import LazyResult
from cascade._core.mailbox import Received
from cascade._core.task import task
from cascade.channel import Channel
from cascade.exceptions import ChannelClosedError

__all__ = ["FakeChannel"]


class FakeChannel(Channel):
    """A `cascade.Channel` with the messages that a test has put into it, which never waits.

    It gives its messages one after another. When there are none left, who has a timeout is told at once that it is
    over, and who would wait for ever gets `ChannelClosedError`. What is sent to it is kept in `sent` and received by
    nobody. `cascade.select` waits in lines, and nobody is served in this one's: give it channels.

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

    __slots__ = ("_messages", "sent")

    def __init__(self, *messages: object) -> None:
        super().__init__()
        self._messages: deque[Any] = deque(messages)
        self.sent: list[Any] = []

    def preload(self, *messages: object) -> None:
        """Put more messages behind those that are to be received."""
        self._messages.extend(messages)

    def send(self, message: object) -> None:
        """Keep a message in `sent`.

        Args:
            message: anything.

        Raises:
            ChannelClosedError: the channel is closed.
        """
        if self.closed:
            raise ChannelClosedError("sent to a closed channel")
        self.sent.append(message)

    def recv(self, timeout: float | LazyResult | None = None) -> LazyResult:
        """A lazy result that gives the next message without waiting.

        Args:
            timeout: seconds, or a lazy result giving them, that seem to have passed if there is no message; None: there
                must be one.

        Returns:
            A `LazyResult` giving a `Received`. It fails with `ChannelClosedError` if there is no message and no
            timeout, or the channel is closed and empty.
        """
        if timeout is not None and type(timeout) is not LazyResult:
            check_seconds(timeout, "timeout")
        return _receive(self, timeout)

    async def receive(self, timeout: float | None = None) -> Received:
        """Receive in plain asyncio code: what `recv` is in an expression. It lets others run, and does not wait.

        Args:
            timeout: seconds that seem to have passed if there is no message; None: there must be one.

        Raises:
            ChannelClosedError: there is no message and no timeout, or the channel is closed and empty.
            TypeError, ValueError: ``timeout`` is no span of time.
        """
        await asyncio.sleep(0)
        return self._next(timeout)

    def unreceive(self, message: object) -> None:
        """Put a message back, before all others."""
        self._messages.appendleft(message)

    def drain(self) -> list[Any]:
        """Take all messages that are left: a list, the next one first."""
        messages = list(self._messages)
        self._messages.clear()
        return messages

    def _next(self, timeout: float | None) -> Received:
        if timeout is not None:
            check_seconds(timeout, "timeout")
        if self._messages:
            return Received.make(self._messages.popleft(), False, 0.0, None)
        if self.closed:
            raise ChannelClosedError("received from a closed channel")
        if timeout is None:
            raise ChannelClosedError("received from a fake channel that has no message left, without a timeout")
        return Received.make(None, True, float(timeout), None)

    def __len__(self) -> int:
        """How many messages are left."""
        return len(self._messages)

    def __repr__(self) -> str:
        return f"<FakeChannel, {len(self)} messages left, {len(self.sent)} sent>"


@task(mode="inline", name="recv")
def _receive(channel: FakeChannel, timeout: float | None) -> Received:
    return channel._next(timeout)
