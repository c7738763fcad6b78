"""What is of POSIX only is not needed: Cascade without it, from end to end, in interpreters that have it hidden.

`fcntl`, `os.pread` and their like are taken away before anything is imported, and `msvcrt.locking` is there as Windows
has it, made of the locks of this system: exclusive locks of byte ranges that belong to the open file.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="hides what Linux has, with its locks of open files")

HIDE = """
import asyncio, concurrent.futures, fcntl, os, sqlite3, struct, subprocess, sys, types
import multiprocessing.connection, multiprocessing.popen_spawn_posix, multiprocessing.resource_tracker  # POSIX's own

fcntl_, held = fcntl, {}

def locking(descriptor, mode, length):
    begin = os.lseek(descriptor, 0, os.SEEK_CUR)
    wanted = (begin, begin + length)
    status = os.fstat(descriptor)
    mine = held.setdefault((descriptor, status.st_ino), [])
    if mode == msvcrt.LK_UNLCK:
        mine.remove(wanted)  # exactly what was locked, as on Windows
        kind = fcntl_.F_UNLCK
    else:
        # Another lock of the same file handle is in the way, too.
        if any(wanted[0] < end and first < wanted[1] for first, end in mine):
            raise PermissionError(13, "locked by itself")
        kind = fcntl_.F_WRLCK
    try:
        fcntl_.fcntl(descriptor, 37, struct.pack("hhqqi4x", kind, os.SEEK_SET, begin, length, 0))  # F_OFD_SETLK
    except BlockingIOError:
        raise PermissionError(13, "locked by another") from None
    if kind == fcntl_.F_WRLCK:
        mine.append(wanted)

close = os.close

def closing(descriptor):
    for each in [each for each in held if each[0] == descriptor]:
        del held[each]
    close(descriptor)

os.close = closing
msvcrt = types.ModuleType("msvcrt")
msvcrt.LK_NBLCK, msvcrt.LK_UNLCK, msvcrt.locking = 2, 0, locking
sys.modules["msvcrt"] = msvcrt if WITH_LOCKS else None
for name in ("fcntl", "resource", "termios", "tty", "pty", "pwd", "grp"):
    sys.modules[name] = None
for name in ("pread", "preadv", "pwrite", "fchmod", "fork", "forkpty", "register_at_fork", "getuid", "geteuid",
             "sysconf", "O_CLOEXEC", "O_NOFOLLOW", "O_NONBLOCK", "O_DIRECTORY"):
    if hasattr(os, name):
        delattr(os, name)
import cascade as cs
"""


@pytest.fixture
def hidden(interpreter: Callable[..., str], tmp_path: Path) -> Callable[..., str]:
    """Run code where all that is hidden, with or without locks on files."""

    def run(code: str, *, locks: bool = True) -> str:
        (tmp_path / "without_posix.py").write_text(HIDE.replace("WITH_LOCKS", str(locks)))
        return interpreter(
            f"import sys\nsys.path.insert(0, {str(tmp_path)!r})\nfrom without_posix import *\n"
            f"from without_posix import msvcrt\nHERE = {str(tmp_path)!r}\n{code}"
        )

    return run


TARGET = """
@cs.task(mode="inline")
def count(n):
    return count(n - 1) if n else "done"
"""


def test_the_engine_and_its_commands(hidden: Callable[..., str]) -> None:
    code = """
import asyncio
assert not hasattr(os, "pread") and sys.modules["fcntl"] is None
import cascade.testing, cascade.inspect, cascade.cache, cascade.demos.fireflies.show
assert cs.run(count(1000)) == "done"

@cs.task(mode="thread")
def thread(n):
    return n

@cs.task
async def later(n):
    await asyncio.sleep(0)
    return n
assert cs.run([thread(1), later(2), later(3)]) == [1, 2, 3]
print("fine")
"""
    assert hidden(TARGET + code) == "fine\n"


def test_template_files(hidden: Callable[..., str], tmp_path: Path) -> None:
    code = """
path = HERE + "/templates"
for _ in range(2):
    engine = cs.Engine(templates=path)
    assert cs.run(count(3), engine=engine) == "done"
    engine.templates.save(path)
before = open(path, "rb").read()
templates = cs.Templates(path)
os.unlink(path)
os.mkdir(path)  # on Windows neither would be possible if the file were still open
print(cs.run(count(3), engine=cs.Engine(templates=templates)), len(before) > 80)
"""
    assert hidden(TARGET + code).endswith("done True\n")
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith("templates")) == [
        "templates", "templates.lock",
    ]  # fmt: skip


def test_writers_of_a_template_file_take_turns(hidden: Callable[..., str], tmp_path: Path) -> None:
    code = """
import threading
from cascade.templates.writer import rewrite
path = HERE + "/templates"
inside, counts = [], []

def add(number):
    def change(encodings):
        inside.append(number)
        assert len(inside) == 1
        inside.pop()
        return {**encodings, bytes([number]) * 32: b"x" * number}
    counts.append(rewrite(path, change))

def blocked(encodings):
    try:
        thread = threading.Thread(target=try_it)
        thread.start()
        thread.join()
    finally:
        return encodings

def try_it():
    try:
        rewrite(path, dict, patience=0)
    except TimeoutError as error:
        print("other writers have held the lock" in str(error))

threads = [threading.Thread(target=add, args=(number,)) for number in range(1, 21)]
for thread in threads: thread.start()
for thread in threads: thread.join()
rewrite(path, blocked)
print(sorted(counts) == list(range(1, 21)), os.path.exists(path + ".tmp"))
"""
    assert hidden(code) == "True\nTrue False\n"


def test_no_locks_at_all_is_an_error_where_they_are_needed(hidden: Callable[..., str], tmp_path: Path) -> None:
    code = """
assert cs.run(count(3)) == "done"
templates = cs.Templates()
cs.run(count(3), engine=cs.Engine(templates=templates))
try:
    templates.save(HERE + "/templates")
except OSError as error:
    print(error)
made = HERE + "/made"

@cs.task(mode="inline")
def make():
    open(made, "w").close()
for _ in range(2):
    print(cs.run(make().with_cache(cs.FileExists(made))))
"""
    text, *made = hidden(TARGET + code, locks=False).splitlines()
    assert "this platform has no locks on files" in text
    assert str(tmp_path / "templates") in text
    assert made == [str(tmp_path / "made")] * 2


def test_files_that_tasks_make(hidden: Callable[..., str], tmp_path: Path) -> None:
    code = """
from cascade.cache.file_marks import UnfinishedMarks, is_marked
made = HERE + "/made"
calls = []

@cs.task(mode="inline")
def make(fails):
    calls.append(1)
    with open(made, "w") as file:
        file.write("half")
        if fails:
            raise ValueError("half")
for fails in (True, False, False):
    try:
        cs.run(make(fails).with_cache(cs.FileExists(made)))
    except ValueError as error:
        print(error)
print(len(calls), is_marked(made.encode()))

# Two at work on one file: the mark stays until one was at work alone.
one, two = UnfinishedMarks((made.encode(),)), UnfinishedMarks((made.encode(),))
one.remove()
two.remove()
print(is_marked(made.encode()))
UnfinishedMarks((made.encode(),)).remove()
print(is_marked(made.encode()))
"""
    assert hidden(code) == "half\n2 False\nTrue\nFalse\n"


def test_results_on_disk(hidden: Callable[..., str]) -> None:
    code = """
calls = []

@cs.task(mode="inline")
def double(n):
    print("runs")
    return 2 * n
for _ in range(2):
    print(cs.run(double(4).with_cache(cs.ResultCache(store=cs.DiskStore(HERE + "/results")))))
"""
    assert hidden(code) == "runs\n8\n8\n"


def test_worker_processes(hidden: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "tasks_without_posix.py").write_text(
        "import without_posix, os, cascade as cs\n@cs.task(mode='process')\ndef pid(n):\n    return os.getpid(), n\n"
    )
    code = """
from tasks_without_posix import pid
if __name__ == "__main__":
    number, n = cs.run(pid(7))
    print(number != os.getpid(), n)
"""
    assert hidden("import without_posix\n" + code) == "True 7\n"


# ------------------------------------------------------------------------------------------- the auto rule's clocks

CLOCKS = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>
#include <sys/resource.h>

int clock_gettime(clockid_t id, struct timespec* to) {
    static int (*real)(clockid_t, struct timespec*);
    if (id == CLOCK_THREAD_CPUTIME_ID && getenv("HIDE_CPU")) return -1;
    if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
    return real(id, to);
}
int getrusage(__rusage_who_t who, struct rusage* to) {
    static int (*real)(__rusage_who_t, struct rusage*);
    if (who == RUSAGE_THREAD) return -1;
    if (!real) real = dlsym(RTLD_NEXT, "getrusage");
    return real(who, to);
}
"""

AUTO = """
import asyncio, threading, time
import cascade as cs
blocking, seen, here = False, [], threading.get_ident()

@cs.task
def probe(n):
    seen.append(threading.get_ident() == here)
    if blocking and seen[-1]:
        time.sleep(0.005)
    return n

@cs.task(mode="inline")
def loop(n):
    return loop(n - 1) if n else "end"

async def main():
    global blocking
    engine = cs.Engine()
    for _ in range(1000):
        await engine.run(probe(0))
        if seen[-1]:
            break
    blocking = True
    del seen[:]
    for _ in range(6):
        await engine.run(probe(0))
    print(sum(seen) < 4, seen[0])
asyncio.run(main())
"""


@pytest.mark.parametrize("cpu", ["hidden", "seen"])
def test_the_auto_rule_without_clocks_of_threads(cpu: str, interpreter: Callable[..., str], tmp_path: Path) -> None:
    """Without those of Windows, or of macOS, a call that blocks goes back to threads: it is doubted, not excused."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler")
    (tmp_path / "clocks.c").write_text(CLOCKS)
    library = tmp_path / "clocks.so"
    command = [compiler, "-shared", "-fPIC", "-o", str(library), str(tmp_path / "clocks.c"), "-ldl"]
    subprocess.run(command, check=True, capture_output=True)
    hide = {"HIDE_CPU": "1"} if cpu == "hidden" else {}
    preload = f"{library} {os.environ['LD_PRELOAD']}" if "LD_PRELOAD" in os.environ else str(library)
    assert interpreter(AUTO, LD_PRELOAD=preload, **hide) == "True True\n"
