"""The fake channel."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import cascade as cs
from cascade.testing import FakeChannel


@cs.task(mode="inline")
def listen(received: cs.Received, inbox: cs.Channel, outbox: cs.Channel) -> Any:
    if received.timed_out:
        return received.elapsed
    outbox.send(received.message * 2)
    return listen(inbox.recv(timeout=30), inbox, outbox)


@given(st.lists(st.integers() | st.none() | st.text()))
def test_messages_in_order_and_no_wait(messages: list[Any]) -> None:
    inbox, outbox = FakeChannel(*(message or "" for message in messages)), FakeChannel()
    assert cs.run(listen(inbox.recv(timeout=30), inbox, outbox)) == 30.0
    assert outbox.sent == [(message or "") * 2 for message in messages]
    assert len(inbox) == 0 and inbox.sent == []


def test_it_is_a_channel() -> None:
    channel = FakeChannel(1)
    assert isinstance(channel, cs.Channel)
    assert channel and channel.capacity is None and channel.overflow == "error" and not channel.closed
    assert repr(channel) == "<FakeChannel, 1 messages left, 0 sent>"


def test_none_is_a_message() -> None:
    received = cs.run(FakeChannel(None).recv())
    assert (received.message, received.timed_out, received.elapsed) == (None, False, 0.0)


def test_without_messages_or_a_timeout_it_is_an_error() -> None:
    channel = FakeChannel()
    with pytest.raises(cs.ChannelClosedError, match="fake channel that has no message left, without a timeout"):
        cs.run(channel.recv())
    channel.preload("now", "then")
    assert cs.run([channel.recv(), channel.recv()])[1].message == "then"


def test_a_timeout_may_be_a_lazy_result() -> None:
    @cs.task(mode="inline")
    def seconds(number: Any) -> Any:
        return number

    assert cs.run(FakeChannel().recv(timeout=seconds(5))).elapsed == 5.0
    with pytest.raises((TypeError, ValueError)):
        cs.run(FakeChannel("message").recv(timeout=seconds(-1)))
    with pytest.raises((TypeError, ValueError)):
        FakeChannel().recv(timeout="soon")  # type: ignore[arg-type]


def test_closed() -> None:
    channel = FakeChannel("last")
    channel.send("sent")
    channel.close()
    with pytest.raises(cs.ChannelClosedError, match="sent to a closed channel"):
        channel.send("too late")
    assert cs.run(channel.recv()).message == "last"
    with pytest.raises(cs.ChannelClosedError, match="received from a closed channel"):
        cs.run(channel.recv(timeout=1))
    assert channel.sent == ["sent"]


def test_putting_back_and_draining() -> None:
    channel = FakeChannel(1, 2)
    channel.unreceive(0)
    assert len(channel) == 3
    assert channel.drain() == [0, 1, 2]
    assert channel.drain() == []


async def test_what_is_put_is_sent() -> None:
    channel = FakeChannel()
    await channel.put("x")
    assert channel.sent == ["x"] and len(channel) == 0
    channel.close()
    with pytest.raises(cs.ChannelClosedError, match="sent to a closed channel"):
        await channel.put("too late")
    with pytest.raises(cs.ChannelClosedError, match="sent to a closed channel"):
        channel.preload("too late")


def test_a_lazy_result_is_sent_as_to_a_real_channel() -> None:
    outbox = FakeChannel()
    lazy = came(cs.Channel().recv())
    with pytest.raises(cs.TaskArgumentError, match="message must be a value, got <LazyResult came"):
        outbox.send(lazy)
    with pytest.raises(cs.TaskArgumentError, match="message must be a value, got <LazyResult came"):
        asyncio.run(outbox.put(lazy))
    outbox.send(cs.data(lazy))
    assert len(outbox.sent) == 1
    assert outbox.sent[0] is lazy


async def test_a_received_message_knows_its_channel() -> None:
    channel = FakeChannel(1, 2)
    engine = cs.Engine()
    assert (await engine.run(channel.recv())).channel is channel
    assert (await channel.receive()).channel is channel
    assert (await engine.run(channel.recv(timeout=1))).channel is None
    assert (await channel.receive(timeout=1)).channel is None


@cs.task(mode="inline")
def came(received: cs.Received) -> tuple[Any, Any]:
    return received.message, received.channel


def test_select_takes_from_the_first_that_has_a_message() -> None:
    one, two = FakeChannel(), FakeChannel(1, 2)
    assert cs.run([came(cs.select([one, two])), came(cs.select([two, one]))]) == [(1, two), (2, two)]


def test_select_among_empty_ones_does_not_wait() -> None:
    channels = [FakeChannel(), FakeChannel()]
    received = cs.run(cs.select(channels, timeout=3600))
    assert (received.message, received.timed_out, received.elapsed, received.channel) == (None, True, 3600.0, None)
    with pytest.raises(cs.ChannelClosedError, match="fake channel that has no message left, without a timeout"):
        cs.run(cs.select(channels))
    channels[0].close()
    assert cs.run(cs.select(channels, timeout=1)).timed_out
    channels[1].close()
    with pytest.raises(cs.ChannelClosedError, match="received from a closed channel"):
        cs.run(cs.select(channels, timeout=1))


def test_select_waits_for_a_real_one_beside_it() -> None:
    fake, real = FakeChannel("first"), cs.Channel()

    @cs.task(mode="inline")
    def send(_: object) -> None:
        real.send("second")

    @cs.task(mode="inline")
    def both(received: cs.Received, heard: tuple[Any, ...] = ()) -> Any:
        heard = (*heard, received.message)
        return heard if len(heard) == 2 else both(cs.select([fake, real]), heard)

    assert cs.run([both(cs.select([fake, real])), send(cs.wait(0.001))])[0] == ("first", "second")


async def test_in_plain_asyncio_code() -> None:
    channel = FakeChannel("a")
    turns: list[int] = []
    asyncio.get_running_loop().call_soon(turns.append, 1)
    assert (await channel.receive()).message == "a"
    assert turns == [1]
    assert (await channel.receive(timeout=7)).elapsed == 7.0
    with pytest.raises(cs.ChannelClosedError):
        await channel.receive()
    with pytest.raises(ValueError):
        await channel.receive(timeout=-1)
