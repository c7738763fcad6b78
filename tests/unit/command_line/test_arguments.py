"""Arguments after MODULE:NAME: what a task, a function or the params of an expression are given."""

from __future__ import annotations

import itertools
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytest.importorskip("cyclopts", reason="needs the extra cli")
pytest.importorskip("rich", reason="needs the extra cli")

from cascade.command_line.app import main

_numbers = itertools.count()

JOBS = """
    from __future__ import annotations

    import enum
    import functools
    from datetime import datetime
    from pathlib import Path
    from typing import TYPE_CHECKING, Annotated, Callable

    import msgspec
    import cascade as cs

    if TYPE_CHECKING:
        from elsewhere import Thing

    class Level(enum.Enum):
        LOW = 1
        HIGH = 2

    @cs.task(mode="inline")
    def crawl(url: str, depth: int = 2, *, fast: bool = False, level: Level = Level.LOW,
              names: list[int] | None = None):
        '''Fetch pages.

        And more.

        Args:
            url: Where to begin.
            depth: How deep,
                at most.
        '''
        return url, depth, fast, level.name, names

    @cs.task(mode="inline")
    def several(first: int, *others: float, **named: int):
        return first, others, named

    @cs.task(mode="inline")
    def only(a: int, /, b: int = 3, *, c: int):
        return a, b, c

    @cs.task(mode="inline")
    def untyped(a, n=1, share=.5, on=True, where=Path("x"), nothing=None, items=()):
        return a, n, share, on, str(where), nothing, items

    @cs.task(mode="inline")
    def unknown(thing: Thing, count: int):
        return thing, count

    @cs.task(mode="inline")
    def bounded(n: Annotated[int, msgspec.Meta(ge=1)], at: datetime = datetime(2024, 1, 1)):
        return n, at.isoformat()

    @cs.task(mode="inline")
    def called_back(f: Callable[[int], int]):
        return f

    @cs.task(mode="inline")
    def may_be_called_back(n: int, f: Callable[[int], int] | None = None):
        return n, f

    @cs.task(mode="inline")
    def clashes(json: int = 0, seed: int = 0):
        return json, seed

    @cs.task(mode="inline")
    def verbose(verbose: bool):
        return verbose

    @cs.task(mode="inline")
    def lazy(n: int, p=cs.Param("p", type=int, default=7), *others: int):
        return n, p, others

    @cs.task(mode="inline")
    def injected(n: int, store=cs.Inject("store")):
        return n, store

    def plain(n: int):
        return [only(n, c=cs.Param("c", type=int))]

    class Agent:
        @cs.task(mode="inline")
        def step(self, n: int):
            return n

    agent = Agent()
    bound = agent.step
    partial = functools.partial(crawl, "there")

    main = crawl(cs.Param("word", description="What."), cs.Param("how_often", type=int, default=2),
                 fast=cs.Param("fast", type=bool, default=False))

    def engine():
        made = cs.Engine()

        @cs.resource
        def store():
            yield "shop"

        made.register(store)
        return made
"""


@pytest.fixture
def jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The name of a module in the current directory, never imported before."""
    name = f"cli_arguments_{next(_numbers)}"
    (tmp_path / f"{name}.py").write_text(textwrap.dedent(JOBS))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield name
    sys.modules.pop(name, None)


@pytest.fixture
def cascade(capfd: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Run a command line and give its exit status and what it printed."""

    def run(*arguments: str) -> tuple[int, str, str]:
        status = main(arguments)
        told = capfd.readouterr()
        return status, told.out, told.err

    return run


Cascade = Callable[..., tuple[int, str, str]]


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("crawl u", ("u", 2, False, "LOW", None)),
        ("crawl u 3", ("u", 3, False, "LOW", None)),
        ("crawl u --depth 3 --fast", ("u", 3, True, "LOW", None)),
        ("crawl --depth=3 --url=-u --no-fast", ("-u", 3, False, "LOW", None)),
        ("crawl u -3 --level HIGH --names 1,2", ("u", -3, False, "HIGH", [1, 2])),
        ("--seed 1 crawl u --quantum 0 3", ("u", 3, False, "LOW", None)),
        ("several 1", (1, (), {})),
        ("several 1 .5 +2 --x 3 --long-name 4", (1, (0.5, 2.0), {"x": 3, "long_name": 4})),
        ("only 1 --c 2", (1, 3, 2)),
        ("only 1 --b 2 --c 3", (1, 2, 3)),
        ("untyped 1 2 3 off y", ("1", 2, 3.0, False, "y", None, ())),
        ("untyped 1 --nothing 2 --items a", ("1", 1, 0.5, True, "x", "2", "a")),
        ("untyped 1 --no-on", ("1", 1, 0.5, False, "x", None, ())),
        ("unknown thing 2", ("thing", 2)),
        ("bounded 1 2024-01-01T10:00", (1, "2024-01-01T10:00:00")),
        ("may_be_called_back 1", (1, None)),
        ("clashes 1 2", (1, 2)),
        ("clashes -- --json 1 --seed 2", (1, 2)),
        ("lazy 1", (1, 7, ())),
        ("lazy 1 -p p=8", (1, 8, ())),
        ("lazy 1 2 3", (1, 7, (2, 3))),
        ("injected 1 --engine {}:engine", (1, "shop")),
        ("plain 4 --param c=5", [(4, 3, 5)]),
        ("agent.step 3", 3),
        ("bound 3", 3),
        ("partial 4", ("there", 4, False, "LOW", None)),
        ("main --word x --how-often 3", ("x", 3, False, "LOW", None)),
        ("main --word x --fast -p how_often=3", ("x", 3, True, "LOW", None)),
    ],
)
def test_arguments_are_converted(jobs: str, cascade: Cascade, line: str, value: object) -> None:
    words = line.replace("{}", jobs).split()
    at = 2 if line.startswith("--seed") else 0
    words[at] = f"{jobs}:{words[at]}"
    assert cascade("run", *words) == (0, f"{value!r}\n", "")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("crawl", "argument 'url': no value was given, and it has no default"),
        ("only", "argument 'a': no value was given|argument 'c': no value was given"),
        ("crawl --depth x", "argument 'url': no value was given|argument 'depth': value must be `int`, got `str` 'x'"),
        ("crawl u 1 2 3", "{}:crawl takes at most 2 arguments by position, got also '2' '3'"),
        ("main x", "{}:main takes no arguments by position, got also 'x'"),
        ("crawl u --dept 3", "{}:crawl takes no argument --dept (did you mean --depth?)"),
        ("crawl u --jsn", "{}:crawl takes no argument --jsn (did you mean --json?)"),
        ("crawl u --zzz", "{}:crawl takes no argument --zzz (it takes --url, --depth, --fast, --level, --names)"),
        (
            "crawl -u",
            "(it takes --url, --depth, --fast, --level, --names; a value that begins with a hyphen is written "
            "like this: --url=-u)",
        ),
        (
            "verbose --verbose",
            "argument 'verbose': no value was given, and it has no default (--verbose is an option "
            "of the command: write `-- --verbose` for it)",
        ),
        ("crawl u --depth", "--depth"),
        ("crawl u --depth 1 --depth 2", "--depth"),
        ("crawl u --url v", "--url"),
        ("several 1 x --y z", "argument 'others': value must be `float`|argument 'y': value must be `int`"),
        ("bounded 0", "argument 'n': value must be `int`, got `int` 0: expected `int` >= 1"),
        ("called_back x", "{}:called_back must take arguments that text can express, but needs 'f', of type `Callable"),
        ("main --word x -p word=y", "param 'word' must be given once, got --word and --param word=..."),
        ("main --word x --how-often y", "param 'how_often': value must be `int`, got `str` 'y'"),
        ("main", "param 'word': no value was given, and it has no default"),
    ],
)
def test_what_is_missing_or_too_much(jobs: str, cascade: Cascade, line: str, said: str) -> None:
    status, out, err = cascade("run", *f"{jobs}:{line}".split())
    assert (status, out) == (2, "")
    lines = err.splitlines()
    expected = said.replace("{}", jobs).split("|")
    assert len(lines) == len(expected), err
    for line, text in zip(lines, expected, strict=True):
        assert line.startswith("cascade: ") and text in line


@pytest.mark.parametrize("command", ["explain", "visualize"])
def test_other_commands_take_them_too(jobs: str, cascade: Cascade, command: str) -> None:
    status, out, err = cascade(command, f"{jobs}:plain", "4")
    assert (status, err) == (0, "") and "only" in out
    assert cascade(command, f"{jobs}:plain", "x")[0] == 2


def test_help_lists_the_arguments_of_a_target(jobs: str, cascade: Cascade) -> None:
    for line in (["run", f"{jobs}:crawl", "--help"], ["run", "-h", f"{jobs}:crawl", "u", "--json"]):
        status, out, err = cascade(*line)
        assert (status, err) == (0, "")
        text = " ".join(out.split())
        assert text.startswith(f"Usage: cascade run {jobs}:crawl [OPTIONS] URL [DEPTH] Fetch pages. The options of")
        assert "URL --url " in text and "Where to begin. [required]" in text
        assert "DEPTH --depth " in text and "How deep, at most. [default: 2]" in text
        assert "--no-fast" in text and "[default: False]" in text
        assert "LOW|HIGH [default: LOW]" in text
    assert "And more" not in text


def test_help_lists_the_params_of_an_expression(jobs: str, cascade: Cascade) -> None:
    status, out, err = cascade("run", f"{jobs}:main", "--help")
    assert (status, err) == (0, "")
    text = " ".join(out.split())
    assert "--word TEXT What. [required]" in text and "--how-often INTEGER [default: 2]" in text


def test_help_of_a_target_that_is_none(jobs: str, cascade: Cascade) -> None:
    assert cascade("run", f"{jobs}:craw", "--help")[0] == 2
    status, out, _ = cascade("run", "--help")
    assert status == 0 and "--max-threads" in out
    status, out, _ = cascade("run", f"{jobs}:untyped", "a", "--", "--help")
    assert status == 2  # an argument of the target


# ------------------------------------------------------------------------------------------------------------ files


def test_a_file(jobs: str, cascade: Cascade, tmp_path: Path) -> None:
    assert cascade("run", f"{jobs}.py:bound", "3") == (0, "3\n", "")
    assert cascade("run", f"{tmp_path / jobs}.py:bound", "3") == (0, "3\n", "")


def test_a_file_in_a_package_and_in_another_folder(cascade: Cascade, tmp_path: Path, jobs: str) -> None:
    name = f"cli_package_{next(_numbers)}"
    inner = tmp_path / "folder" / name / "inner"
    inner.mkdir(parents=True)
    (inner / "__init__.py").write_text("")
    (inner.parent / "__init__.py").write_text("value = 3")
    (inner / "jobs.py").write_text(
        "from .. import value\nimport cascade as cs\n@cs.task\ndef main(): return value, __name__\n"
    )
    assert cascade("run", f"folder/{name}/inner/jobs.py:main") == (0, f"(3, '{name}.inner.jobs')\n", "")
    for module in [each for each in sys.modules if each.startswith(name)]:
        del sys.modules[module]


def test_a_file_beside_one_of_the_same_name_in_the_current_directory(
    cascade: Cascade, tmp_path: Path, jobs: str
) -> None:
    name = f"cli_twice_{next(_numbers)}"
    (tmp_path / "other").mkdir()
    for folder in (tmp_path, tmp_path / "other"):
        (folder / f"{name}.py").write_text(f"import cascade as cs\n@cs.task\ndef main(): return {folder.name!r}\n")
    assert cascade("run", f"other/{name}.py:main") == (0, "'other'\n", "")
    del sys.modules[name]


def test_a_file_with_the_name_of_another_module(cascade: Cascade, tmp_path: Path, jobs: str) -> None:
    (tmp_path / "json.py").write_text("import cascade as cs\nmain = cs.wait(0)")
    status, _, err = cascade("run", "json.py:main")
    assert status == 2 and err.startswith("cascade: cannot import file 'json.py': 'json' is the name of another module")
    (tmp_path / "a-b.py").write_text("")
    status, _, err = cascade("run", "a-b.py:main")
    assert status == 2 and "module must be named as in `import`" in err
