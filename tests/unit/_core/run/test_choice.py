"""`cs.select`: the next message of any of several channels."""

from __future__ import annotations

import asyncio

import pytest

import cascade as cs
from cascade.testing import VirtualTime
from support.observation import settle


@cs.task(mode="inline")
def came(received: cs.Received) -> tuple[object, object]:
    return received.message, received.channel


@pytest.fixture
def channels() -> list[cs.Channel]:
    return [cs.Channel(), cs.Channel(), cs.Channel()]


def test_the_first_in_the_list_that_holds_a_message(channels: list[cs.Channel]) -> None:
    one, two, three = channels
    two.send("b")
    three.send("c")
    assert cs.run(came(cs.select([one, two, three]))) == ("b", two)
    assert cs.run(came(cs.select([one, two, three]))) == ("c", three)


async def test_the_first_that_comes_and_nothing_is_taken_from_the_others(channels: list[cs.Channel]) -> None:
    engine = cs.Engine()
    run = engine.start(came(cs.select(channels)))
    await settle()
    assert run.state == "parked"
    channels[1].send("b")
    channels[2].send("c")
    channels[1].send("d")
    assert await run == ("b", channels[1])
    assert [channel.drain() for channel in channels] == [[], ["d"], ["c"]]


def test_a_timeout(channels: list[cs.Channel]) -> None:
    virtual = VirtualTime()
    received = virtual.run(cs.select(channels, timeout=60))
    assert (received.message, received.timed_out, received.elapsed, received.channel) == (None, True, 60.0, None)
    for channel in channels:
        channel.send("late")
        assert channel.drain() == ["late"], "nobody stands in its line any more"
    virtual.close()


async def test_a_cancelled_one_leaves_all_lines(channels: list[cs.Channel]) -> None:
    engine = cs.Engine()
    run = engine.start(cs.select(channels))
    await settle()
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    for channel in channels:
        channel.send(1)
        assert channel.drain() == [1]


async def test_a_message_for_one_that_is_cancelled_goes_back(channels: list[cs.Channel]) -> None:
    engine = cs.Engine()
    run = engine.start(cs.select(channels))
    await settle()
    channels[2].send("kept")
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    assert channels[2].drain() == ["kept"]


async def test_closed_channels_are_passed_over_while_one_is_open(channels: list[cs.Channel]) -> None:
    one, two, three = channels
    engine = cs.Engine()
    one.close()
    run = engine.start(came(cs.select(channels)))
    await settle()
    two.close()
    await settle()
    assert run.state == "parked"
    three.send("c")
    assert await run == ("c", three)


async def test_all_closed(channels: list[cs.Channel]) -> None:
    engine = cs.Engine()
    run = engine.start(cs.select(channels))
    await settle()
    for channel in channels:
        channel.close()
    with pytest.raises(cs.ChannelClosedError, match="received from a closed channel"):
        await run
    with pytest.raises(cs.ChannelClosedError):
        await engine.run(cs.select(channels))


def test_a_closed_channel_gives_what_it_holds(channels: list[cs.Channel]) -> None:
    channels[0].send("a")
    channels[0].close()
    assert cs.run(came(cs.select(channels))) == ("a", channels[0])


async def test_one_channel_twice(channels: list[cs.Channel]) -> None:
    engine = cs.Engine()
    run = engine.start(came(cs.select([channels[0], channels[0]])))
    await settle()
    channels[0].send("a")
    assert await run == ("a", channels[0])
    channels[0].send("b")
    assert channels[0].drain() == ["b"]


async def test_those_who_wait_in_one_line_are_served_in_order(channels: list[cs.Channel]) -> None:
    engine = cs.Engine()
    runs = [engine.start(came(cs.select(channels[:2]))), engine.start(came(channels[0].recv()))]
    await settle()
    channels[0].send("first")
    channels[0].send("second")
    assert [(await run)[0] for run in runs] == ["first", "second"]


def test_channels_may_be_lazy(channels: list[cs.Channel]) -> None:
    @cs.task(mode="inline")
    def find(at: int) -> cs.Channel:
        return channels[at]

    @cs.task(mode="inline")
    def find_all() -> list[cs.Channel]:
        return channels

    channels[1].send("b")
    assert cs.run(came(cs.select([find(0), find(1)]))) == ("b", channels[1])
    channels[1].send("b")
    assert cs.run(came(cs.select(find_all()))) == ("b", channels[1])


def test_any_number_of_channels_is_one_shape() -> None:
    hashes = {cs.structural_hash(cs.select([cs.Channel() for _ in range(n)]))[0] for n in (1, 2, 80)}
    assert len(hashes) == 1


@pytest.mark.parametrize(
    ("given", "error", "match"),
    [
        ([], ValueError, "channels must have at least one channel"),
        (None, TypeError, "channels must be a list or tuple of channels, got `NoneType`"),
        ([1], TypeError, r"channels\[0\] must be a channel, got `int`"),
    ],
)
def test_what_are_no_channels(given: object, error: type[Exception], match: str) -> None:
    @cs.task(mode="inline")
    def lazily() -> object:
        return given

    with pytest.raises(error, match=match):
        cs.select(given)
    with pytest.raises(error, match=match):
        cs.run(cs.select(lazily()))


@pytest.mark.parametrize("timeout", [-1, "a", float("nan")])
def test_what_is_no_timeout(timeout: object, channels: list[cs.Channel]) -> None:
    with pytest.raises((TypeError, ValueError), match="timeout"):
        cs.select(channels, timeout=timeout)


async def test_under_limits(channels: list[cs.Channel]) -> None:
    engine = cs.Engine()
    pause = engine.limits.pause("task:*select*")
    channels[0].send("a")
    run = engine.start(came(cs.select(channels)))
    await settle()
    assert len(channels[0]) == 1
    assert pause is None or pause
    engine.limits.resume("task:*select*")
    assert await run == ("a", channels[0])


async def test_memory_of_many_that_come_and_go(channels: list[cs.Channel]) -> None:
    engine = cs.Engine()

    @cs.task(mode="inline")
    def loop(n: int, received: cs.Received) -> object:
        return loop(n - 1, cs.select(channels)) if n else received.message

    run = engine.start(loop(300, cs.select(channels)))
    for n in range(302):
        channels[n % 3].send(n)
        await settle(1)
    assert await run == 300
