"""The structure key read as items, and the digest."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from array import array

import pytest
from hypothesis import given

import cascade.graph.key_reader
from cascade.exceptions import TemplateError
from cascade.graph.key_reader import KEY, OPAQUE, digest, items
from cascade.graph.model import MAX_KEY_DEPTH, Key
from support import graph_shapes
from support.graph_shapes import Box, Core, Dict, Fields, Literal, Task, chain, expressions, graph_of, keys, tokens_of
from support.paths import HOME, TESTS


def digest_of(target: object, first: int = 0) -> str:
    core = Core(first)
    return digest(core.key(target), core.symbol)


def sample() -> object:
    """One of everything."""
    shared = Task("leaf", kwargs={"ü": Literal(), "a": Literal()}, kind="async", injected=("db", "log"))
    pairs = [(None, shared), (True, Literal()), (1.5, Literal()), (("é", (b"\0", -300)), Box("set", [shared]))]
    return Task(
        "root", [Dict([*pairs, (graph_shapes.OPAQUE, Literal())]), Fields("Point", {"x": shared, "y": Literal()})]
    )


# -- items -------------------------------------------------------------------------------------------------------------


@given(keys)
def test_a_dict_key_is_read_as_one_item(value: object) -> None:
    key = array("I", [*tokens_of(value), 15 << 5 | KEY]).tobytes()
    (op, kind, literal, at), opaque = items(key)
    assert (op, literal, at) == (KEY, Key.dump(value), 0)
    assert cascade.graph.key_reader.KEY_KINDS[kind] == literal.kind
    assert opaque == (KEY, OPAQUE, None, len(key) // 4 - 1)


def test_integers_may_have_the_prefix_that_python_gives_them() -> None:
    for value in (0, 255, -255, 1 << 100):
        data = hex(value).encode()
        data += bytes(-len(data) % 4)
        key = array("I", [3 << 5 | KEY, len(hex(value)), *array("I", data)])
        assert next(items(key.tobytes()))[2] == Key.dump(value)


def test_any_buffer_will_do() -> None:
    key, _ = chain(2)
    assert list(items(key)) == list(items(bytes(key))) == list(items(bytearray(key)))
    assert list(items(memoryview(bytes(2) + bytes(key))[2:])) == list(items(key))
    assert list(items(b"")) == []


def nested(depth: int) -> list[int]:
    return [7 << 5 | KEY, 1] * depth + [0 << 5 | KEY]


@pytest.mark.parametrize(
    "tokens",
    [
        [10], [15], [8 << 5 | KEY], [14 << 5 | KEY], [3 << 5 | KEY], [5 << 5 | KEY], [5 << 5 | KEY, 1],
        [5 << 5 | KEY, 5, 0], [5 << 5 | KEY, 0xFFFFFFFF, 0], [5 << 5 | KEY, 1, 0xFF], [5 << 5 | KEY, 1, 0x6161],
        [3 << 5 | KEY, 1, ord("x")], [3 << 5 | KEY, 1, ord("-")], [4 << 5 | KEY], [4 << 5 | KEY, 0],
        [4 << 5 | KEY, 0, 0x7FF80000], [7 << 5 | KEY], [7 << 5 | KEY, 1], [7 << 5 | KEY, 1, 0],
        [7 << 5 | KEY, 0xFFFFFFFF], [7 << 5 | KEY, 1, 15 << 5 | KEY], nested(MAX_KEY_DEPTH + 1), nested(1_000_000),
    ],
)  # fmt: skip
def test_a_damaged_key_is_refused_with_its_place(tokens: list[int]) -> None:
    with pytest.raises(TemplateError, match=r"- at token \d+"):
        list(items(array("I", tokens).tobytes()))


def test_half_a_token_is_refused() -> None:
    with pytest.raises(TemplateError, match="5 bytes"):
        list(items(bytes(5)))


# -- digest ------------------------------------------------------------------------------------------------------------

SAMPLE = "0bf2b545f7f1fe18a79d72331061ddb2b5f5035fca907c5cf6b1fbcf6928d444"
CHAIN = "335a6c1e67bb5f58cfe70f83c64d6a444bcd861fb3d7c33b4eba216a96e5bf02"


def test_the_digest_of_a_shape_is_the_same_for_ever() -> None:
    # These digests name templates in files: where they change, the person= of the hash has to change with them.
    assert digest_of(sample()) == SAMPLE
    assert digest(*chain(1_000)) == CHAIN


def test_the_digest_is_the_same_in_every_process() -> None:
    code = "import unit.graph.test_key_reader as t; print(t.digest_of(t.sample(), 1234))"
    for seed in ("0", "1"):
        path = os.pathsep.join([str(HOME), str(TESTS), *filter(None, [os.environ.get("PYTHONPATH")])])
        run = subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONPATH": path, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        )
        assert run.stdout.strip() == digest_of(sample())


@given(expressions(), expressions())
def test_digests_are_equal_exactly_if_graphs_are(a: object, b: object) -> None:
    assert (digest_of(a) == digest_of(b, 77)) == (graph_of(a)[0] == graph_of(b)[0])


def test_no_two_of_many_small_shapes_share_a_digest() -> None:
    """Names and counts that would run into one another if they were merely joined."""
    texts = ["", "a", "b", "ab", ".", "a.", "\0", "\1\0\0\0a", "(", ",", "\ud800"]
    shapes: list[object] = []
    shapes += [Task(name, module=module) for name in texts for module in texts]
    shapes += [Task("t", kwargs=dict.fromkeys(pair, Literal())) for pair in itertools.combinations(texts, 2)]
    shapes += [Task("t", kwargs={name: Literal()}) for name in texts]
    shapes += [Task("t", injected=pair) for pair in itertools.product(texts, repeat=2)]
    shapes += [Task("t", injected=(name,)) for name in texts]
    shapes += [Task("t", [Literal()] * count) for count in range(1, 4)]
    shapes += [Task("t", kind=kind) for kind in ("async", "wait", "recv")]
    shapes += [Task("t", mode=mode) for mode in ("auto", "inline", "thread", "process")]
    shapes += [Fields(name, dict.fromkeys(fields, Literal())) for name in texts for fields in ((), ("a",), ("b", "a"))]
    shapes += [Box(kind, [Literal()] * count) for kind in graph_shapes.COLLECTIONS for count in range(3)]
    shapes += [
        Dict([(key, Literal()) for key in pair]) for pair in itertools.product([*texts, 1, True, 1.0, None], repeat=2)
    ]
    leaf = Task("t")
    shapes += [Box("list", [leaf, leaf]), Box("list", [leaf, Task("t")]), Box("list", [Task("u"), Task("t")])]
    assert len({digest_of(shape) for shape in shapes}) == len(shapes)


def test_a_deep_key_needs_no_stack() -> None:
    assert len(digest(*chain(200_000))) == 64


def test_an_unknown_symbol_is_refused() -> None:
    key, _ = chain(1)
    with pytest.raises(TemplateError, match="unknown symbol 5 - at token 0"):
        digest(key, {}.__getitem__)
