"""Maps: inputs side by side, items in order, policies for each, one template for all, bounded in flight."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Iterator

import pytest

import cascade as cs
from support.notes import Notes
from support.observation import settle
from support.tasks import give, take


@pytest.fixture
def log() -> Notes:
    return Notes()


@cs.task(mode="inline")
def pair(x: object, y: object = None) -> object:
    return x, y


@pytest.mark.parametrize("empty", [[], (), range(0), give([])], ids=lambda value: type(value).__name__)
async def test_empty(cold: cs.Engine, empty: object) -> None:
    assert await cold.run(take(pair.map(x=empty))) == (([],), {})


async def test_inputs_are_evaluated_once_each(log: Notes, cold: cs.Engine) -> None:
    const = log.note("const")
    lazies = [log.note("a"), log.note("b")]
    assert await cold.run(pair.map(x=lazies, y=cs.const(const))) == [("a", "const"), ("b", "const")]
    assert log == ["a", "b", "const"]


async def test_a_const_that_is_a_series_is_given_whole(cold: cs.Engine) -> None:
    series = [1, 2]
    (one, two) = await cold.run(pair.map(x=[0, 0], y=cs.const(series)))
    assert one[1] is series
    assert two[1] is series
    assert await cold.run(pair.map(x=[0], y=cs.const([give(1)]))) == [(0, [1])]


async def test_the_order_of_items_is_kept_whoever_ends_first() -> None:
    gates = [asyncio.Event() for _ in range(5)]

    @cs.task
    async def held(x: int) -> int:
        await gates[x].wait()
        return x

    run = cs.Engine().start(held.map(x=range(5)))
    for gate in reversed(gates):
        await settle(3)
        gate.set()
    assert await run == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("bound", [1, 2, 7])
async def test_no_more_than_so_many_at_once_and_as_many_as_may_be(bound: int) -> None:
    now, most, begun = 0, 0, []

    @cs.task
    async def held(x: int) -> int:
        nonlocal now, most
        begun.append(x)
        now += 1
        most = max(most, now)
        await settle(1 + x % 3)
        now -= 1
        return x

    assert await cs.Engine().run(held.map(x=range(20), concurrency=bound)) == list(range(20))
    assert most == bound
    assert begun == list(range(20))


async def test_a_bound_is_also_one_of_items_whose_expressions_are_under_way() -> None:
    now, most = 0, 0

    @cs.task
    async def inside(x: int) -> int:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await settle(2)
        now -= 1
        return x

    @cs.task(mode="inline")
    def item(x: int) -> object:
        return inside(x)

    assert await cs.Engine().run(item.map(x=range(10), concurrency=3)) == list(range(10))
    assert most == 3


async def test_items_are_taken_as_they_start(cold: cs.Engine) -> None:
    taken: list[int] = []
    seen: list[int] = []

    def series() -> Iterator[int]:
        for n in range(1_000):
            taken.append(n)
            yield n

    @cs.task(mode="inline")
    def look(x: int) -> None:
        seen.append(len(taken) - x)

    await cold.run(look.map(x=series(), concurrency=1))
    assert max(seen) <= 2


async def test_one_template_for_all_items(log: Notes) -> None:
    engine = cs.Engine(templates=cs.Templates())

    def define(k: int) -> cs.Task:
        @cs.task(mode="inline", name="item")
        def item(x: int) -> int:
            return x + k

        return item

    assert await engine.run(define(1).map(x=range(100))) == list(range(1, 101))
    builds = engine.templates.stats.builds
    assert builds == 2  # the map, and an item
    assert await engine.run(define(5).map(x=range(50))) == list(range(5, 55))  # the closure is that of this map
    assert engine.templates.stats.builds == builds


async def test_maps_in_maps_and_recursion_in_items(cold: cs.Engine) -> None:
    @cs.task(mode="inline")
    def tree(n: int) -> object:
        return tree.map(n=[n - 1] * 2) if n else "leaf"

    expected: object = "leaf"
    for _ in range(5):
        expected = [expected, expected]
    assert await cold.run(tree(5)) == expected


async def test_skipped_items_have_their_place(cold: cs.Engine) -> None:
    @cs.task(mode="inline")
    def even(x: int) -> object:
        return give(x).run_if(x % 2 == 0)

    assert await cold.run(take(even.map(x=range(4)))) == (([0, cs.SKIPPED, 2, cs.SKIPPED],), {})


@pytest.mark.parametrize("bound", [None, 1, 3])
async def test_a_failing_item_ends_all_and_no_other_starts(bound: int | None) -> None:
    begun, ended = [], []

    @cs.task
    async def item(x: int) -> None:
        begun.append(x)
        try:
            await settle(1)
            if x == 2:
                raise KeyError(x)
            await asyncio.Event().wait()
        finally:
            ended.append(x)

    async def run() -> None:
        await asyncio.wait_for(cs.Engine().run(item.map(x=range(10), concurrency=bound)), 60)

    if bound == 1:
        task = asyncio.ensure_future(run())
        await settle(20)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert begun == [0]
    else:
        with pytest.raises(KeyError):
            await run()
    assert sorted(begun) == sorted(ended)


async def test_policies_of_the_task_are_those_of_each_item_and_of_the_result_those_of_the_whole() -> None:
    engine = cs.Engine(quantum=3600)
    tries: list[int] = []

    @cs.task(mode="inline")
    def flaky(x: int) -> int:
        tries.append(x)
        if tries.count(x) < 3:
            raise OSError(x)
        return x

    assert await engine.run(flaky.with_retry().map(x=[1, 2])) == [1, 2]
    assert tries == [1, 2, 1, 2, 1, 2]
    tries.clear()
    assert await engine.run(flaky.map(x=[1, 2]).with_retry(max_attempts=5)) == [1, 2]
    assert tries == [1, 1, 1, 2, 1, 2, 1, 2]  # the first failure ends an attempt, and the next begins anew


async def test_nothing_is_left_of_a_map_that_has_ended() -> None:
    class Item:
        pass

    items = [Item() for _ in range(10)]
    refs = [weakref.ref(item) for item in items]

    @cs.task(mode="inline")
    def drop(x: object) -> None: ...

    engine = cs.Engine()
    await engine.run(drop.map(x=items))
    items.clear()
    gc.collect()
    assert not any(ref() for ref in refs)
