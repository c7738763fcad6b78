"""Any sequence of operations on a channel gives what a list of messages and a line of receivers would give."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

import cascade as cs
from support.observation import settle

OPERATIONS = st.one_of(
    st.tuples(st.just("send"), st.none()),
    st.tuples(st.just("recv"), st.sampled_from([None, 3600])),
    st.tuples(st.just("receive"), st.sampled_from([None, 3600])),
    st.tuples(st.just("poll"), st.none()),
    st.tuples(st.just("cancel"), st.integers(0, 5)),
    st.tuples(st.just("send and cancel"), st.integers(0, 5)),
    st.tuples(st.just("drain"), st.none()),
    st.tuples(st.just("close"), st.none()),
)


@dataclass
class Model:
    """What a channel is: messages that wait or receivers that wait, never both."""

    capacity: int | None
    overflow: str
    messages: deque[int] = field(default_factory=deque)
    line: list[int] = field(default_factory=list)
    results: dict[int, object] = field(default_factory=dict)
    closed: bool = False

    def send(self, message: int) -> str | None:
        if self.closed:
            return "closed"
        if self.line:
            self.results[self.line.pop(0)] = message
        elif self.capacity is None or len(self.messages) < self.capacity:
            self.messages.append(message)
        elif self.overflow == "error":
            return "full"
        elif self.overflow == "drop_oldest":
            self.messages.popleft()
            self.messages.append(message)
        return None

    def receive(self, receiver: int, *, wait: bool) -> None:
        if self.messages:
            self.results[receiver] = self.messages.popleft()
        elif self.closed:
            self.results[receiver] = "closed"
        elif wait:
            self.line.append(receiver)
        else:
            self.results[receiver] = "timed out"

    def cancel(self, receiver: int) -> None:
        if receiver in self.line:
            self.line.remove(receiver)
            self.results[receiver] = "cancelled"

    def close(self) -> None:
        self.closed = True
        self.results |= dict.fromkeys(self.line, "closed")
        self.line.clear()


class Real:
    """The channel itself, driven by the same operations."""

    def __init__(self, capacity: int | None, overflow: str) -> None:
        self.channel = cs.Channel(capacity, overflow)
        self.engine = cs.Engine()
        self.receivers: list[asyncio.Task[object]] = []
        self.waiting: list[asyncio.Task[cs.Received] | cs.Run] = []

    async def outcome(self, waiting: object) -> object:
        try:
            received = await waiting
        except cs.ChannelClosedError:
            return "closed"
        except asyncio.CancelledError:
            return "cancelled"
        return "timed out" if received.timed_out else received.message

    def send(self, message: int) -> str | None:
        try:
            self.channel.send(message)
        except cs.ChannelClosedError:
            return "closed"
        except cs.ChannelFullError:
            return "full"
        return None

    def receive(self, operation: str, timeout: float | None) -> None:
        if operation == "receive":
            waiting = asyncio.ensure_future(self.channel.receive(timeout))
        else:
            waiting = self.engine.start(self.channel.recv(timeout))
        self.waiting.append(waiting)
        self.receivers.append(asyncio.ensure_future(self.outcome(waiting)))

    def results(self) -> dict[int, object]:
        return {number: receiver.result() for number, receiver in enumerate(self.receivers) if receiver.done()}


@given(
    st.lists(OPERATIONS, max_size=25),
    st.sampled_from([(None, "error"), (1, "error"), (2, "drop_oldest"), (2, "drop_newest")]),
)
def test_any_sequence(operations: list[tuple[str, object]], options: tuple[int | None, str]) -> None:
    async def main() -> None:
        real, model = Real(*options), Model(*options)
        for number, (operation, argument) in enumerate(operations):
            match operation:
                case "send":
                    assert real.send(number) == model.send(number)
                case "recv" | "receive" | "poll":
                    model.receive(len(real.receivers), wait=operation != "poll")
                    real.receive(operation, 0 if operation == "poll" else argument)
                case "cancel" if real.receivers:
                    receiver = argument % len(real.receivers)
                    real.waiting[receiver].cancel()
                    model.cancel(receiver)
                case "send and cancel" if model.line and not model.closed:
                    # The one that is first in line is cancelled with the message in its hands.
                    receiver = model.line[0]
                    model.cancel(receiver)
                    assert real.send(number) is None
                    assert model.send(number) is None
                    real.waiting[receiver].cancel()
                case "drain":
                    assert real.channel.drain() == list(model.messages)
                    model.messages.clear()
                case "close":
                    real.channel.close()
                    model.close()
            await settle(8)
            assert real.results() == model.results
            assert len(real.channel) == len(model.messages)
        for waiting in real.waiting:
            waiting.cancel()
        await asyncio.gather(*real.receivers, return_exceptions=True)
        await real.engine.aclose()

    asyncio.run(main())
