"""Cancelling at every await: nothing is left half open, nobody else loses anything, no teardown is cut short."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

import cascade as cs
from cascade.resources.provider import resource
from support.observation import settle
from support.resource_parts import Lives, async_one, sync_one

TURNS = range(30)  # more than any of these takes


async def pause() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


def chain(log: list[str], how: Callable[[], Any] = pause) -> Lives:
    """A resource of a call on a run's on an engine's, sync and async, all of them slow."""

    @resource(scope="call")
    async def top(middle):
        log.append("(top")
        try:
            await how()
        except BaseException:
            log.append("top stopped)")
            raise
        log.append("+top")
        yield middle + "top"
        await how()
        log.append("-top")

    @resource
    def middle(base):
        log.append("+middle")
        yield base + " middle "
        log.append("-middle")

    return Lives(top, middle, async_one("base", log, "engine", how))


def assert_nothing_half_open(log: list[str], lives: Lives) -> None:
    """What was begun was either stopped or finished; and what the scopes hold is exactly what is finished."""
    for name, scope in (("top", lives.call), ("middle", lives.run), ("base", lives.engine)):
        if name != "middle":
            assert log.count(f"({name}") == log.count(f"+{name}") + log.count(f"{name} stopped)")
        assert scope.ready(name)[0] == (log.count(f"+{name}") > log.count(f"-{name}"))
        assert scope.empty == (not scope.ready(name)[0])


async def cancelled_after(turns: int, awaitable: Awaitable[Any]) -> bool:
    """Cancel after so many turns of the loop; return whether it was cancelled, and not done before."""
    task = asyncio.ensure_future(awaitable)
    await settle(turns)
    if not task.cancel():
        return False
    with pytest.raises(asyncio.CancelledError):
        await task
    return True


async def test_a_set_up_cancelled_at_any_await() -> None:
    outcomes = set()
    for turns in TURNS:
        log: list[str] = []
        lives = chain(log)
        outcomes.add(await cancelled_after(turns, lives.call.get("top")))
        assert_nothing_half_open(log, lives)
        assert await lives.call.get("top") == "base middle top"
        assert log.count("+base") == log.count("+middle") == log.count("+top") == 1
        await lives.close()
        assert log[-3:] == ["-top", "-middle", "-base"]
        assert lives.told.reports == []
        assert len(asyncio.all_tasks()) == 1
    assert outcomes == {True, False}


@pytest.mark.parametrize("first", [True, False])
async def test_cancelling_one_of_two_takes_nothing_from_the_other(first: bool) -> None:
    for turns in TURNS:
        log: list[str] = []
        lives = chain(log)
        calls = [lives.new_call(), lives.new_call()]
        asking = [asyncio.create_task(call.get("top")) for call in calls]
        await settle(turns)
        cancelled, other = asking if first else asking[::-1]
        cancelled.cancel()
        assert await other == "base middle top"
        await asyncio.wait([cancelled])
        assert log.count("(base") == log.count("+base") == log.count("+middle") == 1
        for call in calls:
            await call.close(None)
        await lives.close()
        assert log.count("-top") == log.count("+top")
        assert log[-2:] == ["-middle", "-base"]
        assert lives.told.reports == []
        assert len(asyncio.all_tasks()) == 1


async def test_who_asks_while_a_set_up_is_given_up_has_it_done_again() -> None:
    giving_up, may_stop = asyncio.Event(), asyncio.Event()
    log = []

    @resource
    async def slow():
        log.append("begun")
        if len(log) == 1:
            try:
                await asyncio.Event().wait()
            finally:
                giving_up.set()
                await may_stop.wait()
                log.append("stopped")
        yield "up"

    lives = Lives(slow)
    first = asyncio.create_task(lives.run.get("slow"))
    await settle()
    first.cancel()
    await giving_up.wait()
    second = asyncio.create_task(lives.run.get("slow"))
    impatient = asyncio.create_task(lives.run.get("slow"))
    await settle()
    for task in (first, impatient):  # neither interrupts the cleaning up
        task.cancel()
        await settle()
    assert (first.done(), impatient.done(), second.done()) == (False, True, False)
    may_stop.set()
    assert await second == "up"
    assert first.cancelled() and impatient.cancelled()
    assert log == ["begun", "stopped", "begun"]
    await lives.close()


async def test_a_set_up_that_is_not_stopped_by_being_given_up_is_kept() -> None:
    @resource
    async def stubborn():
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            yield "up"

    lives = Lives(stubborn)
    assert await cancelled_after(3, lives.run.get("stubborn"))
    assert lives.run.ready("stubborn") == (True, "up")
    await lives.close()
    assert lives.told.events[-1] == ("released", "stubborn", "run", None)


async def test_an_error_in_giving_up_is_reported() -> None:
    @resource
    async def clumsy():
        try:
            await asyncio.Event().wait()
        finally:
            raise KeyError
        yield

    lives = Lives(clumsy)
    assert await cancelled_after(3, lives.run.get("clumsy"))
    [(message, error)] = lives.told.reports
    assert message == "giving up the set-up of resource `clumsy` failed"
    assert type(error) is KeyError
    assert lives.run.empty


async def test_a_set_up_that_is_cancelled_before_it_begins() -> None:
    """As asyncio does with all tasks when a program ends."""

    async def later() -> None:
        raise AssertionError("it was never begun")

    lives = Lives(resource(lambda: later(), name="one"))
    asking = asyncio.create_task(lives.run.get("one"))
    while not (keepers := [task for task in asyncio.all_tasks() if task.get_name() == "resource one"]):
        await asyncio.sleep(0)
    keepers[0].cancel()
    with pytest.raises(cs.ResourceError, match="the set-up of resource `one` was cancelled"):
        await asking
    assert lives.run.empty


@pytest.mark.parametrize("times", [1, 2, 3])
@pytest.mark.parametrize("failure", [None, KeyError()])
async def test_a_teardown_cancelled_at_any_await_goes_on_to_its_end(times: int, failure: BaseException | None) -> None:
    outcomes = set()
    for turns in TURNS:
        log: list[str] = []
        lives = Lives(async_one("a", log, pause=pause), sync_one("b", log), async_one("c", log, pause=pause))
        for name in "abc":
            await lives.run.get(name)
        task = asyncio.create_task(lives.run.close(failure))
        await settle(max(turns, 1))  # a coroutine that is cancelled before it has begun does nothing, whatever is in it
        for _ in range(times):
            cancelled = task.cancel()
            await settle(1)
        await asyncio.wait([task])
        assert task.cancelled() == cancelled or times > 1
        outcomes.add(task.cancelled())
        assert [entry for entry in log if entry[0] == "-"] == ["-c", "-b", "-a"]
        assert lives.run.empty
        assert lives.told.reports == []
        assert len(asyncio.all_tasks()) == 1
    assert outcomes == {True, False}


async def test_a_teardown_under_a_timeout() -> None:
    """The cancellation is let out, so what counts cancellations counts right."""
    gate = asyncio.Event()
    log: list[str] = []

    @resource
    async def slow():
        yield
        await gate.wait()
        log.append("-slow")

    lives = Lives(slow)
    await lives.run.get("slow")
    asyncio.get_running_loop().call_soon(lambda: asyncio.get_running_loop().call_soon(gate.set))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(-1):
            await lives.run.close(None)
    assert log == ["-slow"]


async def test_closing_stops_what_is_being_set_up() -> None:
    for turns in TURNS:
        log: list[str] = []
        lives = chain(log)
        asking = asyncio.create_task(lives.call.get("top"))
        await settle(turns)
        await lives.close()
        outcome = (await asyncio.gather(asking, return_exceptions=True))[0]
        assert outcome == "base middle top" or isinstance(outcome, cs.EngineStateError)
        assert log.count("(base") == log.count("+base") + log.count("base stopped)")
        for name in ("top", "middle", "base"):
            assert log.count(f"+{name}") == log.count(f"-{name}")
        assert lives.engine.empty and lives.run.empty and lives.call.empty
        assert len(asyncio.all_tasks()) == 1


async def test_closing_twice_at_the_same_time() -> None:
    log: list[str] = []
    lives = Lives(async_one("a", log, pause=pause))
    await lives.run.get("a")
    first, second, third = (asyncio.create_task(lives.run.close(None)) for _ in range(3))
    await settle(1)
    second.cancel()
    await asyncio.wait([first, second, third])
    assert second.cancelled() and not third.cancelled()
    assert log == ["(a", "+a", "-a"]


async def test_a_failing_run_beside_one_that_uses_the_same_resource() -> None:
    log: list[str] = []
    gate = asyncio.Event()
    lives = Lives(async_one("pool", log, "engine", gate.wait))
    failing, other = lives.new_run(), lives.new_run()
    asking = [asyncio.create_task(run.get("pool")) for run in (failing, other)]
    await settle()
    asking[0].cancel()
    await settle()
    await failing.close(KeyError())
    gate.set()
    assert await asking[1] == "pool"
    assert log == ["(pool", "+pool"]
    await lives.close()


def by_hand(coroutine: Any, stop_at: int) -> Iterator[str]:
    """Drive a coroutine on the running loop as a task would, and throw a cancellation in at one of its awaits."""
    step = 0
    send: Callable[[], Any] = lambda: coroutine.send(None)  # noqa: E731
    while True:
        try:
            awaited = send()
        except StopIteration as done:
            yield f"returned {done.value}"
            return
        except asyncio.CancelledError:
            yield "cancelled"
            return
        send = lambda: coroutine.send(None)  # noqa: E731
        if step == stop_at:
            if awaited is not None:
                awaited.cancel()
            send = lambda: coroutine.throw(asyncio.CancelledError())  # noqa: E731
        else:
            while awaited is not None and not awaited.done():
                yield "waiting"
        step += 1


async def test_driven_by_hand_as_an_engine_may() -> None:
    ends = set()
    for stop_at in range(6):
        log: list[str] = []
        lives = chain(log)
        end = ""
        for end in by_hand(lives.call.get("top"), stop_at):  # noqa: B007
            await asyncio.sleep(0)
        ends.add(end)
        assert_nothing_half_open(log, lives)
        await lives.call.get("top")
        end = ""
        for scope in (lives.call, lives.run, lives.engine):
            for end in by_hand(scope.close(None), stop_at):  # noqa: B007
                await asyncio.sleep(0)
        assert log[-3:] == ["-top", "-middle", "-base"]
        assert len(asyncio.all_tasks()) == 1
    assert ends == {"cancelled", "returned base middle top"}
