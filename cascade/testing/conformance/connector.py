"""The check of connectors."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

from cascade._support.public import public_in
from cascade.messaging.protocol import Connector
from cascade.testing.conformance.requirement import Requirement, check_methods, shown

__all__ = ["check_connector"]

_numbers = itertools.count()


@public_in("cascade.testing.conformance")
def check_connector(make: Callable[[], Connector], *, patience: float = 30) -> None:
    """Check that a connector fulfils its protocol, in new event loops.

    All topics begin with ``conformance/``, in case other programs use the same message broker.

    Args:
        make: makes a connector that is not connected.
        patience: seconds after which an expected event counts as missing.

    Raises:
        AssertionError: it does not; the message begins with the violated requirement.

    >>> from cascade.messaging.local_connector import LocalConnector
    >>> check_connector(LocalConnector)
    """
    check_methods(make(), Connector)
    checks = (_refuses, _delivers, _matches, _is_independent, _ends, _counts)
    for check in checks:
        asyncio.run(_limited(check(make(), patience), patience))
    connector = make()
    for _ in range(2):  # in two event loops, one after the other
        asyncio.run(_limited(_delivers(connector, patience), patience))


async def _limited(check: Coroutine[Any, Any, None], patience: float) -> None:
    with Requirement("`connect`, `publish` and `close` end without an exception") as requirement:
        try:
            await asyncio.wait_for(check, 4 * patience)
        except TimeoutError as error:
            requirement.violated(f"they had not ended after {4 * patience:g} s", error)


class _Listener:
    """A subscription that is iterated over by an asyncio task, with a queue of its messages."""

    def __init__(self, connector: Connector, topics: str, patience: float) -> None:
        self._connector = connector
        self._patience = patience
        self._queue: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue()
        messages: AsyncIterator[tuple[str, bytes]] = connector.subscribe(topics)
        self._reading = asyncio.ensure_future(self._read(messages))

    async def _read(self, messages: AsyncIterator[tuple[str, bytes]]) -> None:
        async for message in messages:
            self._queue.put_nowait(message)

    async def ready(self, topic: str) -> None:
        """Wait until the subscription has begun: until it receives a published message."""
        with Requirement("a subscription has begun, at the latest, when its first message is awaited") as requirement:
            mark = b"ready %d" % next(_numbers)
            loop = asyncio.get_running_loop()
            end = loop.time() + self._patience
            while self._queue.empty():
                requirement.expect(loop.time() < end, f"no message on {topic!r} has arrived for {self._patience:g} s")
                await self._connector.publish(topic, mark)
                await asyncio.sleep(0.001)
            await self._connector.publish(topic, mark + b" now")
            while (await self.next(requirement))[1] != mark + b" now":
                pass

    async def next(self, requirement: Requirement) -> tuple[str, bytes]:
        """Return the next message."""
        get = asyncio.ensure_future(self._queue.get())
        await asyncio.wait((get, self._reading), timeout=self._patience, return_when=asyncio.FIRST_COMPLETED)
        if get.done():
            return get.result()
        get.cancel()
        if self._reading.done():
            self._reading.result()
            requirement.violated("the iteration has ended, although a message was published")
        requirement.violated(f"no message has arrived within {self._patience:g} s")

    async def expect(self, requirement: Requirement, *expected: tuple[str, bytes]) -> None:
        """Check that exactly these messages come next."""
        for message in expected:
            found = await self.next(requirement)
            requirement.expect(found == message, f"the next message must be {message!r}, got {shown(found)}")

    async def end(self) -> None:
        """Check that the iteration ends. Called when the connector was closed."""
        with Requirement("the iteration of a subscription ends when the connector is closed") as requirement:
            await asyncio.wait((self._reading,), timeout=self._patience)
            if not self._reading.done():
                await self.drop()
                requirement.violated(f"it had not ended after {self._patience:g} s")
            self._reading.result()

    async def drop(self) -> None:
        """Stop reading."""
        self._reading.cancel()
        await asyncio.wait((self._reading,))


async def _refuses(connector: Connector, patience: float) -> None:
    async def first() -> None:
        async for _ in connector.subscribe("conformance/*"):
            break

    for when in ("before `connect`", "after `close`"):
        with Requirement(f"publishing and subscribing {when} raises an exception") as requirement:
            with requirement.raises():
                await connector.publish("conformance/topic", b"")
            with requirement.raises():
                listening = asyncio.ensure_future(first())
                await asyncio.wait((listening,), timeout=patience)
                if listening.done():
                    listening.result()
                else:
                    listening.cancel()
        await connector.connect()
        await connector.close()
    with Requirement("a surplus `close` does nothing"):
        await connector.close()


async def _delivers(connector: Connector, patience: float) -> None:
    await connector.connect()
    listener = _Listener(connector, "conformance/order", patience)
    await listener.ready("conformance/order")
    with Requirement("a subscription receives all messages that match, complete and in order") as requirement:
        messages = [b"", b"\x00\xff" * 5000, *(b"%d" % number for number in range(100))]
        for message in messages:
            await connector.publish("conformance/order", message)
        await listener.expect(requirement, *(("conformance/order", message) for message in messages))
    await connector.close()
    await listener.end()


async def _matches(connector: Connector, patience: float) -> None:
    topics = ["conformance/a", "conformance/b", "conformance/a/b", "conformance/A", "conformance/a.b"]
    globs = {
        "conformance/*": topics,
        "conformance/?": [topics[0], topics[1], topics[3]],
        "conformance/[ab]": topics[:2],
        "conformance/a": topics[:1],
        "conformance/a.b": topics[4:],
    }
    await connector.connect()
    listeners = {glob: _Listener(connector, glob, patience) for glob in globs}
    for glob, listener in listeners.items():
        await listener.ready(globs[glob][0])
    # All subscriptions have begun. Messages of `ready` may still be on their way to some of them, before these.
    with Requirement("a subscription receives exactly the topics that its glob matches as a whole") as requirement:
        for topic in topics:
            await connector.publish(topic, b"match")
        for glob, listener in listeners.items():
            heard: list[str] = []
            await connector.publish(globs[glob][0], b"end of " + glob.encode())
            while True:
                topic, message = await listener.next(requirement)
                if message == b"end of " + glob.encode():
                    break
                if message == b"match":
                    heard.append(topic)
            requirement.expect(heard == globs[glob], f"the topics for {glob!r} must be {globs[glob]}, got {heard}")
    await connector.close()
    for listener in listeners.values():
        await listener.end()


async def _is_independent(connector: Connector, patience: float) -> None:
    await connector.connect()
    with Requirement("publishing without a subscription does nothing"):
        await connector.publish("conformance/unheard", b"")
    first, second = (_Listener(connector, "conformance/both", patience) for _ in range(2))
    await first.ready("conformance/both")
    await second.ready("conformance/both")
    with Requirement("each subscription receives every message, independently of other subscriptions") as requirement:
        await connector.publish("conformance/both", b"one")
        for listener in (first, second):
            while (await listener.next(requirement))[1] != b"one":
                pass
        await first.drop()
        await connector.publish("conformance/both", b"two")
        await second.expect(requirement, ("conformance/both", b"two"))
    await connector.close()
    await second.end()


async def _ends(connector: Connector, patience: float) -> None:
    await connector.connect()
    listener = _Listener(connector, "conformance/end", patience)
    await listener.ready("conformance/end")
    await connector.close()
    await listener.end()
    with Requirement("after the last `close`, it may be connected again"):
        await connector.connect()
        listener = _Listener(connector, "conformance/end", patience)
        await listener.ready("conformance/end")
        await connector.close()
        await listener.end()


async def _counts(connector: Connector, patience: float) -> None:
    await connector.connect()
    await connector.connect()
    listener = _Listener(connector, "conformance/shared", patience)
    await listener.ready("conformance/shared")
    with Requirement("each `connect` needs one `close`: the last one disconnects") as requirement:
        await connector.close()
        await connector.publish("conformance/shared", b"still here")
        await listener.expect(requirement, ("conformance/shared", b"still here"))
        await connector.close()
        await listener.end()
