"""Templates as bytes: MessagePack of the structs, and of nothing else.

One template has one encoding: `decode` accepts no other, so that two files that differ hold different templates. The
result of `decode` has the right types throughout; `check`, or `Proof`, verifies its numbers.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec
from msgspec import Struct
from msgspec.structs import astuple

from cascade.exceptions import TemplateError
from cascade.graph.model import CallSymbol, GraphTemplate, PlanTemplate, StructSymbol

__all__ = ["EXPANSION", "Stored", "decode", "encode", "escaped", "unescaped"]

EXPANSION = 32
"""The maximum ratio of a decoded template's memory to the size of its encoding, for any bytes."""

_Symbol = TypeVar("_Symbol", CallSymbol, StructSymbol)
# MessagePack's text is Unicode without surrogates. Python's names may have them.
_UNFIT = re.compile("[\0\ud800-\udfff]")
_ESCAPE = re.compile("\0(0000|d[89a-f][0-9a-f]{2})")


class Stored(Struct, frozen=True, gc=False, array_like=True):
    """One template as a file holds it.

    Attributes:
        graph: as the builder has made it.
        plan: of that graph.
        solver: the module and qualified name of the type of the solver that made the plan.
    """

    graph: GraphTemplate
    plan: PlanTemplate
    solver: str


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Stored)
_texts = msgspec.json.Encoder()  # encodes NUL only as \u0000


def encode(stored: Stored) -> bytes:
    r"""Return the encoding of a template.

    >>> from cascade.graph.model import Call, SlotRef
    >>> noop = CallSymbol("jobs", "no\0op\ud800", "sync", "default", (), 0, ())
    >>> graph = GraphTemplate((noop,), (), (Call(0, SlotRef(0), ()),), 1)
    >>> stored = Stored(graph, PlanTemplate((0,), (1,)), "solvers.Mine")
    >>> decode(encode(stored)) == stored
    True
    """
    return _encoder.encode(Stored(escaped(stored.graph), stored.plan, _escaped(stored.solver)))


def decode(data: bytes, *, exact: bool = True) -> Stored:
    """Return the template of an encoding; the inverse of `encode`.

    Args:
        data: bytes from any source. Memory is bounded by `EXPANSION` times their number.
        exact: whether to reject an encoding that `encode` would not produce, such as a number that is longer than it
            need be. Not needed where the caller compares the result with what it must be.

    Raises:
        TemplateError: `data` is not the encoding of anything; the message names the place, counting the fields of
            structs from 0.

    >>> decode(b"nonsense")
    Traceback (most recent call last):
        ...
    cascade.TemplateError: Expected `array`, got `int`
    """
    try:
        stored = _decoder.decode(data)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise TemplateError(f"{error}") from None
    # Differs for numbers that are longer than they need be or no integers, and for surplus fields.
    if exact and _encoder.encode(stored) != data:
        raise TemplateError("not the encoding that the template has")
    if _are_plain(stored.graph) and not _UNFIT.search(stored.solver):
        return stored
    return Stored(_mapped(stored.graph, _unescaped), stored.plan, _unescaped(stored.solver))


def escaped(graph: GraphTemplate) -> GraphTemplate:
    """Return the graph with names that any format can hold: NUL and lone surrogates are escaped."""
    return graph if _are_plain(graph) else _mapped(graph, _escaped)


def unescaped(graph: GraphTemplate) -> GraphTemplate:
    """Return the graph of an escaped one; the inverse of `escaped`.

    Raises:
        TemplateError: `escaped` returns no such graph.
    """
    return graph if _are_plain(graph) else _mapped(graph, _unescaped)


def _are_plain(graph: GraphTemplate) -> bool:
    """Whether MessagePack can hold all texts of the symbols as they are."""
    try:
        # Cheaper than a search in each text; a backslash in a name may be a false positive.
        if b"\\u0000" not in _texts.encode((graph.calls, graph.structs)):
            return True
    except UnicodeEncodeError:
        return False
    return _mapped(graph, _escaped) == graph


def _mapped(graph: GraphTemplate, change: Callable[[str], str]) -> GraphTemplate:
    """Return a graph with all texts of its symbols changed."""

    def mapped(symbol: _Symbol) -> _Symbol:
        values: list[Any] = []
        for value in astuple(symbol):
            if type(value) is str:
                values.append(change(value))
            else:
                values.append(tuple(map(change, value)) if type(value) is tuple else value)
        return type(symbol)(*values)

    return GraphTemplate(tuple(map(mapped, graph.calls)), tuple(map(mapped, graph.structs)), graph.nodes, graph.slots)


def _escaped(text: str) -> str:
    """Return text that MessagePack can hold: NUL and surrogates become NUL and their four hexadecimal digits."""
    return _UNFIT.sub(lambda found: f"\0{ord(found[0]):04x}", text)


def _unescaped(text: str) -> str:
    plain = _ESCAPE.sub(lambda found: chr(int(found[1], 16)), text)
    if _escaped(plain) != text:
        raise TemplateError("damaged text - at `graph`")
    return plain
