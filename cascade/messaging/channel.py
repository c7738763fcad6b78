"""Channels: queues of messages between runs, and between runs and plain asyncio code."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from typing import Generic

from cascade._core.run import gc_traverse  # noqa: F401 - it completes the types
from cascade._core.run.callback import Callback, SendCallback
from cascade._core.run.mailbox import Mailbox, Received
from cascade._core.time.durations import Duration, as_seconds
from cascade._core.tracebacks import hide_frames
from cascade._support.public import public
from cascade._support.type_variables import M
from cascade.exceptions import ChannelClosedError

__all__ = ["Channel"]


@public
class Channel(Mailbox[M]):
    """A queue of messages between tasks, or between tasks and plain asyncio code on the same loop.

    Sending never waits, unless ``overflow`` is "block". A message goes to the receiver that has waited longest, or
    waits in the channel. Each message is received once.

    Args:
        capacity: the highest number of messages that wait, >= 1; None: not limited.
        overflow: what happens to a message beyond the capacity. "error": `send` raises `ChannelFullError`;
            "block": its sender waits for room; "drop_oldest": the oldest waiting message is dropped; "drop_newest": the
            sent message is dropped.
        name: a name for `Run.doing` and messages of deadlocks; None: no name.

    Attributes:
        closed: whether it was closed, so that it accepts no more messages.
        dropped: how many messages were dropped because there was no room.

    Raises:
        TypeError: ``capacity`` is not an int, or ``overflow`` or ``name`` is not a str.
        ValueError: ``capacity`` is less than 1, or ``overflow`` is none of these.

    >>> import cascade as cs
    >>> channel = cs.Channel()
    >>> channel.send("hello")
    >>> cs.run(channel.recv())
    Received(message='hello', timed_out=False, elapsed=0.0)
    >>> cs.run(channel.recv(timeout=0.01)).timed_out
    True
    """

    __slots__ = ()

    def __repr__(self) -> str:
        called = "" if self.name is None else f" {self.name!r}"
        return f"<{type(self).__name__}{called}: {len(self)} messages wait{', closed' if self.closed else ''}>"

    async def receive(self, timeout: Duration | None = None) -> Received[M]:
        """Receive a message in plain asyncio code, as `recv` does in an expression.

        Args:
            timeout: the longest wait, in seconds; None: not limited.

        Returns:
            A `Received` with the message; after a timeout, one with ``timed_out`` set and no message.

        Raises:
            ChannelClosedError: the channel is closed and empty.
            TypeError, ValueError: ``timeout`` is not a number >= 0.

        >>> import asyncio, cascade as cs
        >>> async def main():
        ...     channel = cs.Channel()
        ...     channel.send("hello")
        ...     return await channel.receive()
        >>> asyncio.run(main())
        Received(message='hello', timed_out=False, elapsed=0.0)
        """
        try:
            if timeout is not None:
                timeout = as_seconds(timeout, "timeout")
            loop = asyncio.get_running_loop()
            future: asyncio.Future[None] = loop.create_future()
            receiver = Callback(_waking(future))
            start = loop.time()
            at_once = receiver.try_or_join(self)
            try:
                await asyncio.wait((future,), timeout=timeout)
            except BaseException:  # also GeneratorExit: the event loop was closed
                receiver.give_back()
                raise
            finally:
                future.cancel()
            taken = receiver.take()
            if taken is not None:
                return Received.make(taken[0], False, 0.0 if at_once else loop.time() - start, self)
            if receiver.refused:
                raise self._refusal("received from")
            return Received.make(None, True, loop.time() - start, None)
        except BaseException as error:
            hide_frames(error)
            raise

    def __aiter__(self) -> AsyncIterator[M]:
        """Iterate over the messages, in plain asyncio code, until the channel is closed and empty.

        An iteration that is broken off or cancelled loses no message: the others stay in the channel.

        Raises:
            ChannelClosedError: a run to which the channel belongs has failed, or was cancelled; that is the cause. See
                `Engine.start`.

        >>> import asyncio, cascade as cs
        >>> async def main():
        ...     channel = cs.Channel()
        ...     channel.send("a")
        ...     channel.send("b")
        ...     channel.close()
        ...     return [message async for message in channel]
        >>> asyncio.run(main())
        ['a', 'b']
        """
        return _Messages(self)

    async def put(self, message: M) -> None:
        """Send a message in plain asyncio code. It waits for room if ``overflow`` is "block", else not at all.

        If it is cancelled while it waits, the message is not sent, unless it was received in the same turn of the event
        loop.

        Args:
            message: any object, but no lazy result unless `cascade.data` says that it is meant itself.

        Raises:
            TaskArgumentError: the message is a lazy result.
            ChannelClosedError: the channel is closed, or was closed before there was room.
            ChannelFullError: there is no room, and ``overflow`` is "error".

        >>> import asyncio, cascade as cs
        >>> async def main():
        ...     channel = cs.Channel(capacity=1, overflow="block")
        ...     await channel.put("a")
        ...     waiting = asyncio.ensure_future(channel.put("b"))
        ...     first = await channel.receive()
        ...     await waiting
        ...     return first.message, channel.drain()
        >>> asyncio.run(main())
        ('a', ['b'])
        """
        try:
            sent: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            sender = SendCallback(_waking(sent), message)
            if sender.try_or_join(self):
                return
            try:
                await sent
            finally:
                sender.withdraw()
            if sender.refused:
                raise self._refusal("sent to")
        except BaseException as error:
            hide_frames(error)
            raise


class _Messages(Generic[M]):
    """An asynchronous iterator over the messages of a channel. Not a generator: a lost one would be closed late."""

    __slots__ = ("_channel",)

    def __init__(self, channel: Channel[M]) -> None:
        self._channel = channel

    def __aiter__(self) -> AsyncIterator[M]:
        return self

    async def __anext__(self) -> M:
        try:
            return (await self._channel.receive()).message
        except ChannelClosedError as error:
            if error.__cause__ is not None:
                hide_frames(error)
                raise
            raise StopAsyncIteration from None


def _waking(future: asyncio.Future[None]) -> Callable[[], bool]:
    """Return a function that completes a future from any thread; it returns False if the event loop is closed."""
    loop = future.get_loop()
    thread = threading.get_ident()

    def settle() -> None:
        if not future.done():
            _check_room(_FRAMES)  # without it the future would be done, and what awaits it would never be woken
            future.set_result(None)

    def wake() -> bool:
        if loop.is_closed():
            return False
        if threading.get_ident() == thread:
            settle()
            return True
        try:
            loop.call_soon_threadsafe(settle)
        except RuntimeError:  # closed meanwhile
            return False
        return True

    return wake


_FRAMES = 6  # of asyncio, to schedule what awaits a future


def _check_room(frames: int) -> None:
    """Raise `RecursionError` if there is no room on the stack for so many calls."""
    if frames:
        _check_room(frames - 1)
