"""Dict keys and templates: exact, and the same again after MessagePack."""

from __future__ import annotations

import gc
import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cascade.exceptions import TemplateError
from cascade.graph.builder import build
from cascade.graph.model import KEY_KINDS, MAX_KEY_DEPTH, GraphTemplate, Key, PlanTemplate
from cascade.graph.solver import NativeSolver
from support.graph_shapes import chain, expressions, graph_of, keys

# Values that some comparison, encoding or conversion takes for one another.
DISTINCT = [
    None, False, 0, 0.0, -0.0, "", b"", (), True, 1, 1.0, "1", b"1", (1,), (True,), (1.0,), ((1,),), ((), 1), (1, ()),
    ((1,), ()), -1, 1 << 64, float(1 << 64), 1 << 70_000, math.inf, -math.inf, 5e-324, "None", "\ud800", "\udc00",
    "\ud800\udc00", "\U00010000", "\0", "\0\0", b"\0", "a\0", "é", "e\u0301", ("a", "b"), ("ab", ""), ("a\0", "b"),
]  # fmt: skip


def same(a: object, b: object) -> bool:
    if type(a) is tuple:
        return type(b) is tuple and len(a) == len(b) and all(map(same, a, b))
    return type(a) is type(b) and a == b and (type(a) is not float or math.copysign(1, a) == math.copysign(1, b))


@given(keys)
def test_a_key_gives_back_its_value_and_type(value: object) -> None:
    assert same(Key.dump(value).load(), value)


@given(keys)
def test_a_key_survives_messagepack_and_json(value: object) -> None:
    key = Key.dump(value)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(key), type=Key) == key
    assert msgspec.json.decode(msgspec.json.encode(key), type=Key) == key


@given(keys, keys)
def test_keys_are_equal_exactly_if_values_and_types_are(a: object, b: object) -> None:
    assert (Key.dump(a) == Key.dump(b)) == same(a, b)


def test_keys_of_values_that_are_easily_confused() -> None:
    assert len({Key.dump(value) for value in DISTINCT}) == len(DISTINCT)
    for value in DISTINCT:
        assert same(Key.dump(value).load(), value)


@pytest.mark.parametrize("value", [object(), [1], {}, 1j, (1, [2]), frozenset(), type("S", (str,), {})("x")])
def test_other_types_are_no_keys(value: object) -> None:
    with pytest.raises(TypeError, match="dict key must be"):
        Key.dump(value)  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [math.nan, (1, math.nan)])
def test_nan_is_no_key(value: object) -> None:
    with pytest.raises(ValueError, match="NaN"):
        Key.dump(value)  # type: ignore[arg-type]


def test_depth_of_tuples_is_bounded() -> None:
    value: object = ()
    for _ in range(MAX_KEY_DEPTH - 1):
        value = (value,)
    deepest = Key.dump(value)  # type: ignore[arg-type]
    assert deepest.load() == value
    with pytest.raises(ValueError, match="nested more than"):
        Key.dump((value,))  # type: ignore[arg-type]
    # What dump refuses to write, load refuses to read, however deep it says it is.
    for count in (1, 1_000_000):
        with pytest.raises(TemplateError, match="damaged"):
            Key("tuple", b"\1\0\0\0" + b"\7\1\0\0\0" * count + deepest.value[4:]).load()


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("none", b"x"), ("true", b"1"), ("int", b""), ("int", b"-"), ("int", b"-0"), ("int", b"00"), ("int", b"FF"),
        ("int", b"0xff"), ("int", b" 1"), ("int", b"1_0"), ("int", b"+1"), ("float", b""), ("float", b"\0" * 7),
        ("float", b"\0" * 6 + b"\xf8\x7f"), ("str", b"\xff"), ("str", b"\xc0\x80"), ("tuple", b""), ("tuple", b"\0"),
        ("tuple", b"\1\0\0\0"), ("tuple", b"\0\0\0\0\0"), ("tuple", b"\xff\xff\xff\xff" + b"\0" * 40),
        ("tuple", b"\1\0\0\0\5\xff\xff\xff\xff"), ("tuple", b"\1\0\0\0\x08\0\0\0\0"), ("list", b""), ("", b""),
    ],
)  # fmt: skip
def test_a_damaged_key_is_refused(kind: str, value: bytes) -> None:
    with pytest.raises(TemplateError, match="damaged"):
        Key(kind, value).load()  # type: ignore[arg-type]


@given(st.sampled_from(KEY_KINDS), st.binary(max_size=40))
def test_any_bytes_are_the_one_encoding_of_a_value_or_refused(kind: str, data: bytes) -> None:
    key = Key(kind, data)  # type: ignore[arg-type]
    try:
        value = key.load()
    except TemplateError:
        return
    assert Key.dump(value) == key


@given(expressions())
def test_templates_survive_messagepack_and_json(target: object) -> None:
    graph = graph_of(target)[0]
    plan = NativeSolver().resolve(graph)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(plan), type=PlanTemplate) == plan
    try:
        data = msgspec.msgpack.encode(graph)
    except UnicodeEncodeError:
        return  # a name with a lone surrogate is for the file format to carry
    assert msgspec.msgpack.decode(data, type=GraphTemplate) == graph
    assert msgspec.json.decode(msgspec.json.encode(graph), type=GraphTemplate) == graph


def test_templates_are_frozen_and_hashable() -> None:
    graph = build(*chain(3))
    assert hash(graph) == hash(build(*chain(3)))
    with pytest.raises(AttributeError):
        graph.slots = 1  # type: ignore[misc]


def test_the_collector_has_nothing_to_walk_in_a_template() -> None:
    graph = build(*chain(10_000))
    gc.collect()
    assert not any(map(gc.is_tracked, (graph, *graph.nodes, *(node.operands for node in graph.nodes))))
