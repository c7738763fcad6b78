"""Type checkers on programs: mypy and pyright, both strict, find nothing in what is right, and each line that is wrong.

A line that must be refused ends with the comment `# error`; if only one of the two refuses it, with `# error: mypy` or
`# error: pyright`. No other line may be refused. The programs are never run.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import cascade as cs

HERE = Path(__file__).parent
FOLDERS = ("good", "bad")
PACKAGE = Path(cs.__file__).parents[1]
MARK = re.compile(r"# error(?:: (mypy|pyright))?$")

Lines = dict[str, list[int]]  # the numbers of lines by the path of a program


def programs() -> list[Path]:
    return sorted(path for folder in FOLDERS for path in (HERE / folder).glob("[a-z]*.py"))


def marked(checker: str) -> Lines:
    """The lines that a checker must refuse."""
    found: Lines = {}
    for path in programs():
        numbers = []
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            mark = MARK.search(line)
            if mark is not None and mark.group(1) in (None, checker):
                numbers.append(number)
        found[f"{path.parent.name}/{path.name}"] = numbers
    return found


def run(command: list[str], folder: Path, **environ: str) -> str:
    """What a checker prints of the programs in a folder. It ends with 1 if it refuses any, with more if it failed."""
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=folder, env={**os.environ, **environ}, capture_output=True, text=True
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return done.stdout


def ask_mypy(folder: Path) -> Iterator[tuple[str, int, str]]:
    """Yield path, line and message of each error."""
    command = ["mypy", "--strict", "--config-file=", "--output=json", "--follow-imports=silent", "--cache-dir=cache"]
    # An editable install is found by an import hook, which mypy does not run; one in site-packages it finds by itself.
    environ = {} if PACKAGE.name == "site-packages" else {"MYPYPATH": str(PACKAGE)}
    for line in run([*command, f"--python-executable={sys.executable}", *FOLDERS], folder, **environ).splitlines():
        found = json.loads(line)
        if found["severity"] == "error":
            yield Path(found["file"]).as_posix(), found["line"], found["message"]


def ask_pyright(folder: Path) -> Iterator[tuple[str, int, str]]:
    """Yield path, line and message of each error."""
    settings = {"include": FOLDERS, "extraPaths": [str(PACKAGE)], "typeCheckingMode": "strict"}
    (folder / "pyrightconfig.json").write_text(json.dumps(settings))
    printed = run(["pyright", "--outputjson", f"--pythonpath={sys.executable}"], folder)
    for found in json.loads(printed)["generalDiagnostics"]:
        if found["severity"] == "error":
            path = Path(found["file"])
            yield f"{path.parent.name}/{path.name}", found["range"]["start"]["line"] + 1, found["message"]


ASK = {"mypy": ask_mypy, "pyright": ask_pyright}


def differences(checker: str, folder: Path) -> list[str]:
    """What a checker says of lines that it should not refuse, and lines that it should, and does not."""
    for name in FOLDERS:
        shutil.copytree(HERE / name, folder / name)
    expected = {(name, line) for name, lines in marked(checker).items() for line in lines}
    found = list(ASK[checker](folder))
    refused = {(name, line) for name, line, _ in found}
    return [
        *(f"{name}:{line}: {message}" for name, line, message in found if (name, line) not in expected),
        *(f"{name}:{line}: not refused" for name, line in sorted(expected - refused)),
    ]


@pytest.mark.parametrize("checker", ["mypy", "pyright"])
def test_what_is_right_passes_and_what_is_wrong_is_refused(checker: str, tmp_path: Path) -> None:
    if importlib.util.find_spec(checker) is None:
        pytest.skip(f"{checker} is not installed")
    assert "\n".join(differences(checker, tmp_path)) == ""


def test_programs_are_what_their_folder_says() -> None:
    for checker in ("mypy", "pyright"):
        for name, numbers in marked(checker).items():
            assert bool(numbers) == name.startswith("bad/"), name
    assert {path.name for path in programs()} == {path.name for path in (HERE / "good").glob("[a-z]*.py")}
