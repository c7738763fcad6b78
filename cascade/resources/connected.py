"""Connections to message brokers, as resources of the engine."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cascade.messaging.protocol import Connector

__all__ = ["connected", "is_connector"]


def is_connector(value: object) -> bool:
    """Return whether a registered object is to be connected and closed, and is not just a value.

    The class decides, not the object: a mock, which has every attribute, is a value. A class with ``connect`` and
    ``close`` that are not async, like a socket's, is one only if it has ``publish`` and ``subscribe`` too.
    """
    methods = [getattr(type(value), name, None) for name in ("connect", "close", "publish", "subscribe")]
    if all(inspect.iscoroutinefunction(method) for method in methods[:2]):
        return True
    return all(callable(method) for method in methods)


def connected(connector: Connector) -> Callable[[], AsyncIterator[Connector]]:
    """Return the function of a resource whose value is the connector, connected."""

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
