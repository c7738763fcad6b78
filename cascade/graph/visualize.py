"""A template as a picture, in the words of Mermaid and of Graphviz.

Data flows downwards: an arrow goes from a node to the node that takes it. What a name contains is escaped until
neither language, nor the Markdown and HTML that they read inside a label, can see anything in it but text.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from msgspec import Struct

from cascade.graph.picture import Picture
from cascade.graph.template import Call, GraphTemplate, Node, NodeRef, PlanTemplate, SlotRef
from cascade.graph.text import printable, reference, role, title

# Of more nodes that can start at once, only the first gets the back edge of a tail call.
FIRST = 8
SLOTS = 4


class _Box(Struct, frozen=True, gc=False):
    """A box: its name in the text, lines of plain text, and "task", "container" or "elsewhere"."""

    name: str
    lines: tuple[str, ...]
    shape: str


class _Edge(Struct, frozen=True, gc=False):
    """An arrow between two boxes; dashed and labelled if it is a tail call."""

    source: str
    target: str
    label: str
    tail: bool


def picture(
    graph: GraphTemplate,
    plan: PlanTemplate,
    tails: Iterable[tuple[str, str]] = (),
    *,
    itself: str = "",
    labels: Mapping[str, str] | None = None,
) -> Picture:
    """Return a picture of the template, with the tail calls that were observed as dashed edges.

    A tail call back to this template goes from its target to the nodes that start first; any other goes to a box that
    stands for the other template and names its target task.

    Args:
        graph: a graph that was built or checked.
        plan: its plan.
        tails: `(source, target)` of each observed tail call: what identifies the two templates, such as their digests.
        itself: what identifies this template in `tails`.
        labels: for other templates, by what identifies them, the names of their target tasks; without one, what
            identifies a template is its name.

    >>> from cascade.graph.template import CallSymbol
    >>> step = CallSymbol("jobs", "step", "sync", "default", (), 1, ())
    >>> graph = GraphTemplate((step,), (), (Call(0, SlotRef(0), (SlotRef(1),)),), 2)
    >>> print(picture(graph, PlanTemplate((0,), (1,)), [("", "")]).mermaid)
    flowchart TD
        n0["jobs.step<br/>slot 1"]
        n0 -.->|"tail call"| n0
        style n0 stroke-width:3px
    """
    boxes = [_box(graph, index) for index in plan.order]
    edges = [*_edges(graph)]
    names = {itself: f"n{len(graph.nodes) - 1}"}
    first = [index for index in plan.order if not any(type(ref) is NodeRef for ref in graph.nodes[index].operands)]
    if len(first) > FIRST:
        first = first[:1]
    for source, target in dict.fromkeys(tails):
        for other in (source, target):
            if other not in names:
                names[other] = f"t{len(names) - 1}"
                boxes.append(_Box(names[other], (printable((labels or {}).get(other, other)),), "elsewhere"))
        targets = [f"n{index}" for index in first] if target == itself else [names[target]]
        edges.extend(_Edge(names[source], name, "tail call", True) for name in targets)
    return Picture(_mermaid(boxes, edges, names[itself]), _dot(boxes, edges, names[itself]))


def _box(graph: GraphTemplate, index: int) -> _Box:
    node = graph.nodes[index]
    data = [_labelled(graph, node, position) for position, ref in enumerate(node.operands) if type(ref) is SlotRef]
    lines = [title(graph, node)]
    if type(node) is Call:
        symbol = graph.calls[node.symbol]
        if symbol.mode != "default":
            lines.append(f"{symbol.kind} {symbol.mode}")
    if data:
        lines.append(", ".join([*data[:SLOTS], "…"] if len(data) > SLOTS else data))
    return _Box(f"n{index}", tuple(lines), "task" if type(node) is Call else "container")


def _labelled(graph: GraphTemplate, node: Node, position: int) -> str:
    name = role(graph, node, position)
    text = reference(node.operands[position])
    return f"{name}={text}" if name else text


def _edges(graph: GraphTemplate) -> Iterator[_Edge]:
    for index, node in enumerate(graph.nodes):
        for position, ref in enumerate(node.operands):
            if type(ref) is NodeRef:
                yield _Edge(f"n{ref.index}", f"n{index}", role(graph, node, position), False)


def _mermaid(boxes: list[_Box], edges: list[_Edge], target: str) -> str:
    shapes = {"task": ("[", "]"), "container": ("(", ")"), "elsewhere": ("[[", "]]")}
    lines = ["flowchart TD"]
    for box in boxes:
        left, right = shapes[box.shape]
        # Mermaid takes no empty label.
        label = "<br/>".join(map(_mermaid_text, box.lines)) or " "
        lines.append(f'    {box.name}{left}"{label}"{right}')
    for edge in edges:
        arrow = "-.->" if edge.tail else "-->"
        label = f'|"{_mermaid_text(edge.label)}"|' if edge.label else ""
        lines.append(f"    {edge.source} {arrow}{label} {edge.target}")
    lines.append(f"    style {target} stroke-width:3px")
    return "\n".join(lines)


def _mermaid_text(text: str) -> str:
    """Return `text` for a quoted Mermaid label: all but letters, digits and a few marks as character numbers."""
    out = []
    for at, c in enumerate(text):
        # "1." begins a list, "    x" is code; Mermaid itself marks what it has decoded with the last two letters.
        plain = c.isalpha() or (at and (c in ".,=()" or c.isdecimal() or (c == " " and text[at - 1] != " ")))
        out.append(c if plain and c not in "ﬂß" else f"#{ord(c)};")
    return "".join(out)


def _dot(boxes: list[_Box], edges: list[_Edge], target: str) -> str:
    shapes = {"task": "box", "container": "ellipse", "elsewhere": "component"}
    lines = ["digraph template {"]
    for box in boxes:
        bold = ", penwidth=3" if box.name == target else ""
        label = r"\n".join(map(_dot_text, box.lines))
        lines.append(f'    {box.name} [shape={shapes[box.shape]}, label="{label}"{bold}];')
    for edge in edges:
        # A back edge must not turn the picture upside down.
        options = ["style=dashed", "constraint=false"] if edge.tail else []
        if edge.label:
            options.append(f'label="{_dot_text(edge.label)}"')
        tail = f" [{', '.join(options)}]" if options else ""
        lines.append(f"    {edge.source} -> {edge.target}{tail};")
    lines.append("}")
    return "\n".join(lines)


def _dot_text(text: str) -> str:
    r"""Return `text` for a quoted DOT label, in which `\` begins an escape and `&` an HTML entity."""
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("&", "&amp;")
