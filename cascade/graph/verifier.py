"""Verifies templates of any source before they are linked: the compiled linker trusts every number.

Types are verified, too: the decoder checks those of a struct from a file, but nothing checks those of a third party's
solver.
"""

from __future__ import annotations

from operator import lt
from typing import get_args

from cascade.exceptions import TemplateError
from cascade.graph.kinds import KINDS
from cascade.graph.model import (
    Call,
    CallMode,
    CallSymbol,
    Collection,
    CollectionKind,
    GraphTemplate,
    Key,
    Mapping,
    NodeRef,
    PlanTemplate,
    Record,
    Ref,
    SlotRef,
    StructSymbol,
)

__all__ = ["check_graph", "check_plan"]

LIMIT = 2**31 - 1  # the linker counts in signed 32 bit integers

_MODES = frozenset(get_args(CallMode))
_COLLECTIONS = frozenset(get_args(CollectionKind))


def check_graph(graph: GraphTemplate) -> None:
    """Check that the builder could have built `graph`.

    Raises:
        TemplateError: it could not; the message names the place.
    """
    for name in ("calls", "structs", "nodes"):
        _expect(type(getattr(graph, name)) is tuple, "not a tuple", f"graph.{name}")
    _number(graph.slots, LIMIT, "graph.slots")
    _expect(0 < len(graph.nodes) <= LIMIT, f"{len(graph.nodes)} nodes", "graph.nodes")
    for index, call in enumerate(graph.calls):
        _check_call_symbol(call, f"graph.calls[{index}]")
    for index, struct in enumerate(graph.structs):
        _check_struct_symbol(struct, f"graph.structs[{index}]")
    if len(set(graph.calls)) + len(set(graph.structs)) != len(graph.calls) + len(graph.structs):
        raise TemplateError("one symbol is listed twice - at `graph`")
    for index in range(len(graph.nodes)):
        _check_node(graph, index)
    _check_traversal(graph)


def check_plan(graph: GraphTemplate, plan: PlanTemplate) -> None:
    """Check that `plan` is a plan of `graph`, which was checked before.

    Raises:
        TemplateError: it is not; the message names the place.
    """
    count = len(graph.nodes)
    for name in ("order", "priority"):
        numbers = getattr(plan, name)
        _expect(type(numbers) is tuple, "not a tuple", f"plan.{name}")
        _expect(len(numbers) == count, f"{len(numbers)} numbers for {count} nodes", f"plan.{name}")
    started = bytearray(count)
    for at, index in enumerate(plan.order):
        if type(index) is not int or not 0 <= index < count:
            raise TemplateError(f"no such node: {_shown(index)} of {count} - at `plan.order[{at}]`")
        if started[index]:
            raise TemplateError(f"node {index} starts twice - at `plan.order[{at}]`")
        started[index] = 1
        for ref in graph.nodes[index].operands:
            if type(ref) is NodeRef and not started[ref.index]:
                raise TemplateError(f"node {index} starts before its operand, node {ref.index} - at `plan.order[{at}]`")
    for at, priority in enumerate(plan.priority):
        if type(priority) is not int or not 1 <= priority <= LIMIT:
            what = f"priority must be an `int` >= 1 and <= {LIMIT}, got {_shown(priority)}"
            raise TemplateError(f"{what} - at `plan.priority[{at}]`")


def _expect(condition: bool, message: str, place: str) -> None:
    if not condition:
        raise TemplateError(f"{message} - at `{place}`")


def _shown(value: object) -> str:
    # Not by `repr`: the value may be of any class, whose `__repr__` may raise.
    if type(value) is not int:
        return f"`{type(value).__name__}`"
    return str(value) if value.bit_length() <= 64 else f"an `int` of {value.bit_length()} bits"


def _number(value: object, most: int, place: str) -> None:
    if type(value) is not int or not 0 <= value <= most:
        raise TemplateError(f"number must be an `int` >= 0 and <= {most}, got {_shown(value)} - at `{place}`")


def _texts(texts: object, place: str) -> None:
    if type(texts) is not tuple:
        raise TemplateError(f"not a tuple - at `{place}`")
    for index, text in enumerate(texts):
        _expect(type(text) is str, "not a `str`", f"{place}[{index}]")


def _check_call_symbol(call: CallSymbol, place: str) -> None:
    _expect(type(call) is CallSymbol, "not a `CallSymbol`", place)
    _texts((call.module, call.qualname, call.kind, call.mode), place)
    _expect(call.kind in KINDS, "unknown kind", f"{place}.kind")
    _expect(call.mode in _MODES, "unknown mode", f"{place}.mode")
    _texts(call.injected, f"{place}.injected")
    _number(call.positional, LIMIT, f"{place}.positional")
    _texts(call.names, f"{place}.names")
    names = sorted(call.names)  # not a set: it would take more memory than the template
    _expect(all(map(lt, names, names[1:])), "one name is there twice", f"{place}.names")
    _texts(call.roles, f"{place}.roles")
    _check_roles(call, place)


def _check_roles(call: CallSymbol, place: str) -> None:
    """Check a call by its kind: the number of arguments, and the roles beside them."""
    roles = [role for role in call.roles if role != "after"]
    _expect(len(set(roles)) == len(roles), "one role is there twice", f"{place}.roles")
    kind = KINDS[call.kind]
    for index, role in enumerate(call.roles):
        known = (
            role == "after"
            or role in kind.policies
            or (kind.constants and (role == "order" or role.startswith("const ")))
        )
        _expect(known, f"unknown role of a call of kind {call.kind}", f"{place}.roles[{index}]")
    if kind.arguments is not None:
        least, most = kind.arguments
        _expect(least <= call.positional <= most, f"{call.positional} arguments", f"{place}.positional")
        _expect(bool(call.names) == kind.keywords, "names", f"{place}.names")
    _expect(not (kind.bare and call.roles), f"roles of a {kind.word}", f"{place}.roles")


def _check_struct_symbol(struct: StructSymbol, place: str) -> None:
    _expect(type(struct) is StructSymbol, "not a `StructSymbol`", place)
    _texts((struct.module, struct.qualname), place)
    _texts(struct.fields, f"{place}.fields")
    fields = sorted(struct.fields)
    _expect(all(map(lt, fields, fields[1:])), "one field is there twice", f"{place}.fields")


def _check_node(graph: GraphTemplate, index: int) -> None:
    """Check a node by itself: its symbol, the number of its operands, and that each comes before it."""
    node = graph.nodes[index]
    count = -1  # any
    if type(node) is Call:
        _symbol(node.symbol, len(graph.calls), index)
        _slot(node.task, graph.slots, f"graph.nodes[{index}].task")
        symbol = graph.calls[node.symbol]
        name, count = "args", symbol.arity
    elif type(node) is Collection:
        if type(node.kind) is not str or node.kind not in _COLLECTIONS:
            raise TemplateError(f"unknown kind - at `graph.nodes[{index}].kind`")
        name = "items"
    elif type(node) is Mapping:
        name, count = "values", _check_keys(node, graph.slots, f"graph.nodes[{index}].keys")
    elif type(node) is Record:
        _symbol(node.symbol, len(graph.structs), index)
        _slot(node.type, graph.slots, f"graph.nodes[{index}].type")
        name, count = "fields", len(graph.structs[node.symbol].fields)
    else:
        raise TemplateError(f"not a node - at `graph.nodes[{index}]`")
    operands = node.operands
    if type(operands) is not tuple:
        raise TemplateError(f"not a tuple - at `graph.nodes[{index}].{name}`")
    if count not in (-1, len(operands)):
        raise TemplateError(f"{len(operands)} operands where there must be {count} - at `graph.nodes[{index}].{name}`")
    for position, ref in enumerate(operands):
        if type(ref) is not NodeRef:
            _slot(ref, graph.slots, f"graph.nodes[{index}].{name}[{position}]")
        elif type(ref.index) is not int or not 0 <= ref.index < index:
            what = f"node {_shown(ref.index)} does not come before its consumer"
            raise TemplateError(f"{what} - at `graph.nodes[{index}].{name}[{position}]`")
    if type(node) is Call:
        for position, part in enumerate(KINDS[graph.calls[node.symbol].kind].parts):
            if not part.folds:
                continue
            ref = node.args[position]
            if type(ref) is NodeRef and type(graph.nodes[ref.index]) is not Mapping:
                raise TemplateError(f"{part.name} that are no dict - at `graph.nodes[{index}].args[{position}]`")


def _symbol(symbol: object, count: int, index: int) -> None:
    if type(symbol) is not int or not 0 <= symbol < count:
        raise TemplateError(f"no such symbol: {_shown(symbol)} of {count} - at `graph.nodes[{index}].symbol`")


def _slot(ref: object, count: int, place: str) -> None:
    if type(ref) is not SlotRef:
        raise TemplateError(f"reference must be a `SlotRef`, got `{type(ref).__name__}` - at `{place}`")
    if type(ref.index) is not int or not 0 <= ref.index < count:
        raise TemplateError(f"no such slot: {_shown(ref.index)} of {count} - at `{place}`")


def _check_keys(node: Mapping, slots: int, place: str) -> int:
    if type(node.keys) is not tuple:
        raise TemplateError(f"not a tuple - at `{place}`")
    for position, key in enumerate(node.keys):
        if type(key) is not Key:
            _slot(key, slots, f"{place}[{position}]")
            continue
        if type(key.kind) is not str or type(key.value) is not bytes:
            raise TemplateError(f"not a key - at `{place}[{position}]`")
        try:
            key.load()
        except TemplateError as error:
            raise TemplateError(f"{error} - at `{place}[{position}]`") from None
    return len(node.keys)


def _check_traversal(graph: GraphTemplate) -> None:
    """Traverse the graph from the target as the builder does, and check that all numbers come in order.

    Slots, nodes and symbols must be reached in the order of their numbers, and all of them: then the target needs each.
    Each node was checked by itself, so its number is greater than those of its operands: no node is reached again while
    it is open, and the traversal ends.
    """
    nodes = graph.nodes
    slots = done = calls = structs = 0
    # Still to be visited, the last one first; a number closes that node.
    rest: list[Ref | int] = [NodeRef(len(nodes) - 1)]
    while rest:
        item = rest.pop()
        if type(item) is NodeRef:
            if item.index < done:
                continue
            node = nodes[item.index]
            rest.append(item.index)
            if type(node) is Mapping:
                for key, value in zip(reversed(node.keys), reversed(node.values), strict=True):
                    rest.append(value)
                    if type(key) is SlotRef:
                        rest.append(key)
                continue
            rest.extend(reversed(node.operands))
            if type(node) is Call:
                rest.append(node.task)
                calls = _first_use(node.symbol, calls, item.index)
            elif type(node) is Record:
                rest.append(node.type)
                structs = _first_use(node.symbol, structs, item.index)
        elif type(item) is SlotRef:
            if item.index != slots:
                owner = next(i for i in reversed(rest) if type(i) is int)
                raise TemplateError(f"slot {item.index} where slot {slots} is next - at `graph.nodes[{owner}]`")
            slots += 1
        else:
            if item != done:
                raise TemplateError(f"node {item} where node {done} is next in post-order - at `graph.nodes[{item}]`")
            done += 1
    _expect(slots == graph.slots, f"{graph.slots} slots, {slots} in use", "graph.slots")
    _expect(calls == len(graph.calls), f"{len(graph.calls)} symbols, {calls} in use", "graph.calls")
    _expect(structs == len(graph.structs), f"{len(graph.structs)} symbols, {structs} in use", "graph.structs")


def _first_use(symbol: int, known: int, index: int) -> int:
    """Return the number of known symbols after the use of `symbol`."""
    if symbol > known:
        raise TemplateError(f"symbol {symbol} where symbol {known} is next - at `graph.nodes[{index}].symbol`")
    return max(known, symbol + 1)
