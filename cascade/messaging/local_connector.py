"""A connector inside one process, for programs without a message broker and for tests."""

from __future__ import annotations

import weakref
from fnmatch import translate
from re import compile as compile_pattern
from typing import Any, Literal

from cascade._support.public import public
from cascade.exceptions import ChannelClosedError, ChannelFullError
from cascade.messaging.channel import Channel

__all__ = ["LocalConnector", "Subscription"]


@public
class LocalConnector:
    """A `Connector` inside one process: publishers and subscribers share the object.

    A subscription receives all messages that are published to matching topics after it was made, in order. Each
    subscription has its own queue, so a slow one does not delay others.

    It counts its users: each `connect` needs one `close`, and the last `close` disconnects. So runs and engines that
    end at different times may share one. It may be used from several threads and event loops.

    Args:
        capacity: the highest number of messages that wait in the queue of a subscription, >= 1.
        overflow: what happens to a message for which a queue has no room. "error": `publish` raises `ChannelFullError`
            and no subscription receives it; "drop_oldest": the oldest message of that queue is dropped; "drop_newest":
            the message is dropped for that queue.

    Raises:
        ValueError: ``capacity`` is not an int >= 1, or ``overflow`` is none of these.

    >>> import asyncio
    >>> async def main():
    ...     connector = LocalConnector()
    ...     await connector.connect()
    ...     heard = connector.subscribe("sensors/*")
    ...     await connector.publish("sensors/hall", b"21")
    ...     await connector.publish("doors/hall", b"open")
    ...     await connector.close()
    ...     return [message async for message in heard]
    >>> asyncio.run(main())
    [('sensors/hall', b'21')]
    """

    def __init__(
        self, capacity: int = 1024, overflow: Literal["error", "drop_oldest", "drop_newest"] = "error"
    ) -> None:
        if type(capacity) is not int:
            raise ValueError(f"capacity must be an int >= 1, got {capacity!r}")
        if overflow not in ("error", "drop_oldest", "drop_newest"):  # "block" would let one delay the others
            raise ValueError(f"overflow must be 'error', 'drop_oldest' or 'drop_newest', got {overflow!r}")
        Channel(capacity, overflow)  # raises if the capacity is not valid
        self._capacity = capacity
        self._overflow: Literal["error", "drop_oldest", "drop_newest"] = overflow
        self._connections = 0
        # Weak references: the queue of an unreferenced subscription must not fill up.
        self._subscriptions: dict[int, weakref.ref[Subscription]] = {}
        self._awaited: list[Subscription] = []  # subscriptions whose next message is being awaited: kept alive

    @property
    def connected(self) -> bool:
        """Whether messages can be published and subscribed to."""
        return self._connections > 0

    async def connect(self) -> None:
        """Connect. Each call needs one `close`."""
        self._connections += 1

    async def close(self) -> None:
        """Undo one `connect`. The last one ends subscriptions when their queues are empty. A surplus one is ignored."""
        if self._connections:
            self._connections -= 1
        if not self._connections:
            for subscription in self._take_subscriptions():
                subscription._end()  # noqa: SLF001 - only its connector ends it; users call `aclose`

    async def publish(self, topic: str, message: bytes) -> None:
        """Send a message to all subscriptions that match.

        Args:
            topic: any text.
            message: the message.

        Raises:
            TypeError: ``topic`` is not a `str`, or ``message`` is not `bytes`.
            ConnectionError: the connector is not connected.
            ChannelFullError: the queue of a subscription is full, and ``overflow`` is "error".
        """
        _check(topic, str, "topic")
        _check(message, bytes, "message")
        self._check_connected("publish")
        wanting = [heard for heard in self._listeners() if heard.wants(topic)]
        if self._overflow == "error":
            for heard in wanting:
                if heard.waiting >= self._capacity:
                    raise ChannelFullError(
                        f"published {topic!r}, but the subscription to {heard.topics!r} is at its capacity: "
                        f"{heard.waiting} messages wait"
                    )
        for heard in wanting:
            heard._take(topic, message)  # noqa: SLF001

    def subscribe(self, topics: str) -> Subscription:
        """Subscribe to topics, from now on.

        Args:
            topics: a case-sensitive glob that must match the whole topic: ``*`` matches any text, ``?`` any character,
                ``[abc]`` one of these characters.

        Returns:
            An asynchronous iterator of (topic, message). It ends when the connector is closed.

        Raises:
            TypeError: ``topics`` is not a `str`.
            ConnectionError: the connector is not connected.
        """
        _check(topics, str, "topics")
        self._check_connected("subscribe")
        subscription = Subscription(topics, Channel(self._capacity, self._overflow), self._awaited)
        key = id(subscription)
        known = self._subscriptions
        known[key] = weakref.ref(subscription, lambda _: known.pop(key, None))
        return subscription

    def _listeners(self) -> list[Subscription]:
        """Return the subscriptions that are referenced and have not ended, in the order in which they were made."""
        found = [reference() for reference in tuple(self._subscriptions.values())]
        return [one for one in found if one is not None and not one.ended]

    def _take_subscriptions(self) -> list[Subscription]:
        listeners = self._listeners()
        self._subscriptions.clear()
        return listeners

    def _check_connected(self, what: str) -> None:
        if not self._connections:
            raise ConnectionError(f"`{what}` needs a connected connector: call `connect` first")

    def __repr__(self) -> str:
        state = "connected" if self.connected else "not connected"
        return f"<LocalConnector, {state}, {len(self._listeners())} subscriptions>"


class Subscription:
    """An asynchronous iterator of (topic, message). Made by `LocalConnector.subscribe`.

    Attributes:
        topics: the glob.
    """

    def __init__(self, topics: str, channel: Channel, awaited: list[Subscription]) -> None:
        self.topics = topics
        self._awaited = awaited
        self._matches = compile_pattern(translate(topics)).match
        self._channel = channel

    @property
    def waiting(self) -> int:
        """How many messages wait in its queue."""
        return len(self._channel)

    @property
    def ended(self) -> bool:
        """Whether it receives no more messages than those that wait."""
        return self._channel.closed

    def wants(self, topic: str) -> bool:
        """Whether a topic matches."""
        return self._matches(topic) is not None

    async def aclose(self) -> None:
        """End the subscription, and drop the messages that wait."""
        self._channel.close()
        self._channel.drain()

    def __aiter__(self) -> Subscription:
        return self

    async def __anext__(self) -> tuple[str, bytes]:
        # The connector keeps it alive meanwhile: event loops refer to waiting tasks weakly, so a task that only this
        # subscription can wake could be freed together with it.
        self._awaited.append(self)
        try:
            received = await self._channel.receive()
        except ChannelClosedError:
            raise StopAsyncIteration from None
        finally:
            self._awaited.remove(self)
        message: tuple[str, bytes] = received.message
        return message

    def _take(self, topic: str, message: bytes) -> None:
        if not self._channel.closed:
            self._channel.send((topic, message))

    def _end(self) -> None:
        self._channel.close()

    def __repr__(self) -> str:
        return f"<Subscription to {self.topics!r}, {self.waiting} messages wait{', ended' if self.ended else ''}>"


def _check(given: Any, kind: type, name: str) -> None:
    if not isinstance(given, kind):
        raise TypeError(f"{name} must be `{kind.__name__}`, got `{type(given).__name__}`")
