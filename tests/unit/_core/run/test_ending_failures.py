"""One failing task among others: siblings are cancelled and awaited, then the error is raised as itself."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
import warnings

import pytest

import cascade as cs
from support.observation import settle
from support.tasks import take
from support.values import leaves


class Boom(Exception):
    """The failure of a task that was told to fail."""


@cs.task(mode="inline")
def fail(label: object = "boom", *inputs: object) -> None:
    raise Boom(label)


@cs.task(mode="thread")
def fail_in_thread(label: object = "boom", *inputs: object) -> None:
    raise Boom(label)


@cs.task
async def fail_async(label: object = "boom", *inputs: object) -> None:
    raise Boom(label)


@cs.task
async def fail_late(label: object = "boom", *inputs: object) -> None:
    await asyncio.sleep(0)
    raise Boom(label)


FAILING = [fail, fail_in_thread, fail_async, fail_late]


@pytest.mark.parametrize("failing", FAILING)
async def test_raised_as_itself(failing: cs.Task) -> None:
    engine = cs.Engine()
    for target in (failing(), take(failing()), [take(1), failing()], take([{"a": failing()}]), cs.gather(failing())):
        with pytest.raises(Boom) as caught:
            await engine.run(target)
        assert type(caught.value) is Boom
        assert caught.value.args == ("boom",)


@pytest.mark.parametrize("failing", FAILING)
async def test_siblings_are_cancelled_and_awaited_before_the_raise(failing: cs.Task) -> None:
    log: list[str] = []
    started: list[int] = []

    @cs.task
    async def sibling(number: int) -> None:
        started.append(number)
        try:
            await asyncio.Event().wait()
        finally:
            # It needs a while to clean up, and `run` has to wait for that.
            await settle(10)
            log.append(f"cleaned {number}")

    @cs.task
    async def first() -> None:
        while len(started) < 2:
            await asyncio.sleep(0)

    with pytest.raises(Boom):
        await cs.Engine().run(take(sibling(0), failing("x", first()), [sibling(1)]))
    assert sorted(log) == ["cleaned 0", "cleaned 1"]
    await settle(20)
    assert len(log) == 2


@pytest.mark.parametrize("failing", FAILING)
async def test_threads_are_awaited_before_the_raise(failing: cs.Task) -> None:
    log: list[str] = []
    running, failed, released = threading.Event(), asyncio.Event(), threading.Event()

    @cs.task(mode="thread")
    def sibling() -> None:
        running.set()
        assert released.wait(timeout=60)
        log.append("thread ended")

    @cs.task(mode="thread")
    def first() -> None:
        assert running.wait(timeout=60)

    @cs.task(mode="inline")
    def about_to_fail(seen: None) -> None:
        failed.set()

    run = asyncio.ensure_future(cs.Engine().run(take(sibling(), failing("x", about_to_fail(first())))))
    await failed.wait()
    await settle(20)
    assert not run.done()
    released.set()
    with pytest.raises(Boom):
        await run
    assert log == ["thread ended"]


@pytest.mark.parametrize("where", ["noted", "dropped"])
async def test_a_thread_that_ends_while_the_run_deals_with_a_failure(where: str) -> None:
    """Code of the user's runs while the exception is noted and values are dropped; a thread may end just then."""
    running, released = threading.Event(), threading.Event()

    def until_it_has_landed() -> None:
        released.set()
        while "the_sibling" in run.doing:
            time.sleep(0)  # lets other threads go on

    class Noted(Boom):
        def add_note(self, note: str) -> None:
            if where == "noted":
                until_it_has_landed()
            super().add_note(note)

    class Dropped:
        def __del__(self) -> None:
            until_it_has_landed()

    @cs.task(mode="thread", name="the_sibling")
    def sibling() -> None:
        running.set()
        assert released.wait(timeout=60)

    @cs.task(mode="thread")
    def first() -> None:
        assert running.wait(timeout=60)

    @cs.task(mode="inline")
    def fails(given: object, first: None) -> None:
        if where == "dropped":
            released.set()
        raise Noted

    run = cs.Engine().start(take(sibling(), fails(Dropped() if where == "dropped" else None, first())))
    with pytest.raises(Noted):
        await run


@pytest.mark.parametrize("failing", FAILING)
async def test_nothing_starts_after_a_failure(failing: cs.Task) -> None:
    log: list[str] = []

    @cs.task(mode="inline")
    def note(*inputs: object) -> None:
        log.append("ran")

    @cs.task
    async def waits() -> None:
        await asyncio.Event().wait()

    failure = failing()
    with pytest.raises(Boom):
        await cs.Engine().run(take(note(failure), note(waits()), note(take(failure)), failure))
    await settle(20)
    assert log == []


async def test_an_inline_failure_stops_the_ready_ones_to_its_right() -> None:
    log: list[int] = []

    @cs.task(mode="inline")
    def note(number: int) -> None:
        log.append(number)

    with pytest.raises(Boom):
        await cs.Engine().run(take(note(1), fail(), note(2)))
    assert log == [1]


async def test_several_failures_at_once_are_a_group() -> None:
    gate = asyncio.Event()

    @cs.task
    async def fails(label: int) -> None:
        await gate.wait()
        raise Boom(label)

    @cs.task
    async def opens() -> None:
        await settle()
        gate.set()

    with pytest.raises(ExceptionGroup) as caught:
        await cs.Engine().run(take(fails(0), [fails(1)], opens(), x=fails(2)))
    found = leaves(caught.value)
    assert [type(error) for error in found] == [Boom] * 3
    assert sorted(error.args[0] for error in found) == [0, 1, 2]
    assert all(error.__notes__ for error in found)


async def test_a_failure_while_being_cancelled_is_not_lost() -> None:
    @cs.task
    async def stubborn() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            raise ValueError("while cleaning up")

    @cs.task
    async def fails() -> None:
        await settle()
        raise Boom("first")

    with pytest.raises(Exception) as caught:
        await cs.Engine().run(take(stubborn(), fails()))
    found = {type(error) for error in leaves(caught.value)}
    assert found == {Boom, ValueError}


async def test_a_sibling_that_swallows_its_cancellation_is_awaited() -> None:
    log = []

    @cs.task
    async def swallows() -> str:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await settle(5)
            log.append("went on")
        return "value"

    @cs.task
    async def fails() -> None:
        await settle()
        raise Boom

    with pytest.raises(Boom):
        await cs.Engine().run(take(swallows(), fails()))
    assert log == ["went on"]


@pytest.mark.parametrize("failing", FAILING)
async def test_failures_in_child_frames_end_the_whole_run(failing: cs.Task) -> None:
    log = []

    @cs.task(mode="inline")
    def child(depth: int) -> cs.LazyResult:
        return take(child(depth - 1) if depth else failing(), waits())

    @cs.task
    async def waits() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            log.append("cancelled")

    engine = cs.Engine()
    for _ in range(2):
        with pytest.raises(Boom):
            await engine.run(take(child(3), waits()))
    assert engine.runs == ()
    started = len(log)
    await settle(20)
    assert len(log) == started


async def test_parked_siblings_are_let_go() -> None:
    channel = cs.Channel()
    engine = cs.Engine()
    with pytest.raises(Boom):
        await engine.run(take(cs.wait(3600), channel.recv(), channel.recv(timeout=3600), fail_late()))
    channel.send("kept")
    assert channel.drain() == ["kept"]


async def test_a_failed_run_leaves_others_alone() -> None:
    engine = cs.Engine()
    gate = asyncio.Event()

    @cs.task
    async def waits(value: int) -> int:
        await gate.wait()
        return value

    good = [engine.start(waits(number)) for number in range(10)]
    bad = [engine.start(take(failing(number), waits(0))) for number, failing in enumerate(FAILING)]
    found = await asyncio.gather(*bad, return_exceptions=True)
    assert [type(error) for error in found] == [Boom] * 4
    gate.set()
    assert await asyncio.gather(*good) == list(range(10))


async def test_the_engine_goes_on_after_failures() -> None:
    engine = cs.Engine()
    for number in range(50):
        with pytest.raises(Boom):
            await engine.run(take(FAILING[number % 4](), take()))
        assert await engine.run(take(number)) == ((number,), {})


async def test_no_coroutine_is_left_that_was_never_awaited() -> None:
    @cs.task
    async def later() -> None: ...

    @cs.task(mode="inline")
    def gives_a_coroutine() -> object:
        return later.fn()

    engine = cs.Engine()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for target in (
            lambda: take(later(), fail(), later()),
            lambda: take(fail(), later()),
            lambda: take(gives_a_coroutine(), fail()),
            lambda: take(fail_late(), later(), gives_a_coroutine()),
            lambda: take([later(), take(fail())]),
        ):
            with pytest.raises(Boom):
                await engine.run(target())
        gc.collect()
        run = engine.start(take(later(), gives_a_coroutine()))
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run
        del run
        gc.collect()
        await settle()
