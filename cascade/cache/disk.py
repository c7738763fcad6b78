"""A store of results on disk."""

from __future__ import annotations

import logging
import os
import pickle
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from hashlib import blake2b
from pathlib import Path
from typing import Any, TypeVar

from cascade.cache.memory import check_bound
from cascade.cache.protocol import Hit
from cascade.exceptions import PolicyError
from cascade.failures import describe

__all__ = ["DiskStore"]

APPLICATION = 0x43534344  # "CSCD", in the header of the file
FORMAT = 1
PATIENCE = 30.0  # seconds to wait for another process that writes
TOUCHED = 64  # hits to remember before they are written down

SCHEMA = (
    """CREATE TABLE entries (
        key BLOB PRIMARY KEY, value BLOB NOT NULL, digest BLOB NOT NULL,
        expires REAL, used INTEGER NOT NULL, size INTEGER NOT NULL)""",
    "CREATE INDEX entries_used ON entries (used)",
    "CREATE INDEX entries_expires ON entries (expires) WHERE expires IS NOT NULL",
    # Kept up by triggers, so that counting does not take reading everything.
    "CREATE TABLE totals (entries INTEGER NOT NULL, bytes INTEGER NOT NULL, clock INTEGER NOT NULL)",
    "INSERT INTO totals VALUES (0, 0, 0)",
    """CREATE TRIGGER added AFTER INSERT ON entries BEGIN
        UPDATE totals SET entries = entries + 1, bytes = bytes + NEW.size; END""",
    """CREATE TRIGGER removed AFTER DELETE ON entries BEGIN
        UPDATE totals SET entries = entries - 1, bytes = bytes - OLD.size; END""",
    f"PRAGMA application_id = {APPLICATION}",
    f"PRAGMA user_version = {FORMAT}",
)

T = TypeVar("T")

_logger = logging.getLogger("cascade")
_inherited: list[sqlite3.Connection] = []  # by a fork: not ours to close


class _NotOurs(Exception):
    """The file is a database, but not one that this store has written and can read."""


class DiskStore:
    """Keeps results in one SQLite file, those that were used least recently let go first.

    Several threads and several processes may use the file at the same time. Values are **pickled**: who can write to
    the file can run code in the processes that read it. A value that cannot be pickled is not kept. An entry that is
    damaged is a miss, and so is everything in a file that cannot be used; the log `cascade` says so, once.

    The file is made, with its directories, when the store is first used.

    Args:
        path: of the file. Beside it there are two more with "-wal" and "-shm" added, while it is in use.
        max_entries: how many results to keep.
        max_bytes: how many bytes they may take together.

    Raises:
        PolicyError: an argument is not of its kind.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as directory:
    ...     store = DiskStore(directory + "/results.db")
    ...     store.set(b"key", {"answer": 42}, None, now=0.0)
    ...     print(store.get(b"key", now=0.0), len(store))
    ...     store.close()
    Hit(value={'answer': 42}) 1
    """

    blocking = True

    def __init__(
        self, path: str | os.PathLike[str], max_entries: int = 100_000, *, max_bytes: int = 1 << 30
    ) -> None:
        if not isinstance(path, (str, os.PathLike)):
            raise PolicyError(f"expected a path, got `{type(path).__name__}`")
        # Absolute: the process may be somewhere else when the file is opened.
        self.path = Path(path).absolute()
        self._max_entries = check_bound(max_entries, "max_entries")
        self._max_bytes = check_bound(max_bytes, "max_bytes")
        self._connection: sqlite3.Connection | None = None
        self._lock = threading.Lock()
        self._process = os.getpid()
        self._touched: dict[bytes, None] = {}  # keys of hits not yet written down, in their order
        self._unusable = False
        self._said: set[str] = set()

    def get(self, key: bytes, now: float) -> Hit | None:
        """Return what is under the key, or None if there is nothing or it has expired at ``now`` (seconds)."""

        def work(connection: sqlite3.Connection) -> tuple[bytes, bytes] | None:
            row = connection.execute("SELECT value, digest, expires FROM entries WHERE key = ?", (key,)).fetchone()
            if row is None:
                return None
            if row[2] is not None and not (type(row[2]) is float and row[2] > now):
                with _transaction(connection):
                    # Another process may have renewed it since.
                    connection.execute("DELETE FROM entries WHERE key = ? AND expires <= ?", (key, now))
                return None
            self._touched.pop(key, None)
            self._touched[key] = None
            if len(self._touched) >= TOUCHED:
                with _transaction(connection):
                    self._write_touched(connection)
            return row[0], row[1]

        found = self._do(work, None)
        if found is None:
            return None
        data, digest = found
        if type(data) is not bytes or _digest(key, data) != digest:
            self._drop(key, "is damaged")
            return None
        try:
            return Hit(pickle.loads(data))
        except Exception as error:  # whatever the classes of the value raise
            self._drop(key, f"cannot be unpickled: {describe(error)}")
            return None

    def set(self, key: bytes, value: Any, expires: float | None, now: float) -> None:
        """Put a value under the key, up to ``expires`` (seconds; None: for ever)."""
        try:
            data = pickle.dumps(value, protocol=5)
        except Exception as error:  # whatever the classes of the value raise
            self._say("value", f"a `{type(value).__name__}` cannot be pickled and is not kept: {describe(error)}")
            self.delete(key)
            return
        size = len(key) + len(data)
        if size > self._max_bytes:
            self._say("size", f"a result of {size:,} bytes is not kept: there is room for {self._max_bytes:,}")
            self.delete(key)
            return

        def work(connection: sqlite3.Connection) -> None:
            with _transaction(connection):
                self._touched.pop(key, None)
                self._write_touched(connection)
                connection.execute("DELETE FROM entries WHERE key = ?", (key,))
                connection.execute("UPDATE totals SET clock = clock + 1")
                connection.execute(
                    "INSERT INTO entries SELECT ?, ?, ?, ?, clock, ? FROM totals",
                    (key, data, _digest(key, data), expires, size),
                )
                self._make_room(connection, now)

        self._do(work, None)

    def delete(self, key: bytes) -> None:
        """Forget the key, if it is there."""

        def work(connection: sqlite3.Connection) -> None:
            with _transaction(connection):
                connection.execute("DELETE FROM entries WHERE key = ?", (key,))

        self._do(work, None)

    def clear(self) -> None:
        """Forget all."""

        def work(connection: sqlite3.Connection) -> None:
            with _transaction(connection):
                self._touched.clear()
                connection.execute("DELETE FROM entries")

        self._do(work, None)

    def close(self) -> None:
        """Close the file. A later call opens it again."""
        self._mind_fork()
        with self._lock:
            self._close()

    def __len__(self) -> int:
        """How many results it keeps, expired ones included."""

        def work(connection: sqlite3.Connection) -> int:
            return _totals(connection)[0]

        return self._do(work, 0)

    def __repr__(self) -> str:
        return f"DiskStore({str(self.path)!r})"

    def __del__(self) -> None:
        # A connection that is only dropped warns. At the interpreter's end there may be nothing left to close it with.
        with suppress(Exception):
            if self._connection is not None and self._process == os.getpid():
                self._connection.close()

    def _do(self, work: Callable[[sqlite3.Connection], T], otherwise: T) -> T:
        """Work with the connection, one thread at a time; give `otherwise` if the file does not allow it."""
        self._mind_fork()
        with self._lock:
            if self._unusable:
                return otherwise
            try:
                if self._connection is None:
                    self._connection = self._open()
                return work(self._connection)
            except (sqlite3.OperationalError, OSError) as error:  # locked, full, not to be written: it may pass
                self._say("access", f"{self.path} cannot be used at the moment: {error}")
            except (sqlite3.DatabaseError, _NotOurs) as error:
                self._say("file", f"{self.path} cannot be used, and no results are kept in it: {error}")
                self._unusable = True
                self._close()
            return otherwise

    def _open(self) -> sqlite3.Connection:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(self.path, timeout=PATIENCE, isolation_level=None, check_same_thread=False)
        try:
            with _transaction(connection):
                if not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                    for statement in SCHEMA:
                        connection.execute(statement)
                if connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION:
                    raise _NotOurs("it is a database of something else")
                if (found := connection.execute("PRAGMA user_version").fetchone()[0]) != FORMAT:
                    raise _NotOurs(f"it has format {found}, this version of Cascade writes {FORMAT}")
            # A process that opens the file at the same moment may hold the lock that this takes; then it does it.
            with suppress(sqlite3.OperationalError):
                connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
        except BaseException:
            connection.close()
            raise
        return connection

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(sqlite3.Error), _transaction(connection):
                self._write_touched(connection)
            connection.close()

    def _mind_fork(self) -> None:
        """A forked process must not use the connection of its parent, nor a lock that a thread there may have held."""
        if self._process != os.getpid():
            self._lock = threading.Lock()
            self._process = os.getpid()
            self._touched = {}
            if self._connection is not None:
                _inherited.append(self._connection)
                self._connection = None

    def _write_touched(self, connection: sqlite3.Connection) -> None:
        for key in self._touched:
            connection.execute("UPDATE totals SET clock = clock + 1")
            connection.execute("UPDATE entries SET used = (SELECT clock FROM totals) WHERE key = ?", (key,))
        self._touched.clear()

    def _make_room(self, connection: sqlite3.Connection, now: float) -> None:
        """Let go of what has expired, then of what was used least recently, until the rest is within the bounds."""
        if self._within_bounds(connection):
            return
        connection.execute("DELETE FROM entries WHERE expires <= ?", (now,))
        while not self._within_bounds(connection):
            oldest = "DELETE FROM entries WHERE rowid = (SELECT rowid FROM entries ORDER BY used LIMIT 1)"
            if not connection.execute(oldest).rowcount:
                raise _NotOurs("its totals are wrong")

    def _within_bounds(self, connection: sqlite3.Connection) -> bool:
        entries, size = _totals(connection)
        return entries <= self._max_entries and size <= self._max_bytes

    def _drop(self, key: bytes, why: str) -> None:
        self._say("entry", f"an entry of {self.path} {why}")
        self.delete(key)

    def _say(self, about: str, text: str) -> None:
        if about not in self._said:
            self._said.add(about)
            _logger.warning("result cache: %s", text)


def _totals(connection: sqlite3.Connection) -> tuple[int, int]:
    """How many entries there are, and how many bytes they take."""
    row = connection.execute("SELECT entries, bytes FROM totals").fetchone()
    if row is None or type(row[0]) is not int or type(row[1]) is not int:
        raise _NotOurs("its totals are damaged")
    return row[0], row[1]


def _digest(key: bytes, data: bytes) -> bytes:
    return blake2b(data, digest_size=16, key=blake2b(key, digest_size=32).digest()).digest()


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        with suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")
