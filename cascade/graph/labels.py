"""Names, dict keys and nodes as printable text: on one line, of bounded length, and unambiguous."""

from __future__ import annotations

from cascade.graph.kinds import KINDS, named_part
from cascade.graph.model import Call, GraphTemplate, Key, KeyValue, Mapping, Node, NodeRef, Record, Ref, SlotRef

__all__ = ["beside", "heading", "kind", "literal", "name", "printable", "reference", "role", "shorten", "title"]

WIDTH = 60


def printable(name: str, width: int = WIDTH) -> str:
    r"""Return `name` with what cannot be printed, and the backslash, escaped as in a Python literal.

    Args:
        name: any text, lone surrogates included.
        width: the maximum length of the result, in characters; of a longer text the middle is left out.

    >>> printable("a\nb\\"), printable("x" * 100, 9)
    ('a\\nb\\\\', 'xxxx…xxxx')
    """
    # Cut first: escaping a megabyte is slow.
    if len(name) > 4 * width:
        name = name[: 2 * width] + name[-2 * width :]
    text = "".join(c if c.isprintable() and c != "\\" else c.encode("unicode_escape").decode() for c in name)
    return shorten(text, width)


def shorten(text: str, width: int = WIDTH) -> str:
    """Return `text`, without its middle if it is longer than `width` characters."""
    if len(text) <= width:
        return text
    half = (width - 1) // 2
    return f"{text[: width - 1 - half]}…{text[len(text) - half :]}"


def literal(key: Key | SlotRef, width: int = WIDTH) -> str:
    """Return a dict key as Python would write it, or the slot of one that is data.

    Args:
        key: a key of a `Mapping`.
        width: the maximum length of the result, in characters.

    >>> literal(Key.dump((1, "a"))), literal(SlotRef(4))
    ("(1, 'a')", 'slot 4')
    """
    if type(key) is SlotRef:
        return f"slot {key.index}"
    assert type(key) is Key
    if len(key.value) > (4 * width if key.kind in ("str", "bytes") else 1 << 16):
        return f"{key.kind} of {len(key.value):,} bytes"
    return shorten(_value(key.load(), 3), width)


def _value(value: KeyValue, depth: int) -> str:
    if type(value) is tuple:
        if not depth:
            return "(…)"
        shown = [_value(item, depth - 1) for item in value[:8]]
        if len(value) > 8:
            shown.append("…")
        return f"({', '.join(shown)}{',' if len(value) == 1 else ''})"
    # Not decimal: that takes quadratic time, and Python raises for very many digits.
    if type(value) is int and value.bit_length() > 128:
        return hex(value)
    if type(value) in (str, bytes):
        value = value[: 4 * WIDTH]  # type: ignore[index]
    return repr(value)


def reference(ref: Ref) -> str:
    """Return an operand: "#3" for a node, "slot 3" for a slot."""
    return f"#{ref.index}" if type(ref) is NodeRef else f"slot {ref.index}"


def title(graph: GraphTemplate, node: Node) -> str:
    """Return the name of a node's task, struct or container: "module.task", "module.Struct", "list"."""
    if type(node) is Call:
        call = graph.calls[node.symbol]
        return f"{printable(call.module)}.{printable(call.qualname)}"
    if type(node) is Record:
        struct = graph.structs[node.symbol]
        return f"{printable(struct.module)}.{printable(struct.qualname)}"
    return "dict" if type(node) is Mapping else node.kind  # type: ignore[union-attr]


def kind(graph: GraphTemplate, node: Node) -> str:
    """Return the kind of a node: "async", "sync thread", "map", "router", "condition", "container", "struct"."""
    if type(node) is not Call:
        return "struct" if type(node) is Record else "container"
    call = graph.calls[node.symbol]
    if word := KINDS[call.kind].word:
        return word
    return call.kind if call.mode == "default" else f"{call.kind} {call.mode}"


def name(graph: GraphTemplate, node: Node) -> str:
    """Return a node's name beside its kind: "module.task", the name of a param; "" for a router or a condition."""
    if type(node) is Call:
        call = graph.calls[node.symbol]
        if (own := KINDS[call.kind]).word:
            return printable(call.qualname) if own.named else ""
    return title(graph, node)


def heading(graph: GraphTemplate, node: Node) -> str:
    """Return kind and name of a node, as "module.task", "map of module.task", "router", "param 'n'" or "dict"."""
    if type(node) is Call:
        call = graph.calls[node.symbol]
        own = KINDS[call.kind]
        if own.word:
            return f"{own.word} '{printable(call.qualname)}'" if own.named else own.word
        return f"{own.prefix}{title(graph, node)}"
    return title(graph, node)


def beside(graph: GraphTemplate, node: Node, position: int) -> str:
    """Return the role of an operand beside the arguments: "after", "retry", "const NAME"; "" for all others."""
    if type(node) is not Call:
        return ""
    symbol = graph.calls[node.symbol]
    position -= symbol.positional + len(symbol.names)
    return symbol.roles[position] if position >= 0 else ""


def role(graph: GraphTemplate, node: Node, position: int) -> str:
    """Return the name of an operand in its node: of an argument, a key, a field; "" if it has a position only.

    Args:
        graph: the graph.
        node: a node of it.
        position: index into `node.operands`.
    """
    if type(node) is Call:
        symbol = graph.calls[node.symbol]
        if position < symbol.positional:
            known = named_part(symbol.kind, position)
            return known.name if known else ""
        position -= symbol.positional
        if position < len(symbol.names):
            return printable(symbol.names[position])
        return printable(symbol.roles[position - len(symbol.names)])
    if type(node) is Mapping:
        return literal(node.keys[position])
    if type(node) is Record:
        return printable(graph.structs[node.symbol].fields[position])
    return ""
