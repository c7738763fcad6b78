"""The SQLite file of a store of results: its schema, its connections, and what may be wrong with it."""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

__all__ = ["FORMAT", "Connection", "NotOurs", "identify", "is_damage", "open_for_reading", "open_for_writing"]

APPLICATION = 0x43534344  # "CSCD", in the header of the file
FORMAT = 1

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

# Which file a path leads to: device and number; None: there is none.
Identity = tuple[int, int] | None


_abandoned: list[Connection] = []


class NotOurs(Exception):
    """The file is a database, but not one that a store has written and can read."""


class Connection:
    """A connection to the file.

    Attributes:
        raw: the connection of `sqlite3`.
        identity: of the file that it has opened, whatever the path leads to by now.
    """

    __slots__ = ("_log", "_milliseconds", "_path", "identity", "raw")

    def __init__(self, raw: sqlite3.Connection, path: Path) -> None:
        self.raw = raw
        self.identity: Identity = None
        self._path = path
        self._log: Identity = None  # of the log beside the file
        self._milliseconds = -1

    def recognize(self, identity: Identity) -> None:
        """Take note of what it has opened."""
        self.identity = identity
        self._log = identify(Path(f"{self._path}-wal"))

    def wait_for_locks(self, seconds: float) -> None:
        """Say for how long to wait where another connection has locked the file."""
        if (milliseconds := int(seconds * 1000)) != self._milliseconds:
            self.raw.execute(f"PRAGMA busy_timeout = {milliseconds}")
            self._milliseconds = milliseconds

    def totals(self) -> tuple[int, int]:
        """How many entries there are, and how many bytes they take."""
        rows = self.raw.execute("SELECT entries, bytes FROM totals").fetchall()
        if not rows or type(rows[0][0]) is not int or type(rows[0][1]) is not int:
            raise NotOurs("its totals are damaged")
        return rows[0][0], rows[0][1]

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Write, all of it or nothing."""
        self.raw.execute("BEGIN IMMEDIATE")
        try:
            yield
            self.raw.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):
                self.raw.execute("ROLLBACK")
            raise

    def close(self) -> None:
        """Let go of the file."""
        with suppress(sqlite3.Error):
            self.raw.close()

    def abandon(self, *, replaced: bool) -> None:
        """Let go of a file that the path does not lead to any more, or that was opened by the process we are forked of.

        Closing it would remove the log beside it, by its name: that of another file by now, or of another process.

        Args:
            replaced: whether another file is in its place, which must not be taken to have this log.
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
    """Which file is there.

    Raises:
        OSError: it cannot be told, or is no file that can be one of results: a pipe would be waited for.
    """
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(found.st_mode) and not stat.S_ISDIR(found.st_mode):
        raise OSError("it is no regular file")
    return found.st_dev, found.st_ino


def is_damage(error: Exception) -> bool:
    """Whether an error says that the file is no use for good, and not that it may be later."""
    if isinstance(error, NotOurs):
        return True
    if (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return True
    passing = (sqlite3.OperationalError, sqlite3.DataError, sqlite3.ProgrammingError)
    return isinstance(error, sqlite3.DatabaseError) and not isinstance(error, passing)


def open_for_reading(path: Path, patience: float) -> Connection | None:
    """Open a file that is there; None: there is none, or nothing in it yet.

    Raises:
        sqlite3.Error, OSError: it cannot be opened.
        NotOurs: it is something else.
    """
    identity = identify(path)
    if identity is None:
        return None
    try:
        return _open_for_reading(path, identity, patience, "mode=rw")
    except sqlite3.OperationalError:
        # Where nothing can be written, the two files beside this one cannot be made. Then nobody writes to it either.
        if os.access(path.parent, os.W_OK):
            raise
        return _open_for_reading(path, identity, patience, "mode=ro&immutable=1")


def _open_for_reading(path: Path, identity: Identity, patience: float, how: str) -> Connection | None:
    raw = sqlite3.connect(
        f"{path.as_uri()}?{how}", uri=True, timeout=patience, isolation_level=None, check_same_thread=False
    )
    connection = Connection(raw, path)
    try:
        connection.wait_for_locks(patience)
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
    """Open a file, which is made if it is not there.

    Raises:
        sqlite3.Error, OSError: it cannot be opened, or not be written to.
        NotOurs: it is something else.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if identify(path) is None:
        _remove_logs(path)  # of a file that was deleted: they would be taken for those of the new one
    raw = sqlite3.connect(path, timeout=patience, isolation_level=None, check_same_thread=False)
    connection = Connection(raw, path)
    try:
        connection.wait_for_locks(patience)
        with connection.transaction():
            if not raw.execute("SELECT count(*) FROM sqlite_master").fetchall()[0][0]:
                for statement in SCHEMA:
                    raw.execute(statement)
            _check(raw)
        # A process that opens the file at the same moment may hold the lock that this takes; then it does it.
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
