"""Data has one digest if and only if it is the same data, in every process; what has none is refused by place."""

from __future__ import annotations

import array
import collections
import copy
import dataclasses
import datetime as dt
import decimal
import enum
import fractions
import functools
import io
import math
import operator
import pathlib
import random
import re
import socket
import struct
import threading
import types
import uuid
import zoneinfo
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

import cascade as cs
from cascade.cache.fingerprint import fingerprint


class Color(enum.Enum):
    RED = 1
    BLUE = 2


class Level(enum.IntEnum):
    RED = 1


class Mask(enum.Flag):
    READ = 1
    WRITE = 2


class Pair(NamedTuple):
    a: Any
    b: Any


class Twin(NamedTuple):
    a: Any
    b: Any


@dataclasses.dataclass
class Record:
    a: Any
    b: Any = 2

    @functools.cached_property
    def total(self) -> Any:
        return self.a + self.b


@dataclasses.dataclass(slots=True)
class Slotted:
    a: Any
    b: Any = 2


@dataclasses.dataclass
class Child(Slotted):
    c: Any = 3


@dataclasses.dataclass
class Late:
    a: int = dataclasses.field(init=False)


class Struct(msgspec.Struct):
    a: Any
    b: Any = 2


class Loose(msgspec.Struct, dict=True):
    a: Any


class Plain:
    pass


class MyInt(int):
    pass


class MyList(list[Any]):
    pass


class MyStr(str):
    pass


@dataclasses.dataclass
class RandomRecord(random.Random):
    a: int = 1


def canonical(value: Any) -> Any:
    """The slow, obvious form: types with everything, sets in the order of their text."""
    kind = type(value).__name__
    if isinstance(value, float):
        return kind, struct.pack(">d", value)
    if isinstance(value, complex):
        return kind, struct.pack(">dd", value.real, value.imag)
    if isinstance(value, (set, frozenset)):
        return kind, sorted((canonical(item) for item in value), key=repr)
    if isinstance(value, dict):
        return kind, [(canonical(key), canonical(item)) for key, item in value.items()]
    if isinstance(value, (list, tuple)):
        return kind, [canonical(item) for item in value]
    if isinstance(value, (Record, Struct)):
        return kind, [canonical(value.a), canonical(value.b)]
    return kind, value


# Few values of many types, so that pairs of nearly equal data are common.
NUMBERS = [None, True, False, 0, 1, -1, 256, 2**64, 0.0, -0.0, 1.0, math.nan, math.inf, 0j, -0j, 1 + 0j]
scalars = st.sampled_from([*NUMBERS, "", "a", "1", b"", b"a", b"1"])
hashables = st.recursive(
    scalars, lambda inner: st.tuples(inner) | st.tuples(inner, inner) | st.frozensets(inner, max_size=3), max_leaves=4
)
data = st.recursive(
    hashables | st.builds(bytearray, st.sampled_from([b"", b"a"])),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(hashables, inner, max_size=3)
        | st.sets(hashables, max_size=3)
        | st.builds(Pair, inner, inner)
        | st.builds(Record, inner, inner)
        | st.builds(Struct, inner, inner)
    ),
    max_leaves=8,
)


@given(data, data)
def test_equal_digests_mean_equal_data(one: Any, other: Any) -> None:
    assert (fingerprint(one) == fingerprint(other)) == (canonical(one) == canonical(other))


@given(st.data())
def test_nearly_equal_data_differs(draw: st.DataObject) -> None:
    """Of data and the same data with one member changed, which random pairs seldom are."""
    one = draw.draw(data)
    other = changed(one, lambda leaf: draw.draw(st.just(leaf) | scalars))
    assert (fingerprint(one) == fingerprint(other)) == (canonical(one) == canonical(other))


def changed(value: Any, change: Callable[[Any], Any]) -> Any:
    if type(value) in (list, tuple) and value:
        return type(value)([changed(value[0], change), *value[1:]])
    if type(value) is dict and value:
        first, *others = value.items()
        return dict([(first[0], changed(first[1], change)), *others])
    return change(value) if not isinstance(value, (list, dict, set)) else value


@given(data)
def test_a_copy_has_the_same_digest(value: Any) -> None:
    before = fingerprint(value)
    assert fingerprint(copy.deepcopy(value)) == before == fingerprint(value)
    assert len(before) == 32


@given(st.lists(hashables, max_size=6))
def test_the_members_of_a_set_have_no_order(members: list[Any]) -> None:
    assert fingerprint(set(members)) == fingerprint(set(reversed(list(dict.fromkeys(members)))))


def test_the_items_of_a_dict_have_one() -> None:
    assert fingerprint({"a": 1, "b": 2}) != fingerprint({"b": 2, "a": 1})


DIFFERENT: list[Any] = [
    *[None, True, 1, 1.0, 1 + 0j, "1", b"1", bytearray(b"1"), decimal.Decimal(1), decimal.Decimal("1.0")],
    *[fractions.Fraction(1), Level.RED, Color.RED, Color.BLUE, Mask.READ, Mask.READ | Mask.WRITE, Mask(0)],
    *[0.0, -0.0, math.nan, decimal.Decimal("-0"), ..., NotImplemented, -1, 255, -256, 2**64, -(2**64)],
    *[(), [], {}, set(), frozenset(), "", b"", (1, 2), [1, 2], {1: 2}, {1, 2}, frozenset({1, 2}), [[1], 2], [1, [2]]],
    *[range(0, 3, 2), range(0, 4, 2), slice(1), slice(1, None), slice(None, 1, 1), range(1)],
    *[Pair(1, 2), Twin(1, 2), Record(1), Record(1, 3), Slotted(1), Child(1), Struct(1), Struct(1, 3), Late()],
    *[dt.date(2024, 1, 2), dt.datetime(2024, 1, 2), dt.datetime(2024, 1, 2, fold=1), dt.time(1), dt.time(1, fold=1)],
    dt.datetime(2024, 1, 2, tzinfo=dt.UTC),
    dt.datetime(2024, 1, 2, tzinfo=zoneinfo.ZoneInfo("UTC")),
    *[dt.timedelta(1), dt.timedelta(seconds=1), dt.UTC, dt.timezone(dt.timedelta(0), "Z"), zoneinfo.ZoneInfo("UTC")],
    *[uuid.UUID(int=1), uuid.UUID(int=2), pathlib.PurePosixPath("a"), pathlib.PureWindowsPath("a"), pathlib.Path("a")],
    *[re.compile("a"), re.compile(b"a"), re.compile("a", re.I), array.array("i", [1]), array.array("l", [1])],
    *[memoryview(b"ab"), memoryview(bytearray(b"ab")), memoryview(b"ab").cast("b"), memoryview(b"ab")[::-1]],
    *[collections.deque([1]), collections.deque([1], 3), collections.OrderedDict(a=1), collections.Counter(a=1)],
    *[collections.defaultdict(int, a=1), collections.defaultdict(list, a=1), {"a": 1}],
    *[int, bool, type(None), Color, Pair, math, re, len, math.sqrt, str.upper, "a".join, "b".join],
    *[list[int], list[str], dict[int, str], int | str, int | None],
    *[operator.itemgetter(1), operator.itemgetter(1, 2), operator.attrgetter("a"), operator.methodcaller("a", 1)],
    *[operator.methodcaller("a", b=1), operator.attrgetter("b")],
    *[functools.partial(int, 1), functools.partial(int, base=1), functools.partial(len, 1)],
    *["\ud800", "x" * 2000, "y" * 2000, b"x" * 2000, 1 << 20000, 1 << 20001],
]


def test_what_differs_has_different_digests() -> None:
    digests = [fingerprint(value) for value in DIFFERENT]
    assert len(set(digests)) == len(digests)
    assert [fingerprint(value) for value in DIFFERENT] == digests
    # As members they differ too, and a container is none of its members.
    assert len({fingerprint([value]) for value in DIFFERENT} | set(digests)) >= 2 * len(digests) - 3


def test_all_that_an_object_holds_counts() -> None:
    one, other = Record(1), Record(1)
    assert one.total == 3 and one == other
    assert fingerprint(one) != fingerprint(other)
    assert other.total == 3
    assert fingerprint(one) == fingerprint(other)
    loose = Loose(1)
    before = fingerprint(loose)
    loose.__dict__["more"] = 1
    assert fingerprint(loose) != before


@dataclasses.dataclass
class Hidden:
    __slots__ = ("x",)
    x: int


class Hiding(Hidden):
    __slots__ = ("x",)


def test_a_slot_that_hides_another_one() -> None:
    digests = []
    for own, hidden in ((1, 1), (1, 2), (2, 1)):
        value = Hiding(own)
        Hidden.x.__set__(value, hidden)  # type: ignore[attr-defined]
        digests.append(fingerprint(value))
    assert len(set(digests)) == 3


REFUSED: list[tuple[Any, str]] = [
    (object(), "object"),
    (Plain(), "Plain"),
    (MyInt(1), "MyInt"),
    (MyList(), "MyList"),
    (MyStr(), "MyStr"),
    (threading.Lock(), "lock"),
    (iter([]), "list_iterator"),
    (RandomRecord(), "RandomRecord"),
    (ValueError("x"), "ValueError"),
    (types.SimpleNamespace(a=1), "SimpleNamespace"),
    (types.ModuleType("nowhere"), "module"),
    (dt.datetime(2024, 1, 1, tzinfo=type("Zone", (dt.tzinfo,), {})()), "Zone"),
]


@pytest.mark.parametrize(("value", "name"), REFUSED, ids=lambda item: item if type(item) is str else "")
def test_what_cannot_be_hashed_is_refused(value: Any, name: str) -> None:
    for wrapped in (value, [value], {"k": (value,)}, Record(value), functools.partial(len, value)):
        with pytest.raises(cs.CacheKeyError, match=f"value must be data that can be hashed, got .*{name}"):
            fingerprint(wrapped)


def test_classes_are_known_by_name_and_must_be_found_under_it() -> None:
    class Inner:
        pass

    @dataclasses.dataclass
    class Local:
        a: int = 1

    impostor = type("Color", (), {"__module__": __name__})
    for value in (Inner, Local(), impostor):
        with pytest.raises(cs.CacheKeyError, match="which its module does not have under that name"):
            fingerprint(value)


def test_the_message_says_where() -> None:
    with socket.socket() as conn:
        places: list[tuple[Any, str]] = [
            ({"conn": conn}, "value['conn']"),
            ([0, {"k": (1, [conn])}], "value[1]['k'][1][0]"),
            ({1: Record(1, conn)}, "value[1].b"),
            ({(1, conn): 1}, "value.keys()[...][1]"),
            ({(1,): conn}, "value[...]"),
            ({frozenset({conn})}, "value[...][...]"),
            (Pair(1, conn), "value.b"),
            (functools.partial(print, 1, x=conn), "value.keywords['x']"),
            (collections.deque([1, conn]), "value[1]"),
            (collections.defaultdict(lambda: conn), "value.default_factory.__closure__['conn']"),
        ]
        for value, place in places:
            with pytest.raises(cs.CacheKeyError) as caught:
                fingerprint(value)
            said = (
                f"value must be data that can be hashed, got `socket` - at `{place}`; write key=... in the cache policy"
            )
            assert str(caught.value) == f"{said}, or teach the type with cs.register_key(socket, ...)"


def test_a_released_view_is_refused() -> None:
    view = memoryview(b"ab")
    view.release()
    with pytest.raises(cs.CacheKeyError, match="a released `memoryview`"):
        fingerprint(view)


def test_a_container_that_holds_itself_is_refused() -> None:
    loop: list[Any] = [1]
    loop.append({"again": loop})
    with pytest.raises(cs.CacheKeyError, match=r"got `list` that holds itself - at `value\[1\]\['again'\]`"):
        fingerprint(loop)
    record = Record(1)
    record.b = (record,)
    with pytest.raises(cs.CacheKeyError, match="got `Record` that holds itself"):
        fingerprint([record])


@pytest.mark.long
def test_depth_is_no_limit() -> None:
    value: Any = 1
    for i in range(300_000):
        value = [value] if i % 3 else ({"k": value} if i % 2 else (value,))
    assert len(fingerprint(value)) == 32
    value = object()
    for _ in range(300_000):
        value = [value]
    with pytest.raises(cs.CacheKeyError) as caught:
        fingerprint(value)
    assert " … 299,984 steps … " in str(caught.value)
    while type(value) is list:  # one after the other, as dropping it at once is the interpreter's business
        value = value[0]


def test_what_is_shared_is_looked_at_once() -> None:
    value: Any = [1]
    for _ in range(2000):  # 2 ** 2000 paths
        value = [value, value]
    assert len(fingerprint(value)) == 32


def test_shared_and_equal_data_are_the_same_data() -> None:
    part = [1, 2]
    assert fingerprint([part, part]) == fingerprint([part, [1, 2]])


SAMPLE = """
    import datetime, decimal, enum, fractions, pathlib, re, uuid
    from cascade.cache.fingerprint import fingerprint
    from unit.cache import test_fingerprint as sample

    def outer(x):
        def inner(y, *, names=frozenset({"p", "q", "r"})):
            return inner if y in {"a", "b", "c"} else x
        return inner

    values = [
        {"a", "b", "c", 1, None, (1, "x")}, frozenset("abcdefgh"), {"k": {"l": [1.5, b"x"]}}, outer({"s", "t"}),
        sample.Record(sample.Color.RED, {"u", "v"}), sample.Struct(1), [*sample.DIFFERENT[:60]], str.upper, int,
        decimal.Decimal("1.50"), uuid.UUID(int=7), pathlib.PurePosixPath("/x"), re.compile("x"), lambda: {"x", "y"},
    ]
    print([fingerprint(value).hex() for value in values])
"""


@pytest.mark.long
def test_digests_are_the_same_in_every_process(interpreter: Callable[..., str]) -> None:
    assert len({interpreter(SAMPLE, PYTHONHASHSEED=seed) for seed in ("0", "1", "4242")}) == 1


class Planet(enum.Enum):
    EARTH = 1

    def __init__(self, number: int) -> None:
        self.mass = number


def test_a_member_of_an_enum_with_more_to_it() -> None:
    before = fingerprint(Planet.EARTH)
    Planet.EARTH.mass = 2
    assert fingerprint(Planet.EARTH) != before
    Planet.EARTH.mass = 1
    assert fingerprint(Planet.EARTH) == before
    before = fingerprint(Mask.READ)
    assert ~Mask.READ is not None and fingerprint(Mask.READ) == before  # what the class remembers for itself


def test_data_that_differs_beneath() -> None:
    different = [
        *[dt.UTC, dt.timezone(dt.timedelta(0), "UTC"), dt.timezone(dt.timedelta(hours=1))],
        *[memoryview(b"abcd")[::2], memoryview(b"ac"), memoryview(b"abcd").cast("b", [2, 2])],
        memoryview(b"abcd").cast("b"),
        *[tuple[int, ...], tuple[int], next(iter(tuple[int])), msgspec.UNSET, None],
        *[functools.lru_cache(maxsize=size, typed=typed)(len_of) for size in (1, 2) for typed in (True, False)],
    ]
    assert len({fingerprint(value) for value in different}) == len(different)
    zone = zoneinfo.ZoneInfo.from_file(io.BytesIO(NO_ZONE), key="Europe/Berlin")
    with pytest.raises(cs.CacheKeyError, match="a `ZoneInfo` made of a file"):
        fingerprint(zone)


# The smallest file of a time zone: version 1, one type, no transitions.
NO_ZONE = b"TZif" + bytes(16) + struct.pack(">6l", 0, 0, 0, 0, 1, 4) + bytes(6) + b"UTC\0"


def len_of(x: Any) -> int:
    return len(x)
