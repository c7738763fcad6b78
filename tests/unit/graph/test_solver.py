"""Plans, and the check before the linker."""

from __future__ import annotations

from hypothesis import given

from cascade.graph.builder import build
from cascade.graph.model import (
    NodeRef,
)
from cascade.graph.solver import NativeSolver, Solver, check
from support.graph_shapes import chain, expressions, graph_of

# -- native solver -----------------------------------------------------------------------------------------------------


@given(expressions())
def test_priority_is_the_longest_path_to_the_target(target: object) -> None:
    graph = graph_of(target)[0]
    plan = NativeSolver().resolve(graph)
    longest: dict[int, int] = {len(graph.nodes) - 1: 1}
    for index in reversed(range(len(graph.nodes) - 1)):
        longest[index] = 1 + max(longest[i] for i, node in enumerate(graph.nodes) if NodeRef(index) in node.operands)
    assert plan.priority == tuple(longest[index] for index in range(len(graph.nodes)))
    assert plan.order == tuple(range(len(graph.nodes)))
    check(graph, plan)


def test_a_million_nodes() -> None:
    graph = build(*chain(1_000_000))
    plan = NativeSolver().resolve(graph)
    assert plan.priority[0] == 1_000_000
    check(graph, plan)


def test_the_protocol_knows_a_solver() -> None:
    assert isinstance(NativeSolver(), Solver)
    assert not isinstance(object(), Solver)


# -- check -------------------------------------------------------------------------------------------------------------
