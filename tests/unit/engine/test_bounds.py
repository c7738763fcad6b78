"""Bounds of runs: max_iterations and deadline."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

import cascade as cs
from support.tasks import add, forever, give, keep


@cs.task(mode="inline", name="countdown")
def countdown(n: int) -> object:
    return countdown(n - 1) if n else "lift-off"


@cs.task(mode="inline", name="endless")
def endless(n: int = 0) -> object:
    return endless(n + 1)


def virtual(**options: object) -> cs.Engine:
    return cs.Engine(clock=cs.Clock.virtual(), **options)


# ------------------------------------------------------------------------------------------------------ max_iterations


@pytest.mark.parametrize("n", [0, 1, 25])
@pytest.mark.parametrize("quantum", [0, 0.001])
def test_a_run_makes_at_most_max_iterations_tail_calls(n: int, quantum: float) -> None:
    engine = cs.Engine(quantum=quantum)
    assert cs.run(countdown(n), engine=engine, max_iterations=n) == "lift-off"
    with pytest.raises(cs.RunLimitError) as caught:
        cs.run(countdown(n + 1), engine=engine, max_iterations=n)
    assert f"has reached max_iterations={n}: it was to continue with " in str(caught.value)
    assert str(caught.value).endswith(".countdown(...)")
    (note,) = caught.value.__notes__
    assert f"countdown at $, iteration {n} of run " in note


WAYS: dict[str, Callable[[cs.LazyResult, int], object]] = {
    "cs.run": lambda target, most: cs.run(target, max_iterations=most),
    "engine.run": lambda target, most: asyncio.run(cs.Engine().run(target, max_iterations=most)),
    "of the engine": lambda target, most: cs.run(target, engine=cs.Engine(max_iterations=most)),
    "of the run first": lambda target, most: cs.run(target, engine=cs.Engine(max_iterations=9), max_iterations=most),
}


@pytest.mark.parametrize("way", WAYS)
def test_each_way_to_run(way: str) -> None:
    with pytest.raises(cs.RunLimitError, match="max_iterations=3"):
        WAYS[way](endless(), 3)
    assert WAYS[way](countdown(3), 3) == "lift-off"


def test_members_of_a_population() -> None:
    async def main() -> tuple[list[str], list[str]]:
        async with cs.Engine(max_iterations=7) as engine:
            first = engine.start_many([countdown(2), endless(), countdown(3)], max_iterations=2)
            second = engine.start_many([countdown(7), endless()])
            await first
            await second
            assert all("max_iterations=2" in str(run._failure()) for run in first.failed)
            assert all("max_iterations=7" in str(run._failure()) for run in second.failed)
            return [run.state for run in first.runs], [run.state for run in second.runs]

    assert asyncio.run(main()) == (["done", "failed", "failed"], ["done", "failed"])


@pytest.mark.parametrize(
    "wrap",
    [
        lambda x: cs.outcome(x),
        lambda x: cs.recover(x, lambda error: "recovered"),
        lambda x: cs.fallback(x, 1),
        lambda x: cs.scope(x).with_retry(3),
        lambda x: keep(x, 1),
    ],
    ids=["outcome", "recover", "fallback", "scope", "call"],
)
def test_nothing_in_the_expression_catches_it(wrap: Callable[[cs.LazyResult], cs.LazyResult]) -> None:
    with pytest.raises(cs.RunLimitError):
        cs.run(wrap(endless()), max_iterations=10)


def test_an_async_task_cannot_catch_it_either() -> None:
    ended: list[str] = []

    @cs.task
    async def outer() -> object:
        try:
            return await endless()
        except Exception:
            ended.append("caught")
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise

    with pytest.raises(cs.RunLimitError):
        cs.run(outer(), max_iterations=10)
    assert ended == ["cancelled"]


def test_what_else_runs_is_cancelled_and_awaited() -> None:
    ended: list[str] = []

    @cs.task
    async def slow() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            ended.append("slow")

    @cs.task(mode="inline")
    def begin(_: object) -> object:
        return endless()

    with pytest.raises(cs.RunLimitError):
        cs.run(keep(slow(), begin(cs.wait(0))), max_iterations=10)
    assert ended == ["slow"]


async def test_the_engine_goes_on() -> None:
    async with cs.Engine() as engine:
        other = engine.start(countdown(1000))
        with pytest.raises(cs.RunLimitError):
            await engine.run(endless(), max_iterations=5)
        assert await other == "lift-off"
        assert other.iterations == 1000


# ------------------------------------------------------------------------------------------------------------ deadline


def test_a_deadline_is_on_the_engines_clock() -> None:
    engine = virtual()
    assert cs.run(keep(cs.wait(4)), engine=engine, deadline=5) == (4.0,)
    assert engine.clock.time() == 4, "a deadline that was kept holds up nothing"
    with pytest.raises(cs.RunDeadlineError) as caught:
        cs.run(keep(cs.wait(6)), engine=engine, deadline=5)
    assert engine.clock.time() == 9
    assert "has reached its deadline of 5 s after 0 iterations: waiting in wait for keep" in str(caught.value)
    assert isinstance(caught.value, TimeoutError)
    assert isinstance(caught.value, cs.RunLimitError)


def test_a_deadline_says_what_the_run_was_doing() -> None:
    @cs.task(mode="inline", name="poll")
    def poll(n: int, _: object) -> object:
        return poll(n + 1, cs.wait(1))

    with pytest.raises(cs.RunDeadlineError, match=r"5\.5 s after 5 iterations: waiting in wait for poll"):
        cs.run(poll(0, None).after(cs.wait(1)), engine=virtual(), deadline=5.5)


def test_long_durations_are_written_out() -> None:
    weeks = 10_000_000
    with pytest.raises(cs.RunDeadlineError, match="deadline of 10000000 s after"):
        cs.run(cs.wait(weeks + 1), engine=virtual(), deadline=weeks)

    @cs.task
    async def forever() -> None:
        await asyncio.Event().wait()

    with pytest.raises(cs.TaskTimeoutError, match="longer than 10000000 s, attempt 1"):
        cs.run(forever.with_timeout(weeks)(), engine=virtual())
    with pytest.raises(cs.TaskTimeoutError, match="longer than 10000000 s in total"):
        cs.run(forever.with_timeout(total=weeks)(), engine=virtual())
    retry = forever.with_retry(2, delay=weeks, max_delay=weeks, max_elapsed=weeks)
    shown = str(cs.dry_run(retry.with_timeout(weeks, total=weeks)()))
    assert shown.count("10000000 s") == 5 and "e+0" not in shown


def test_a_busy_loop_meets_its_deadline() -> None:
    with pytest.raises(cs.RunDeadlineError, match=r"iterations: ready to go on with .*endless"):
        cs.run(endless(), deadline=0.01)


def test_async_tasks_are_cancelled_and_awaited() -> None:
    ended: list[str] = []

    @cs.task
    async def slow() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(3)
            ended.append("slow")

    engine = virtual()
    with pytest.raises(cs.RunDeadlineError, match=r"running .*slow"):
        cs.run(cs.recover(slow(), lambda error: "recovered"), engine=engine, deadline=5)
    assert ended == ["slow"]
    assert engine.clock.time() == 8


def test_the_end_comes_first() -> None:
    """At one instant, what was set first happens first: the deadline."""
    with pytest.raises(cs.RunDeadlineError):
        cs.run(cs.wait(5), engine=virtual(), deadline=5)


def test_deadlines_of_a_population_begin_with_each_run() -> None:
    seen: list[int] = []

    @cs.task(mode="inline")
    def work(_: object) -> object:
        seen.append(1)
        return give(len(seen)) if len(seen) > 2 else cs.wait(100)

    async def main() -> object:
        async with engine:
            population = engine.start_many([work(cs.wait(1))], deadline=5, on_failure=cs.Restart(delay=10, backoff=1))
            counts = await population
            return counts.done, counts.restarts, population.runs[0].result()

    engine = virtual()
    with asyncio.Runner(loop_factory=engine.new_loop) as runner:
        assert runner.run(main()) == (1, 2, 3)
    assert engine.clock.time() == 5 + 10 + 5 + 10 + 1


async def test_a_run_that_ends_keeps_no_timer() -> None:
    engine = cs.Engine()
    await engine.run(add(1, 2), deadline=1000)
    assert len(engine.clock) == 0
    run = engine.start(forever(), deadline=1000)
    assert len(engine.clock) == 1
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    assert len(engine.clock) == 0


def test_both_bounds() -> None:
    with pytest.raises(cs.RunLimitError, match="max_iterations"):
        cs.run(endless(), max_iterations=3, deadline=1000)
    with pytest.raises(cs.RunDeadlineError):
        cs.run(cs.wait(9), max_iterations=3, deadline=1, engine=virtual())


# -------------------------------------------------------------------------------------------------------- wrong values


@pytest.mark.parametrize("wrong", [-1, 2.0, "3", True], ids=repr)
async def test_wrong_iterations(wrong: object) -> None:
    message = f"max_iterations must be None or an int >= 0, got {wrong!r}"
    with pytest.raises(ValueError, match=message):
        cs.Engine(max_iterations=wrong)
    with pytest.raises(ValueError, match=message):
        cs.Engine().start(give(1), max_iterations=wrong)
    with pytest.raises(ValueError, match=message):
        cs.Engine().start_many([give(1)], max_iterations=wrong)


@pytest.mark.parametrize("wrong", [-1, float("nan"), "3"], ids=repr)
async def test_wrong_deadlines(wrong: object) -> None:
    for start in (cs.Engine().start, lambda target, **rest: cs.Engine().start_many([target], **rest)):
        with pytest.raises((ValueError, TypeError), match="deadline must be"):
            start(give(1), deadline=wrong)
