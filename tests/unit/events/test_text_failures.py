"""Exceptions as the text that events carry."""

from __future__ import annotations

import pytest

from cascade.events import describe


class Own(Exception):
    class Inner(Exception):
        pass


class Mute(Exception):
    def __str__(self) -> str:
        raise ValueError("no comment")


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ValueError("bad"), "ValueError: bad"),
        (ValueError(), "ValueError"),
        (KeyError("k"), "KeyError: 'k'"),
        (Own("x"), f"{__name__}.Own: x"),
        (Own.Inner("two\nlines"), f"{__name__}.Own.Inner: two\nlines"),
        (Mute(), f"{__name__}.Mute: <no message: its __str__ raised ValueError>"),
        (ExceptionGroup("all", [ValueError("a")]), "ExceptionGroup: all (1 sub-exception): ValueError: a"),
        (
            ExceptionGroup("all", [ValueError(n) for n in range(5)]),
            "ExceptionGroup: all (5 sub-exceptions): ValueError: 0; ValueError: 1; ValueError: 2; ...",
        ),
    ],
)
def test_type_and_message(error: BaseException, text: str) -> None:
    assert describe(error) == text


def test_a_message_of_a_megabyte_is_cut() -> None:
    text = describe(ValueError("x" * 1_000_000))
    assert len(text) <= 2000
    assert text.startswith("ValueError: xxx")
    assert text.endswith("...")
