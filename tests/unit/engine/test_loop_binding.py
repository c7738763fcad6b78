"""One engine in several event loops, with and without `async with`, and what is refused."""

from __future__ import annotations

import asyncio
import threading

import pytest

import cascade as cs
from support.ids import case_name
from support.observation import settle
from support.tasks import keep


@cs.task(mode="thread")
def in_thread(value: object) -> object:
    return (value, threading.get_ident() != MAIN)


@cs.task
async def later(value: object) -> object:
    await asyncio.sleep(0)
    return value


MAIN = threading.get_ident()


def everything(number: int) -> cs.LazyResult:
    return keep(in_thread(number), later(number), cs.wait(0), keep(number))


def check(found: object, number: int) -> None:
    threaded, asynced, waited, kept = found
    assert (threaded, asynced, kept) == ((number, True), number, (number,))
    assert waited >= 0


def test_in_a_later_event_loop() -> None:
    engine = cs.Engine()
    for number in range(5):
        check(asyncio.run(engine.run(everything(number))), number)
        check(cs.run(everything(number), engine=engine), number)


def test_in_a_later_event_loop_with_async_with() -> None:
    engine = cs.Engine()

    async def main(number: int) -> None:
        async with engine as entered:
            assert entered is engine
            check(await engine.run(everything(number)), number)

    for number in range(3):
        asyncio.run(main(number))


def test_after_a_loop_that_ended_with_runs_still_parked() -> None:
    engine = cs.Engine()
    channel = cs.Channel()

    async def leaves_behind() -> None:
        engine.start(keep(cs.wait(3600)))
        engine.start(keep(channel.recv()))
        engine.start(later(1))
        await settle()

    for number in range(3):
        asyncio.run(leaves_behind())
        check(asyncio.run(engine.run(everything(number))), number)


def test_after_a_loop_that_ended_while_a_thread_was_still_busy() -> None:
    """Its result comes when nobody wants it any more, into a later loop."""
    engine = cs.Engine(max_threads=2)
    begun, released = threading.Event(), threading.Event()
    abandoned: list[cs.Run] = []

    @cs.task(mode="thread")
    def busy() -> str:
        begun.set()
        assert released.wait(timeout=60)
        return "late"

    async def leaves_behind() -> None:
        abandoned.append(engine.start(keep(busy(), in_thread(1))))
        await asyncio.to_thread(begun.wait)

    async def goes_on() -> None:
        check(await engine.run(everything(1)), 1)
        released.set()
        for number in range(20):
            check(await engine.run(everything(number)), number)
        assert abandoned[0].done()
        await engine.aclose()

    asyncio.run(leaves_behind())
    asyncio.run(goes_on())
    with pytest.raises(cs.EngineStateError):
        abandoned[0].result()


def test_in_several_loops_at_once_is_either_right_or_refused() -> None:
    engine = cs.Engine()
    start = threading.Barrier(3)
    found: list[object] = []

    async def many(number: int) -> None:
        start.wait()
        for _ in range(30):
            try:
                check(await engine.run(everything(number)), number)
                found.append("right")
            except cs.EngineStateError:
                found.append("refused")

    threads = [threading.Thread(target=lambda n=n: asyncio.run(many(n))) for n in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 90
    assert "right" in found


async def test_many_runs_at_once() -> None:
    engine = cs.Engine()
    found = await asyncio.gather(*(engine.run(everything(number)) for number in range(200)))
    for number, one in enumerate(found):
        check(one, number)


async def test_leaving_cancels_and_awaits_what_still_runs() -> None:
    log = []

    @cs.task
    async def forever() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await settle(5)
            log.append("cleaned up")

    async with cs.Engine() as engine:
        runs = [engine.start(keep(forever(), cs.wait(3600))) for _ in range(5)]
        await settle()
        assert set(engine.runs) == set(runs)
    assert log == ["cleaned up"] * 5
    assert [run.state for run in runs] == ["cancelled"] * 5
    assert engine.runs == ()


async def test_leaving_by_an_exception_passes_it_on() -> None:
    with pytest.raises(ZeroDivisionError):
        async with cs.Engine() as engine:
            run = engine.start(cs.wait(3600))
            await settle()
            raise ZeroDivisionError
    assert run.state == "cancelled"


async def test_closed() -> None:
    engine = cs.Engine()
    run = engine.start(cs.wait(3600))
    await settle()
    await engine.aclose()
    assert run.state == "cancelled"
    with pytest.raises(cs.EngineClosedError):
        await engine.run(keep(1))
    with pytest.raises(cs.EngineClosedError):
        engine.start(keep(1))
    await engine.aclose()


def test_start_outside_a_loop_is_a_clear_error() -> None:
    with pytest.raises(cs.EngineStateError):
        cs.Engine().start(keep(1))


@pytest.mark.parametrize(
    "target", [keep, [keep(1), keep], {"a": keep}, len, int, iter, (i for i in "a")], ids=case_name
)
async def test_what_is_no_target_is_refused(target: object) -> None:
    engine = cs.Engine()
    with pytest.raises(cs.TargetError):
        await engine.run(target)
    with pytest.raises(cs.TargetError):
        engine.start(target)
    assert engine.runs == ()


@pytest.mark.parametrize(
    "options",
    [
        {"quantum": -1},
        {"quantum": "1"},
        {"default_mode": "quick"},
        {"max_threads": 0},
        {"max_processes": 0},
        {"speed": 1},
    ],
)
def test_settings_are_checked(options: dict[str, object]) -> None:
    with pytest.raises((TypeError, ValueError)):
        cs.Engine(**options)


def test_settings_are_keyword_only() -> None:
    with pytest.raises(TypeError):
        cs.Engine(0.001)


def test_nested_runs_of_one_engine() -> None:
    """An async task may use the engine that it runs on."""
    engine = cs.Engine()

    @cs.task
    async def outer(depth: int) -> object:
        return await engine.run(outer(depth - 1)) if depth else "inner"

    assert cs.run(outer(20), engine=engine) == "inner"
