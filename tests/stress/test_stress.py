"""A short, fixed form of `tests/stress`, in processes of its own: a crash or a hang there is a failed test here."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.paths import HOME, TESTS


def stress(*options: str, timeout: float = 240) -> None:
    done = subprocess.run(
        [sys.executable, "-P", str(TESTS / "stress"), *options],
        # Blocks of memory that are used after they were freed, or written beyond their ends, are found at once.
        env={**os.environ, "PYTHONMALLOC": "debug", "PYTHONPATH": os.pathsep.join([str(HOME), str(TESTS)])},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-8000:]


@pytest.mark.parametrize("seed", range(4))
def test_values_of_every_kind_use_the_core_as_they_end(seed: int) -> None:
    stress("destructors", "--seed", str(seed), "--rounds", "25", "--seconds", "200")


def test_every_message_of_eight_threads_is_received_once_and_in_order() -> None:
    stress("channels", "--messages", "16000", "--seconds", "200")


def test_a_crash_is_told_of(tmp_path: Path) -> None:
    """What is tested by a supervisor is worth nothing where the supervisor sees nothing."""
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\nif '--here' in sys.argv:\n    import faulthandler\n    faulthandler._sigsegv()\n"
    )
    done = subprocess.run(
        [sys.executable, "-P", str(TESTS / "stress"), "--seconds", "1", "--rounds", "1"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(HOME), str(TESTS)])},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1, done.stdout[-2000:]
    assert "the process ended with -11" in done.stdout
