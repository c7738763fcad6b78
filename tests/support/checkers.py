"""Type checkers: what mypy and pyright say of the programs in a folder."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import cascade as cs

__all__ = ["CHECKERS", "Finding", "ask"]

CHECKERS = ("mypy", "pyright")
PACKAGE = Path(cs.__file__).parents[1]

Finding = tuple[str, int, str]  # the path of a program from the folder, a line, and what is wrong there


def ask(checker: str, folder: Path, *, pyright_mode: str = "strict") -> list[Finding]:
    """Return the errors that a checker finds in all programs below a folder, or skip the test if there is no checker.

    Args:
        checker: "mypy", which is strict, or "pyright".
        folder: of the programs. The checkers keep their own files there, too.
        pyright_mode: "strict" or "standard".
    """
    if importlib.util.find_spec(checker) is None:
        pytest.skip(f"{checker} is not installed")
    return list(_ask_mypy(folder) if checker == "mypy" else _ask_pyright(folder, pyright_mode))


def _ask_mypy(folder: Path) -> Iterator[Finding]:
    programs = [path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*.py"))]
    command = ["mypy", "--strict", "--config-file=", "--follow-imports=silent", "--cache-dir=cache"]
    command += ["--output=json", "--no-error-summary", f"--python-executable={sys.executable}", *programs]
    # An editable install is found by an import hook, which mypy does not run; one in site-packages it finds by itself.
    environ = {} if PACKAGE.name == "site-packages" else {"MYPYPATH": str(PACKAGE)}
    for line in _printed(command, folder, **environ).splitlines():
        found = json.loads(line)
        if found["severity"] == "error":
            yield Path(found["file"]).as_posix(), found["line"], found["message"]


def _ask_pyright(folder: Path, mode: str) -> Iterator[Finding]:
    settings = {"extraPaths": [str(PACKAGE)], "typeCheckingMode": mode, "exclude": ["cache"]}
    (folder / "pyrightconfig.json").write_text(json.dumps(settings))
    printed = _printed(["pyright", "--outputjson", f"--pythonpath={sys.executable}"], folder)
    for found in json.loads(printed)["generalDiagnostics"]:
        if found["severity"] == "error":
            path = Path(found["file"]).resolve().relative_to(folder.resolve()).as_posix()
            yield path, found["range"]["start"]["line"] + 1, found["message"]


def _printed(command: list[str], folder: Path, **environ: str) -> str:
    """What a checker prints. It ends with 0 or 1; with more if it could not work."""
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=folder, env={**os.environ, **environ}, capture_output=True, text=True
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return done.stdout
