"""Context variables that the caller has set are visible in every task, threads included."""

from __future__ import annotations

import asyncio
import contextvars
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import cascade as cs
from support.observation import settle

SOURCE = """
import cascade as cs

@cs.task(mode="thread")
def thread(value):
    return value

@cs.task(mode="process")
def process(value):
    return value

@cs.task(mode="inline")
def inline(value):
    return value
"""

VARIABLE: contextvars.ContextVar[object] = contextvars.ContextVar("VARIABLE", default="unset")


def read(*inputs: object) -> object:
    return VARIABLE.get()


async def read_async(*inputs: object) -> object:
    return VARIABLE.get()


async def read_late(*inputs: object) -> object:
    await settle()
    return VARIABLE.get()


def read_in_coroutine(*inputs: object) -> object:
    return read_late()


def going_on(*inputs: object) -> cs.LazyResult:
    return TASKS["late"](TASKS["thread"]())


TASKS = {
    "inline": cs.task(read, mode="inline"),
    "thread": cs.task(read, mode="thread"),
    "auto": cs.task(read, mode="auto"),
    "async": cs.task(read_async),
    "late": cs.task(read_late),
    "coroutine": cs.task(read_in_coroutine, mode="inline"),
    "child": cs.task(going_on, mode="inline"),
}


@pytest.mark.parametrize("kind", TASKS)
def test_seen_by_cs_run(kind: str) -> None:
    token = VARIABLE.set("caller")
    try:
        for _ in range(5):
            assert cs.run(TASKS[kind]()) == "caller"
        assert cs.run([TASKS[kind](TASKS[kind]())]) == ["caller"]
    finally:
        VARIABLE.reset(token)


@pytest.mark.parametrize("kind", TASKS)
async def test_each_run_sees_the_context_it_was_started_in(kind: str) -> None:
    engine = cs.Engine(quantum=0)
    after = TASKS[kind]

    async def one(value: object) -> object:
        VARIABLE.set(value)
        run = engine.start(after(cs.wait(0), after(), TASKS["late"]()))
        VARIABLE.set("changed later")
        return await run

    assert await asyncio.gather(*(one(number) for number in range(50))) == list(range(50))


async def test_runs_do_not_leak_into_the_caller_or_each_other() -> None:
    @cs.task(mode="inline")
    def sets() -> object:
        before = VARIABLE.get()
        VARIABLE.set("set by a task")
        return before

    @cs.task
    async def sets_async() -> object:
        before = VARIABLE.get()
        VARIABLE.set("set by a task")
        await settle()
        return before

    VARIABLE.set("caller")
    engine = cs.Engine()
    for task in (sets, sets_async, sets, sets_async):
        assert await engine.run(task()) == "caller"
        assert VARIABLE.get() == "caller"
    assert await asyncio.gather(*(engine.run(task()) for task in (sets, sets_async) * 5)) == ["caller"] * 10
    assert VARIABLE.get() == "caller"


@pytest.mark.parametrize("kind", ["inline", "async", "late", "thread"])
async def test_in_every_iteration_and_depth(kind: str) -> None:
    @cs.task(mode="inline")
    def loop(n: int, seen: list[object]) -> object:
        return loop(n - 1, [seen, TASKS[kind](n)]) if n else seen

    @cs.task(mode="inline")
    def depth(n: int) -> object:
        return pair(depth(n - 1), TASKS[kind]()) if n else VARIABLE.get()

    @cs.task(mode="inline")
    def pair(a: object, b: object) -> object:
        assert a == b == VARIABLE.get()
        return a

    VARIABLE.set("caller")
    engine = cs.Engine()
    assert await engine.run(depth(5)) == "caller"
    seen = await engine.run(loop(5, []))
    while seen:
        seen, value = seen
        assert value == "caller"


def test_changed_between_runs_of_one_engine() -> None:
    engine = cs.Engine()
    for value in range(10):
        VARIABLE.set(value)
        assert cs.run([task() for task in TASKS.values()], engine=engine) == [value] * len(TASKS)


@pytest.mark.skipif(sys.version_info < (3, 14), reason="threads never inherit a context")
@pytest.mark.parametrize("where", ["thread", "cache", "process", "beside"])
def test_idle_threads_keep_no_context(where: str, interpreter: Callable[..., str], tmp_path: Path) -> None:
    """Those of every pool, also where Python has each thread inherit the context of what starts it."""
    (tmp_path / "tasks_of_contexts.py").write_text(SOURCE)
    code = f"""
        import asyncio, contextvars, gc, sys, threading, weakref
        assert sys.flags.thread_inherit_context
        sys.path.insert(0, {str(tmp_path)!r})
        import cascade as cs
        import tasks_of_contexts as tasks

        class Value:
            pass

        VARIABLE = contextvars.ContextVar("VARIABLE")

        async def use(engine):
            value = Value()
            VARIABLE.set(value)
            where = {where!r}
            if where == "beside":
                assert await engine._driver.call_in_thread(int, "1") == 1
            else:
                target = {{"thread": tasks.thread(1), "process": tasks.process(1),
                    "cache": tasks.inline(1).with_cache(cs.FileExists({str(tmp_path / "made")!r}))}}[where]
                await engine.run(target)
            return weakref.ref(value)

        async def main():
            open({str(tmp_path / "made")!r}, "w").close()
            engine = cs.Engine()
            known = await asyncio.create_task(use(engine))
            # Once more, without the value: a thread lets go of a call when it takes the next one.
            await asyncio.create_task(use(engine), context=contextvars.Context())
            for _ in range(1000):  # a thread that has given its result may not have let go of the call yet
                gc.collect()
                if known() is None:
                    break
                await asyncio.sleep(0.001)
            print(len(threading.enumerate()) > 1, known() is None)
            await engine.aclose()

        if __name__ == "__main__":
            asyncio.run(main())
    """
    assert interpreter(code, PYTHON_THREAD_INHERIT_CONTEXT="1") == "True True\n"
