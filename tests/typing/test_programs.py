"""Type checkers on programs: mypy and pyright, both strict, find nothing in what is right, and each line that is wrong.

A line that must be refused ends with the comment `# error`; if only one of the two refuses it, with `# error: mypy` or
`# error: pyright`. No other line may be refused. The programs are never run.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from support.checkers import CHECKERS, ask

HERE = Path(__file__).parent
FOLDERS = ("good", "bad")
MARK = re.compile(r"# error(?:: (mypy|pyright))?$")


def programs(folder: str) -> list[str]:
    return sorted(path.name for path in (HERE / folder).glob("[a-z]*.py"))


def marked(checker: str, folder: str) -> set[tuple[str, int]]:
    """The programs and lines that a checker must refuse."""
    found = set()
    for name in programs(folder):
        for number, line in enumerate((HERE / folder / name).read_text(encoding="utf-8").splitlines(), 1):
            mark = MARK.search(line)
            if mark is not None and mark.group(1) in (None, checker):
                found.add((f"{folder}/{name}", number))
    return found


@pytest.mark.parametrize("checker", CHECKERS)
def test_what_is_right_passes_and_what_is_wrong_is_refused(checker: str, tmp_path: Path) -> None:
    for folder in FOLDERS:
        shutil.copytree(HERE / folder, tmp_path / folder)
    expected = marked(checker, "good") | marked(checker, "bad")
    found = ask(checker, tmp_path)
    refused = {(name, line) for name, line, _ in found}
    problems = [f"{name}:{line}: {message}" for name, line, message in found if (name, line) not in expected]
    problems += [f"{name}:{line}: not refused" for name, line in sorted(expected - refused)]
    assert not problems, "\n".join(problems)


@pytest.mark.parametrize("checker", CHECKERS)
def test_programs_are_what_their_folder_says(checker: str) -> None:
    assert programs("good") == programs("bad")
    assert not marked(checker, "good")
    assert {name for name, _ in marked(checker, "bad")} == {f"bad/{name}" for name in programs("bad")}
