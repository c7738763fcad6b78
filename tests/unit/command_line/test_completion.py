"""What a shell is offered for the name of a target."""

from __future__ import annotations

import inspect
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import cascade as cs

pytest.importorskip("cyclopts", reason="needs the extra cli")
pytest.importorskip("rich", reason="needs the extra cli")

from cyclopts import Parameter

from cascade.command_line.app import main
from cascade.command_line.completion import targets

JOBS = """
raise SystemExit("completion runs nothing")

import cascade as cs
LIMIT = 3
name = "x"

@cs.task
def main(n):
    '''Do it.

    And more.
    '''

@cs.task
async def later(): ...

def made(): return [main(1)]
def _private(): ...
class Agent: ...

several: list = [main(1), main(2)]
one = two = main(3)
a, b = main(4), main(5)
"""
NAMES = ["main", "later", "made", "several", "one", "two"]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "jobs.py").write_text(JOBS)
    (tmp_path / "jolly.py").write_text("fun = [1]")
    (tmp_path / "a-b.py").write_text("main = [1]")
    (tmp_path / "broken.py").write_text("def (")
    (tmp_path / "binary.py").write_bytes(b"\0\xff")
    (tmp_path / "package" / "inner").mkdir(parents=True)
    (tmp_path / "package" / "inner" / "deep.py").write_text("main = [1]")
    (tmp_path / "not a package").mkdir()
    (tmp_path / "not a package" / "jobs.py").write_text("main = [1]")
    return tmp_path


def offered(typed: str) -> list[str]:
    return [name for name, _ in targets(typed)]


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("jobs:", [f"jobs:{name}" for name in NAMES]),
        ("jobs:m", ["jobs:main", "jobs:made"]),
        ("jo", [*(f"jobs:{name}" for name in NAMES), "jolly:fun"]),
        ("jol", ["jolly:fun"]),
        ("job:", []),
        ("jobs:_", []),
        ("br", []),
        ("bi", []),
        ("pack", ["package.inner.deep:main"]),
        ("package.inner.deep:m", ["package.inner.deep:main"]),
        ("package.other", []),
        ("jolly.py:", ["jolly.py:fun"]),
        ("a-b.py", ["a-b.py:main"]),
        (f".{os.sep}jol", [f".{os.sep}jolly.py:fun"]),
        (f"not a package{os.sep}", [f"not a package{os.sep}jobs.py:main"]),
        (f"nowhere{os.sep}jo", []),
    ],
)
def test_targets(typed: str, expected: list[str]) -> None:
    assert offered(typed) == expected


def test_all_targets_of_a_folder(folder: Path) -> None:
    assert offered("") == [*(f"jobs:{name}" for name in NAMES), "jolly:fun", "package.inner.deep:main"]


def test_a_docstring_is_shown_beside_its_name() -> None:
    assert dict(targets("jobs:"))["jobs:main"] == "Do it."


completes = pytest.mark.skipif(
    "completer" not in inspect.signature(Parameter).parameters, reason="this cyclopts asks for no completion"
)


@completes
@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (["run", "jol"], ["jolly:fun"]),
        (["run", "--json", "jol"], ["jolly:fun"]),
        (["run", "jolly", ":", "f"], ["fun"]),  # as Bash splits it
        (["explain", "jol"], ["jolly:fun"]),
        (["templates", "build", "jolly:fun", "package"], ["package.inner.deep:main"]),
        (["run", "jolly:fun", "jo"], []),
    ],
)
def test_what_a_shell_asks(capfd: pytest.CaptureFixture[str], line: list[str], expected: list[str]) -> None:
    assert main(["__complete", *line]) == 0
    out, err = capfd.readouterr()
    assert err == ""
    assert out.split("\x1fbegin\n")[1].splitlines() == expected


@completes
@pytest.mark.skipif(shutil.which("bash") is None, reason="needs Bash")
def test_bash(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(folder))  # whose .bashrc it changes
    script = folder / "completion"
    assert main(["--install-completion", "--shell", "bash", "--output", str(script)]) == 0
    program = folder / "cascade"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m cascade "$@"\n')
    program.chmod(0o755)
    lines = f"""
        . {script}
        COMP_WORDS=(./cascade run jol); COMP_CWORD=2; _cascade; echo "${{COMPREPLY[@]}}"
        COMP_WORDS=(./cascade run --see); COMP_CWORD=2; _cascade; echo "${{COMPREPLY[@]}}"
    """
    monkeypatch.setenv("PYTHONPATH", str(Path(cs.__file__).parent.parent))
    done = subprocess.run(["bash", "-c", lines], capture_output=True, text=True, timeout=60, check=True, cwd=folder)
    assert done.stdout == "jolly:fun\n--seed\n"
