"""Where a node is, against a walk over all paths."""

from __future__ import annotations

import pytest
from hypothesis import given

from cascade.graph.builder import build
from cascade.graph.labels import literal, printable
from cascade.graph.model import Key
from cascade.graph.path import locate
from support.graph_shapes import (
    OPAQUE,
    Box,
    Dict,
    Fields,
    Literal,
    Role,
    Task,
    chain,
    expressions,
    graph_of,
    operands_of,
)

OWN = {
    "router": (".selector", ".routes", ".default"),
    "guard": (".condition", "", ".otherwise"),
    "recover": ("", ".handler", ".on"),
    "fallback": ("", ".other", ".on"),
    "outcome": ("",),
    "scope": ("",),
}


def step(node: object, name: object) -> str:
    match node:
        case Task():
            if isinstance(name, Role):
                return f".{printable(name)}"
            if isinstance(name, int) and node.kind in OWN:
                return OWN[node.kind][name]
            return f".args[{name}]" if isinstance(name, int) else f".kwargs['{printable(name)}']"
        case Box(kind="list" | "tuple"):
            return f"[{name}]"
        case Box():
            return "[...]"
        case Dict():
            return "[slot]" if name is OPAQUE else f"[{literal(Key.dump(name))}]"
    return f".{printable(name)}"


@given(expressions(10))
def test_the_path_is_the_first_in_traversal_order(target: object) -> None:
    graph, origins = graph_of(target)
    paths: dict[int, str] = {}

    def walk(node: object, path: str) -> None:
        if isinstance(node, Literal) or id(node) in paths:
            return
        paths[id(node)] = path
        for name, operand in operands_of(node):
            walk(operand, path + step(node, name))

    walk(target, "$")
    for index, origin in enumerate(origins):
        found = locate(graph, index)
        while "[slot " in found:
            head, _, tail = found.partition("[slot ")
            found = f"{head}[slot]{tail.partition(']')[2]}"
        assert found == paths[id(origin)]


def test_every_kind_of_step() -> None:
    leaf = Task("leaf")
    inner = Dict(
        [("key", Box("set", [Fields("P", {"x": Literal(), "y": Task("b", [Literal(), leaf])})])), (1, Literal())]
    )
    graph, origins = graph_of(Task("root", [Literal(), Box("list", [Literal(), Literal(), Task("a")])], {"x y": inner}))
    paths = {getattr(origin, "name", None): locate(graph, index) for index, origin in enumerate(origins)}
    assert paths["root"] == "$"
    assert paths["a"] == "$.args[1][2]"
    assert paths["P"] == "$.kwargs['x y']['key'][...]"
    assert paths["leaf"] == "$.kwargs['x y']['key'][...].y.args[1]"


def test_a_node_met_early_and_deep_has_its_early_path() -> None:
    leaf = Task("leaf")
    graph, _ = graph_of(Box("list", [leaf, Box("tuple", [leaf])]))
    assert locate(graph, 0) == "$[0]"
    graph, _ = graph_of(Box("list", [Box("tuple", [leaf]), leaf]))
    assert locate(graph, 0) == "$[0][0]"


def test_names_stay_on_one_line() -> None:
    graph, _ = graph_of(Task("root", [], {"a\n'b\ud800": Task("leaf")}))
    assert locate(graph, 0) == r"$.kwargs['a\n'b\ud800']"


def test_a_long_path_loses_its_middle() -> None:
    graph = build(*chain(1_000_000))
    eight = ".args[0]" * 8
    assert locate(graph, 0) == f"${eight} … 999,983 steps … {eight}"
    assert locate(graph, 1_000_000 - 17) == f"${eight}{eight}"
    assert locate(graph, 1_000_000 - 18) == f"${eight} … 1 steps … {eight}"


@pytest.mark.parametrize("node", [-1, 3, 1 << 70])
def test_no_such_node(node: int) -> None:
    with pytest.raises(IndexError, match="of 3"):
        locate(build(*chain(3)), node)
