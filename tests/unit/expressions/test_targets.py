"""What can be run: lazy results, containers of them at any depth, and values, which are their own values."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import cascade as cs
from cascade.events import NodeEvent, RunStarted
from support.tasks import give, leaf
from support.values import Card, Pair, Point


class Holder(dict):
    """A dict of a kind of its own."""


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ([[leaf(1)], 2], [[1], 2]),
        ({"a": leaf(1), "b": 3}, {"a": 1, "b": 3}),
        ((leaf(1), "x", None), (1, "x", None)),
        ({leaf(1), 2}, {1, 2}),
        (frozenset({leaf(1)}), frozenset({1})),
        ({"a": [{"b": (leaf(1), [leaf(2)])}]}, {"a": [{"b": (1, [2])}]}),
        (Point(leaf(1), [leaf(2)]), Point(1, [2])),
        (Pair(leaf(1), 2), Pair(1, 2)),
        (Card(leaf(1), 2), Card(1, 2)),
        ([], []),
        ((), ()),
    ],
)
def test_containers(target: object, expected: object) -> None:
    async def main() -> list[Any]:
        async with cs.Engine() as engine:
            population = engine.start_many([target])
            await population
            return [await engine.run(target), await engine.start(target), population.runs[0].result()]

    for found in (cs.run(target), *asyncio.run(main())):
        assert found == expected
        assert type(found) is type(expected)


@pytest.mark.parametrize(
    "target", [5, None, "text", [1, [2]], {"a": 1}, object(), Holder(a=1), Point(1, 2), Card(1, 2)]
)
def test_a_target_without_a_lazy_result_is_its_own_value(target: object) -> None:
    assert cs.run(target) is target

    async def main() -> object:
        async with cs.Engine() as engine:
            return await engine.run(target)

    assert asyncio.run(main()) is target


def test_what_is_skipped_has_its_place_at_every_depth() -> None:
    gone = leaf().run_if(False)
    target = {"a": gone, "b": [gone, leaf(1), (gone,)], "c": {gone}, "d": Pair(gone, Card(gone, 1))}
    assert cs.run(target) == {
        "a": cs.SKIPPED,
        "b": [cs.SKIPPED, 1, (cs.SKIPPED,)],
        "c": {cs.SKIPPED},
        "d": Pair(cs.SKIPPED, Card(cs.SKIPPED, 1)),
    }
    with pytest.raises(cs.TaskSkippedError):
        cs.run(gone)
    with pytest.raises(cs.TaskSkippedError):
        cs.run(give([gone]))


def test_what_is_done_to_a_container_later_changes_nothing() -> None:
    async def main() -> None:
        async with cs.Engine() as engine:
            batch: list[object] = []
            table: dict[str, object] = {}
            runs = []
            for number in range(3):
                batch.append(leaf(number))
                table["n"] = leaf(number)
                runs += [engine.start(batch), engine.start(table)]
                batch.clear()
            table.clear()
            assert [await run for run in runs] == [[0], {"n": 0}, [1], {"n": 1}, [2], {"n": 2}]

    asyncio.run(main())


async def coroutine() -> None: ...


def function() -> None: ...


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (leaf, r"target must be .* got <Task .*leaf>, which was not called: write leaf\(...\); or cs.data\(leaf\)"),
        ([leaf(1), leaf], r"target\[1\] must be .* which was not called: write leaf"),
        ({"a": leaf}, r"target\['a'\] must be"),
        (function, "got `function` 'function', which was not called: make a task of it"),
        (len, "'len', which was not called"),
        (Point, "'Point', which was not called"),
        ((n for n in "ab"), r"got `generator`: write a list, \[... for ...\]"),
        (map(leaf, [1]), r"got `map`: write a list, \[... for ...\]"),
    ],
)
def test_what_cannot_be_meant_is_refused(target: object, message: str) -> None:
    with pytest.raises(cs.TargetError, match=message):
        cs.run(target)
    with pytest.raises(cs.TargetError):
        cs.explain(target)


def test_a_coroutine_is_refused() -> None:
    made = coroutine()
    with pytest.raises(cs.TargetError, match="make a task of the async function"):
        cs.run(made)
    made.close()


def test_its_place_among_many_targets() -> None:
    async def main() -> None:
        async with cs.Engine() as engine:
            with pytest.raises(cs.TargetError, match=r"targets\[1\]\[0\] must be"):
                engine.start_many([leaf(1), [leaf]])
            with pytest.raises(cs.StructureError, match="`Holder` must not hold a lazy result"):
                engine.start_many([leaf(1), Holder(a=leaf())])
            assert engine.runs == ()

    asyncio.run(main())


def test_marked_values_are_handed_back() -> None:
    assert cs.run(cs.data(leaf)) is leaf
    assert cs.run([cs.data(function), leaf(1)]) == [function, 1]


@pytest.mark.parametrize(
    ("target", "name"),
    [
        ([leaf(1)], "list"),
        ({"a": leaf(1)}, "dict"),
        (Pair(leaf(1), 2), "Pair"),
        (5, "int"),
        (leaf(1), "support.tasks.leaf"),
    ],
)
def test_events_name_the_target_by_what_it_is(target: object, name: str) -> None:
    engine = cs.Engine()
    seen: list[object] = []
    engine.events.subscribe(RunStarted, seen.append)
    engine.events.subscribe(NodeEvent, seen.append)
    cs.run(target, engine=engine)
    assert seen[0].target == name  # type: ignore[attr-defined]
    if name != "int":
        assert {event.task for event in seen[1:]} == {"support.tasks.leaf"}  # type: ignore[attr-defined]


def test_a_container_is_the_root_of_its_graph(cold: cs.Engine) -> None:
    text = cs.explain([leaf(1), {"a": leaf(2)}])
    assert "list" in text and "dict" in text and "value" not in text
    assert "at $['a']" not in text
    found = cs.dry_run({"a": leaf(1), "b": [leaf(2).run_if(False)]})
    assert found.ok and [node.runs for node in found.nodes].count("never") == 1
    assert cs.explain(cs.from_json(cs.to_json([[leaf(1)], leaf(2)]))) == cs.explain([[leaf(3)], leaf(4)])
    assert cs.visualize([leaf(1), 2]).dot
    inner = [leaf(1).run_if(False), 2]
    assert [(node.place, node.runs) for node in cs.dry_run([inner, give(inner)]).nodes][-1] == ("$[1]", "never")
    for number in range(3):
        assert cs.run([leaf(number), number], engine=cold) == [number, number]
    assert cold.templates.stats.builds == 1
