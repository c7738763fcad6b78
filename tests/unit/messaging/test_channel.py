"""Channels: the queue, its capacity, closing; receivers in expressions."""

from __future__ import annotations

import asyncio
import math
from typing import Literal

import pytest

import cascade as cs
from support.observation import settle
from support.tasks import keep
from support.values import Hostile


@cs.task(mode="inline")
def message(received: cs.Received) -> object:
    return received.message


# -- the queue -------------------------------------------------------------------------------------------------


def test_send_len_drain() -> None:
    channel = cs.Channel()
    assert len(channel) == 0
    assert channel.drain() == []
    for number in range(5):
        assert channel.send(number) is None
    assert len(channel) == 5
    assert channel.drain() == [0, 1, 2, 3, 4]
    assert len(channel) == 0


@pytest.mark.parametrize(
    ("overflow", "expected"), [("drop_oldest", [3, 4]), ("drop_newest", [0, 1])], ids=["oldest", "newest"]
)
def test_overflow_drops(overflow: str, expected: list[int]) -> None:
    channel = cs.Channel(capacity=2, overflow=overflow)
    for number in range(5):
        channel.send(number)
    assert channel.drain() == expected
    channel.send("room again")
    assert channel.drain() == ["room again"]


def test_overflow_is_an_error_by_default() -> None:
    channel = cs.Channel(capacity=2)
    channel.send(1)
    channel.send(2)
    with pytest.raises(cs.ChannelFullError):
        channel.send(3)
    assert channel.drain() == [1, 2]
    channel.send(4)
    assert len(channel) == 1


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"overflow": "bend"}, ValueError, "overflow must be 'error', 'block', .* got 'bend'"),
        ({"overflow": ""}, ValueError, "overflow must be 'error', 'block', .* got ''"),
        ({"overflow": None}, TypeError, "overflow must be a str, got `NoneType`"),
        ({"capacity": -1}, ValueError, "capacity must be None or an int >= 1, got -1"),
        ({"capacity": 0}, ValueError, "capacity must be None or an int >= 1, got 0"),
        ({"capacity": "1"}, TypeError, "capacity must be None or an int >= 1, got `str`"),
        ({"capacity": 1.5}, TypeError, "capacity must be None or an int >= 1, got `float`"),
        ({"capacity": True}, TypeError, "capacity must be None or an int >= 1, got `bool`"),
        ({"size": 1}, TypeError, "size"),
    ],
)
def test_settings_are_checked(options: dict[str, object], error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        cs.Channel(**options)


@pytest.mark.parametrize("timeout", [-1, math.nan, "1", [1]])
def test_timeouts_are_checked(timeout: object) -> None:
    with pytest.raises((TypeError, ValueError)):
        cs.run(cs.Channel().recv(timeout=timeout))


# -- receiving -------------------------------------------------------------------------------------------------


def test_a_queued_message_is_there_at_once() -> None:
    channel = cs.Channel()
    channel.send("text")
    received = cs.run(channel.recv())
    assert isinstance(received, cs.Received)
    assert received.message == "text"
    assert received.timed_out is False
    assert type(received.elapsed) is float
    assert received.elapsed >= 0


def test_messages_come_in_order() -> None:
    channel = cs.Channel()
    for number in range(5):
        channel.send(number)
    assert cs.run([message(channel.recv()) for _ in range(5)]) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("value", [None, Hostile(), StopIteration(1), [], keep], ids=repr)
def test_any_value_is_a_message(value: object) -> None:
    channel = cs.Channel()
    channel.send(value)
    received = cs.run(channel.recv(timeout=60))
    assert received.message is value
    assert received.timed_out is False
    channel.send(value)
    assert channel.drain()[0] is value


def test_a_lazy_result_is_a_message_if_it_is_marked_as_data() -> None:
    channel = cs.Channel()
    lazy = keep("never")
    with pytest.raises(cs.TaskArgumentError, match=r"message must be a value, got <LazyResult keep\('never'\)>"):
        channel.send(lazy)
    channel.send(cs.data(lazy))
    assert cs.run(channel.recv()).message is lazy
    channel.send(cs.data([lazy]))
    assert channel.drain() == [[lazy]]


@pytest.mark.parametrize("overflow", ["error", "block"])
def test_a_lazy_result_is_a_message_in_plain_asyncio_code_if_it_is_marked_as_data(
    overflow: Literal["error", "block"],
) -> None:
    channel = cs.Channel(capacity=1, overflow=overflow)
    lazy = keep("never")

    async def main() -> list[object]:
        with pytest.raises(cs.TaskArgumentError, match=r"message must be a value, got <LazyResult keep\('never'\)>"):
            await channel.put(lazy)
        waiting = asyncio.ensure_future(channel.receive())
        await settle()
        await channel.put(cs.data(lazy))  # to the one that waits
        received = [(await waiting).message]
        await channel.put(cs.data(lazy))  # to the queue
        received.append((await channel.receive()).message)
        await channel.put(cs.data(lazy))
        received.append((await cs.Engine().run(channel.recv())).message)
        return received

    found = asyncio.run(main())
    assert len(found) == 3
    assert all(each is lazy for each in found)
    assert len(channel) == 0


def test_timeout() -> None:
    channel = cs.Channel()
    received = cs.run(channel.recv(timeout=0.01))
    assert received.message is None
    assert received.timed_out is True
    assert received.elapsed >= 0.01
    channel.send("later")
    assert channel.drain() == ["later"]


def test_timeout_of_nothing_takes_what_is_there() -> None:
    channel = cs.Channel()
    assert cs.run(channel.recv(timeout=0)).timed_out is True
    channel.send(1)
    assert cs.run(channel.recv(timeout=0)).message == 1


def test_the_timeout_may_be_a_lazy_result() -> None:
    @cs.task(mode="inline")
    def how_long() -> float:
        return 0.001

    assert cs.run(cs.Channel().recv(timeout=how_long())).timed_out is True


async def test_a_message_wakes_a_receiver() -> None:
    channel = cs.Channel()
    engine = cs.Engine()
    for timeout in (None, 3600):
        run = engine.start(message(channel.recv(timeout=timeout)))
        await settle()
        assert run.state == "parked"
        channel.send("wake up")
        assert len(channel) == 0
        assert await run == "wake up"


async def test_the_longest_waiting_receiver_gets_it() -> None:
    channel = cs.Channel()
    engine = cs.Engine()
    runs = [engine.start(message(channel.recv(timeout=None if number % 2 else 3600))) for number in range(10)]
    await settle()
    for number in range(10):
        channel.send(number)
    assert await asyncio.gather(*runs) == list(range(10))


async def test_receivers_in_one_expression_get_them_in_traversal_order() -> None:
    channel = cs.Channel()
    run = cs.Engine().start(keep(message(channel.recv()), [message(channel.recv())], message(channel.recv())))
    await settle()
    for number in range(3):
        channel.send(number)
    assert await run == (0, [1], 2)


async def test_a_receiver_that_gave_up_takes_nothing() -> None:
    channel = cs.Channel()
    engine = cs.Engine()
    assert (await engine.run(channel.recv(timeout=0.001))).timed_out
    cancelled = engine.start(channel.recv())
    await settle()
    cancelled.cancel()
    await asyncio.gather(cancelled, return_exceptions=True)
    last = engine.start(message(channel.recv()))
    await settle()
    channel.send("for the last")
    assert await last == "for the last"


@pytest.mark.parametrize("how", ["run", "awaiter"])
async def test_a_message_to_a_receiver_that_is_cancelled_at_once_is_not_lost(how: str) -> None:
    channel = cs.Channel()
    engine = cs.Engine()
    target = keep(channel.recv())
    waiting = engine.start(target) if how == "run" else asyncio.ensure_future(engine.run(target))
    await settle()
    channel.send("precious")
    waiting.cancel()
    [found] = await asyncio.gather(waiting, return_exceptions=True)
    assert isinstance(found, asyncio.CancelledError)
    assert channel.drain() == ["precious"]


async def test_an_agent_that_counts_its_messages() -> None:
    inbox = cs.Channel()

    @cs.task(mode="inline")
    def agent(received: cs.Received, seen: int) -> object:
        return seen if received.message is None else agent(inbox.recv(), seen + 1)

    run = cs.Engine().start(agent(inbox.recv(), 0))
    for burst in range(20):
        for number in range(burst):
            inbox.send(number)
        await asyncio.sleep(0)
    inbox.send(None)
    assert await run == sum(range(20))
    assert run.iterations == sum(range(20))


async def test_two_agents_play() -> None:
    ping, pong = cs.Channel(), cs.Channel()

    @cs.task(mode="inline")
    def player(received: cs.Received, mine: cs.Channel, other: cs.Channel) -> object:
        if received.message == 0:
            other.send(0)
            return "end"
        other.send(received.message - 1)
        return player(mine.recv(), mine, other)

    for quantum in (0, 0.001):
        engine = cs.Engine(quantum=quantum)
        runs = [engine.start(player(ping.recv(), ping, pong)), engine.start(player(pong.recv(), pong, ping))]
        ping.send(1000)
        assert await asyncio.gather(*runs) == ["end", "end"]
        assert ping.drain() + pong.drain() == [0]


def test_recv_is_one_template_for_all_channels(cold: cs.Engine) -> None:
    for number in range(10):
        channel = cs.Channel()
        channel.send(number)
        assert cs.run(message(channel.recv(timeout=number + 1)), engine=cold) == number
    assert cold.templates.stats.builds == 1


def test_recv_checks_its_arguments() -> None:
    with pytest.raises(TypeError):
        cs.Channel().recv(limit=1)
