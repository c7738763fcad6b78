"""Pictures as notebooks take them: Mermaid, Markdown, SVG and text, bounded in size and time."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
import types
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

import cascade as cs
from cascade.inspect import mime
from cascade.inspect.mime import MARKDOWN, MERMAID, SVG, picture_bundle, svg, too_many

PLAIN = "text/plain"


def picture(mermaid: str = "flowchart TD\n    n0", dot: str = "digraph { n0 }") -> cs.Picture:
    return cs.Picture(mermaid, dot)


def shown(draw: Any, include: Any = None, exclude: Any = None) -> dict[str, str]:
    return picture_bundle(lambda: "the text", draw, include, exclude)


@pytest.fixture
def without_dot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A program of the name `dot` in place of that of Graphviz: its lines of Python."""

    def install(lines: str) -> None:
        path = tmp_path / "dot"
        path.write_text(f"#!{sys.executable}\nimport sys, time\n{lines}\n", encoding="utf-8")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)

    return install


def test_without_graphviz_there_is_mermaid(without_dot: None) -> None:
    assert shown(picture) == {
        MERMAID: "flowchart TD\n    n0",
        MARKDOWN: "```mermaid\nflowchart TD\n    n0\n```",
        PLAIN: "the text",
    }


@pytest.mark.posix_only
def test_with_graphviz_there_is_svg_in_place_of_markdown(program: Any) -> None:
    program("assert sys.argv[1:] == ['-Tsvg']; sys.stdout.write('<svg>' + sys.stdin.read() + '</svg>')")
    assert shown(picture) == {
        SVG: "<svg>digraph { n0 }</svg>",
        MERMAID: "flowchart TD\n    n0",
        PLAIN: "the text",
    }
    assert set(shown(picture, exclude=[SVG])) == {MERMAID, MARKDOWN, PLAIN}
    assert set(shown(picture, include=[SVG, PLAIN])) == {SVG, PLAIN}


@pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz is not installed")
def test_what_graphviz_makes_is_well_formed_and_has_names_as_text() -> None:
    @cs.task(name='</text><script>alert("x")</script>\\N&amp;')
    def evil(n: int) -> int:
        return n

    image = svg(cs.visualize(evil(evil(1))).dot)
    assert image is not None
    tree = ElementTree.fromstring(image)
    assert not [element for element in tree.iter() if element.tag.endswith("script")]
    texts = [element.text or "" for element in tree.iter() if element.tag.endswith("text")]
    assert any('</text><script>alert("x")</script>\\\\N&amp;' in text for text in texts)


@pytest.mark.posix_only
@pytest.mark.parametrize(
    "lines",
    [
        "sys.exit(1)",
        "print('<svg>'); sys.exit(1)",
        "print('no picture')",
        "time.sleep(600)",
        "sys.stdout.write('<svg>' + 'x' * 3_000_000)",
        "sys.stdout.buffer.write(b'\\xff')",
    ],
)
def test_a_program_that_fails_or_hangs_is_given_up(program: Any, lines: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mime, "SECONDS", 0.5 if "sleep" in lines else 60.0)
    program(lines)
    assert svg("digraph { n0 }") is None
    assert set(shown(picture)) == {MERMAID, MARKDOWN, PLAIN}


def test_a_program_that_cannot_be_started_is_given_up(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: str(tmp_path / "dot"))
    assert svg("digraph { n0 }") is None


def test_a_task_under_a_virtual_clock_starts_no_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: sys.executable)

    @cs.task(mode="inline")
    def draw() -> str | None:
        return svg("digraph { n0 }")

    assert cs.run(draw(), engine=cs.Engine(clock=cs.Clock.virtual())) is None


def test_only_what_is_asked_for_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object, **__: object) -> Any:
        raise AssertionError("nobody has asked for it")

    assert shown(never, include={PLAIN}) == {PLAIN: "the text"}
    assert shown(never, include={"text/html"}) == {}
    monkeypatch.setattr(subprocess, "run", never)
    assert set(shown(picture, exclude={SVG})) == {MERMAID, MARKDOWN, PLAIN}


def test_what_cannot_be_drawn_is_text_that_says_so(without_dot: None) -> None:
    def fail() -> cs.Picture:
        raise ValueError("broken")

    assert shown(lambda: "no picture: why") == {PLAIN: "the text\n(no picture: why)"}
    assert shown(fail) == {PLAIN: "the text\n(no picture: ValueError: broken)"}
    assert shown(lambda: picture("x" * 60_000)) == {
        PLAIN: "the text\n(no picture: its text of 60,000 characters is too long for a notebook)"
    }
    assert shown(lambda: "no picture: why", exclude={PLAIN}) == {}


def test_how_many_nodes_are_too_many() -> None:
    assert too_many(200) is None
    assert (too_many(1201) or "").startswith("no picture: 1,201 nodes, at most 200 are drawn")


@pytest.mark.parametrize(("active", "pictures"), [([PLAIN], False), ([PLAIN, SVG], True)])
def test_a_terminal_gets_text_only(
    active: list[str], pictures: bool, monkeypatch: pytest.MonkeyPatch, without_dot: None
) -> None:
    shell = types.SimpleNamespace(display_formatter=types.SimpleNamespace(active_types=active))
    ipython = types.ModuleType("IPython")
    ipython.get_ipython = lambda: shell  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    assert (MERMAID in shown(picture)) is pictures


def test_a_picture_shows_itself(without_dot: None) -> None:
    small, large = picture(), picture("x" * 60_000)
    assert small._repr_mimebundle_()[PLAIN] == small.mermaid
    assert large._repr_mimebundle_()[PLAIN].startswith("<Picture of 60,000 characters>\n(no picture")
    assert large._repr_mimebundle_(include=[PLAIN]) == {PLAIN: "<Picture of 60,000 characters>"}
