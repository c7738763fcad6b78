"""What the documents show is true: their Python blocks run, and so do the examples in docstrings of Python modules."""

from __future__ import annotations

import ast
import asyncio
import doctest
import importlib
import inspect
import linecache
import os
import pkgutil
import re
import subprocess
import sys
import textwrap
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

import pytest

import cascade as cs
from cascade.events.event import EVENTS
from cascade.testing import VirtualTime
from docs.test_packaging import NOT_IN_THE_SDIST
from support.paths import HOME

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
LINKED = [*sorted(ROOT.glob("*.md")), ROOT / "benchmarks" / "README.md"]
# Paths of files that stand for any file, and of folders that a change would make.
NOT_THERE = {
    "cascade/a/b.py",
    "tests/unit/a/test_b.py",
    "tests/unit/a/test_b_*.py",
    "cascade/control",
    "tests/typing",
}
OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
OTHERS = "fastapi|httpx|uvicorn"
PYTEST = ("-p", "no:asyncio", "-p", "no:cacheprovider", "-W", "error")
FILE = re.compile(r"# (\w+\.py)\n")
CONSOLE = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
RECIPES = [page for page in PAGES if page.parent.name in ("tutorial", "howto")]


def in_tree(page: Path) -> str:
    """The path of a page from the root of the tree."""
    return page.relative_to(ROOT).as_posix()


class Finder(doctest.DocTestFinder):
    """Finds the examples of classes and functions in the file that they are written in, wherever users find them."""

    def _from_module(self, module: ModuleType, object: object) -> bool:  # noqa: A002
        if inspect.isfunction(object):
            return inspect.unwrap(object).__globals__ is module.__dict__
        if inspect.isclass(object) and object.__module__.startswith("cascade"):
            return re.search(rf"^class {object.__name__}\b", inspect.getsource(module), re.MULTILINE) is not None
        return super()._from_module(module, object)  # type: ignore[misc]


def python_blocks(text: str) -> list[tuple[int, str]]:
    """The Python blocks of a page, each with the number of the line before it."""
    found = re.finditer(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [(text.count("\n", 0, block.start(1)), block.group(1)) for block in found]


def skip_without(page: Path) -> None:
    """Skip a test of a page that uses a package of the extra `test` which this Python does not have."""
    for package in sorted(set(re.findall(rf"^(?:import|from) ({OTHERS})\b", page.read_text(), re.MULTILINE))):
        pytest.importorskip(package)


@pytest.mark.parametrize("page", PAGES, ids=in_tree)
def test_python_blocks_of_a_page_run_one_after_another(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    skip_without(page)
    module = ModuleType("page")
    namespace = module.__dict__
    blocks = []
    monkeypatch.syspath_prepend(tmp_path)
    for before, block in python_blocks(page.read_text()):
        if file := FILE.match(block):  # later blocks may import it; it is run by a command, below
            (tmp_path / file[1]).write_text(block, encoding="utf-8")
            monkeypatch.setitem(sys.modules, file[1].removesuffix(".py"), module)  # forgotten after the test
            del sys.modules[file[1].removesuffix(".py")]
            continue
        # A failure shows the block and says where it stands.
        name = f"<{page.name}, after line {before}>"
        linecache.cache[name] = (len(block), None, block.splitlines(keepends=True), name)
        # Without the `annotations` of this file.
        blocks.append(compile(block, name, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True))

    async def cells() -> None:
        for block in blocks:
            value = eval(block, namespace)
            if awaits(block):
                await value

    if any(map(awaits, blocks)):  # cells of a notebook: an event loop is running in each
        asyncio.run(cells())
    else:
        for block in blocks:
            exec(block, namespace)


def awaits(block: CodeType) -> bool:
    """Whether a block awaits something outside of a function."""
    return bool(block.co_flags & inspect.CO_COROUTINE)


@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if re.search("^```python\n# \\w+\\.py\n", page.read_text(), re.MULTILINE)],
    ids=in_tree,
)
def test_commands_on_a_page_print_what_it_shows(page: Path, tmp_path: Path) -> None:
    """Blocks that begin with a comment like `# name.py` are files."""
    skip_without(page)
    text = page.read_text()
    files = {found[1]: block for _, block in python_blocks(text) if (found := FILE.match(block))}
    for name, block in files.items():
        (tmp_path / name).write_text(block, encoding="utf-8")
        used = rf"^\$ .*\b{re.escape(name)}|^(from|import) {name.removesuffix('.py')}\b"
        used = "^\\$ pytest" if name.startswith(("conftest", "test_")) else used
        assert re.search(used, text, re.MULTILINE), f"nothing runs {name}"
    for console in CONSOLE.findall(text):
        for command, shown in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", console, re.MULTILINE):
            printed = shell(command, tmp_path)
            assert doctest.OutputChecker().check_output(shown, printed, OPTIONS), f"$ {command}\n{printed}"


@pytest.mark.parametrize("page", RECIPES, ids=in_tree)
def test_a_recipe_says_what_one_will_have_and_where_more_is_said(page: Path) -> None:
    _, first, *_, last = page.read_text().strip().split("\n\n")
    assert first.startswith("At the end of this page you have ")
    assert re.match("(Read on|Next): ", last) and "](" in last


def anchors(page: Path) -> set[str]:
    """What a link into a page may name: its headings, as GitHub and Markdown renderers write them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", sorted({*PAGES, *LINKED}), ids=in_tree)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    text = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)  # `Channel[int]()` is no link
    for target, anchor in re.findall(r"\]\(([^)#:]*)(?:#([^)]*))?\)", text):
        found = page.parent / target if target else page
        assert found.exists(), f"{page.name} links to {target}"
        assert not anchor or anchor in anchors(found), f"{page.name} links to {target}#{anchor}"


def test_the_index_links_to_every_page() -> None:
    index = ROOT / "docs" / "index.md"
    linked = {index.parent / target for target in re.findall(r"\]\(([^)#:]+)", index.read_text(encoding="utf-8"))}
    assert linked >= {*index.parent.rglob("*.md")} - {index}


@pytest.mark.parametrize("page", sorted({*PAGES, *LINKED} - {ROOT / "CHANGELOG.md"}), ids=in_tree)
def test_paths_that_a_page_names_exist(page: Path) -> None:
    """Paths from the root of the tree. CHANGELOG.md may name a file that no longer exists."""
    folders = r"\.ci|\.github|benchmarks|cascade|docs|examples|tests"
    named = re.findall(rf"(?<![\w/.])((?:{folders})/[\w/.*-]+)", page.read_text())
    paths = {path.rstrip("./") for path in named} - NOT_THERE
    if not (ROOT / ".github").exists():  # the tests run from an sdist, as cibuildwheel does
        paths = {path for path in paths if not NOT_IN_THE_SDIST.match(f"{path}/")}
    assert not [path for path in paths if not [*ROOT.glob(path), *ROOT.glob(f"{path}.py")]]


@pytest.mark.parametrize(
    "page", [ROOT / "docs" / "contributing.md", *sorted((ROOT / "docs" / "internals").glob("*.md"))], ids=in_tree
)
def test_names_on_pages_for_contributors_exist(page: Path) -> None:
    """A page on the inside of the package is read beside the code: classes and methods have the names there."""
    text = re.sub(r"^```python\n.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    package = "\n".join(path.read_text() for path in (ROOT / "cascade").rglob("*.p[yx]*") if path.suffix != ".pyc")
    for owner, member in set(re.findall(r"\b([A-Z]\w+)\.([a-z_]\w*)\b", text)):
        if member != "md":
            assert re.search(rf"^(cdef )?class {owner}\b", package, re.MULTILINE), f"{page.name} names {owner}"
            named = re.search(rf"\b(def|cdef)\b.*\b{member}\b|^    {member}:|self\.{member}\b", package, re.MULTILINE)
            assert named, f"{page.name} names {owner}.{member}"


def test_the_readme_has_an_example_of_about_fifteen_lines() -> None:
    ((_, example),) = python_blocks((ROOT / "README.md").read_text())
    assert len(example.splitlines()) <= 16


def modules() -> list[str]:
    found = [module.name for module in pkgutil.walk_packages(cs.__path__, prefix="cascade.")]
    return [name for name in found if not name.startswith("cascade._core.") and not name.endswith("__main__")]


@pytest.mark.parametrize("name", modules())
def test_examples_in_docstrings(name: str) -> None:
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        assert error.name and not error.name.startswith("cascade")
        pytest.skip(f"{error.name} is not installed")
    runner = doctest.DocTestRunner(optionflags=OPTIONS)
    for found in Finder(exclude_empty=True).find(module):
        runner.run(found)
    assert runner.failures == 0, f"{runner.failures} of {runner.tries} examples failed; see the output"


def test_examples_of_public_classes_are_found() -> None:
    found = {each.name for each in Finder().find(importlib.import_module("cascade.engine.engine")) if each.examples}
    assert {"cascade.engine.engine.Engine", "cascade.engine.engine.Engine.start"} <= found


def test_examples_of_public_functions_are_found() -> None:
    (found,) = [each for each in Finder().find(importlib.import_module("cascade.expressions.lazy")) if each.examples]
    assert found.name == "cascade.expressions.lazy.lazy"


def test_the_page_on_events_has_a_row_for_each_event() -> None:
    page = (ROOT / "docs" / "guide" / "events.md").read_text(encoding="utf-8")
    rows = {name: fields for name, fields in re.findall(r"^\| `(\w+)` \|[^|]*\|(.*)\|$", page, re.MULTILINE)}
    for event in EVENTS:
        own = set(event.__struct_fields__) - set(event.__mro__[1].__struct_fields__)
        assert own <= set(re.findall(r"`(\w+)`", rows.get(event.__name__, ""))), event.__name__
        assert event.__name__ in rows


def test_the_page_on_templates_shows_what_explain_prints() -> None:
    @cs.task(mode="inline", name="add")
    def add(a: int, b: int) -> int:
        return a + b

    printed = cs.explain(add(1, b=add(2, 3))).replace(__name__, "__main__")
    page = (ROOT / "docs" / "guide" / "templates.md").read_text()
    shown = re.search(r"\n((?:    2 nodes, .*\n)(?:(?:    .*)?\n)+)", page)
    assert shown is not None
    assert shown.group(1).split() == printed.split()


def test_the_test_on_the_page_on_clocks_passes(virtual: VirtualTime) -> None:
    names: dict[str, Any] = {"__name__": "page"}
    for _, block in python_blocks((ROOT / "docs" / "guide" / "clock.md").read_text(encoding="utf-8")):
        exec(block, names)
    names["test_an_hour"](virtual)
    assert virtual.time == 3600


def test_the_page_on_tools_shows_what_a_dry_run_prints() -> None:
    page = (ROOT / "docs" / "guide" / "tools.md").read_text(encoding="utf-8")
    names: dict[str, Any] = {"__name__": "__main__"}
    for _, block in python_blocks(page)[:2]:
        exec(block, names)
    printed = "".join(f"    {line}".rstrip() + "\n" for line in str(names["run"]).splitlines())
    assert f"\n\n{printed}\n" in page


def test_the_page_on_the_command_line_shows_what_commands_print(tmp_path: Path) -> None:
    pytest.importorskip("cyclopts")
    page = (ROOT / "docs" / "guide" / "command-line.md").read_text(encoding="utf-8")
    (_, program), *_ = python_blocks(page)
    (end,) = re.findall(r"^((?:    .*\n)*    +sys\.exit\(.*\n)", page, re.MULTILINE)
    (tmp_path / "jobs.py").write_text(f"import sys\n{program}\n{textwrap.dedent(end)}", encoding="utf-8")
    # A command, and the lines that are shown of its output, until "..." or the next paragraph that is not indented.
    shown = re.findall(r"^    \$ (.*)\n((?:(?!    \$ |    \.\.\.)(?:    .*)?\n)*)", page, re.MULTILINE)
    assert len(shown) >= 4
    for command, lines in shown:
        if "|" not in command:  # which needs Graphviz
            printed = re.sub("[╭─╮│╰╯]", "", shell(command, tmp_path))
            for line in lines.strip().splitlines():
                assert line.strip() in [each.strip() for each in printed.splitlines()], f"$ {command}\n{printed}"


def shell(command: str, directory: Path) -> str:
    """What a command prints, `cascade ...`, `pytest ...` or `python ...`."""
    program, *arguments = command.split()
    done = subprocess.run(
        [
            sys.executable,
            *([] if program == "python" else ["-m", program]),
            *arguments,
            *PYTEST * (program == "pytest"),
        ],
        cwd=directory,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(HOME), os.environ.get("PYTHONPATH", "")])},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )
    return done.stdout
