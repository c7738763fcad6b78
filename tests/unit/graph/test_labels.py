"""Names and dict keys, made fit to be printed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cascade.graph.labels import literal, printable, shorten
from cascade.graph.model import Key
from support.graph_shapes import keys


@given(st.text(st.characters() | st.sampled_from("\\n\n")), st.text(st.characters() | st.sampled_from("\\n\n")))
def test_printable_names_are_printable_and_never_ambiguous(a: str, b: str) -> None:
    shown = printable(a, 10_000)
    assert shown.isprintable()
    assert (shown == printable(b, 10_000)) == (a == b)


@given(st.text(st.characters()), st.integers(3, 20))
def test_printable_names_are_short(name: str, width: int) -> None:
    assert len(printable(name, width)) <= width


def test_a_name_of_any_length_keeps_its_ends() -> None:
    assert printable("a" + "\n" * 1_000_000 + "b", 9) == r"a\n\…n\nb"
    assert shorten("abcdef", 6) == "abcdef"
    assert shorten("abcdefg", 6) == "abc…fg"


@given(keys)
def test_a_key_is_printed_on_one_line(value: object) -> None:
    shown = literal(Key.dump(value))
    assert shown.isprintable()
    assert len(shown) <= 60


def test_keys_are_written_as_python_writes_them() -> None:
    for value in (None, True, 1, -1.5, "a'b", b"\0", (), (1,), ("a", (2.0, None)), 1 << 100):
        assert literal(Key.dump(value)) == repr(value)


def test_keys_of_any_size() -> None:
    assert literal(Key.dump(1 << 100_000)).startswith("0x1000")
    assert literal(Key.dump(1 << 1_000_000)) == "int of 250,001 bytes"
    assert literal(Key.dump("x" * 1_000_000)) == "str of 1,000,000 bytes"
    assert literal(Key.dump((1,) * 1_000)) == "(1, 1, 1, 1, 1, 1, 1, 1, …)"
    assert literal(Key.dump((((((1,),),),),))) == "((((…),),),)"
