"""Results on disk: shared by processes, bounded in bytes, and nothing that is damaged harms anybody."""

from __future__ import annotations

import gc
import logging
import os
import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import cascade as cs
from cascade.cache.protocol import Hit
from cascade.cache.sqlite_store import FORMAT, PATIENCE, TOUCHED, DiskStore


def change(path: Path, statement: str, *values: Any) -> int:
    """Change the file as nobody should."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        return connection.execute(statement, values).rowcount


def warnings_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "cascade"]


class Unloadable:
    def __reduce__(self) -> Any:
        return int, ("not a number",)


def test_results_outlive_the_store(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "results.db"
    store = DiskStore(str(path))
    assert not path.parent.exists()  # nothing is made before it is needed
    store.set(b"k", {"value": [1, None]}, None, 0.0)
    store.close()
    store.close()
    other = DiskStore(path)
    assert other.get(b"k", 0.0) == Hit({"value": [1, None]})
    other.set(b"l", None, None, 0.0)
    assert store.get(b"l", 0.0) == Hit(None)  # opened again
    assert len(store) == 2
    store.close()
    other.close()


def test_it_is_write_ahead_logged(tmp_path: Path) -> None:
    store = DiskStore(tmp_path / "results.db")
    store.set(b"k", 1, None, 0.0)
    assert (tmp_path / "results.db-wal").exists()
    store.close()


def test_the_path_stands_when_the_process_moves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    store = DiskStore("results.db")
    monkeypatch.chdir("/")
    store.set(b"k", 1, None, 0.0)
    store.close()
    assert (tmp_path / "results.db").exists()


def test_bytes_are_bounded(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = DiskStore(tmp_path / "results.db", max_bytes=3000)
    for i in range(10):
        store.set(b"%d" % i, bytes(900), None, 0.0)
        store.get(b"0", 0.0)  # used again and again
    assert [i for i in range(10) if store.get(b"%d" % i, 0.0)] == [0, 8, 9]
    store.set(b"9", bytes(5000), None, 0.0)
    store.set(b"10", bytes(5000), None, 0.0)
    assert store.get(b"9", 0.0) is store.get(b"10", 0.0) is None
    assert len(store) == 2
    (text,) = warnings_of(caplog)
    assert "is not stored: max_bytes is 3,000" in text
    store.close()


def test_the_order_of_use_is_known_after_many_hits(tmp_path: Path) -> None:
    store = DiskStore(tmp_path / "results.db", max_entries=3)
    for key in (b"a", b"b", b"c"):
        store.set(key, key, None, 0.0)
    for _ in range(TOUCHED + 5):
        store.get(b"a", 0.0)
    store.get(b"b", 0.0)
    for _ in range(2):
        for key in (b"b", b"a"):
            store.get(key, 0.0)
    store.close()
    store.set(b"d", 1, None, 0.0)
    assert store.get(b"c", 0.0) is None
    store.set(b"e", 1, None, 0.0)
    assert store.get(b"b", 0.0) is None
    assert store.get(b"a", 0.0) == Hit(b"a")
    store.close()


@pytest.mark.parametrize("value", [lambda: 1, (i for i in "a"), object])
def test_what_cannot_be_pickled_is_not_kept(tmp_path: Path, caplog: pytest.LogCaptureFixture, value: Any) -> None:
    store = DiskStore(tmp_path / "results.db")
    store.set(b"k", 1, None, 0.0)
    store.set(b"k", value, None, 0.0)
    store.set(b"l", [value], None, 0.0)
    if value is object:  # a class is its name
        assert store.get(b"k", 0.0) == Hit(object)
    else:
        assert store.get(b"k", 0.0) is store.get(b"l", 0.0) is None
        (text,) = warnings_of(caplog)
        assert "cannot be pickled and is not stored" in text
    store.close()


def deep() -> list[Any]:
    value: list[Any] = []
    for _ in range(100_000):
        value = [value]
    return value


def test_what_is_too_deep_for_pickle_is_not_kept(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = DiskStore(tmp_path / "results.db")
    store.set(b"k", deep(), None, 0.0)
    assert store.get(b"k", 0.0) is None
    assert len(warnings_of(caplog)) == 1
    store.close()


DAMAGE = [
    "UPDATE entries SET value = zeroblob(5) WHERE key = CAST('k' AS BLOB)",
    "UPDATE entries SET value = 'text' WHERE key = CAST('k' AS BLOB)",
    "UPDATE entries SET digest = 7 WHERE key = CAST('k' AS BLOB)",
    # The value of another key, with its digest.
    "UPDATE entries SET (value, digest) = (SELECT value, digest FROM entries WHERE key = CAST('l' AS BLOB))",
]


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_entry_is_a_miss(tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: str) -> None:
    store = DiskStore(tmp_path / "results.db")
    store.set(b"k", [1, 2], None, 0.0)
    store.set(b"l", [3, 4], None, 0.0)
    assert change(store.path, damage)
    assert store.get(b"k", 0.0) is None
    assert store.get(b"l", 0.0) == Hit([3, 4])
    (text,) = warnings_of(caplog)
    assert "is damaged" in text
    assert len(store) == 1
    store.set(b"k", [1, 2], None, 0.0)
    assert store.get(b"k", 0.0) == Hit([1, 2])
    store.close()


def test_an_expiry_that_is_no_number_is_a_miss(tmp_path: Path) -> None:
    store = DiskStore(tmp_path / "results.db")
    store.set(b"k", 1, 5.0, 0.0)
    change(store.path, "UPDATE entries SET expires = 'never'")
    assert store.get(b"k", 0.0) is None
    store.close()


def test_a_value_that_cannot_be_unpickled_is_a_miss(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = DiskStore(tmp_path / "results.db")
    for key in (b"k", b"l"):
        store.set(key, Unloadable(), None, 0.0)
        assert store.get(key, 0.0) is None
    assert len(store) == 0
    (text,) = warnings_of(caplog)  # one for the store, not one an entry
    assert "cannot be unpickled: ValueError: invalid literal" in text
    store.close()


def use(store: DiskStore) -> None:
    """Do everything; none of it may fail."""
    store.set(b"new", 1, None, 0.0)
    assert store.get(b"new", 0.0) is None
    store.delete(b"new")
    store.clear()
    assert len(store) == 0
    store.close()


def test_a_file_that_is_no_database(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "results.db"
    path.write_bytes(b"This is no database. " * 500)
    use(DiskStore(path))
    (text,) = warnings_of(caplog)
    assert "results.db cannot be used, and no results are stored in it: file is not a database" in text
    assert path.read_bytes() == b"This is no database. " * 500


def test_a_database_of_something_else(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "precious.db"
    change(path, "CREATE TABLE entries (key, value)")
    before = path.read_bytes()
    use(DiskStore(path))
    (text,) = warnings_of(caplog)
    assert "it is a database of something else" in text
    assert path.read_bytes() == before


def test_a_file_of_another_format(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "results.db"
    store = DiskStore(path)
    store.set(b"k", 1, None, 0.0)
    store.close()
    change(path, f"PRAGMA user_version = {FORMAT + 1}")
    use(DiskStore(path))
    (text,) = warnings_of(caplog)
    assert f"it has format {FORMAT + 1}, this version of Cascade writes {FORMAT}" in text


@pytest.mark.parametrize(
    "statement",
    ["DELETE FROM totals", "UPDATE totals SET entries = 1000000", "UPDATE totals SET bytes = 9e999"],
)
def test_damaged_totals(tmp_path: Path, caplog: pytest.LogCaptureFixture, statement: str) -> None:
    path = tmp_path / "results.db"
    store = DiskStore(path)
    store.set(b"k", 1, None, 0.0)
    store.close()
    change(path, statement)
    use(DiskStore(path))
    (text,) = warnings_of(caplog)
    assert "its totals are" in text


@pytest.mark.parametrize("at", range(0, 12, 3))
def test_bytes_overwritten_anywhere(tmp_path: Path, caplog: pytest.LogCaptureFixture, at: int) -> None:
    path = tmp_path / "results.db"
    store = DiskStore(path)
    for i in range(200):
        store.set(b"%d" % i, "x" * 300, None, 0.0)
    store.close()
    content = bytearray(path.read_bytes())
    start = len(content) * at // 12
    content[start : start + 4096] = b"\xff" * len(content[start : start + 4096])
    path.write_bytes(content)
    store = DiskStore(path)
    for i in range(200):
        assert store.get(b"%d" % i, 0.0) in (None, Hit("x" * 300))
    store.set(b"new", 1, None, 0.0)
    store.close()
    assert len(warnings_of(caplog)) <= 2


def test_a_place_where_no_file_can_be(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "directory").mkdir()
    for path in (tmp_path / "file" / "results.db", tmp_path / "directory"):
        caplog.clear()
        use(DiskStore(path))
        (text,) = warnings_of(caplog)
        assert "cannot be used at the moment" in text


def test_arguments_are_checked(tmp_path: Path) -> None:
    with pytest.raises(cs.PolicyError, match="path must be a path, got `int`"):
        DiskStore(3)  # type: ignore[arg-type]
    with pytest.raises(cs.PolicyError, match="max_bytes must be >= 1, got 0"):
        DiskStore(tmp_path / "results.db", max_bytes=0)


def test_a_store_that_is_dropped_closes_its_file(tmp_path: Path) -> None:
    store = DiskStore(tmp_path / "results.db")
    store.set(b"k", 1, None, 0.0)
    del store
    gc.collect()  # a connection that nobody closed would warn
    assert not (tmp_path / "results.db-wal").exists()


WRITER = """
    import sys
    from cascade.cache.sqlite_store import DiskStore
    store = DiskStore({path!r}, max_entries=40)
    for i in range(120):
        key = b"%d" % ((i * {step}) % 60)
        store.set(key, (key, "x" * 100), None, 0.0)
        found = store.get(b"%d" % (i % 60), 0.0)
        assert found is None or found.value == (b"%d" % (i % 60), "x" * 100)
        assert len(store) <= 40
    store.close()
    print("done")
"""


def test_processes_share_a_file(tmp_path: Path, interpreter: Callable[..., str]) -> None:
    from concurrent.futures import ThreadPoolExecutor

    path = str(tmp_path / "results.db")
    with ThreadPoolExecutor(2) as pool:
        codes = [WRITER.format(path=path, step=step) for step in (7, 11)]
        assert list(pool.map(interpreter, codes)) == ["done\n"] * 2
    assert PATIENCE > 1
    store = DiskStore(path, max_entries=40)
    assert len(store) == 40
    with closing(sqlite3.connect(path)) as connection:
        counted = connection.execute("SELECT count(*), sum(size) FROM entries").fetchone()
        assert counted == connection.execute("SELECT entries, bytes FROM totals").fetchone()
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    store.close()


@pytest.mark.skipif(sys.platform == "win32", reason="no fork")
def test_a_forked_process_opens_the_file_for_itself(tmp_path: Path, interpreter: Callable[..., str]) -> None:
    code = f"""
        import os
        from cascade.cache.sqlite_store import DiskStore
        store = DiskStore({str(tmp_path / "results.db")!r})
        store.set(b"parent", 1, None, 0.0)
        store._lock.acquire()  # as another thread of the parent may have
        child = os.fork()
        if not child:
            store.set(b"child", store.get(b"parent", 0.0).value + 1, None, 0.0)
            store.close()
            os._exit(0)
        store._lock.release()
        assert os.waitpid(child, 0)[1] == 0
        print(store.get(b"parent", 0.0), store.get(b"child", 0.0))
        store.close()
    """
    assert interpreter(code) == "Hit(value=1) Hit(value=2)\n"


def test_a_writer_elsewhere_is_no_failure(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cascade.cache.sqlite_store.PATIENCE", 0.0)
    store = DiskStore(tmp_path / "results.db")
    store.set(b"k", 1, None, 0.0)
    with closing(sqlite3.connect(store.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert store.get(b"k", 0.0) == Hit(1)  # readers do not wait for writers
        store.set(b"k", 2, None, 0.0)
        assert store.get(b"k", 0.0) == Hit(1)
        other.execute("ROLLBACK")
    (text,) = warnings_of(caplog)
    assert "cannot be used at the moment: database is locked" in text
    store.set(b"k", 2, None, 0.0)
    assert store.get(b"k", 0.0) == Hit(2)
    store.close()


def test_the_log_is_the_one_of_cascade() -> None:
    assert logging.getLogger("cascade").name == "cascade"
    assert os.path.isabs(DiskStore("x").path)
