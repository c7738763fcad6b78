"""A template as a table, for people."""

from __future__ import annotations

from cascade.graph.labels import kind, name, printable, reference, role
from cascade.graph.model import Call, GraphTemplate, Mapping, Node, NodeRef, PlanTemplate, Record
from cascade.inspect.fold import folded

__all__ = ["explain"]

# Of a longer graph the middle is left out, of a longer list of operands the end.
NODES = 200
OPERANDS = 8

_HEADER = ("node", "start", "priority", "kind", "makes", "slot", "operands")
_RIGHT = (True, True, True, False, False, True, False)


def explain(graph: GraphTemplate, plan: PlanTemplate) -> str:
    """Return the template as a table, a line for each node, in post-order: the target is the last line.

    The columns: the number of the node; its rank in the plan; its priority (larger first); its kind, and the mode of
    its task, if it has one ("routes" and "constraints" are dicts that are part of a router or a call); its task, struct
    or container; the slot of its task or type; its operands: "#3" is a node, "slot 3" data. Of more than 200 nodes the
    middle is left out, and a line says so.

    Args:
        graph: a graph that was built or checked.
        plan: its plan.

    >>> from cascade.graph.model import CallSymbol, SlotRef
    >>> step = CallSymbol("jobs", "step", "async", "default", (), 1, ("by",))
    >>> graph = GraphTemplate((step,), (), (Call(0, SlotRef(0), (SlotRef(1), SlotRef(2))),), 3)
    >>> print(explain(graph, PlanTemplate((0,), (1,))))
    1 node, 0 edges, 3 slots, longest path 1
    <BLANKLINE>
    node  start  priority  kind   makes      slot  operands
      #0      0         1  async  jobs.step     0  slot 1, by=slot 2  <- target
    """
    nodes = graph.nodes
    shown = list(range(len(nodes)))
    hidden = 0
    if len(nodes) > NODES:
        shown = [*range(NODES // 2), *range(len(nodes) - NODES // 2, len(nodes))]
        hidden = len(nodes) - NODES
    start = [0] * len(nodes)
    for rank, index in enumerate(plan.order):
        start[index] = rank
    parts = folded(graph)
    rows: list[tuple[str, ...]] = [_HEADER]
    for index in shown:
        node = nodes[index]
        numbers = f"#{index}", str(start[index]), str(plan.priority[index])
        what = parts.get(index) or kind(graph, node)
        rows.append((*numbers, what, name(graph, node), _slot(node), _operands(graph, node)))
    rows[-1] = (*rows[-1][:-1], f"{rows[-1][-1]}  <- target".lstrip())
    lines = _align(rows)
    if hidden:
        middle = 1 + NODES // 2
        lines.insert(middle, f"  … {hidden:,} nodes left out, #{shown[middle - 2] + 1} to #{shown[middle - 1] - 1} …")
    return "\n".join([_summary(graph), "", *lines])


def _summary(graph: GraphTemplate) -> str:
    edges = 0
    depth: list[int] = []
    for node in graph.nodes:
        below = [depth[ref.index] for ref in node.operands if type(ref) is NodeRef]
        edges += len(below)
        depth.append(1 + max(below, default=0))
    counts = (len(graph.nodes), "node"), (edges, "edge"), (graph.slots, "slot")
    parts = [f"{count:,} {noun}{'' if count == 1 else 's'}" for count, noun in counts]
    return ", ".join([*parts, f"longest path {depth[-1]:,}"])


def _slot(node: Node) -> str:
    if type(node) is Call:
        return str(node.task.index)
    return str(node.type.index) if type(node) is Record else ""


def _operands(graph: GraphTemplate, node: Node) -> str:
    """Return the operands, each with its role, and after them the injected resources."""
    parts = []
    for position, ref in enumerate(node.operands[:OPERANDS]):
        what = role(graph, node, position)
        parts.append(f"{what}{': ' if type(node) is Mapping else '='}{reference(ref)}" if what else reference(ref))
    if len(node.operands) > OPERANDS:
        parts.append(f"… {len(node.operands) - OPERANDS:,} more")
    if type(node) is Call:
        parts.extend(f"inject {printable(resource)}" for resource in graph.calls[node.symbol].injected[:OPERANDS])
    return ", ".join(parts)


def _align(rows: list[tuple[str, ...]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(row, widths, _RIGHT, strict=True)
        ).rstrip()
        for row in rows
    ]
