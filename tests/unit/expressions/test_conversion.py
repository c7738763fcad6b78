"""How what is given for an input becomes what was asked for."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, NewType, TypedDict
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cascade.expressions.conversion import ConversionError, check_type, convert, shown, type_name
from support.ids import case_name


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Level(enum.Enum):
    LOW = 1
    HIGH = 2


class Access(enum.Flag):
    READ = 1
    WRITE = 2


class Point(msgspec.Struct, frozen=True):
    x: int
    y: int = 0


@dataclass
class Job:
    name: str
    path: Path


class Pair(NamedTuple):
    first: int
    second: str


class Options(TypedDict):
    depth: int


Port = NewType("Port", int)
Positive = Annotated[int, msgspec.Meta(gt=0)]

SAMPLES: list[tuple[Any, Any, Any]] = [
    ("3", int, 3),
    (" 3\n", int, 3),
    ("-3", int, -3),
    ("9" * 30, int, int("9" * 30)),
    (3.0, int, 3),
    ("1e3", float, 1000.0),
    (3, float, 3.0),
    ("inf", float, float("inf")),
    ("yes", bool, True),
    ("OFF", bool, False),
    ("1", bool, True),
    (False, bool, False),
    (" as it is ", str, " as it is "),
    ("", str, ""),
    ("héllo", bytes, "héllo".encode()),
    ("2024-02-29", date, date(2024, 2, 29)),
    ("2024-02-29T01:02:03", datetime, datetime(2024, 2, 29, 1, 2, 3)),
    ("1.5", timedelta, timedelta(seconds=1.5)),
    ("0.1", Decimal, Decimal("0.1")),
    ("12345678-1234-5678-1234-567812345678", UUID, UUID("12345678-1234-5678-1234-567812345678")),
    ("a/b", Path, Path("a/b")),
    ("1/3", Fraction, Fraction(1, 3)),
    ("red", Colour, Colour.RED),
    ("BLUE", Colour, Colour.BLUE),
    ("HIGH", Level, Level.HIGH),
    ("2", Level, Level.HIGH),
    (2, Level, Level.HIGH),
    (3, Access, Access.READ | Access.WRITE),
    ("a", Literal["a", "b"], "a"),
    ("2", Literal[1, 2], 2),
    ("true", Literal[True, "x"], True),
    ("none", Literal[None, 1], None),
    ("3", int | None, 3),
    ("null", int | None, None),
    (None, int | None, None),
    ("none", str | None, "none"),
    ("3", int | str, 3),
    ("x", int | str, "x"),
    ("3", str | int, "3"),
    (3, float | int, 3),
    ("x", Path | Level | None, Path("x")),
    ("1, 2,3", list[int], [1, 2, 3]),
    ("[1, 2]", list[int], [1, 2]),
    ("", list[int], []),
    ("7", list[int], [7]),
    ("a,b", list, ["a", "b"]),
    ("yes,no", tuple[bool, ...], (True, False)),
    ("1,x", tuple[int, str], (1, "x")),
    ("red,BLUE,red", set[Colour], {Colour.RED, Colour.BLUE}),
    ([Colour.RED, "blue"], list[Colour], [Colour.RED, Colour.BLUE]),
    ('["a/b", "c"]', list[Path], [Path("a/b"), Path("c")]),
    ("1,2", Sequence[int], [1, 2]),
    ('{"a": "1"}', dict[str, int], {"a": 1}),
    ({"a": Level.LOW}, dict[str, Level], {"a": Level.LOW}),
    ('{"1": [1, 2]}', dict[int, list[float]], {1: [1.0, 2.0]}),
    ('{"x": 1}', Point, Point(1)),
    ({"x": "1", "y": 2}, Point, Point(1, 2)),
    ('[{"x": 1}, {"x": 2}]', list[Point], [Point(1), Point(2)]),
    ('{"name": "n", "path": "p"}', Job, Job("n", Path("p"))),
    ('{"depth": 3}', Options, {"depth": 3}),
    ('[1, "x"]', Pair, Pair(1, "x")),
    ("80", Port, 80),
    ("3", Positive, 3),
    ("3", Annotated[int | None, msgspec.Meta(gt=0)], 3),
    ("a,b", Annotated[list[str], msgspec.Meta(max_length=2)], ["a", "b"]),
    ("+5", int, 5),
    ("007", int, 7),
    ("-007", int, -7),
    ("1_000", int, 1000),
    ("0x1F", int, 31),
    ("-0b11", int, -3),
    ("3.0", int, 3),
    (".5", float, 0.5),
    ("1.", float, 1.0),
    ("+5", float, 5.0),
    ("007", Literal[7], 7),
    (".5, +5", list[float], [0.5, 5.0]),
    ("['a', 'b']", list[str], ["a", "b"]),
    ("[.5, None]", list[float | None], [0.5, None]),
    ("(1, 'x')", tuple[int, str], (1, "x")),
    ("{1, 2}", set[int], {1, 2}),
    ("(a), (b)", list[str], ["(a)", "(b)"]),
    ("{'a': 1}", dict[str, int], {"a": 1}),
    ("{1: 'a'}", dict[int, str], {1: "a"}),
    ("{'x': 1, 'y': 2}", Point, Point(1, 2)),
    ("(1, 'x')", Pair, Pair(1, "x")),
    ("2024-01-01T10:00", datetime, datetime(2024, 1, 1, 10)),
    ("2024-01-01 10:00Z", datetime, datetime(2024, 1, 1, 10, tzinfo=UTC)),
    ("2024-01-01", datetime, datetime(2024, 1, 1)),
    ("20240101", date, date(2024, 1, 1)),
    ("2024-W01-1", date, date(2024, 1, 1)),
    ("10:00", time, time(10)),
    (".5", timedelta, timedelta(seconds=0.5)),
    ("PT1H", timedelta, timedelta(hours=1)),
    ("anything", Any, "anything"),
    ("anything", None, "anything"),
    ("anything", object, "anything"),
]


@pytest.mark.parametrize(("value", "wanted", "expected"), SAMPLES, ids=case_name)
def test_what_converts(value: Any, wanted: Any, expected: Any) -> None:
    got = convert(value, wanted)
    assert got == expected
    assert got.__class__ is expected.__class__


REFUSED: list[tuple[Any, Any, str]] = [
    ("three", int, "value must be `int`, got `str` 'three'"),
    ("", int, "value must be `int`, got `str` ''"),
    (True, int, "value must be `int`, got `bool` True"),
    (True, float, "value must be `float`, got `bool` True"),
    (3.5, int, "value must be `int`, got `float` 3.5"),
    (None, int, "value must be `int`, got None"),
    (3, str, "value must be `str`, got `int` 3"),
    ("maybe", bool, "value must be `bool`, got `str` 'maybe': write true or false, yes or no, on or off, 1 or 0"),
    (datetime(2024, 1, 1), date, "value must be `date`, got `datetime`"),
    ("green", Colour, "value must be one of 'red', 'blue', got 'green'"),
    (True, Level, "value must be one of LOW, HIGH, got True"),
    ("c", Literal["a", "b"], "value must be one of 'a', 'b', got 'c'"),
    (True, Literal[1], "value must be one of 1, got True"),
    ("x", int | None, "value must be `int | None`, got `str` 'x'"),
    ("1,x", list[int], "value must be `int`, got `str` 'x' - at item 1"),
    ("[1, 2", list[int], "value must be `list[int]`, got `str` '[1, 2': input data was truncated"),
    ("1,2,3", tuple[int, str], "value must be `tuple[int, str]`, got `str` '1,2,3': 3 items instead of 2"),
    (3, list[int], "value must be `list[int]`, got `int` 3"),
    ("abc", list[int], "value must be `int`, got `str` 'abc' - at item 0"),
    ([[1]], set[list], "value must be `set[list]`, got `list` [[1]]: "),  # Python's words
    ("{x", dict[str, int], "value must be `dict[str, int]`, got `str` '{x': JSON is malformed"),
    ("[1]", dict[str, int], "value must be `dict[str, int]`, got `str` '[1]'"),
    ('{"a": "b"}', dict[str, int], "value must be `int`, got `str` 'b' - at key 'a'"),
    ('{"y": 1}', Point, "object missing required field `x`"),
    ("1/0", Fraction, "ZeroDivisionError: Fraction(1, 0)"),
    (3, Path, "value must be `Path`, got `int` 3"),
    ("-1", Positive, "value must be `int`, got `int` -1: expected `int` >= 1"),
    ("a,b,c", Annotated[list[str], msgspec.Meta(max_length=2)], "expected `array` of length <= 2"),
    ("2024-13-01", date, "value must be `date`, got `str` '2024-13-01': invalid RFC3339 encoded date"),
    ("2024-01-01T10:00", date, "value must be `date`, got `str` '2024-01-01T10:00'"),
    ("inf", timedelta, "duration is out of range"),
    ("9" * 5000, int, "value must be `int`"),
    ("--5", int, "value must be `int`, got `str` '--5'"),
    ("[1, x]", list[int], "JSON is malformed"),
    ("{1, 2}", dict[str, int], "JSON is malformed"),
    ("[" + "-" * 100_000 + "1]", list[int], "JSON is malformed"),
    ("\udcff", int, "value must be `int`, got `str` '\\udcff'"),
    ("[" * 100_000, list[list], "RecursionError"),
]


@pytest.mark.parametrize(("value", "wanted", "said"), REFUSED, ids=lambda value: str(value)[:40])
def test_what_does_not_convert(value: Any, wanted: Any, said: str) -> None:
    with pytest.raises(ConversionError) as caught:
        convert(value, wanted)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


class Odd:
    """Nothing but being one makes one."""

    def __init__(self) -> None:
        pass

    def __repr__(self) -> str:
        raise RuntimeError("no")


def test_what_is_of_the_type_already_is_kept_as_it_is() -> None:
    odd, values, point = Odd(), [1, object()], Point(1)
    assert convert(odd, Odd) is odd
    assert convert(odd, Odd | None) is odd
    assert convert([odd], list[Odd])[0] is odd
    assert convert(values, list) is values
    assert convert(point, Point) is point


def test_a_failure_of_a_class_is_reported_and_kept() -> None:
    with pytest.raises(ConversionError, match="value must be `Odd`, got `str` 'x': TypeError: ") as caught:
        convert("x", Odd)
    assert isinstance(caught.value.__cause__, TypeError)
    with pytest.raises(ConversionError, match="value must be `int`, got `Odd` <Odd instance at"):
        convert(Odd(), int)


def test_what_is_no_failure_of_a_value_goes_on() -> None:
    class Stops:
        def __init__(self, text: str) -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        convert("x", Stops)


def test_values_are_shown_shortly() -> None:
    assert len(shown("x" * 10**6)) <= 60
    assert shown(10**10_000) == "<int>" and shown([1, 10**10_000]) == "[1, <int>]"
    assert len(shown([list(range(100))] * 100)) < 200
    assert "\n" not in shown("a\nb") and "\n" not in shown(Point.__doc__)


@pytest.mark.parametrize("wanted", ["int", 3, lambda text: text, list["int"], dict[str, 3]], ids=case_name)
def test_what_is_no_type(wanted: Any) -> None:
    with pytest.raises(TypeError, match=r"type must be a class or an annotation, got "):
        check_type(wanted)


@pytest.mark.parametrize("wanted", [wanted for _, wanted, _ in SAMPLES], ids=case_name)
def test_what_is_a_type(wanted: Any) -> None:
    check_type(wanted)


def test_a_union_is_read_in_its_own_order_however_often_the_other_was_met() -> None:
    assert [convert("3", wanted) for wanted in (int | str, str | int, int | str)] == [3, "3", 3]
    assert type_name(int | str) == "int | str"
    assert type_name(Annotated[Path | None, "where"]) == "Path | None"


@given(st.integers())
def test_text_of_whole_numbers(number: int) -> None:
    assert convert(str(number), int) == number
    assert convert(number, int) == number


@given(st.floats(allow_nan=False))
def test_text_of_numbers(number: float) -> None:
    assert convert(repr(number), float) == number


@given(st.lists(st.integers(-(10**6), 10**6)))
def test_lists_as_json_and_between_commas(numbers: list[int]) -> None:
    assert convert(msgspec.json.encode(numbers).decode(), list[int]) == numbers
    assert convert(",".join(map(str, numbers)), list[int]) == numbers
    assert convert(numbers, list[int]) == numbers


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(st.dictionaries(st.text(), JSON))
def test_what_json_says_is_kept(value: dict[str, Any]) -> None:
    assert convert(msgspec.json.encode(value).decode(), dict[str, Any]) == value
    assert convert(msgspec.json.encode(value).decode(), dict) == value


TYPES = [
    int, float, bool, str, Path, Colour, Level, int | None, list[int], dict[str, int], Point, date, Literal["a", 1],
]  # fmt: skip


@given(st.text() | JSON | st.binary(), st.sampled_from(TYPES))
def test_anything_converts_or_is_refused(value: Any, wanted: Any) -> None:
    try:
        converted = convert(value, wanted)
    except ConversionError as error:
        assert str(error).startswith("value must be ")
    else:
        again = convert(converted, wanted)
        assert again == converted or converted != converted
