"""Expressions in which values with endings lie in every place that the core has for values."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from typing import TYPE_CHECKING, Any

from book import Told

import cascade as cs

if TYPE_CHECKING:
    from world import World


@cs.task(mode="inline")
def keep(*values: object, **named: object) -> object:
    return values, named


@cs.task(mode="inline")
def drop(*values: object, **named: object) -> None:
    del values, named


@cs.task(mode="inline")
def fail(*values: object) -> None:
    raise Told


@cs.task(mode="inline")
def refuse(value: object) -> None:
    raise Told


@cs.task(mode="inline")
def take(world: World, *received: cs.Received) -> int:
    for each in received:
        if not each.timed_out:
            world.book.take(each.message)
    return len(received)


@cs.task(mode="inline")
def listen(received: cs.Received, world: World, turns: int, value: object) -> object:
    """Receive, again and again, from one channel or several, with a value that is replaced each time."""
    if not received.timed_out:
        world.book.take(received.message)
    if not turns or world.over:
        return value
    again = world.a_channel().recv(world.a_timeout()) if world.chance(0.7) else world.a_select()
    return listen(again, world, turns - 1, world.a_value())


@cs.task(mode="inline")
def tick(_waited: float, world: World, turns: int, value: object) -> object:
    return tick(cs.wait(world.a_span()), world, turns - 1, world.a_value()) if turns else value


@cs.task(mode="inline")
def nest(world: World, depth: int, value: object) -> object:
    """A graph in the middle of a graph, so deep."""
    if not depth:
        return world.a_value()
    return drop(nest(world, depth - 1, world.a_value()), value, cs.wait(world.a_span()))


@cs.task(mode="inline")
def act(world: World, *values: object) -> int:
    """Do what destructors do, in the middle of a task."""
    world.act()
    return world.below(3)


@cs.task(mode="inline")
def yes(_value: object) -> bool:
    return True


@cs.task
async def receive(world: World, *values: object) -> object:
    value = world.a_value()
    try:
        received = await world.a_channel().receive(world.a_timeout())
        if not received.timed_out:
            world.book.take(received.message)
        await asyncio.sleep(0)
        return value
    finally:
        world.act()


@cs.task
async def at_once(world: World, *values: object) -> object:
    """A coroutine that does not suspend."""
    value = world.a_value()
    if world.chance(0.5):
        raise Told
    return value


@cs.task(mode="thread")
def threaded(world: World, *values: object) -> object:
    world.act()
    if world.chance(0.3):
        raise Told
    return world.a_value()


class Streamed:
    """An async iterable that can be iterated over again, as what failed may be started again."""

    def __init__(self, world: World) -> None:
        self.world = world

    async def __aiter__(self) -> AsyncIterator[object]:
        loop = asyncio.get_running_loop()
        try:
            for _ in range(3):
                self.world.act()
                await asyncio.sleep(0)
                yield self.world.a_value()
        finally:
            if not loop.is_closed():  # else Python itself says that nothing can be awaited here
                await asyncio.sleep(0)
            self.world.act()


def mapped(world: World) -> cs.LazyResult:
    items: list[Any] = [world.a_value() for _ in range(3)]
    task = world.choose([keep, drop, fail, yes])
    if task is yes:
        return yes.map(_value=world.an_iterator() if world.chance(0.5) else items)
    if task is fail:
        return world.choose([keep, drop, refuse]).map(value=Streamed(world), concurrency=1 + world.below(3))
    return drop(listen.map(
        received=[world.a_channel().recv(world.a_span()) for _ in items],
        world=cs.const(world), turns=cs.const(1), value=items,
    ))  # fmt: skip


def routed(world: World) -> cs.LazyResult:
    routes = {key: keep(world.a_value(), tick(0.0, world, 1, world.a_value())) for key in range(3)}
    return drop(cs.Router(act(world, world.a_value()), routes), world.a_value())


def conditional(world: World) -> cs.LazyResult:
    condition = world.choose([yes(world.a_value()), keep(world.a_value()), drop(world.a_value()), True, False])
    node = nest(world, 1, world.a_value()).run_if(condition, otherwise=world.a_value())
    return keep(node, drop(world.a_value()).run_if(yes(node)))


def many(world: World) -> cs.LazyResult:
    """A run that waits for several things at once."""
    channels = [world.a_channel() for _ in range(3)]
    receiving = [channel.recv() if world.chance(0.5) else channel.recv(world.a_span()) for channel in channels]
    return take(world, *receiving).after(drop(world.a_value(), [world.a_value(), cs.wait(world.a_span())]))


def failing(world: World) -> cs.LazyResult:
    others = [keep(world.a_value(), cs.wait(1)), receive(world, world.a_value()), many(world)]
    return keep(*others[: 1 + world.below(3)], fail(world.a_value(), cs.wait(world.a_span())))


def retried(world: World) -> cs.LazyResult:
    task = world.choose([fail(world.a_value()), at_once(world, world.a_value()), threaded(world, world.a_value())])
    return drop(task.with_retry(max_attempts=2, delay=world.a_span()), world.a_value())


def limited(world: World) -> cs.LazyResult:
    return drop(*[receive(world, world.a_value()).with_constraints(slots=1) for _ in range(3)])


def holding(world: World) -> cs.LazyResult:
    inner = drop(receive(world, world.a_value()).with_constraints(slots=1), cs.wait(world.a_span()))
    return drop(*[cs.scope(inner).with_constraints(slots=1, priority=world.below(2)) for _ in range(2)])


def timed(world: World) -> cs.LazyResult:
    return drop(receive(world, world.a_value()).with_timeout(0.001), world.a_value())


@cs.task(mode="inline")
def hold(world: World, resource: object, *values: object) -> object:
    world.act()
    return world.choose([resource, world.a_value()])


def provided(world: World) -> cs.LazyResult:
    resources = [cs.inject(name) for name in ("plain", "awaited", "shared")[: 1 + world.below(3)]]
    return hold(world, resources[0], *resources[1:], cs.wait(world.a_span()), world.a_value())


def resources(world: World) -> list[Any]:
    """For the engine's registry: their set-up and teardown do what destructors do."""

    @cs.resource
    def plain() -> Iterator[object]:
        value = world.a_value()
        try:
            yield value
        finally:
            world.act()

    @cs.resource
    async def awaited() -> AsyncIterator[object]:
        value = world.a_value()
        try:
            yield value
        finally:
            await asyncio.sleep(0)
            world.act()

    @cs.resource(scope="engine")
    def shared() -> Iterator[object]:
        yield world.a_value()
        world.act()

    return [plain, awaited, shared]


@cs.cached(ttl=0.01, store=cs.MemoryStore(max_entries=8))
@cs.task
async def slow_square(number: int) -> int:
    await asyncio.sleep(0)
    return number * number


def cached(world: World) -> cs.LazyResult:
    return keep(*[slow_square(world.below(4)) for _ in range(3)], world.a_value(), cs.wait(world.a_span()))


def sending(world: World) -> cs.LazyResult:
    """Lazy sends to channels that block."""
    return drop(*[each for each in (world.a_lazy_send() for _ in range(3)) if each is not None], world.a_value())


def listening(world: World) -> cs.LazyResult:
    return listen(world.a_channel().recv(world.a_timeout()), world, world.below(8), world.a_value())


def ticking(world: World) -> cs.LazyResult:
    return tick(cs.wait(world.a_span()), world, world.below(4), world.a_value())


def nesting(world: World) -> cs.LazyResult:
    return drop(nest(world, world.below(5), world.a_value()), world.a_value())


def acting(world: World) -> cs.LazyResult:
    return drop(act(world, world.a_value(), act(world)), [act(world, {"key": world.a_value()})])


def awaiting(world: World) -> cs.LazyResult:
    return keep(receive(world, world.a_value()), receive(world), world.a_value())


def working(world: World) -> cs.LazyResult:
    return keep(threaded(world, world.a_value()), threaded(world), at_once(world, world.a_value()))


Scene = Callable[["World"], cs.LazyResult]

# How many messages may have become values of a run when it is stopped: they are the run's then, and lost with it.
HELD: dict[Scene, int] = {many: 3, failing: 3, mapped: 3, listening: 1}

SCENES: list[Scene] = [
    listening, listening, many, many, ticking, nesting, acting, awaiting, working, mapped, routed, conditional, failing,
    retried, limited, holding, timed, provided, cached, sending,
]  # fmt: skip
