"""Nodes in sentences, for errors, logs and events."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cascade.graph.kinds import KINDS
from cascade.graph.model import Call, GraphTemplate, NodeRef
from cascade.graph.path import locate

if TYPE_CHECKING:
    from cascade._core.expr.builtin_nodes import Skip

__all__ = ["describe", "describe_chooser", "describe_skip", "name_of"]


def describe(graph: GraphTemplate, number: int, where: str | None = None) -> str:
    """Return a node with its place: "task shop.pay at $.args[0]".

    Args:
        graph: a graph that was built or checked.
        number: index of the node into `graph.nodes`.
        where: the place; None: the path from the target, which takes time linear in the graph.

    >>> from cascade.graph.model import CallSymbol, SlotRef
    >>> inject = CallSymbol("cascade", "db", "inject", "inline", (), 0, ())
    >>> pay = CallSymbol("shop", "pay", "sync", "default", (), 1, ())
    >>> graph = GraphTemplate((pay, inject), (), (Call(1, SlotRef(1), ()), Call(0, SlotRef(0), (NodeRef(0),))), 2)
    >>> describe(graph, 0), describe(graph, 1, "node 1")
    ("resource 'db' at $.args[0]", 'task shop.pay at node 1')
    """
    if where is None:
        where = locate(graph, number)
    return f"{name_of(graph, number)} at {where}"


def name_of(graph: GraphTemplate, number: int) -> str:
    """Return a node without its place: "task shop.pay".

    Args:
        graph: a graph that was built or checked.
        number: index of the node into `graph.nodes`.
    """
    node = graph.nodes[number]
    if type(node) is not Call:
        return type(node).__name__
    symbol = graph.calls[node.symbol]
    kind = KINDS[symbol.kind]
    if not kind.word:
        return f"{kind.prefix}task {symbol.module}.{symbol.qualname}"
    name = f" {symbol.qualname!r}" if kind.named else ""
    return f"{kind.phrase or kind.word}{name}"


def describe_chooser(graph: GraphTemplate, number: int) -> str:
    """Return why nothing has needed a node of a graph: "router at $[1] did not need it".

    Args:
        graph: a graph that was built or checked.
        number: index of the node into `graph.nodes`.
    """
    while number < len(graph.nodes) - 1:
        number = next(
            index for index in range(number + 1, len(graph.nodes))
            if any(type(ref) is NodeRef and ref.index == number for ref in graph.nodes[index].operands)
        )  # fmt: skip
        node = graph.nodes[number]
        if type(node) is Call and KINDS[graph.calls[node.symbol].kind].core.chooses:
            break
    return f"{describe(graph, number)} did not need it"


def describe_skip(skip: Skip) -> str:
    """Return the text about a skipped node and the condition that was false.

    Args:
        skip: the internal value of the node.

    Returns:
        "task shop.pay at $ was skipped, as its condition was false: task shop.is_open at $.condition"; "a value" stands
        for a node or a condition that is data.
    """
    graph: GraphTemplate = skip.template.graph
    condition, node, *_ = graph.nodes[skip.number].operands
    skipped, reason = (describe(graph, ref.index) if type(ref) is NodeRef else "a value" for ref in (node, condition))
    return f"{skipped} was skipped, as its condition was false: {reason}"
