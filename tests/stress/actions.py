"""What values do as they end: whatever a program may do with the public names of Cascade, from anywhere."""

from __future__ import annotations

import asyncio
import functools
import gc
import os
import signal
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING

from scenes import Scene, drop, keep, listening, nesting, sending, ticking

import cascade as cs
import cascade.graph.key_reader

if TYPE_CHECKING:
    from world import World

Action = Callable[["World"], object]


def send(world: World) -> None:
    channel = world.a_channel()
    message = world.book.new(world.a_value())
    if channel in world.blocked:
        return
    try:
        channel.send(message)
    except (cs.ChannelFullError, cs.ChannelClosedError):
        world.book.refused(message.number)
    else:
        world.book.sent(message.number, channel)


def close(world: World) -> None:
    if world.chance(0.2):
        channel = world.a_channel()
        world.replace(channel)
        channel.close()


def drain(world: World) -> None:
    for message in world.a_channel().drain():
        world.book.take(message)


def unreceive(world: World) -> None:
    """Take all, and put it back."""
    channel = world.a_channel()
    messages = channel.drain()
    for message in messages:
        world.book.take(message)
    for message in reversed(messages):
        world.book.put_back(message)
        channel.unreceive(message)


def _attend(world: World, coroutine: object) -> None:
    """Have a coroutine run, if an event loop runs in this thread and is the world's."""
    if not world.attending or len(world.tasks) > 30 or not world.in_thread() or not _looping():
        coroutine.close()  # type: ignore[attr-defined]
        return
    task = asyncio.ensure_future(coroutine)  # type: ignore[arg-type]
    world.tasks[task] = None
    task.add_done_callback(lambda _: world.tasks.pop(task, None))


def _looping() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def receive(world: World) -> None:
    _attend(world, _receive(world, world.a_channel()))


async def _receive(world: World, channel: cs.Channel) -> None:
    try:
        received = await channel.receive(world.a_timeout())
    except cs.ChannelClosedError:
        return
    if not received.timed_out:
        world.book.take(received.message)


def put(world: World) -> None:
    _attend(world, _put(world, world.a_channel()))


async def _put(world: World, channel: cs.Channel) -> None:
    message = world.book.new(world.a_value())
    try:
        await channel.put(message)
    except (cs.ChannelClosedError, cs.ChannelFullError):
        world.book.refused(message.number)
    except asyncio.CancelledError:
        world.book.unsure(message.number)
        raise
    else:
        world.book.sent(message.number, channel)


def cancel_task(world: World) -> None:
    if world.tasks and world.in_thread():
        world.choose([*world.tasks]).cancel()


def cancel_run(world: World) -> None:
    if world.in_thread():
        runs = world.choose(world.engines).runs
        if runs:
            world.choose(runs).cancel()


def start_run(world: World) -> None:
    if world.in_thread():  # from another one it would be an error, or take the engine there
        world.start(world.choose(world.scenes))


def start_many(world: World) -> None:
    engine = world.choose(world.engines)
    if len(engine.runs) > 30 or not world.in_thread():
        return
    # A run that is started again would send the same messages again.
    scenes: list[Scene] = [world.choose(world.scenes) for _ in range(1 + world.below(4))]
    scenes = [scene for scene in scenes if scene is not sending]
    policy = world.choose(["leave", "stop", cs.Restart(limit=2)] if not world.strict else ["leave"])
    population = engine.start_many([scene(world) for scene in scenes], on_failure=policy)
    for run, scene in zip(population.runs, scenes, strict=True):
        world.watch(run, scene)
    if world.chance(0.5):
        world.populations.append(population)
    elif not world.strict:
        population.cancel()


def collect(world: World) -> None:
    gc.collect(world.below(3))


def make_lazy(world: World) -> None:
    """Make a chain of lazy results, look at it, and drop it."""
    lazy = keep(world.a_value())
    for depth in range(world.below(30)):
        lazy = world.choose([keep, drop])(lazy, world.a_value() if depth % 7 == 0 else depth, key=[lazy])
    if world.chance(0.3):
        cs.structural_hash(lazy)
    elif world.chance(0.3):
        repr(lazy)


def look(world: World) -> None:
    for channel in (world.a_channel(), world.a_channel()):
        repr(channel)
        len(channel)
    for engine in world.engines:
        for run in engine.runs[:10]:
            run.state, run.doing, repr(run)
        repr(engine)
        engine.templates.stats  # noqa: B018
    for population in world.populations[-2:]:
        population.counts()


def give_to_thread(world: World) -> None:
    """Have a value go in another thread, or another thread act."""
    if world.threads:
        thread = world.choose(world.threads)
        thread.give([world.a_value()] if world.chance(0.5) else functools.partial(world.act))


def run_in_thread(world: World) -> None:
    """Have an engine of its own in another thread, which receives from the same channels."""
    if world.threads and world.chance(0.3):
        world.choose(world.threads).give(functools.partial(_run_elsewhere, world))


def _run_elsewhere(world: World) -> None:
    if world.over:
        return
    scene = world.choose([ticking, nesting] if world.strict else [listening, ticking, nesting])
    engine = world.new_engine(cs.Clock.real())
    try:
        asyncio.run(_at_most(world, engine, scene))
    except BaseException as error:
        world.book.note("a run in another thread failed", error)


async def _at_most(world: World, engine: cs.Engine, scene: Scene) -> None:
    async with engine:
        run = engine.start(scene(world))
        for _ in range(10):
            await asyncio.sleep(0)
        run.cancel()
        try:
            await run
        except asyncio.CancelledError:
            if not world.strict:
                world.book.excused.append(1)


def fork(world: World) -> None:
    """Have a child do a little of everything; it must come to an end."""
    # Not while another fork prepares: what Python's own modules lock before a fork cannot be locked twice.
    if world.forking or not world.chance(0.03):
        return
    world.forking = True
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # there are threads
        child = os.fork()
    if not child:
        _child(world)
    world.forking = False
    _, status = os.waitpid(child, 0)
    if status:
        world.book.note(f"a child ended with status {status}: it hung if that is {int(signal.SIGALRM)}")


def _child(world: World) -> None:
    status = 1
    try:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(30)
        world.over = True
        channel = world.a_channel()
        channel.drain()
        channel = cs.Channel()
        channel.send(1)
        lazy = keep(keep(1), [drop(2)], child=channel.recv())
        cs.structural_hash(lazy)
        for _ in range(300):
            keep(lazy, [keep(1)])
        gc.collect()
        status = 0
    finally:
        os._exit(status)


ACTIONS: list[Action] = [
    send, send, send, send, close, drain, unreceive, receive, receive, put, cancel_task, cancel_run, start_run,
    start_run, start_many, collect, make_lazy, look, give_to_thread, run_in_thread, fork,
]  # fmt: skip
