"""Shows in a terminal: what somebody who runs one sees."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
import termios
from pathlib import Path

import pytest

import cascade as cs

pytest.importorskip("cyclopts", reason="needs the extra cli")
pytest.importorskip("rich", reason="needs the extra cli")

HALF = "\N{UPPER HALF BLOCK}"
# What rich would be told by, besides the terminal itself.
TOLD = {"COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "COLORTERM", "TTY_COMPATIBLE", "TTY_INTERACTIVE"}


def seen(*asked: str, size: tuple[int, int] = (24, 80), **environment: str) -> bytes:
    """All that a show writes to a terminal of so many lines and columns; it ends well."""
    home = str(Path(cs.__file__).parent.parent)
    places = os.pathsep.join([home, os.environ.get("PYTHONPATH", "")])
    kept = {name: value for name, value in os.environ.items() if name not in TOLD}
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, size)
    with subprocess.Popen(
        [sys.executable, "-m", "cascade", "fireflies", "--duration", "0.5", "--seed", "1", *asked],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**kept, "PYTHONPATH": places, "TERM": "xterm-256color", **environment},
    ) as process:
        os.close(theirs)
        written = []
        while True:
            try:
                part = os.read(ours, 65536)
            except OSError:  # the other end is closed: Linux says so
                break
            if not part:
                break
            written.append(part)
        os.close(ours)
    out = b"".join(written)
    assert process.returncode == 0, out
    assert b"Traceback" not in out
    assert b"seed 1\r\n" in out
    return out


def test_a_terminal_shows_them_glow() -> None:
    out = seen("--side", "3", PYTHONIOENCODING="utf-8").decode()
    assert HALF * 3 in out
    assert "9 fireflies" in out
    assert "\N{BOX DRAWINGS HEAVY HORIZONTAL}" in out
    assert " events/s  lag " not in out  # the line of a view without pictures


@pytest.mark.parametrize("encoding", ["latin-1", "ascii"])
def test_a_terminal_without_unicode_shows_characters(encoding: str) -> None:
    out = seen("--side", "3", PYTHONIOENCODING=encoding).decode("ascii")
    assert "9 fireflies" in out
    assert re.search(r"R 0\.\d{3} \x1b\[\d+m#+\x1b\[0m\x1b\[\d+m-+", out)


def test_a_terminal_that_is_too_small_gets_lines() -> None:
    for asked, size in ((("--side", "40"), (24, 80)), (("--side", "3"), (24, 30))):
        out = seen(*asked, size=size, PYTHONIOENCODING="utf-8").decode()
        assert HALF not in out
        assert " events/s  lag " in out
