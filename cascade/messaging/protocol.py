"""The protocol of connectors: messages by topic."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol, runtime_checkable

from cascade._support.public import public

__all__ = ["Connector"]


@public
@runtime_checkable
class Connector(Protocol):
    """Carries messages, by topic, between programs or engines that are connected to the same message broker.

    Registered with `Engine.register`, it is a resource of the engine: it is connected before the first task that uses
    it starts, and closed with the engine.

    >>> from cascade.messaging.local_connector import LocalConnector
    >>> isinstance(LocalConnector(), Connector)
    True
    """

    async def connect(self) -> None:
        """Connect. It may be called again, by another engine that shares the connector: each call needs one `close`.

        After the last `close`, it may be connected again.
        """
        ...

    async def close(self) -> None:
        """Undo one `connect`. The last one ends all subscriptions. A surplus call does nothing."""
        ...

    async def publish(self, topic: str, message: bytes) -> None:
        """Send a message to every subscription whose glob matches the topic; if there is none, do nothing.

        Args:
            topic: any text.
            message: any bytes, perhaps empty.

        Raises:
            Exception: the connector is not connected, or the message cannot be sent.
        """
        ...

    def subscribe(self, topics: str, /) -> AsyncIterator[tuple[str, bytes]]:
        """Subscribe to topics. The subscription begins, at the latest, when its first message is awaited.

        Each subscription receives all matching messages of one publisher, in order, independently of other
        subscriptions.

        Args:
            topics: a glob that must match the whole topic: ``*`` matches any text, ``?`` any character, ``[abc]`` one
                of these characters; no other character is special.

        Returns:
            An asynchronous iterator of (topic, message), which ends when the connector is closed.

        Raises:
            Exception: the connector is not connected; raised here or when the first message is awaited.
        """
        ...
