"""The call graph that asyncio keeps from Python 3.14 on: async tasks of a run are shown under what awaits the run."""

from __future__ import annotations

import asyncio
import gc
import os
import sys
import weakref
from typing import Any

import pytest

import cascade as cs

if sys.version_info < (3, 14):
    pytest.skip("asyncio keeps no call graph", allow_module_level=True)

Task = asyncio.Task[Any]


class Stage:
    """Async tasks that stand still until they are let go, and the asyncio tasks that they run in."""

    def __init__(self) -> None:
        self.tasks: dict[str, Task] = {}
        self.gate = asyncio.Event()
        self.hold = cs.task(self._hold, name="hold")

    async def _hold(self, name: str, *before: object) -> str:
        self.tasks[name] = asyncio.current_task()  # type: ignore[assignment]
        await self.gate.wait()
        return name

    async def until(self, *names: str) -> None:
        while not all(name in self.tasks for name in names):
            await asyncio.sleep(0)


def awaiters(task: Task) -> set[str]:
    """The names of the asyncio tasks that await one, and how deep those go."""
    graph = asyncio.capture_call_graph(task, limit=0)
    assert graph is not None
    return {each.future.get_name() for each in graph.awaited_by if isinstance(each.future, asyncio.Task)}


async def named(name: str, coroutine: Any) -> Task:
    """Start an asyncio task and have it get to where it waits."""
    task = asyncio.get_running_loop().create_task(coroutine, name=name)
    for _ in range(5):
        await asyncio.sleep(0)
    return task


async def wait_for(awaitable: Any) -> Any:
    return await awaitable


def test_tasks_started_before_and_after_the_run_is_awaited() -> None:
    async def main() -> None:
        stage = Stage()
        async with cs.Engine() as engine:
            channel: cs.Channel = cs.Channel()
            run = engine.start([stage.hold("early"), stage.hold("late", channel.recv())])
            await stage.until("early")
            assert awaiters(stage.tasks["early"]) == set()
            one = await named("one", wait_for(run))
            assert awaiters(stage.tasks["early"]) == {"one"}
            two = await named("two", wait_for(run))
            channel.send("go")
            await stage.until("late")
            await asyncio.sleep(0)
            assert awaiters(stage.tasks["early"]) == awaiters(stage.tasks["late"]) == {"one", "two"}
            stage.gate.set()
            assert await one == await two == ["early", "late"]

    asyncio.run(main())


def test_policies_and_limits_hide_nothing() -> None:
    async def main() -> None:
        stage = Stage()
        async with cs.Engine(limits={"gpu": 1}) as engine:
            wanted = stage.hold("it").with_retry(max_attempts=2).with_timeout(60).with_constraints(gpu=1)
            awaiting = await named("outside", engine.run(wanted))
            await stage.until("it")
            await asyncio.sleep(0)
            assert awaiters(stage.tasks["it"]) == {"outside"}
            stage.gate.set()
            assert await awaiting == "it"

    asyncio.run(main())


def test_runs_inside_runs_make_a_chain() -> None:
    async def main() -> None:
        stage = Stage()

        @cs.task
        async def outer() -> Any:
            asyncio.current_task().set_name("outer")  # type: ignore[union-attr]
            async with cs.Engine() as inner:
                return await inner.run(stage.hold("inner"))

        async with cs.Engine() as engine:
            awaiting = await named("outside", engine.run(outer()))
            await stage.until("inner")
            await asyncio.sleep(0)
            graph = asyncio.capture_call_graph(stage.tasks["inner"])
            assert graph is not None
            chain = []
            while graph.awaited_by:
                (graph,) = graph.awaited_by
                chain.append(graph.future.get_name())  # type: ignore[attr-defined]
            assert chain == ["outer", "outside"]
            assert "_hold" in asyncio.format_call_graph(stage.tasks["inner"])
            stage.gate.set()
            assert await awaiting == "inner"

    asyncio.run(main())


def test_members_of_a_population() -> None:
    async def main() -> None:
        stage = Stage()
        failed = []

        @cs.task
        async def fail_once() -> Any:
            await asyncio.sleep(0)
            if not failed:
                failed.append(True)
                raise ValueError("once")
            return await stage._hold("again")

        async with cs.Engine() as engine:
            population = engine.start_many([stage.hold("one"), fail_once()], on_failure=cs.Restart(limit=1))
            awaiting = await named("outside", wait_for(population))
            await stage.until("one", "again")
            await asyncio.sleep(0)
            assert awaiters(stage.tasks["one"]) == awaiters(stage.tasks["again"]) == {"outside"}
            stage.gate.set()
            assert (await awaiting).done == 2

    asyncio.run(main())


@pytest.mark.parametrize("kind", ["runs", "population"])
def test_as_completed_until_the_iterator_is_gone(kind: str) -> None:
    async def main() -> None:
        stage = Stage()
        leave, left, end = asyncio.Event(), asyncio.Event(), asyncio.Event()

        async def consume(engine: cs.Engine, given: Any) -> None:
            completion = engine.as_completed(given)
            assert (await anext(completion)).state == "done"
            await leave.wait()  # it counts as awaiting the others
            await completion.aclose()
            left.set()
            await end.wait()

        async with cs.Engine() as engine:
            targets = [cs.wait(0), stage.hold("it")]
            given: Any = engine.start_many(targets) if kind == "population" else [engine.start(t) for t in targets]
            consumer = await named("consumer", consume(engine, given))
            await stage.until("it")
            await asyncio.sleep(0)
            assert awaiters(stage.tasks["it"]) == {"consumer"}
            leave.set()
            await left.wait()
            assert awaiters(stage.tasks["it"]) == set()
            end.set()
            await consumer
            stage.gate.set()

    asyncio.run(main())


def test_what_an_engine_waits_for_when_it_is_left() -> None:
    async def main() -> None:
        stage = Stage()

        @cs.task
        async def stubborn() -> None:
            try:
                await asyncio.sleep(1000)
            except asyncio.CancelledError:
                await stage._hold("cleaning up")

        async def leave() -> None:
            async with cs.Engine() as engine:
                engine.start(stubborn())
                for _ in range(5):
                    await asyncio.sleep(0)

        leaving = await named("leaving", leave())
        await stage.until("cleaning up")
        assert awaiters(stage.tasks["cleaning up"]) == {"leaving"}
        stage.gate.set()
        await leaving

    asyncio.run(main())


def test_nothing_is_noted_for_what_ends_at_once_or_nothing_awaits(monkeypatch: pytest.MonkeyPatch) -> None:
    noted: list[object] = []
    add = asyncio.future_add_to_awaited_by
    monkeypatch.setattr(asyncio, "future_add_to_awaited_by", lambda *pair: (noted.append(pair), add(*pair)))

    @cs.task
    async def at_once(value: object) -> object:
        return value

    @cs.task(mode="inline")
    def inline(value: object) -> object:
        return value

    async def main() -> None:
        async with cs.Engine() as engine:
            assert await engine.run(inline(at_once(inline(1)))) == 1
            stage = Stage()
            run = engine.start(stage.hold("alone"))
            await stage.until("alone")
            stage.gate.set()
            while not run.done():
                await asyncio.sleep(0)
            assert noted == []
            stage = Stage()  # the positive control
            awaiting = await named("outside", engine.run(stage.hold("awaited")))
            await stage.until("awaited")
            stage.gate.set()
            await awaiting
            assert len(noted) == 1

    asyncio.run(main())


def test_what_has_awaited_is_freed() -> None:
    async def main() -> None:
        stage = Stage()
        async with cs.Engine() as engine:
            awaiting = await named("outside", engine.run(stage.hold("it")))
            await stage.until("it")
            stage.gate.set()
            await awaiting
            known = weakref.ref(awaiting)
            del awaiting
            stage.tasks.clear()
            await asyncio.sleep(0)  # the event loop itself still has it in hand
            gc.collect()
            assert known() is None

    asyncio.run(main())


def test_seen_from_another_process() -> None:
    async def main() -> str:
        stage = Stage()
        async with cs.Engine() as engine:
            awaiting = await named("the one outside", engine.run(stage.hold("it")))
            await stage.until("it")
            stage.tasks["it"].set_name("the async task")
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "asyncio", "ps", str(os.getpid()),
                stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
            )  # fmt: skip
            printed, _ = await process.communicate()
            stage.gate.set()
            await awaiting
            if process.returncode:
                pytest.skip("processes may not look into each other here")
            return printed.decode()

    lines = [line for line in asyncio.run(main()).splitlines() if " the async task " in line]
    assert len(lines) == 1
    assert "the one outside" in lines[0]
