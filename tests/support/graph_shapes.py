"""Expressions as plain data, and the two slow and obvious ways to read them: as a structure key and as a graph.

For tests of `cascade.graph` alone: the compiled core has no part in it.
"""

from __future__ import annotations

import struct
from array import array
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from hypothesis import strategies as st

from cascade.graph.kinds import KINDS
from cascade.graph.model import (
    Call,
    CallSymbol,
    Collection,
    GraphTemplate,
    Key,
    Mapping,
    NodeRef,
    Record,
    SlotRef,
    StructSymbol,
)

OWN = tuple(kind for kind, row in KINDS.items() if not row.core.calls_function)
COLLECTIONS = ("list", "tuple", "set", "frozenset")
SLOT, CALL, REF, LIST, DICT, STRUCT, KEY = 0, 1, 2, 3, 7, 8, 9
OPAQUE = object()  # as a dict's key: one that is data

# An expression: a `Literal`, or a node; a node that is there twice is the same lazy result reached twice.


class Literal:
    """One piece of data."""


class Role(str):
    """What an operand is to its call that is no argument."""

    __slots__ = ()


@dataclass(eq=False)
class Task:
    """A call of a task."""

    name: str = "task"
    args: list[Any] = field(default_factory=list)
    kwargs: dict[str, Any] = field(default_factory=dict)
    module: str = "jobs"
    kind: str = "sync"
    mode: str = "default"
    injected: tuple[str, ...] = ()
    beside: list[tuple[str, Any]] = field(default_factory=list)  # (role, operand)

    @property
    def roles(self) -> tuple[str, ...]:
        return tuple(role for role, _ in self.beside)


@dataclass(eq=False)
class Box:
    """A list, tuple, set or frozenset."""

    kind: str
    items: list[Any]


@dataclass(eq=False)
class Dict:
    """A dict, as pairs."""

    pairs: list[tuple[Any, Any]]


@dataclass(eq=False)
class Fields:
    """A frozen struct."""

    name: str
    fields: dict[str, Any]


def tokens_of(value: Any) -> list[int]:
    """The tokens of a dict key."""

    def text(kind: int, data: bytes) -> list[int]:
        padded = data + bytes(-len(data) % 4)
        return [kind << 5 | KEY, len(data), *struct.unpack(f"<{len(padded) // 4}I", padded)]

    if value is OPAQUE:
        return [15 << 5 | KEY]
    if value is None or value is False or value is True:
        return [(None, False, True).index(value) << 5 | KEY]
    match value:
        case int():
            return text(3, format(value, "x").encode())
        case float():
            return [4 << 5 | KEY, *struct.unpack("<II", struct.pack("<d", value))]
        case str():
            return text(5, value.encode("utf-8", "surrogatepass"))
        case bytes():
            return text(6, value)
        case tuple():
            return [7 << 5 | KEY, len(value), *(token for item in value for token in tokens_of(item))]
    raise AssertionError(value)


class Core:
    """Stands for the compiled core: gives out symbols and writes structure keys."""

    def __init__(self, first: int = 0) -> None:
        self.first = first
        self.ids: dict[Any, int] = {}
        self.shapes: dict[int, Any] = {}

    def symbol(self, number: int) -> Any:
        return self.shapes[number]

    def intern(self, identity: tuple[Any, ...], **shape: Any) -> int:
        number = self.ids.setdefault(identity, self.first + len(self.ids))
        self.shapes.setdefault(number, SimpleNamespace(id=number, **shape))
        return number

    def key(self, target: Any) -> memoryview:
        numbers: dict[int, int] = {}
        out: list[int] = []

        def visit(node: Any) -> None:
            if isinstance(node, Literal):
                out.append(SLOT)
                return
            if id(node) in numbers:
                out.append(numbers[id(node)] << 5 | REF)
                return
            numbers[id(node)] = len(numbers)
            match node:
                case Task():
                    task = node.module, node.name, node.kind, node.mode, node.injected
                    names = tuple(sorted(node.kwargs))
                    shape = {"task": task, "positional": len(node.args), "names": names, "roles": node.roles}
                    out.append(self.intern(("call", *shape.values()), **shape) << 5 | CALL)
                case Box():
                    out.append(len(node.items) << 5 | LIST + COLLECTIONS.index(node.kind))
                case Dict():
                    out.append(len(node.pairs) << 5 | DICT)
                case Fields():
                    shape = {"module": "jobs", "qualname": node.name, "fields": tuple(node.fields)}
                    out.append(self.intern(("struct", *shape.values()), **shape) << 5 | STRUCT)
            for key, operand in operands_of(node):
                if isinstance(node, Dict):
                    out.extend(tokens_of(key))
                visit(operand)

        visit(target)
        return memoryview(array("I", out))


def operands_of(node: Any) -> list[tuple[Any, Any]]:
    """The operands of a node in traversal order, each with its name, position or key."""
    match node:
        case Task():
            beside = [(Role(role), operand) for role, operand in node.beside]
            return [*enumerate(node.args), *sorted(node.kwargs.items()), *beside]
        case Box():
            return [*enumerate(node.items)]
        case Dict():
            return node.pairs
        case Fields():
            return [*node.fields.items()]
    return []


def graph_of(target: Any) -> tuple[GraphTemplate, list[Any]]:
    """The graph of an expression, and its nodes in the same order; by plain recursion."""
    calls: dict[CallSymbol, int] = {}
    structs: dict[StructSymbol, int] = {}
    finished: dict[int, int] = {}
    nodes: list[Any] = []
    origins: list[Any] = []
    slots = 0

    def slot() -> SlotRef:
        nonlocal slots
        slots += 1
        return SlotRef(slots - 1)

    def visit(node: Any) -> Any:
        if isinstance(node, Literal):
            return slot()
        if id(node) in finished:
            return NodeRef(finished[id(node)])
        made: Any
        match node:
            case Task():
                names = tuple(sorted(node.kwargs))
                task = node.module, node.name, node.kind, node.mode, node.injected
                symbol = CallSymbol(*task, len(node.args), names, node.roles)
                index = calls.setdefault(symbol, len(calls))
                made = Call(index, slot(), tuple(visit(operand) for _, operand in operands_of(node)))
            case Box():
                made = Collection(node.kind, tuple(map(visit, node.items)))
            case Dict():
                pairs = [(slot() if key is OPAQUE else Key.dump(key), visit(value)) for key, value in node.pairs]
                made = Mapping(tuple(key for key, _ in pairs), tuple(value for _, value in pairs))
            case Fields():
                index = structs.setdefault(StructSymbol("jobs", node.name, tuple(node.fields)), len(structs))
                made = Record(index, slot(), tuple(map(visit, node.fields.values())))
        finished[id(node)] = len(nodes)
        nodes.append(made)
        origins.append(node)
        return NodeRef(len(nodes) - 1)

    visit(target)
    return GraphTemplate(tuple(calls), tuple(structs), tuple(nodes), slots), origins


def expression_of(graph: GraphTemplate) -> Any:
    """The inverse of `graph_of`: an expression of this shape."""
    made: list[Any] = []
    for node in graph.nodes:
        operands = [made[ref.index] if type(ref) is NodeRef else Literal() for ref in node.operands]
        if type(node) is Call:
            module, name, kind, mode, injected, positional, names, roles = (
                getattr(graph.calls[node.symbol], field) for field in CallSymbol.__struct_fields__
            )
            end = positional + len(names)
            kwargs = dict(zip(names, operands[positional:end], strict=True))
            beside = list(zip(roles, operands[end:], strict=True))
            made.append(Task(name, operands[:positional], kwargs, module, kind, mode, injected, beside))
        elif type(node) is Mapping:
            keys = [OPAQUE if type(key) is SlotRef else key.load() for key in node.keys]
            made.append(Dict([*zip(keys, operands, strict=True)]))
        elif type(node) is Record:
            struct = graph.structs[node.symbol]
            made.append(Fields(struct.qualname, dict(zip(struct.fields, operands, strict=True))))
        else:
            made.append(Box(node.kind, operands))
    return made[-1]


def chain(length: int) -> Any:
    """A key of `length` calls, each the argument of the one before, and its lookup."""
    shape = SimpleNamespace(task=("jobs", "noop", "sync", "default", ()), positional=1, names=(), roles=())
    return memoryview(array("I", [5 << 5 | CALL] * length + [SLOT])), {5: shape}.__getitem__


names = st.text(st.characters() | st.sampled_from(".'\"\\[]{}\n#&;,=:|"), max_size=4)
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(min_value=-(1 << 300), max_value=1 << 300)
    | st.floats(allow_nan=False)
    | names
    | st.binary(max_size=9)
)
keys = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3).map(tuple), max_leaves=6)


@st.composite
def expressions(draw: st.DrawFn, most: int = 12) -> Any:
    """A target: nodes are drawn from the bottom up, each from literals and any nodes before it."""
    made: list[Any] = []
    for _ in range(draw(st.integers(1, most))):
        operand = st.integers(-2, len(made) - 1).map(lambda i: made[i] if i >= 0 else Literal())
        several = st.lists(operand, max_size=4)
        kind = draw(st.sampled_from(["task", "task", "task", *COLLECTIONS, "dict", "struct", "own"]))
        name = draw(st.sampled_from(["a", "b", "é.\n", ""]))
        if kind == "task":
            kwargs = draw(st.dictionaries(names, operand, max_size=3))
            mode = draw(st.sampled_from(["default", "thread"]))
            injected = tuple(draw(st.sampled_from([(), ("db",)])))
            roles = draw(st.sampled_from([(), (), ("after",), ("retry", "after", "after", "cache")]))
            beside = [(role, draw(operand)) for role in roles]
            task = Task(name, draw(several), kwargs, "jobs", "async" if mode == "default" else "sync", mode, injected)
            task.beside = beside
            made.append(task)
        elif kind == "own":
            made.append(_own(draw, draw(st.sampled_from(OWN)), operand))
        elif kind == "dict":
            own = draw(st.lists(keys | st.just(OPAQUE), max_size=3))
            made.append(Dict([(key, draw(operand)) for key in own]))
        elif kind == "struct":
            made.append(Fields(name, {f: draw(operand) for f in draw(st.sampled_from([(), ("x",), ("y", "x")]))}))
        else:
            made.append(Box(kind, draw(several)))
    return made[-1]


def _own(draw: st.DrawFn, kind: str, operand: st.SearchStrategy[Any]) -> Task:
    """A node that the engine itself evaluates, or a map."""
    after = [("after", draw(operand)) for _ in range(draw(st.integers(0, 1)))]
    if kind == "router":
        pairs = [(key, draw(operand)) for key in draw(st.lists(keys | st.just(OPAQUE), min_size=1, max_size=3))]
        routes = draw(st.sampled_from([Dict(pairs), Literal()]))
        return Task("router", [draw(operand), routes, *draw(st.lists(operand, max_size=1))], {}, "cascade", kind,
                    "inline", beside=after)  # fmt: skip
    if kind == "guard":
        parts = [draw(operand), draw(operand), *draw(st.lists(operand, max_size=1))]
        return Task("run_if", parts, {}, "cascade", kind, "inline")
    if kind == "map":
        amounts = draw(st.sampled_from([Dict([("gpu", draw(operand)), ("é,\n", draw(operand))]), Literal()]))
        beside = [("const k", draw(operand)), ("retry", Literal()), ("constraints", amounts), *after]
        return Task("a", [], {"x": draw(operand)}, "jobs", kind, beside=beside)
    least, most = KINDS[kind].arguments or (0, 3)
    taken = st.just(Literal()) if KINDS[kind].core.reads_input else operand
    name = draw(names) if KINDS[kind].named else kind
    return Task(name, draw(st.lists(taken, min_size=least, max_size=most)), {}, "cascade", kind, "inline", beside=after)
