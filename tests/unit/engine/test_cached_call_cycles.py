"""Cached calls that come back to themselves: a call that is needed for a result does not wait for it."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

import cascade as cs
from cascade.engine import cached_call

Make = Callable[[cs.Engine], Coroutine[Any, Any, Any]]


@pytest.fixture
def polls() -> list[object]:
    return []


def policy() -> cs.ResultCache:
    """Return a policy for which what the functions here count and hold is no difference."""
    return cs.ResultCache(store=cs.MemoryStore(), key=lambda *args, **names: (*args, *names.values()))


async def evaluate(target: Any, **options: Any) -> Any:
    async with cs.Engine(**options) as engine:
        return await asyncio.wait_for(engine.run(target), 60)


@pytest.mark.parametrize("cached", [False, True])
async def test_a_loop_with_an_end_ends(cached: bool, polls: list[object]) -> None:
    @cs.task(mode="inline")
    def status(job: int) -> Any:
        polls.append(job)
        return "done" if len(polls) == 3 else again(job, cs.wait(0.01))

    @cs.task(mode="inline")
    def again(job: int, _: object) -> Any:
        return wanted(job)

    wanted = status.with_cache(policy()) if cached else status
    assert await evaluate(wanted(7)) == "done"
    assert polls == [7, 7, 7]
    if cached:
        assert await evaluate(wanted(7)) == "done"  # it was kept
        assert polls == [7, 7, 7]


@pytest.mark.parametrize("mode", ["inline", "thread", "auto"])
async def test_through_several_cached_calls(mode: Any, polls: list[object]) -> None:
    cache = policy()

    @cs.task(mode=mode)
    def first(x: int) -> Any:
        polls.append(x)
        return "end" if len(polls) == 4 else cs.gather(second(x))

    @cs.task(mode=mode)
    def second(x: int) -> Any:
        return third(x)

    @cs.task(mode=mode)
    def third(x: int) -> Any:
        return begin(x)

    begin, second, third = first.with_cache(cache), second.with_cache(cache), third.with_cache(cache)
    assert await evaluate(begin(1)) == ((("end",),),)


async def test_in_the_items_of_a_map(polls: list[object]) -> None:
    @cs.task(mode="inline")
    def f(x: int) -> Any:
        polls.append(x)
        return x if len(polls) > 5 else total(wanted.map(x=[1, 2, 3]))

    @cs.task(mode="inline")
    def total(numbers: list[int]) -> int:
        return sum(numbers)

    wanted = f.with_cache(policy())
    assert type(await evaluate(wanted(1))) is int


async def test_a_scope_that_is_needed_for_itself(polls: list[object]) -> None:
    @cs.task(mode="inline")
    def f(x: int) -> Any:
        polls.append(x)
        return "end" if len(polls) == 3 else scope()

    def scope() -> Any:
        return cs.scope(f(1)).with_cache(cache)

    cache = policy()
    assert await evaluate(scope()) == "end"


async def test_an_async_task_that_awaits_its_own_call(polls: list[object]) -> None:
    @cs.task
    async def f(x: int) -> Any:
        polls.append(x)
        return "end" if len(polls) == 3 else await g(x)

    @cs.task
    async def g(x: int) -> Any:
        return (await cs.gather(wanted(x), other(x)))[0]

    @cs.task
    async def other(x: int) -> int:
        await asyncio.sleep(0)
        return x

    wanted = f.with_cache(policy())
    assert await evaluate(wanted(1)) == "end"


async def run_it(engine: cs.Engine, target: Any) -> Any:
    return await engine.run(target)


async def start_it(engine: cs.Engine, target: Any) -> Any:
    run = engine.start(target)
    for _ in range(20):
        await asyncio.sleep(0)  # the call in the run waits by now
    return await run


async def make_a_task_of_it(engine: cs.Engine, target: Any) -> Any:
    return (await asyncio.gather(asyncio.create_task(engine.run(target))))[0]


async def take_it_as_completed(engine: cs.Engine, target: Any) -> Any:
    runs = [run async for run in engine.as_completed([engine.start(target)])]
    return runs[0].result()


async def have_it_in_a_population(engine: cs.Engine, target: Any) -> Any:
    values: list[Any] = []
    await engine.start_many([keep(values, target)])
    return values[0]


async def submit_it(engine: cs.Engine, target: Any) -> Any:
    return await asyncio.to_thread(lambda: engine.submit(target).result())


@cs.task(mode="inline")
def keep(values: Any, value: Any) -> None:
    values.append(value)


WAYS = [run_it, start_it, make_a_task_of_it, take_it_as_completed, have_it_in_a_population, submit_it]


@pytest.mark.parametrize("way", WAYS)
async def test_through_another_run(way: Any, polls: list[object]) -> None:
    @cs.task
    async def f(x: int) -> Any:
        polls.append(x)
        return "end" if len(polls) == 3 else await way(cs.current().engine, g(x))

    @cs.task
    async def g(x: int) -> Any:
        return wanted(x)

    wanted = f.with_cache(policy())
    assert await evaluate(wanted(1)) == "end"
    assert len(polls) == 3


async def test_two_runs_that_need_each_other(polls: list[object]) -> None:
    cache = policy()
    both = asyncio.Event()

    @cs.task
    async def f(x: int) -> Any:
        polls.append("f")
        if len(polls) == 2:
            both.set()
        await both.wait()
        return "end" if len(polls) >= 6 else await other(x)

    @cs.task
    async def g(x: int) -> Any:
        polls.append("g")
        if len(polls) == 2:
            both.set()
        await both.wait()
        return "end" if len(polls) >= 6 else one(x)

    one, other = f.with_cache(cache), g.with_cache(cache)
    async with cs.Engine() as engine:
        runs = [engine.start(target) for target in (one(1), other(1), other(1), one(1))]
        assert await asyncio.gather(*runs) == ["end"] * 4


async def test_equal_calls_that_do_not_need_each_other_still_run_once(polls: list[object]) -> None:
    @cs.task(mode="inline")
    def fib(n: int) -> Any:
        polls.append(n)
        return n if n < 2 else add(wanted(n - 1), wanted(n - 2))

    @cs.task
    async def add(a: int, b: int) -> int:
        await asyncio.sleep(0)
        return a + b

    wanted = fib.with_cache(policy())
    assert await evaluate([wanted(30), wanted(29), wanted(30)]) == [832040, 514229, 832040]
    assert len(polls) == 31


async def test_a_leader_that_fails_hands_over_to_a_call_whose_place_is_known(polls: list[object]) -> None:
    gate = asyncio.Event()

    @cs.task
    async def f(x: int) -> Any:
        polls.append(x)
        if len(polls) == 1:
            await gate.wait()
            raise ValueError
        return "end" if len(polls) == 4 else await g(x)

    @cs.task
    async def g(x: int) -> Any:
        return wanted(x)

    wanted = f.with_cache(policy())
    async with cs.Engine() as engine:
        first, second = engine.start(wanted(1)), engine.start(wanted(1))
        while not polls:
            await asyncio.sleep(0)
        gate.set()
        assert isinstance((await asyncio.gather(first, second, return_exceptions=True))[0], ValueError)
        assert second.result() == "end"


async def test_it_is_told_of_once(caplog: pytest.LogCaptureFixture) -> None:
    cached_call._cycles.clear()
    n = 0

    @cs.task(mode="inline")
    def status(job: int) -> Any:
        nonlocal n
        n += 1
        return n if n % 5 == 0 else wanted(job)

    wanted = status.with_cache(policy())
    with caplog.at_level(logging.WARNING, "cascade"):
        await evaluate([wanted(1), wanted(2)])
    assert [record.message for record in caplog.records if "equal call of itself" in record.message] == [
        f"result cache: task {__name__}.{status.name} needs the result of an equal call of itself; the inner call runs "
        "without the cache, and goes on for ever if nothing but its arguments decides when it ends"
    ]


async def test_a_long_loop_takes_no_memory() -> None:
    n = 0

    @cs.task(mode="inline")
    def status(job: int) -> Any:
        nonlocal n
        n += 1
        return n if n == 3000 else wanted(job)

    wanted = status.with_cache(policy())
    async with cs.Engine() as engine:
        run = engine.start(wanted(1))
        assert await run == 3000
        assert run.iterations == 2998  # tail calls
        assert len(engine._driver.services.single_flight) == 0


@pytest.mark.parametrize("seed", range(40))
async def test_whatever_needs_whatever_nothing_waits_for_ever(seed: int) -> None:
    chance = random.Random(seed)
    store = cs.MemoryStore()
    calls = 0
    tasks: list[Any] = []

    def needs(own: random.Random) -> list[Any]:
        nonlocal calls
        calls += 1
        if calls > 60:
            return []
        return [tasks[own.randrange(len(tasks))](own.randrange(2)) for _ in range(own.choice([0, 1, 1, 2]))]

    def make(kind: str, number: int) -> cs.Task[[int], Any]:
        own = random.Random(seed * 100 + number)

        @cs.task(mode="inline")
        def returns(x: int) -> Any:
            found = needs(own)
            return cs.gather(*found) if found else x

        @cs.task
        async def awaits(x: int) -> Any:
            found = needs(own)
            await asyncio.sleep(0)
            return (await cs.gather(*found)) if found else x

        @cs.task
        async def runs(x: int) -> Any:
            engine = cs.current().engine
            started = [engine.start(each) for each in needs(own)]
            await asyncio.sleep(0)
            return [await each for each in started] if started else x

        kept = cs.ResultCache(key=lambda x: x, store=store, version=number)
        return {"returns": returns, "awaits": awaits, "runs": runs}[kind].with_cache(kept)

    tasks += [make(chance.choice(["returns", "awaits", "runs"]), number) for number in range(5)]
    async with cs.Engine() as engine:
        targets = [engine.start(chance.choice(tasks)(0)) for _ in range(3)]
        await asyncio.wait_for(asyncio.gather(*targets), 60)
        flights = engine._driver.services.single_flight
        assert len(flights) == 0 and not flights._marked and not flights._waiting and not flights._backward
