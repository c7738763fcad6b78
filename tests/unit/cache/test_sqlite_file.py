"""The files of a store: damaged at random, read-only, on a full disk, shared by many processes."""

from __future__ import annotations

import os
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from cascade.cache.protocol import Hit
from cascade.cache.sqlite_store import DiskStore

STEP = 500
LONG = [pytest.param(first, marks=pytest.mark.long) for first in range(STEP, 5000, STEP)]


@pytest.mark.skipif(sys.platform == "win32", reason="files that are open cannot be damaged")
@pytest.mark.parametrize("is_open", [False, True])
@pytest.mark.parametrize("first", [0, *LONG])
def test_random_damage_is_survived(interpreter: Callable[..., str], first: int, is_open: bool) -> None:
    interpreter(f"""
        from support.damaged_files import survive
        survive({first}, {first + STEP}, is_open={is_open})
    """)


@pytest.mark.skipif(sys.platform == "win32", reason="files that are open cannot be cut off")
def test_an_index_that_is_cut_off_under_an_open_store_is_made_anew(tmp_path: Path) -> None:
    stores = [DiskStore(tmp_path / "results.db") for _ in range(2)]
    for store in stores:
        store.set(b"k", 1, None, 0.0)
        assert store.get(b"k", 0.0) == Hit(1)
    for size in (0, 100, 20_000):
        os.truncate(tmp_path / "results.db-shm", size)
        for i, store in enumerate(stores):
            assert store.get(b"k", 0.0) == Hit(1)
            store.set(b"l", (size, i), None, 0.0)
            assert [each.get(b"l", 0.0) for each in stores] == [Hit((size, i))] * 2
    for store in stores:
        store.close()
    with closing(sqlite3.connect(tmp_path / "results.db")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


READ = """
    import encodings.idna, os, pickle, sqlite3, urllib.parse  # which that user may not be able to read
    from cascade.cache.sqlite_store import DiskStore
    if os.getuid() == 0:
        os.setuid(65534)  # root may write anywhere
    store = DiskStore({path!r})
    print(store.get(b"in the file", 0.0), store.get(b"in the log", 0.0), len(store))
    store.set(b"new", 1, None, 0.0)
    print(store.get(b"in the file", 0.0), store.get(b"new", 0.0))
    store.close()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="permissions are others")
@pytest.mark.parametrize("missing", [[], ["-shm"]])
@pytest.mark.parametrize("folder_mode", [0o555, 0o777])
def test_a_file_with_a_log_that_can_only_be_read_is_read(
    tmp_path: Path, interpreter: Callable[..., str], missing: list[str], folder_mode: int
) -> None:
    store = DiskStore(tmp_path / "results.db")
    store.set(b"in the file", 1, None, 0.0)
    store.close()
    store.set(b"in the log", 2, None, 0.0)
    folder = Path(tempfile.mkdtemp())  # the one of pytest is for one user alone
    try:
        for path in tmp_path.iterdir():
            if not path.name.endswith(tuple(missing) or "none"):
                shutil.copy(path, folder)
                (folder / path.name).chmod(0o444)
        folder.chmod(folder_mode)
        path = str(folder / "results.db")
        assert interpreter(READ.format(path=path)) == "Hit(value=1) Hit(value=2) 2\nHit(value=1) None\n"
    finally:
        folder.chmod(0o755)
        shutil.rmtree(folder)
        store.close()


SHARED = """
    from cascade.cache.sqlite_store import DiskStore
    store = DiskStore({path!r})
    for i in range({count}):
        store.set(b"own {me} %d" % i, ({me}, i, "x" * (i * 50)), None, 0.0)
        store.set(b"shared %d" % (i % 10), (i % 10, "y" * 2000), None, 0.0)
        found = store.get(b"shared %d" % (i * 7 % 10), 0.0)
        assert found is None or found.value == (i * 7 % 10, "y" * 2000)
        other = ({me} + 1) % 12
        found = store.get(b"own %d %d" % (other, i), 0.0)
        assert found is None or found.value == (other, i, "x" * (i * 50))
    store.close()
"""


@pytest.mark.parametrize("count", [20, pytest.param(300, marks=pytest.mark.long)])
def test_twelve_processes_lose_nothing(tmp_path: Path, interpreter: Callable[..., str], count: int) -> None:
    path = str(tmp_path / "results.db")
    with ThreadPoolExecutor(12) as pool:
        list(pool.map(interpreter, [SHARED.format(path=path, me=me, count=count) for me in range(12)]))
    store = DiskStore(path)
    assert len(store) == 12 * count + 10
    for me in range(12):
        for i in range(count):
            assert store.get(b"own %d %d" % (me, i), 0.0) == Hit((me, i, "x" * (i * 50)))
    store.close()
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
