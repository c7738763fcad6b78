"""`await f(x)` inside an async task: a part of its run."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Callable

import pytest

import cascade as cs
from cascade.events import NodeCaught, NodeEvent, NodeFailed, NodeStarted
from support.tasks import add, forever, give, keep

DEPTH = 2_000


@cs.task
async def later(value: object) -> object:
    await asyncio.sleep(0)
    return value


@cs.task(mode="inline")
def inverse(x: int) -> float:
    return 1 / x


@cs.task(mode="inline")
def countdown(n: int) -> object:
    return countdown(n - 1) if n else "lift-off"


async def value_of(expression: cs.LazyResult) -> object:
    return await expression


def virtual() -> cs.Engine:
    return cs.Engine(clock=cs.Clock.virtual())


# ------------------------------------------------------------------------------------------------------------- values

EXPRESSIONS: dict[str, tuple[Callable[[], cs.LazyResult], object]] = {
    "call": (lambda: add(1, add(2, 3)), 6),
    "async": (lambda: later(7), 7),
    "thread": (lambda: cs.task(mode="thread")(lambda: 8)(), 8),
    "gather": (lambda: cs.gather(add(1, 2), later(3)), (3, 3)),
    "map": (lambda: add.map(a=range(3), b=cs.const(1)), [1, 2, 3]),
    "router": (lambda: cs.Router(give("b"), {"a": inverse(0), "b": give(2)}), 2),
    "condition": (lambda: inverse(0).run_if(False, otherwise=later(4)), 4),
    "scope": (lambda: cs.scope(add(later(1), 2)), 3),
    "recover": (lambda: cs.recover(inverse(0), lambda error: type(error).__name__), "ZeroDivisionError"),
    "race": (lambda: cs.race(forever(), give(5)), 5),
    "policies": (lambda: later(3).with_retry(2).with_timeout(9), 3),
    "tail calls": (lambda: countdown(100), "lift-off"),
    "lazy value": (lambda: give(give(give(3))), 3),
    "None": (lambda: give(None), None),
}


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_any_expression_can_be_awaited(name: str) -> None:
    make, expected = EXPRESSIONS[name]

    @cs.task
    async def outer() -> object:
        return await make(), await make()

    assert cs.run(keep(outer(), 1)) == ((expected, expected), 1)


def test_waits_and_messages_can_be_awaited() -> None:
    channel = cs.Channel()

    @cs.task
    async def outer() -> object:
        waited = await cs.wait(3)
        channel.send("hello")
        received = await channel.recv(timeout=5)
        return waited, received.message, (await channel.recv(timeout=5)).timed_out

    assert cs.run(outer(), engine=virtual()) == (3.0, "hello", True)


def test_it_is_evaluated_each_time_that_it_is_awaited() -> None:
    made = []

    @cs.task(mode="inline")
    def make() -> int:
        made.append(1)
        return len(made)

    @cs.task
    async def outer() -> object:
        expression = make()
        return await expression, await expression

    assert cs.run(outer()) == (1, 2)


def test_a_skipped_expression_raises() -> None:
    @cs.task
    async def outer() -> str:
        try:
            await give(1).run_if(False)
        except cs.TaskSkippedError as error:
            return str(error)
        return "not skipped"

    assert "give at $" in cs.run(outer())


def test_a_sync_task_that_returns_a_coroutine_is_an_async_task() -> None:
    async def work() -> object:
        return await add(1, later(2))

    assert cs.run(cs.task(mode="inline")(lambda: work())()) == 3
    assert cs.run(cs.task(mode="thread")(lambda: work())()) == 3


def test_an_async_handler_of_failures_can_await() -> None:
    async def handle(error: BaseException) -> object:
        return await add(1, 2)

    assert cs.run(cs.recover(inverse(0), handle)) == 3


def test_recursion_is_limited_by_memory_alone() -> None:
    @cs.task
    async def total(n: int) -> int:
        return n + await total(n - 1) if n else 0

    assert cs.run(total(DEPTH)) == DEPTH * (DEPTH + 1) // 2


# --------------------------------------------------------------------------------------------------- several at once


def test_several_at_once() -> None:
    @cs.task
    async def outer() -> object:
        first = await asyncio.gather(add(1, later(2)), later(4), give(5))
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(value_of(later(n))) for n in range(3)]
        done = [await each for each in asyncio.as_completed([value_of(later(1)), value_of(later(1))])]
        return first, [task.result() for task in tasks], done

    assert cs.run(outer()) == ([3, 4, 5], [0, 1, 2], [1, 1])


def test_they_run_at_the_same_time() -> None:
    @cs.task
    async def outer() -> object:
        return await asyncio.gather(*(cs.wait(n) for n in range(1, 4)))

    engine = virtual()
    assert cs.run(outer(), engine=engine) == [1.0, 2.0, 3.0]
    assert engine.clock.time() == 3


def test_a_failure_in_a_task_group_stops_the_others() -> None:
    ended: list[str] = []

    @cs.task
    async def slow() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            ended.append("slow")

    @cs.task
    async def outer() -> object:
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(value_of(keep(slow())))
                group.create_task(value_of(add(1, inverse(0))))
        except* ZeroDivisionError:
            ended.append("group")
        return "went on"

    assert cs.run(outer()) == "went on"
    assert ended == ["slow", "group"]


# ----------------------------------------------------------------------------------------- a part of the task's run


def test_resources_and_params_are_those_of_the_run() -> None:
    opened = []

    @cs.resource(scope="run")
    async def connection() -> object:
        opened.append("open")
        yield len(opened)
        opened.append("closed")

    @cs.task(mode="inline")
    def query(connection: object = cs.Inject("connection")) -> object:
        return connection

    @cs.task
    async def outer(given: object) -> object:
        mine = await query()
        assert opened == ["open"]
        return given, mine, await keep(n)

    n = cs.Param("n", type=int)
    engine = cs.Engine()
    engine.register(connection)
    assert cs.run(outer(query()).after(n), engine=engine, params={"n": "3"}) == (1, 1, (3,))
    assert opened == ["open", "closed"]


def test_context_variables_are_those_of_the_run() -> None:
    @cs.task
    async def outer() -> object:
        runs = engine.runs
        value = await keep(later(1))
        return len(runs), engine.runs == runs, value

    engine = cs.Engine()
    assert cs.run(outer(), engine=engine) == (1, True, (1,))


def test_a_failure_is_an_exception_of_the_awaiting_task() -> None:
    @cs.task
    async def outer() -> object:
        try:
            await add(1, inverse(0))
        except ZeroDivisionError as error:
            return error

    error = cs.run(keep(1, outer()))[1]
    assert type(error) is ZeroDivisionError
    (note,) = error.__notes__
    where = f"task {__name__}.inverse at $.args[1].await.args[1], awaited by task {outer.module}.{outer.name}"
    assert note.startswith(f"{where}, iteration 0 of run ")


def test_a_failure_that_is_not_caught_names_both() -> None:
    @cs.task(name="outer")
    async def outer() -> object:
        return await add(1, inverse(0))

    with pytest.raises(ZeroDivisionError) as caught:
        cs.run(keep(1, outer()))
    inner, outer_note = caught.value.__notes__
    assert "inverse at $.args[1].await.args[1]" in inner
    assert "outer at $.args[1], iteration 0" in outer_note


def test_a_deep_failure_keeps_few_notes() -> None:
    @cs.task
    async def fall(n: int) -> object:
        return 1 / n if n <= 0 else await fall(n - 1)

    with pytest.raises(ZeroDivisionError) as caught:
        cs.run(fall(100))
    assert len(caught.value.__notes__) == 8
    note = caught.value.__notes__[0]
    assert "$.await.await.await.await.await.await.await.await … 84 callers … .await" in note
    assert f"awaited by task {fall.module}.{fall.name} (8 times), … 84 more …, awaited by task " in note


def test_events_have_the_place_of_the_awaiting_task() -> None:
    @cs.task(name="outer")
    async def outer() -> object:
        try:
            await add(inverse(2), inverse(0))
        except ZeroDivisionError:
            return await keep(give(3).with_retry(2))

    engine, seen = cs.Engine(), list[tuple[str, str]]()
    engine.events.subscribe(NodeEvent, lambda event: seen.append((type(event).__name__, event.path)))
    cs.run(keep(outer()), engine=engine)
    assert seen == [
        ("NodeStarted", "$.args[0]"),
        ("NodeStarted", "$.args[0].await.args[0]"),
        ("NodeFinished", "$.args[0].await.args[0]"),
        ("NodeStarted", "$.args[0].await.args[1]"),
        ("NodeCaught", "$.args[0].await.args[1]"),
        ("NodeStarted", "$.args[0].await.args[0]"),
        ("NodeFinished", "$.args[0].await.args[0]"),
        ("NodeStarted", "$.args[0].await"),
        ("NodeFinished", "$.args[0].await"),
        ("NodeFinished", "$.args[0]"),
        ("NodeStarted", "$"),
        ("NodeFinished", "$"),
    ]


def test_the_note_of_a_failure_names_the_task_that_does_not_catch_it() -> None:
    @cs.task(name="outer")
    async def outer() -> object:
        return await inverse(0)

    engine, seen = cs.Engine(), list[object]()
    engine.events.subscribe(NodeFailed, lambda event: seen.append(event.path))
    engine.events.subscribe(NodeCaught, lambda event: seen.append((event.path,)))
    with pytest.raises(ZeroDivisionError):
        cs.run(outer(), engine=engine)
    assert seen == [("$.await",), "$"]


def test_several_failures_are_a_group() -> None:
    @cs.task
    async def fails_in_cleanup() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            raise KeyError("cleanup")

    @cs.task
    async def outer() -> object:
        try:
            await keep(fails_in_cleanup(), cs.task(mode="inline")(lambda _: 1 / 0)(later(1)))
        except ExceptionGroup as group:
            return sorted(type(error).__name__ for error in group.exceptions)

    assert cs.run(outer()) == ["KeyError", "ZeroDivisionError"]


def test_retries_and_timeouts_of_the_awaiting_task() -> None:
    made: list[object] = []

    @cs.task
    async def outer() -> object:
        made.append(await later(len(made)))
        if len(made) == 1:
            raise OSError
        if len(made) == 2:
            await keep(forever())
        return made

    engine = virtual()
    target = outer().with_timeout(5).with_retry(max_attempts=3)
    assert cs.run(target, engine=engine) == [0, 1, 2]
    assert engine.clock.time() == 5


def test_what_is_awaited_may_be_cached() -> None:
    made = []

    @cs.cached
    def slow(x: int) -> int:
        made.append(x)
        return x

    @cs.task
    async def outer() -> object:
        return await asyncio.gather(*(slow(1) for _ in range(3)))

    assert cs.run(outer()) == [1, 1, 1]
    assert made == [1]


# ------------------------------------------------------------------------------------------------------- cancellation


@pytest.mark.parametrize("how", ["timeout", "wait_for"])
def test_a_deadline_stops_what_is_awaited_and_awaits_its_end(how: str) -> None:
    ended: list[str] = []

    @cs.task
    async def slow() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(3)
            ended.append("slow")

    @cs.task
    async def outer() -> object:
        try:
            if how == "timeout":
                async with asyncio.timeout(2):
                    await keep(slow())
            else:
                await asyncio.wait_for(keep(slow()), 2)
        except TimeoutError:
            return list(ended), await give("went on")

    engine = virtual()
    assert cs.run(outer(), engine=engine) == (["slow"], "went on")
    assert engine.clock.time() == 5


async def test_cancelling_the_run_cancels_what_is_awaited() -> None:
    ended: list[str] = []
    begun = asyncio.Event()

    @cs.task
    async def slow() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            ended.append("slow")

    @cs.task
    async def outer() -> object:
        try:
            return await asyncio.gather(keep(slow()), cs.wait(1000))
        finally:
            ended.append("outer")

    async with cs.Engine() as engine:
        run = engine.start(outer())
        await begun.wait()
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run
        assert sorted(ended) == ["outer", "slow"]
        assert run.state == "cancelled"


async def test_a_failure_elsewhere_cancels_what_is_awaited() -> None:
    ended: list[str] = []

    @cs.task
    async def slow() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("slow")

    @cs.task
    async def outer() -> object:
        return await keep(slow())

    @cs.task(mode="inline")
    def fails(_: object) -> None:
        raise OSError

    with pytest.raises(OSError):
        await cs.Engine().run([outer(), fails(later(later(later(1))))])
    assert ended == ["slow"]


async def test_a_race_stops_what_its_losers_await() -> None:
    ended: list[str] = []

    @cs.task
    async def slow() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("slow")

    @cs.task
    async def outer() -> object:
        try:
            return await keep(slow())
        finally:
            ended.append("outer")

    assert await cs.Engine().run(keep(cs.race(outer(), later(later(later(later(3))))))) == (3,)
    assert sorted(ended) == ["outer", "slow"]


async def test_in_its_cleanup_a_task_cannot_await_a_part_of_its_run() -> None:
    errors: list[BaseException] = []
    begun = asyncio.Event()

    @cs.task
    async def outer() -> object:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            try:
                await give(1)
            except cs.EngineStateError as error:
                errors.append(error)
            assert await engine.run(give(2)) == 2

    async with cs.Engine() as engine:
        run = engine.start(outer())
        await begun.wait()
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run
    assert "is being cancelled" in str(errors[0])
    assert "await engine.run(...)" in str(errors[0])


async def test_a_loser_of_a_race_cannot_await_in_its_cleanup() -> None:
    errors: list[BaseException] = []

    @cs.task
    async def loses() -> object:
        try:
            await asyncio.Event().wait()
        finally:
            with pytest.raises(cs.EngineStateError, match="is being cancelled") as caught:
                await give(1)
            errors.append(caught.value)

    assert await cs.Engine().run(cs.race(loses(), later(later(3)))) == 3
    assert errors


# ----------------------------------------------------------------------------------- what a task has left behind


def test_what_a_task_has_left_behind_ends_before_its_value_is_used() -> None:
    seen: list[str] = []
    left: list[asyncio.Task[object]] = []

    @cs.task
    async def slow(name: str) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            seen.append(f"{name} ended")

    @cs.task
    async def outer() -> str:
        left.extend(asyncio.create_task(value_of(keep(slow(name)))) for name in "ab")
        await asyncio.sleep(0)
        await later(1)
        return "value"

    @cs.task(mode="inline")
    def uses(value: str) -> object:
        seen.append(f"uses {value}")
        return countdown(3)

    async def main() -> object:
        async with cs.Engine() as engine:
            value = await engine.run(uses(outer()))
            await asyncio.wait(left)
            return value

    assert asyncio.run(main()) == "lift-off"
    assert seen == ["a ended", "b ended", "uses value"]
    assert all(task.cancelled() for task in left)


def test_a_failing_task_also_awaits_what_it_has_left_behind() -> None:
    seen: list[str] = []
    left: list[asyncio.Task[object]] = []

    @cs.task
    async def slow() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            seen.append("slow ended")

    @cs.task
    async def outer() -> str:
        left.append(asyncio.create_task(value_of(keep(slow()))))
        await later(1)
        raise OSError

    def handle(error: BaseException) -> str:
        seen.append("handled")
        return "instead"

    assert cs.run(keep(cs.recover(outer(), handle))) == ("instead",)
    assert seen == ["slow ended", "handled"]
    seen.clear()
    with pytest.raises(OSError):
        cs.run(outer())
    assert seen == ["slow ended"]


async def test_a_request_that_comes_too_late_is_cancelled() -> None:
    left: list[asyncio.Task[object]] = []

    @cs.task
    async def outer() -> str:
        left.append(asyncio.create_task(value_of(forever())))
        await asyncio.sleep(0)  # the other asked in this turn of the event loop
        return "value"

    assert await cs.Engine().run(outer()) == "value"
    await asyncio.wait(left)
    assert left[0].cancelled()


async def test_after_the_task_has_ended_nothing_can_be_awaited_in_its_name() -> None:
    left: list[asyncio.Task[object]] = []
    released = asyncio.Event()

    async def late() -> object:
        await released.wait()
        return await give(1)

    @cs.task
    async def outer() -> str:
        left.append(asyncio.create_task(late()))
        await asyncio.sleep(0)
        return "value"

    engine = cs.Engine()
    assert await engine.run(keep(outer(), 1)) == ("value", 1)
    released.set()
    with pytest.raises(cs.EngineStateError, match="has ended"):
        await left[0]


# ---------------------------------------------------------------------------------------------------- outside of a task


async def test_outside_of_a_task_the_error_names_what_to_write() -> None:
    with pytest.raises(cs.EngineStateError, match=r"give.* was awaited outside: write `await cs\.arun\("):
        await give(1)
    async with cs.Engine() as engine:
        await engine.run(give(1))
        with pytest.raises(cs.EngineStateError, match="outside"):
            await give(1)


def test_a_task_that_an_inline_task_makes_is_outside() -> None:
    made: list[asyncio.Task[object]] = []

    @cs.task(mode="inline")
    def outer(_: object) -> None:
        made.append(asyncio.get_running_loop().create_task(value_of(give(1))))

    async def main() -> None:
        await cs.Engine().run(outer(later(1)))
        with pytest.raises(cs.EngineStateError, match="outside"):
            await made[0]

    asyncio.run(main())


def test_in_a_worker_thread() -> None:
    @cs.task(mode="thread")
    def worker() -> object:
        return asyncio.run(value_of(give(1)))

    with pytest.raises(cs.EngineStateError, match="another one, perhaps in a worker thread: return the lazy result"):
        cs.run(worker())


def test_in_a_thread_without_an_event_loop() -> None:
    @cs.task
    async def outer() -> object:
        return await asyncio.to_thread(lambda: next(give(1).__await__()))

    with pytest.raises(cs.EngineStateError, match="another one, perhaps in a worker thread"):
        cs.run(outer())


def test_in_a_thread_that_an_async_task_uses() -> None:
    @cs.task
    async def outer() -> object:
        return await asyncio.to_thread(asyncio.run, value_of(give(1)))

    with pytest.raises(cs.EngineStateError, match="another one, perhaps in a worker thread"):
        cs.run(outer())


def test_a_run_inside_a_task_is_a_run_of_its_own() -> None:
    seen: list[object] = []

    @cs.task
    async def inner() -> object:
        seen.append([run.id for run in other.runs])
        return await keep(later(1))

    @cs.task(mode="inline")
    def makes_a_task() -> object:
        return asyncio.get_running_loop().create_task(value_of(give(1)))

    @cs.task
    async def outer() -> object:
        async with other:
            value = await other.run(inner())
            stray = await other.run(cs.gather(makes_a_task()))
            with pytest.raises(cs.EngineStateError, match="outside"):
                await stray[0]
        return value, await keep(later(2))

    other = cs.Engine()
    assert cs.run(outer()) == ((1,), (2,))
    assert len(seen[0]) == 1


# ------------------------------------------------------------------------------------------------------- what is left


def test_nothing_is_left_of_what_was_awaited() -> None:
    class Token:
        pass

    watches = []

    @cs.task
    async def outer() -> None:
        for _ in range(10):
            token = Token()
            watches.append(weakref.ref(token))
            assert await keep(token) == (token,)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(keep(forever(token)), 1)
            del token
            gc.collect()
            assert watches[-1]() is None

    cs.run(outer(), engine=virtual())
    assert len(watches) == 10


def test_a_cancelled_run_leaves_nothing() -> None:
    class Token:
        pass

    watches = []

    @cs.task
    async def outer(token: Token) -> object:
        return await keep(forever(token))

    async def main() -> None:
        async with cs.Engine() as engine:
            token = Token()
            watches.append(weakref.ref(token))
            run = engine.start(outer(token))
            del token
            while "forever" not in run.doing:
                await asyncio.sleep(0)
            run.cancel()
            await asyncio.wait([asyncio.ensure_future(value_of_run(run))])
            del run
            await asyncio.sleep(0)
            gc.collect()
            assert watches[0]() is None

    async def value_of_run(run: cs.Run) -> None:
        with pytest.raises(asyncio.CancelledError):
            await run

    asyncio.run(main())


def test_a_deadlock_is_an_error() -> None:
    channel = cs.Channel(name="letters")

    @cs.task(name="outer")
    async def outer() -> object:
        return await keep(channel.recv())

    with pytest.raises(cs.DeadlockError, match="letters"):
        cs.run(outer(), engine=virtual())


async def test_a_dropped_engine_is_freed_with_what_is_awaited(caplog: pytest.LogCaptureFixture) -> None:
    class Token:
        pass

    @cs.task
    async def outer(token: Token) -> object:
        return await keep(cs.Channel().recv(), token)

    token = Token()
    watch = weakref.ref(token)
    engine = cs.Engine()
    run = engine.start(outer(token))
    while "waiting" not in run.doing:
        await asyncio.sleep(0)
    asyncio.get_running_loop().set_exception_handler(lambda *_: None)
    del engine, run, token
    await asyncio.sleep(0)
    gc.collect()
    await asyncio.sleep(0)
    gc.collect()
    assert watch() is None


def test_node_events_are_not_needed() -> None:
    """A subscriber that comes while something is awaited sees the rest."""
    seen: list[str] = []

    @cs.task
    async def outer() -> object:
        await later(1)
        engine.events.subscribe(NodeStarted, lambda event: seen.append(event.path))
        return await keep(later(2))

    engine = cs.Engine()
    cs.run(outer(), engine=engine)
    assert seen == ["$.await.args[0]", "$.await"]
