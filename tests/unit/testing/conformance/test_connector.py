"""The check of connectors passes ours, and names what is wrong with others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from fnmatch import fnmatchcase

import pytest

from cascade.messaging.local_connector import LocalConnector, Subscription
from cascade.protocols import Connector
from cascade.testing.conformance.connector import check_connector
from support.conformance import broken


class Generated:
    """A connector as anybody might write it, whose subscriptions begin when they are awaited."""

    def __init__(self) -> None:
        self.count = 0
        self.queues: dict[asyncio.Queue[tuple[str, bytes] | None], str] = {}

    async def connect(self) -> None:
        await asyncio.sleep(0)
        self.count += 1

    async def close(self) -> None:
        await asyncio.sleep(0)
        self.count = max(0, self.count - 1)
        if not self.count:
            for queue in self.queues:
                queue.put_nowait(None)

    async def publish(self, topic: str, message: bytes) -> None:
        self.check()
        await asyncio.sleep(0)
        for queue, topics in self.queues.items():
            if fnmatchcase(topic, topics):
                queue.put_nowait((topic, message))

    async def subscribe(self, topics: str) -> AsyncIterator[tuple[str, bytes]]:
        self.check()
        queue: asyncio.Queue[tuple[str, bytes] | None] = asyncio.Queue()
        self.queues[queue] = topics
        try:
            while (message := await queue.get()) is not None:
                yield message
        finally:
            del self.queues[queue]

    def check(self) -> None:
        if not self.count:
            raise OSError("not connected")


class Wrong(LocalConnector):
    """Ours, spoilt in one way."""

    def __init__(self, way: str) -> None:
        super().__init__()
        self.way = way
        self.sent = 0

    def _check_connected(self, what: str) -> None:
        if self.way != what:
            super()._check_connected(what)

    async def close(self) -> None:
        if self.way == "one too many" and not self.connected:
            raise OSError("not connected")
        if self.way == "first close":
            self._connections = min(1, self._connections)
        if self.way == "never ends":
            self._connections -= 1
            return
        if self.way == "hangs":
            await asyncio.Event().wait()
        await super().close()

    async def connect(self) -> None:
        if self.way == "once" and self.sent:
            raise OSError("it was connected before")
        await super().connect()

    async def publish(self, topic: str, message: bytes) -> None:
        self.sent += self.connected
        if self.way == "swaps" and message == b"7":
            return await super().publish(topic, b"8")
        if self.way == "drops" and message == b"" and self.connected:
            return None
        if self.way == "strings":
            return await super().publish(topic, message.rstrip(b"\x00"))
        if self.way == "silent" and self.connected:
            return None
        if self.way == "needs one" and self.connected and not self._listeners():
            raise OSError("nobody listens")
        if self.way == "first only":
            self._check_connected("publish")
            for one in self._listeners()[:1]:
                if one.wants(topic):
                    one._take(topic, message)
            return None
        return await super().publish(topic, message)

    def subscribe(self, topics: str) -> Subscription:
        subscription = super().subscribe(topics)
        if self.way == "prefix":
            start = topics.partition("[")[0].rstrip("*?")
            subscription._matches = lambda topic: topic.startswith(start) or None  # type: ignore[assignment]
        if self.way == "case":
            lower = topics.lower()
            subscription._matches = lambda topic: fnmatchcase(topic.lower(), lower) or None  # type: ignore[assignment]
        return subscription


@pytest.mark.parametrize("make", [LocalConnector, Generated])
def test_connectors(make: Callable[[], Connector]) -> None:
    check_connector(make)


@pytest.mark.parametrize(
    ("way", "requirement"),
    [
        ("publish", "publishing and subscribing before `connect` raises an exception: the call must raise"),
        ("subscribe", "publishing and subscribing before `connect` raises an exception: the call must raise"),
        ("one too many", "a surplus `close` does nothing: it raised OSError"),
        ("first close", "each `connect` needs one `close`: the last one disconnects: "),
        ("never ends", "the iteration of a subscription ends when the connector is closed: "),
        ("hangs", "`connect`, `publish` and `close` end without an exception: they had not"),
        ("once", "after the last `close`, it may be connected again: it raised OSError: it was connected before"),
        ("swaps", "a subscription receives all messages that match, complete and in order: the next message must be ("),
        ("drops", "a subscription receives all messages that match, complete and in order: "),
        ("silent", "a subscription has begun, at the latest, when its first message is awaited: no message on"),
        ("needs one", "publishing without a subscription does nothing: it raised OSError: nobody listens"),
        ("first only", "a subscription has begun, at the latest"),
        ("prefix", "a subscription receives exactly the topics that its glob matches as a whole: "),
        ("case", "a subscription receives exactly the topics that its glob matches as a whole: "),
    ],
)
def test_wrong_connectors(way: str, requirement: str) -> None:
    broken(check_connector, lambda: Wrong(way), requirement, patience=0.5)
