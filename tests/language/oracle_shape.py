"""Which expressions share a template: their structure as nested tuples, and their literals."""

from __future__ import annotations

from collections.abc import Generator

from language.descriptions import (
    Box,
    Call,
    Data,
    Fallback,
    Guard,
    Input,
    Map,
    Node,
    Operator,
    Outcome,
    Race,
    Recover,
    Resource,
    Router,
    Scope,
    call_order,
    children,
    drive,
    holds_lazy,
    is_node,
    map_inputs,
    map_order,
    meant,
)
from language.oracle import constant


def shape(target: Node) -> object:
    """Give the structure of an expression as nested tuples: equal exactly where the structure key must be."""
    return drive(_shape(meant(target), {}))


def _shape(node: Node, numbers: dict[Node, int]) -> Generator:
    if isinstance(node, Data) or not holds_lazy(node):
        return "slot"
    if node in numbers:
        return ("ref", numbers[node])
    numbers[node] = len(numbers)
    if isinstance(node, Router):
        return (yield _router(node, numbers))
    items = []
    for child in children(node):
        items.append((yield _shape(child, numbers)))
    return (*_symbol(node), tuple(items))


def _router(node: Router, numbers: dict[Node, int]) -> Generator:
    selector = yield _shape(meant(node.selector), numbers)
    routes = yield _shape(Box("dict", tuple(map(meant, node.routes)), node.keys), numbers)
    rest = []
    for other in (*(() if node.default is None else (node.default,)), *(extra.operand for extra in node.extras)):
        rest.append((yield _shape(meant(other), numbers)))
    return ("router", node.default is not None, _roles(node), selector, routes, tuple(rest))


def _roles(node: Node) -> tuple[str, ...]:
    return tuple(extra.role if is_node(extra.operand) else f"{extra.role}, data" for extra in node.extras)


def _symbol(node: Node) -> tuple[object, ...]:
    match node:
        case Call() | Map():
            spec = node.task
            # What a body does is no structure: whether it suspends, or gives a coroutine.
            kind = {"coroutine": "inline", "suspending": "async"}.get(spec.kind, spec.kind)
            if isinstance(node, Call):
                names = tuple(call_order(spec, node.kwargs))
                return "call", spec.name, kind, len(node.args), names, _roles(node)
            bounded = node.concurrency is not None
            names = tuple(map_inputs(node))
            ordered = tuple(map_order(node)) != names  # which order it is, is data
            return "map", spec.name, kind, names, len(node.consts), ordered, bounded, _roles(node)
        case Operator():
            return "operator", node.name, len(node.operands), _roles(node)
        case Guard():
            return ("guard", node.otherwise is not None)
        case Recover() | Fallback() | Outcome() | Scope():
            return type(node).__name__, _roles(node)
        case Race():
            return "race", len(node.arms), _roles(node)
        case Input() | Resource():
            return type(node).__name__, node.name, _roles(node)
        case Box():
            return node.kind, tuple((type(key), repr(key)) for key in node.keys), _roles(node)
    raise AssertionError(node)


def literals(target: Node) -> list[object]:
    """Give the literals of an expression of calls and containers in the order of its slots, without callables."""
    found: list[object] = []
    drive(_literals(target, set(), found))
    return found


def _literals(node: Node, seen: set[Node], found: list[object]) -> Generator:
    if not holds_lazy(node):
        found.append(constant(node))
    elif node not in seen:
        seen.add(node)
        keys = node.keys if isinstance(node, Box) and node.kind == "dict" else ()
        for place, child in enumerate(children(node)):
            if place < len(keys) and not is_plain_key(keys[place]):
                found.append(keys[place])
            yield _literals(child, seen, found)


def is_plain_key(key: object) -> bool:
    """Tell whether a dict's key is a part of the structure; any other is a literal."""
    if type(key) is tuple:
        return all(map(is_plain_key, key))
    return key is None or (type(key) in (bool, int, str, bytes, float) and key == key)  # a NaN is found by identity
