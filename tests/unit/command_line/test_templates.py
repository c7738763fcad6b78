"""`cascade templates`: inspect, merge, prune, verify, build."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import cascade as cs
from cascade.command_line.app import main
from cascade.expressions.targets import expression
from cascade.templates.reader import TemplateFile
from support.paths import HOME
from support.template_files import encoding_of, forge

pytest.importorskip("cyclopts", reason="needs the extra cli")
pytest.importorskip("rich", reason="needs the extra cli")


@cs.task(mode="inline")
def keep(*args: object) -> object:
    return args


@cs.task(mode="inline")
def leaf() -> None: ...


class Holder:
    @staticmethod
    def make(name: str | None = None) -> cs.Task:
        def inner(*args: object) -> None: ...

        return cs.task(inner, name=name, mode="inline")


given = Holder.make("given a name")


def write(path: Path, *targets: cs.LazyResult) -> Path:
    return forge(path, [encoding_of(target) for target in targets], "1.2.3")


def digest(target: cs.LazyResult) -> str:
    return encoding_of(target)[0].hex()


def count(path: Path) -> int:
    return len(TemplateFile(path))


Captured = pytest.CaptureFixture[str]


def test_inspect_is_a_table(tmp_path: Path, capsys: Captured) -> None:
    small, large = keep(leaf(), leaf()), keep(*(leaf() for _ in range(1200)))
    path = write(tmp_path / "one", small, large)
    assert main(["templates", "inspect", str(path)]) == 0
    header, *rows, summary = capsys.readouterr().out.splitlines()
    assert header.split() == ["digest", "root", "nodes", "edges", "bytes"]
    found = {row.split()[0]: row.split()[1:4] for row in rows}
    assert found == {
        digest(small)[:16]: [f"{__name__}.keep", "3", "2"],
        digest(large)[:16]: [f"{__name__}.keep", "1,201", "1,200"],
    }
    assert summary == f"2 templates, {path.stat().st_size:,} bytes, written by Cascade 1.2.3"


def test_inspect_one_of_them(tmp_path: Path, capsys: Captured) -> None:
    shared = leaf()
    one, other = keep([shared], {"k": keep(shared)}), leaf()
    path = write(tmp_path / "one", one, other)
    assert main(["templates", "inspect", str(path), "--tree", digest(one)[:12].upper()]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"#4 {__name__}.keep(…, …)",
        "├─ #1 list(…)",
        f"│  └─ #0 {__name__}.leaf()",
        "└─ #3 dict('k': …)",
        f"   └─ 'k': #2 {__name__}.keep(…)",
        "      └─ #0",
    ]
    assert main(["templates", "inspect", str(path), "--explain", digest(other)[:12]]) == 0
    assert "1 node, 0 edges, 1 slot" in capsys.readouterr().out
    assert main(["templates", "inspect", str(path), "--tree", "zz"]) == 1
    assert main(["templates", "inspect", str(path), "--tree", ""]) == 1
    told = capsys.readouterr().err.splitlines()
    assert told[0].startswith("cascade: no templates with a digest that begins with 'zz' - at")
    assert told[1].startswith("cascade: 2 templates with a digest that begins with '' - at")


def test_a_deep_or_wide_tree_is_cut(tmp_path: Path, capsys: Captured) -> None:
    deep: object = leaf()
    for _ in range(1000):
        deep = keep(deep)
    wide = keep(*(leaf() for _ in range(1000)))
    path = write(tmp_path / "one", deep, wide)  # type: ignore[arg-type]
    for target, end in ((deep, "└─ …"), (wide, "… of 1,001 nodes")):
        assert main(["templates", "inspect", str(path), "--tree", digest(target)]) == 0  # type: ignore[arg-type]
        lines = capsys.readouterr().out.splitlines()
        assert lines[-1].endswith(end) and len(lines) <= 202


@pytest.mark.parametrize("command", ["inspect", "verify", "prune", "merge"])
@pytest.mark.parametrize("content", [None, b"import this", b"\x93CASCADE\2\0\0\0" + bytes(100)])
def test_a_wrong_file_is_reported_in_one_line(
    tmp_path: Path, capsys: Captured, command: str, content: bytes | None
) -> None:
    path = tmp_path / "one"
    if content is not None:
        path.write_bytes(content)
    more = ["-o", str(tmp_path / "out")] if command == "merge" else []
    assert main(["templates", command, str(path), *more]) == 1
    told = capsys.readouterr()
    assert told.out == "" and told.err.startswith("cascade: ") and str(path) in told.err
    assert len(told.err.splitlines()) == 1
    assert {entry.name for entry in tmp_path.iterdir()} <= {"one"}


def test_merge(tmp_path: Path, capsys: Captured) -> None:
    one, other = write(tmp_path / "one", leaf(), keep(1)), write(tmp_path / "other", keep(1), keep(1, 2))
    out = tmp_path / "out"
    assert main(["templates", "merge", str(one), str(other), "-o", str(out)]) == 0
    assert main(["templates", "merge", str(write(tmp_path / "more", keep())), "--output", str(out)]) == 0
    assert capsys.readouterr().out.splitlines() == [f"3 templates in {out}", f"4 templates in {out}"]
    assert count(out) == 4


def test_merge_takes_nothing_of_a_damaged_file(tmp_path: Path, capsys: Captured) -> None:
    one, other = write(tmp_path / "one", leaf()), write(tmp_path / "other", keep(1))
    other.write_bytes(other.read_bytes()[:-1] + b"\0")
    assert main(["templates", "merge", str(one), str(other), "-o", str(tmp_path / "out")]) == 1
    assert not (tmp_path / "out").exists()
    assert "checksum" in capsys.readouterr().err


def test_verify(tmp_path: Path, capsys: Captured) -> None:
    good, bad = write(tmp_path / "good", leaf(), keep()), write(tmp_path / "bad", leaf())
    forge(bad, [(encoding_of(leaf())[0], encoding_of(keep())[1])])
    assert main(["templates", "verify", str(good)]) == 0
    assert main(["templates", "verify", str(bad), str(good)]) == 1
    told = capsys.readouterr()
    assert told.out.splitlines() == [f"{good}: 2 templates, all right"] * 2
    assert "another digest" in told.err


def test_prune_keeps_what_was_added_last(tmp_path: Path, capsys: Captured) -> None:
    targets = [keep(*range(number)) for number in range(10)]
    path = write(tmp_path / "one", *targets)
    assert main(["templates", "prune", str(path), "--count", "6"]) == 0
    assert main(["templates", "prune", str(path)]) == 0
    left = sorted(TemplateFile(path), key=lambda entry: entry.offset)
    assert [entry.digest.hex() for entry in left] == [digest(target) for target in targets[4:]]
    room = sum(entry.size for entry in left[-2:])
    assert main(["templates", "prune", str(path), "--size", str(room)]) == 0
    assert [entry.digest for entry in sorted(TemplateFile(path), key=lambda entry: entry.offset)] == [
        entry.digest for entry in left[-2:]
    ]
    assert main(["templates", "prune", str(path), "--count", "0"]) == 0
    assert count(path) == 0
    kept = [f"{n} of {m} templates kept in {path}" for n, m in ((6, 10), (6, 6), (2, 6), (0, 2))]
    assert capsys.readouterr().out.splitlines() == kept
    assert main(["templates", "prune", str(path), "--count", "-1"]) == 2


def named(module: str, name: str) -> cs.LazyResult:
    def inner() -> None: ...

    inner.__module__ = module
    inner.__qualname__ = name
    return cs.task(inner)()


def test_prune_what_can_no_longer_be_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "script_that_ends.py").write_text("raise SystemExit(3)")
    monkeypatch.syspath_prepend(tmp_path)
    there = [
        keep(leaf()),
        given(),
        named(__name__, "Holder.make"),
        named(__name__, "test_verify.<locals>.gone.by"),
        named("__main__", "anything"),
        keep(cs.wait(1)),
        cs.gather(leaf()),
    ]
    gone = [
        named("no_such_module", "task"),
        named(__name__, "no_such_task"),
        named(__name__, "Holder.no"),
        keep(named(__name__, "nobody.<locals>.inner")),
        named("script_that_ends", "task"),
    ]
    path = write(tmp_path / "one", *there, *gone)
    assert main(["templates", "prune", str(path), "--missing"]) == 0
    assert {entry.digest.hex() for entry in TemplateFile(path)} == {digest(target) for target in there}


@pytest.mark.parametrize("command", ["inspect", "verify"])
def test_an_older_format_is_reported(tmp_path: Path, capsys: Captured, command: str) -> None:
    path = write(tmp_path / "one", leaf())
    data = path.read_bytes()
    path.write_bytes(data[:8] + bytes(4) + data[12:])
    assert main(["templates", command, str(path)]) == 0
    assert "0 templates (format 0, older than 1: counts as empty)" in capsys.readouterr().out


PROGRAM = """
import cascade as cs

@cs.task(mode="inline")
def add(a, b):
    raise SystemExit("nothing is run")

one = add(1, add(2, 3))
several = [one, add(1, b=2)]

class Inside:
    target = add(b=1, a=2)

def made():
    return add(1, add(2, b=3))

def fails():
    return 1 / 0

wrong = 7
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "program_of_targets.py").write_text(PROGRAM)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.delitem(sys.modules, "program_of_targets", raising=False)
    return "program_of_targets"


def test_build(tmp_path: Path, capsys: Captured, module: str) -> None:
    out = tmp_path / "out"
    targets = [f"{module}:{name}" for name in ("one", "several", "Inside.target", "made")]
    assert main(["templates", "build", *targets, "-o", str(out)]) == 0
    assert capsys.readouterr().out == f"4 templates in {out}\n"
    templates = cs.Templates()
    templates.load(out, strict=True)
    program = sys.modules[module]
    for target in (program.one, program.several, program.Inside.target, program.made()):
        templates.lookup(expression(target))
    assert (templates.stats.builds, templates.stats.loaded) == (0, 4)


@pytest.mark.parametrize(
    ("target", "status", "message"),
    [
        ("no_such_module:x", 2, "cannot import module 'no_such_module'"),
        ("{}:nothing", 2, "module program_of_targets has no 'nothing'"),
        ("{}", 2, "name must be MODULE:NAME"),
        (":x", 2, "name must be MODULE:NAME"),
        ("{}:wrong", 2, "got `int`"),
        ("{}:add", 2, "needs 'a', 'b'"),
        ("{}:fails", 1, "ZeroDivisionError"),
    ],
)
def test_build_of_what_cannot_be_had(
    tmp_path: Path, capsys: Captured, module: str, target: str, status: int, message: str
) -> None:
    out = tmp_path / "out"
    assert main(["templates", "build", f"{module}:one", target.format(module), "-o", str(out)]) == status
    told = capsys.readouterr()
    assert told.out == "" and message in told.err and len(told.err.splitlines()) == 1
    assert not out.exists()


@pytest.mark.parametrize("command", ["build", "merge", "verify"])
def test_nothing_given_is_refused(tmp_path: Path, capsys: Captured, command: str) -> None:
    more = [] if command == "verify" else ["-o", str(tmp_path / "out")]
    assert main(["templates", command, *more]) == 2
    assert "at least one" in capsys.readouterr().err
    assert [*tmp_path.iterdir()] == []


def test_what_cannot_be_written_is_named(tmp_path: Path, capsys: Captured) -> None:
    out = tmp_path / "no" / "out"
    assert main(["templates", "merge", str(write(tmp_path / "one", leaf())), "-o", str(out)]) == 1
    assert f"'{out}'" in capsys.readouterr().err


# -- as a user has them --------------------------------------------------------------------------------------------


def cascade(directory: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    code = "import sys; from cascade.command_line.app import main; sys.exit(main())"
    path = os.pathsep.join([str(HOME), os.environ.get("PYTHONPATH", "")])
    return subprocess.run(
        [sys.executable, "-P", "-c", code, *arguments], cwd=directory, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": path, **environment},
    )  # fmt: skip


def test_from_a_target_to_a_warm_start(tmp_path: Path) -> None:
    """Build in one process, inspect, merge, prune and verify in others, and start warm in the last."""
    (tmp_path / "app.py").write_text(PROGRAM.replace('raise SystemExit("nothing is run")', "return a + b"))

    def done(*arguments: str, **environment: str) -> str:
        ended = cascade(tmp_path, *arguments, **environment)
        assert (ended.returncode, ended.stderr) == (0, "")
        return ended.stdout

    assert done("templates", "build", "app:one", "app:several", "app:made", "-o", "shapes") == "3 templates in shapes\n"
    assert done("templates", "verify", "shapes") == "shapes: 3 templates, all right\n"
    assert done("templates", "merge", "shapes", "-o", "other") == "3 templates in other\n"
    assert done("templates", "prune", "other", "--count", "2", "--missing") == "2 of 3 templates kept in other\n"
    assert done("templates", "merge", "other", "shapes", "-o", "other") == "3 templates in other\n"
    table = done("templates", "inspect", "other").splitlines()
    assert [line.split()[1] for line in table[1:-1]].count("app.add") == 2
    before = (tmp_path / "other").read_bytes()
    assert done("run", "app:several", CASCADE_TEMPLATES="other") == "[6, 3]\n"
    assert (tmp_path / "other").read_bytes() == before  # nothing was new
    assert done("run", "app:Inside.target", CASCADE_TEMPLATES="other") == "3\n"
    assert count(tmp_path / "other") == 4
    (tmp_path / "app.py").unlink()
    assert done("templates", "prune", "other", "--missing") == "0 of 4 templates kept in other\n"


def test_a_reader_that_goes_away(tmp_path: Path) -> None:
    write(tmp_path / "one", *(keep(*range(number)) for number in range(2000)))
    code = "import sys; from cascade.command_line.app import main; sys.exit(main())"
    path = os.pathsep.join([str(HOME), os.environ.get("PYTHONPATH", "")])
    process = subprocess.Popen(
        [sys.executable, "-P", "-c", code, "templates", "inspect", "one"], cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": path}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None and process.stderr is not None
    assert process.stdout.readline().split()[0] == "digest"
    process.stdout.close()
    assert process.stderr.read() == ""
    process.stderr.close()
    assert process.wait() == 1
