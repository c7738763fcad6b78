"""Maps over async iterables: items are taken as there is room, and the iterables are closed whatever happens."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import pickle
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextvars import ContextVar
from typing import Any

import pytest

import cascade as cs
from support.observation import settle
from support.tasks import forever, give


@cs.task(mode="inline")
def pair(x: object, y: object = None) -> object:
    return x, y


@cs.task
async def fails(x: object) -> None:
    await settle(3)
    if x != 1:
        raise ValueError(x)


class Source:
    """An async iterable that can be iterated over again, and counts what has become of its iterations."""

    def __init__(self, *items: object, endless: bool = False, turns: int = 1, wrong: BaseException | None = None):
        self.items = items
        self.endless = endless
        self.turns = turns
        self.wrong = wrong
        self.taken = self.opened = self.closed = 0

    async def __aiter__(self) -> AsyncIterator[object]:
        self.opened += 1
        try:
            for item in self.items:
                await settle(self.turns)
                self.taken += 1
                yield item
            if self.wrong is not None:
                raise self.wrong
            if self.endless:
                await asyncio.Event().wait()
        finally:
            try:
                await settle(3)  # so that closing must be awaited
            finally:
                self.closed += 1


def nothing_is_left() -> bool:
    return asyncio.all_tasks() == {asyncio.current_task()}


# ---------------------------------------------------------------------------------------------------- what can be given


class ByHand:
    """An async iterator that has nothing but what it needs."""

    def __init__(self) -> None:
        self.n = 0

    def __aiter__(self) -> ByHand:
        return self

    async def __anext__(self) -> int:
        self.n += 1
        if self.n > 3:
            raise StopAsyncIteration
        return self.n - 1


def channel() -> cs.Channel[int]:
    made: cs.Channel[int] = cs.Channel()
    for n in range(3):
        made.send(n)
    made.close()
    return made


async def generator() -> AsyncIterator[int]:
    for n in range(3):
        yield n


MAKERS: dict[str, Callable[[], object]] = {
    "iterable": lambda: Source(0, 1, 2),
    "at once": lambda: Source(0, 1, 2, turns=0),
    "generator": generator,
    "iterator": ByHand,
    "channel": channel,
}


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize("kind", MAKERS)
async def test_what_can_be_given(cold: cs.Engine, kind: str, lazy: bool) -> None:
    for _ in range(2):
        series = give(MAKERS[kind]()) if lazy else MAKERS[kind]()
        assert await cold.run(pair.map(x=series, y=cs.const("k"))) == [(0, "k"), (1, "k"), (2, "k")]
    assert nothing_is_left()


async def test_mixed_with_plain_series_and_other_async_ones(cold: cs.Engine) -> None:
    assert await cold.run(pair.map(x=Source(0, 1), y=[2, 3])) == [(0, 2), (1, 3)]
    assert await cold.run(pair.map(x=(n for n in (0, 1)), y=Source(2, 3))) == [(0, 2), (1, 3)]
    assert await cold.run(pair.map(x=Source(0, 1, turns=5), y=Source(2, 3))) == [(0, 2), (1, 3)]
    assert await cold.run(pair.map(x=Source(), y=[])) == []


@pytest.mark.parametrize(
    ("x", "y", "told"),
    [
        (Source(1, 2, 3), [1, 2], "got 2 items of 'y' and at least 3 of 'x'"),
        (Source(1), [1, 2], "got 1 items of 'x' and at least 2 of 'y'"),
        (Source(1), Source(1, 2), "got 1 items of 'x' and at least 2 of 'y'"),
    ],
)
async def test_unequal_lengths(x: object, y: object, told: str) -> None:
    with pytest.raises(cs.MapError, match=told):
        await cs.Engine().run(pair.map(x=x, y=y))
    for each in (x, y):
        assert not isinstance(each, Source) or each.closed == each.opened
    assert nothing_is_left()


async def test_a_channel_has_not_as_many_items_as_messages_wait() -> None:
    messages = channel()
    messages.unreceive(-1)
    assert [x for x, _ in await cs.Engine().run(pair.map(x=messages, y=(n for n in range(4))))] == [-1, 0, 1, 2]  # type: ignore[misc]
    pair.map(x=cs.Channel(), y=[1, 2, 3])  # no error: more may come


async def test_what_is_both_is_iterated_over_at_once() -> None:
    class Both(Source):
        def __iter__(self) -> object:
            return iter(["plain"])

    assert await cs.Engine().run(pair.map(x=Both("async"))) == [("plain", None)]


async def test_items_that_are_lazy_results(cold: cs.Engine) -> None:
    assert await cold.run(pair.map(x=Source(give(1), [give(2)]))) == [(1, None), ([2], None)]
    kind = cs.task(lambda x: type(x).__name__, name="kind", mode="inline")
    assert await cold.run(kind.map(x=cs.data(Source(give(1), 2)))) == ["LazyResult", "int"]


async def test_an_exhausted_generator_is_an_error() -> None:
    made = generator()
    target = pair.map(x=made)
    await cs.Engine().run(target)
    with pytest.raises(cs.MapError, match="input 'x' of a map must have items, got an exhausted generator"):
        await cs.Engine().run(target)


async def test_a_generator_that_something_else_iterates_over_is_an_error() -> None:
    async def slow() -> AsyncIterator[int]:
        for n in range(3):
            await settle(5)
            yield n

    made = slow()
    engine = cs.Engine()
    first = engine.start(pair.map(x=made))
    await settle(4)
    with pytest.raises(cs.MapError, match="input 'x' of a map must be its own, got an async generator that is in use"):
        await engine.run(pair.map(x=made))
    assert await first == [(0, None), (1, None), (2, None)]


async def test_the_next_attempt_at_the_whole_iterates_again() -> None:
    source = Source(0, 1, 2)
    left = [ValueError(), ValueError()]

    @cs.task(mode="inline")
    def flaky(x: int) -> int:
        if x == 1 and left:
            raise left.pop()
        return x

    assert await cs.Engine().run(cs.lazy(flaky.map(x=source)).with_retry(max_attempts=3)) == [0, 1, 2]
    assert source.opened == source.closed == 3
    assert await cs.Engine().run(flaky.with_retry(max_attempts=3).map(x=Source(1))) == [1]


async def test_in_child_graphs(cold: cs.Engine) -> None:
    @cs.task(mode="inline")
    def inner(x: int) -> object:
        return pair.map(x=Source(*range(x)))

    found = await cold.run(inner.map(x=Source(0, 1, 2)))
    assert found == [[], [(0, None)], [(0, None), (1, None)]]


async def test_failures_and_skips_as_results() -> None:
    @cs.task(mode="inline")
    def inverse(x: int) -> float:
        return 1 / x

    first, second = await cs.Engine().run(inverse.map(x=Source(0, 1), return_exceptions=True))
    assert isinstance(first, ZeroDivisionError)
    assert second == 1
    skipped = [give(1).run_if(False), give(2)]
    assert await cs.Engine().run(pair.map(x=Source(*skipped))) == [cs.SKIPPED, (2, None)]


async def test_it_can_be_no_key_and_no_pickle() -> None:
    @cs.cached
    def both(x: object) -> object:
        return x

    made = generator()
    with pytest.raises(cs.CacheKeyError, match="async_generator"):
        await cs.Engine().run(both(made))
    with pytest.raises(pickle.PicklingError, match=r"\$\.kwargs\['x'\]: cannot pickle 'async_generator'"):
        pickle.dumps(pair.map(x=made))
    assert cs.structural_hash(pair.map(x=made))[0] == cs.structural_hash(pair.map(x=iter([1])))[0]


# --------------------------------------------------------------------------------------------------------- one by one


@pytest.mark.parametrize("bound", [1, 2, 5])
@pytest.mark.parametrize("turns", [0, 1, 7])
async def test_no_more_are_taken_than_may_be_in_flight(bound: int, turns: int) -> None:
    source = Source(*range(20), turns=turns)
    done = most = 0

    @cs.task
    async def held(x: int) -> int:
        nonlocal done, most
        most = max(most, source.taken - done)
        await settle(1 + x % 3)
        done += 1
        return x

    assert await cs.Engine().run(held.map(x=source, concurrency=bound)) == list(range(20))
    assert most <= bound
    assert most == bound or turns


async def test_each_item_starts_as_it_comes() -> None:
    begun: list[object] = []

    @cs.task(mode="inline")
    def begin(x: object) -> object:
        begun.append(x)
        return x

    messages: cs.Channel[str] = cs.Channel()
    run = cs.Engine().start(begin.map(x=messages))
    for each in "abc":
        messages.send(each)
        await settle(6)
        assert begun[-1] == each
    assert not run.done()
    assert "waiting for an item of the map of" in run.doing
    messages.close()
    assert await run == ["a", "b", "c"]


async def test_results_are_in_the_order_of_items() -> None:
    gates = [asyncio.Event() for _ in range(4)]

    @cs.task
    async def held(x: int) -> int:
        await gates[x].wait()
        return x

    run = cs.Engine().start(held.map(x=Source(*range(4))))
    for gate in reversed(gates):
        await settle(6)
        gate.set()
    assert await run == [0, 1, 2, 3]


def test_virtual_time() -> None:
    engine = cs.Engine(clock=cs.Clock.virtual())

    async def ticking() -> AsyncIterator[int]:
        for n in range(3):
            await asyncio.sleep(10)
            yield n

    @cs.task(mode="inline")
    def rest(x: int) -> object:
        return cs.wait(100)

    assert cs.run(rest.map(x=ticking()), engine=engine) == [100] * 3
    assert engine.clock.time() == 130


def test_a_deadlock_names_the_map() -> None:
    with pytest.raises(cs.DeadlockError, match="waiting for an item of the map of pair"):
        cs.run(pair.map(x=cs.Channel()), engine=cs.Engine(clock=cs.Clock.virtual()))


async def test_a_generator_is_iterated_over_in_one_asyncio_task() -> None:
    word: ContextVar[str] = ContextVar("word", default="outside")
    seen = []

    async def careful() -> AsyncIterator[object]:
        token = word.set("inside")
        try:
            async with asyncio.timeout(100), asyncio.TaskGroup() as group:
                for _ in range(2):
                    seen.append((asyncio.current_task(), word.get(), cs.current().run))
                    yield await group.create_task(asyncio.sleep(0, "made"))
        finally:
            word.reset(token)

    run = cs.Engine().start(pair.map(x=careful(), concurrency=1))
    assert await run == [("made", None)] * 2
    assert len(set(seen)) == 1
    assert seen[0][1:] == ("inside", run)


async def test_a_generator_may_await_lazy_results() -> None:
    async def asking() -> AsyncIterator[object]:
        for n in range(2):
            yield await pair(n)  # type: ignore[misc]

    assert await cs.Engine().run(pair.map(x=asking())) == [((0, None), None), ((1, None), None)]


# ------------------------------------------------------------------------------------------------------------ the ends


async def test_a_failure_of_the_iterable_fails_the_map() -> None:
    source = Source(0, 1, wrong=OSError("gone"))
    with pytest.raises(OSError, match="gone") as caught:
        await cs.Engine().run(pair.map(x=source))
    assert caught.value.__notes__[0].startswith("map of task ")
    assert source.closed == 1
    assert nothing_is_left()


@pytest.mark.parametrize("turns", [0, 1])
async def test_it_can_be_caught(turns: int) -> None:
    source = Source(0, 1, wrong=OSError("gone"), turns=turns)
    assert await cs.Engine().run(cs.fallback(pair.map(x=source), "none")) == "none"
    assert source.closed == 1
    assert nothing_is_left()


Ending = Callable[[cs.Engine, Source], Awaitable[object]]


async def by_an_item(engine: cs.Engine, source: Source) -> None:
    with pytest.raises(ValueError, match="0"):
        await engine.run(fails.map(x=source))


async def by_an_item_that_is_caught(engine: cs.Engine, source: Source) -> None:
    assert await engine.run(cs.fallback(fails.map(x=source), "caught")) == "caught"


async def by_an_item_that_is_caught_further_out(engine: cs.Engine, source: Source) -> None:
    @cs.task(mode="inline")
    def inner() -> object:
        return [fails.map(x=source), forever()]

    assert await engine.run(cs.fallback(inner(), "caught")) == "caught"


async def by_another_call(engine: cs.Engine, source: Source) -> None:
    with pytest.raises(ValueError, match="other"):
        await engine.run([pair.map(x=source), fails("other")])


async def by_a_race(engine: cs.Engine, source: Source) -> None:
    @cs.task
    async def quick() -> str:
        await settle(8)
        return "first"

    assert await engine.run(cs.race(pair.map(x=source), quick())) == "first"


async def by_a_timeout(engine: cs.Engine, source: Source) -> None:
    with pytest.raises(cs.TaskTimeoutError):
        await engine.run(cs.lazy(pair.map(x=source)).with_timeout(0.01))


async def by_cancelling(engine: cs.Engine, source: Source) -> None:
    run = engine.start(pair.map(x=source))
    await settle(8)
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run


async def by_leaving_the_engine(engine: cs.Engine, source: Source) -> None:
    async with engine:
        run = engine.start(pair.map(x=source))
        await settle(8)
    assert run.state == "cancelled"


async def by_a_plain_input(engine: cs.Engine, source: Source) -> None:
    with pytest.raises(cs.MapError):
        await engine.run(pair.map(x=source, y=(n for n in range(1))))


@pytest.mark.parametrize("turns", [0, 1, 4])
@pytest.mark.parametrize(
    "ending",
    [
        by_an_item,
        by_an_item_that_is_caught,
        by_an_item_that_is_caught_further_out,
        by_another_call,
        by_a_race,
        by_a_timeout,
        by_cancelling,
        by_leaving_the_engine,
        by_a_plain_input,
    ],
)
async def test_whatever_ends_it_the_iterable_is_closed(ending: Ending, turns: int) -> None:
    source = Source(0, 1, endless=True, turns=turns)
    await ending(cs.Engine(), source)
    assert (source.opened, source.closed) == (1, 1)
    assert nothing_is_left()


async def test_waiting_for_room_it_is_closed_as_well() -> None:
    source = Source(0, 1, 2)
    run = cs.Engine().start(_hold.map(x=source, concurrency=2))
    await settle(12)
    assert source.taken == 2
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    assert source.closed == 1


@cs.task
async def _hold(x: object) -> None:
    await asyncio.Event().wait()


async def test_a_map_that_never_begins_opens_nothing() -> None:
    source = Source(0)
    assert await cs.Engine().run([pair.map(x=source).run_if(False), give(1)]) == [cs.SKIPPED, 1]
    assert source.opened == 0


async def test_what_goes_on_in_spite_of_being_cancelled_holds_nothing_up() -> None:
    class Stubborn(ByHand):
        async def __anext__(self) -> int:
            self.n += 1
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(0 if self.n == 1 else 3600)
            return self.n - 1

    with pytest.raises(ValueError, match="0"):
        await cs.Engine().run(fails.map(x=Stubborn()))
    assert nothing_is_left()


async def test_a_failure_of_closing_is_raised() -> None:
    class Wrong(ByHand):
        async def aclose(self) -> None:
            raise OSError(f"cannot close {self.n}")

    with pytest.raises(OSError, match="cannot close 4"):
        await cs.Engine().run(pair.map(x=Wrong()))
    with pytest.raises(ExceptionGroup) as caught:
        await cs.Engine().run(pair.map(x=Wrong(), y=Wrong()))
    assert [str(error) for error in caught.value.exceptions] == ["cannot close 4"] * 2


async def test_so_is_one_after_another_failure() -> None:
    class Wrong(ByHand):
        async def __anext__(self) -> int:
            raise ValueError("no item")

        async def aclose(self) -> None:
            raise OSError("cannot close")

    with pytest.raises(ExceptionGroup) as caught:
        await cs.Engine().run(pair.map(x=Wrong()))
    assert [str(error) for error in caught.value.exceptions] == ["no item", "cannot close"]


async def test_an_iterable_that_gives_no_iterator() -> None:
    class Wrong:
        def __aiter__(self) -> int:
            return 3

    source = Source(0)
    with pytest.raises(TypeError, match="async iterator"):
        await cs.Engine().run(pair.map(x=source, y=Wrong()))
    assert nothing_is_left()


@pytest.mark.parametrize("sent", [1, 3])
async def test_messages_that_no_item_was_given_are_put_back(sent: int) -> None:
    messages: cs.Channel[int] = cs.Channel()
    for n in range(sent):
        messages.send(n)
    run = cs.Engine().start(pair.map(x=messages, y=Source(endless=True)))
    await settle(8)
    assert len(messages) == sent - 1  # one was taken, and there is none to go with it
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    assert messages.drain() == list(range(sent))


def test_its_event_loop_is_closed_under_it() -> None:
    engine = cs.Engine()
    messages = channel()

    async def endless() -> AsyncIterator[int]:
        while True:
            yield 1
            await asyncio.Event().wait()

    async def leave() -> cs.Run[object]:
        run = engine.start(pair.map(x=messages, y=endless()))
        await settle(8)
        return run

    loop = asyncio.new_event_loop()
    run = loop.run_until_complete(leave())
    loop.close()
    with pytest.raises(cs.EngineStateError):
        cs.run(run_of(run), engine=engine)
    gc.collect()
    assert messages.drain() == [1, 2]  # nothing could be awaited, but what was taken is put back


def test_what_an_iterator_makes_of_the_end_of_its_event_loop_is_raised_alone() -> None:
    class Stubborn:
        """As an asynchronous generator whose `finally` awaits something."""

        def __aiter__(self) -> Stubborn:
            return self

        async def __anext__(self) -> int:
            try:
                return await asyncio.get_running_loop().create_future()
            except GeneratorExit:
                raise RuntimeError("coroutine ignored GeneratorExit") from None

        async def aclose(self) -> None:
            closing.append(self)
            await asyncio.sleep(0)

    closing: list[Stubborn] = []
    engine = cs.Engine()

    async def leave() -> Coroutine[Any, Any, Any]:
        before = asyncio.all_tasks()
        engine.start(pair.map(x=Stubborn(), y=Stubborn()))
        await settle(8)
        [feeds] = asyncio.all_tasks() - before
        return feeds.get_coro()  # type: ignore[return-value]

    loop = asyncio.new_event_loop()
    coroutine = loop.run_until_complete(leave())
    loop.close()
    with pytest.raises(RuntimeError, match=r"^coroutine ignored GeneratorExit$") as raised:
        coroutine.close()
    assert raised.traceback[-1].name == "__anext__" and not closing  # there, and not where an `aclose` was awaited


@cs.task
async def run_of(run: cs.Run[object]) -> object:
    return await run
