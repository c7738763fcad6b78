"""`structural_hash`: a digest that is the same everywhere, and the slots in order."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable

import pytest
from hypothesis import example, given

import cascade as cs
from language.acts import Digest
from language.descriptions import Box, Call, Node, TaskSpec
from language.oracle import Journal
from language.oracle_build import build
from language.oracle_shape import literals
from language.programs import KINDS, Rules, programs
from support.ids import case_name
from support.shapes import digests
from support.values import Card, HostileKey, Pair, Point, canonical

ALL_DIGESTS = "2ff41b77045d992d"


@cs.task(mode="inline")
def f(*args: object, **kwargs: object) -> None: ...


def test_digests_are_text_and_tell_apart() -> None:
    found = digests()
    assert all(type(digest) is str and int(digest, 16) >= 0 for digest in found)
    assert len(set(found)) == len(found)
    assert digests() == found


def test_same_on_every_python_here_or_not() -> None:
    """One number for all digests. If structure keys have changed on purpose, it changes, once for all Pythons."""
    assert hashlib.blake2b("".join(digests()).encode(), digest_size=8).hexdigest() == ALL_DIGESTS


@pytest.mark.parametrize("seed", ["0", "1", "4711"])
def test_same_in_every_process(interpreter: Callable[..., str], seed: str) -> None:
    printed = interpreter("from support import shapes; print('\\n'.join(shapes.digests()))", PYTHONHASHSEED=seed)
    assert printed.split() == digests()


def test_same_when_names_were_interned_in_another_order(interpreter: Callable[..., str]) -> None:
    code = """
        import cascade as cs
        from support import shapes
        for name in ["x", "later", "g", "f"]:
            for count in range(5):
                cs.structural_hash(shapes.define(name)(*range(count), **{"a": 1, "zz": 2}))
        print("\\n".join(reversed([cs.structural_hash(t)[0] for t in reversed(list(shapes.expressions()))])))
    """
    assert interpreter(code).split() == digests()


def test_same_on_every_python(interpreter: Callable[..., str], another_python: str) -> None:
    printed = interpreter("from support import shapes; print('\\n'.join(shapes.digests()))", python=another_python)
    assert printed.split() == digests()


# -- slots -----------------------------------------------------------------------------------------------------


def test_slots_come_in_traversal_order() -> None:
    shared = f("shared")
    target = f(1, [2, shared, (3,)], shared, {"k": 4, "j": f(5)}, a=f([7, 8]), z=6)
    _, slots = cs.structural_hash(target)
    assert slots == [f, 1, 2, f, "shared", (3,), 4, f, 5, f, [7, 8], 6]


def test_a_calls_slot_is_its_task() -> None:
    tasks = [cs.task(lambda *args: None, name="t", mode="inline") for _ in range(3)]
    _, slots = cs.structural_hash(tasks[0](tasks[1](), tasks[2]()))
    assert [id(slot) for slot in slots] == [id(task) for task in tasks]


def test_a_structs_slot_is_its_type() -> None:
    assert cs.structural_hash(f(Point(f(), 2)))[1] == [f, Point, f, 2]


def test_a_strange_key_is_a_slot() -> None:
    strange = frozenset({1})
    assert cs.structural_hash(f({strange: f(), "a": 1}))[1] == [f, strange, f, 1]


def test_several_targets() -> None:
    digest, slots = cs.structural_hash([f(1), f(2)])
    assert slots == [f, 1, f, 2]
    assert digest == cs.structural_hash([f(3), f(4)])[0]
    assert digest not in (
        cs.structural_hash(f(1))[0],
        cs.structural_hash([f(1)])[0],
        cs.structural_hash((f(3), f(4)))[0],
    )


def test_a_target_that_is_a_value() -> None:
    target = ["x", {"a": 1}]
    digest, slots = cs.structural_hash(target)
    assert slots[-1] is target
    assert digest == cs.structural_hash(None)[0]


@pytest.mark.parametrize("target", [f, f.fn, [f]], ids=case_name)
def test_what_is_no_target_is_refused(target: object) -> None:
    with pytest.raises(cs.TargetError):
        cs.structural_hash(target)


OPAQUE = [HostileKey(), math.nan, ..., (1, HostileKey()), (math.nan,)]
PLAIN = ["a", 2, True, 1.5, None, b"a", (), (1, ("a", None))]
LEAF = Call(TaskSpec("leaf", Digest(), "inline"), (), {})


@given(programs(Rules(KINDS, plain=True)))
@example(Call(TaskSpec("f", Digest(), "inline"), (Box("dict", (LEAF,) * 13, (*OPAQUE, *PLAIN)),), {}))
def test_random_expressions_give_their_literals(node: Node) -> None:
    _, slots = cs.structural_hash(build(node, Journal()))
    found = [
        slot
        for slot in slots
        if not isinstance(slot, cs.Task) and not any(slot is kind for kind in (Point, Pair, Card))
    ]
    assert canonical(found) == canonical(literals(node))


def test_hashing_runs_nothing() -> None:
    def never() -> None:
        raise AssertionError("ran")

    assert cs.structural_hash(cs.task(never, mode="inline")())[0]
