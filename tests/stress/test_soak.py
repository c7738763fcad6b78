"""The soak, short and small: it counts every message, ends by itself, and stops on Ctrl-C. No time is asserted."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

import cascade as cs

pytestmark = pytest.mark.posix_only  # resident memory, and Ctrl-C by a signal

# `benchmarks` is in the source tree; the `cascade` beside it must not hide the one that is tested.
CODE = f"""
import sys
sys.path.append({str(Path(__file__).parents[2])!r})
from benchmarks.soak.soak import main
sys.exit(main())
"""
HANGS = 120
"""Seconds after which the process is assumed to hang."""


@contextmanager
def soak(*arguments: str, alone: bool = True) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-P", "-c", CODE, *arguments, *(["--alone"] if alone else [])]
    path = os.pathsep.join([str(Path(cs.__file__).parent.parent), os.environ.get("PYTHONPATH", "")])
    with subprocess.Popen(
        command, env={**os.environ, "PYTHONPATH": path}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def judged(output: str) -> Sequence[str]:
    """The names of the verdicts that hold."""
    return [line[5:].partition(":")[0] for line in output.splitlines() if line.startswith("yes ")]


KEPT = [
    "every message arrived once, and in order",
    "every entry of the book was read once",
    "all runs ended, with one event each",
]


@pytest.mark.long
def test_it_ends_by_itself() -> None:
    with soak("--seconds", "2", "--agents", "200") as process:
        output, _ = process.communicate(timeout=HANGS)
    assert "ended by itself" in output, output
    assert judged(output)[:4] == [*KEPT, "the results of the agents are the messages sent"], output


@pytest.mark.long
def test_another_runs_beside_it_and_is_stopped_by_control_c() -> None:
    with soak("--seconds", "2", "--agents", "50", alone=False) as process:
        output, _ = process.communicate(timeout=HANGS)
    assert "Ctrl-C stops it cleanly" in output and "had ended before" not in output, output
    assert "exit status" not in output, output


def test_control_c_stops_it_and_nothing_is_lost() -> None:
    with soak("--seconds", "600", "--agents", "200") as process:
        assert process.stdout is not None
        lines = [process.stdout.readline().strip() for _ in range(2)]
        assert lines == ["all agents have started", "messages are on their way"]
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=HANGS)
    assert process.returncode == 0, output
    assert "after Ctrl-C" in output, output
    assert judged(output)[:3] == KEPT, output
