"""Named tuples and frozen dataclasses are containers of their fields; other records refuse a lazy result."""

from __future__ import annotations

import collections
import dataclasses
import gc
import types
import weakref
from typing import Any, Generic, NamedTuple, TypeVar

import attrs
import msgspec
import pytest

import cascade as cs
from support.tasks import digest, give, leaf

Value = TypeVar("Value")
Old = collections.namedtuple("Old", "x y", defaults=[2])


class Named(NamedTuple):
    x: object
    y: object = 2


class WithMethod(Named):
    def sum(self) -> Any:
        return self.x


@dataclasses.dataclass(frozen=True)
class Frozen:
    x: object
    y: object = 2


@dataclasses.dataclass(frozen=True, slots=True)
class Slotted:
    x: object
    y: object = 2


@dataclasses.dataclass(frozen=True, kw_only=True, eq=True, order=True)
class Keyword(Generic[Value]):
    y: object = 2
    x: Value = dataclasses.field(default=None)


@dataclasses.dataclass(frozen=True)
class Child(Frozen):
    z: object = dataclasses.field(default_factory=list)


@dataclasses.dataclass(frozen=True)
class Checked:
    x: object
    y: object = 2

    def __post_init__(self) -> None:
        assert isinstance(self.x, cs.LazyResult) or self.x == "leaf", self.x

    @property
    def both(self) -> object:
        raise AssertionError("asked for a property")


NODES = [Old, Named, WithMethod, Frozen, Slotted, Keyword, Child, Checked]


@pytest.mark.parametrize("kind", NODES)
def test_lazy_inside_is_replaced(kind: Any) -> None:
    given = kind(x=leaf(), y=[1])
    for found in (cs.run(give(given)), cs.run(given), cs.run([given])[0], cs.run(give({"a": (given,)}))["a"][0]):
        assert type(found) is kind
        assert (found.x, found.y) == ("leaf", [1])
        assert found.y is given.y
    assert isinstance(given.x, cs.LazyResult)
    assert cs.run(cs.task(lambda: given, mode="inline")()).x == "leaf"


@pytest.mark.parametrize("kind", [kind for kind in NODES if kind is not Checked])
def test_lazy_deep_inside_is_replaced(kind: Any) -> None:
    inner = kind(x={"a": [leaf(1), kind(x=leaf(2))]})
    found = cs.run(give(kind(x=inner, y=inner)))
    assert found.x.x["a"][0] == 1 and found.x.x["a"][1].x == 2
    assert found.x is found.y


@pytest.mark.parametrize("kind", NODES)
def test_without_a_lazy_inside_it_is_the_same_object(kind: Any) -> None:
    given = kind(x="leaf", y=[1, kind(x="leaf"), {"k": 1}])
    assert cs.run(give(given)) is given
    assert cs.run(give([leaf(), given]))[1] is given
    assert digest(give(given)) == digest(give(1))


def test_types_are_structure() -> None:
    assert len({digest(give(kind(x=leaf(), y=1))) for kind in NODES}) == len(NODES)


def test_a_list_of_dataclasses() -> None:
    given = [Frozen(leaf(n), n) for n in range(1000)]
    assert cs.run(give(given)) == [Frozen(n, n) for n in range(1000)]
    assert cs.run({n: one for n, one in enumerate(given)})[7] == Frozen(7, 7)
    nested: object = leaf("end")
    for _ in range(100):
        nested = Frozen(nested)
    found = cs.run(nested)
    for _ in range(100):
        found = found.x
    assert found == "end"


def test_a_set_of_records() -> None:
    assert cs.run(give({Frozen(leaf(1), 2), Named(leaf(1), 3)})) == {Frozen(1, 2), Named(1, 3)}


@dataclasses.dataclass(frozen=True)
class Bare:
    x: object
    y: object


@dataclasses.dataclass
class Mutable:
    x: object


@dataclasses.dataclass(frozen=True)
class OwnInit:
    x: object

    def __init__(self, value: object) -> None:
        object.__setattr__(self, "x", value)


@dataclasses.dataclass(frozen=True)
class Hidden:
    x: object
    y: object = dataclasses.field(init=False, default=1)


@dataclasses.dataclass(frozen=True)
class Initial:
    x: object
    seed: dataclasses.InitVar[int] = 0


class Strict(Named):
    def __new__(cls, value: object) -> Strict:
        return super().__new__(cls, value, 2)


@attrs.define
class Attrs:
    x: object


@attrs.frozen(slots=False)
class FrozenAttrs:
    x: object


class Struct(msgspec.Struct):
    x: object


class Untracked(msgspec.Struct, gc=False):
    x: object


class Table(dict):
    pass


class Series(list):
    pass


class Letters(tuple):
    __slots__ = ()


class Pydantic:
    """What a pydantic model looks like from outside."""

    __pydantic_fields__ = types.MappingProxyType({"x": None})

    def __init__(self, x: object) -> None:
        self.__dict__["x"] = x


RECORDS = [
    Mutable,
    OwnInit,
    Hidden,
    Initial,
    Strict,
    Attrs,
    FrozenAttrs,
    Struct,
    Pydantic,
    lambda x: Table(x=x),
    lambda x: Series([x]),
    lambda x: Letters((x,)),
    lambda x: collections.OrderedDict(x=x),
    lambda x: collections.defaultdict(list, x=x),
    lambda x: collections.deque([x]),
    lambda x: collections.UserDict(x=x),
    lambda x: collections.UserList([x]),
    lambda x: types.SimpleNamespace(x=x),
    lambda x: types.MappingProxyType({"x": x}),
    lambda x: slice(x, None),
    lambda x: {"x": x}.values(),
    lambda x: {"x": x}.items(),
]


@pytest.mark.parametrize("make", RECORDS)
@pytest.mark.parametrize(
    "wrap", [lambda x: x, lambda x: [x], lambda x: {"a": (x,)}], ids=["direct", "listed", "mapped"]
)
def test_a_record_refuses_a_lazy_result(make: Any, wrap: Any) -> None:
    plain = make(1)
    assert cs.run(give(plain)) is plain
    given = make(wrap(leaf()))
    message = f"a `{type(given).__name__}` must not hold a lazy result, got <LazyResult leaf.*> - at "
    place = {"target": r"\$", "argument": r"\$\.args\[0\]", "item": r"\$\.args\[0\]\[1\]", "result": r"\$"}
    targets = {
        "target": lambda: given,
        "argument": lambda: give(given),
        "item": lambda: give([leaf(), given]),
        "result": lambda: cs.task(lambda: given, mode="inline")(),
    }
    for name, target in targets.items():
        with pytest.raises(cs.StructureError, match=message + place[name]):
            cs.run(target())
    seen: list[object] = []
    cs.run(cs.task(lambda x: seen.append(x), mode="inline")(cs.data(given)))
    assert seen[0] is given


def test_a_view_of_a_dict_is_listed() -> None:
    with pytest.raises(
        cs.StructureError, match=r"a `dict_values` must not .* - at \$\.args\[0\]: write list\(\.\.\.\)"
    ):
        cs.run(give({"a": leaf()}.values()))
    with pytest.raises(cs.StructureError, match=r"a `ChainMap` must"):
        cs.run(give(collections.ChainMap({"a": leaf()})))
    with pytest.raises(cs.StructureError, match=r"a `slice` must not .*: write cs\.task\(slice\)\(\.\.\.\)"):
        cs.run(give(slice(leaf())))


def test_a_record_refuses_a_marked_value() -> None:
    for given in (Mutable(cs.data(1)), Series([cs.data(leaf())])):
        with pytest.raises(cs.StructureError, match="must not hold a lazy result, got data"):
            cs.run(give(given))
    assert cs.run(give(Frozen(cs.data([1])))) == Frozen([1])


def test_an_untracked_record_is_data() -> None:
    """It says of itself that it holds nothing that the collector should know: nothing can be found in it."""
    given = Untracked(leaf())
    assert cs.run(cs.task(lambda x: cs.data(x), mode="inline")(given)) is given


def test_the_search_of_a_record_is_bounded() -> None:
    many = Mutable([0] * 10_000 + [leaf()])
    assert cs.run(give(Mutable(list(range(10_000))))).x[-1] == 9_999
    assert cs.run(cs.task(lambda x: cs.data(x), mode="inline")(many)) is many
    assert cs.run(give(Mutable({n: [n] * 100 for n in range(10_000)}))).x[7] == [7] * 100
    deep = Mutable([[[[leaf()]]]])
    assert cs.run(cs.task(lambda x: cs.data(x), mode="inline")(deep)) is deep


def test_what_a_program_hangs_on_is_not_searched() -> None:
    class Node:
        def __init__(self, value: object) -> None:
            self.value = value

    given = Node(leaf())
    assert cs.run(cs.task(lambda x: cs.data(x), mode="inline")(given)) is given
    assert cs.run(give([Node(1)]))[0].value == 1


def test_a_named_tuple_that_is_not_whole_is_data() -> None:
    short = tuple.__new__(Named, (1,))
    assert cs.run(give(short)) is short
    shorter = tuple.__new__(Named, (leaf(),))
    assert cs.run(cs.task(lambda x: cs.data(x), mode="inline")(shorter)) is shorter
    long = tuple.__new__(Named, (1, 2, leaf()))
    assert cs.run(cs.task(lambda x: cs.data(x), mode="inline")(long)) is long
    assert cs.run(give([leaf(), short]))[1] is short


def test_a_dataclass_that_is_not_whole() -> None:
    given = Frozen.__new__(Frozen)
    object.__setattr__(given, "x", leaf())
    assert cs.run(give(given)).x == "leaf"  # the class has a default for the other field
    bare = Bare.__new__(Bare)
    object.__setattr__(bare, "x", leaf())
    with pytest.raises(AttributeError, match="'y'"):
        cs.run(give(bare))


def test_a_dataclass_that_holds_itself() -> None:
    given = Frozen([leaf()])
    given.x.append(given)  # type: ignore[attr-defined]
    with pytest.raises(cs.StructureError, match="must not contain itself"):
        cs.run(give(given))
    given.x.clear()  # type: ignore[attr-defined]
    plain = Frozen([1])
    plain.x.append(plain)  # type: ignore[attr-defined]
    assert cs.run(give(plain)) is plain
    plain.x.clear()  # type: ignore[attr-defined]


def test_reading_fields_may_run_any_code() -> None:
    """A field that is a descriptor: it changes the list that is being traversed, and extracts another expression."""
    given: list[object] = []

    class Evil:
        def __get__(self, instance: object, owner: object) -> object:
            if instance is None:
                return 5  # the default, as `dataclass` asks for it
            given.append(leaf())
            cs.structural_hash(give([leaf(), Frozen(leaf())]))
            gc.collect()
            return leaf("from the descriptor")

        def __set__(self, instance: Any, value: object) -> None:
            instance.__dict__["_x"] = value

    @dataclasses.dataclass(frozen=True)
    class Odd:
        x: object = Evil()

    given += [Odd(leaf()) for _ in range(3)]
    found = cs.run(give(given))
    assert len(found) >= 3 and type(found[0]) is Odd


def test_types_that_come_and_go() -> None:
    watched = []
    for number in range(600):
        match number % 4:
            case 0:
                kind: Any = dataclasses.make_dataclass("Passing", ["x"], frozen=True)
            case 1:
                kind = collections.namedtuple("Passing", "x y", defaults=[1])
            case 2:
                kind = dataclasses.make_dataclass("Passing", ["x"])
            case _:
                kind = type("Passing", (), {"__init__": lambda self, x: None})
        if number % 4 < 2:
            assert cs.run(give(kind(leaf(number)))).x == number
        else:
            given = kind(number)
            assert cs.run(give(given)) is given
            del given
        watched.append(weakref.ref(kind))
        del kind
    gc.collect()
    assert not [one for one in watched if one() is not None]


def test_a_metaclass_with_a_will_of_its_own() -> None:
    class Meta(type):
        def __getattribute__(cls, name: str) -> object:
            if name in ("_fields", "__dataclass_params__", "__signature__"):
                raise RuntimeError("not for you")
            return super().__getattribute__(name)

        def __eq__(cls, other: object) -> bool:
            raise AssertionError("compared")

        def __hash__(cls) -> int:
            raise AssertionError("hashed")

    class Odd(tuple, metaclass=Meta):
        _fields = ("x",)

    given = Odd((1,))
    assert cs.run(give(given)) is given
    with pytest.raises(cs.StructureError, match="`Odd` must not hold"):
        cs.run(give(Odd((leaf(),))))
