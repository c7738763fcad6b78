"""The line about a run that takes long."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest

import cascade as cs

pytest.importorskip("cyclopts", reason="needs the extra cli")
pytest.importorskip("rich", reason="needs the extra cli")

from cascade.command_line import execution, progress
from cascade.command_line.app import main

HOME = Path(cs.__file__).parent.parent
posix = pytest.mark.skipif(os.name != "posix", reason="needs a pseudo-terminal")

JOBS = """
    import asyncio
    import sys
    import time
    import cascade as cs

    def until_a_line():
        sys.stdin.readline()

    @cs.task
    async def patient(n: int = 0):
        print("started", flush=True)
        await asyncio.to_thread(until_a_line)
        print("a line of its own", flush=True)
        await asyncio.to_thread(until_a_line)
        return "done"

    @cs.task(mode="inline")
    def looping(n: int):
        return looping(n - 1) if n else patient()

    @cs.task(mode="thread")
    def threaded():
        until_a_line()

    @cs.task(mode="inline")
    def blocking():
        until_a_line()
        return "done"
"""


class Terminal:
    """A command whose standard error is a terminal, and with ``both`` its standard output, too."""

    def __init__(self, folder: Path, *arguments: str, both: bool = False, **environment: str) -> None:
        self._screen, inner = os.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "cascade", *arguments],
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=inner if both else subprocess.PIPE,
            stderr=inner,
            env={**os.environ, "PYTHONPATH": str(HOME), "TERM": "xterm", "COLUMNS": "80", **environment},
        )
        os.close(inner)
        self.seen = ""

    def wait_for(self, pattern: str, count: int = 1) -> None:
        """Wait until the terminal has got so many different texts that match a pattern."""
        while len(set(re.findall(pattern, self.seen))) < count:
            assert self._read(), self.seen

    def _read(self) -> bool:
        try:
            got = os.read(self._screen, 10_000)
        except OSError:  # nobody has the other end any longer
            return False
        self.seen += got.decode()
        return bool(got)

    def enter(self) -> None:
        """Give the command a line."""
        assert self.process.stdin is not None
        self.process.stdin.write(b"\n")
        self.process.stdin.flush()

    def end(self) -> int:
        """Wait for the end, and return the exit status."""
        while self._read():
            pass
        return self.process.wait(60)

    @property
    def out(self) -> IO[bytes]:
        assert self.process.stdout is not None
        return self.process.stdout

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._screen)
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                stream.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "jobs.py").write_text(textwrap.dedent(JOBS))
    return tmp_path


@pytest.fixture
def terminals() -> Iterator[list[Terminal]]:
    opened: list[Terminal] = []
    yield opened
    for each in opened:
        each.close()


CLEARED = "\x1b[2K"
"""What clears a line of a terminal."""
SHOW_CURSOR, HIDE_CURSOR = "\x1b[?25h", "\x1b[?25l"


@posix
def test_a_line_appears_moves_and_goes_away(folder: Path, terminals: list[Terminal]) -> None:
    terminal = Terminal(folder, "run", "jobs:looping", "1200")
    terminals.append(terminal)
    terminal.wait_for(r"(\d+) s, 1,201 tail calls, running patient", count=2)
    terminal.enter()
    terminal.enter()
    assert terminal.end() == 0
    assert terminal.seen.endswith(CLEARED)  # nothing of it is left
    assert "\n\n" not in terminal.seen
    assert terminal.out.read() == b"started\na line of its own\n'done'\n"


@posix
def test_what_is_printed_meanwhile_stands_above_it(folder: Path, terminals: list[Terminal]) -> None:
    terminal = Terminal(folder, "run", "jobs:patient", both=True)
    terminals.append(terminal)
    terminal.wait_for(r"\d s, running patient")
    terminal.enter()
    terminal.wait_for("a line of its own\r\n")
    before, _, _ = terminal.seen.partition("a line of its own")
    assert before.endswith(CLEARED)
    terminal.enter()
    assert terminal.end() == 0
    assert terminal.seen.endswith(f"{CLEARED}'done'\r\n")


@posix
def test_a_task_holds_the_event_loop(folder: Path, terminals: list[Terminal]) -> None:
    terminal = Terminal(folder, "run", "jobs:blocking")
    terminals.append(terminal)
    terminal.wait_for("the event loop is busy")
    terminal.enter()
    assert terminal.end() == 0


@posix
@pytest.mark.parametrize("options", [["--quiet"], ["--json"], ["--log", "json"]], ids=" ".join)
def test_nothing_is_shown(folder: Path, terminals: list[Terminal], options: list[str]) -> None:
    terminal = Terminal(folder, "run", "jobs:patient", *options)
    terminals.append(terminal)
    assert terminal.out.readline() == b"started\n"
    terminal.enter()
    terminal.enter()
    assert terminal.end() == 0
    assert "\x1b" not in terminal.seen and "running" not in terminal.seen


@posix
def test_a_second_interrupt_leaves_a_terminal_as_it_was(folder: Path, terminals: list[Terminal]) -> None:
    terminal = Terminal(folder, "run", "jobs:threaded")
    terminals.append(terminal)
    terminal.wait_for("running threaded")
    terminal.process.send_signal(signal.SIGINT)
    terminal.wait_for("stopping: running threaded")
    terminal.process.send_signal(signal.SIGINT)
    assert terminal.end() == 130
    assert terminal.seen.endswith(CLEARED)
    assert terminal.seen.rindex(SHOW_CURSOR) > terminal.seen.rindex(HIDE_CURSOR)


class Recorded:
    """Stands for the progress: whether it was shown, and how its line would have been."""

    def __init__(self, engine: cs.Engine) -> None:
        shown.append(engine)

    def __enter__(self) -> None: ...

    def __exit__(self, *error: object) -> None: ...


shown: list[cs.Engine] = []


@pytest.mark.parametrize(
    ("options", "terminal", "expected"),
    [
        ([], True, 1),
        (["-v"], True, 1),
        (["--virtual"], True, 1),
        ([], False, 0),
        (["-q"], True, 0),
        (["--json"], True, 0),
        (["--log", "text"], True, 0),
        (["--log", "json"], True, 0),
        (["--dry-run"], True, 0),
    ],
    ids=str,
)
def test_when_it_is_shown(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    options: list[str],
    terminal: bool,
    expected: int,
) -> None:
    (tmp_path / "cli_progress_jobs.py").write_text("import cascade as cs\nmain = cs.wait(0)\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(execution, "is_shown", lambda: terminal)
    monkeypatch.setattr(execution, "Progress", Recorded)
    shown.clear()
    assert main(["run", "cli_progress_jobs:main", *options]) == 0
    sys.modules.pop("cli_progress_jobs")
    assert len(shown) == expected


def test_a_terminal_that_draws_nothing_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    class Stream:
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stderr", Stream())
    monkeypatch.setenv("TERM", "xterm")
    assert progress.is_shown()
    monkeypatch.setenv("TERM", "dumb")
    assert not progress.is_shown()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", None)
    assert not progress.is_shown()


def test_the_line_counts_runs_and_tail_calls() -> None:
    @cs.task(mode="inline")
    def loop(n: int) -> object:
        return loop(n - 1) if n else cs.wait(60)

    async def made() -> str:
        async with cs.Engine() as engine:
            runs = [engine.start(loop(n)) for n in (1, 2)]
            while not all(run.state == "parked" for run in runs):
                await asyncio.sleep(0)
            return progress.progress_line(engine, 61.5, "waiting")

    assert asyncio.run(made()) == "1 min 1 s, 2 runs, 5 tail calls, waiting"


@pytest.mark.parametrize("how", ["async", "suspends", "thread", "policies", "map", "nested", "fails"])
def test_the_line_counts_finished_calls(how: str) -> None:
    @cs.task
    async def quick(n: int) -> int:
        if how == "suspends":
            await asyncio.sleep(0)
        return n

    @cs.task(mode="thread")
    def in_a_thread(n: int) -> int:
        return n

    @cs.task(mode="inline")
    def governed(n: int) -> int:
        if how == "fails" and n == 2:
            raise ValueError
        return n

    tasks = {"thread": in_a_thread, "policies": governed, "fails": governed}
    task = tasks.get(how, quick)
    calls: list[object] = [task.with_retry(2)(n) for n in range(3)]
    made: object = {"map": task.map(n=range(3)), "nested": cs.scope(calls).with_timeout(60)}.get(how, calls)

    async def line() -> str:
        async with cs.Engine() as engine:
            before = progress.progress_line(engine, 3)
            await engine.run(cs.outcome([made, cs.wait(0)]))
            assert before == "3 s"
            return progress.progress_line(engine, 3)

    assert asyncio.run(line()) == "3 s, 3 calls finished"


def test_it_is_stopped_before_it_was_shown(capsys: pytest.CaptureFixture[str]) -> None:
    with progress.Progress(cs.Engine()) as shown:
        thread = shown._thread
        assert thread is not None and thread.is_alive()
    assert not thread.is_alive()
    assert capsys.readouterr() == ("", "")
