"""Connectors: messages between whoever shares one, by topic."""

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
    """A `Connector` inside one process: who publishes and who subscribes share the object.

    A subscription hears all messages that are published to matching topics after it was made, in order. Each has a
    queue of its own; a slow one holds up nobody.

    It is connected as long as somebody needs it: each `connect` is answered by one `close`, and the last one counts. So
    runs and engines that end at different times may share one. It may be used from several threads and event loops.

    Args:
        capacity: how many messages may wait in the queue of a subscription.
        overflow: what happens to a message for which a queue has no room. "error": `publish` raises `ChannelFullError`
            and nobody gets it; "drop_oldest": the oldest in that queue is lost; "drop_newest": this one is, there.

    Raises:
        ValueError: ``capacity`` is not an int of at least 1, or the rule is unknown.

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
            raise ValueError(f"expected a capacity as an int of at least 1, got {capacity!r}")
        if overflow not in ("error", "drop_oldest", "drop_newest"):  # "block" would let a slow one hold up the others
            raise ValueError(f"expected overflow 'error', 'drop_oldest' or 'drop_newest', got {overflow!r}")
        Channel(capacity, overflow)  # refuses what is no capacity
        self._capacity = capacity
        self._overflow: Literal["error", "drop_oldest", "drop_newest"] = overflow
        self._connections = 0
        # Weak: a subscription that nobody reads from any more must not fill its queue.
        self._subscriptions: dict[int, weakref.ref[Subscription]] = {}
        self._awaited: list[Subscription] = []  # those that somebody reads from just now

    @property
    def connected(self) -> bool:
        """Whether messages can be published and subscribed to."""
        return self._connections > 0

    async def connect(self) -> None:
        """Make it ready. Each call needs a `close`."""
        self._connections += 1

    async def close(self) -> None:
        """Undo one `connect`. With the last, subscriptions give what they have and end. One too many does nothing."""
        if self._connections:
            self._connections -= 1
        if not self._connections:
            for subscription in self._take_subscriptions():
                subscription._end()  # noqa: SLF001 - users cancel it, and only its connector ends it

    async def publish(self, topic: str, message: bytes) -> None:
        """Send a message to all subscriptions that match.

        Args:
            topic: what it is about; any text.
            message: the message.

        Raises:
            TypeError: ``topic`` is no `str`, or ``message`` no `bytes`.
            ConnectionError: it is not connected.
            ChannelFullError: a queue is full, and the rule is "error".
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
        """Listen to topics, from now on.

        Args:
            topics: a glob that the topic must match as a whole: ``*`` is any text, ``?`` any character, ``[abc]`` one
                of these. Case counts.

        Returns:
            An asynchronous iterator of topics and messages. It ends when the connector is closed.

        Raises:
            TypeError: ``topics`` is no `str`.
            ConnectionError: it is not connected.
        """
        _check(topics, str, "topics")
        self._check_connected("subscribe")
        subscription = Subscription(topics, Channel(self._capacity, self._overflow), self._awaited)
        key = id(subscription)
        known = self._subscriptions
        known[key] = weakref.ref(subscription, lambda _: known.pop(key, None))
        return subscription

    def _listeners(self) -> list[Subscription]:
        """The subscriptions that somebody can read from, in the order in which they were made."""
        found = [reference() for reference in tuple(self._subscriptions.values())]
        return [one for one in found if one is not None and not one.ended]

    def _take_subscriptions(self) -> list[Subscription]:
        listeners = self._listeners()
        self._subscriptions.clear()
        return listeners

    def _check_connected(self, what: str) -> None:
        if not self._connections:
            raise ConnectionError(f"expected a connector that is connected, got one that is not - at `{what}`")

    def __repr__(self) -> str:
        state = "connected" if self.connected else "not connected"
        return f"<LocalConnector, {state}, {len(self._listeners())} subscriptions>"


class Subscription:
    """An asynchronous iterator of the messages that match, each with its topic. Made by `LocalConnector.subscribe`.

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
        """How many messages wait to be read."""
        return len(self._channel)

    @property
    def ended(self) -> bool:
        """Whether no more messages will come than those that wait."""
        return self._channel.closed

    def wants(self, topic: str) -> bool:
        """Whether a topic matches."""
        return self._matches(topic) is not None

    async def aclose(self) -> None:
        """End it: messages that wait are dropped."""
        self._channel.close()
        self._channel.drain()

    def __aiter__(self) -> Subscription:
        return self

    async def __anext__(self) -> tuple[str, bytes]:
        # Held by the connector meanwhile: the event loop would not hold who waits here and is held by nobody else.
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
        raise TypeError(f"expected {name} as `{kind.__name__}`, got `{type(given).__name__}`")
