"""The builder: makes a graph of a structure key."""

from __future__ import annotations

from cascade.exceptions import TemplateError
from cascade.graph.key_reader import (
    CALL,
    DICT,
    FROZENSET,
    KEY,
    LIST,
    REF,
    SET,
    SLOT,
    STRUCT,
    TUPLE_OF,
    KeyBuffer,
    SymbolLookup,
    Symbols,
    items,
)
from cascade.graph.model import (
    Call,
    Collection,
    CollectionKind,
    GraphTemplate,
    Key,
    Mapping,
    Node,
    NodeRef,
    Record,
    Ref,
    SlotRef,
)

__all__ = ["build"]

_COLLECTIONS: dict[int, CollectionKind] = {LIST: "list", TUPLE_OF: "tuple", SET: "set", FROZENSET: "frozenset"}

# An open node, whose operands were not all read: its op; the index of its symbol or, without one, the number of dict
# keys before its own; its slot, if it has one; the number of operands before its own, and with its own; its number in
# prefix order.
# A tuple of integers only, not a NamedTuple: the collector untracks it, and a million open nodes cost it nothing.
_Open = tuple[int, int, int, int, int, int]


def build(key: KeyBuffer, symbol: SymbolLookup) -> GraphTemplate:
    """Return the graph of a structure key.

    Time is linear in the length of the key, however deep the expression is.

    Args:
        key: native unsigned 32 bit tokens.
        symbol: returns the shape of a symbol's id (`cascade._core.expr.symbol.symbol`).

    Raises:
        TemplateError: the key is not the key of any expression; the message names the token.

    >>> from array import array
    >>> from types import SimpleNamespace
    >>> noop = SimpleNamespace(task=("jobs", "noop", "sync", "default", ()), positional=1, names=(), roles=())
    >>> graph = build(memoryview(array("I", [7 << 5 | CALL, 7 << 5 | CALL, SLOT])), {7: noop}.__getitem__)
    >>> graph.nodes
    (Call(symbol=0, task=SlotRef(index=1), args=(SlotRef(index=2),)), \
Call(symbol=0, task=SlotRef(index=0), args=(NodeRef(index=0),)))
    """
    symbols = Symbols(symbol)
    nodes: list[Node] = []
    operands: list[Ref] = []  # of all open nodes, the outermost node's first
    keys: list[Key | SlotRef] = []  # of all open dicts
    finished: list[int] = []  # number in prefix order -> number in post-order, -1 while open
    opened: list[_Open] = []
    slots = 0
    at = 0
    reader = items(key)
    for op, operand, literal, at in reader:
        if op == SLOT:
            operands.append(SlotRef(slots))
            slots += 1
        elif op == REF:
            operands.append(_back_reference(finished, operand, at))
        elif op == KEY:
            if not opened or opened[-1][0] != DICT or len(keys) - opened[-1][1] != len(operands) - opened[-1][3]:
                raise TemplateError(f"dict key out of place - at token {at}")
            keys.append(SlotRef(slots) if literal is None else literal)
            slots += literal is None
            continue
        else:
            if op == CALL:
                head, count = symbols.call(operand, at)
            elif op == STRUCT:
                head, count = symbols.struct(operand, at)
            else:
                head, count = len(keys), operand
            opened.append((op, head, slots, len(operands), len(operands) + count, len(finished)))
            finished.append(-1)
            slots += op in (CALL, STRUCT)
        while opened and len(operands) == opened[-1][4]:
            top = opened.pop()
            nodes.append(_close(top, operands, keys, at))
            finished[top[5]] = len(nodes) - 1
            operands.append(NodeRef(len(nodes) - 1))
        if not opened:
            break
    if opened or not nodes:
        raise TemplateError(f"structure key ends inside the expression - at token {at}")
    for _, _, _, at in reader:
        raise TemplateError(f"structure key goes on after the expression - at token {at}")
    return GraphTemplate(tuple(symbols.calls), tuple(symbols.structs), tuple(nodes), slots)


def _back_reference(finished: list[int], number: int, at: int) -> NodeRef:
    if number >= len(finished):
        raise TemplateError(f"back-reference to node {number}, of {len(finished)} so far - at token {at}")
    if finished[number] < 0:
        raise TemplateError(f"back-reference to node {number}, which contains it - at token {at}")
    return NodeRef(finished[number])


def _close(top: _Open, operands: list[Ref], keys: list[Key | SlotRef], at: int) -> Node:
    """Return the innermost open node with its operands, which are removed from the stacks."""
    op, head, slot, base, _, _ = top
    own = tuple(operands[base:])
    del operands[base:]
    if op == CALL:
        return Call(head, SlotRef(slot), own)
    if op == STRUCT:
        return Record(head, SlotRef(slot), own)
    if op == DICT:
        own_keys = tuple(keys[head:])
        del keys[head:]
        if len(own_keys) != len(own):
            raise TemplateError(f"dict with {len(own_keys)} keys and {len(own)} values - at token {at}")
        return Mapping(own_keys, own)
    return Collection(_COLLECTIONS[op], own)
