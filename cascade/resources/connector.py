"""Connectors: connections to message brokers, as resources of the engine."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Protocol

__all__ = ["Connector", "connected", "is_connector"]


class Connector(Protocol):
    """A connection to a message broker. Registered with an engine, it is connected before its first use.

    It lasts as long as the engine: `close` is called once, when the engine is closed, after all runs have ended.
    """

    async def connect(self) -> None:
        """Connect. What it raises is the failure of whoever asked for the connector; cancelled, it leaves nothing."""

    async def close(self) -> None:
        """Close the connection. Called only after `connect` has returned."""

    async def publish(self, topic: str, message: Any) -> None:
        """Send a message to all who have subscribed to a topic."""

    async def subscribe(self, topic: str, callback: Callable[[Any], Awaitable[None]]) -> Any:
        """Have every message of a topic given to a callback."""


def is_connector(value: object) -> bool:
    """Whether a registered object is to be connected and closed, and not just a value.

    The class is asked, not the object: a mock, which has every attribute, is a value. A class with ``connect`` and
    ``close`` that are not async, like a socket's, is one only if it has ``publish`` and ``subscribe`` too.
    """
    methods = [getattr(type(value), name, None) for name in ("connect", "close", "publish", "subscribe")]
    if all(inspect.iscoroutinefunction(method) for method in methods[:2]):
        return True
    return all(callable(method) for method in methods)


def connected(connector: Connector) -> Callable[[], AsyncIterator[Connector]]:
    """Give the function of a resource that is a connector while it is connected."""

    async def connection() -> AsyncIterator[Connector]:
        await _awaited(connector.connect())
        try:
            yield connector
        finally:
            await _awaited(connector.close())

    return connection


async def _awaited(result: Any) -> None:
    if inspect.isawaitable(result):
        await result
