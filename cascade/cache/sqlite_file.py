"""The SQLite file of a store of results: its schema, its connections, and its errors."""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

__all__ = ["FORMAT", "Connection", "NotOurs", "identify", "is_damage", "open_for_reading", "open_for_writing"]

APPLICATION = 0x43534344  # "CSCD", in the header of the file
FORMAT = 2

SCHEMA = (
    """CREATE TABLE entries (
        key BLOB PRIMARY KEY, value BLOB NOT NULL, digest BLOB NOT NULL,
        made REAL, expires REAL, used INTEGER NOT NULL, size INTEGER NOT NULL)""",
    "CREATE INDEX entries_used ON entries (used)",
    "CREATE INDEX entries_expires ON entries (expires) WHERE expires IS NOT NULL",
    # Updated by triggers: counting must not read all entries.
    "CREATE TABLE totals (entries INTEGER NOT NULL, bytes INTEGER NOT NULL, clock INTEGER NOT NULL)",
    "INSERT INTO totals VALUES (0, 0, 0)",
    """CREATE TRIGGER added AFTER INSERT ON entries BEGIN
        UPDATE totals SET entries = entries + 1, bytes = bytes + NEW.size; END""",
    """CREATE TRIGGER removed AFTER DELETE ON entries BEGIN
        UPDATE totals SET entries = entries - 1, bytes = bytes - OLD.size; END""",
    f"PRAGMA application_id = {APPLICATION}",
    f"PRAGMA user_version = {FORMAT}",
)

INDEX_HEADER = 136  # bytes of the header in the index of the log, both copies and the state of the checkpoint

# The file at a path: device and inode number; None: there is no file.
Identity = tuple[int, int] | None


_abandoned: list[Connection] = []
_mended: list[int] = []


class NotOurs(Exception):
    """The file is a database, but not of a store, or not of this format."""


class Connection:
    """A connection to the file.

    Attributes:
        raw: the connection of `sqlite3`.
        identity: the identity of the open file; another file may be at the path by now.
    """

    __slots__ = ("_log", "_milliseconds", "_path", "_shared", "identity", "raw")

    def __init__(self, raw: sqlite3.Connection, path: Path) -> None:
        self.raw = raw
        self.identity: Identity = None
        self._path = path
        self._log: Identity = None  # the identity of the log (-wal)
        self._milliseconds = -1
        self._shared = 0  # the largest known size of the index of the log (-shm), in bytes

    def recognize(self, identity: Identity) -> None:
        """Store the identities of the open file and of its log."""
        self.identity = identity
        self._log = identify(Path(f"{self._path}-wal"))
        self.mend_index()

    def mend_index(self) -> None:
        """Extend the index of the log if it was cut off while it is open, and have SQLite make it anew.

        SQLite maps that file into memory: a read behind its end would end the process (SIGBUS). Called before each use.
        """
        index = f"{self._path}-shm"
        with suppress(OSError):
            size = os.stat(index).st_size
            if size >= self._shared:
                self._shared = size
                return
            os.truncate(index, self._shared)
            file = os.open(index, os.O_RDWR)
            # Never closed: that would release the locks which this process holds on it for SQLite.
            _mended.append(file)
            os.write(file, bytes(INDEX_HEADER))  # an index without a header is made from the log

    def wait_for_locks(self, seconds: float) -> None:
        """Set the timeout for locks of other connections, in seconds."""
        if (milliseconds := int(seconds * 1000)) != self._milliseconds:
            self.raw.execute(f"PRAGMA busy_timeout = {milliseconds}")
            self._milliseconds = milliseconds

    def totals(self) -> tuple[int, int]:
        """Return the number of entries, and their size in bytes."""
        rows = self.raw.execute("SELECT entries, bytes FROM totals").fetchall()
        if not rows or type(rows[0][0]) is not int or type(rows[0][1]) is not int:
            raise NotOurs("its totals are damaged")
        return rows[0][0], rows[0][1]

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """A transaction: committed at the end of the block, rolled back on an exception."""
        self.raw.execute("BEGIN IMMEDIATE")
        try:
            yield
            self.raw.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):
                self.raw.execute("ROLLBACK")
            raise

    def close(self) -> None:
        """Close the file."""
        self.mend_index()
        with suppress(sqlite3.Error):
            self.raw.close()

    def abandon(self, *, replaced: bool) -> None:
        """Abandon the connection without closing it, as its file was replaced or was opened by the parent process.

        Closing it would remove the log at its path, which belongs to another file or to the parent process.

        Args:
            replaced: whether another file is at the path. Then the old log is removed, as it does not belong to it.
        """
        if replaced:
            with suppress(OSError):
                if self._log is not None and identify(Path(f"{self._path}-wal")) == self._log:
                    _remove_logs(self._path)
        if self.identity is not None and hasattr(self.raw, "setconfig"):  # from Python 3.12 on
            with suppress(sqlite3.Error):
                self.raw.setconfig(sqlite3.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, True)  # type: ignore[attr-defined,unused-ignore]
        _abandoned.append(self)


def identify(path: Path) -> Identity:
    """Return the identity of the file at a path, or None if there is none.

    Raises:
        OSError: it cannot be read, or is neither a file nor a directory: opening a pipe would block.
    """
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(found.st_mode) and not stat.S_ISDIR(found.st_mode):
        raise OSError("it is no regular file")
    return found.st_dev, found.st_ino


def is_damage(error: Exception) -> bool:
    """Whether an error is permanent: the file is damaged or of another kind."""
    if isinstance(error, NotOurs):
        return True
    if (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return True
    passing = (sqlite3.OperationalError, sqlite3.DataError, sqlite3.ProgrammingError)
    return isinstance(error, sqlite3.DatabaseError) and not isinstance(error, passing)


def open_for_reading(path: Path, patience: float) -> Connection | None:
    """Open an existing file for reading; return None if there is none, or if it is empty.

    Raises:
        sqlite3.Error, OSError: it cannot be opened.
        NotOurs: it is another kind of database.
    """
    identity = identify(path)
    if identity is None:
        return None
    try:
        return _open_for_reading(path, identity, patience, "mode=rw")
    except sqlite3.OperationalError:
        # In a read-only directory SQLite cannot create the log files. Then no process writes to the file, either.
        if os.access(path.parent, os.W_OK):
            raise
        if os.name == "posix":
            with suppress(sqlite3.OperationalError):  # with the log that a process has left, if there is one
                return _open_for_reading(path, identity, patience, "mode=ro&vfs=unix-none", alone=True)
        return _open_for_reading(path, identity, patience, "mode=ro&immutable=1")


def _open_for_reading(
    path: Path, identity: Identity, patience: float, how: str, *, alone: bool = False
) -> Connection | None:
    raw = sqlite3.connect(
        f"{path.as_uri()}?{how}", uri=True, timeout=patience, isolation_level=None, check_same_thread=False
    )
    connection = Connection(raw, path)
    try:
        connection.wait_for_locks(patience)
        if alone:
            raw.execute("PRAGMA locking_mode = EXCLUSIVE").fetchall()  # the index of the log is in memory then
        raw.execute("PRAGMA query_only = ON")
        if raw.execute("SELECT count(*) FROM sqlite_master").fetchall()[0][0]:
            _check(raw)
            connection.recognize(identity)
            return connection
    except BaseException:
        connection.close()
        raise
    connection.close()
    return None


def open_for_writing(path: Path, patience: float) -> Connection:
    """Open a file for writing, and create it if it does not exist.

    Raises:
        sqlite3.Error, OSError: it cannot be opened or written.
        NotOurs: it is another kind of database.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if identify(path) is None:
        _remove_logs(path)  # logs of a deleted file: SQLite would apply them to the new one
    raw = sqlite3.connect(path, timeout=patience, isolation_level=None, check_same_thread=False)
    connection = Connection(raw, path)
    try:
        connection.wait_for_locks(patience)
        with connection.transaction():
            if not raw.execute("SELECT count(*) FROM sqlite_master").fetchall()[0][0]:
                for statement in SCHEMA:
                    raw.execute(statement)
            _check(raw)
        # Another process that is opening the file may hold the lock for this; then that process sets the mode.
        with suppress(sqlite3.OperationalError):
            raw.execute("PRAGMA journal_mode = WAL").fetchall()
        raw.execute("PRAGMA synchronous = NORMAL")
        connection.recognize(identify(path))
    except BaseException:
        connection.close()
        raise
    return connection


def _remove_logs(path: Path) -> None:
    for rest in ("-wal", "-shm"):
        with suppress(OSError):
            os.unlink(f"{path}{rest}")


def _check(raw: sqlite3.Connection) -> None:
    if raw.execute("PRAGMA application_id").fetchall()[0][0] != APPLICATION:
        raise NotOurs("it is a database of something else")
    if (found := raw.execute("PRAGMA user_version").fetchall()[0][0]) != FORMAT:
        raise NotOurs(f"it has format {found}, this version of Cascade writes {FORMAT}")
