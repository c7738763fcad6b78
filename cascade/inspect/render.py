"""Pictures of templates, in the languages of Mermaid and Graphviz.

Data flows downwards: an arrow goes from a node to its consumer. Arrows of routes, and of nodes under a condition, are
dashed; that of the condition is dotted; one that ends in a circle is order without data. Names are escaped so that
neither language, nor the Markdown and HTML in their labels, interprets any part of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from cascade.graph.kinds import BoxShape, EdgeStyle
from cascade.graph.labels import printable
from cascade.graph.model import GraphTemplate, NodeRef, PlanTemplate
from cascade.inspect.diagram import Box, Edge, box, edges
from cascade.inspect.fold import folded
from cascade.inspect.picture import Picture

__all__ = ["picture"]

# If more nodes can start at once, only the first has the back edge of a tail call.
FIRST = 8

_MERMAID: dict[BoxShape, tuple[str, str]] = {
    "task": ("[", "]"),
    "map": ("{{", "}}"),
    "container": ("(", ")"),
    "router": ("{", "}"),
    "condition": ("{", "}"),
    "input": ("[/", "/]"),
    "resource": ("[(", ")]"),
    "elsewhere": ("[[", "]]"),
}
_ARROWS: dict[EdgeStyle, str] = {"data": "-->", "route": "-.->", "condition": "-.->", "after": "--o", "tail": "-.->"}
# Mermaid has one kind of broken line: the lengths of its strokes make it dashed or dotted.
_STROKES: dict[EdgeStyle, str] = {"route": "8 5", "condition": "2 4"}
_DOT: dict[BoxShape, str] = {
    "task": "box",
    "map": "box3d",
    "container": "ellipse",
    "router": "diamond",
    "condition": "diamond",
    "input": "parallelogram",
    "resource": "cylinder",
    "elsewhere": "component",
}
_OPTIONS: dict[EdgeStyle, tuple[str, ...]] = {
    "data": (),
    "route": ("style=dashed",),
    "condition": ("style=dotted",),
    "after": ("arrowhead=odot",),
    "tail": ("style=dashed", "constraint=false"),  # a back edge must not turn the picture upside down
}


def picture(
    graph: GraphTemplate,
    plan: PlanTemplate,
    tails: Iterable[tuple[str, str]] = (),
    *,
    itself: str = "",
    labels: Mapping[str, str] | None = None,
    settings: Mapping[int, str] | None = None,
) -> Picture:
    """Return a picture of the template, with the tail calls that were observed as dashed edges.

    A tail call back to this template is an arrow from its target to the nodes that start first; any other is an arrow
    to a box with the target task of the other template.

    Args:
        graph: a graph that was built or checked.
        plan: its plan.
        tails: `(source, target)` of each observed tail call: identifiers of the two templates, such as digests.
        itself: the identifier of this template in `tails`.
        labels: the target tasks of other templates, by identifier; a template without one is labelled by its
            identifier.
        settings: the policies of an expression with this template as text, by slot.

    >>> from cascade.graph.model import Call, CallSymbol, SlotRef
    >>> step = CallSymbol("jobs", "step", "sync", "default", (), 1, ())
    >>> graph = GraphTemplate((step,), (), (Call(0, SlotRef(0), (SlotRef(1),)),), 2)
    >>> print(picture(graph, PlanTemplate((0,), (1,)), [("", "")]).mermaid)
    flowchart TD
        n0["jobs.step<br/>slot 1"]
        n0 -.->|"tail call"| n0
        style n0 stroke-width:3px
    """
    parts = folded(graph)
    boxes = [box(graph, index, settings or {}) for index in plan.order if index not in parts]
    arrows = [*edges(graph)]
    names = {itself: f"n{len(graph.nodes) - 1}"}
    first = [index for index in plan.order if index not in parts and _starts_first(graph, index)]
    if len(first) > FIRST:
        first = first[:1]
    for source, target in dict.fromkeys(tails):
        for other in (source, target):
            if other not in names:
                names[other] = f"t{len(names) - 1}"
                boxes.append(Box(names[other], (printable((labels or {}).get(other, other)),), "elsewhere"))
        targets = [f"n{index}" for index in first] if target == itself else [names[target]]
        arrows.extend(Edge(names[source], name, "tail call", "tail") for name in targets)
    return Picture(_mermaid(boxes, arrows, names[itself]), _dot(boxes, arrows, names[itself]))


def _starts_first(graph: GraphTemplate, index: int) -> bool:
    return not any(type(ref) is NodeRef for ref in graph.nodes[index].operands)


def _mermaid(boxes: list[Box], arrows: list[Edge], target: str) -> str:
    lines = ["flowchart TD"]
    for drawn in boxes:
        left, right = _MERMAID[drawn.shape]
        # Mermaid takes no empty label.
        label = "<br/>".join(map(_mermaid_text, drawn.lines)) or " "
        lines.append(f'    {drawn.name}{left}"{label}"{right}')
    for edge in arrows:
        label = f'|"{_mermaid_text(edge.label)}"|' if edge.label else ""
        lines.append(f"    {edge.source} {_ARROWS[edge.style]}{label} {edge.target}")
    for style, strokes in _STROKES.items():
        numbers = [str(number) for number, edge in enumerate(arrows) if edge.style == style]
        if numbers:
            lines.append(f"    linkStyle {','.join(numbers)} stroke-dasharray:{strokes}")
    lines.append(f"    style {target} stroke-width:3px")
    return "\n".join(lines)


def _mermaid_text(text: str) -> str:
    """Return `text` for a quoted Mermaid label: all but letters, digits and a few marks as character numbers."""
    out = []
    for at, c in enumerate(text):
        # "1." begins a list, "    x" is code; Mermaid uses the two letters below as marks of decoded text.
        plain = c.isalpha() or (at and (c in ".,=()" or c.isdecimal() or (c == " " and text[at - 1] != " ")))
        out.append(c if plain and c not in "ﬂß" else f"#{ord(c)};")
    return "".join(out)


def _dot(boxes: list[Box], arrows: list[Edge], target: str) -> str:
    lines = ["digraph template {"]
    for drawn in boxes:
        bold = ", penwidth=3" if drawn.name == target else ""
        label = r"\n".join(map(_dot_text, drawn.lines))
        lines.append(f'    {drawn.name} [shape={_DOT[drawn.shape]}, label="{label}"{bold}];')
    for edge in arrows:
        options = [*_OPTIONS[edge.style]]
        if edge.label:
            options.append(f'label="{_dot_text(edge.label)}"')
        tail = f" [{', '.join(options)}]" if options else ""
        lines.append(f"    {edge.source} -> {edge.target}{tail};")
    lines.append("}")
    return "\n".join(lines)


def _dot_text(text: str) -> str:
    r"""Return `text` for a quoted DOT label, in which `\` begins an escape and `&` an HTML entity."""
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("&", "&amp;")
