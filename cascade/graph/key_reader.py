"""The structure key as items; and the digest of a shape, the same in every process.

A key is a sequence of tokens, native unsigned 32 bit integers: `operand << 5 | op`. It lists the nodes of an expression
in prefix order: a node, then its operands, left to right. Symbols in it are ids of this process; the builder and the
digest replace an id by its symbol.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from hashlib import blake2b
from struct import pack
from typing import Protocol, TypeAlias, cast

from cascade._core.shape.canonical import expand
from cascade.exceptions import TemplateError
from cascade.graph.model import (
    FLOAT,
    INT,
    KEY_KINDS,
    MAX_KEY_DEPTH,
    TRUE,
    TUPLE,
    CallKind,
    CallMode,
    CallSymbol,
    GraphTemplate,
    Key,
    StructSymbol,
)

__all__ = [
    "CALL",
    "DICT",
    "FROZENSET",
    "KEY",
    "LIST",
    "OPAQUE",
    "REF",
    "SET",
    "SLOT",
    "STRUCT",
    "TUPLE_OF",
    "CallShape",
    "GraphSpelling",
    "Item",
    "KeyBuffer",
    "Spelling",
    "StructShape",
    "SymbolLookup",
    "Symbols",
    "digest",
    "items",
    "literals",
]

SLOT, CALL, REF, LIST, TUPLE_OF, SET, FROZENSET, DICT, STRUCT, KEY = range(10)
_REMEMBERED = 1 << 16  # the maximum number of cached symbols of one kind
OPAQUE = 15  # the operand of a KEY token whose key is data: a slot

KeyBuffer: TypeAlias = bytes | bytearray | memoryview
# op, operand, the literal of a KEY token (None for an opaque one), and the number of the item's first token
Item: TypeAlias = tuple[int, int, Key | None, int]


class CallShape(Protocol):
    """The symbol of a CALL token."""

    @property
    def task(self) -> tuple[str, str, str, str, tuple[str, ...]]:
        """Module, qualified name, kind, mode, names of injected resources."""

    @property
    def positional(self) -> int:
        """Number of positional arguments."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the keyword arguments."""

    @property
    def roles(self) -> tuple[str, ...]:
        """Roles of the operands beside the arguments."""


class StructShape(Protocol):
    """The symbol of a STRUCT token."""

    @property
    def module(self) -> str:
        """Module of the type."""

    @property
    def qualname(self) -> str:
        """Qualified name of the type."""

    @property
    def fields(self) -> tuple[str, ...]:
        """Names of the fields, as declared."""


SymbolLookup: TypeAlias = Callable[[int], CallShape | StructShape]


def items(key: KeyBuffer) -> Iterator[Item]:
    """Read a structure key as items: one token each, and a KEY token together with its literal.

    Args:
        key: native unsigned 32 bit tokens.

    Yields:
        `(op, operand, literal, at)`: `literal` is the `Key` of a KEY token (None for an opaque key and for every
        other op); `at` is the number of the item's first token, to name the place of an error.

    Raises:
        TemplateError: an unknown op, or a literal that is cut off or damaged.

    >>> from array import array
    >>> list(items(memoryview(array("I", [7 << 5 | CALL, SLOT]))))
    [(1, 7, None, 0), (0, 0, None, 1)]
    """
    tokens = _tokens(key)
    read = literals(key)
    at, end = 0, len(tokens)
    while at < end:
        token = tokens[at]
        op = token & 31
        if op < KEY:
            yield op, token >> 5, None, at
            at += 1
        elif op > KEY:
            raise TemplateError(f"unknown op {op} - at token {at}")
        elif token >> 5 == OPAQUE:
            yield op, OPAQUE, None, at
            at += 1
        else:
            after, literal = read(at)
            yield op, token >> 5, literal, at
            at = after


def _tokens(key: KeyBuffer) -> memoryview[int]:
    view = memoryview(key).cast("B")
    if len(view) % 4:
        raise TemplateError(f"structure key must be whole tokens of 4 bytes, got {len(view)} bytes")
    return view.cast("I")


def _literal(tokens: memoryview[int], at: int) -> tuple[int, bytes]:
    """Return the token number after the literal that begins at `at`, and its value as `Key.value` holds it."""
    start = at
    kind = tokens[at] >> 5
    if kind != TUPLE:
        return _scalar(tokens, at)
    count, at = _count(tokens, at + 1)
    out = bytearray(pack("<I", count))
    rest = [count]
    while rest:
        if not rest[-1]:
            rest.pop()
            continue
        rest[-1] -= 1
        if at >= len(tokens) or tokens[at] & 31 != KEY or tokens[at] >> 5 > TUPLE:
            raise TemplateError(f"item of a tuple that is a dict key must be a KEY token - at token {at}")
        kind = tokens[at] >> 5
        if kind != TUPLE:
            at, value = _scalar(tokens, at)
            out += pack("<BI", kind, len(value))
            out += value
        elif len(rest) < MAX_KEY_DEPTH:
            count, at = _count(tokens, at + 1)
            out += pack("<BI", kind, count)
            rest.append(count)
        else:
            raise TemplateError(f"dict key is a tuple nested more than {MAX_KEY_DEPTH} deep - at token {start}")
    return at, bytes(out)


def _scalar(tokens: memoryview[int], at: int) -> tuple[int, bytes]:
    start = at
    kind = tokens[at] >> 5
    if kind > TUPLE:
        raise TemplateError(f"unknown kind of dict key {kind} - at token {at}")
    at += 1
    if kind <= TRUE:
        return at, b""
    if kind == FLOAT:
        size = 8
    else:
        size, at = _count(tokens, at)
    words = tokens[at : at + (size + 3) // 4]
    # Tokens are in native byte order; the value is always little endian.
    value = pack(f"<{len(words)}I", *words)
    if len(value) < size or any(value[size:]):
        raise TemplateError(f"dict key is cut off or damaged - at token {start}")
    value = value[:size]
    # Digits with Python's prefix and digits without it are the same key.
    return at + len(words), value.replace(b"0x", b"", 1) if kind == INT else value


def _count(tokens: memoryview[int], at: int) -> tuple[int, int]:
    if at >= len(tokens):
        raise TemplateError(f"structure key ends where a count must follow - at token {at}")
    return tokens[at], at + 1


class Symbols:
    """The symbols of one key, numbered in order of first use.

    Args:
        lookup: returns the shape of a symbol's id; raises LookupError for an unknown id.
    """

    __slots__ = ("_known", "_lookup", "calls", "structs")

    def __init__(self, lookup: SymbolLookup) -> None:
        self._lookup = lookup
        self._known: dict[int, tuple[int, int]] = {}
        self.calls: dict[CallSymbol, int] = {}
        self.structs: dict[StructSymbol, int] = {}

    def call(self, number: int, at: int) -> tuple[int, int]:
        """Return the index in `calls` and the number of arguments of the CALL token `number << 5 | CALL` at `at`."""
        known = self._known.get(number)
        if known is not None and known[0] >= 0:
            return known
        shape = self._shape(number, at)
        if not hasattr(shape, "task"):
            raise TemplateError(f"symbol must be that of a call, got that of a struct - at token {at}")
        shape = cast("CallShape", shape)
        module, qualname, kind, mode, injected = shape.task
        names = tuple(shape.names)
        symbol = CallSymbol(
            module,
            qualname,
            cast("CallKind", kind),
            cast("CallMode", mode),
            tuple(injected),
            shape.positional,
            names,
            tuple(shape.roles),
        )
        index = self.calls.setdefault(symbol, len(self.calls))
        known = self._known[number] = index, symbol.arity
        return known

    def struct(self, number: int, at: int) -> tuple[int, int]:
        """Return the index in `structs` and the number of fields of the STRUCT token at `at`."""
        known = self._known.get(number)
        if known is not None and known[0] < 0:
            return -known[0] - 1, known[1]
        shape = self._shape(number, at)
        if not hasattr(shape, "fields"):
            raise TemplateError(f"symbol must be that of a struct, got that of a call - at token {at}")
        shape = cast("StructShape", shape)
        symbol = StructSymbol(shape.module, shape.qualname, tuple(shape.fields))
        index = self.structs.setdefault(symbol, len(self.structs))
        # Calls and structs share the ids; structs have the negative indexes here.
        self._known[number] = -index - 1, len(symbol.fields)
        return index, len(symbol.fields)

    def _shape(self, number: int, at: int) -> CallShape | StructShape:
        try:
            return self._lookup(number)
        except LookupError:
            raise TemplateError(f"unknown symbol {number} - at token {at}") from None


def digest(key: KeyBuffer, symbol: SymbolLookup) -> str:
    """Return the digest of a shape: 64 hexadecimal digits, the same in every process, on every Python and machine.

    It is the hash of an expansion of the key that determines the shape: every item with numbers of a fixed width, every
    symbol as its number in order of first use, written out at its first use, and the length before every text. So no
    two shapes have the same expansion, whatever characters their names contain.

    Args:
        key: native unsigned 32 bit tokens.
        symbol: returns the shape of a symbol's id.

    Raises:
        TemplateError: the key is not valid.

    >>> from array import array
    >>> from types import SimpleNamespace
    >>> noop = SimpleNamespace(task=("jobs", "noop", "sync", "default", ()), positional=1, names=(), roles=())
    >>> key = memoryview(array("I", [7 << 5 | CALL, SLOT]))
    >>> digest(key, {7: noop}.__getitem__)[:16]
    'e1e4699c0c5f8e02'
    """
    return Spelling(symbol).digest(key).hex()


class Spelling:
    """The expansions of the symbols of a process, cached.

    Args:
        lookup: returns the shape of a symbol's id; raises LookupError for an unknown id.
    """

    __slots__ = ("_calls", "_lookup", "_structs")

    def __init__(self, lookup: SymbolLookup) -> None:
        self._lookup = lookup
        self._calls: dict[int, tuple[CallSymbol, int, bytes]] = {}
        self._structs: dict[int, tuple[StructSymbol, int, bytes]] = {}

    def call(self, number: int, at: int) -> tuple[CallSymbol, int, bytes]:
        """Return the symbol of the CALL token `number << 5 | CALL` at `at`, its number of operands, its expansion."""
        known = self._calls.get(number)
        if known is None:
            symbols = Symbols(self._lookup)
            _, count = symbols.call(number, at)
            (symbol,) = symbols.calls
            if len(self._calls) == _REMEMBERED:
                self._calls.clear()
            known = self._calls[number] = symbol, count, _spell_call(symbol)
        return known

    def struct(self, number: int, at: int) -> tuple[StructSymbol, int, bytes]:
        """Return the symbol of the STRUCT token at `at`, its number of fields, its expansion."""
        known = self._structs.get(number)
        if known is None:
            symbols = Symbols(self._lookup)
            _, count = symbols.struct(number, at)
            (symbol,) = symbols.structs
            if len(self._structs) == _REMEMBERED:
                self._structs.clear()
            known = self._structs[number] = symbol, count, _spell_struct(symbol)
        return known

    def digest(self, key: KeyBuffer) -> bytes:
        """Return the digest of a key, 32 bytes.

        Raises:
            TemplateError: the key is not valid.
        """
        tokens = key if type(key) is bytes and not len(key) % 4 else bytes(_tokens(key))
        hasher = blake2b(digest_size=32, person=b"cascade shape 1")
        expand(tokens, self.call, self.struct, literals, hasher.update)
        return hasher.digest()


def _no_symbol(number: int) -> CallShape | StructShape:
    raise LookupError(number)


class GraphSpelling(Spelling):
    """The expansions for a key of `key_writer.key_of`, whose symbols are numbered as in its graph."""

    __slots__ = ()

    def __init__(self, graph: GraphTemplate) -> None:
        super().__init__(_no_symbol)
        for number, call in enumerate(graph.calls):
            self._calls[number] = call, 0, _spell_call(call)
        for number, struct in enumerate(graph.structs, len(graph.calls)):
            self._structs[number] = struct, 0, _spell_struct(struct)


def literals(key: KeyBuffer) -> Callable[[int], tuple[int, Key]]:
    """Return a function that reads the literal at a token of `key`, as (next token, `Key`).

    Raises:
        TemplateError: by that function, for a literal that is cut off or damaged.
    """
    tokens = _tokens(key)
    known: dict[tuple[int, bytes], Key] = {}

    def read(at: int) -> tuple[int, Key]:
        after, value = _literal(tokens, at)
        kind = tokens[at] >> 5
        literal = known.get((kind, value))
        if literal is None:
            literal = Key(KEY_KINDS[kind], value)
            try:
                literal.load()
            except TemplateError as error:
                raise TemplateError(f"{error} - at token {at}") from None
            known[kind, value] = literal
        return after, literal

    return read


def _spell_call(call: CallSymbol) -> bytes:
    task = _texts((call.module, call.qualname, call.kind, call.mode))
    # Without roles, the expansion is that of the versions before roles: the digest stays the same.
    roles = b"\xff" + _texts(call.roles) if call.roles else b""
    return task + _texts(call.injected) + pack("<I", call.positional) + _texts(call.names) + roles


def _spell_struct(struct: StructSymbol) -> bytes:
    return _texts((struct.module, struct.qualname)) + _texts(struct.fields)


def _texts(texts: tuple[str, ...]) -> bytes:
    out = bytearray(pack("<I", len(texts)))
    for text in texts:
        data = text.encode("utf-8", "surrogatepass")
        out += pack("<I", len(data))
        out += data
    return bytes(out)
