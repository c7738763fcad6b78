"""Channels: closing, plain asyncio receivers, senders in threads, several loops."""

from __future__ import annotations

import asyncio
import threading

import pytest

import cascade as cs
from cascade._core.run.callback import Callback, SendCallback
from support.observation import settle


@cs.task(mode="inline")
def message(received: cs.Received) -> object:
    return received.message


# -- closing ---------------------------------------------------------------------------------------------------


async def test_closed_channels_take_nothing_and_give_what_they_have() -> None:
    channel = cs.Channel()
    channel.send(1)
    channel.send(2)
    channel.close()
    channel.close()
    with pytest.raises(cs.ChannelClosedError):
        channel.send(3)
    engine = cs.Engine()
    assert await engine.run(message(channel.recv())) == 1
    assert (await channel.receive()).message == 2
    for _ in range(2):
        with pytest.raises(cs.ChannelClosedError):
            await engine.run(channel.recv())
        with pytest.raises(cs.ChannelClosedError):
            await engine.run(channel.recv(timeout=3600))
        with pytest.raises(cs.ChannelClosedError):
            await channel.receive()


async def test_closing_wakes_all_receivers() -> None:
    channel = cs.Channel()
    engine = cs.Engine()
    runs = [engine.start(channel.recv(timeout=timeout)) for timeout in (None, 3600, None)]
    plain = asyncio.ensure_future(channel.receive())
    await settle()
    channel.close()
    found = await asyncio.gather(*runs, plain, return_exceptions=True)
    assert [type(one) for one in found] == [cs.ChannelClosedError] * 4
    assert all(any("recv" in note for note in one.__notes__) for one in found[:3])


def test_drain_of_a_closed_channel() -> None:
    channel = cs.Channel()
    channel.send(1)
    channel.close()
    assert channel.drain() == [1]
    with pytest.raises(cs.ChannelClosedError):
        cs.run(channel.recv())


# -- plain asyncio code ----------------------------------------------------------------------------------------


async def test_receive() -> None:
    channel = cs.Channel()
    channel.send("queued")
    received = await channel.receive()
    assert (received.message, received.timed_out) == ("queued", False)
    waiting = asyncio.ensure_future(channel.receive(timeout=3600))
    await settle()
    channel.send("woken")
    assert (await waiting).message == "woken"
    late = await channel.receive(timeout=0.001)
    assert (late.message, late.timed_out) == (None, True)
    assert late.elapsed >= 0.001


async def test_receive_and_recv_take_turns() -> None:
    channel = cs.Channel()
    engine = cs.Engine()
    first = asyncio.ensure_future(channel.receive())
    await settle()
    second = engine.start(channel.recv())
    await settle()
    third = asyncio.ensure_future(channel.receive(timeout=3600))
    await settle()
    for number in range(3):
        channel.send(number)
    found = await asyncio.gather(first, second, third)
    assert [one.message for one in found] == [0, 1, 2]


async def test_a_cancelled_receive_takes_nothing() -> None:
    channel = cs.Channel()
    waiting = asyncio.ensure_future(channel.receive())
    await settle()
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    channel.send("kept")
    assert channel.drain() == ["kept"]


async def test_a_message_to_a_receive_that_is_cancelled_at_once_is_not_lost() -> None:
    channel = cs.Channel()
    waiting = asyncio.ensure_future(channel.receive())
    await settle()
    channel.send("precious")
    waiting.cancel()
    found = await asyncio.gather(waiting, return_exceptions=True)
    got = [one.message for one in found if isinstance(one, cs.Received)]
    assert got + channel.drain() == ["precious"]


@pytest.mark.parametrize("place", [Callback(print), SendCallback(print, "message")])
def test_a_place_in_a_line_needs_a_mailbox(place: Callback) -> None:
    with pytest.raises(TypeError, match=r"expected .*Mailbox, got NoneType"):
        place.try_or_join(None)


async def test_receive_inside_an_async_task() -> None:
    channel = cs.Channel()

    @cs.task
    async def receives() -> object:
        return (await channel.receive()).message

    run = cs.Engine().start(receives())
    await settle()
    channel.send("inside")
    assert await run == "inside"


# -- other threads and loops -----------------------------------------------------------------------------------


async def test_send_from_threads_wakes_the_loop() -> None:
    """Nothing else would wake it: the loop sleeps until the message is there."""
    channel = cs.Channel()
    engine = cs.Engine()
    for timeout in (None, 60):
        run = engine.start(channel.recv(timeout=timeout))
        await settle()
        thread = threading.Thread(target=channel.send, args=("from a thread",))
        thread.start()
        received = await run
        assert (received.message, received.timed_out) == ("from a thread", False)
        thread.join()


async def test_send_from_threads_wakes_plain_receivers() -> None:
    channel = cs.Channel()
    waiting = asyncio.ensure_future(channel.receive(timeout=60))
    await settle()
    thread = threading.Thread(target=channel.send, args=("from a thread",))
    thread.start()
    assert (await waiting).message == "from a thread"
    thread.join()


async def test_no_message_of_many_threads_is_lost() -> None:
    channel = cs.Channel()
    engine = cs.Engine()
    count, senders = 500, 4
    start = threading.Barrier(senders)

    def send(number: int) -> None:
        start.wait()
        for turn in range(count):
            channel.send((number, turn))

    @cs.task(mode="inline")
    def collect(received: cs.Received, seen: list[object]) -> object:
        if received.message is None:
            return seen
        seen.append(received.message)
        return collect(channel.recv(timeout=60), seen)

    run = engine.start(collect(channel.recv(timeout=60), []))
    threads = [threading.Thread(target=send, args=(number,)) for number in range(senders)]
    for thread in threads:
        thread.start()
    for thread in threads:
        await asyncio.to_thread(thread.join)
    channel.send(None)
    seen = await run
    assert sorted(seen) == [(number, turn) for number in range(senders) for turn in range(count)]
    for number in range(senders):
        assert [turn for sender, turn in seen if sender == number] == list(range(count))


async def test_thread_tasks_send_and_close() -> None:
    channel = cs.Channel()

    @cs.task(mode="thread")
    def produces(count: int) -> None:
        for number in range(count):
            channel.send(number)
        channel.close()

    @cs.task
    async def consumes() -> list[object]:
        seen: list[object] = []
        while True:
            try:
                seen.append((await channel.receive()).message)
            except cs.ChannelClosedError:
                return seen

    assert (await cs.Engine().run([produces(100), consumes()]))[1] == list(range(100))


def test_in_a_later_event_loop() -> None:
    channel = cs.Channel()
    engine = cs.Engine()

    async def abandons() -> None:
        run = engine.start(channel.recv())
        waiting = asyncio.ensure_future(channel.receive())
        await settle()
        assert not run.done()
        assert not waiting.done()

    async def works(number: int) -> None:
        run = engine.start(message(channel.recv()))
        await settle()
        channel.send(number)
        assert await run == number

    for number in range(3):
        asyncio.run(abandons())
        asyncio.run(works(number))
    assert channel.drain() == []


def test_between_two_loops_in_two_threads() -> None:
    there, back = cs.Channel(), cs.Channel()

    @cs.task(mode="inline")
    def answer(received: cs.Received) -> object:
        if received.message is None:
            return "end"
        back.send(received.message * 2)
        return answer(there.recv(timeout=60))

    found: list[object] = []
    other = threading.Thread(target=lambda: found.append(cs.run(answer(there.recv(timeout=60)))))
    other.start()

    async def asks() -> list[object]:
        answers = []
        for number in range(50):
            there.send(number)
            answers.append((await back.receive(timeout=60)).message)
        there.send(None)
        return answers

    assert asyncio.run(asks()) == [number * 2 for number in range(50)]
    other.join()
    assert found == ["end"]
