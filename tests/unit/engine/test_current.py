"""`cs.current()`: what code inside a task can ask about its call."""

from __future__ import annotations

import asyncio
import gc
import threading
from concurrent.futures import Future

import pytest

import cascade as cs
import cascade.protocols
from support.process_tasks import here
from support.tasks import give, keep

Seen = tuple[int, int, int, str]


def place() -> Seen:
    call = cs.current()
    return call.run.id, call.iteration, call.attempt, call.path


@cs.task(mode="inline")
def inline(*args: object) -> Seen:
    return place()


@cs.task(mode="thread")
def thread(*args: object) -> Seen:
    return place()


@cs.task
async def suspends(*args: object) -> Seen:
    before = place()
    await asyncio.sleep(0)
    assert await asyncio.create_task(in_another_asyncio_task()) == before
    assert await asyncio.to_thread(place) == before
    assert place() == before
    return before


async def in_another_asyncio_task() -> Seen:
    await asyncio.sleep(0)
    return place()


@cs.task(mode="inline")
def makes_a_coroutine(*args: object) -> object:
    return in_another_asyncio_task()


@cs.task(mode="thread")
def makes_a_coroutine_in_a_thread(*args: object) -> object:
    return in_another_asyncio_task()


TASKS = [inline, thread, suspends, makes_a_coroutine, makes_a_coroutine_in_a_thread]


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_in_each_mode(task: cs.Task) -> None:
    @cs.task(mode="inline")
    def loop(n: int, *before: object) -> object:
        return loop(n - 1, task(), *before) if n else [*before, cs.current().run.id]

    first, second, run = cs.run(loop(2))
    # Of an argument of the next iteration, and of one that is passed on there.
    assert first == (run, 2, 1, "$.args[1]")
    assert second == (run, 1, 1, "$.args[1]")


def test_in_a_process() -> None:
    @cs.task(mode="inline")
    def both(seen: object) -> object:
        return seen, cs.current().run.id

    (seen, without_engine, without_more), run = cs.run(both(here(1)))
    assert seen == (run, 0, 1, "$.args[0]")
    assert "a worker process has no engine" in without_engine
    assert "in a worker process a run has id, name and tags only, got .cancel" in without_more


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
@pytest.mark.parametrize("policies", ["retry", "timeout", "limits"])
def test_with_policies(task: cs.Task, policies: str) -> None:
    if policies == "timeout" and task.mode == "inline":
        pytest.skip("it cannot be interrupted")
    engine = cs.Engine(limits={"slot": 1})
    governed = {
        "retry": lambda: task().with_retry(2),
        "timeout": lambda: task().with_timeout(60),
        "limits": lambda: task().with_constraints(slot=1),
    }[policies]()
    ((_, *seen),) = cs.run(keep(governed), engine=engine)
    assert seen == [0, 1, "$.args[0]"]


@pytest.mark.parametrize("mode", ["inline", "thread", "async", "process"])
def test_attempts_are_counted(mode: str) -> None:
    seen: list[int] = []

    def work() -> int:
        seen.append(cs.current().attempt)
        if len(seen) < 3:
            raise OSError
        return cs.current().attempt

    async def later() -> int:
        await asyncio.sleep(0)
        return work()

    if mode == "process":
        target = here(1, fails=2).with_retry(3)
        assert cs.run(target)[0][2] == 3
        return
    task = cs.task(later) if mode == "async" else cs.task(mode=mode)(work)  # type: ignore[call-overload]
    assert cs.run(task().with_retry(3)) == 3
    assert seen == [1, 2, 3]


class LosesTheFirst(cs.protocols.ThreadExecutor):
    """Threads, of which the first call fails at once, while its thread goes on."""

    def __init__(self) -> None:
        super().__init__()
        self.first: Future[object] | None = None

    def submit(self, task: cs.Task, arguments: tuple[object, ...], keywords: dict[str, object]) -> Future[object]:
        future = super().submit(task, arguments, keywords)
        if self.first is not None:
            return future
        self.first = future
        lost: Future[object] = Future()
        lost.set_exception(OSError())
        return lost


def test_an_attempt_that_goes_on_does_not_take_the_next_one_for_itself() -> None:
    second = threading.Event()

    @cs.task(mode="thread")
    def work() -> int:
        attempt = cs.current().attempt
        if attempt == 1:
            second.wait(60)
        else:
            second.set()
        return attempt

    executor = LosesTheFirst()
    assert cs.run(work().with_retry(2), engine=cs.Engine(executors={"thread": executor})) == 2
    assert executor.first is not None
    assert executor.first.result(60) == 1


def test_the_parts_are_the_users_objects() -> None:
    @cs.task
    async def work() -> bool:
        call = cs.current()
        return call.engine is engine and call.run is engine.runs[0] and cs.current().engine.clock is engine.clock

    engine = cs.Engine()
    assert cs.run(work(), engine=engine) is True


def test_an_engine_that_only_its_runs_hold() -> None:
    @cs.task
    async def work() -> object:
        await asyncio.sleep(0)
        gc.collect()
        engine = cs.current().engine
        return await engine.run(give(3)), engine is cs.current().engine, engine.runs == (cs.current().run,)

    async def main() -> object:
        return await cs.Engine().start(work())

    assert asyncio.run(main()) == (3, True, True)


def test_items_of_maps_and_nested_expressions() -> None:
    @cs.task(mode="inline")
    def outer(x: int) -> object:
        return keep(inline(x), 1)

    (first, _), (second, _) = cs.run(outer.map(x=[1, 2]))
    assert (first[2:], second[2:]) == ((1, "$[0].args[0]"), (1, "$[1].args[0]"))


def test_beneath_an_await() -> None:
    @cs.task
    async def outer() -> object:
        return await keep(inline(), suspends()), place()

    (_, (awaited, mine)) = cs.run(keep(1, outer()))
    assert [each[3] for each in awaited] == ["$.args[1].await.args[0]", "$.args[1].await.args[1]"]
    assert mine[3] == "$.args[1]"


def test_engines_inside_one_another_give_the_innermost() -> None:
    inner = cs.Engine()

    @cs.task(mode="inline")
    def deep() -> object:
        return cs.current().engine is inner, place()

    @cs.task(mode="thread")
    def in_a_thread() -> object:
        before = place()
        found = cs.run(keep(deep(), 1), engine=inner)[0]
        assert place() == before
        return before, found

    @cs.task
    async def in_a_loop() -> object:
        before = place()
        async with inner:
            found = (await inner.run(keep(deep(), 1)))[0]
        assert place() == before
        return before, found

    for task in (in_a_thread, in_a_loop):
        before, (is_inner, found) = cs.run(task())
        assert is_inner
        assert found[0] != before[0]
        assert (before[3], found[3]) == ("$", "$.args[0]")


async def test_outside_of_a_task() -> None:
    with pytest.raises(cs.EngineStateError, match="must be called inside a task, got a call outside"):
        cs.current()
    async with cs.Engine() as engine:
        await engine.run(inline())
        with pytest.raises(cs.EngineStateError, match="outside"):
            cs.current()


def test_other_asyncio_tasks_of_the_loop_are_outside() -> None:
    async def beside() -> None:
        for _ in range(5):
            with pytest.raises(cs.EngineStateError, match="outside"):
                cs.current()
            await asyncio.sleep(0)

    async def main() -> None:
        async with cs.Engine(quantum=0) as engine:
            await asyncio.gather(beside(), engine.run(keep(suspends(), inline())))

    asyncio.run(main())


async def test_after_the_task_has_ended() -> None:
    released = asyncio.Event()
    left: list[asyncio.Task[object]] = []

    async def late() -> object:
        await released.wait()
        return cs.current()

    @cs.task
    async def work() -> None:
        await asyncio.sleep(0)
        left.append(asyncio.create_task(late()))

    async with cs.Engine() as engine:
        await engine.run(work())
        released.set()
        with pytest.raises(cs.EngineStateError, match="after the task had ended"):
            await left[0]


def test_a_predicate_is_part_of_its_node() -> None:
    seen: list[str] = []

    @cs.task(mode="inline")
    def fails() -> None:
        raise OSError

    def wants(error: BaseException) -> bool:
        seen.append(cs.current().path)
        return True

    cs.run(keep(cs.fallback(fails(), 3, on=wants)))
    assert set(seen) == {"$.args[0]"}


def test_it_says_what_it_is() -> None:
    @cs.task(mode="inline")
    def work() -> str:
        return repr(cs.current())

    text = cs.run(keep(work()))[0]
    assert text.startswith("<CurrentCall at $.args[0]: iteration 0 of run ")
    assert text.endswith(", attempt 1>")
