"""Calls that are given up: which, when, and what becomes of them."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

import cascade as cs
from cascade.testing import VirtualTime
from support.observation import settle
from support.tasks import holds

SOON = 0.01


async def given_up(engine: cs.Engine, target: cs.LazyResult, begun: threading.Event) -> None:
    """Let the time of a call be over, but not before it has begun, which on a busy machine may take any time."""
    seconds = SOON
    while not begun.is_set():
        with pytest.raises(cs.TaskTimeoutError):
            await engine.run(target.with_timeout(seconds))
        seconds *= 2


@cs.task
async def forever(log: list[str] | None = None) -> None:
    try:
        await asyncio.Event().wait()
    finally:
        await asyncio.sleep(0)
        if log is not None:
            log.append("cleaned up")


@cs.task(mode="inline")
def echo(x: Any = None) -> Any:
    return x


async def test_a_coroutine_is_cancelled_and_awaited() -> None:
    log: list[str] = []
    async with cs.Engine() as engine:
        with pytest.raises(TimeoutError, match=r"forever took longer than 0.01 s, attempt 1") as caught:
            await engine.run(forever(log).with_timeout(SOON))
        log.append("raised")
    assert log == ["cleaned up", "raised"] and type(caught.value) is cs.TaskTimeoutError
    assert "forever" in caught.value.__notes__[0]


@pytest.mark.parametrize("mode", ["thread", "auto", None])
async def test_a_thread_is_replaced_and_its_result_dropped(mode: Any) -> None:
    begun, gate, ended = threading.Event(), threading.Event(), threading.Event()

    @cs.task(mode=mode)
    def stuck() -> str:
        begun.set()
        assert gate.wait(60)
        ended.set()
        return "nobody sees this"

    @cs.task(mode="thread")
    def other() -> str:
        return "works"

    try:
        async with cs.Engine(max_threads=1, limits={"gpu": 1}) as engine:
            await given_up(engine, stuck().with_constraints(gpu=1), begun)
            assert not engine.limits.snapshot()[0].in_use
            assert await engine.run(other().with_timeout(60)) == "works" and not ended.is_set()
    finally:
        gate.set()
    assert ended.wait(60)


async def test_a_coroutine_that_a_thread_gives_too_late_is_closed() -> None:
    begun, gate, given = threading.Event(), threading.Event(), threading.Event()

    async def later() -> None:
        raise AssertionError

    @cs.task(mode="thread")
    def stuck() -> Any:
        begun.set()
        assert gate.wait(60)
        made = later()
        given.set()
        return made

    async with cs.Engine() as engine:
        await given_up(engine, stuck(), begun)
        gate.set()
        assert given.wait(60)
        for target in (stuck(), stuck().with_retry(), echo(stuck())):  # and if the run is cancelled
            for event in (begun, gate, given):
                event.clear()
            run = engine.start(target)
            await holds(begun.is_set)
            run.cancel()
            gate.set()
            with pytest.raises(asyncio.CancelledError):
                await run
            assert given.wait(60)


async def test_a_task_under_the_auto_rule_runs_in_a_thread_if_it_has_a_timeout() -> None:
    @cs.task
    def where() -> bool:
        return threading.current_thread() is threading.main_thread()

    async with cs.Engine() as engine:
        while not where._runs_inline:
            await engine.run(where())
        assert await engine.run([where(), where().with_timeout(60)]) == [True, False]
    async with cs.Engine(default_mode="inline") as engine:
        fresh = cs.task(lambda: threading.current_thread() is threading.main_thread())
        assert await engine.run([fresh(), fresh().with_timeout(60)]) == [True, False]


def test_an_inline_task_is_refused() -> None:
    message = "timeout needs an interruptible task: echo has mode='inline'"
    with pytest.raises(cs.PolicyError, match=message):
        echo(1).with_timeout(1)
    with pytest.raises(cs.PolicyError, match=message):
        echo.with_timeout(total=1)
    with pytest.raises(cs.PolicyError, match=message):
        echo(1).run_if(True).with_timeout(1)
    cs.lazy(echo.map(x=[1])).with_timeout(1)  # of the map as a whole
    cs.wait(1).with_timeout(2)


async def test_each_attempt_and_all_together() -> None:
    attempts: list[str] = []

    @cs.task
    async def slow() -> None:
        attempts.append("attempt")
        await asyncio.Event().wait()

    async with cs.Engine() as engine:
        with pytest.raises(cs.TaskTimeoutError, match="attempt 3"):
            await engine.run(slow().with_timeout(0.001).with_retry(max_attempts=3, on=TimeoutError))
        assert len(attempts) == 3
        attempts.clear()
        with pytest.raises(cs.TaskTimeoutError, match="in total"):  # whatever `on` says, and during an attempt
            await engine.run(slow().with_retry(max_attempts=3).with_timeout(total=SOON))
        assert len(attempts) == 1
        with pytest.raises(cs.TaskTimeoutError, match="in total"):  # between two attempts
            await engine.run(slow().with_retry(delay=3600).with_timeout(0.001, total=SOON))


def test_the_total_is_also_for_waiting_and_the_seconds_are_not() -> None:
    virtual = VirtualTime(limits={"gpu": 1})

    async def main() -> None:
        engine = virtual.engine
        holder = engine.start(forever().with_constraints(gpu=1))
        await holds(lambda: engine.limits.snapshot()[0].in_use)
        with pytest.raises(cs.TaskTimeoutError, match="in total"):
            await engine.run(forever().with_constraints(gpu=1).with_timeout(total=10))
        assert virtual.time == 10
        assert engine.limits.snapshot()[0].waiting == 0
        waiting = engine.start(forever().with_constraints(gpu=1).with_timeout(1))
        await asyncio.sleep(5)
        assert engine.limits.snapshot()[0].waiting == 1 and not waiting.done()
        holder.cancel()
        with pytest.raises(cs.TaskTimeoutError, match="attempt 1"):
            await waiting
        assert virtual.time == 16

    virtual.run(main())
    virtual.close()


async def test_a_timeout_is_thrown_into_the_resource_of_the_step() -> None:
    told: list[object] = []

    @cs.resource(scope="call")
    async def transaction() -> Any:
        try:
            yield None
        except BaseException as error:
            told.append(type(error))
            raise

    @cs.task
    async def use(transaction: Any = cs.Inject("transaction")) -> None:  # noqa: B008
        await asyncio.Event().wait()

    async with cs.Engine() as engine:
        engine.register(transaction)
        with pytest.raises(cs.TaskTimeoutError):
            await engine.run(use().with_timeout(0.001).with_retry(max_attempts=2))
    assert told == [cs.TaskTimeoutError] * 2


async def test_a_value_in_spite_of_it_is_the_value_and_other_timeouts_go_through() -> None:
    @cs.task
    async def stubborn() -> str:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return "all the same"
        raise AssertionError

    @cs.task
    async def own() -> None:
        raise TimeoutError("its own")

    async with cs.Engine() as engine:
        assert await engine.run(stubborn().with_timeout(0.001)) == "all the same"
        with pytest.raises(TimeoutError, match="its own") as caught:
            await engine.run(own().with_timeout(60, total=60))
        assert type(caught.value) is TimeoutError


async def test_the_run_is_cancelled_as_the_time_is_over() -> None:
    log: list[str] = []

    @cs.task
    async def slow_to_go() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            log.append("going")
            await gate.wait()
            log.append("gone")

    gate = asyncio.Event()
    async with cs.Engine() as engine:
        run = engine.start(slow_to_go().with_timeout(0.001).with_retry(max_attempts=9))
        await holds(lambda: log)  # the time is over, and the coroutine being cancelled
        run.cancel()
        await settle()
        with pytest.raises(asyncio.CancelledError):
            gate.set()
            await run
        assert log[0] == "going" and len(log) <= 2 and not engine.runs


def test_what_is_returned_has_no_timeout_of_the_call_that_returned_it() -> None:
    @cs.task
    async def quick() -> Any:
        return slow()

    @cs.task
    async def slow() -> str:
        await gate.wait()
        return "done"

    async def main() -> None:
        runs = [virtual.engine.start(quick().with_timeout(1)), virtual.engine.start(echo(quick().with_timeout(1)))]
        await asyncio.sleep(5)
        gate.set()
        assert [await run for run in runs] == ["done", "done"]

    gate, virtual = asyncio.Event(), VirtualTime()
    virtual.run(main())
    virtual.close()


async def test_no_time_at_all() -> None:
    async with cs.Engine() as engine:
        for timeout in ({"seconds": 0}, {"total": 0}):
            with pytest.raises(cs.TaskTimeoutError):
                await engine.run(forever().with_timeout(**timeout))
