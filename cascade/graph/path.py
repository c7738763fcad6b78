"""Paths: the place of a node in its graph, from the target."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from cascade.exceptions import InternalError
from cascade.graph.kinds import KINDS, named_part
from cascade.graph.labels import literal, printable
from cascade.graph.model import Call, Collection, GraphTemplate, Mapping, NodeRef, Record

__all__ = ["consumer", "locate"]

# Of a longer path the middle is left out: this many steps remain at each end.
STEPS = 8


def locate(graph: GraphTemplate, node: int) -> str:
    """Return the path of a node from the target.

    "$" is the target, "$.args[0]" its first argument, "$.kwargs['x']['key']" the value under a key of a dict that is
    its argument x; "[...]" is a member of a set. Where several paths lead to the node, it is the first in traversal
    order. The middle of a path of more than 16 steps is left out.

    Time is linear in the operands of the nodes on the path.

    Args:
        graph: a graph that was built or checked.
        node: index into `graph.nodes`.

    Raises:
        IndexError: the graph has no such node.

    >>> from cascade.graph.model import CallSymbol, SlotRef
    >>> total = CallSymbol("jobs", "total", "sync", "default", (), 0, ("of",))
    >>> one = CallSymbol("jobs", "one", "sync", "default", (), 0, ())
    >>> nodes = Call(1, SlotRef(1), ()), Collection("list", (NodeRef(0),)), Call(0, SlotRef(0), (NodeRef(1),))
    >>> graph = GraphTemplate((total, one), (), nodes, 2)
    >>> locate(graph, 0), locate(graph, 2)
    ("$.kwargs['of'][0]", '$')
    """
    first: list[tuple[int, int]] = []
    last: deque[tuple[int, int]] = deque(maxlen=STEPS)
    count = 0
    for step in _way(graph, node):
        (first if count < STEPS else last).append(step)
        count += 1
    hidden = count - len(first) - len(last)
    head = "$" + "".join(_step(graph, *step) for step in first)
    tail = "".join(_step(graph, *step) for step in last)
    return f"{head} … {hidden:,} steps … {tail}" if hidden else head + tail


def consumer(graph: GraphTemplate, node: int) -> str | None:
    """Return the qualified name of the task that waits for a node: for its value, or for its end (`after`).

    Args:
        graph: a graph that was built or checked.
        node: index into `graph.nodes`.

    Returns:
        The name; None if no task waits for it: the node is the target, or a container of the target holds its value.

    Raises:
        IndexError: the graph has no such node.
    """
    found = None
    for at, _ in _way(graph, node):
        above = graph.nodes[at]
        if type(above) is Call and KINDS[graph.calls[above.symbol].kind].core.calls_function:
            found = graph.calls[above.symbol].qualname
    return found


def _way(graph: GraphTemplate, node: int) -> Iterator[tuple[int, int]]:
    """Yield the nodes on the path from the target to a node, each with the position of the next in its operands."""
    nodes = graph.nodes
    if not 0 <= node < len(nodes):
        raise IndexError(f"no such node: {node} of {len(nodes)}")
    at = len(nodes) - 1
    while at != node:
        # Post-order: the nodes first reached through an operand have numbers up to its own, and above those of the
        # operands before it. So the path continues with the first operand whose number is not below the node's.
        step, below = next(
            (
                (position, ref.index)
                for position, ref in enumerate(nodes[at].operands)
                if type(ref) is NodeRef and node <= ref.index < at
            ),
            (0, at),
        )
        if below == at:
            raise InternalError(f"node {node} is not below node {at}")
        yield at, step
        at = below


def _step(graph: GraphTemplate, index: int, position: int) -> str:
    node = graph.nodes[index]
    if type(node) is Call:
        symbol = graph.calls[node.symbol]
        if position < symbol.positional:
            known = named_part(symbol.kind, position)
            return known.step if known else f".args[{position}]"
        position -= symbol.positional
        if position < len(symbol.names):
            return f".kwargs['{printable(symbol.names[position])}']"
        return f".{printable(symbol.roles[position - len(symbol.names)])}"
    if type(node) is Mapping:
        return f"[{literal(node.keys[position])}]"
    if type(node) is Collection:
        return f"[{position}]" if node.kind in ("list", "tuple") else "[...]"
    assert type(node) is Record
    return f".{printable(graph.structs[node.symbol].fields[position])}"
