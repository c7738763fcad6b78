"""The boxes and arrows of a picture of a template, for all languages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from msgspec import Struct

from cascade.graph.kinds import KINDS, POLICIES, BoxShape, EdgeStyle, named_part
from cascade.graph.labels import beside, heading, kind, literal, printable, reference, role
from cascade.graph.model import Call, GraphTemplate, Key, Node, NodeRef, SlotRef
from cascade.graph.model import Mapping as Dict
from cascade.inspect.fold import folded, part

__all__ = ["Box", "Edge", "box", "edges"]

# The maximum number of slots of a node in its box.
SLOTS = 4


class Box(Struct, frozen=True, gc=False):
    """A box.

    Attributes:
        name: its identifier in the source text.
        lines: the lines of its label, as plain text.
        shape: its shape.
    """

    name: str
    lines: tuple[str, ...]
    shape: BoxShape


class Edge(Struct, frozen=True, gc=False):
    """An arrow between two boxes.

    Attributes:
        source: the name of a box.
        target: the name of another box, or of the same.
        label: its label, as plain text.
        style: "data"; "route": from an operand that may be selected; "condition": from a condition; "after": order
            without data; "tail": a tail call.
    """

    source: str
    target: str
    label: str
    style: EdgeStyle


def box(graph: GraphTemplate, index: int, settings: Mapping[int, str]) -> Box:
    """Return the box of a node.

    Args:
        graph: a graph that was built or checked.
        index: the number of the node.
        settings: the policies as text, by slot.
    """
    node = graph.nodes[index]
    lines = [heading(graph, node)]
    shape: BoxShape = "container"
    policies: list[str] = []
    if type(node) is Call:
        call = graph.calls[node.symbol]
        shape = KINDS[call.kind].shape
        if not KINDS[call.kind].word and call.mode != "default":
            lines.append(kind(graph, node))
        policies = [*_policies(graph, node, settings)]
        policies.extend(f"inject {printable(name)}" for name in call.injected[:SLOTS])
    data = [*_data(graph, node)]
    if data:
        lines.append(", ".join([*data[:SLOTS], "…"] if len(data) > SLOTS else data))
    return Box(f"n{index}", (*lines, *policies), shape)


def _data(graph: GraphTemplate, node: Node) -> Iterator[str]:
    """Yield the slots among the operands of a node, without policies, each with its name in the node."""
    for position, ref in enumerate(node.operands):
        if part(graph, node, position) == "routes":
            routes = graph.nodes[ref.index]
            assert type(routes) is Dict
            for key, value in zip(routes.keys, routes.values, strict=True):
                if type(value) is SlotRef:
                    yield f"{literal(key)}={reference(value)}"
        elif type(ref) is SlotRef and beside(graph, node, position) not in POLICIES:
            name = role(graph, node, position)
            yield f"{name}={reference(ref)}" if name else reference(ref)


def _policies(graph: GraphTemplate, node: Call, settings: Mapping[int, str]) -> Iterator[str]:
    """Yield the policies of a call, each for a line of its own."""
    for position, ref in enumerate(node.args):
        what = beside(graph, node, position)
        if what not in POLICIES:
            continue
        if type(ref) is SlotRef:
            yield f"{what} {settings[ref.index]}" if ref.index in settings else what
        elif part(graph, node, position):
            amounts = graph.nodes[ref.index]
            assert type(amounts) is Dict
            texts = [_amount(key, value, settings) for key, value in zip(amounts.keys, amounts.values, strict=True)]
            yield f"{what} {', '.join([*texts[:SLOTS], '…'] if len(texts) > SLOTS else texts)}"


def _amount(key: Key | SlotRef, value: NodeRef | SlotRef, settings: Mapping[int, str]) -> str:
    name = _plain(key)
    return f"{name}={settings[value.index]}" if type(value) is SlotRef and value.index in settings else name


def _plain(key: Key | SlotRef) -> str:
    """Return the name of a limit as text."""
    if type(key) is Key and key.kind == "str":
        text = key.load()
        assert type(text) is str
        return printable(text)
    return literal(key)


def edges(graph: GraphTemplate) -> Iterator[Edge]:
    """Yield the arrows between the nodes of a graph; a dict that is part of a node is passed through."""
    parts = folded(graph)
    for index, node in enumerate(graph.nodes):
        if index in parts:
            continue
        for position, ref in enumerate(node.operands):
            if type(ref) is not NodeRef:
                continue
            what = part(graph, node, position)
            if not what:
                yield Edge(f"n{ref.index}", f"n{index}", role(graph, node, position), _style(graph, node, position))
                continue
            inner = graph.nodes[ref.index]
            assert type(inner) is Dict
            for key, value in zip(inner.keys, inner.values, strict=True):
                if type(value) is not NodeRef:
                    continue
                if what == "routes":
                    yield Edge(f"n{value.index}", f"n{index}", literal(key), "route")
                else:
                    yield Edge(f"n{value.index}", f"n{index}", f"constraints {_plain(key)}", "data")


def _style(graph: GraphTemplate, node: Node, position: int) -> EdgeStyle:
    if type(node) is not Call:
        return "data"
    if beside(graph, node, position) == "after":
        return "after"
    symbol = graph.calls[node.symbol]
    known = named_part(symbol.kind, position) if position < symbol.positional else None
    return known.style if known else "data"
