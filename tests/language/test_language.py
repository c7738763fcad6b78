"""Random expressions of the whole language are worth the same, call the same and fail the same as in the oracle."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cascade as cs
from language.descriptions import Box, Node, takes_policies
from language.oracle import Journal, evaluate
from language.oracle_build import build
from language.oracle_shape import shape
from language.programs import CONCURRENT, Rules, programs
from support.observation import assert_exact, assert_possible, equipped, observe, observe_all

EXACT = Rules()
FAILING = Rules(failing=True)
LATER = Rules(exact=False)
MIXED = Rules(CONCURRENT, exact=False)
MIXED_FAILING = Rules(CONCURRENT, failing=True, exact=False)
UNTHREADED = Rules(("inline", "async", "suspending", "coroutine"), failing=True, exact=False)

# It meets every expression of this file: a template that fits the wrong one of them would show.
WELL_TRAVELLED = equipped()


@pytest.mark.parametrize("rules", [EXACT, FAILING], ids=["worth", "failing"])
def test_inline_fresh_and_cached(rules: Rules) -> None:
    @settings(max_examples=400)
    @given(programs(rules))
    def agrees(node: Node) -> None:
        expected = evaluate(node)

        async def main() -> None:
            cold = equipped()
            for engine in (cold, cold, WELL_TRAVELLED):
                assert_exact(await observe(engine, node), expected)

        asyncio.run(main())

    agrees()


@pytest.mark.parametrize("rules", [LATER, MIXED, MIXED_FAILING], ids=["later", "mixed", "failing"])
def test_at_the_same_time_fresh_and_cached(rules: Rules) -> None:
    @given(programs(rules))
    def agrees(node: Node) -> None:
        expected = evaluate(node, everything=True)

        async def main() -> None:
            cold = equipped()
            for engine in (cold, cold, WELL_TRAVELLED):
                assert_possible(await observe(engine, node), expected)

        asyncio.run(main())

    agrees()


@settings(max_examples=30)
@given(st.lists(programs(FAILING), min_size=1, max_size=10), st.sampled_from([0, 0.001]))
def test_a_hundred_inline_runs_at_once(nodes: list[Node], quantum: float) -> None:
    mixed = [nodes[i % len(nodes)] for i in range(100)]
    expected = {node: evaluate(node) for node in nodes}

    async def main() -> None:
        seen = await observe_all(equipped(quantum=quantum), mixed)
        for node, observation in zip(mixed, seen, strict=True):
            assert_exact(observation, expected[node])

    asyncio.run(main())


@settings(max_examples=20)
@given(st.lists(programs(UNTHREADED), min_size=1, max_size=10), st.sampled_from([0, 0.001]))
def test_a_hundred_mixed_runs_at_once(nodes: list[Node], quantum: float) -> None:
    mixed = [nodes[i % len(nodes)] for i in range(100)]
    expected = {node: evaluate(node, everything=True) for node in nodes}

    async def main() -> None:
        seen = await observe_all(equipped(quantum=quantum), mixed)
        for node, observation in zip(mixed, seen, strict=True):
            assert_possible(observation, expected[node])

    asyncio.run(main())


@given(st.lists(programs(EXACT, 5), max_size=3))
def test_several_targets_keep_those_that_are_not_skipped(nodes: list[Node]) -> None:
    several = Box("list", tuple(nodes))
    expected = evaluate(several)

    async def main() -> None:
        for _ in range(2):
            assert_exact(await observe(WELL_TRAVELLED, several), expected)

    asyncio.run(main())


@given(programs(MIXED_FAILING), programs(MIXED_FAILING))
def test_a_key_is_shared_exactly_if_the_shape_is_the_same(one: Node, two: Node) -> None:
    keys = [cs.structural_hash(build(node, Journal()))[0] for node in (one, two, one)]
    assert keys[0] == keys[2]
    assert (keys[0] == keys[1]) == (shape(one) == shape(two))


@given(programs(EXACT))
def test_policies_are_given_to_calls_alone(node: Node) -> None:
    lazy = build(node, Journal())
    if takes_policies(node):
        assert lazy.with_constraints(gpu=1).policies or lazy.task.name == "run_if"
    elif lazy.task.name != "gather":
        with pytest.raises(cs.PolicyError, match="expected a call of a task"):
            lazy.with_constraints(gpu=1)


@settings(max_examples=60)
@given(programs(UNTHREADED), st.integers(0, 12))
def test_cancelled_at_a_random_turn_nothing_goes_on(node: Node, turns: int) -> None:
    from support.observation import settle, start

    async def main() -> None:
        engine = equipped(quantum=0)
        run, seen = start(engine, node)
        await settle(turns)
        run.cancel()
        await asyncio.gather(run, return_exceptions=True)
        before = len(seen.calls)
        await settle(10)
        assert len(seen.calls) == before
        assert engine.runs == ()
        # Whatever it held is given back.
        assert_possible(await observe(engine, node), evaluate(node, everything=True))

    asyncio.run(main())
