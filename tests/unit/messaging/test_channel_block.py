"""Channels whose senders wait for room."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

import cascade as cs
from support.observation import settle

OPERATIONS = st.one_of(
    st.tuples(st.just("send"), st.none()),
    st.tuples(st.just("put"), st.none()),
    st.tuples(st.sampled_from(["recv", "receive"]), st.none()),
    st.tuples(st.just("cancel"), st.integers(0, 8)),
    st.tuples(st.just("drain"), st.none()),
    st.tuples(st.just("close"), st.none()),
)


@dataclass
class Model:
    """Messages that wait, and one line: of receivers if none does, of senders if there is no room for more."""

    capacity: int
    messages: deque[int] = field(default_factory=deque)
    senders: list[int] = field(default_factory=list)
    receivers: list[int] = field(default_factory=list)
    results: dict[int, object] = field(default_factory=dict)
    closed: bool = False

    def send(self, number: int) -> None:
        if self.closed:
            self.results[number] = "closed"
        elif self.receivers:
            self.results[self.receivers.pop(0)] = number
            self.results[number] = "sent"
        elif len(self.messages) < self.capacity:
            self.messages.append(number)
            self.results[number] = "sent"
        else:
            self.senders.append(number)

    def let_in(self) -> None:
        while self.senders and len(self.messages) < self.capacity:
            sender = self.senders.pop(0)
            self.messages.append(sender)
            self.results[sender] = "sent"

    def receive(self, number: int) -> None:
        if self.messages:
            self.results[number] = self.messages.popleft()
            self.let_in()
        elif self.closed:
            self.results[number] = "closed"
        else:
            self.receivers.append(number)

    def drain(self) -> list[int]:
        drained = list(self.messages)
        self.messages.clear()
        self.let_in()
        return drained

    def cancel(self, number: int) -> None:
        for line in (self.senders, self.receivers):
            if number in line:
                line.remove(number)
                self.results[number] = "cancelled"

    def close(self) -> None:
        self.closed = True
        self.results |= dict.fromkeys(self.senders + self.receivers, "closed")
        self.senders.clear()
        self.receivers.clear()


async def outcome(waiting: object) -> object:
    try:
        value = await waiting
    except cs.ChannelClosedError:
        return "closed"
    except asyncio.CancelledError:
        return "cancelled"
    return value.message if isinstance(value, cs.Received) else "sent"


@cs.task(mode="inline")
def wrapped(build: object) -> object:
    return build()


@given(st.lists(OPERATIONS, max_size=30), st.integers(1, 3))
def test_any_sequence(operations: list[tuple[str, object]], capacity: int) -> None:
    async def main() -> None:
        channel, engine, model = cs.Channel(capacity, "block"), cs.Engine(), Model(capacity)
        waiting: list[object] = []
        outcomes: list[asyncio.Task[object]] = []

        def begin(started: object) -> None:
            waiting.append(started)
            outcomes.append(asyncio.ensure_future(outcome(started)))

        for operation, argument in operations:
            number = len(waiting)
            match operation:
                case "send":
                    model.send(number)
                    begin(engine.start(wrapped(lambda number=number: channel.send(number))))
                case "put":
                    model.send(number)
                    begin(asyncio.ensure_future(channel.put(number)))
                case "recv" | "receive":
                    model.receive(number)
                    one = channel.receive() if operation == "receive" else engine.start(channel.recv())
                    begin(asyncio.ensure_future(one) if operation == "receive" else one)
                case "cancel" if waiting:
                    model.cancel(argument % number)
                    waiting[argument % number].cancel()
                case "drain":
                    assert channel.drain() == model.drain()
                case "close":
                    channel.close()
                    model.close()
            await settle(8)
            assert {at: one.result() for at, one in enumerate(outcomes) if one.done()} == model.results
            assert len(channel) == len(model.messages)
        for one in waiting:
            one.cancel()
        await asyncio.gather(*outcomes, return_exceptions=True)
        await engine.aclose()

    asyncio.run(main())


def test_sending_is_lazy_and_its_structure_is_shared() -> None:
    channel = cs.Channel(capacity=1, overflow="block")
    sent = channel.send("a")
    assert len(channel) == 0
    assert cs.structural_hash(sent)[0] == cs.structural_hash(cs.Channel(capacity=2, overflow="block").send("b"))[0]
    assert cs.run(sent) is None
    assert channel.drain() == ["a"]


def test_a_lazy_message_is_evaluated() -> None:
    channel = cs.Channel(capacity=1, overflow="block")
    cs.run(channel.send(wrapped(lambda: 7)))
    assert channel.drain() == [7]


def test_a_closed_channel_takes_nothing() -> None:
    channel = cs.Channel(capacity=1, overflow="block")
    late = channel.send(1)
    channel.close()
    with pytest.raises(cs.ChannelClosedError, match="sent to a closed channel"):
        channel.send(2)
    with pytest.raises(cs.ChannelClosedError, match="sent to a closed channel"):
        cs.run(late)


def test_without_a_capacity_no_sender_waits() -> None:
    channel = cs.Channel(overflow="block")
    cs.run([channel.send(n) for n in range(100)])
    assert len(channel) == 100


async def test_put_on_channels_that_do_not_block() -> None:
    channel = cs.Channel(capacity=1)
    await channel.put(1)
    with pytest.raises(cs.ChannelFullError):
        await channel.put(2)
    assert channel.drain() == [1]


def test_what_is_dropped_is_counted() -> None:
    oldest, newest = (cs.Channel(2, overflow) for overflow in ("drop_oldest", "drop_newest"))
    for n in range(5):
        oldest.send(n)
        newest.send(n)
    assert oldest.drain() == [3, 4]
    assert newest.drain() == [0, 1]
    assert (oldest.dropped, newest.dropped) == (3, 3)
