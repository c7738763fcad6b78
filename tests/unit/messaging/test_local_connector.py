"""The connector inside one process."""

from __future__ import annotations

import asyncio
import fnmatch
import gc
import threading
import weakref
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import cascade as cs
from cascade.messaging.local_connector import LocalConnector, Subscription


async def connected(*options: Any, **more: Any) -> LocalConnector:
    connector = LocalConnector(*options, **more)
    await connector.connect()
    return connector


async def rest(subscription: AsyncIterator[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
    return [message async for message in subscription]


async def test_who_subscribes_hears_what_is_published_from_then_on() -> None:
    connector = await connected()
    await connector.publish("a", b"before")
    first = connector.subscribe("a")
    await connector.publish("a", b"1")
    second = connector.subscribe("*")
    await connector.publish("a", b"2")
    await connector.publish("b", b"3")
    await connector.close()
    assert await rest(first) == [("a", b"1"), ("a", b"2")]
    assert await rest(second) == [("a", b"2"), ("b", b"3")]


async def test_a_reader_waits() -> None:
    connector = await connected()
    reading = asyncio.ensure_future(rest(connector.subscribe("a")))
    for number in range(3):
        await asyncio.sleep(0)
        await connector.publish("a", b"%d" % number)
    await asyncio.sleep(0)
    assert not reading.done()
    await connector.close()
    assert await reading == [("a", b"0"), ("a", b"1"), ("a", b"2")]


@pytest.mark.parametrize("when", ["before", "after"])
async def test_not_connected(when: str) -> None:
    connector = LocalConnector()
    if when == "after":
        await connector.connect()
        await connector.close()
    assert not connector.connected
    with pytest.raises(ConnectionError, match=r"`publish` needs a connected connector: call `connect` first"):
        await connector.publish("a", b"")
    with pytest.raises(ConnectionError, match="`subscribe` needs a connected connector: call `connect` first"):
        connector.subscribe("a")


async def test_the_last_close_counts() -> None:
    """Two who end at different times share it."""
    connector = await connected()
    await connector.connect()
    heard = connector.subscribe("*")
    await connector.close()
    await connector.publish("a", b"still here")
    await connector.close()
    await connector.close()  # one too many
    assert await rest(heard) == [("a", b"still here")]
    await connector.connect()
    assert connector.connected
    assert await rest(heard) == []  # it does not come back


@pytest.mark.parametrize(
    ("rule", "kept"), [("drop_oldest", [b"1", b"2"]), ("drop_newest", [b"0", b"1"]), ("error", [b"0", b"1"])]
)
async def test_a_full_queue(rule: Any, kept: list[bytes]) -> None:
    connector = await connected(capacity=2, overflow=rule)
    slow, other = connector.subscribe("*"), connector.subscribe("*")
    await connector.publish("a", b"0")
    await connector.publish("a", b"1")
    assert await anext(other) == ("a", b"0")
    if rule == "error":
        with pytest.raises(cs.ChannelFullError, match=r"published 'a'.* subscription to '\*' .* 2 messages wait"):
            await connector.publish("a", b"2")
    else:
        await connector.publish("a", b"2")
    await connector.close()
    assert [message for _, message in await rest(slow)] == kept
    # Refused, nobody gets it.
    assert [message for _, message in await rest(other)] == ([b"1"] if rule == "error" else [b"1", b"2"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"capacity": 0}, "capacity"),
        ({"capacity": None}, "capacity"),
        ({"capacity": True}, "capacity"),
        ({"overflow": "wait"}, "overflow must be 'error', 'drop_oldest' or 'drop_newest', got 'wait'"),
        ({"overflow": "block"}, "overflow must be 'error', 'drop_oldest' or 'drop_newest', got 'block'"),
    ],
)
def test_what_makes_no_connector(options: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LocalConnector(**options)


async def test_types_are_checked() -> None:
    connector = await connected()
    with pytest.raises(TypeError, match="message must be `bytes`, got `str`"):
        await connector.publish("a", "text")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="topic must be `str`, got `bytes`"):
        await connector.publish(b"a", b"")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="topics must be `str`, got `list`"):
        connector.subscribe(["a"])  # type: ignore[arg-type]


async def test_a_subscription_can_be_ended_alone() -> None:
    connector = await connected(capacity=1)
    heard, other = connector.subscribe("*"), connector.subscribe("*")
    await connector.publish("a", b"0")
    await heard.aclose()
    assert await rest(heard) == []
    assert await anext(other) == ("a", b"0")
    await connector.publish("a", b"1")  # the one that has ended is not full
    assert await anext(other) == ("a", b"1")


async def test_a_reader_that_is_cancelled_loses_nothing() -> None:
    connector = await connected()
    heard = connector.subscribe("*")
    reading = asyncio.ensure_future(anext(heard))
    await asyncio.sleep(0)
    await connector.publish("a", b"0")
    reading.cancel()  # it was given the message, and has not had its turn
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert await anext(heard) == ("a", b"0")


async def test_a_subscription_that_is_forgotten_is_gone() -> None:
    connector = await connected(capacity=1)
    heard = connector.subscribe("*")
    forgotten = weakref.ref(heard)
    await connector.publish("a", b"0")
    del heard
    gc.collect()
    assert forgotten() is None
    await connector.publish("a", b"1")
    await connector.publish("a", b"2")
    assert "0 subscriptions" in repr(connector)


async def test_one_that_is_read_from_is_not_forgotten() -> None:
    connector = await connected()
    heard: list[Any] = []

    async def read(subscription: Subscription) -> None:
        async for message in subscription:
            heard.append(message)

    # Nobody keeps the task.
    asyncio.get_running_loop().create_task(read(connector.subscribe("*")))
    await asyncio.sleep(0)
    gc.collect()
    await connector.publish("a", b"0")
    await connector.close()
    for _ in range(5):
        await asyncio.sleep(0)
    assert heard == [("a", b"0")]


def test_in_two_event_loops_one_after_the_other() -> None:
    connector = LocalConnector()

    async def once() -> list[tuple[str, bytes]]:
        await connector.connect()
        reading = asyncio.ensure_future(rest(connector.subscribe("*")))
        await asyncio.sleep(0)
        await connector.publish("a", b"0")
        await connector.close()
        return await reading

    assert [asyncio.run(once()) for _ in range(2)] == [[("a", b"0")]] * 2


def test_between_threads() -> None:
    connector, count = LocalConnector(), 200
    heard: list[list[bytes]] = []
    ready = threading.Barrier(3)

    async def read() -> None:
        await connector.connect()
        subscription = connector.subscribe("*")
        await asyncio.to_thread(ready.wait, 60)
        heard.append([(await anext(subscription))[1] for _ in range(2 * count)])
        await connector.close()

    async def publish(name: bytes) -> None:
        await connector.connect()
        await asyncio.to_thread(ready.wait, 60)
        for number in range(count):
            await connector.publish("a", name + b"%d" % number)
        await connector.close()

    coroutines = [read(), publish(b"x"), publish(b"y")]
    threads = [threading.Thread(target=asyncio.run, args=(coroutine,)) for coroutine in coroutines]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    for name in (b"x", b"y"):
        assert [one for one in heard[0] if one.startswith(name)] == [name + b"%d" % number for number in range(count)]
    assert not connector.connected


TOPICS = st.text(st.sampled_from("ab/.*?[]!-"), max_size=6)


@given(TOPICS, TOPICS)
def test_globs(glob: str, topic: str) -> None:
    async def main() -> bool:
        connector = await connected()
        heard = connector.subscribe(glob)
        await connector.publish(topic, b"")
        return heard.waiting == 1

    assert asyncio.run(main()) == fnmatch.fnmatchcase(topic, glob)


async def test_what_they_look_like() -> None:
    connector = await connected()
    heard = connector.subscribe("a*")
    await connector.publish("ab", b"0")
    assert repr(connector) == "<LocalConnector, connected, 1 subscriptions>"
    assert repr(heard) == "<Subscription to 'a*', 1 messages wait>"
    await connector.close()
    assert repr(connector) == "<LocalConnector, not connected, 0 subscriptions>"
    assert repr(heard) == "<Subscription to 'a*', 1 messages wait, ended>"
