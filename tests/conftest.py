"""What every test file shares: how random examples are drawn, engines, and fresh interpreters."""

from __future__ import annotations

import functools
import gc
import os
import shutil
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import cascade as cs
from cascade.testing import VirtualTime
from support.paths import HOME, TESTS

_COMMON = {"deadline": None, "suppress_health_check": list(HealthCheck)}
# The same examples at every run, so that a red run means a changed program; `explore` draws new ones.
settings.register_profile("same", derandomize=True, max_examples=200, **_COMMON)
settings.register_profile("explore", max_examples=1000, **_COMMON)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))

# What a shell starts in the background may have interrupts ignored, and so would all programs that tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)

THIS = f"{sys.version_info[0]}.{sys.version_info[1]}"


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what is marked `posix_only` elsewhere."""
    if os.name != "posix" and item.get_closest_marker("posix_only"):
        pytest.skip("uses what POSIX alone has")


@pytest.fixture(autouse=True, scope="module")
def collector() -> None:
    """Let collections in tests pass over what there was before: pytest and modules alone take a fifth of a second."""
    _draw_once()
    gc.collect()
    gc.freeze()


@functools.cache
def _draw_once() -> None:
    """Have hypothesis make its source of randomness now: it looks for what holds it, and sees nothing frozen."""

    @given(st.none())
    def draw(_: None) -> None: ...

    draw()


@pytest.fixture(autouse=True)
def import_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """A path of its own for each test: commands put the directory on it, and worker processes are handed it."""
    monkeypatch.setattr(sys, "path", [*sys.path])


@pytest.fixture
def cold() -> cs.Engine:
    """An engine that has met no expression yet."""
    return cs.Engine(templates=cs.Templates())


@pytest.fixture
def virtual() -> Iterator[VirtualTime]:
    """An engine, its clock and its event loop in virtual time."""
    made = VirtualTime()
    yield made
    made.close()


@pytest.fixture
def interpreter() -> Callable[..., str]:
    """Run code in a Python of its own and give what it prints: for memory, for stacks, for hash seeds."""

    def run(code: str, *, python: str = sys.executable, timeout: float = 120, **environment: str) -> str:
        # Another Python has a Cascade of its own; `-P`: also if there is one in the working directory.
        places = [str(HOME), str(TESTS), os.environ.get("PYTHONPATH", "")] if python == sys.executable else [str(TESTS)]
        path = os.pathsep.join(places)
        done = subprocess.run(
            [python, "-P", "-c", textwrap.dedent(code)],
            env={**os.environ, "PYTHONPATH": path, **environment},
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        assert done.returncode == 0, f"exit {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
        return done.stdout

    return run


@functools.cache
def _another_python(version: str) -> str | None:
    places = os.environ.get("CASCADE_PYTHONS", "").split(os.pathsep)
    for python in [*filter(None, places), shutil.which(f"python{version}")]:
        if python is None:
            continue
        code = "import sys, cascade, hypothesis; print('%d.%d' % sys.version_info[:2])"
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        try:
            done = subprocess.run(
                [python, "-P", "-c", code], env=environment, capture_output=True, text=True, timeout=120, check=False
            )
        except OSError:
            continue
        if done.stdout.strip() == version:
            return python
    return None


@pytest.fixture(params=[version for version in ("3.11", "3.12", "3.13", "3.14", "3.15") if version != THIS])
def another_python(request: pytest.FixtureRequest) -> str:
    """An interpreter of each other version that has Cascade and hypothesis: in CASCADE_PYTHONS, or on the path."""
    python = _another_python(request.param)
    if python is None:
        pytest.skip(f"no Python {request.param} with Cascade installed")
    return python
