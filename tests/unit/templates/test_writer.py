"""Saving: whole or not at all, many at once, and nothing of anybody else's lost."""

from __future__ import annotations

import logging
import os
import resource
import subprocess
import sys
import textwrap
import threading
import tracemalloc
from pathlib import Path

import pytest

import cascade as cs
from cascade.exceptions import TemplateError
from cascade.templates.reader import ENTRY, HEADER, MAGIC, TemplateFile, checksum, header
from cascade.templates.store import adding, examine
from cascade.templates.writer import rewrite
from support.paths import HOME, TESTS
from support.template_files import encoding_of


@cs.task(mode="inline")
def keep(*args: object) -> object:
    return args


def encodings(*numbers: int) -> dict[bytes, bytes]:
    return dict(encoding_of(keep(*range(number))) for number in numbers)


def save(path: Path, *numbers: int) -> int:
    return rewrite(path, adding(encodings(*numbers)))


def digests(path: Path) -> set[bytes]:
    file = TemplateFile(path)
    examine(file)
    return {entry.digest for entry in file}


def test_what_is_there_stays_and_keeps_its_place(tmp_path: Path) -> None:
    path = tmp_path / "one"
    assert save(path, 5, 3) == 2
    assert save(path, 4, 3) == 3
    oldest_first = [entry.digest for entry in sorted(TemplateFile(path), key=lambda entry: entry.offset)]
    assert oldest_first == list(encodings(5, 3, 4))
    assert {entry.name for entry in tmp_path.iterdir()} == {"one", "one.lock"}


def test_the_same_templates_make_the_same_file(tmp_path: Path) -> None:
    for name in ("one", "other"):
        save(tmp_path / name, 1, 2, 3)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "other").read_bytes()


def test_nothing_new_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "one"
    save(path, 1, 2)
    before = path.stat().st_ino
    assert save(path, 2) == 2
    assert path.stat().st_ino == before


def test_nothing_is_a_file_of_nothing(tmp_path: Path) -> None:
    assert cs.Templates().save(tmp_path / "one") == 0
    assert digests(tmp_path / "one") == set()


# -- what is there already ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("content", [b"import cascade\n", bytes(500), MAGIC[:6]])
def test_other_files_are_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "program.py"
    path.write_bytes(content)
    with pytest.raises(TemplateError, match="not a file of templates"):
        save(path, 1)
    assert path.read_bytes() == content


@pytest.mark.parametrize("what", ["directory", "pipe"])
@pytest.mark.posix_only
def test_what_is_no_file_is_neither_waited_for_nor_given_a_lock(tmp_path: Path, what: str) -> None:
    path = tmp_path / "one"
    {"directory": os.mkdir, "pipe": os.mkfifo}[what](path)
    with pytest.raises(TemplateError, match=r"not a regular file - at `.*one`"):
        save(path, 1)
    assert [entry.name for entry in tmp_path.iterdir()] == ["one"]


def test_a_newer_format_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "one"
    save(path, 1)
    data = path.read_bytes()
    newer = data[:8] + b"\2\0\0\0" + data[12:]
    path.write_bytes(newer)
    with pytest.raises(TemplateError, match="newer"):
        save(path, 2)
    assert path.read_bytes() == newer


def test_an_older_format_is_written_anew(tmp_path: Path) -> None:
    path = tmp_path / "one"
    save(path, 1)
    data = path.read_bytes()
    path.write_bytes(data[:8] + b"\0\0\0\0" + data[12:])
    assert save(path, 2) == 1
    assert digests(path) == set(encodings(2))


def test_an_empty_file_is_filled(tmp_path: Path) -> None:
    (tmp_path / "one").touch()
    assert save(tmp_path / "one", 1) == 1


def test_what_is_damaged_is_dropped_and_what_is_not_stays(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "one"
    save(path, 1, 2, 3)
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    assert save(path, 4) == 3
    assert digests(path) == set(encodings(1, 2, 4))
    data = bytearray(path.read_bytes())
    data[85] ^= 1
    path.write_bytes(data)
    assert save(path, 5) == 1
    assert digests(path) == set(encodings(5))
    assert [record.levelno for record in caplog.records] == [logging.WARNING] * 2


def overlapping(path: Path) -> Path:
    """Write a file of a thousand templates that are all the same megabyte, with every checksum right."""
    body, start = bytes(1 << 20), HEADER.size + 1000 * ENTRY.size
    entry = [ENTRY.pack(number.to_bytes(32, "big"), checksum(body), start, len(body)) for number in range(1000)]
    index = b"".join(entry)
    path.write_bytes(header(1000, start + len(body), "forged", index) + index + body)
    return path


def test_templates_that_overlap_take_no_memory(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = overlapping(tmp_path / "one")
    templates = cs.Templates()
    assert templates.load(path) == 1000
    templates.lookup(keep())
    made = encodings(1)
    tracemalloc.start()
    try:
        assert templates.save(tmp_path / "other") == 1
        assert rewrite(path, adding(made)) == 1
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()
    assert digests(path) == set(made)
    assert ["where" in record.getMessage() for record in caplog.records] == [True, True]


def test_a_full_disk_leaves_the_old_file_and_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "one"
    save(path, 1)
    before = path.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    made = encodings(2, 3, 4, 5)
    resource.setrlimit(resource.RLIMIT_FSIZE, (400, limits[1]))
    try:
        with pytest.raises(OSError, match=r"too large: '.*one'$"):
            rewrite(path, adding(made))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_bytes() == before
    assert {entry.name for entry in tmp_path.iterdir()} == {"one", "one.lock"}


@pytest.mark.posix_only
def test_links_and_permissions_stay(tmp_path: Path) -> None:
    path, link = tmp_path / "one", tmp_path / "link"
    save(path, 1)
    path.chmod(0o640)
    link.symlink_to(path)
    save(link, 2)
    assert link.is_symlink() and len(digests(path)) == 2
    assert path.stat().st_mode & 0o777 == 0o640


def test_a_reader_keeps_what_it_has_opened(tmp_path: Path) -> None:
    path = tmp_path / "one"
    save(path, 1)
    before = TemplateFile(path)
    save(path, 2)
    (entry,) = before
    assert before.encoding(entry) == encodings(1)[entry.digest]


# -- at the same time --------------------------------------------------------------------------------------------------

SAVER = """
import sys, unit.templates.test_writer as t
from pathlib import Path
numbers = range(int(sys.argv[2]), int(sys.argv[3]))
made = {number: t.encodings(number) for number in numbers}
print("ready", flush=True)
sys.stdin.readline()
for number in numbers:
    t.rewrite(Path(sys.argv[1]), t.adding(made[number]))
"""


def start(code: str, *arguments: object, cwd: Path | None = None) -> subprocess.Popen[str]:
    path = os.pathsep.join([str(HOME), str(TESTS), os.environ.get("PYTHONPATH", "")])
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": path},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=cwd,
    )


def test_eight_processes_at_once_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "one"
    processes = [start(SAVER, path, 10 * number, 10 * number + 10) for number in range(8)]
    for process in processes:
        assert process.stdout.readline() == "ready\n"  # type: ignore[union-attr]
    for process in processes:
        process.stdin.write("go\n")  # type: ignore[union-attr]
        process.stdin.flush()  # type: ignore[union-attr]
    for process in processes:
        process.communicate()
        assert process.returncode == 0
    assert digests(path) == set(encodings(*range(80)))


ENDER = """
import sys, cascade as cs, unit.templates.test_writer as t
numbers = range(int(sys.argv[1]), int(sys.argv[2]))
own = cs.Engine(templates=cs.Templates(sys.argv[3]))
for number in numbers:
    cs.run(t.keep(*range(number)))
    cs.run(t.keep([t.keep()], *range(number)), engine=own)
print("ready", flush=True)
sys.stdin.readline()
"""


def test_eight_processes_that_end_at_once_lose_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    named, own = tmp_path / "named", tmp_path / "own"
    monkeypatch.setenv("CASCADE_TEMPLATES", str(named))
    processes = [start(ENDER, 5 * number, 5 * number + 5, own) for number in range(8)]
    for process in processes:
        assert process.stdout.readline() == "ready\n"  # type: ignore[union-attr]
    assert not named.exists() and not own.exists()
    for process in processes:
        process.stdin.close()  # type: ignore[union-attr]
    for process in processes:
        process.stdout.close()  # type: ignore[union-attr]
        assert process.wait() == 0
    assert digests(own) == {encoding_of(keep([keep()], *range(number)))[0] for number in range(40)}
    # What an engine with a file of its own has met is new to the file of the environment, too.
    assert digests(named) == set(encodings(*range(40))) | digests(own)


@pytest.mark.parametrize("how", ["fork", "spawn", "forkserver"])
def test_processes_of_multiprocessing_save_at_their_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    (tmp_path / "program.py").write_text(MULTIPROCESSING)
    monkeypatch.setenv("CASCADE_TEMPLATES", str(tmp_path / "one"))
    process = start(f"import program; program.main({how!r})", cwd=tmp_path)
    process.communicate()
    assert process.returncode == 0
    assert digests(tmp_path / "one") == set(encodings(0, 1, 2, 3))


MULTIPROCESSING = """
import multiprocessing, cascade as cs, unit.templates.test_writer as t

def work(number):
    cs.run(t.keep(*range(number)))

def main(how):
    work(0)
    processes = [multiprocessing.get_context(how).Process(target=work, args=(number,)) for number in (1, 2, 3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
        assert process.exitcode == 0
"""


def test_eight_threads_at_once_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "one"
    made = [[encodings(10 * thread + number) for number in range(5)] for thread in range(8)]
    begin = threading.Barrier(8)

    def work(mine: list[dict[bytes, bytes]]) -> None:
        begin.wait()
        for one in mine:
            rewrite(path, adding(one))

    threads = [threading.Thread(target=work, args=(mine,)) for mine in made]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(digests(path)) == 40


def test_others_are_not_waited_for_without_end(tmp_path: Path) -> None:
    path = tmp_path / "one"
    save(path, 1)

    def other() -> None:
        with pytest.raises(TimeoutError, match="other writers have held the lock for 0 s"):
            rewrite(path, adding(encodings(2)), patience=0)
        waited.append(True)

    def inside(there: dict[bytes, bytes]) -> dict[bytes, bytes]:
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
        return {**there, **encodings(3)}

    waited: list[bool] = []
    assert rewrite(path, inside) == 2
    assert waited


def test_garbage_that_is_collected_during_a_save_is_saved_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "one"
    code = """
        import gc, logging, sys, cascade as cs, unit.templates.test_writer as t

        def collecting(there):
            gc.collect()
            return {**there, **made}

        made = t.encodings(1)
        gc.disable()
        cs.run(t.keep(), engine=cs.Engine(templates=sys.argv[1]))  # with what it refers to, the engine is a cycle
        assert t.rewrite(sys.argv[1], collecting) == 1
    """
    process = start(textwrap.dedent(code), path)
    process.communicate()
    assert process.returncode == 0
    assert digests(path) == set(encodings(0, 1))


@pytest.mark.posix_only
def test_who_was_forked_meanwhile_does_not_keep_the_lock(tmp_path: Path) -> None:
    code = """
        import os, sys, unit.templates.test_writer as t
        there, mine = t.encodings(1), t.encodings(2)
        end, go = os.pipe()

        def forking(_):
            if not os.fork():
                os.close(go)
                os.read(end, 1)  # until the parent has ended
                os._exit(0)
            return there

        t.rewrite(sys.argv[1], forking)
        assert t.rewrite(sys.argv[1], t.adding(mine), patience=0) == 2
    """
    process = start(textwrap.dedent(code), tmp_path / "one")
    process.communicate()
    assert process.returncode == 0


# -- killed ------------------------------------------------------------------------------------------------------------

# Forks, ends the child at the nth of the calls that a save makes to the system (before it, after it, or in the middle
# of what it writes), and looks at the file; for every n.
KILLED = """
import builtins, fcntl, os, signal, sys
from unit.templates import test_writer as t
from pathlib import Path

path, made = Path(sys.argv[1]), t.encodings(*range(10, 15))
old = path.read_bytes()
count = last = 0

def at():
    global count
    count += 1
    if count == last:
        os.kill(os.getpid(), signal.SIGKILL)

def counted(real):
    def call(*arguments, **keywords):
        at()
        done = real(*arguments, **keywords)
        at()
        return done
    return call

class Pieces:
    def __init__(self, stream): self.stream = stream
    def __enter__(self): return self
    def __exit__(self, *error): self.stream.__exit__(*error)
    def write(self, data):
        for half in (data[: len(data) // 2], data[len(data) // 2 :]):
            self.stream.write(half)
            self.stream.flush()
            at()

def save():
    for name in ("open", "fsync", "replace", "unlink", "fchmod", "close", "fstat", "pread"):
        setattr(os, name, counted(getattr(os, name)))
    fcntl.flock = counted(fcntl.flock)
    real = builtins.open
    builtins.open = lambda file, mode="r", **more: (Pieces if mode == "wb" else iter)(real(file, mode, **more))
    t.rewrite(path, t.adding(made))

left = []
for last in range(1, 10_000):
    path.write_bytes(old)
    if not (child := os.fork()):
        save()
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    left.append(path.read_bytes())
    if status == 0:
        break
    assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
    assert left[-1] == old or {entry.digest for entry in t.TemplateFile(path)} >= set(made)
new = left[-1]
assert set(left) == {old, new}
print(len(left), left.index(new))
"""


@pytest.mark.posix_only
def test_killed_anywhere_it_leaves_the_old_or_the_new_file(tmp_path: Path) -> None:
    path = tmp_path / "one"
    save(path, 1, 2, 3)
    process = start(KILLED, path)
    points, first = map(int, process.communicate()[0].split())
    assert process.returncode == 0
    assert 20 < first < points
    # Whatever the dead have left behind is in nobody's way.
    assert save(path, 99) == 3 + 5 + 1
    assert digests(path) == set(encodings(1, 2, 3, *range(10, 15), 99))
    assert {entry.name for entry in tmp_path.iterdir()} == {"one", "one.lock"}
