"""What every test file shares: how random examples are drawn, engines, and fresh interpreters."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

import cascade as cs

_COMMON = {"deadline": None, "suppress_health_check": list(HealthCheck)}
# The same examples at every run, so that a red run means a changed program; `explore` draws new ones.
settings.register_profile("same", derandomize=True, max_examples=200, **_COMMON)
settings.register_profile("explore", max_examples=1000, **_COMMON)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))

TESTS = Path(__file__).parent
HOME = Path(cs.__file__).parent.parent


@pytest.fixture
def cold() -> Iterator[cs.Engine]:
    """An engine that has met no expression yet."""
    yield cs.Engine(templates=cs.Templates())


@pytest.fixture
def interpreter() -> Callable[..., str]:
    """Run code in a Python of its own and give what it prints: for memory, for stacks, for hash seeds."""

    def run(code: str, *, python: str = sys.executable, timeout: float = 120, **environment: str) -> str:
        path = os.pathsep.join([str(HOME), str(TESTS), os.environ.get("PYTHONPATH", "")])
        done = subprocess.run(
            [python, "-c", textwrap.dedent(code)],
            env={**os.environ, "PYTHONPATH": path, **environment},
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        assert done.returncode == 0, f"exit {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
        return done.stdout

    return run
