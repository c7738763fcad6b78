"""The ways in which a call can fail, each as a coroutine function of an engine and of something that it holds."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import NoReturn

import pytest

import cascade as cs
from cascade.events import Event
from support.observation import settle
from support.tasks import take


class Falsy(Exception):
    """An exception that is false in a condition."""

    def __bool__(self) -> bool:
        return False


class Slotted(Exception):
    """An exception with slots, that cannot be compared."""

    __slots__ = ("what",)

    def __eq__(self, other: object) -> bool:
        raise TypeError

    __hash__ = None  # type: ignore[assignment]


class Ending(BaseException):
    """What no `except Exception` sees."""


KINDS: list[type[BaseException]] = [ValueError, Falsy, Slotted, Ending]


@cs.task(mode="inline")
def sync(held: object, kind: type[BaseException] = ValueError) -> NoReturn:
    raise kind


@cs.task
async def at_once(held: object, kind: type[BaseException] = ValueError) -> NoReturn:
    raise kind


@cs.task
async def later(held: object, kind: type[BaseException] = ValueError) -> NoReturn:
    await asyncio.sleep(0)
    raise kind


@cs.task(mode="thread")
def threaded(held: object, kind: type[BaseException] = ValueError) -> NoReturn:
    raise kind


@cs.task
async def forever(held: object) -> None:
    await asyncio.Event().wait()


TASKS = {"sync": sync, "at once": at_once, "later": later, "threaded": threaded}


class Blocking(cs.MemoryStore):
    """A store with which calls take the long way."""

    blocking = True


class Lost(cs.MemoryStore):
    """A store that cannot be read."""

    def get(self, *args: object) -> NoReturn:
        raise ValueError


class Full(cs.MemoryStore):
    """A store that cannot be written to."""

    def set(self, *args: object) -> NoReturn:
        raise ValueError


def _same(*args: object, **kwargs: object) -> str:
    return "the same"


def _cached(call: cs.LazyResult, store: cs.MemoryStore) -> cs.LazyResult:
    return call.with_cache(cs.ResultCache(store=store, key=_same))


POLICIES: dict[str, Callable[[cs.LazyResult], cs.LazyResult]] = {
    "nothing": lambda call: call,
    "limit": lambda call: call.with_constraints(slot=1),
    "cache": lambda call: _cached(call, cs.MemoryStore()),
    "blocking cache": lambda call: _cached(call, Blocking()),
    "retry": lambda call: call.with_retry(max_attempts=2, delay=0),
    "last attempt": lambda call: call.with_retry(max_attempts=1),
    "timeout": lambda call: call.with_timeout(3600),
    "total": lambda call: call.with_timeout(total=3600),
    "all": lambda call: call.with_constraints(slot=1).with_retry(max_attempts=2, delay=0).with_timeout(60, total=60),
}
Way = Callable[[cs.Engine, object], Awaitable[None]]


async def _misses(engine: cs.Engine, target: cs.LazyResult) -> None:
    await engine.run(target)


async def _fails(engine: cs.Engine, target: cs.LazyResult) -> None:
    with pytest.raises(BaseException):  # noqa: B017 - any
        await engine.run(target)


def _way(make: Callable[[object], cs.LazyResult]) -> Way:
    return lambda engine, held: _fails(engine, make(held))


def _call(task: cs.Task, policy: Callable[[cs.LazyResult], cs.LazyResult], kind: type[BaseException]) -> Way:
    return _way(lambda held: policy(task(held, kind=kind)))


def _resource(scope: str, *, is_async: bool, early: bool) -> Way:
    async def way(_: cs.Engine, held: object) -> None:
        def plain() -> Iterator[object]:
            if early:
                raise ValueError(held)
            yield held
            raise ValueError

        async def awaited() -> AsyncIterator[object]:
            if early:
                raise ValueError(held)
            yield held
            raise ValueError

        engine = cs.Engine()
        engine._driver.report = lambda *_: None  # type: ignore[method-assign]
        with contextlib.suppress(ValueError):
            async with engine:
                engine.register(cs.resource(scope=scope)(awaited if is_async else plain), "it")
                await engine.run(_takes(held))

    return way


@cs.task(mode="inline")
def _takes(held: object, it: object = cs.Inject("it")) -> object:
    return held


async def under_a_rule(engine: cs.Engine, held: object) -> None:
    engine.limits.set("*", concurrency=1)
    try:
        for task in TASKS.values():
            await _fails(engine, task(held))
    finally:
        engine.limits.remove("*")


async def under_a_pause(engine: cs.Engine, held: object) -> None:
    engine.limits.pause("*")
    run = engine.start(take(at_once(held), cs.wait(0), sync(held)))
    await settle(3)
    engine.limits.resume("*")
    with pytest.raises(BaseException):  # noqa: B017 - any
        await run


async def is_cancelled(engine: cs.Engine, held: object) -> None:
    for policy in POLICIES.values():
        for begun in (0, 1, 5):
            run = engine.start(take(policy(forever(held)), cs.wait(60), cs.Channel().recv()))
            await settle(begun)
            run.cancel()
            with pytest.raises(asyncio.CancelledError):
                await run


async def with_a_subscriber_that_fails(engine: cs.Engine, held: object) -> None:
    def fail(event: object) -> NoReturn:
        raise ValueError(held)

    with engine.events.subscribe(Event, fail):
        await _fails(engine, at_once(held))


async def in_a_population(engine: cs.Engine, held: object) -> None:
    population = engine.start_many([at_once(held), sync(held)], on_failure=cs.Restart(limit=3))
    assert (await population).failed == 2


async def unseen(engine: cs.Engine, held: object) -> None:
    engine.start(at_once(held))
    await settle(3)


def _closed() -> cs.Channel:
    channel = cs.Channel()
    channel.close()
    return channel


@cs.task(mode="inline")
def given(value: object) -> object:
    return value


WAYS: dict[str, Way] = {
    **{
        f"{name}, {policy}, {kind.__name__}": _call(task, POLICIES[policy], kind)
        for name, task in TASKS.items()
        for policy in POLICIES
        for kind in KINDS
        if (kind is ValueError or policy in ("nothing", "limit", "retry"))
        and not (task is sync and policy in ("timeout", "total", "all"))  # an inline call cannot be given up
        and not (task is threaded and kind is Falsy)
    },
    "store that loses": lambda engine, held: _misses(engine, _cached(given(held), Lost())),
    "store that is full": lambda engine, held: _misses(engine, _cached(given(held), Full())),
    "a key that fails": _way(lambda held: given(held).with_cache(cs.ResultCache(key=lambda **_: 1 / 0))),
    "timeout": _way(lambda held: forever(held).with_timeout(1e-9)),
    "total timeout": _way(lambda held: forever(held).with_retry(max_attempts=9).with_timeout(total=1e-9)),
    "limit that is not": _way(lambda held: given(held).with_constraints(nothing=1)),
    "amount that fails": _way(lambda held: given(held).with_constraints(slot=at_once(held))),
    "map item": _way(lambda held: at_once.map(held=[held, held])),
    "map that is none": _way(lambda held: at_once.map(held=given(3))),
    "router": _way(lambda held: cs.Router(at_once(held), {1: given(held)})),
    "no route": _way(lambda held: cs.Router(given(2), {1: given(held)})),
    "condition": _way(lambda held: given(held).run_if(at_once(held))),
    "otherwise": _way(lambda held: given(held).run_if(False, otherwise=at_once(held))),
    "after": _way(lambda held: given(held).after(at_once(held))),
    "recv": _way(lambda held: take(held, _closed().recv())),
    "send": _way(lambda held: take(held, cs.Channel(capacity=1, overflow="block").send(at_once(held)))),
    "select": _way(lambda held: take(held, cs.select([_closed()]))),
    "wait": _way(lambda held: take(held, cs.wait(given("long")))),
    "recv from nothing": _way(lambda held: take(held, cs.select(given([held])))),
    "param": _way(lambda held: take(held, cs.Param("absent", type=int))),
    "two": _way(lambda held: take(at_once(held), later(held), sync(held))),
    "nested": _way(lambda held: take(given(at_once(held)), [later(held)])),
    "tail": _way(lambda held: given(held).after(given(1)).run_if(True).with_retry(max_attempts=2).after(sync(held))),
    **{
        f"resource: {scope}, {'async' if is_async else 'sync'}, {'set-up' if early else 'tear-down'}": _resource(
            scope, is_async=is_async, early=early
        )
        for scope in ("engine", "run", "call")
        for is_async in (False, True)
        for early in (False, True)
    },
    "rule": under_a_rule,
    "pause": under_a_pause,
    "cancelled": is_cancelled,
    "subscriber": with_a_subscriber_that_fails,
    "population": in_a_population,
    "unseen": unseen,
}
