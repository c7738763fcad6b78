"""Templates as bytes: there and back, in one encoding only, in bounded memory."""

from __future__ import annotations

import itertools
import tracemalloc
from contextlib import suppress

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cascade.exceptions import TemplateError
from cascade.graph.model import (
    Call,
    CallSymbol,
    Collection,
    GraphTemplate,
    Key,
    Mapping,
    NodeRef,
    PlanTemplate,
    Record,
    SlotRef,
    StructSymbol,
)
from cascade.graph.solver import NativeSolver, check
from cascade.templates.codec import EXPANSION, Stored, decode, encode
from support.graph_shapes import expressions, graph_of

any_text = st.text(st.characters(exclude_categories=())) | st.text("\0\\u0d8cf", max_size=12)


def stored_of(target: object) -> Stored:
    graph, _ = graph_of(target)
    return Stored(graph, NativeSolver().resolve(graph), "solvers.One")


@given(expressions())
def test_there_and_back(target: object) -> None:
    stored = stored_of(target)
    assert decode(encode(stored)) == stored


@given(any_text, any_text, st.lists(any_text, unique=True, max_size=3))
def test_any_text_may_be_a_name(module: str, solver: str, names: list[str]) -> None:
    call = CallSymbol(module, "f", "sync", "default", tuple(names), 0, tuple(sorted(names)))
    struct = StructSymbol("m", module, tuple(names))
    graph = GraphTemplate((call,), (struct,), (Call(0, SlotRef(0), ()),), 1)
    stored = Stored(graph, PlanTemplate((0,), (1,)), solver)
    again = decode(encode(stored))
    assert again == stored
    assert encode(again) == encode(stored)


@given(any_text, any_text)
def test_two_names_have_two_encodings(one: str, other: str) -> None:
    def encoded(name: str) -> bytes:
        graph = GraphTemplate((CallSymbol(name, "f", "sync", "default", (), 0, ()),), (), (Call(0, SlotRef(0), ()),), 1)
        return encode(Stored(graph, PlanTemplate((0,), (1,)), ""))

    assert (encoded(one) == encoded(other)) == (one == other)


def test_nothing_has_a_second_encoding() -> None:
    data = encode(stored_of(graph_sample()))
    decode(data)
    for longer in (b"\xdc\x00" + bytes([data[0] & 15]) + data[1:], data + b"\0", b"\x94" + data[1:] + b"\0"):
        with pytest.raises(TemplateError):
            decode(longer)
    plain = {"\0": "\0" + "0000", "\ud800": "\0d800"}
    for name in ("\0", "\0x", "\0000", "\0d7ff", "\0D800", "\0" + "0001"):
        graph = GraphTemplate((CallSymbol(name, "f", "sync", "default", (), 0, ()),), (), (Call(0, SlotRef(0), ()),), 1)
        raw = msgspec.msgpack.encode(Stored(graph, PlanTemplate((0,), (1,)), ""))
        with pytest.raises(TemplateError, match="text"):
            decode(raw)
    assert set(plain) == {"\0", "\ud800"}


def graph_sample() -> object:
    from support.graph_shapes import Dict, Literal, Task

    return Task("root", [Dict([("k", Task("leaf")), (1, Literal())])], {"x": Literal()})


@pytest.mark.parametrize("size", [0, 1, 5, 20])
def test_a_wrong_encoding_is_an_error(size: int) -> None:
    for data in (bytes(size), b"\xff" * size, b"\xc1" * size, b"\x91" * size * 10000, b"\x93" + b"\x94" * size):
        with pytest.raises(TemplateError):
            decode(data)


# -- memory ------------------------------------------------------------------------------------------------------------


def greedy() -> dict[str, bytes]:
    """Encodings that take as much memory for their size as there are ways to think of."""
    many = 20_000
    node = Call(0, SlotRef(0), ())
    names = tuple(f"{i:02}" for i in range(100)) * (many // 100)
    unique = tuple(sorted(map("".join, itertools.product(map(chr, range(1, 30)), repeat=3))))
    graphs = {
        "slots": GraphTemplate((), (), (Call(0, SlotRef(0), (SlotRef(0),) * many),), 0),
        "big slots": GraphTemplate((), (), (Call(0, SlotRef(0), tuple(SlotRef(300 + i) for i in range(many))),), 0),
        "nodes": GraphTemplate((), (), (Call(0, SlotRef(0), (NodeRef(127),) * many),), 0),
        "empty mappings": GraphTemplate((), (), (Mapping((), ()),) * many, 0),
        "small mappings": GraphTemplate((), (), (Mapping((SlotRef(0),), (SlotRef(0),)),) * many, 0),
        "collections": GraphTemplate((), (), (Collection("set", ()),) * many, 0),
        "small collections": GraphTemplate((), (), (Collection("set", (SlotRef(0),)),) * many, 0),
        "records": GraphTemplate((), (), (Record(0, SlotRef(0), ()),) * many, 0),
        "calls": GraphTemplate((), (), (node,) * many, 0),
        "keys": GraphTemplate((), (), (Mapping((Key("int", b""),) * many, ()),), 0),
        "names": GraphTemplate((CallSymbol("", "", "sync", "auto", names, 0, names),), (), (node,), 0),
        "unique names": GraphTemplate((CallSymbol("", "", "sync", "auto", (), 0, unique),), (), (node,), 1),
        "unique fields": GraphTemplate((), (StructSymbol("", "", unique[::-1]),), (node,), 1),
        "symbols": GraphTemplate((CallSymbol("", "", "sync", "auto", (), 0, ()),) * many, (), (node,), 0),
        "structs": GraphTemplate((), (StructSymbol("", "", ()),) * many, (node,), 0),
    }
    found = {name: encode(Stored(graph, PlanTemplate((), ()), "")) for name, graph in graphs.items()}
    plans = {"order": PlanTemplate((0,) * many, ()), "large numbers": PlanTemplate((2**64 - 1,) * many, (300,) * many)}
    found |= {name: encode(Stored(GraphTemplate((), (), (), 0), plan, "")) for name, plan in plans.items()}
    return found


@pytest.mark.parametrize("name", greedy())
def test_memory_is_bounded_by_the_size(name: str) -> None:
    data = greedy()[name]
    tracemalloc.start()
    try:
        stored = decode(data)
        with suppress(TemplateError):
            check(stored.graph, stored.plan)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert stored is not None
    assert peak <= EXPANSION * len(data), f"{peak / len(data):.1f} bytes for one"


@pytest.mark.parametrize("size", [b"\xdd\x3b\x9a\xca\x00", b"\xdd\xff\xff\xff\xff", b"\xdc\xff\xff"])
def test_a_billion_claimed_is_not_a_billion_made(size: bytes) -> None:
    plain = encode(stored_of(graph_sample()))
    places = [at for at, byte in enumerate(plain) if 0x90 <= byte <= 0x9F]
    tracemalloc.start()
    try:
        for at in places:
            with pytest.raises(TemplateError):
                decode(plain[:at] + size + plain[at + 1 :])
        for kind in (b"\xdb", b"\xc6", b"\xdf", b"\xc9"):
            with pytest.raises(TemplateError):
                decode(plain[:1] + kind + size[-4:].rjust(4, b"\x7f") + plain[1:])
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 1 << 20
