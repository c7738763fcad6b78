"""The protocol of connectors: messages by topic."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol, runtime_checkable

from cascade._support.public import public

__all__ = ["Connector"]


@public
@runtime_checkable
class Connector(Protocol):
    """Carries messages between whoever is connected to the same place, by topic.

    Registered with `Engine.register`, it is a resource of the engine: connected before the first task that it is
    injected into, closed with the engine.

    >>> from cascade.messaging.local_connector import LocalConnector
    >>> isinstance(LocalConnector(), Connector)
    True
    """

    async def connect(self) -> None:
        """Make it ready. It may be called again, by another engine that shares it: each call is answered by a `close`.

        After the last `close`, it may be connected again.
        """
        ...

    async def close(self) -> None:
        """Undo one `connect`. With the last, iterations of what `subscribe` gave end. One too many does nothing."""
        ...

    async def publish(self, topic: str, message: bytes) -> None:
        """Send a message to every subscription whose glob matches the topic. Nobody listening is no error.

        Args:
            topic: what the message is about.
            message: any bytes, also none.

        Raises:
            Exception: it is not connected, or the message cannot be sent.
        """
        ...

    def subscribe(self, topics: str, /) -> AsyncIterator[tuple[str, bytes]]:
        """Listen to topics, at the latest from when the first message is awaited.

        Of what one publisher publishes, each subscription gets all that matches, in order, whatever other subscriptions
        there are.

        Args:
            topics: a glob: ``*`` is any text, ``?`` any character, ``[abc]`` one of these; nothing else is special.

        Returns:
            An asynchronous iterator of topics and messages, which ends when the connector is closed.

        Raises:
            Exception: it is not connected; raised here or when the first message is awaited.
        """
        ...
