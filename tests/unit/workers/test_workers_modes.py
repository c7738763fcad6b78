"""Where a sync task runs: inline, in threads, and what the engine's default says."""

from __future__ import annotations

import asyncio
import threading

import pytest

import cascade as cs
from support.tasks import keep


def ident(*inputs: object) -> int:
    return threading.get_ident()


def test_inline_is_the_loops_thread() -> None:
    task = cs.task(ident, mode="inline")
    assert cs.run([task(), task(task())]) == [threading.get_ident()] * 2


def test_thread_is_another_one_always() -> None:
    task = cs.task(ident, mode="thread")
    here = threading.get_ident()

    async def main() -> list[int]:
        engine = cs.Engine()
        return [await engine.run(task()) for _ in range(20)]

    assert here not in asyncio.run(main())


@pytest.mark.parametrize(("mode", "inline"), [("inline", True), ("thread", False)])
def test_the_engines_default(mode: str, inline: bool) -> None:
    def fresh() -> int:
        return threading.get_ident()

    found = [cs.run(cs.task(fresh)(), engine=cs.Engine(default_mode=mode)) for _ in range(6)]
    assert [one == threading.get_ident() for one in found] == [inline] * 6


def test_a_tasks_own_mode_wins() -> None:
    here = threading.get_ident()
    assert cs.run(cs.task(ident, mode="inline")(), engine=cs.Engine(default_mode="thread")) == here
    assert cs.run(cs.task(ident, mode="thread")(), engine=cs.Engine(default_mode="inline")) != here


def test_the_number_of_threads_is_bounded() -> None:
    running, most, lock = 0, 0, threading.Lock()
    pair = threading.Barrier(2)

    @cs.task(mode="thread")
    def counted() -> int:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        pair.wait(timeout=60)  # both threads are in here before either leaves
        with lock:
            running -= 1
        return threading.get_ident()

    found = cs.run([counted() for _ in range(20)], engine=cs.Engine(max_threads=2))
    assert most == 2
    assert len(set(found)) == 2


def test_one_thread_is_enough() -> None:
    task = cs.task(ident, mode="thread")
    found = cs.run([task(task(), task()) for _ in range(20)], engine=cs.Engine(max_threads=1))
    assert len(set(found)) == 1


async def test_async_tasks_and_coroutines_run_in_the_loop() -> None:
    @cs.task
    async def later() -> tuple[int, object]:
        return (threading.get_ident(), asyncio.get_running_loop())

    @cs.task(mode="inline")
    def coroutine() -> object:
        return later.fn()

    @cs.task(mode="thread")
    def coroutine_from_thread() -> object:
        return later.fn()

    here = (threading.get_ident(), asyncio.get_running_loop())
    engine = cs.Engine()
    assert await engine.run([later(), coroutine(), coroutine_from_thread()]) == [here] * 3


async def test_current_task_is_there_for_async_tasks() -> None:
    """Libraries ask for it: timeouts, task groups."""

    @cs.task
    async def with_timeout(turns: int) -> str:
        async with asyncio.timeout(60):
            for _ in range(turns):
                await asyncio.sleep(0)
        return "in time"

    @cs.task
    async def with_group(turns: int) -> list[int]:
        async def one(number: int) -> int:
            for _ in range(turns):
                await asyncio.sleep(0)
            return number

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(number)) for number in range(3)]
        return [task.result() for task in tasks]

    @cs.task
    async def times_out() -> str:
        try:
            async with asyncio.timeout(0):
                await asyncio.Event().wait()
        except TimeoutError:
            return "late"
        return "never"

    engine = cs.Engine()
    for turns in (0, 3):
        target = keep(with_timeout(turns), with_group(turns), times_out())
        assert await engine.run(target) == ("in time", [0, 1, 2], "late")


async def test_async_tasks_may_await_anything() -> None:
    loop = asyncio.get_running_loop()

    class Once:
        def __await__(self) -> object:
            yield from asyncio.sleep(0).__await__()
            return "own awaitable"

    @cs.task
    async def awaits() -> list[object]:
        future = loop.create_future()
        loop.call_soon(future.set_result, "future")
        done = await asyncio.gather(asyncio.sleep(0, "gathered"), future)
        queue: asyncio.Queue[str] = asyncio.Queue()
        queue.put_nowait("queued")
        async with asyncio.Lock():
            done.append(await queue.get())
        done.append(await Once())
        done.append(await asyncio.to_thread(lambda: "thread"))
        done.append(await asyncio.wait_for(asyncio.shield(asyncio.sleep(0, "shielded")), 60))
        return done

    expected = ["gathered", "future", "queued", "own awaitable", "thread", "shielded"]
    engine = cs.Engine()
    assert await engine.run([awaits(), awaits()]) == [expected] * 2


async def test_a_sync_task_may_return_any_awaitable_or_only_coroutines() -> None:
    """A coroutine is awaited; what is no coroutine is a value."""
    future = asyncio.get_running_loop().create_future()
    future.set_result("inside")

    @cs.task(mode="inline")
    def gives(value: object) -> object:
        return value

    assert await cs.Engine().run(gives(future)) is future


async def test_generators_are_values() -> None:
    def numbers() -> object:
        yield 1

    async def numbers_async() -> object:
        yield 1

    @cs.task(mode="inline")
    def generates() -> object:
        return numbers()

    @cs.task(mode="inline")
    def generates_async() -> object:
        return numbers_async()

    assert list(await cs.Engine().run(generates())) == [1]
    found = await cs.Engine().run(generates_async())
    assert [value async for value in found] == [1]


async def test_a_coroutine_returned_may_give_the_next_expression() -> None:
    @cs.task(mode="inline")
    def countdown(n: int) -> object:
        async def later() -> object:
            await asyncio.sleep(0)
            return countdown(n - 1) if n else "end"

        return later()

    run = cs.Engine().start(countdown(10))
    assert await run == "end"
    assert run.iterations == 10
