"""Texts for notebooks: which are made, and that nothing in them is markup."""

from __future__ import annotations

import pytest

from cascade._support.notebooks import HTML, PLAIN, asks_for, bundle, table


@pytest.mark.parametrize(
    ("include", "exclude", "asked"),
    [
        (None, None, True),
        ([], [], True),
        ({PLAIN, HTML}, None, True),
        ({PLAIN}, None, False),
        (None, {PLAIN}, True),
        (None, [HTML], False),
        ({HTML}, {HTML}, False),
    ],
)
def test_what_is_asked_for(include: list[str] | None, exclude: list[str] | None, asked: bool) -> None:
    assert asks_for(HTML, include, exclude) is asked


def test_only_what_is_asked_for_is_made() -> None:
    made: list[str] = []

    def make(kind: str) -> str:
        made.append(kind)
        return kind.upper()

    makers = {PLAIN: lambda: make("plain"), HTML: lambda: make("html")}
    assert bundle(makers, [PLAIN], None) == {PLAIN: "PLAIN"}
    assert made == ["plain"]
    assert bundle(makers, None, None) == {PLAIN: "PLAIN", HTML: "HTML"}


def test_a_table_has_text_and_no_markup() -> None:
    text = table([("<i>", '"</td></table><script>alert(1)</script>&amp;'), ("two\nlines\x1b[31m", 3)])
    assert text == (
        "<table><tr><th>&lt;i&gt;</th><td>&quot;&lt;/td&gt;&lt;/table&gt;&lt;script&gt;alert(1)&lt;/script&gt;&amp;amp;"
        "</td></tr><tr><th>two lines\\x1b[31m</th><td>3</td></tr></table>"
    )
