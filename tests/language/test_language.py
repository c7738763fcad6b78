"""Random expressions of the whole language are worth the same, call the same and fail the same as in the oracle."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cascade as cs
from language.descriptions import Guard, Literal, Node, is_call
from language.oracle import Journal, evaluate
from language.oracle_build import JOURNAL, build
from language.oracle_shape import shape
from language.programs import KINDS, Rules, boxes, programs, towers
from support.observation import (
    Observation,
    assert_exact,
    assert_possible,
    equipped,
    observe,
    observe_all,
    settle,
    start,
)

EXACT = Rules()
FAILING = Rules(failing=True)
LATER = Rules(exact=False)
MIXED = Rules(KINDS, exact=False)
MIXED_FAILING = Rules(KINDS, failing=True, exact=False)
UNTHREADED = Rules(("inline", "async", "suspending", "coroutine"), failing=True, exact=False)
# Calls and containers alone: what the other words need less of is drawn more often.
PLAIN = Rules(plain=True)
PLAIN_FAILING = Rules(failing=True, plain=True)
PLAIN_MIXED = Rules(KINDS, exact=False, plain=True)
PLAIN_MIXED_FAILING = Rules(KINDS, failing=True, exact=False, plain=True)
AWAITING = Rules(("async", "suspending", "coroutine"), exact=False, plain=True)
PLAIN_UNTHREADED = replace(UNTHREADED, plain=True)

# It meets every expression of this file: a template that fits the wrong one of them would show.
WELL_TRAVELLED = equipped()


@pytest.mark.parametrize(
    "rules", [EXACT, FAILING, PLAIN, PLAIN_FAILING], ids=["worth", "failing", "plain", "plain failing"]
)
def test_inline_fresh_and_cached(rules: Rules) -> None:
    @settings(max_examples=200 if rules.plain else 400)
    @given(programs(rules))
    def agrees(node: Node) -> None:
        expected = evaluate(node)

        async def main() -> None:
            cold = equipped()
            for engine in (cold, cold, WELL_TRAVELLED):
                assert_exact(await observe(engine, node), expected)

        asyncio.run(main())

    agrees()


@pytest.mark.parametrize(
    "rules",
    [LATER, MIXED, MIXED_FAILING, PLAIN_MIXED, PLAIN_MIXED_FAILING, AWAITING],
    ids=["later", "mixed", "failing", "plain", "plain failing", "awaiting"],
)
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
@given(st.lists(programs(FAILING) | programs(PLAIN_FAILING), min_size=1, max_size=10), st.sampled_from([0, 0.001]))
def test_a_hundred_inline_runs_at_once(nodes: list[Node], quantum: float) -> None:
    mixed = [nodes[i % len(nodes)] for i in range(100)]
    expected = {node: evaluate(node) for node in nodes}

    async def main() -> None:
        seen = await observe_all(equipped(quantum=quantum), mixed)
        for node, observation in zip(mixed, seen, strict=True):
            assert_exact(observation, expected[node])

    asyncio.run(main())


@settings(max_examples=30)
@given(
    st.lists(programs(UNTHREADED) | programs(PLAIN_UNTHREADED), min_size=1, max_size=10), st.sampled_from([0, 0.001])
)
def test_a_hundred_mixed_runs_at_once(nodes: list[Node], quantum: float) -> None:
    mixed = [nodes[i % len(nodes)] for i in range(100)]
    expected = {node: evaluate(node, everything=True) for node in nodes}

    async def main() -> None:
        seen = await observe_all(equipped(quantum=quantum), mixed)
        for node, observation in zip(mixed, seen, strict=True):
            assert_possible(observation, expected[node])

    asyncio.run(main())


@settings(max_examples=10)
@given(st.lists(programs(MIXED_FAILING, 4) | programs(PLAIN_MIXED_FAILING, 4), min_size=1, max_size=10))
def test_a_hundred_runs_with_threads_at_once(nodes: list[Node]) -> None:
    mixed = [nodes[i % len(nodes)] for i in range(100)]
    expected = {node: evaluate(node, everything=True) for node in nodes}

    async def main() -> None:
        seen = await observe_all(equipped(), mixed)
        for node, observation in zip(mixed, seen, strict=True):
            assert_possible(observation, expected[node])

    asyncio.run(main())


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_alone(kind: str) -> None:
    rules = Rules((kind,), failing=True, exact=False)

    @settings(max_examples=40)
    @given(programs(rules) | programs(replace(rules, plain=True)))
    def agrees(node: Node) -> None:
        async def main() -> None:
            assert_possible(await observe(equipped(), node), evaluate(node, everything=True))

        asyncio.run(main())

    agrees()


@settings(max_examples=50)
@given(programs(PLAIN_FAILING))
def test_runs_through_cs_run(node: Node) -> None:
    seen = Observation()
    JOURNAL.set(seen.journal)
    try:
        seen.value = cs.run(build(node, seen.journal))
    except Exception as error:
        seen.error = error
    assert_exact(seen, evaluate(node))


@settings(max_examples=50)
@given(programs(Rules(("inline", "coroutine"), plain=True)))
def test_the_same_every_time(node: Node) -> None:
    async def main() -> None:
        engine = equipped(quantum=3600)  # no turn ends early because this machine is slow
        first, second = await observe(engine, node), await observe(engine, node)
        assert first.calls == second.calls

    asyncio.run(main())


@given(st.data(), st.lists(programs(EXACT, 5) | programs(PLAIN), max_size=3))
def test_targets_that_are_containers_keep_what_is_not_skipped(data: st.DataObject, nodes: list[Node]) -> None:
    pool = [*nodes, *(Guard(Literal(0), node) for node in nodes)]
    for _ in range(data.draw(st.integers(0, 2))):
        pool.append(data.draw(boxes(pool, ordered=True)))
    several = data.draw(boxes(pool, ordered=True))
    expected = evaluate(several)

    async def main() -> None:
        for _ in range(2):
            assert_exact(await observe(WELL_TRAVELLED, several), expected)

    asyncio.run(main())


ANY = programs(MIXED_FAILING) | programs(PLAIN_MIXED_FAILING)


@given(ANY, ANY)
def test_a_key_is_shared_exactly_if_the_shape_is_the_same(one: Node, two: Node) -> None:
    keys = [cs.structural_hash(build(node, Journal()))[0] for node in (one, two, one)]
    assert keys[0] == keys[2]
    assert (keys[0] == keys[1]) == (shape(one) == shape(two))


@given(programs(EXACT))
def test_a_policy_on_what_is_no_call_is_that_of_a_scope(node: Node) -> None:
    lazy = build(node, Journal())
    made = lazy.with_constraints(gpu=1)
    if not isinstance(node, Guard):
        assert made.policies == {"constraints": {"gpu": 1}} | (lazy.policies if is_call(node) else {})
        assert (made.task is lazy.task) == is_call(node)
        assert is_call(node) or made.task.name == "scope"


@settings(max_examples=200)
@given(towers(EXACT) | towers(FAILING))
def test_scopes_with_policies_one_in_another(node: Node) -> None:
    expected = evaluate(node)

    async def main() -> None:
        cold = equipped()
        for engine in (cold, cold, WELL_TRAVELLED):
            assert_exact(await observe(engine, node), expected)

    asyncio.run(main())


@settings(max_examples=120)
@given(programs(UNTHREADED) | programs(PLAIN_MIXED_FAILING), st.integers(0, 12))
def test_cancelled_at_a_random_turn_nothing_goes_on(node: Node, turns: int) -> None:
    async def main() -> None:
        engine = equipped(quantum=0)
        run, seen = start(engine, node)
        await settle(turns)
        run.cancel()
        await asyncio.gather(run, return_exceptions=True)
        assert run.done()
        before = len(seen.calls)
        await settle(10)
        assert len(seen.calls) == before
        assert engine.runs == ()
        # Whatever it held is given back.
        assert_possible(await observe(engine, node), evaluate(node, everything=True))

    asyncio.run(main())
