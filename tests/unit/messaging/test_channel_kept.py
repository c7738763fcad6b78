"""Channels: what becomes of a message whose receiver goes away."""

from __future__ import annotations

import asyncio
import copy
import gc
import pickle
import threading

import pytest

import cascade as cs
from support.observation import settle
from support.tasks import keep


@cs.task
async def fail_after(event: asyncio.Event) -> None:
    await event.wait()
    raise ValueError("failed")


@cs.task(mode="process")
def describe(received: cs.Received) -> object:
    return received.message, received.timed_out, received.channel


# -- put back --------------------------------------------------------------------------------------------------


async def test_messages_put_back_exceed_the_capacity_until_drop_oldest_makes_room() -> None:
    channel = cs.Channel(capacity=2, overflow="drop_oldest")
    engine = cs.Engine()
    runs = [engine.start(channel.recv()) for _ in range(50)]
    await settle()
    for number in range(51):
        channel.send(number)
    for run in runs:
        run.cancel()
    await asyncio.gather(*runs, return_exceptions=True)
    assert len(channel) == 51
    channel.send("new")
    assert channel.dropped == 50
    assert channel.drain() == [50, "new"]


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
    run = engine.start(channel.recv())
    waiting = asyncio.ensure_future(asyncio.wait_for(run, 60))
    await settle()
    channel.send("a value, and its run has ended")
    await settle(1)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert channel.drain() == []  # there is the run to ask
    assert run.result().message == "a value, and its run has ended"
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


# -- event loops that were closed ------------------------------------------------------------------------------


def left_behind(*coroutines: object) -> list[asyncio.Task[object]]:
    """Begin coroutines and close their event loop without cancelling them."""
    loop = asyncio.new_event_loop()
    tasks = [loop.create_task(coroutine) for coroutine in coroutines]
    loop.run_until_complete(settle())
    loop.close()
    for task in tasks:
        task._log_destroy_pending = False  # that they are left behind is what this is about
    return tasks


@pytest.mark.parametrize("from_thread", [False, True])
def test_a_receive_on_a_closed_loop_is_passed_over(from_thread: bool) -> None:
    channel = cs.Channel()
    left = left_behind(channel.receive(), channel.receive())

    def send(message: str) -> None:
        if from_thread:
            thread = threading.Thread(target=channel.send, args=(message,))
            thread.start()
            thread.join()
        else:
            channel.send(message)

    async def listen() -> object:
        waiting = asyncio.ensure_future(channel.receive())
        await settle()
        send("for the next in line")
        return (await waiting).message

    assert asyncio.run(listen()) == "for the next in line"
    left += left_behind(channel.receive())
    send("kept")
    assert channel.drain() == ["kept"]
    assert len(left) == 3


@pytest.mark.parametrize("from_thread", [False, True])
def test_draining_gives_all_messages_though_the_loop_of_a_sender_is_closed(from_thread: bool) -> None:
    channel = cs.Channel(capacity=1, overflow="block")
    left = left_behind(channel.put("a"), channel.put("b"), channel.put("c"))
    drained: list[list[object]] = []
    for _ in range(2):
        if from_thread:
            thread = threading.Thread(target=lambda: drained.append(channel.drain()))
            thread.start()
            thread.join()
        else:
            drained.append(channel.drain())
    assert drained == [["a"], ["b"]]
    assert asyncio.run(channel.receive()).message == "c"
    assert len(left) == 3


async def test_closing_wakes_the_receivers_whose_loops_are_open() -> None:
    channel = cs.Channel()
    left = await asyncio.to_thread(left_behind, channel.receive())
    waiting = asyncio.ensure_future(channel.receive())
    await settle()
    channel.close()
    with pytest.raises(cs.ChannelClosedError):
        await waiting
    assert len(left) == 1


def test_a_message_on_its_way_to_a_closed_loop_is_put_back_once_its_receiver_is_freed() -> None:
    channel = cs.Channel()
    loop = asyncio.new_event_loop()
    task = loop.create_task(channel.receive())
    loop.run_until_complete(settle())
    channel.send("kept")
    loop.close()
    assert len(channel) == 0
    task._log_destroy_pending = False
    del task
    gc.collect()
    assert channel.drain() == ["kept"]


def test_a_run_left_behind_gives_its_message_back_when_its_engine_is_closed() -> None:
    channel, engine = cs.Channel(), cs.Engine()

    async def abandon() -> cs.Run:
        run = engine.start(channel.recv())
        await settle()
        return run

    run = asyncio.run(abandon())
    channel.send("kept")
    assert len(channel) == 0
    asyncio.run(engine.aclose())
    assert channel.drain() == ["kept"]
    with pytest.raises(cs.EngineStateError, match="closed before the run had ended"):
        run.result()


# -- on a journey ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_what_was_received_travels_without_its_channel(protocol: int) -> None:
    channel = cs.Channel()
    channel.send({"a": 1})
    received = cs.run(channel.recv())
    assert received.channel is channel
    late = cs.run(channel.recv(timeout=0.001))
    for one in (received, late):
        for other in (pickle.loads(pickle.dumps(one, protocol)), copy.copy(one), copy.deepcopy(one)):
            assert repr(other) == repr(one)
            assert other.channel is None


def test_what_was_received_is_an_argument_of_a_task_in_a_process() -> None:
    channel = cs.Channel()
    channel.send("far")
    assert cs.run(describe(channel.recv())) == ("far", False, None)


# -- in order --------------------------------------------------------------------------------------------------


async def test_what_one_run_puts_back_goes_to_those_in_line_in_its_order() -> None:
    channel = cs.Channel()
    engine = cs.Engine()
    run = engine.start(keep(channel.recv(), channel.recv()))
    await settle()
    waiting = [asyncio.ensure_future(channel.receive()) for _ in range(2)]
    await settle()
    channel.send("first")
    channel.send("second")
    run.cancel()
    assert [received.message for received in await asyncio.gather(*waiting)] == ["first", "second"]


async def test_a_select_gets_the_first_of_what_is_put_back() -> None:
    channel = cs.Channel()
    engine = cs.Engine()
    run = engine.start(keep(channel.recv(), channel.recv(), channel.recv()))
    await settle()
    waiting = engine.start(cs.select([cs.Channel(), channel]))
    await settle()
    for number in range(3):
        channel.send(number)
    run.cancel()
    assert (await waiting).message == 0
    assert channel.drain() == [1, 2]


@pytest.mark.parametrize("order", [[0, 1, 2, 3, 4], [4, 3, 2, 1, 0], [2, 0, 4, 1, 3]])
@pytest.mark.parametrize("plain", [False, True])
async def test_messages_that_many_runs_put_back_keep_their_order_whichever_ends_first(
    order: list[int], plain: bool
) -> None:
    channel = cs.Channel()
    engine = cs.Engine()
    waiting = [
        asyncio.ensure_future(channel.receive() if plain else engine.run(keep(channel.recv()))) for _ in range(5)
    ]
    await settle()
    for number in range(8):
        channel.send(number)
    for place in order:
        waiting[place].cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    assert len(channel) == 8
    assert (await channel.receive()).message == 0
    assert channel.drain() == list(range(1, 8))


def test_a_message_from_a_thread_is_kept_if_the_loop_is_closed_before_it_is_woken() -> None:
    channel = cs.Channel()
    loop = asyncio.new_event_loop()
    task = loop.create_task(channel.receive())
    loop.run_until_complete(asyncio.sleep(0))
    thread = threading.Thread(target=channel.send, args=("precious",))
    thread.start()
    thread.join()
    loop.close()
    task._log_destroy_pending = False  # type: ignore[attr-defined]
    del task
    gc.collect()
    assert channel.drain() == ["precious"]


@pytest.mark.parametrize("turns", range(8))
@pytest.mark.parametrize("make", [lambda channel: channel.recv(), lambda channel: [channel.recv(), channel.recv()]])
async def test_a_message_that_comes_as_what_awaits_it_is_cancelled(turns, make):
    channel = cs.Channel()
    async with cs.Engine() as engine:
        waiting = asyncio.ensure_future(engine.run(make(channel)))
        await asyncio.sleep(0)
        channel.send("first")
        channel.send("second")
        for _ in range(turns):
            await asyncio.sleep(0)
        waiting.cancel()
        try:
            value = await waiting
        except asyncio.CancelledError:
            received = []
        else:
            received = [one.message for one in (value if type(value) is list else [value])]
        assert received + channel.drain() == ["first", "second"]


@cs.task(mode="inline")
def show(value: object) -> object:
    return value


@cs.task(mode="inline")
def receive_in(channel: cs.Channel) -> cs.LazyResult:
    return channel.recv()


def _messages(value: object) -> list[object]:
    return [each.message for each in (value if isinstance(value, list) else [value]) if type(each) is cs.Received]


async def _cancel_late(engine: cs.Engine, target: cs.LazyResult | list[cs.LazyResult]) -> bool:
    """Run a target, and cancel that in the turn in which the run ends; return whether it was cancelled in time."""
    waiting = asyncio.ensure_future(engine.run(target))
    await asyncio.sleep(0)
    (run,) = engine.runs
    while not run.done():
        await asyncio.sleep(0)
    waiting.cancel()
    try:
        await waiting
    except asyncio.CancelledError:
        return True
    return False


def _twice(lazy: cs.LazyResult) -> list[cs.LazyResult]:
    return [lazy, lazy]


@pytest.mark.parametrize(
    ("make", "kept"),
    [
        (lambda channel: channel.recv(), ["a", "b"]),
        (lambda channel: [channel.recv(), channel.recv()], ["a", "b"]),
        (lambda channel: _twice(channel.recv()), ["a", "b"]),
        (lambda channel: [channel.recv(), show("other")], ["a", "b"]),
        (lambda channel: cs.select([channel]), ["a", "b"]),
        (lambda channel: receive_in(channel), ["a", "b"]),
        (lambda channel: channel.recv().run_if(show(True)), ["a", "b"]),
        (lambda channel: cs.Router(show("x"), {"x": channel.recv()}), ["a", "b"]),
        (lambda channel: show(channel.recv()), ["b"]),
        (lambda channel: [show(channel.recv())], ["b"]),
        (lambda channel: (lambda lazy: [lazy, show(lazy)])(channel.recv()), ["b"]),
        (lambda channel: (lambda lazy: [lazy, show([{"in": lazy}])])(channel.recv()), ["b"]),
        (lambda channel: show(channel.recv()).run_if(show(True)), ["b"]),
    ],
)
async def test_only_what_no_task_was_given_is_put_back(make, kept):
    channel = cs.Channel()
    channel.send("a")
    channel.send("b")
    async with cs.Engine() as engine:
        assert await _cancel_late(engine, make(channel))
    assert channel.drain() == kept


async def test_what_another_run_has_received_is_not_put_back() -> None:
    channel = cs.Channel()
    async with cs.Engine() as engine:
        channel.send("old")
        old = await engine.run(channel.recv())
        channel.send("older")
        (older,) = await engine.run([channel.recv()])
        for target in (show(old), [show(old)], show([old]), [show(older)], show([older])):
            assert await _cancel_late(engine, target)
    assert channel.drain() == []


@pytest.mark.parametrize("make", [lambda channel: channel.recv(), lambda channel: [channel.recv()]])
async def test_a_message_that_something_else_awaits_is_not_put_back(make) -> None:
    channel = cs.Channel()
    async with cs.Engine() as engine:
        waiting = asyncio.ensure_future(engine.run(make(channel)))
        await asyncio.sleep(0)
        (run,) = engine.runs
        also = [asyncio.ensure_future(_first(engine, run)), asyncio.ensure_future(_awaited(run))]
        await asyncio.sleep(0)
        channel.send("hello")
        while not run.done():
            await asyncio.sleep(0)
        waiting.cancel()
        assert isinstance((await asyncio.gather(waiting, return_exceptions=True))[0], asyncio.CancelledError)
        assert [_messages(value) for value in await asyncio.gather(*also)] == [["hello"], ["hello"]]
        assert channel.drain() == []


async def _first(engine: cs.Engine, run: cs.Run) -> object:
    async for ended in engine.as_completed([run]):
        return ended.result()
    return None


async def _awaited(run: cs.Run) -> object:
    return await run
