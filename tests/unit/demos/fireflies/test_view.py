from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from cascade.demos.fireflies import Additive, Topology, path, torus8
from cascade.demos.fireflies.sampler import Reading
from cascade.demos.fireflies.view import LEVELS, Glow, LiveView, PlainView, fits

if TYPE_CHECKING:
    from rich.console import Console

pytest.importorskip("rich", reason="needs the extra cli")

READING = Reading(model_s=3.04, r=0.98765, flashes=12, events_per_s=84.4, lag_ms=0.26, hit_rate=0.9951)


def made(side: int) -> Additive:
    return lit(torus8(side))


def lit(topology: Topology) -> Additive:
    return Additive(topology, period=5.0, refractory=1.0, nudge=0.2, seed=1, now=lambda: 100.0)


def screen(width: int, height: int, **kwargs: Any) -> tuple[Console, io.StringIO]:
    from rich.console import Console

    out = io.StringIO()
    return Console(file=out, width=width, height=height, **kwargs), out


def encoded(encoding: str, **kwargs: Any) -> tuple[Console, io.BytesIO]:
    """A terminal of 80 x 24 that takes no other characters."""
    from rich.console import Console

    out = io.BytesIO()
    file = io.TextIOWrapper(out, encoding=encoding, write_through=True)
    return Console(file=file, width=80, height=24, force_terminal=True, legacy_windows=False, **kwargs), out


def plain(text: str) -> str:
    """What is left of it without colours and moves of the cursor."""
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)


def test_a_flash_is_bright_and_fades() -> None:
    swarm = made(2)
    for firefly, age in zip(swarm.fireflies, (0.0, 0.5, 0.99, 1.5), strict=True):
        firefly.flashed = 100.0 - age
    ((now, half), (late, never)) = Glow(swarm).levels(2, 2)
    assert (now, half, late, never) == (LEVELS - 1, LEVELS // 2, 0, 0)


def test_two_rows_share_a_line_where_there_are_colours() -> None:
    console, out = screen(9, 24, force_terminal=True, color_system="truecolor")
    swarm = made(5)
    swarm.fireflies[0].flashed = 100.0
    console.print(Glow(swarm))
    lines = out.getvalue().splitlines()
    assert len(lines) == 3
    assert lines[0].count("\N{UPPER HALF BLOCK}") == 5
    assert "225;255;90" in lines[0]


def test_a_small_grid_is_enlarged_where_there_is_room() -> None:
    console, out = screen(80, 20, force_terminal=True, color_system="truecolor")
    swarm = made(9)
    console.print(Glow(swarm))
    lines = out.getvalue().splitlines()
    assert len(lines) == 14  # 9 rows of 3 half lines each fit into 14 lines
    assert {line.count("\N{UPPER HALF BLOCK}") for line in lines} == {27}


@pytest.mark.parametrize("kind", [{"force_terminal": False}, {"force_terminal": True, "no_color": True}])
def test_places_are_characters_where_there_are_none(kind: dict[str, bool]) -> None:
    console, out = screen(80, 24, **kind)
    swarm = made(4)
    swarm.fireflies[5].flashed = 100.0
    console.print(Glow(swarm))
    assert out.getvalue().splitlines() == ["    ", " @  ", "    ", "    "]


@pytest.mark.parametrize("colours", ["truecolor", None])
def test_the_picture_is_cropped_to_what_fits(colours: str | None) -> None:
    console, out = screen(20, 12, force_terminal=True, color_system=colours, legacy_windows=False)
    swarm = made(40)
    with LiveView(swarm, console) as view:
        view.show(READING)
    assert "R 0.988" in out.getvalue()
    shown = out.getvalue().replace("\N{UPPER HALF BLOCK}", "#")
    assert "#" * 21 not in shown.replace("\x1b", "")


def test_the_plain_view_is_a_line_a_reading() -> None:
    out = io.StringIO()
    PlainView(out).show(READING)
    assert out.getvalue() == ("     3.0 s  R 0.988  12 flashes  84 events/s  lag 0.3 ms  template hits 99.51 %\n")


def test_virtual_time_knows_no_lag() -> None:
    out = io.StringIO()
    PlainView(out).show(msgspec.structs.replace(READING, lag_ms=None))
    assert out.getvalue() == "     3.0 s  R 0.988  12 flashes  84 events/s  template hits 99.51 %\n"
    console, out = screen(80, 24)
    with LiveView(made(3), console) as view:
        view.show(msgspec.structs.replace(READING, lag_ms=None))
    assert "lag" not in out.getvalue()


@pytest.mark.parametrize("colours", ["truecolor", None])
def test_a_last_row_that_is_not_full_is_shown_so(colours: str | None) -> None:
    console, out = screen(60, 24, force_terminal=True, color_system=colours, legacy_windows=False)
    swarm = lit(path(100))
    for firefly in swarm.fireflies:
        firefly.flashed = 100.0
    console.print(Glow(swarm))
    lines = out.getvalue().splitlines()
    if colours is None:
        assert [line.count("@") for line in lines] == [60, 40]
    else:
        assert len(lines) == 1 and lines[0].count("\N{UPPER HALF BLOCK}") == 60


@pytest.mark.parametrize(
    ("side", "width", "height", "kind", "whole"),
    [
        (30, 80, 24, {"color_system": "truecolor"}, True),
        (36, 80, 24, {"color_system": "truecolor"}, True),
        (37, 80, 24, {"color_system": "truecolor"}, False),
        (81, 80, 80, {"color_system": "truecolor"}, False),
        (18, 80, 24, {"color_system": None}, True),
        (19, 80, 24, {"color_system": None}, False),
        (19, 80, 24, {"color_system": "truecolor", "no_color": True}, False),
        (3, 40, 24, {"color_system": "truecolor"}, True),
        (3, 39, 24, {"color_system": "truecolor"}, False),
        (3, 80, 6, {"color_system": "truecolor"}, False),
    ],
)
def test_a_population_fits_or_does_not(side: int, width: int, height: int, kind: dict[str, Any], whole: bool) -> None:
    console, _ = screen(width, height, force_terminal=True, **kind)
    assert fits(made(side), console) is whole


@pytest.mark.parametrize(("encoding", "most"), [("utf-8", 36), ("ascii", 18), ("latin-1", 18)])
def test_where_there_are_no_half_blocks_half_as_many_rows_fit(encoding: str, most: int) -> None:
    console, _ = encoded(encoding, color_system="truecolor")
    assert fits(made(most), console)
    assert not fits(made(most + 1), console)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_without_unicode_all_is_of_plain_characters(encoding: str) -> None:
    console, out = encoded(encoding, color_system="truecolor")
    swarm = made(4)
    swarm.fireflies[5].flashed = 100.0
    with LiveView(swarm, console) as view:
        view.show(msgspec.structs.replace(READING, r=0.8))
    lines = plain(out.getvalue().decode("ascii")).splitlines()
    assert lines[:4] == ["    ", " @  ", "    ", "    "]
    assert lines[4].endswith("R 0.800 " + "#" * 24 + "-" * 6)


@pytest.mark.parametrize(
    ("kind", "bar"),
    [
        ({"color_system": "truecolor"}, "\N{BOX DRAWINGS HEAVY HORIZONTAL}" * 30),
        ({"color_system": "truecolor", "no_color": True}, "#" * 24 + "-" * 6),
        ({"color_system": None}, "#" * 24 + "-" * 6),
    ],
)
def test_the_bar_can_be_read_without_colours(kind: dict[str, Any], bar: str) -> None:
    console, out = screen(80, 24, force_terminal=True, legacy_windows=False, **kind)
    with LiveView(made(4), console) as view:
        view.show(msgspec.structs.replace(READING, r=0.8))
    assert "R 0.800 " + bar in plain(out.getvalue())
