"""The structs of templates: the shape of an expression, in a form that MessagePack encodes.

A graph lists its nodes in *post-order*: every node after its operands, in the order of traversal. That is the order in
which a plain loop would evaluate them; the last node is the target. Nodes refer to one another by number only, so a
chain of a million nodes is a flat tuple: nothing here is as deep as the expression.

The structs are not tracked by the garbage collector (`gc=False`): they are frozen and built from the bottom up, so they
cannot form a cycle, and a template of a million nodes costs the collector nothing.
"""

from __future__ import annotations

from struct import pack, unpack_from
from typing import Literal, TypeAlias, get_args

from msgspec import Struct

from cascade._support.public import public_in
from cascade.exceptions import TemplateError

__all__ = [
    "BYTES",
    "FALSE",
    "FLOAT",
    "INT",
    "KEY_KINDS",
    "MAX_KEY_DEPTH",
    "NATIVE_SOLVER",
    "NONE",
    "STR",
    "STRUCTS",
    "TRUE",
    "TUPLE",
    "Call",
    "CallKind",
    "CallMode",
    "CallSymbol",
    "Collection",
    "CollectionKind",
    "GraphTemplate",
    "Key",
    "KeyKind",
    "KeyValue",
    "Mapping",
    "Node",
    "NodeRef",
    "PlanTemplate",
    "Record",
    "Ref",
    "SlotRef",
    "StructSymbol",
]

# The name of the native solver, stored with its plans. Here, so that reading a plan does not import the solver.
NATIVE_SOLVER = "cascade.protocols.NativeSolver"

CallKind = Literal[
    "sync", "async", "wait", "wait_until", "ticks", "recv", "router", "guard", "map", "param", "env", "inject", "send",
    "select", "recover", "fallback", "outcome", "scope", "race",
]  # fmt: skip
CallMode = Literal["default", "auto", "inline", "thread", "process"]
CollectionKind = Literal["list", "tuple", "set", "frozenset"]
KeyKind = Literal["none", "false", "true", "int", "float", "str", "bytes", "tuple"]

# The order is that of the operand of a KEY token.
KEY_KINDS: tuple[KeyKind, ...] = get_args(KeyKind)
NONE, FALSE, TRUE, INT, FLOAT, STR, BYTES, TUPLE = range(8)

# Python hashes and compares tuples by recursion in C: a deeper dict key could crash the process.
MAX_KEY_DEPTH = 500

KeyValue: TypeAlias = "bool | int | float | str | bytes | tuple[KeyValue, ...] | None"


class SlotRef(Struct, frozen=True, gc=False, array_like=True, tag="s"):
    """The piece of data in slot `index` (from 0, in traversal order)."""

    index: int


class NodeRef(Struct, frozen=True, gc=False, array_like=True, tag="n"):
    """The result of node `index` (from 0, in post-order)."""

    index: int


Ref: TypeAlias = SlotRef | NodeRef


class Key(Struct, frozen=True, gc=False, array_like=True, tag="k"):
    """A dict key that is part of the structure: its type and its value, exactly.

    `value` is the only encoding of the value, in bytes. So two keys are equal if and only if their values are equal
    *and* of equal type, at every level; MessagePack preserves any value (integers of any size, lone surrogates, -0.0);
    and comparing, hashing or freeing a key never recurses.

        none, false, true   nothing
        int                 hexadecimal digits in lower case, "-" first if negative
        float               IEEE 754 double, little endian
        str                 UTF-8, lone surrogates included
        bytes               as they are
        tuple               the number of items; each item as one byte (index of its kind) and then, if it is a tuple,
                            the number of its items, its items following, else the length of its value and its value;
                            numbers are 4 bytes, little endian
    """

    kind: KeyKind
    value: bytes

    @classmethod
    def dump(cls, value: KeyValue) -> Key:
        """Return the key of a Python value; the inverse of `load`.

        Args:
            value: None, bool, int, float, str, bytes, or a tuple of such; exact types, not subclasses.

        Raises:
            TypeError: the value has another type; such a key must be data, in a slot.
            ValueError: the value is NaN, which equals no key, or a tuple nested more than `MAX_KEY_DEPTH` deep.

        >>> Key.dump(True) == Key.dump(1), Key.dump(-255)
        (False, Key(kind='int', value=b'-ff'))
        """
        if type(value) is not tuple:
            kind, data = _dump_scalar(value)
            return cls(KEY_KINDS[kind], data)
        out = bytearray(pack("<I", len(value)))
        rest = [iter(value)]
        while rest:
            for item in rest[-1]:
                if type(item) is tuple:
                    if len(rest) == MAX_KEY_DEPTH:
                        raise ValueError(f"dict key is a tuple nested more than {MAX_KEY_DEPTH} deep")
                    out += pack("<BI", TUPLE, len(item))
                    rest.append(iter(item))
                    break
                kind, data = _dump_scalar(item)
                out += pack("<BI", kind, len(data))
                out += data
            else:
                rest.pop()
        return cls("tuple", bytes(out))

    def load(self) -> KeyValue:
        """Return the Python value, of exactly the type that it had.

        Raises:
            TemplateError: `value` is not the encoding of any value of this kind.

        >>> Key("tuple", Key.dump((1, (True, -0.0))).value).load()
        (1, (True, -0.0))
        """
        try:
            value: KeyValue
            if self.kind == "tuple":
                value = _load_tuple(self.value)
            else:
                value = _load_scalar(KEY_KINDS.index(self.kind), self.value)
            # One value has one encoding: no two templates differ in the encoding of a key only.
            if Key.dump(value) == self:
                return value
        except (ValueError, OverflowError):
            pass
        raise TemplateError(f"dict key of kind {self.kind!r} has a damaged value of {len(self.value)} bytes") from None


def _dump_scalar(value: KeyValue) -> tuple[int, bytes]:
    kind = type(value)
    if value is None:
        return NONE, b""
    if value is False or value is True:
        return TRUE if value else FALSE, b""
    if kind is str:
        return STR, value.encode("utf-8", "surrogatepass")  # type: ignore[union-attr]
    if kind is int:
        return INT, format(value, "x").encode()
    if kind is float:
        if value != value:
            raise ValueError("NaN cannot be a dict key that is part of a structure")
        return FLOAT, pack("<d", value)
    if kind is bytes:
        return BYTES, value  # type: ignore[return-value]
    raise TypeError(f"dict key must be None, bool, int, float, str, bytes or a tuple of such, got `{kind.__name__}`")


def _load_scalar(kind: int, data: bytes) -> KeyValue:
    if kind == STR:
        return data.decode("utf-8", "surrogatepass")
    if kind == INT:
        return int(data, 16)
    if kind == FLOAT and len(data) == 8:
        number: float = unpack_from("<d", data)[0]
        return number
    if kind == BYTES:
        return data
    if kind in (NONE, FALSE, TRUE) and not data:
        return (None, False, True)[kind]
    raise ValueError("damaged")


def _number(data: bytes, at: int) -> tuple[int, int]:
    """Return the number at `at` and the offset after it; no number exceeds the bytes that remain."""
    end = at + 4
    number = int.from_bytes(data[at:end], "little")
    if end > len(data) or number > len(data) - end:
        raise ValueError("damaged")
    return number, end


def _load_tuple(data: bytes) -> tuple[KeyValue, ...]:
    count, at = _number(data, 0)
    # The open tuples, outermost first, each with its items so far and its number of items.
    opened: list[tuple[list[KeyValue], int]] = [([], count)]
    while True:
        items, count = opened[-1]
        if len(items) == count:
            opened.pop()
            if opened:
                opened[-1][0].append(tuple(items))
                continue
            if at != len(data):
                raise ValueError("damaged")
            return tuple(items)
        if at >= len(data):
            raise ValueError("damaged")
        kind = data[at]
        count, at = _number(data, at + 1)
        if kind != TUPLE:
            items.append(_load_scalar(kind, data[at : at + count]))
            at += count
        elif len(opened) < MAX_KEY_DEPTH:
            opened.append(([], count))
        else:
            raise ValueError("damaged")


class CallSymbol(Struct, frozen=True, gc=False, array_like=True, tag="call"):
    """The structure of a call: the identity of its task, and the form of its arguments.

    Attributes:
        module: the module of the task.
        qualname: the qualified name of the task in it.
        kind: the kind of the call, a name in `cascade.graph.kinds.KINDS`.
        mode: where a sync task runs, as declared by the task.
        injected: the names of the resources in its signature.
        positional: the number of positional arguments.
        names: the names of the keyword arguments, sorted; of a task that takes any names, in the order of the call.
        roles: of the operands beside the arguments: "after" (a predecessor), "retry", "timeout", "cache", "constraints"
            (policies), "concurrency" and "const NAME" (of a map).
    """

    module: str
    qualname: str
    kind: CallKind
    mode: CallMode
    injected: tuple[str, ...]
    positional: int
    names: tuple[str, ...]
    roles: tuple[str, ...] = ()

    @property
    def arity(self) -> int:
        """The number of operands of such a call."""
        return self.positional + len(self.names) + len(self.roles)


class StructSymbol(Struct, frozen=True, gc=False, array_like=True, tag="struct"):
    """The structure of a frozen struct: module and qualified name of its type, and the fields in declared order."""

    module: str
    qualname: str
    fields: tuple[str, ...]


class Call(Struct, frozen=True, gc=False, array_like=True, tag="c", tag_field="node"):
    """A task call.

    Attributes:
        symbol: index into `GraphTemplate.calls`.
        task: the slot that holds the task.
        args: the positional arguments, the keyword ones in the order of the symbol's `names`, then one for each of its
            `roles`.
    """

    symbol: int
    task: SlotRef
    args: tuple[Ref, ...]

    @property
    def operands(self) -> tuple[Ref, ...]:
        """The operands of the node, in traversal order."""
        return self.args


class Collection(Struct, frozen=True, gc=False, array_like=True, tag="l", tag_field="node"):
    """A list, tuple, set or frozenset with its `items` in order of iteration."""

    kind: CollectionKind
    items: tuple[Ref, ...]

    @property
    def operands(self) -> tuple[Ref, ...]:
        """The operands of the node, in traversal order."""
        return self.items


class Mapping(Struct, frozen=True, gc=False, array_like=True, tag="m", tag_field="node"):
    """A dict in order of insertion: `keys` (a `SlotRef` is a key that is data), and as many `values`."""

    keys: tuple[Key | SlotRef, ...]
    values: tuple[Ref, ...]

    @property
    def operands(self) -> tuple[Ref, ...]:
        """The operands of the node, in traversal order: the values, without the keys."""
        return self.values


class Record(Struct, frozen=True, gc=False, array_like=True, tag="r", tag_field="node"):
    """A frozen struct.

    Attributes:
        symbol: index into `GraphTemplate.structs`.
        type: the slot that holds the type.
        fields: the fields in the order of the symbol's `fields`.
    """

    symbol: int
    type: SlotRef
    fields: tuple[Ref, ...]

    @property
    def operands(self) -> tuple[Ref, ...]:
        """The operands of the node, in traversal order."""
        return self.fields


Node: TypeAlias = Call | Collection | Mapping | Record

# The structs of nodes and references, in the order in which the compiled core takes them: it does not import them.
STRUCTS: tuple[type[Struct], ...] = (Call, Collection, Mapping, Record, SlotRef, NodeRef)


@public_in("cascade.protocols")
class GraphTemplate(Struct, frozen=True, gc=False, array_like=True):
    """The shape of an expression.

    Attributes:
        calls: the distinct call symbols, in order of first use.
        structs: the distinct struct symbols, in order of first use.
        nodes: the nodes in post-order; the last one is the target.
        slots: the number of slots.

    >>> import msgspec
    >>> noop = CallSymbol("jobs", "noop", "sync", "default", (), 1, ())
    >>> graph = GraphTemplate((noop,), (), (Call(0, SlotRef(0), (SlotRef(1),)),), 2)
    >>> msgspec.msgpack.decode(msgspec.msgpack.encode(graph), type=GraphTemplate) == graph
    True
    """

    calls: tuple[CallSymbol, ...]
    structs: tuple[StructSymbol, ...]
    nodes: tuple[Node, ...]
    slots: int


@public_in("cascade.protocols")
class PlanTemplate(Struct, frozen=True, gc=False, array_like=True):
    """The plan of a graph, made by a solver.

    Attributes:
        order: every node once, each after its operands: the order in which nodes that are ready together start.
        priority: the priority of each node, in the order of the graph, larger first. With the native solver it is the
            number of nodes on the longest path from the node to the target, both included: that of the target is 1.
    """

    order: tuple[int, ...]
    priority: tuple[int, ...]
