"""A graph as a tree, for people: the target at the top, and below each node its operands."""

from __future__ import annotations

from cascade.graph.labels import heading, printable, reference, role
from cascade.graph.model import Call, GraphTemplate, Mapping, NodeRef

__all__ = ["tree"]

LINES = 200
"""The maximum number of lines."""

DEEP = 24
"""The maximum number of levels."""


def tree(graph: GraphTemplate) -> str:
    """Return the graph as a tree, a line for each node.

    A node that was shown before is a number only, "#3". Lines beyond 200, and levels beyond 24, are left out, with a
    line that says so.

    Args:
        graph: a graph that was built or checked.

    >>> from cascade.graph.model import CallSymbol, SlotRef
    >>> add = CallSymbol("jobs", "add", "sync", "default", (), 1, ("b",))
    >>> inner, outer = Call(0, SlotRef(2), (SlotRef(3), SlotRef(4))), Call(0, SlotRef(0), (SlotRef(1), NodeRef(0)))
    >>> print(tree(GraphTemplate((add,), (), (inner, outer), 5)))
    #1 jobs.add(slot 1, b=…)
    └─ b: #0 jobs.add(slot 3, b=slot 4)
    """
    lines: list[str] = []
    shown: set[int] = set()
    hidden = False
    # Node, its name in its consumer, and the prefixes of its line and of its operands' lines.
    rest: list[tuple[int, str, str, str]] = [(len(graph.nodes) - 1, "", "", "")]
    while rest:
        index, name, before, below = rest.pop()
        if len(lines) == LINES:
            hidden = True
            break
        label = f"{name}: " if name else ""
        if index in shown:
            lines.append(f"{before}{label}#{index}")
            continue
        shown.add(index)
        lines.append(f"{before}{label}#{index} {_head(graph, index)}")
        taken = _taken(graph, index)
        if taken and len(below) >= 3 * DEEP:
            lines.append(f"{below}└─ …")
            continue
        for position, (other, role_of) in enumerate(reversed(taken)):
            corner, bar = ("└─ ", "   ") if not position else ("├─ ", "│  ")
            rest.append((other, role_of, below + corner, below + bar))
    if hidden:
        lines.append(f"… of {len(graph.nodes):,} nodes")
    return "\n".join(lines)


def _taken(graph: GraphTemplate, index: int) -> list[tuple[int, str]]:
    """Return the nodes among the operands of a node, each with its name there; at most one more than `LINES`."""
    node = graph.nodes[index]
    found = []
    for position, ref in enumerate(node.operands):
        if type(ref) is NodeRef:
            found.append((ref.index, role(graph, node, position)))
            if len(found) > LINES:
                break
    return found


def _head(graph: GraphTemplate, index: int) -> str:
    """Return a node with its operands; "…" stands for a node below."""
    node = graph.nodes[index]
    parts = []
    for position, ref in enumerate(node.operands[:8]):
        name = role(graph, node, position)
        value = "…" if type(ref) is NodeRef else reference(ref)
        parts.append(f"{name}{': ' if type(node) is Mapping else '='}{value}" if name else value)
    if len(node.operands) > 8:
        parts.append(f"and {len(node.operands) - 8:,} more")
    if type(node) is Call:
        parts.extend(f"inject {printable(name)}" for name in graph.calls[node.symbol].injected[:8])
    return f"{heading(graph, node)}({', '.join(parts)})"
