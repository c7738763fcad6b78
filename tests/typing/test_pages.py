"""The examples of README.md and of the pages for users are typed, and both type checkers find nothing in them."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.checkers import CHECKERS, ask
from support.paths import TESTS

ROOT = TESTS.parent
AWAITS = ("await ", "assert await ")
PAGES = [ROOT / "README.md", ROOT / "docs" / "index.md", *sorted((ROOT / "docs" / "guide").glob("*.md"))]


def program(page: Path) -> str:
    """All Python blocks of a page, each at its lines there: an error names a line of the page."""
    lines = []
    inside = False
    for line in page.read_text(encoding="utf-8").splitlines():
        if line.startswith("```"):
            inside = line == "```python"
            lines.append("")
        else:
            lines.append(line if inside else "")
    if any(line.startswith(AWAITS) for line in lines):  # cells of a notebook: all of them in a function, at their lines
        lines = ["async def cells() -> None:", *(f"    {line}" if line else "" for line in lines[1:])]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("checker", CHECKERS)
def test_examples_of_pages_are_typed(checker: str, tmp_path: Path) -> None:
    names = {}
    for page in PAGES:
        name = f"page_{page.stem.replace('-', '_').lower()}.py"  # `types` alone would hide a module
        names[name] = page.relative_to(ROOT).as_posix()
        (tmp_path / name).write_text(program(page), encoding="utf-8")
    found = ask(checker, tmp_path, pyright_mode="standard")  # strict would be about style, of what is short
    assert not found, "\n".join(f"{names[name]}:{line}: {message}" for name, line, message in found)


def test_a_page_becomes_a_program_with_its_lines(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# Page\n\n```python\nx = 1\n```\n\n```text\nx = 2\n```\n\n```python\nx = 3\n```\n")
    assert program(page).splitlines() == ["", "", "", "x = 1", *[""] * 7, "x = 3", ""]


def test_cells_of_a_notebook_become_a_function_with_their_lines(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# Page\n\n```python\nx = 1\n\nassert await y == 2\n```\n")
    assert program(page).splitlines() == [
        "async def cells() -> None:", "", "", "    x = 1", "", "    assert await y == 2", ""
    ]  # fmt: skip
