"""The end of a value may call anything: whatever it does finds channels, runs and engines whole, and loses nothing."""

import asyncio
import gc
import weakref
from contextlib import suppress

import pytest

import cascade as cs


@cs.task(mode="inline")
def keep(*values):
    return values


@cs.task(mode="inline")
def hold(held, value):
    return value


@cs.task
async def fails(_):
    await asyncio.sleep(0)
    raise ValueError("as planned")


class Deleted:
    """Calls a function when it is deleted."""

    def __init__(self, call):
        self.call = call

    def __del__(self):
        self.call()


class Finalized:
    """The same by a weak reference's callback."""

    def __init__(self, call):
        weakref.finalize(self, call)


def suspended(call):
    """A generator that calls it in a `finally` when it is closed."""

    def body():
        try:
            yield
        finally:
            call()

    generator = body()
    next(generator)
    return generator


def cyclic(call):
    """The same by the collector: it stands in a cycle."""
    made = Deleted(lambda: (call(), None))
    made.self = made
    return made


KINDS = [Deleted, Finalized, suspended, cyclic]


class Scene:
    """Three channels on which one run waits at once, and what was sent to them."""

    def __init__(self, **kwargs):
        self.channels = [cs.Channel(**kwargs) for _ in range(3)]
        self.sent = []
        self.engine = None
        self.run = None
        self.others = []
        self.started = []

    def send(self, *which):
        for index in which:
            message = len(self.sent)
            self.sent.append(message)
            self.channels[index].send(message)

    def actions(self):
        _, b, c = self.channels
        return {
            "send to the first": lambda: self.send(0),
            "send to the next": lambda: self.send(1),
            "send to all": lambda: self.send(0, 1, 2, 2, 1, 0),
            "close": lambda: (b.close(), c.close()),
            "drain": lambda: [self.back(channel) for channel in self.channels],
            "cancel": lambda: (self.run.cancel(), [other.cancel() for other in self.others]),
            "start": lambda: self.started.append(self.engine.start(keep(1))),
            "collect": gc.collect,
            "look": lambda: (repr(self.run), self.run.doing, [repr(channel) for channel in self.channels]),
            "expressions": lambda: [keep(keep(keep())) for _ in range(300)],
        }

    def back(self, channel):
        for message in reversed(channel.drain()):
            channel.unreceive(message)

    def left(self):
        return sorted(message for channel in self.channels for message in channel.drain())


ACTIONS = list(Scene().actions())


async def stop_by_cancel(scene):
    scene.run.cancel()


async def stop_by_sibling(scene):
    await asyncio.sleep(0)  # the sibling of `waiting` fails by itself


async def stop_by_close(scene):
    await scene.engine.aclose()


def waiting(scene, held, sibling=False):
    a, b, c = scene.channels
    last = fails(0) if sibling else c.recv(timeout=1000)
    return keep(hold(held, a.recv()), keep(held, b.recv()), cs.select([b, c, a]), cs.wait(1000), last)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("stop", [stop_by_cancel, stop_by_sibling, stop_by_close])
def test_a_value_that_ends_as_its_run_is_stopped(kind, action, stop):
    calls = []

    async def main():
        scene = Scene()
        async with cs.Engine() as scene.engine:
            act = scene.actions()[action]

            def call():
                calls.append(action)
                if stop is not stop_by_close or action != "start":
                    act()

            scene.others = [scene.engine.start(keep(scene.channels[1].recv())) for _ in range(2)]
            scene.run = scene.engine.start(waiting(scene, kind(call), sibling=stop is stop_by_sibling))
            await asyncio.sleep(0)
            await stop(scene)
            with pytest.raises((asyncio.CancelledError, ValueError, cs.ChannelClosedError)):
                await scene.run
            gc.collect()
            assert calls
            received = []
            for other in scene.others:
                other.cancel()
                with suppress(asyncio.CancelledError, cs.ChannelClosedError):
                    received += [got.message for got in await other]
            assert sorted(received + scene.left()) == scene.sent
        for run in scene.started:
            assert run.done()

    asyncio.run(asyncio.wait_for(main(), 60))


@pytest.mark.parametrize("kind", KINDS[:3])
@pytest.mark.parametrize("action", ["send to all", "close", "drain", "collect"])
def test_a_message_that_ends_as_the_oldest_is_dropped(kind, action):
    scene = Scene(capacity=2, overflow="drop_oldest")
    act = scene.actions()[action]
    done = []

    def once():
        if not done:
            done.append(1)
            act()

    channel = scene.channels[0]
    channel.send(kind(once))
    channel.send("b")
    channel.send("c")
    assert done
    if action in ("send to all", "close"):
        assert channel.closed or len(channel) == 2
        assert channel.dropped == (3 if action == "send to all" else 1)
    else:
        assert channel.drain() == ["b", "c"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("action", ACTIONS)
def test_a_value_that_ends_at_a_tail_call(kind, action):
    calls = []

    async def main():
        scene = Scene()
        async with cs.Engine() as scene.engine:
            act = scene.actions()[action]

            @cs.task(mode="inline")
            def loop(n, held):
                if n == 0:
                    return "end"
                return loop(n - 1, kind(lambda: (calls.append(n), act() if n == 5 else None)))

            scene.run = scene.engine.start(loop(20, None))
            if action == "cancel" and kind is not cyclic:  # which ends when the collector comes by, if it does
                with pytest.raises(asyncio.CancelledError):
                    await scene.run
            else:
                assert await scene.run == "end"
            gc.collect()
            assert scene.left() == scene.sent

    asyncio.run(asyncio.wait_for(main(), 60))
    assert calls


@pytest.mark.parametrize("action", ["send to all", "close", "drain", "look", "collect"])
def test_a_timeout_while_the_collector_ends_values(action):
    """Room for what was received is made by an allocation, in which the collector may run."""

    async def main():
        scene = Scene()
        engine = scene.engine = cs.Engine()
        act = scene.actions()[action]
        received = []
        async with engine:
            for _ in range(50):
                scene.run = engine.start(keep(*[channel.recv(timeout=0.0001) for channel in scene.channels]))
                cyclic(act)
                gc.set_threshold(1)
                try:
                    received += [one for one in await scene.run if not one.timed_out]
                except cs.ChannelClosedError:
                    assert action == "close"
                finally:
                    gc.set_threshold(700)
        gc.collect()
        assert sorted([one.message for one in received] + scene.left()) == scene.sent

    threshold = gc.get_threshold()
    try:
        asyncio.run(asyncio.wait_for(main(), 60))
    finally:
        gc.set_threshold(*threshold)


class Refusing(asyncio.SelectorEventLoop):
    """An event loop that takes nothing when it is told to."""

    refuses = 0  # so many times. An engine asks twice

    def call_soon(self, *args, **kwargs):
        if self.refuses:
            self.refuses -= 1
            raise MemoryError
        return super().call_soon(*args, **kwargs)


def test_what_a_wake_up_that_raises_would_have_announced_has_not_happened():
    async def main():
        loop = asyncio.get_running_loop()
        channel = cs.Channel()
        async with cs.Engine() as engine:
            run = engine.start(keep(channel.recv(), channel.recv()))
            await asyncio.sleep(0)
            loop.refuses = 2
            with pytest.raises(MemoryError):
                channel.send("first")
            channel.send("second")
            channel.send("third")
            return [one.message for one in await run]

    with asyncio.Runner(loop_factory=Refusing) as runner:
        assert sorted(runner.run(asyncio.wait_for(main(), 60))) == ["second", "third"]


def test_a_channel_whose_close_raises_is_open_and_can_be_closed_again():
    async def main():
        loop = asyncio.get_running_loop()
        channel = cs.Channel()
        async with cs.Engine() as engine, cs.Engine() as other:
            runs = [engine.start(keep(channel.recv())), other.start(keep(channel.recv()))]
            await asyncio.sleep(0)
            loop.refuses = 2
            with pytest.raises(MemoryError):
                channel.close()
            assert not channel.closed
            channel.close()
            for run in runs:
                with pytest.raises(cs.ChannelClosedError):
                    await run

    with asyncio.Runner(loop_factory=Refusing) as runner:
        runner.run(asyncio.wait_for(main(), 60))


def test_many_that_are_ready_are_dropped_one_after_the_other():
    async def main():
        engine = cs.Engine()
        engine.start_many(keep(number) for number in range(200_000))

    asyncio.run(main())
    gc.collect()
