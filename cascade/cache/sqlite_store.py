"""A store of results in a SQLite file.

Reading and writing use separate connections, so that a lookup never waits for a write. If anything is wrong with the
file, lookups are misses and results are not stored; nothing is raised.
"""

from __future__ import annotations

import logging
import os
import pickle
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from typing import Any, TypeVar

from cascade._support.boundary import boundary
from cascade._support.failures import describe, is_from_keyboard
from cascade._support.public import public
from cascade.cache.memory_store import check_bound
from cascade.cache.protocol import Hit
from cascade.cache.sqlite_file import (
    FORMAT,
    Connection,
    Identity,
    NotOurs,
    identify,
    is_damage,
    open_for_reading,
    open_for_writing,
)
from cascade.exceptions import PolicyError

__all__ = ["FORMAT", "DiskStore"]

PATIENCE = 1.25  # seconds to wait for another writer; 0 after a timeout, until a write succeeds
LONGEST = 20.0  # seconds to wait for other writers, one after another
READ_PATIENCE = 0.1  # seconds to wait for a read, which is rarely blocked
SKEW = 1.0  # seconds by which the times of two processes may differ
TOUCHED = 64  # hits in memory before their times of use are written

T = TypeVar("T")

_logger = logging.getLogger("cascade")


@public
class DiskStore:
    """Keeps results in one SQLite file; evicts the least recently used first.

    Several threads and several processes may use the file at the same time. Values are **pickled**: a user who can
    write to the file can run code in the processes that read it. A value that cannot be pickled is not stored. A
    damaged entry is a miss, and so is every entry of a file that cannot be used; the log `cascade` says so, once.

    The file and its directories are created at the first use of the store.

    Args:
        path: of the file. While it is in use there are two more files, with "-wal" and "-shm" appended.
        max_entries: the maximum number of results, >= 1.
        max_bytes: the maximum size of all results, in bytes, >= 1.

    Raises:
        PolicyError: an argument is not valid.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as directory:
    ...     store = DiskStore(directory + "/results.db")
    ...     store.set(b"key", {"answer": 42}, None, now=0.0)
    ...     print(store.get(b"key", now=0.0), len(store))
    ...     store.close()
    Hit(value={'answer': 42}) 1
    """

    blocking = True

    @boundary
    def __init__(self, path: str | os.PathLike[str], max_entries: int = 100_000, *, max_bytes: int = 1 << 30) -> None:
        if not isinstance(path, (str, os.PathLike)):
            raise PolicyError(f"path must be a path, got `{type(path).__name__}`")
        # Absolute: the working directory may change before the file is opened.
        self.path = Path(path).absolute()
        self._max_entries = check_bound(max_entries, "max_entries")
        self._max_bytes = check_bound(max_bytes, "max_bytes")
        self._lock = threading.RLock()  # of the writer; a destructor may use this store again meanwhile
        self._writer: Connection | None = None
        self._writing = False
        self._readers: list[Connection] = []  # idle connections
        self._generation = 0  # of the readers; those of an older generation are closed
        self._process = os.getpid()
        self._touched: dict[bytes, None] = {}  # keys of hits whose time of use is not written yet, in order
        self._read_timed_out = False  # whether the last wait for a lock timed out
        self._write_timed_out = False
        self._unusable: set[Identity] = set()
        self._warned: set[str] = set()

    def get(self, key: bytes, now: float) -> Hit | None:
        """Return the result of a key, or None if there is none or it has expired at ``now`` (seconds)."""

        def work(connection: Connection) -> list[tuple[Any, Any, Any, Any]]:
            query = "SELECT value, digest, made, expires FROM entries WHERE key = ?"
            return connection.raw.execute(query, (key,)).fetchall()

        none: list[tuple[Any, Any, Any, Any]] = []
        rows = self._read(work, none)
        if not rows:
            return None
        data, digest, made, expires = rows[0]
        if expires is not None and not _is_valid(made, expires, now):
            self._delete_expired(key, now)
            return None
        if type(data) is not bytes or _digest(key, data) != digest:
            self._drop(key, "is damaged")
            return None
        try:
            hit = Hit(pickle.loads(data))
        except BaseException as error:  # classes of the value may raise anything
            if is_from_keyboard(error):
                raise
            self._drop(key, f"cannot be unpickled: {describe(error)}")
            return None
        self._touch(key)
        return hit

    def set(self, key: bytes, value: Any, expires: float | None, now: float) -> None:
        """Store a value under a key until ``expires`` (seconds; None: without end)."""
        try:
            data = pickle.dumps(value, protocol=5)
        except BaseException as error:  # classes of the value may raise anything
            if is_from_keyboard(error):
                raise
            self._warn_once(
                "value", f"a `{type(value).__name__}` cannot be pickled and is not stored: {describe(error)}"
            )
            self.delete(key)
            return
        size = len(key) + len(data)
        if size > self._max_bytes:
            self._warn_once("size", f"a result of {size:,} bytes is not stored: max_bytes is {self._max_bytes:,}")
            self.delete(key)
            return

        def work(connection: Connection) -> None:
            with connection.transaction():
                self._touched.pop(key, None)
                self._write_touched(connection)
                connection.raw.execute("DELETE FROM entries WHERE key = ?", (key,))
                connection.raw.execute("UPDATE totals SET clock = clock + 1")
                connection.raw.execute(
                    "INSERT INTO entries SELECT ?, ?, ?, ?, ?, clock, ? FROM totals",
                    (key, data, _digest(key, data), now, expires, size),
                )
                self._make_room(connection, now)

        self._write(work)

    def delete(self, key: bytes) -> None:
        """Remove a key, if it is there."""
        self._write(lambda connection: self._delete(connection, "DELETE FROM entries WHERE key = ?", key))

    def clear(self) -> None:
        """Remove all keys."""
        self._touched.clear()
        self._write(lambda connection: self._delete(connection, "DELETE FROM entries"))

    def close(self) -> None:
        """Close the file. A later call opens it again."""
        self._reset_after_fork()
        self._close_readers()
        if self._lock.acquire(timeout=PATIENCE):
            try:
                writer, self._writer = self._writer, None
                if writer is not None:
                    with suppress(Exception), writer.transaction():
                        self._write_touched(writer)
                    writer.close()
            finally:
                self._lock.release()

    def __len__(self) -> int:
        """The number of results, expired ones included."""
        return self._read(lambda connection: connection.totals()[0], 0)

    def __repr__(self) -> str:
        return f"DiskStore({str(self.path)!r})"

    def __del__(self) -> None:
        # A connection that is not closed warns. At interpreter exit, its modules may be gone.
        with suppress(Exception):
            if self._process == os.getpid():
                self._close_readers()
                if self._writer is not None:
                    self._writer.close()

    # ------------------------------------------------------------------------------------------------- connections

    def _read(self, work: Callable[[Connection], T], default: T) -> T:
        """Call a function with a reading connection of its own; return `default` if the file cannot be read."""
        self._reset_after_fork()
        connection: Connection | None = None
        try:
            identity = identify(self.path)
            if identity is None or identity in self._unusable:
                return default
            generation = self._generation
            connection = self._reader(identity)
            if connection is None:
                return default
            connection.mend_index()
            connection.wait_for_locks(0.0 if self._read_timed_out else READ_PATIENCE)
            found = work(connection)
            self._read_timed_out = False
            if generation == self._generation:
                self._readers.append(connection)
                connection = None
            return found
        except Exception as error:
            self._read_timed_out = _is_busy(error)
            self._fail(error)
            return default
        finally:
            if connection is not None:
                connection.close()

    def _reader(self, identity: Identity) -> Connection | None:
        with suppress(IndexError):
            while True:
                connection = self._readers.pop()
                if connection.identity == identity:
                    return connection
                connection.abandon(replaced=True)
        return open_for_reading(self.path, 0.0 if self._read_timed_out else READ_PATIENCE)

    def _close_readers(self) -> None:
        self._generation += 1
        with suppress(IndexError):
            while True:
                self._readers.pop().close()

    def _write(self, work: Callable[[Connection], object], *, wait: bool = True) -> bool:
        """Call a function with the writing connection, in one thread at a time; return whether it succeeded.

        Args:
            work: the function.
            wait: whether to wait for other writers: as long as they write, and for `PATIENCE` if none does.
        """
        self._reset_after_fork()
        last = time.monotonic() + LONGEST
        while True:
            patience = PATIENCE if wait and not self._write_timed_out else 0.0
            before = self._progress()
            failure = self._try_to_write(work, patience)
            if not isinstance(failure, Exception):
                return failure
            if not _is_busy(failure):
                self._fail(failure)
                return False
            if not patience or self._write_timed_out or self._progress() == before or time.monotonic() > last:
                self._write_timed_out |= wait
                if wait:
                    self._fail(failure)
                return False

    def _try_to_write(self, work: Callable[[Connection], object], patience: float) -> bool | Exception:
        """Return whether it has succeeded, or why not if that is to be told of."""
        begun = time.monotonic()
        if not self._lock.acquire(timeout=patience):
            return _busy("another thread is writing")
        # If another thread of this process has timed out meanwhile, this one does not wait, either.
        patience = 0.0 if self._write_timed_out else max(0.0, patience - (time.monotonic() - begun))
        if self._writing:  # a destructor has called the store during a write
            self._lock.release()
            return False
        self._writing = True
        try:
            identity = identify(self.path)
            if identity is None:
                self._unusable.clear()  # a new file may have the inode number of a deleted one
            elif identity in self._unusable:
                return False
            if self._writer is not None and self._writer.identity != identity:
                writer, self._writer = self._writer, None
                writer.abandon(replaced=True)
            if self._writer is None:
                self._writer = open_for_writing(self.path, patience)
            self._writer.mend_index()
            self._writer.wait_for_locks(patience)
            work(self._writer)
            self._write_timed_out = False
            return True
        except Exception as error:
            return error
        finally:
            self._writing = False
            self._lock.release()

    def _progress(self) -> object:
        """Return what changes whenever a process writes to the file."""
        found = []
        for path in (self.path, f"{self.path}-wal"):
            with suppress(OSError):
                status = os.stat(path)
                found.append((status.st_mtime_ns, status.st_size))
        return found

    def _fail(self, error: Exception) -> None:
        """Handle an error of the file: warn, and after damage stop using it."""
        if not is_damage(error):  # locked, disk full, read only: it may be temporary
            self._warn_once("access", f"{self.path} cannot be used at the moment: {error}")
            return
        with suppress(OSError):
            self._unusable.add(identify(self.path))
        self._close_readers()
        self._warn_once("file", f"{self.path} cannot be used, and no results are stored in it: {error}")
        if self._lock.acquire(blocking=False):
            try:
                writer, self._writer = self._writer, None
            finally:
                self._lock.release()
            if writer is not None:
                writer.close()

    def _reset_after_fork(self) -> None:
        """Replace connections and lock in a forked process: a thread of the parent may have held the lock."""
        if self._process != os.getpid():
            self._lock = threading.RLock()
            self._writing = False
            self._process = os.getpid()
            self._touched = {}
            readers, self._readers = self._readers, []
            writer, self._writer = self._writer, None
            for connection in readers if writer is None else [*readers, writer]:
                connection.abandon(replaced=False)

    # ------------------------------------------------------------------------------------------------ housekeeping

    def _touch(self, key: bytes) -> None:
        """Note the use of a result. Uses are written in batches, when no other process is writing."""
        self._touched.pop(key, None)
        self._touched[key] = None
        if len(self._touched) >= TOUCHED and not self._write(self._write_down_touched, wait=False):
            with suppress(KeyError, StopIteration, RuntimeError):
                while len(self._touched) > 4 * TOUCHED:
                    del self._touched[next(iter(self._touched))]

    def _write_down_touched(self, connection: Connection) -> None:
        with connection.transaction():
            self._write_touched(connection)

    def _write_touched(self, connection: Connection) -> None:
        touched, self._touched = self._touched, {}
        for key in touched:
            connection.raw.execute("UPDATE totals SET clock = clock + 1")
            connection.raw.execute("UPDATE entries SET used = (SELECT clock FROM totals) WHERE key = ?", (key,))

    def _delete(self, connection: Connection, statement: str, *values: Any) -> None:
        with connection.transaction():
            connection.raw.execute(statement, values)

    def _delete_expired(self, key: bytes, now: float) -> None:
        # Another process may have renewed the entry.
        statement = (
            "DELETE FROM entries WHERE key = ? AND (expires <= ? OR made > ? "
            "OR typeof(expires) <> 'real' OR typeof(made) <> 'real')"
        )
        self._write(lambda connection: self._delete(connection, statement, key, now, now + SKEW), wait=False)

    def _make_room(self, connection: Connection, now: float) -> None:
        """Evict expired results, then the least recently used, until the rest is within the bounds."""
        if self._within_bounds(connection):
            return
        connection.raw.execute("DELETE FROM entries WHERE expires <= ?", (now,))
        while not self._within_bounds(connection):
            oldest = "DELETE FROM entries WHERE rowid = (SELECT rowid FROM entries ORDER BY used LIMIT 1)"
            if not connection.raw.execute(oldest).rowcount:
                raise NotOurs("its totals are wrong")

    def _within_bounds(self, connection: Connection) -> bool:
        entries, size = connection.totals()
        return entries <= self._max_entries and size <= self._max_bytes

    def _drop(self, key: bytes, why: str) -> None:
        self._warn_once("entry", f"an entry of {self.path} {why}")
        statement = "DELETE FROM entries WHERE key = ?"
        self._write(lambda connection: self._delete(connection, statement, key), wait=False)

    def _warn_once(self, about: str, text: str) -> None:
        if about not in self._warned:
            self._warned.add(about)
            _logger.warning("result cache: %s", text)


def _is_valid(made: Any, expires: Any, now: float) -> bool:
    """Whether a result that expires may be used: it may not, either, if it was made in the future.

    Then the calendar was set back since, and nothing shows how old the result is.
    """
    return type(made) is float and type(expires) is float and made <= now + SKEW and now < expires


def _is_busy(error: Exception) -> bool:
    code = (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF
    return isinstance(error, sqlite3.Error) and code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def _busy(text: str) -> sqlite3.OperationalError:
    error = sqlite3.OperationalError(text)
    error.sqlite_errorcode = sqlite3.SQLITE_BUSY
    return error


def _digest(key: bytes, data: bytes) -> bytes:
    return blake2b(data, digest_size=16, key=blake2b(key, digest_size=32).digest()).digest()
