"""Whatever is wrong with the file of a store, or happens to it meanwhile: results are not found, and nothing else."""

from __future__ import annotations

import os
import shutil
import sqlite3
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from cascade.cache.memory_store import MemoryStore
from cascade.cache.protocol import Hit
from cascade.cache.sqlite_store import DiskStore


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[DiskStore]:
    monkeypatch.setattr("cascade.cache.sqlite_store.PATIENCE", 0.0)
    monkeypatch.setattr("cascade.cache.sqlite_store.READ_PATIENCE", 0.0)
    made = DiskStore(tmp_path / "results.db")
    made.set(b"k", 1, None, 0.0)
    yield made
    made.close()


def warnings_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "cascade"]


@contextmanager
def locked(path: Path, how: str) -> Iterator[None]:
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute(how)
        yield


def test_what_is_kept_is_found_while_another_thread_writes(store: DiskStore) -> None:
    found: list[Any] = []

    def look() -> None:
        found.append(store.get(b"k", 0.0))
        store.set(b"l", 1, None, 0.0)
        found.append(store.get(b"l", 0.0))

    with store._lock:
        threads = [threading.Thread(target=look) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    assert sorted(found, key=str) == [Hit(1)] * 4 + [None] * 4


@pytest.mark.parametrize("how", ["BEGIN IMMEDIATE", "BEGIN EXCLUSIVE"])
def test_a_file_that_another_process_has_locked(store: DiskStore, caplog: pytest.LogCaptureFixture, how: str) -> None:
    with locked(store.path, how):
        for _ in range(200):
            assert store.get(b"k", 0.0) == Hit(1)
            store.set(b"l", 1, None, 0.0)
            assert len(store) == 1
        store.delete(b"k")
        store.clear()
    (text,) = warnings_of(caplog)
    assert "cannot be used at the moment: database is locked" in text
    store.set(b"l", 2, None, 0.0)
    assert store.get(b"l", 0.0) == Hit(2)


def test_a_file_that_cannot_be_read_for_a_lock(store: DiskStore, caplog: pytest.LogCaptureFixture) -> None:
    store.close()
    with closing(sqlite3.connect(store.path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE").fetchall()  # then a writer keeps readers out
    with locked(store.path, "BEGIN EXCLUSIVE"):
        for _ in range(100):
            assert store.get(b"k", 0.0) is None
            store.set(b"l", 1, None, 0.0)
    assert len(warnings_of(caplog)) == 1
    assert store.get(b"k", 0.0) == Hit(1)


def delete(path: Path, other: Path) -> None:
    path.unlink()


def replace(path: Path, other: Path) -> None:
    os.replace(other, path)


def truncate(path: Path, other: Path) -> None:
    path.write_bytes(path.read_bytes()[:1000])


def overwrite(path: Path, other: Path) -> None:
    path.write_bytes(b"no database" * 1000)


def directory(path: Path, other: Path) -> None:
    path.unlink()
    path.mkdir()


def pipe(path: Path, other: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def dangling(path: Path, other: Path) -> None:
    path.unlink()
    path.symlink_to(path.parent / "nowhere" / "at all")


@pytest.mark.skipif(sys.platform == "win32", reason="an open file cannot be replaced")
@pytest.mark.parametrize("happens", [delete, replace, truncate, overwrite, directory, pipe, dangling])
def test_what_happens_to_an_open_file(
    store: DiskStore, caplog: pytest.LogCaptureFixture, happens: Callable[[Path, Path], None]
) -> None:
    other = DiskStore(store.path.parent / "other.db")
    other.set(b"other", 2, None, 0.0)
    other.close()
    assert store.get(b"k", 0.0) == Hit(1)
    happens(store.path, other.path)
    for _ in range(3):
        assert store.get(b"k", 0.0) in (None, Hit(1))
        assert store.get(b"other", 0.0) == (Hit(2) if happens is replace else None)
        store.set(b"new", 3, None, 0.0)
        assert store.get(b"new", 0.0) in (None, Hit(3))
    if happens in (delete, replace):
        assert store.get(b"k", 0.0) is None and store.get(b"new", 0.0) == Hit(3)
        assert not warnings_of(caplog)
    assert len(warnings_of(caplog)) <= 2
    # When it is out of the way, results are kept again.
    shutil.rmtree(store.path) if store.path.is_dir() else store.path.unlink()
    store.set(b"new", 4, None, 0.0)
    assert store.get(b"new", 0.0) == Hit(4) and len(store) == 1


READ_ONLY = """
    import encodings.idna, os, pickle, sqlite3, urllib.parse  # which that user may not be able to read
    from cascade.cache.sqlite_store import DiskStore
    if os.getuid() == 0:
        os.setuid(65534)  # root may write anywhere
    store = DiskStore({path!r})
    print(store.get(b"k", 0.0), len(store))
    store.set(b"l", 1, None, 0.0)
    print(store.get(b"k", 0.0), store.get(b"l", 0.0))
    store.close()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="permissions are others")
def test_a_file_that_can_only_be_read_is_read(store: DiskStore, interpreter: Callable[..., str]) -> None:
    import tempfile

    folder = Path(tempfile.mkdtemp())  # the one of pytest is for one user alone
    try:
        store.close()
        path = folder / "results.db"
        shutil.copy(store.path, path)
        path.chmod(0o444)
        folder.chmod(0o555)
        assert interpreter(READ_ONLY.format(path=str(path))) == "Hit(value=1) 1\nHit(value=1) None\n"
        assert os.listdir(folder) == ["results.db"]
    finally:
        folder.chmod(0o755)
        shutil.rmtree(folder)


@pytest.mark.skipif(sys.platform == "win32", reason="no such limit")
def test_a_disk_that_is_full(tmp_path: Path, interpreter: Callable[..., str]) -> None:
    code = f"""
        import resource
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
        from cascade.cache.sqlite_store import DiskStore
        store = DiskStore({str(tmp_path / "results.db")!r})
        for i in range(60):
            store.set(b"%d" % i, "x" * 10_000, None, 0.0)
        found = [store.get(b"%d" % i, 0.0) for i in range(60)]
        assert {{hit.value for hit in found if hit}} == {{"x" * 10_000}}
        print(len(store) == sum(hit is not None for hit in found) < 60)
        store.close()
    """
    assert interpreter(code) == "True\n"


class Leaves:
    def __reduce__(self) -> Any:
        return sys.exit, ()


class LeavesAtOnce:
    def __reduce__(self) -> Any:
        raise SystemExit


def test_a_value_that_would_end_the_process(store: DiskStore, caplog: pytest.LogCaptureFixture) -> None:
    store.set(b"out", Leaves(), None, 0.0)
    assert store.get(b"out", 0.0) is None
    store.set(b"in", LeavesAtOnce(), None, 0.0)
    assert store.get(b"in", 0.0) is None
    assert len(warnings_of(caplog)) == 2


COMES_BACK = """
    import gc
    from cascade.cache.{module} import {kind}
    store = {kind}({arguments})

    class Comes:
        def __init__(self):
            self.itself = self
        def __del__(self):
            store.set(b"back", 1, None, 0.0)
            store.get(b"%d" % (len(done) % 7), 0.0)
            store.delete(b"0")
            done.append(1)

    done = []
    gc.set_threshold(1)  # whenever anything is made, also inside the store
    for i in range({count}):
        Comes()
        store.set(b"%d" % (i % 7), [i], None, 0.0)
        store.get(b"%d" % (i % 5), 0.0)
    print(len(done) > 1, store.get(b"back", 0.0))
    store.close()
"""


@pytest.mark.parametrize(
    ("module", "kind", "arguments", "count"),
    [("memory_store", "MemoryStore", "3", 3000), ("sqlite_store", "DiskStore", "{path!r}, 3", 50)],
)
def test_a_destructor_that_comes_back_to_the_store(
    tmp_path: Path, interpreter: Callable[..., str], module: str, kind: str, arguments: str, count: int
) -> None:
    arguments = arguments.format(path=str(tmp_path / "results.db"))
    code = COMES_BACK.format(module=module, kind=kind, arguments=arguments, count=count)
    assert interpreter(code).startswith("True ")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_fork_while_another_thread_holds_the_lock() -> None:
    made = MemoryStore()
    made.set(b"k", 1, None, 0.0)
    held, free = threading.Event(), threading.Event()

    def hold() -> None:
        with made._lock:
            held.set()
            free.wait(60)

    thread = threading.Thread(target=hold)
    thread.start()
    assert held.wait(60)
    child = os.fork()
    if not child:
        code = 1
        try:
            made.set(b"l", 2, None, 0.0)
            code = 0 if made.get(b"k", 0.0) == Hit(1) else 2
        finally:
            os._exit(code)
    free.set()
    thread.join()
    assert os.waitpid(child, 0)[1] == 0
