"""Templates as bytes: MessagePack of the structs, and of nothing else.

One template has one encoding: `decode` takes no other, so that two files that differ hold different templates. What
comes out of `decode` has the right types throughout; whether its numbers make sense is asked by `check`, or by `Proof`.
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
"""A template in memory, decoded, takes at most so many times the bytes of its encoding, whatever these are."""

_Symbol = TypeVar("_Symbol", CallSymbol, StructSymbol)
# MessagePack's text is Unicode without surrogates. Python's names may have them.
_UNFIT = re.compile("[\0\ud800-\udfff]")
_ESCAPE = re.compile("\0(0000|d[89a-f][0-9a-f]{2})")


class Stored(Struct, frozen=True, gc=False, array_like=True):
    """One template as a file holds it.

    Attributes:
        graph: as the builder has made it.
        plan: of that graph.
        solver: who made the plan: module and qualified name of the solver's type.
    """

    graph: GraphTemplate
    plan: PlanTemplate
    solver: str


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Stored)
_texts = msgspec.json.Encoder()  # writes NUL in no other way than this: \u0000


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
        data: bytes from anywhere. Memory is bounded by `EXPANSION` times their number.
        exact: whether to refuse what `encode` would write otherwise, such as a number that is longer than it need be.
            Not needed where what comes out is compared with what it should be.

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
    # Whatever is longer than it need be, or has more in it than was read, or numbers that are not integers.
    if exact and _encoder.encode(stored) != data:
        raise TemplateError("not the encoding that the template has")
    if _are_plain(stored.graph) and not _UNFIT.search(stored.solver):
        return stored
    return Stored(_mapped(stored.graph, _unescaped), stored.plan, _unescaped(stored.solver))


def escaped(graph: GraphTemplate) -> GraphTemplate:
    """Return the graph with names that any format can hold: NUL and lone surrogates are written otherwise."""
    return graph if _are_plain(graph) else _mapped(graph, _escaped)


def unescaped(graph: GraphTemplate) -> GraphTemplate:
    """Return the graph that was escaped so.

    Raises:
        TemplateError: none could have been.
    """
    return graph if _are_plain(graph) else _mapped(graph, _unescaped)


def _are_plain(graph: GraphTemplate) -> bool:
    """Whether MessagePack can hold all texts of the symbols as they are."""
    try:
        # Cheaper than to ask each text; a backslash in a name may raise a false alarm.
        if b"\\u0000" not in _texts.encode((graph.calls, graph.structs)):
            return True
    except UnicodeEncodeError:
        return False
    return _mapped(graph, _escaped) == graph


def _mapped(graph: GraphTemplate, change: Callable[[str], str]) -> GraphTemplate:
    """A graph with all texts of its symbols changed."""

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
    """Text that MessagePack can hold: NUL and surrogates become NUL and their four hexadecimal digits."""
    return _UNFIT.sub(lambda found: f"\0{ord(found[0]):04x}", text)


def _unescaped(text: str) -> str:
    plain = _ESCAPE.sub(lambda found: chr(int(found[1], 16)), text)
    if _escaped(plain) != text:
        raise TemplateError("damaged text - at `graph`")
    return plain
