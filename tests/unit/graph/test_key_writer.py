"""The unbuilder is the builder's inverse, on keys of the core and on all that the strategies can draw."""

from __future__ import annotations

from array import array

import pytest
from hypothesis import given

from cascade._core.expr.symbol import call_shape, struct_shape, symbol
from cascade._core.shape.extract import structure
from cascade.exceptions import TemplateError
from cascade.graph.builder import build
from cascade.graph.key_reader import CALL, digest, items
from cascade.graph.key_writer import key_of
from cascade.graph.model import Call, CallSymbol, GraphTemplate, SlotRef
from cascade.templates.store import digest_of
from support import shapes
from support.graph_shapes import Core, chain, expressions, graph_of


@given(expressions())
def test_what_is_built_of_the_key_is_the_graph(target: object) -> None:
    graph, _ = graph_of(target)
    core = Core(9)
    key = core.key(target)
    numbers = numbers_of(graph, key)
    assert [item[:3] for item in items(key_of(graph, numbers))] == [item[:3] for item in items(key)]
    assert build(key_of(graph, numbers), core.symbol) == graph


def numbers_of(graph: GraphTemplate, key: bytes) -> list[int]:
    """The ids of a graph's symbols, read from its key."""
    calls: dict[int, None] = {}
    structs: dict[int, None] = {}
    for op, operand, _, _ in items(key):
        if op in (CALL, 8):
            (calls if op == CALL else structs).setdefault(operand)
    return [*calls, *structs]


@pytest.mark.parametrize("target", list(shapes.expressions()))
def test_keys_of_the_core_come_back_bit_by_bit(target: object) -> None:
    key, _ = structure(target)
    graph = build(key, symbol)
    held = [call_shape((c.module, c.qualname, c.kind, c.mode, c.injected), c.positional, c.names) for c in graph.calls]
    held += [struct_shape(s.module, s.qualname, s.fields) for s in graph.structs]
    assert key_of(graph, [one.id for one in held]) == key


@given(expressions())
def test_the_digest_of_a_graph_is_that_of_its_key(target: object) -> None:
    core = Core(3)
    assert digest_of(graph_of(target)[0]).hex() == digest(core.key(target), core.symbol)


def test_a_chain_of_any_length() -> None:
    key, lookup = chain(100_000)
    graph = build(key, lookup)
    assert key_of(graph, numbers_of(graph, key)) == bytes(key)


def test_numbers_that_no_key_can_hold() -> None:
    noop = CallSymbol("m", "f", "sync", "default", (), 0, ())
    graph = GraphTemplate((noop,), (), (Call(0, SlotRef(0), ()),), 1)
    assert array("I", key_of(graph, [(1 << 27) - 1])) == array("I", [((1 << 27) - 1) << 5 | CALL])
    with pytest.raises(TemplateError, match="too large"):
        key_of(graph, [1 << 27])
