"""An engine that nothing holds any more is freed, with all that is its own; if runs were pending it says so, once."""

from __future__ import annotations

import asyncio
import gc
import logging
import weakref
from collections.abc import Callable, Iterator

import pytest

import cascade as cs
from support.observation import settle
from support.tasks import forever, keep


class Token:
    """Something to be freed."""


held = cs.Channel()
full = cs.Channel(capacity=1, overflow="block")
full.unreceive("the first")
Park = Callable[[object], cs.LazyResult]

# What it waits for. None of it is to be reached but by the engine, the channels, which a module holds, included.
PARKED: dict[str, Park] = {
    "timer": lambda it: keep(it, cs.wait(3600)),
    "message": lambda it: keep(it, held.recv()),
    "message or timer": lambda it: keep(it, held.recv(timeout=3600)),
    "channel of its own": lambda it: keep(it, cs.Channel().recv()),
    "any message": lambda it: keep(it, cs.select([held, cs.Channel()], timeout=3600)),
    "room": lambda it: full.send([it]),
    "asyncio": lambda it: keep(it, forever(it)),
    "timeout": lambda it: keep(it, forever(it).with_timeout(3600)),
    "cache": lambda it: keep(it, forever(it).with_cache(cs.ResultCache(key=lambda *_: 1))),
    "limit": lambda it: keep(it, [forever(it).with_constraints(slot=1) for _ in range(3)]),
    "map": lambda it: keep(it, pause.map(it=[it, it])),
    "deep": lambda it: keep(it, nested(50, it)),
    "several": lambda it: keep(it, cs.wait(60), held.recv(), forever(it), held.recv(timeout=1)),
}


@cs.task(mode="inline")
def pause(it: object) -> object:
    return keep(cs.wait(3600), it)


@cs.task(mode="inline")
def nested(depth: int, it: object) -> object:
    return keep(nested(depth - 1, it), it) if depth else cs.wait(3600).after(keep(it))


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> Iterator[list[str]]:
    """What was reported of dropped engines."""
    found: list[str] = []

    class Listen(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.getMessage().startswith("an engine was dropped"):
                found.append(record.getMessage())

    handlers = [logging.getLogger("cascade"), logging.getLogger("asyncio")]
    listen = Listen()
    for each in handlers:
        each.addHandler(listen)
    yield found
    for each in handlers:
        each.removeHandler(listen)


async def _park(park: Park, clock: cs.Clock | None = None) -> list[weakref.ref[object]]:
    engine = cs.Engine(clock=clock, limits={"slot": 1})
    token = Token()
    target = park([token, engine])
    runs = [engine.start(target), engine.start(target)]
    await settle(3)
    assert [run.state for run in runs] == ["parked", "parked"]
    return [weakref.ref(engine), weakref.ref(token)]


@pytest.mark.parametrize("park", PARKED.values(), ids=PARKED)
def test_an_engine_is_freed_once_its_loop_is_closed(park: Park, said: list[str]) -> None:
    loop = asyncio.new_event_loop()
    watches = loop.run_until_complete(_park(park))
    loop.close()
    del loop
    gc.collect()
    assert [watch() for watch in watches] == [None, None]
    assert len(said) == 1
    assert "more" not in said[0] and said[0].count(", ") == 1  # the numbers of both runs


@pytest.mark.parametrize(
    "kind", [kind for kind in PARKED if kind not in ("asyncio", "timeout", "cache", "limit", "several")]
)
async def test_an_engine_is_freed_beside_a_loop_that_goes_on(kind: str, said: list[str]) -> None:
    """What asyncio itself is to wake is held by its event loop, as it is without an engine."""
    watches = await _park(PARKED[kind])
    gc.collect()
    assert [watch() for watch in watches] == [None, None]
    assert len(said) == 1


@pytest.mark.parametrize("kind", ["timer", "message", "any message", "deep"])
def test_an_engine_is_freed_while_its_clock_is_referenced(kind: str) -> None:
    clock = cs.Clock.virtual()
    with asyncio.Runner(loop_factory=lambda: cs.VirtualLoop(clock)) as runner:
        engine = cs.Engine(clock=clock)
        watch = weakref.ref(engine)
        runner.run(_start(engine, PARKED[kind]([engine])))
        del engine
        gc.collect()
        assert watch() is None
    assert len(clock) == 0


async def _start(engine: cs.Engine, target: cs.LazyResult) -> None:
    engine.start(target)
    await asyncio.sleep(0)


async def test_a_message_that_waits_for_a_lost_run_is_for_another() -> None:
    channel = cs.Channel()
    watches = await _park(lambda it: keep(it, channel.recv()))
    gc.collect()
    assert [watch() for watch in watches] == [None, None]
    channel.send("for the next")
    assert channel.drain() == ["for the next"]


async def test_a_run_that_is_held_holds_its_engine() -> None:
    channel = cs.Channel()
    run = cs.Engine().start(keep(channel.recv(), cs.wait(0.001)))
    await settle(3)
    gc.collect()
    channel.send("here")
    (received, _) = await run
    assert received.message == "here"


async def test_what_was_set_up_is_torn_down() -> None:
    seen: list[str] = []

    @cs.resource(scope="run")
    def session() -> Iterator[str]:
        try:
            yield "session"
        finally:
            seen.append("torn down")

    def lose() -> None:
        engine = cs.Engine()
        engine.register(session)
        engine.start(keep(cs.inject("session"), held.recv()))

    lose()
    await settle(5)
    gc.collect()
    gc.collect()
    assert seen == ["torn down"]


def test_an_engine_that_is_closed_says_nothing(said: list[str]) -> None:
    async def main() -> None:
        async with cs.Engine() as engine:
            engine.start(cs.wait(3600))
            await settle(3)

    asyncio.run(main())
    gc.collect()
    assert said == []


async def test_a_channel_frees_those_that_wait_in_it() -> None:
    """Also where it is asyncio that waits: together, if nothing holds either."""

    def lose() -> weakref.ref[object]:
        channel = cs.Channel()
        coroutine = channel.receive()
        coroutine.send(None)
        box = [channel, coroutine, Token()]
        box.append(box)
        return weakref.ref(box[2])

    watch = lose()
    gc.collect()
    assert watch() is None
