"""The builder, against plain recursion over the expression."""

from __future__ import annotations

from array import array
from types import SimpleNamespace

import pytest
from hypothesis import given

from cascade.exceptions import TemplateError
from cascade.graph.builder import build
from cascade.graph.model import Call, Collection, Key, Mapping, NodeRef, Record, SlotRef
from support.graph_shapes import (
    CALL,
    DICT,
    KEY,
    LIST,
    OPAQUE,
    REF,
    STRUCT,
    Box,
    Core,
    Dict,
    Fields,
    Literal,
    Task,
    chain,
    expressions,
    graph_of,
    tokens_of,
)

SHAPES = {
    1: SimpleNamespace(task=("m", "leaf", "sync", "default", ()), positional=0, names=(), roles=()),
    2: SimpleNamespace(task=("m", "pair", "sync", "default", ()), positional=1, names=("k",), roles=()),
    3: SimpleNamespace(module="m", qualname="Point", fields=("y", "x")),
}
LEAF, PAIR, POINT = 1 << 5 | CALL, 2 << 5 | CALL, 3 << 5 | STRUCT


def build_tokens(*tokens: int) -> object:
    return build(array("I", tokens).tobytes(), SHAPES.__getitem__)


def built(target: object) -> object:
    core = Core(9)
    return build(core.key(target), core.symbol)


@given(expressions())
def test_the_graph_is_that_of_the_expression(target: object) -> None:
    assert built(target) == graph_of(target)[0]


def test_slots_are_numbered_in_traversal_order() -> None:
    leaf = Task("leaf", [Literal()])
    graph = built(
        Task("root", [Literal(), Dict([(OPAQUE, leaf), ("k", Literal())]), leaf], {"b": Literal(), "a": leaf})
    )
    # task, argument, opaque key, (task, argument), value, b; a shared node has its slots where it is met first.
    assert graph.nodes == (
        Call(1, SlotRef(3), (SlotRef(4),)),
        Mapping((SlotRef(2), Key.dump("k")), (NodeRef(0), SlotRef(5))),
        Call(0, SlotRef(0), (SlotRef(1), NodeRef(1), NodeRef(0), NodeRef(0), SlotRef(6))),
    )
    assert graph.calls[0].names == ("a", "b")
    assert graph.slots == 7


def test_a_shared_node_is_one_and_two_equal_calls_are_two() -> None:
    leaf = Task("leaf")
    assert len(built(Box("list", [leaf, leaf])).nodes) == 2
    assert len(built(Box("list", [Task("leaf"), Task("leaf")])).nodes) == 3


def test_containers_as_targets_and_without_operands() -> None:
    assert built(Box("tuple", [])).nodes == (Collection("tuple", ()),)
    assert built(Dict([])).nodes == (Mapping((), ()),)
    assert built(Fields("P", {"x": Literal()})).nodes == (Record(0, SlotRef(0), (SlotRef(1),)),)


def test_symbols_that_are_equal_become_one() -> None:
    twice = {1: SHAPES[1], 2: SimpleNamespace(task=SHAPES[1].task, positional=0, names=(), roles=())}
    graph = build(array("I", [2 << 5 | LIST, 1 << 5 | CALL, 2 << 5 | CALL]).tobytes(), twice.__getitem__)
    assert [node.symbol for node in graph.nodes[:2]] == [0, 0]
    assert len(graph.calls) == 1


@pytest.mark.parametrize(
    ("tokens", "message"),
    [
        ((), "ends inside the expression"),
        ((0,), "ends inside the expression"),
        ((PAIR, 0), "ends inside the expression"),
        ((1 << 27 - 1 << 5 | LIST, 0, 0), "ends inside the expression"),
        ((0x7FFFFFF << 5 | DICT,), "ends inside the expression"),
        ((LEAF, 0), "goes on after the expression - at token 1"),
        ((LEAF, LEAF), "goes on after the expression - at token 1"),
        ((0 << 5 | REF,), "back-reference to node 0, of 0 so far - at token 0"),
        ((PAIR, 0, 1 << 5 | REF), "back-reference to node 1, of 1 so far - at token 2"),
        ((PAIR, 0, 0 << 5 | REF), "back-reference to node 0, which contains it - at token 2"),
        ((PAIR, PAIR, 0, 0 << 5 | REF, 0), "which contains it - at token 3"),
        ((9 << 5 | CALL,), "unknown symbol 9 - at token 0"),
        ((3 << 5 | CALL,), "symbol must be that of a call, got that of a struct - at token 0"),
        ((1 << 5 | STRUCT,), "symbol must be that of a struct, got that of a call - at token 0"),
        ((POINT, LEAF, 1 << 5 | STRUCT), "symbol must be that of a struct"),
        ((POINT, 3 << 5 | CALL, 0), "symbol must be that of a call"),
        (tuple(tokens_of(1)), "dict key out of place - at token 0"),
        ((1 << 5 | LIST, *tokens_of(None)), "dict key out of place - at token 1"),
        ((1 << 5 | DICT, *tokens_of(None), *tokens_of(None), 0), "dict key out of place - at token 2"),
        ((1 << 5 | DICT, 0), "dict with 0 keys and 1 values"),
        ((2 << 5 | DICT, *tokens_of(None), 0, 0), "dict with 1 keys and 2 values"),
        ((2 << 5 | DICT, 0, *tokens_of(None), 0), "dict key out of place"),
        ((1 << 5 | DICT, 15 << 5 | KEY, PAIR, *tokens_of(None)), "dict key out of place"),
    ],
)
def test_what_is_no_key_is_refused_with_its_place(tokens: tuple[int, ...], message: str) -> None:
    with pytest.raises(TemplateError, match=message):
        build_tokens(*tokens)


def test_a_million_nested_calls() -> None:
    graph = build(*chain(1_000_000))
    assert len(graph.nodes) == 1_000_000
    assert graph.nodes[0] == Call(0, SlotRef(999_999), (SlotRef(1_000_000),))
    assert graph.nodes[-1] == Call(0, SlotRef(0), (NodeRef(999_998),))


def test_deep_containers() -> None:
    depth = 100_000
    dicts = [token for _ in range(depth) for token in (1 << 5 | DICT, *tokens_of("k"))]
    graph = build_tokens(*dicts, *[1 << 5 | LIST] * depth, LEAF)
    assert len(graph.nodes) == 2 * depth + 1
    assert graph.nodes[-1] == Mapping((Key.dump("k"),), (NodeRef(2 * depth - 1),))
