"""The site that `make docs` builds: no warning, no dead link, all its code runs, its reference says what `help` says.

`CASCADE_SITE` names a site that was built already; else these tests build one.
"""

from __future__ import annotations

import ast
import doctest
import inspect
import os
import re
import subprocess
import sys
import textwrap
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import unquote

import pytest

import cascade as cs
from docs.test_docstrings import COMPILED, examples_of
from docs.test_pages import PAGES, ROOT, Finder, modules, python_blocks
from unit._support.test_public import PACKAGES

bs4 = pytest.importorskip("bs4", reason="needs the extra docs")
for package in ("sphinx", "myst_parser", "furo"):
    pytest.importorskip(package, reason="needs the extra docs")

NAMES = [(module, name) for module in ["cascade", *PACKAGES] for name in import_module(module).__all__]
# How the sections of docstrings are headed on the site.
HEADINGS = re.compile(r"^ *(Args|Attributes|Raises|Returns|Yields):$", re.MULTILINE)
# Blocks that are no Python: output, commands, diagrams. Indented blocks are "text".
NOT_PYTHON = {"console", "mermaid", "none", "text"}
# What reads as Python among those blocks, and why it does not run as a block.
RUNS_ELSEWHERE = {
    ("docs/guide/command-line.html", 'if __name__ == "__main__":'): "the end of a program: a test runs it as a file",
}


class Site:
    """The pages of a site, parsed."""

    def __init__(self, place: Path) -> None:
        self.place = place
        files = [*place.rglob("*.html")]
        self.pages = {
            file.relative_to(place).as_posix(): bs4.BeautifulSoup(file.read_text(), "html.parser") for file in files
        }
        self.entries = {
            entry["id"]: entry
            for name, page in self.pages.items()
            if name.startswith("docs/reference/")
            for entry in page.select("dl.py > dt[id]")
        }


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    if "CASCADE_SITE" in os.environ:
        return Site(Path(os.environ["CASCADE_SITE"]))
    place = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [
            *(sys.executable, "-P", "-m", "sphinx", "--quiet", "--fail-on-warning", "--keep-going", "-E"),
            *("-c", ROOT / "docs", "-d", place / "doctrees", ROOT, place / "html"),
        ],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return Site(place / "html")


def ids(page: Any) -> set[str]:
    return {element["id"] for element in page.find_all(id=True)}


def test_no_link_is_dead(site: Site) -> None:
    anchors = {name: ids(page) for name, page in site.pages.items()}
    dead = []
    for name, page in site.pages.items():
        for element in page.find_all(["a", "link"], href=True):
            target, _, anchor = unquote(element["href"]).partition("#")
            if not re.match(r"[a-z]+:", target):
                found = os.path.normpath(os.path.join(os.path.dirname(name), target)) if target else name
                if not (site.place / found.partition("?")[0]).is_file() or (
                    anchor and found in anchors and anchor not in anchors[found]
                ):
                    dead.append((name, element["href"]))
    assert len(anchors) > 50
    assert not dead


def test_nothing_is_loaded_from_elsewhere(site: Site) -> None:
    """The site works without a network, and tells nobody who reads it."""
    for name, page in site.pages.items():
        loaded = [element["src"] for element in page.find_all(src=True)]
        loaded += [element["href"] for element in page.select("link[href]:not([href='#'])")]
        assert loaded or name == "index.html"
        for address in loaded:
            assert not re.match(r"([a-z]+:)?//", address), f"{name} loads {address}"
            assert (site.place / Path(name).parent / address.partition("?")[0]).exists(), f"{name} loads {address}"
    for sheet in site.place.rglob("*.css"):
        assert not re.search(r"url\(['\"]?(https?:)?//|@import", sheet.read_text(encoding="utf-8")), sheet.name


def test_every_page_is_on_the_site(site: Site) -> None:
    """That the navigation leads to it is a warning of the generator, or not."""
    assert {page.relative_to(ROOT).with_suffix(".html").as_posix() for page in PAGES} <= {*site.pages}


def test_the_first_page_leads_to_the_index(site: Site) -> None:
    (link,) = site.pages["index.html"].find_all("a")
    assert link["href"] == "docs/index.html"


# --- the reference ----------------------------------------------------------------------------------------------------


def thing_and_entry(site: Site, module: str, name: str) -> tuple[Any, Any]:
    """A public name, and its entry in the reference, which may be under the name that it has in `cascade`."""
    thing = getattr(import_module(module), name)
    home = getattr(thing, "__module__", None)
    found = [where for where in (f"{module}.{name}", f"{home}.{name}") if where in site.entries]
    assert found, f"{module}.{name} is in no page of docs/reference: add it to one"
    return thing, site.entries[found[0]]


def shown(entry: Any) -> list[str]:
    """The words of what the reference has on a name, without its members and the headings of sections."""
    copy = bs4.BeautifulSoup(str(entry.find_next_sibling("dd")), "html.parser")
    for part in copy.select("dl.py, dl.field-list > dt"):
        part.decompose()
    return words(copy.get_text())


def words(text: str) -> list[str]:
    return re.findall(r"\w+", text)


def says(thing: Any) -> list[str]:
    """The words of a docstring."""
    text = HEADINGS.sub("", inspect.getdoc(thing) or "").replace("<BLANKLINE>", "")
    return words(re.sub(r"(?<=[\w)\]])`+(?=[a-z])", "", text))  # code with a plural's letter is one word


def parameters(entry: Any) -> list[str]:
    """The parameters in a signature of the reference, "*" and "/" among them."""
    return [each.get_text() for each in entry.select(".sig-param")]


def expected(thing: Any) -> list[str]:
    """The same of the signature at run time: name, whether there is a default."""
    listed: list[str] = []
    signature = inspect.signature(thing)
    names = [name for name in signature.parameters if name != "self"]
    plain = signature.replace(
        parameters=[
            each.replace(annotation=each.empty, default=each.empty if each.default is each.empty else 0)
            for each in map(signature.parameters.__getitem__, names)
        ],
        return_annotation=signature.empty,
    )
    listed += [each for each in str(plain)[1:-1].split(", ") if each]
    return listed


def plain(parameter: str) -> str:
    """A parameter without its type, and with 0 for its default."""
    name = re.split(r"[:=]", parameter)[0].strip()
    return f"{name}=0" if re.search(r"(?<![=!<>])=(?!=)", parameter) else name


@pytest.mark.parametrize(("module", "name"), NAMES, ids=lambda part: part)
def test_the_reference_says_what_help_says(site: Site, module: str, name: str) -> None:
    thing, entry = thing_and_entry(site, module, name)
    if not (inspect.isclass(thing) or inspect.isroutine(thing)):
        assert shown(entry)  # a constant
        return
    assert shown(entry) == says(thing)
    compare_signatures(entry, thing)
    if inspect.isclass(thing) and thing is not cs.VirtualLoop:  # which has the methods of any event loop
        for name, member in members(thing).items():
            found = site.entries[f"{entry['id']}.{name}"]
            assert shown(found) == says(member), found["id"]
            if callable(member):
                compare_signatures(found, member)


def members(kind: type) -> dict[str, Any]:
    """The public members with a docstring that a class has from Cascade."""
    owners = [each for each in kind.__mro__ if each.__module__.startswith("cascade")]
    names = sorted({name for owner in owners for name in vars(owner) if not name.startswith("_")})
    found = {name: getattr(kind, name) for name in names if hasattr(kind, name)}
    return {name: each for name, each in found.items() if is_documented(each)}


def is_documented(member: Any) -> bool:
    described = inspect.isroutine(member) or inspect.isdatadescriptor(member)
    return bool(described and inspect.getdoc(member))


def compare_signatures(entry: Any, thing: Any) -> None:
    if not entry.select(".sig-paren"):  # a class that users do not call
        assert inspect.isclass(thing)
        return
    listed = parameters(entry)
    assert [plain(each) for each in listed] == expected(thing), entry["id"]
    assert all(each in "*/" or ":" in each for each in listed), f"{entry['id']} has a parameter without a type"
    if not inspect.isclass(thing):
        assert entry.select(".sig-return"), f"{entry['id']} says not what it returns"


def test_compiled_names_have_the_types_of_their_stubs(site: Site) -> None:
    wait = site.entries["cascade.wait"].get_text()
    assert "(seconds: float | timedelta | LazyResult[float] | LazyResult[timedelta]) → float" in wait
    assert "capacity: int | None = None" in site.entries["cascade.Channel"].get_text()
    assert "args: tuple[Any, ...]" in site.entries["cascade.LazyResult.args"].get_text()
    assert "on: type[Exception]" in site.entries["cascade.LazyResult.fallback"].get_text()


# --- code on the site -------------------------------------------------------------------------------------------------


def code(page: Any) -> list[tuple[str, str]]:
    """The blocks of code of a page: language and text."""
    found = []
    for block in page.select("div[class*=highlight-]"):
        (language,) = [each.removeprefix("highlight-") for each in block["class"] if each.startswith("highlight-")]
        found.append((language, block.get_text().strip("\n")))
    return found


def examples_that_run() -> set[str]:
    found: set[str] = set()
    for name in modules():
        for test in Finder(exclude_empty=True).find(import_module(name)):
            found |= {example.source for example in test.examples if not example.options.get(doctest.SKIP)}
    for name in COMPILED:
        module: ModuleType = import_module(f"cascade._core.{name}")
        for text in examples_of(module).values():
            found |= {example.source for example in doctest.DocTestParser().get_examples(text)}
    return found


def reads_as_python(text: str) -> bool:
    """Whether a block is a program: it has statements that only Python has."""
    try:
        body = ast.parse(textwrap.dedent(text)).body
    except SyntaxError:
        return False
    return any(not isinstance(each, ast.Expr | ast.AnnAssign | ast.Assign) for each in body)


def test_every_block_of_code_runs(site: Site) -> None:
    blocks = {block.strip("\n") for page in PAGES for _, block in python_blocks(page.read_text(encoding="utf-8"))}
    examples = examples_that_run()
    seen, elsewhere = 0, set()
    for name, page in site.pages.items():
        for language, text in code(page):
            if ">>>" in text:
                listed = doctest.DocTestParser().get_examples(text + "\n")
                assert {example.source for example in listed} <= examples, f"{name}: not all of this runs\n{text}"
            elif language == "python":
                assert text in blocks, f"{name}: this does not run\n{text}"
            else:
                assert language in NOT_PYTHON, f"{name}: {language}"
                if reads_as_python(text):
                    elsewhere.add((name, text.partition("\n")[0]))
                continue
            seen += 1
    assert seen > 300
    assert elsewhere == {*RUNS_ELSEWHERE}, "write these as blocks of python, which the tests run"
