"""Dicts that are part of one node: the routes of a router, the constraints of a call. They are shown with that node."""

from __future__ import annotations

from cascade.graph.kinds import named_part
from cascade.graph.labels import beside
from cascade.graph.model import Call, GraphTemplate, Mapping, Node, NodeRef

__all__ = ["folded", "part"]


def part(graph: GraphTemplate, node: Node, position: int) -> str:
    """Return the name of a dict that is part of its consumer: "routes" or "constraints"; "" for any other operand."""
    if type(node) is not Call:
        return ""
    symbol = graph.calls[node.symbol]
    known = named_part(symbol.kind, position) if position < symbol.positional else None
    if known is not None and known.folds:
        what = known.name
    elif beside(graph, node, position) == "constraints":
        what = "constraints"
    else:
        return ""
    ref = node.operands[position]
    return what if type(ref) is NodeRef and type(graph.nodes[ref.index]) is Mapping else ""


def folded(graph: GraphTemplate) -> dict[int, str]:
    """Return the numbers of the dicts that are only parts of their consumers, with their names there.

    >>> from cascade.graph.model import CallSymbol, Key, SlotRef
    >>> router = CallSymbol("cascade", "router", "router", "inline", (), 2, ())
    >>> leaf = CallSymbol("jobs", "leaf", "sync", "default", (), 0, ())
    >>> routes = Mapping((Key.dump("a"),), (NodeRef(0),))
    >>> nodes = Call(1, SlotRef(2), ()), routes, Call(0, SlotRef(0), (SlotRef(1), NodeRef(1)))
    >>> folded(GraphTemplate((router, leaf), (), nodes, 3))
    {1: 'routes'}
    """
    found: dict[int, str] = {}
    data = set()
    for node in graph.nodes:
        for position, ref in enumerate(node.operands):
            if type(ref) is NodeRef and type(graph.nodes[ref.index]) is Mapping:
                what = part(graph, node, position)
                if what:
                    found.setdefault(ref.index, what)
                else:
                    data.add(ref.index)
    return {index: what for index, what in found.items() if index not in data}
