"""Nothing accumulates: not over many runs, failed ones, cancelled ones, nor in what they leave."""

from __future__ import annotations

import asyncio
import gc
import math
import weakref
from collections.abc import Callable

import pytest

import cascade as cs
from support.observation import settle


class Token:
    """Something to be freed."""


@cs.task(mode="inline")
def keep(*args: object, **kwargs: object) -> object:
    return (args, kwargs)


@cs.task(mode="inline")
def fail(*args: object) -> None:
    raise ValueError("told to")


@cs.task
async def forever(*args: object) -> None:
    await asyncio.Event().wait()


def closures(token: Token) -> cs.LazyResult:
    """Give an expression whose every part holds the token."""

    @cs.task(mode="inline")
    def nested(given: object, *rest: object, named: object = token) -> object:
        return (token, given)

    @cs.task
    async def later(given: object) -> object:
        await asyncio.sleep(0)
        return (token, given)

    @cs.task(mode="thread")
    def threaded(given: object) -> object:
        return (token, given)

    @cs.task(mode="inline")
    def again(given: object) -> cs.LazyResult:
        return nested(given, [token, nested(token)])

    return keep(
        nested(token), [later({"k": token, "l": nested(1)})], threaded(token), again(token), x=again(again(token))
    )


async def succeeds(engine: cs.Engine, token: Token) -> None:
    await engine.run(closures(token))


async def fails(engine: cs.Engine, token: Token) -> None:
    with pytest.raises(ValueError):
        await engine.run(keep(closures(token), fail(token, closures(token)), forever(token)))


async def is_cancelled(engine: cs.Engine, token: Token) -> None:
    run = engine.start(keep(closures(token), forever(token), cs.wait(3600), cs.Channel().recv()))
    await settle(3)
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run


async def is_cancelled_before_it_began(engine: cs.Engine, token: Token) -> None:
    run = engine.start(closures(token))
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run


async def times_out(engine: cs.Engine, token: Token) -> None:
    channel = cs.Channel()
    await engine.run(keep(token, channel.recv(timeout=0), cs.wait(0)))


async def is_sent(engine: cs.Engine, token: Token) -> None:
    channel = cs.Channel()
    run = engine.start(keep(token, channel.recv(timeout=3600)))
    await settle()
    channel.send(token)
    await run


async def recurses(engine: cs.Engine, token: Token) -> None:
    @cs.task(mode="inline")
    def loop(n: int, token: object) -> object:
        return loop(n - 1, token) if n else depth(10, token)

    @cs.task(mode="inline")
    def depth(n: int, token: object) -> object:
        return keep(depth(n - 1, token), token) if n else token

    await engine.run(loop(10, token))


async def is_only_looked_at(engine: cs.Engine, token: Token) -> None:
    target = closures(token)
    cs.structural_hash(target)
    cs.explain(target)
    cs.visualize(target, engine=engine)
    repr(target)


ENDS = [
    succeeds,
    fails,
    is_cancelled,
    is_cancelled_before_it_began,
    times_out,
    is_sent,
    recurses,
    is_only_looked_at,
]
End = Callable[[cs.Engine, Token], object]


async def rest(*watches: weakref.ref[Token]) -> None:
    """Let worker threads drop what they have handed over already, and collect what only cycles hold.

    A thread that is about to drop what is watched may have to wait for a processor: this waits for it, within limits.
    """
    for _ in range(50):
        for _ in range(20):
            await asyncio.to_thread(int)
        gc.collect()
        gc.collect()  # the finalizer of a run hands its failure to its population, which goes with the next collection
        if all(watch() is None for watch in watches):
            break


@pytest.mark.parametrize("end", ENDS)
async def test_what_a_run_held_dies_with_it(end: End) -> None:
    """The engine, its templates and its threads live on."""
    engine = cs.Engine()
    for _ in range(3):
        token = Token()
        watch = weakref.ref(token)
        await end(engine, token)
        del token
        await rest(watch)
        assert watch() is None
    await engine.aclose()


@pytest.mark.parametrize("end", ENDS)
async def test_objects_do_not_accumulate(end: End) -> None:
    engine = cs.Engine(max_threads=2)

    async def count(times: int, most: float = math.inf) -> int:
        """Return how many objects there are; on a busy machine, the threads need some time to let go of theirs."""
        for _ in range(times):
            await end(engine, Token())
        for _ in range(50):
            await rest()
            if (found := len(gc.get_objects())) < most:
                break
        return found

    await count(100)
    before = await count(10)
    after = await count(200, before + 100)
    assert after - before < 100
    await engine.aclose()


def test_a_successful_run_needs_no_garbage_collector() -> None:
    """Frames and lazy results hold no cycles, so that memory is flat with the collector off, too."""

    @cs.task(mode="inline")
    def loop(n: int, token: Token) -> object:
        watched.append(weakref.ref(token))
        return loop(n - 1, Token()) if n else "end"

    watched: list[weakref.ref[Token]] = []
    gc.collect()
    gc.disable()
    try:
        assert cs.run(loop(50, Token())) == "end"
        assert sum(watch() is not None for watch in watched) <= 1
    finally:
        gc.enable()


@pytest.mark.parametrize("kind", ["good", "failed", "cancelled", "looked at", "made"])
def test_memory_is_flat_over_many_runs(interpreter: Callable[..., str], kind: str) -> None:
    """In a process of its own, where the peak is what these runs made it."""
    code = f"""
        import asyncio, gc, resource, sys
        import cascade as cs
        from scale.test_leaks import closures, fail, forever, keep, Token

        def peak_kb():
            size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            return size // 1024 if sys.platform == "darwin" else size

        async def one(engine, kind):
            target = closures([Token() for _ in range(100)])
            if kind == "good":
                await engine.run(target)
            elif kind == "failed":
                try:
                    await engine.run(keep(target, fail()))
                except ValueError:
                    pass
            elif kind == "cancelled":
                run = engine.start(keep(target, forever()))
                await asyncio.sleep(0)
                run.cancel()
                await asyncio.gather(run, return_exceptions=True)
            elif kind == "looked at":
                cs.structural_hash(target)

        async def main(kind):
            engine = cs.Engine()
            for count in (500, 3000):
                for _ in range(count):
                    await one(engine, kind)
                gc.collect()
                peaks.append(peak_kb())
            await engine.aclose()

        peaks = []
        asyncio.run(main({kind!r}))
        print(peaks[1] - peaks[0])
    """
    assert int(interpreter(code)) < 1024


def test_engines_do_not_accumulate() -> None:
    watches = []
    for _ in range(20):
        engine = cs.Engine()
        watches.append(weakref.ref(engine))
        cs.run(keep(cs.wait(0)), engine=engine)
        del engine
    gc.collect()
    assert not any(watch() for watch in watches)


def test_runs_do_not_accumulate() -> None:
    async def main() -> None:
        engine = cs.Engine()
        watches = []
        for _ in range(20):
            token = Token()
            watches.append(weakref.ref(token))
            run = engine.start(keep(token))
            await run
        del run, token
        await settle()
        gc.collect()
        assert not any(watch() for watch in watches)

    asyncio.run(main())


def test_channels_and_what_is_in_them_die() -> None:
    token, channel = Token(), cs.Channel()
    watches = [weakref.ref(token), weakref.ref(channel)]
    channel.send(token)
    cs.structural_hash(channel.recv())
    del token, channel
    gc.collect()
    assert not any(watch() for watch in watches)


async def test_runs_and_channels_that_hold_themselves_are_collected() -> None:
    engine = cs.Engine()
    holder: list[object] = []
    watches = []

    def token() -> Token:
        made = Token()
        watches.append(weakref.ref(made))
        return made

    @cs.task(mode="inline")
    def holds(given: Token) -> object:
        return [holder[0], given]

    holder.append(engine.start(holds(token())))
    await holder[0]
    channel = cs.Channel()
    channel.send([channel, token()])
    holder.clear()
    del channel
    await settle()
    gc.collect()
    assert not any(watch() for watch in watches)


def test_an_engine_has_few_attributes() -> None:
    """CPython shares the keys of up to 30 attributes among instances; with more, to start a run takes 7 % longer."""
    engine = cs.Engine(limits={"gpu": 1})
    assert engine.events is not None
    assert engine.resources is not None
    assert len(vars(engine)) <= 30
