"""Channels: what becomes of a message whose receiver goes away."""

from __future__ import annotations

import asyncio

import pytest
from observation import settle

import cascade as cs


@cs.task(mode="inline")
def keep(*args: object) -> object:
    return args


@cs.task
async def fail_after(event: asyncio.Event) -> None:
    await event.wait()
    raise ValueError("failed")


# -- put back --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("overflow", ["error", "block", "drop_oldest", "drop_newest"])
def test_a_message_that_is_put_back_finds_room_and_comes_first(overflow: str) -> None:
    channel = cs.Channel(capacity=1, overflow=overflow)
    cs.run(keep(channel.send("queued")))
    channel.close()
    channel.unreceive("first")
    assert channel.drain() == ["first", "queued"]
    assert channel.dropped == 0


async def test_what_was_not_looked_at_when_its_run_was_cancelled_is_put_back() -> None:
    channel = cs.Channel()
    run = cs.Engine().start(keep(channel.recv(), [channel.recv()]))
    await settle()
    channel.send("first")
    channel.send("second")
    run.cancel()
    await asyncio.gather(run, return_exceptions=True)
    assert channel.drain() == ["first", "second"]


async def test_what_has_become_a_value_is_not_put_back() -> None:
    channel = cs.Channel()
    engine = cs.Engine()
    waiting = asyncio.ensure_future(engine.run(channel.recv()))
    await settle()
    channel.send("a value, and its run has ended")
    await settle(1)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert channel.drain() == []
    run = engine.start(keep(channel.recv(), fail_after(asyncio.Event())))
    await settle()
    channel.send("a value among arguments")
    await settle()
    run.cancel()
    await asyncio.gather(run, return_exceptions=True)
    assert channel.drain() == []


async def test_a_receive_that_has_not_returned_puts_its_message_back() -> None:
    channel = cs.Channel()
    waiting = asyncio.ensure_future(channel.receive())
    await settle()
    channel.send("on its way")
    await settle(1)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert channel.drain() == ["on its way"]


async def test_a_message_that_comes_behind_the_error_that_stops_its_run_is_put_back() -> None:
    channel = cs.Channel()
    loop = asyncio.get_running_loop()

    @cs.task
    async def fail() -> None:
        await asyncio.sleep(0)
        # In the next turn of the loop the run is told of the error, in the one after that it looks at it.
        loop.call_soon(loop.call_soon, channel.send, "kept")
        raise ValueError("failed")

    with pytest.raises(ValueError, match="failed"):
        await cs.Engine().run(keep(channel.recv(), fail()))
    assert channel.drain() == ["kept"]
