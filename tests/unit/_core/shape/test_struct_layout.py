"""Frozen structs of every make, with lazy results inside."""

from __future__ import annotations

import weakref
from typing import Generic, TypeVar

import msgspec
import pytest

import cascade as cs
from support.tasks import digest, give, leaf

Value = TypeVar("Value")


class Plain(msgspec.Struct, frozen=True):
    a: object
    b: object = None


class Child(Plain, frozen=True):
    c: object = "c"


class Named(msgspec.Struct, frozen=True, kw_only=True):
    a: object
    b: object = msgspec.field(default_factory=list)


class Tagged(msgspec.Struct, frozen=True, tag="kind", omit_defaults=True, rename="camel"):
    a_long_name: object
    b: object = msgspec.UNSET


class Caching(msgspec.Struct, frozen=True, cache_hash=True):
    a: object
    b: object = None


class Untracked(msgspec.Struct, frozen=True, gc=False):
    a: object
    b: object = None


class Watched(msgspec.Struct, frozen=True, weakref=True, dict=True):
    a: object
    b: object = None


class Ordered(msgspec.Struct, frozen=True, order=True):
    a: object
    b: object = None


class Identical(msgspec.Struct, frozen=True, eq=False):
    a: object
    b: object = None


class Many(Generic[Value], msgspec.Struct, frozen=True):
    a: Value
    b: object = None


class WithMethods(msgspec.Struct, frozen=True):
    a: object
    b: object = None

    def __post_init__(self) -> None:
        if not isinstance(self.a, cs.LazyResult | str):
            raise ValueError(f"a cannot be {self.a!r}")

    def __eq__(self, other: object) -> bool:
        raise AssertionError("compared")

    def __hash__(self) -> int:
        raise AssertionError("hashed")

    def __getattribute__(self, name: str) -> object:
        assert not name.startswith("_") or name in ("__class__", "__post_init__", "__struct_fields__"), name
        return super().__getattribute__(name)


KINDS = [Plain, Child, Named, Caching, Untracked, Watched, Ordered, Identical, Many, WithMethods]


@pytest.mark.parametrize("kind", KINDS)
def test_lazy_inside_is_replaced(kind: type) -> None:
    given = kind(a=leaf(), b=[1])
    seen = cs.run(give(given))
    assert type(seen) is kind
    assert seen.a == "leaf"
    assert seen.b is given.b
    assert isinstance(given.a, cs.LazyResult)
    nested = cs.run(give([kind(a="x", b=kind(a=leaf()))]))
    assert nested[0].b.a == "leaf"


@pytest.mark.parametrize("kind", KINDS)
def test_without_a_lazy_inside_it_is_the_same_object(kind: type) -> None:
    given = kind(a="x", b=[1])
    assert cs.run(give(given)) is given
    assert digest(give(given)) == digest(give(1))


def test_types_are_structure() -> None:
    kinds = [kind for kind in KINDS if kind is not Child]
    digests = {digest(give(kind(a=leaf(), b=1))) for kind in kinds}
    assert len(digests) == len(kinds)
    assert digest(give(Child(leaf()))) not in digests


def test_defaults_inheritance_and_options() -> None:
    assert cs.run(give(Child(leaf(), c=[leaf()]))) == Child("leaf", None, ["leaf"])
    tagged = cs.run(give(Tagged(leaf())))
    assert tagged == Tagged("leaf")
    assert tagged.b is msgspec.UNSET
    assert msgspec.json.encode(tagged) == msgspec.json.encode(Tagged("leaf"))
    named = cs.run(give(Named(a=leaf())))
    assert named == Named(a="leaf")


def test_a_remembered_hash_is_not_carried_over() -> None:
    given = Caching(leaf(), 1)
    assert hash(given) == hash(given)
    seen = cs.run(give(given))
    assert hash(seen) == hash(Caching("leaf", 1))
    assert seen in {Caching("leaf", 1)}


def test_results_can_be_watched_and_compared() -> None:
    seen = cs.run(give(Watched(leaf())))
    assert weakref.ref(seen)() is seen
    assert cs.run(give(Ordered(leaf("b")))) > Ordered("a")
    assert {cs.run(give(Plain(leaf(), 1)))} == {Plain("leaf", 1)}


def test_many_fields() -> None:
    big = msgspec.defstruct("big", [f"f{number}" for number in range(100)], frozen=True)
    values = [leaf(number) if number % 3 else number for number in range(100)]
    assert cs.run(give(big(*values))) == big(*range(100))


def test_no_fields() -> None:
    empty = msgspec.defstruct("empty", [], frozen=True)()
    assert cs.run(give([leaf(), empty])) == ["leaf", empty]


def test_mutable_structs_are_data_without_a_lazy_result_and_refuse_one() -> None:
    class Mutable(msgspec.Struct):
        a: object

    given = Mutable("leaf")
    assert cs.run(give(given)) is given
    with pytest.raises(cs.StructureError, match="`Mutable` must not hold a lazy result"):
        cs.run(give(Mutable(leaf())))


def test_types_that_come_and_go() -> None:
    for number in range(2000):
        fields = [f"f{index}" for index in range(1 + number % 5)]
        kind = msgspec.defstruct("passing", fields, frozen=number % 7 != 0)
        given = kind(leaf(number) if number % 7 else number, *fields[1:])
        if number % 100 < 10:
            seen = cs.run(give(given))
            assert seen is given if number % 7 == 0 else seen == kind(number, *fields[1:])
        else:
            cs.structural_hash(give(given))
        del kind, given
