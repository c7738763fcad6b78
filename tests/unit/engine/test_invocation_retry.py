"""Calls that are made again: how often, after what, holding what."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest

import cascade as cs
from cascade.events import NodeFailed, NodeRetrying
from support.observation import settle
from support.tasks import holds

MODES = ["inline", "thread", "async", "auto"]


def failing(mode: str, failures: list[BaseException], made: list[object]) -> cs.Task:
    """A task that raises what is in a list, and then gives a value."""

    def attempt(x: object) -> object:
        made.append(x)
        if failures:
            raise failures.pop(0)
        return x

    async def attempt_later(x: object) -> object:
        await asyncio.sleep(0)
        return attempt(x)

    return cs.task(attempt_later) if mode == "async" else cs.task(attempt, mode=mode)  # type: ignore[call-overload]


@pytest.mark.parametrize("mode", MODES)
async def test_max_attempts_counts_the_first(mode: str) -> None:
    async with cs.Engine() as engine:
        for most in (1, 2, 3):
            made: list[object] = []
            errors: list[BaseException] = [OSError(n) for n in range(3)]
            with pytest.raises(OSError) as caught:
                await engine.run(failing(mode, errors, made)(7).with_retry(max_attempts=most))
            assert made == [7] * most and caught.value.args == (most - 1,)
        made = []
        assert await engine.run(failing(mode, [OSError(), OSError()], made)(7).with_retry(max_attempts=3)) == 7
        assert made == [7] * 3


@pytest.mark.parametrize("mode", ["inline", "thread", "async"])
async def test_on_and_give_up_on(mode: str) -> None:
    async with cs.Engine() as engine:
        made: list[object] = []
        with pytest.raises(ValueError):
            await engine.run(failing(mode, [OSError(), ValueError()], made)(1).with_retry(on=OSError))
        assert len(made) == 2
        made = []
        with pytest.raises(ConnectionError):
            errors: list[BaseException] = [OSError(), ConnectionError()]
            await engine.run(failing(mode, errors, made)(1).with_retry(on=(OSError,), give_up_on=ConnectionError))
        assert len(made) == 2


REFUSED, BROKEN, LOST = ConnectionRefusedError(), BrokenPipeError(), KeyError()


@pytest.mark.parametrize(
    ("members", "on", "give_up_on", "attempts"),
    [
        ([REFUSED, BROKEN], OSError, (), 2),
        ([REFUSED, BROKEN], (ConnectionRefusedError, BrokenPipeError), (), 2),
        ([REFUSED, ExceptionGroup("inner", [BROKEN])], OSError, (), 2),
        ([REFUSED, BROKEN], ExceptionGroup, (), 2),
        ([REFUSED, BROKEN], ConnectionRefusedError, (), 1),
        ([REFUSED, LOST], OSError, (), 1),
        ([REFUSED, BROKEN], OSError, BrokenPipeError, 1),
        ([REFUSED, ExceptionGroup("inner", [BROKEN])], OSError, BrokenPipeError, 1),
        ([REFUSED, BROKEN], OSError, TimeoutError, 2),
        ([REFUSED, BROKEN], OSError, ExceptionGroup, 1),
        ([REFUSED, BROKEN], lambda error: len(error.exceptions) == 2, (), 2),
    ],
)
async def test_a_group_is_retried_if_all_members_are_and_none_is_to_be_given_up(
    members: list[Exception], on: Any, give_up_on: Any, attempts: int
) -> None:
    made: list[object] = []
    async with cs.Engine() as engine:
        for make in (cs.lazy, cs.scope):
            made.clear()
            call = make(failing("inline", [ExceptionGroup("outer", members)], made)(7))
            call = call.with_retry(on=on, give_up_on=give_up_on)
            if attempts == 2:
                assert await engine.run(call) == 7
            else:
                with pytest.raises(ExceptionGroup, match="outer"):
                    await engine.run(call)
            assert len(made) == attempts


@pytest.mark.parametrize("mode", ["inline", "thread", "async"])
async def test_a_cancellation_is_never_followed_by_another_attempt(mode: str) -> None:
    made: list[object] = []
    async with cs.Engine() as engine:
        with pytest.raises(asyncio.CancelledError):
            await engine.run(failing(mode, [asyncio.CancelledError()], made)(1).with_retry(on=BaseException))
    assert made == [1]


async def test_a_run_that_is_cancelled_in_an_attempt_makes_no_other() -> None:
    made: list[str] = []

    @cs.task
    async def cleans_up_badly() -> None:
        made.append("attempt")
        try:
            await asyncio.Event().wait()
        finally:
            raise OSError

    async with cs.Engine() as engine:
        run = engine.start(cleans_up_badly().with_retry(max_attempts=5, delay=3600))
        await holds(lambda: made)
        run.cancel()
        with pytest.raises((OSError, asyncio.CancelledError)):
            await run
        assert made == ["attempt"] and not engine.runs


@pytest.mark.parametrize("amounts", [{"gpu": 2}, {"cpu": 1}])
@pytest.mark.parametrize("mode", ["inline", "async"])
async def test_what_the_limits_never_grant_is_no_failure_of_the_call(mode: str, amounts: dict[str, float]) -> None:
    retrying: list[NodeRetrying] = []
    made: list[object] = []
    async with cs.Engine(limits={"gpu": 1}) as engine:
        engine.events.subscribe(NodeRetrying, retrying.append)
        with pytest.raises(cs.LimitError):
            await engine.run(failing(mode, [], made)(1).with_constraints(**amounts).with_retry(delay=3600))
        # Also if it turns out between two attempts, or while the call waits.
        target = failing(mode, [OSError()], made)(1).with_constraints(gpu=1).with_retry(delay=0.001)
        run = engine.start(target)
        await holds(lambda: retrying)
        engine.limits.set("gpu", capacity=0)
        with pytest.raises(cs.LimitError):
            await run
    assert made == [1] and len(retrying) == 1


async def test_a_wait_holds_no_slot_of_limit_rule_or_thread() -> None:
    made: list[object] = []
    flaky = failing("thread", [OSError(), OSError()], made)
    other = failing("thread", [], [])
    async with cs.Engine(limits={"gpu": 1}, max_threads=1) as engine:
        engine.limits.set("*", concurrency=1)
        run = engine.start(flaky(1).with_constraints(gpu=1).with_retry(delay=3600))
        await holds(lambda: made)
        assert await engine.run(other(2).with_constraints(gpu=1)) == 2
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run
        assert not any(state.in_use or state.waiting for state in engine.limits.snapshot())


async def test_events_tell_of_each_attempt_that_failed() -> None:
    seen: list[Any] = []
    async with cs.Engine() as engine:
        engine.events.subscribe((NodeRetrying, NodeFailed), seen.append)
        errors: list[BaseException] = [OSError(1), OSError(2), OSError(3)]
        with pytest.raises(OSError):
            await engine.run(failing("inline", errors, [])(1).with_retry(max_attempts=3, delay=0.001, backoff=2))
    assert [(type(event).__name__, event.error) for event in seen] == [
        ("NodeRetrying", "OSError: 1"), ("NodeRetrying", "OSError: 2"), ("NodeFailed", "OSError: 3"),
    ]  # fmt: skip
    assert [event.attempt for event in seen[:2]] == [1, 2]
    assert [round(event.delay, 6) for event in seen[:2]] == [0.001, 0.002]


async def test_the_same_seed_gives_the_same_delays() -> None:
    async def delays(seed: int) -> list[float]:
        async with cs.Engine(seed=seed) as engine:
            seen: list[float] = []
            engine.events.subscribe(NodeRetrying, lambda event: seen.append(event.delay))
            errors: list[BaseException] = [OSError() for _ in range(4)]
            call = failing("inline", errors, [])(1).with_retry(max_attempts=5, delay=0.0001, jitter="full")
            await engine.run(call)
            return seen

    first = await delays(1)
    assert first == await delays(1) != await delays(2)
    assert all(0 <= delay <= 0.0001 * 2**number for number, delay in enumerate(first))


async def test_each_item_of_a_map_has_attempts_of_its_own() -> None:
    made: list[int] = []

    @cs.task(mode="inline")
    def item(x: int) -> int:
        made.append(x)
        if made.count(x) < 3:
            raise OSError
        return x

    async with cs.Engine() as engine:
        assert await engine.run(item.with_retry(max_attempts=3).map(x=range(4))) == [0, 1, 2, 3]
    assert sorted(made) == sorted([0, 1, 2, 3] * 3)


async def test_what_a_call_returned_is_not_retried_with_it() -> None:
    made: list[str] = []

    @cs.task(mode="inline")
    def inner() -> None:
        made.append("inner")
        raise OSError

    @cs.task(mode="inline")
    def outer() -> object:
        made.append("outer")
        return inner()

    @cs.task(mode="inline")
    def keep(x: object) -> object:
        return x

    async with cs.Engine() as engine:
        for target in (outer().with_retry(), keep(outer().with_retry())):
            with pytest.raises(OSError):
                await engine.run(target)
    assert made == ["outer", "inner"] * 2


async def test_a_resource_of_the_call_is_new_for_each_attempt_and_sees_the_failure() -> None:
    told: list[object] = []

    @cs.resource(scope="call")
    def transaction() -> Iterator[int]:
        number = len(told)
        try:
            yield number
        except OSError as error:
            told.append(str(error))
            raise
        else:
            told.append("commit")

    async with cs.Engine() as engine:
        engine.register(transaction)
        for mode in MODES:
            told.clear()
            used: list[object] = []
            call = failing(mode, [OSError("a"), OSError("b")], used)(cs.inject("transaction"))
            assert await engine.run(call.with_retry()) == 2
            assert told == ["a", "b", "commit"] and used == [0, 1, 2]


async def test_a_set_up_that_fails_is_tried_again() -> None:
    tries: list[str] = []

    @cs.resource(scope="call")
    async def shaky() -> str:
        tries.append("set-up")
        if len(tries) < 3:
            raise ConnectionError
        return "connected"

    async with cs.Engine() as engine:
        engine.register(shaky)
        assert await engine.run(failing("async", [], [])(cs.inject("shaky")).with_retry()) == "connected"
    assert len(tries) == 3


tries: list[int] = []


@cs.task(mode="inline")
def second_time(x: int) -> int:
    tries.append(x)
    if len(tries) == 1:
        raise OSError
    return x


# -- cancelled ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("turns", range(8))
@pytest.mark.parametrize("mode", ["inline", "async"])
async def test_cancelled_after_any_number_of_turns(mode: str, turns: int) -> None:
    live: list[str] = []

    @cs.resource(scope="call")
    async def held() -> Any:
        live.append("held")
        try:
            yield 1
        finally:
            await asyncio.sleep(0)
            live.remove("held")

    async with cs.Engine(limits={"gpu": 1}) as engine:
        engine.register(held)
        errors: list[BaseException] = [OSError(), OSError()]
        call = failing(mode, errors, [])(cs.inject("held")).with_constraints(gpu=1).with_retry(delay=0)
        run = engine.start(call)
        await settle(turns)
        run.cancel()
        if run.state != "done":
            with pytest.raises(asyncio.CancelledError):
                await run
        assert not live and not engine.runs
        assert not any(state.in_use or state.waiting for state in engine.limits.snapshot())


async def test_cancelled_before_the_next_attempt_has_begun() -> None:
    """A sibling fails in the very turn in which the first attempt did: the step is cancelled before it can begin."""
    store = cs.MemoryStore()
    tries.clear()

    @cs.task(mode="inline")
    def broken(x: object = None) -> None:
        raise ValueError

    @cs.task(mode="inline")
    def both(a: object, b: object) -> object:
        return a

    async with cs.Engine(limits={"gpu": 1}) as engine:
        call = second_time(1).with_constraints(gpu=1).with_retry().with_cache(cs.ResultCache(store=store))
        with pytest.raises(ValueError):
            await engine.run(both(call, broken()))
        assert tries == [1]
        async with asyncio.timeout(20):
            assert await engine.run(call) == 1  # nobody is believed to be finding it out
        assert not engine.limits.snapshot()[0].in_use


async def test_a_coroutine_of_a_plain_function_that_is_cancelled_before_it_has_begun() -> None:
    begun: list[str] = []

    async def later() -> None:
        begun.append("later")

    @cs.task(mode="inline")
    def plain() -> Any:
        return later()

    @cs.task(mode="inline")
    def broken() -> None:
        raise ValueError

    @cs.task(mode="inline")
    def both(a: object, b: object) -> object:
        return a

    async with cs.Engine(limits={"gpu": 1}) as engine:
        with pytest.raises(ValueError):
            await engine.run(both(plain().with_constraints(gpu=1), broken()))
        assert not engine.limits.snapshot()[0].in_use
        assert await engine.run(plain().with_constraints(gpu=1)) is None


async def test_cancelled_while_a_thread_works_on_it() -> None:
    started, gate = threading.Event(), threading.Event()
    ended: list[str] = []

    @cs.task(mode="thread")
    def stuck() -> None:
        started.set()
        gate.wait()
        ended.append("thread")
        raise OSError

    async with cs.Engine(limits={"gpu": 1}) as engine:
        run = engine.start(stuck().with_constraints(gpu=1).with_retry(max_attempts=9))
        await holds(started.is_set)
        run.cancel()
        await settle()
        assert not run.done() and engine.limits.snapshot()[0].in_use == 1  # it still uses what it has
        gate.set()
        with pytest.raises(asyncio.CancelledError):
            await run
        assert ended == ["thread"] and not engine.limits.snapshot()[0].in_use


@pytest.mark.parametrize("error", [StopIteration, StopAsyncIteration])
@pytest.mark.parametrize("mode", ["inline", "thread"])
async def test_an_exception_that_no_future_can_carry(mode: Any, error: type[Exception]) -> None:
    """asyncio's futures refuse StopIteration: a run must not wait for ever for who could not tell it."""

    @cs.task(mode=mode)
    def stop() -> None:
        raise error("told")

    with pytest.raises((RuntimeError, error)) as caught:
        await cs.Engine().run(stop().with_retry(max_attempts=2))
    assert error in (type(caught.value), type(caught.value.__cause__))
