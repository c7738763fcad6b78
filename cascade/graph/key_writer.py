"""The inverse of the builder: makes the structure key of a graph."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from struct import unpack

from cascade.exceptions import TemplateError
from cascade.graph.key_reader import CALL, DICT, FROZENSET, KEY, LIST, OPAQUE, REF, SET, SLOT, STRUCT, TUPLE_OF
from cascade.graph.model import (
    INT,
    KEY_KINDS,
    Call,
    Collection,
    GraphTemplate,
    Key,
    KeyValue,
    Mapping,
    NodeRef,
    Record,
    Ref,
    SlotRef,
)

__all__ = ["key_of"]

_OPS = {"list": LIST, "tuple": TUPLE_OF, "set": SET, "frozenset": FROZENSET}
_LARGEST = (1 << 27) - 1  # an operand has 27 bits

# An item that is still to be written: a reference, a dict key, or a token.
_Rest = Ref | Key | int


def key_of(graph: GraphTemplate, numbers: Sequence[int] | None = None) -> bytes:
    """Return the structure key of a graph, in native tokens; the inverse of `builder.build`.

    Takes time linear in the nodes and operands, however deep the expression was.

    Args:
        graph: a graph that was checked (`check_graph`).
        numbers: the ids of the symbols, first those of `graph.calls`, then those of `graph.structs`; None: their
            numbers in this order, from 0, so that the key is the same in every process.

    Raises:
        TemplateError: a number in the graph is too large for a key.

    >>> from cascade.graph.model import CallSymbol
    >>> noop = CallSymbol("jobs", "noop", "sync", "default", (), 1, ())
    >>> nodes = Call(0, SlotRef(1), (SlotRef(2),)), Call(0, SlotRef(0), (NodeRef(0),))
    >>> key = key_of(GraphTemplate((noop,), (), nodes, 3), [7])
    >>> key == array("I", [7 << 5 | CALL, 7 << 5 | CALL, SLOT]).tobytes()
    True
    """
    if numbers is None:
        numbers = range(len(graph.calls) + len(graph.structs))
    tokens = array("I")
    begun: dict[int, int] = {}  # number in post-order -> number in prefix order
    rest: list[_Rest] = [NodeRef(len(graph.nodes) - 1)]
    try:
        while rest:
            item = rest.pop()
            if type(item) is SlotRef:
                tokens.append(SLOT)
            elif type(item) is int:
                tokens.append(item)
            elif type(item) is Key:
                _write_literal(tokens, item)
            elif (number := begun.get(item.index)) is not None:  # type: ignore[union-attr]
                tokens.append(_token(number, REF))
            else:
                begun[item.index] = len(begun)  # type: ignore[union-attr]
                _open(tokens, rest, graph, item.index, numbers)  # type: ignore[union-attr]
    except OverflowError:
        raise TemplateError("a number is too large for a structure key - at `graph`") from None
    return tokens.tobytes()


def _token(operand: int, op: int) -> int:
    if operand > _LARGEST:
        raise OverflowError
    return operand << 5 | op


def _open(tokens: array[int], rest: list[_Rest], graph: GraphTemplate, index: int, numbers: Sequence[int]) -> None:
    """Write the first token of a node, and push its operands to `rest`."""
    node = graph.nodes[index]
    if type(node) is Call:
        tokens.append(_token(numbers[node.symbol], CALL))
        rest.extend(reversed(node.args))
    elif type(node) is Record:
        tokens.append(_token(numbers[len(graph.calls) + node.symbol], STRUCT))
        rest.extend(reversed(node.fields))
    elif type(node) is Mapping:
        tokens.append(_token(len(node.values), DICT))
        for key, value in zip(reversed(node.keys), reversed(node.values), strict=True):
            rest.append(value)
            rest.append(OPAQUE << 5 | KEY if type(key) is SlotRef else key)
    elif type(node) is Collection:
        tokens.append(_token(len(node.items), _OPS[node.kind]))
        rest.extend(reversed(node.items))


def _write_literal(tokens: array[int], key: Key) -> None:
    """Write a dict key as extraction does."""
    values: list[KeyValue] = [key.load()]
    while values:
        value = values.pop()
        if type(value) is tuple:
            tokens.append(KEY_KINDS.index("tuple") << 5 | KEY)
            tokens.append(len(value))
            values.extend(reversed(value))
            continue
        scalar = Key.dump(value)
        kind = KEY_KINDS.index(scalar.kind)
        tokens.append(kind << 5 | KEY)
        if scalar.kind in ("none", "false", "true"):
            continue
        data = scalar.value
        if kind == INT:
            # With Python's prefix "0x", as the core writes it.
            data = data.replace(b"-", b"-0x", 1) if data.startswith(b"-") else b"0x" + data
        if scalar.kind != "float":
            tokens.append(_token(len(data), 0) >> 5)
        data += bytes(-len(data) % 4)
        tokens.extend(unpack(f"<{len(data) // 4}I", data))
