"""Random expressions are worth the same, call the same and fail the same through the oracle and the engine."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cascade as cs
from language.descriptions import Box, Node
from language.oracle import evaluate
from language.oracle_build import JOURNAL, build
from language.strategies import ALL_KINDS, expressions
from support.observation import Observation, assert_exact, assert_possible, observe, observe_all

# It meets every expression of this file: a template that fits the wrong one of them would show.
WELL_TRAVELLED = cs.Engine()


def cold_engine(**options: object) -> cs.Engine:
    return cs.Engine(templates=cs.Templates(), **options)


@given(expressions())
def test_inline_cold_and_warm(node: Node) -> None:
    expected = evaluate(node)

    async def main() -> None:
        engine = cold_engine()
        for _ in range(2):
            assert_exact(await observe(engine, node), expected)

    asyncio.run(main())


@given(expressions(failing=True))
def test_inline_failures_cold_and_warm(node: Node) -> None:
    expected = evaluate(node)

    async def main() -> None:
        engine = cold_engine()
        for _ in range(2):
            assert_exact(await observe(engine, node), expected)

    asyncio.run(main())


@given(expressions(failing=True))
def test_inline_on_an_engine_that_met_many(node: Node) -> None:
    async def main() -> None:
        assert_exact(await observe(WELL_TRAVELLED, node), evaluate(node))

    asyncio.run(main())


@given(expressions(ALL_KINDS, ordered=False))
def test_every_kind_of_task(node: Node) -> None:
    expected = evaluate(node, everything=True)

    async def main() -> None:
        for engine in (cold_engine(), WELL_TRAVELLED):
            for _ in range(2):
                assert_possible(await observe(engine, node), expected)

    asyncio.run(main())


@given(expressions(ALL_KINDS, failing=True, ordered=False))
def test_every_kind_of_task_failing(node: Node) -> None:
    expected = evaluate(node, everything=True)

    async def main() -> None:
        for engine in (cold_engine(), WELL_TRAVELLED):
            for _ in range(2):
                assert_possible(await observe(engine, node), expected)

    asyncio.run(main())


@pytest.mark.parametrize("kind", ALL_KINDS)
def test_each_kind_alone(kind: str) -> None:
    @settings(max_examples=30)
    @given(expressions((kind,), failing=True, ordered=False))
    def agrees(node: Node) -> None:
        async def main() -> None:
            assert_possible(await observe(cold_engine(), node), evaluate(node, everything=True))

        asyncio.run(main())

    agrees()


@settings(max_examples=25)
@given(st.lists(expressions(failing=True), min_size=1, max_size=10), st.sampled_from([0, 0.001]))
def test_a_hundred_inline_runs_at_once(nodes: list[Node], quantum: float) -> None:
    mixed = [nodes[i % len(nodes)] for i in range(100)]
    expected = {node: evaluate(node) for node in nodes}

    async def main() -> None:
        seen = await observe_all(cold_engine(quantum=quantum), mixed)
        for node, observation in zip(mixed, seen, strict=True):
            assert_exact(observation, expected[node])

    asyncio.run(main())


@settings(max_examples=25)
@given(
    st.lists(expressions(("inline", "async", "suspending", "coroutine"), failing=True), min_size=1, max_size=10),
    st.sampled_from([0, 0.001]),
)
def test_a_hundred_mixed_runs_at_once(nodes: list[Node], quantum: float) -> None:
    mixed = [nodes[i % len(nodes)] for i in range(100)]
    expected = {node: evaluate(node, everything=True) for node in nodes}

    async def main() -> None:
        seen = await observe_all(cold_engine(quantum=quantum), mixed)
        for node, observation in zip(mixed, seen, strict=True):
            assert_possible(observation, expected[node])

    asyncio.run(main())


@settings(max_examples=10)
@given(st.lists(expressions(ALL_KINDS, failing=True, size=4), min_size=1, max_size=10))
def test_a_hundred_runs_with_threads_at_once(nodes: list[Node]) -> None:
    mixed = [nodes[i % len(nodes)] for i in range(100)]
    expected = {node: evaluate(node, everything=True) for node in nodes}

    async def main() -> None:
        seen = await observe_all(cold_engine(), mixed)
        for node, observation in zip(mixed, seen, strict=True):
            assert_possible(observation, expected[node])

    asyncio.run(main())


@given(st.lists(expressions(), min_size=0, max_size=3), st.sampled_from(["list", "tuple"]))
def test_several_targets_give_the_list_of_results(nodes: list[Node], kind: str) -> None:
    expected = evaluate(Box("list", tuple(nodes)))

    async def main() -> None:
        assert_exact(await observe(WELL_TRAVELLED, Box(kind, tuple(nodes))), expected)

    asyncio.run(main())


@settings(max_examples=50)
@given(expressions(failing=True))
def test_runs_through_cs_run(node: Node) -> None:
    seen = Observation()
    JOURNAL.set(seen.journal)
    try:
        seen.value = cs.run(build(node, seen.journal))
    except Exception as error:
        seen.error = error
    assert_exact(seen, evaluate(node))


@settings(max_examples=50)
@given(expressions(("inline", "coroutine")))
def test_the_same_every_time(node: Node) -> None:
    async def main() -> None:
        engine = cold_engine()
        first, second = await observe(engine, node), await observe(engine, node)
        assert first.calls == second.calls

    asyncio.run(main())
