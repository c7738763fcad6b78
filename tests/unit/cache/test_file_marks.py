"""Half a file is no result: whatever becomes of the task that makes it."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import cascade as cs
from cascade.cache.file_exists import FileExists

ran: list[Any] = []
begun, go = threading.Event(), threading.Event()


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    ran.clear()
    begun.clear()
    go.clear()
    yield
    go.set()


def marks(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*.unfinished"))


def write(path: Path, *, failure: BaseException | None = None, wait: bool = False) -> None:
    """Write a file in two halves; the first time, something happens in between."""
    ran.append(path)
    with path.open("w") as file:
        file.write("header\n")
        file.flush()
        if len(ran) == 1 and failure is not None:
            raise failure
        if len(ran) == 1 and wait:
            begun.set()
            assert go.wait(60)
        file.write("row\n")


@cs.task
async def fails(path: Path) -> None:
    write(path, failure=OSError("connection lost"))


@cs.task(mode="thread")
def hangs(path: Path) -> None:
    write(path, wait=True)


def kept(task: Any, path: Path) -> Any:
    return task(path).with_cache(FileExists(path))


@pytest.mark.parametrize("task", [fails, cs.task(fails.fn, name="again"), cs.task(mode="inline")(lambda p: fails(p))])
def test_a_failure_half_way(tmp_path: Path, task: Any) -> None:
    path = tmp_path / "report"
    with pytest.raises(OSError, match="connection lost"):
        cs.run(kept(task, path))
    assert path.read_text() == "header\n" and len(marks(tmp_path)) == 1
    for _ in range(3):
        assert cs.run(kept(task, path)).read_text() == "header\nrow\n"
    assert len(ran) == 2 and not marks(tmp_path)


def test_a_retry_is_inside(tmp_path: Path) -> None:
    path = tmp_path / "report"
    for _ in range(2):
        call = fails(path).with_retry(2).with_cache(FileExists(path))
        assert cs.run(call).read_text() == "header\nrow\n"
    assert len(ran) == 2 and not marks(tmp_path)


async def until(event: threading.Event) -> None:
    while not event.is_set():
        await asyncio.sleep(0)


async def test_a_call_that_is_cancelled(tmp_path: Path) -> None:
    path = tmp_path / "report"
    async with cs.Engine() as engine:
        run = engine.start(kept(hangs, path))
        await until(begun)
        run.cancel()
        go.set()
        with pytest.raises(asyncio.CancelledError):
            await run
        assert (await engine.run(kept(hangs, path))).read_text() == "header\nrow\n"
    assert len(ran) == 2 and not marks(tmp_path)


async def test_a_thread_that_goes_on_when_its_time_is_over(tmp_path: Path) -> None:
    path = tmp_path / "report"
    async with cs.Engine() as engine:
        with pytest.raises(cs.TaskTimeoutError):
            await engine.run(hangs(path).with_timeout(0.05).with_cache(FileExists(path)))
        await until(begun)
        # As long as it may write to the file, nothing in it counts...
        for _ in range(2):
            assert (await engine.run(kept(hangs, path))).read_text() == "header\nrow\n"
        assert len(ran) == 3
        go.set()
        while marks(tmp_path):  # ...and it has to be made once more, when the thread has ended
            await engine.run(kept(hangs, path))
        count = len(ran)
        await engine.run(kept(hangs, path))
    assert len(ran) == count >= 4


CHILD = """
    import os, signal, sys
    from pathlib import Path
    import cascade as cs

    path = Path(sys.argv[1])

    @cs.task(mode="inline")
    def make():
        print("runs")
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w") as file:
            file.write("half")
            file.flush()
            if len(sys.argv) > 2:
                os.kill(os.getpid(), signal.SIGKILL)
            file.write(" whole")

    print(cs.run(make().with_cache(cs.FileExists(path))).read_text())
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no such signal")
@pytest.mark.parametrize("place", ["report", "made/by/it/report"])
def test_a_process_that_is_killed(tmp_path: Path, place: str) -> None:
    command = [sys.executable, "-c", textwrap.dedent(CHILD), str(tmp_path / place)]
    killed = subprocess.run([*command, "now"], capture_output=True, text=True, check=False)
    assert killed.returncode == -signal.SIGKILL and killed.stdout in ("", "runs\n")
    assert (tmp_path / place).read_text() == "half"
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "runs\nhalf whole\n"
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "half whole\n"
    assert not marks(tmp_path)


def test_several_files_and_a_directory(tmp_path: Path) -> None:
    paths = [tmp_path / "a", tmp_path / "folder"]

    @cs.task(mode="inline")
    def make() -> None:
        ran.append(1)
        paths[0].write_text("")
        paths[1].mkdir(exist_ok=True)
        if len(ran) == 1:
            raise OSError
        (paths[1] / "part").write_text("")

    call = make().with_cache(FileExists(paths))
    with pytest.raises(OSError):
        cs.run(call)
    assert cs.run([call, call.with_retry(2)]) == [paths, paths]
    assert len(ran) == 2 and not marks(tmp_path)


@pytest.mark.parametrize("replaced", [False, True])
@pytest.mark.posix_only
def test_a_link_and_what_it_leads_to(tmp_path: Path, replaced: bool) -> None:
    real, link = tmp_path / "elsewhere" / "real", tmp_path / "link"
    real.parent.mkdir()
    link.symlink_to(real)

    @cs.task(mode="inline")
    def make() -> None:
        ran.append(1)
        if replaced:
            link.unlink()
        write_to = link if replaced else real
        write_to.write_text("half")
        if len(ran) == 1:
            raise OSError
        if replaced:
            link.unlink()
            link.symlink_to(real)
            real.write_text("whole")

    with pytest.raises(OSError):
        cs.run(make().with_cache(FileExists(link)))
    if not replaced:  # by another name it is the same file
        assert cs.run(make().with_cache(FileExists(real))) == real
        assert len(ran) == 2
    assert cs.run(make().with_cache(FileExists(link))) == link
    assert cs.run(make().with_cache(FileExists(link))) == link
    assert len(ran) <= 3


def test_a_failure_before_there_is_a_file_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "report"

    @cs.task(mode="inline")
    def early() -> None:
        assert len(marks(tmp_path)) == 1
        raise OSError("nothing to report")

    with pytest.raises(OSError, match="nothing to report"):
        cs.run(early().with_cache(FileExists(path)))
    with pytest.raises(FileNotFoundError):
        cs.run(cs.task(mode="inline")(lambda: None)().with_cache(FileExists(path)))
    assert not list(tmp_path.iterdir())


def test_what_was_there_before_counts(tmp_path: Path) -> None:
    path = tmp_path / "report"
    path.write_text("by hand")
    assert cs.run(kept(fails, path)).read_text() == "by hand"
    assert not ran and not marks(tmp_path)


def test_two_at_work_on_one_file(tmp_path: Path) -> None:
    """Neither was alone, so neither knows that it is whole."""
    path = tmp_path / "report"
    policy = FileExists(path)
    key = policy.key(fails, (path,), {})
    first = policy.begin(key)
    second = policy.begin(key)
    path.write_text("")
    first(True)
    assert policy.load(key, 0.0) is None
    second(True)
    assert policy.load(key, 0.0) is None
    policy.begin(key)(False)
    assert policy.load(key, 0.0) is None
    policy.begin(key)(True)
    assert policy.load(key, 0.0) is not None
    assert not marks(tmp_path)


def test_a_place_where_no_mark_can_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    path = tmp_path / "file" / "report"
    with pytest.raises(OSError):
        cs.run(kept(fails, path))
