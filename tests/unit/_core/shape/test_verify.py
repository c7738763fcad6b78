"""A proof holds for the graph that the builder makes of a key, and for no other; for plans of it, and no others."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cascade._core.shape.verify import Proof
from cascade.exceptions import TemplateError
from cascade.graph.model import STRUCTS, GraphTemplate, PlanTemplate
from cascade.graph.solver import check
from cascade.graph.verifier import check_plan
from cascade.templates.codec import Stored
from cascade.templates.store import prove
from language.descriptions import Node
from language.oracle import Journal
from language.oracle_build import build
from language.programs import KINDS, Rules, programs
from support import shapes
from support.template_files import NATIVE, template_of

SAMPLES = [template_of(target) for target in [*[*shapes.expressions()][:-1], *[*shapes.language()][:30]]]
PLAIN = [sample for sample in SAMPLES if not any("\ud800" in call.qualname for call in sample[2].calls)]


def holds(key: bytes, graph: GraphTemplate, plan: PlanTemplate, solver: str = "a.Solver") -> bool:
    try:
        prove(key, Stored(graph, plan, solver))
    except TemplateError:
        return False
    return True


@given(programs(Rules(KINDS, exact=False)) | programs(Rules(KINDS, exact=False, plain=True)))
def test_what_was_built_is_proved(node: Node) -> None:
    key, _, graph, plan = template_of(build(node, Journal()))
    assert holds(key, graph, plan) and holds(key, graph, plan, NATIVE)
    check(graph, plan)


@pytest.mark.parametrize("index", range(len(SAMPLES)))
def test_no_other_graph_is(index: int) -> None:
    key, _, graph, plan = SAMPLES[index]
    for other_key, _, other, other_plan in SAMPLES:
        assert holds(key, other, other_plan) == (other == graph)
        assert holds(other_key, graph, plan) == (key == other_key)


def places(value: Any, path: tuple[int, ...] = ()) -> list[tuple[int, ...]]:
    """The paths to everything in nested lists."""
    found = [path]
    if isinstance(value, list):
        for index, item in enumerate(value):
            found += places(item, (*path, index))
    return found


def changed(value: Any, path: tuple[int, ...], change: Any) -> Any:
    if not path:
        return change(value)
    return [changed(item, path[1:], change) if index == path[0] else item for index, item in enumerate(value)]


def vary(draw: st.DrawFn, value: Any) -> Any:
    """Something else of the same kind, as a file might have it."""
    if isinstance(value, list):
        how = draw(st.sampled_from(["drop", "double", "swap", "empty"]))
        if not value or how == "empty":
            return []
        at = draw(st.integers(0, len(value) - 1))
        if how == "drop":
            return value[:at] + value[at + 1 :]
        return [*value[:at], value[at], *value[at:]] if how == "double" else value[at:] + value[:at]
    if isinstance(value, int):
        near = [value - 1, value + 1, ~value, 0, 1, 2, 2**31 - 1, 2**31, 2**32 + value, 2**63 - 1, 2**64 - 1, -(2**63)]
        return draw(st.sampled_from(near))
    if isinstance(value, bytes):
        return draw(st.sampled_from([b"", value + b"\0", value[:-1], b"0x1", b"1"]))
    return draw(st.sampled_from(["", f"{value}x", "f", "n", "s", "list", "tuple", "sync", "async", "inline", "int"]))


@st.composite
def mutants(draw: st.DrawFn) -> tuple[bytes, GraphTemplate, Any]:
    """A key with its graph and plan, and something like them."""
    key, _, graph, plan = draw(st.sampled_from(PLAIN))
    data = msgspec.msgpack.decode(msgspec.msgpack.encode([graph, plan]))
    for _ in range(draw(st.integers(1, 3))):
        path = draw(st.sampled_from(places(data)))
        data = changed(data, path, lambda value: vary(draw, value))
    return key, graph, data


@given(mutants())
def test_no_mutant_is_proved(mutant: Any) -> None:
    key, graph, data = mutant
    try:
        other, other_plan = msgspec.msgpack.decode(
            msgspec.msgpack.encode(data), type=tuple[GraphTemplate, PlanTemplate]
        )
    except (msgspec.MsgspecError, ValueError, OverflowError):
        return
    right = other == graph
    if right:
        try:
            check_plan(other, other_plan)
        except TemplateError:
            right = False
    assert holds(key, other, other_plan) == right


@given(st.data())
def test_any_order_with_operands_first_is_a_plan(data: st.DataObject) -> None:
    key, _, graph, plan = data.draw(st.sampled_from(SAMPLES))
    order = data.draw(st.permutations(plan.order) | st.just(list(plan.order)))
    priority = data.draw(st.lists(st.integers(-1, 2**33), min_size=len(order), max_size=len(order)) | st.just(order))
    other = PlanTemplate(tuple(order), tuple(priority))
    try:
        check_plan(graph, other)
    except TemplateError:
        right = False
    else:
        right = True
    assert holds(key, graph, other) == right
    assert holds(key, graph, other, NATIVE) == (other == plan)


def test_what_is_wrong_is_named() -> None:
    key, _, graph, plan = SAMPLES[1]
    with pytest.raises(TemplateError, match=r"plan\.order"):
        prove(key, Stored(graph, PlanTemplate((7,), plan.priority), NATIVE))
    with pytest.raises(TemplateError, match=r"slots.* - at `graph\.slots`"):
        prove(key, Stored(GraphTemplate(graph.calls, graph.structs, graph.nodes, 99), plan, NATIVE))
    with pytest.raises(TemplateError, match="another shape"):
        prove(key, Stored(SAMPLES[0][2], SAMPLES[0][3], NATIVE))


def test_a_key_that_is_none_proves_nothing() -> None:
    key, _, graph, plan = SAMPLES[3]
    for cut in range(0, len(key), 4):
        assert not Proof(key[:cut], STRUCTS).holds(*readers(), graph, plan)
    with pytest.raises(RuntimeError):
        Proof(key, STRUCTS).__init__(key, STRUCTS)  # type: ignore[misc]


def readers() -> tuple[Any, Any, Any]:
    from cascade._core.expr.symbol import symbol
    from cascade.graph.key_reader import Spelling

    spelling = Spelling(symbol)
    return spelling.call, spelling.struct, lambda key: lambda at: (at + 1, None)
