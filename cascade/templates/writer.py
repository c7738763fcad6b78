"""Template files, written: atomically, and by one process at a time.

The new file is written beside the old one, with the suffix `.tmp`, and then renamed: a reader finds the old or the new
file, whole, even if this process is killed. A lock file, with the suffix `.lock`, serializes the writers; each
one reads the current file first, so that no templates are lost. The system releases the lock of a process that has
ended. Readers need no lock.
"""

from __future__ import annotations

import errno
import logging
import os
import stat
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from cascade._support.file_lock import FileLock
from cascade._support.forks import reset_in_children
from cascade._version import __version__
from cascade.exceptions import TemplateError
from cascade.templates.reader import ENTRY, FORMAT, HEADER, MAGIC, MOST, TemplateFile, checksum, header

__all__ = ["PATIENCE", "Encodings", "NestedRewriteError", "rewrite"]

PATIENCE = 30.0
"""Seconds to wait for other writers of the same file."""

_POLL = 0.005  # seconds
_SAFELY = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
"""Flags for writing, as far as the platform has them: not inherited, not through a link, no change of line ends."""
_READING = 5.0  # seconds to wait for readers, where an open file cannot be replaced
_logger = logging.getLogger("cascade")

# Digest -> encoding, oldest first.
Encodings = dict[bytes, bytes]

# Process, thread and file of each writer, waiting ones included. A forked process inherits those of its parent.
_turns: set[tuple[int, int, str]] = set()


class NestedRewriteError(TimeoutError):
    """This thread is already writing the file, and would wait for itself."""


def rewrite(
    path: str | os.PathLike[str], change: Callable[[Encodings], Encodings], *, patience: float = PATIENCE
) -> int:
    """Change the templates of a file, atomically and one writer at a time.

    Damaged templates in it are dropped with a warning, and so are all templates of an older format. Nothing is written
    if nothing has changed.

    Args:
        path: of the file; it need not exist. A symbolic link stays a link.
        change: takes the digests and encodings of the file, oldest first, and returns the new ones.
        patience: seconds to wait for other writers.

    Returns:
        The number of templates in the file.

    Raises:
        OSError: the file or its directory cannot be read or written; `TimeoutError` if other writers take longer than
            `patience`.
        TemplateError: the file is of another kind or has a newer format, and is not changed; or there would be too many
            templates.
    """
    place = os.path.realpath(path)
    turn = os.getpid(), threading.get_ident(), place
    if turn in _turns:
        raise NestedRewriteError(f"this thread is writing it already - at `{place}`")
    _expect_file(place)
    with _noted(turn), _Lock(place, patience):
        there, whole = _read(place)
        wanted = change(dict(there))
        if len(wanted) > MOST:
            raise TemplateError(f"{len(wanted)} templates, where a file may have {MOST} - at `{place}`")
        if not (whole and list(wanted) == list(there) and wanted == there):
            try:
                _write(place, wanted)
            except OSError as error:
                if error.filename2 is None:  # else both names are in the error
                    error.filename = place  # the file that the caller has named
                raise
        return len(wanted)


def _expect_file(place: str) -> None:
    """Check that there is a regular file or none, before a lock file is created and before a pipe could block."""
    with suppress(FileNotFoundError):
        if not stat.S_ISREG(os.stat(place).st_mode):
            raise TemplateError(f"not a regular file - at `{place}`")


@contextmanager
def _noted(turn: tuple[int, int, str]) -> Iterator[None]:
    _turns.add(turn)
    try:
        yield
    finally:
        _turns.discard(turn)


class _Lock:
    """The lock of a file's writer, among processes and threads.

    Args:
        place: of the file.
        patience: seconds to wait for other writers.
    """

    def __init__(self, place: str, patience: float) -> None:
        self._place = place
        self._patience = patience
        self._descriptor: int | None = None
        self._lock: FileLock | None = None

    def __enter__(self) -> None:
        try:
            # Not through a link: it could make this process create or lock another file.
            flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NONBLOCK", 0)
            descriptor = os.open(self._place + ".lock", flags | _SAFELY, 0o666)
        except OSError as error:
            if error.errno == errno.ELOOP:
                error.strerror, error.filename = "the lock must be a file of its own, got a link", self._place + ".lock"
                raise
            error.filename = self._place  # the file that the caller has named
            raise
        self._descriptor = descriptor
        reset_in_children(self)
        try:
            self._wait(descriptor, FileLock(descriptor))
        except BaseException:
            self._give_back()
            raise

    def __exit__(self, *exc: object) -> None:
        self._give_back()

    def _reset_after_fork(self) -> None:
        """This process is a child: the lock is its parent's, and would outlast the parent if it stayed open here."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    def _wait(self, descriptor: int, lock: FileLock) -> None:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "the lock must be a regular file", self._place + ".lock")
        end = time.monotonic() + self._patience
        self._lock = lock
        try:
            while not lock.exclusive():
                if time.monotonic() >= end:
                    raise TimeoutError(f"other writers have held the lock for {self._patience} s - at `{self._place}`")
                time.sleep(_POLL)
        except OSError as error:
            if error.errno is not None and error.filename is None:
                error.filename = self._place  # the file that the caller has named
            raise

    def _give_back(self) -> None:
        descriptor, self._descriptor = self._descriptor, None
        lock, self._lock = self._lock, None
        if descriptor is not None:
            # Closing is not enough: a child that has inherited the open file would keep the lock.
            with suppress(OSError):
                if lock is not None:
                    lock.release()
            os.close(descriptor)


def _read(place: str) -> tuple[Encodings, bool]:
    """Return the intact templates, and whether these are all of a file of the current format."""
    try:
        file = TemplateFile(place)
        entries = file.oldest_first()
    except FileNotFoundError:
        return {}, False
    except TemplateError as error:
        if not _is_damaged(place):
            raise
        _logger.warning("%s: it is written anew", error)
        return {}, False
    found: Encodings = {}
    damaged = 0
    try:
        for entry in entries:
            try:
                found[entry.digest] = file.encoding(entry)
            except TemplateError:
                damaged += 1
    finally:
        file.close()
    if damaged:
        _logger.warning("%d of %d templates are damaged and dropped - at `%s`", damaged, len(file), place)
    return found, not damaged and not file.is_older and file.size > 0


def _is_damaged(place: str) -> bool:
    """Whether the file begins as a template file of the current or an older format."""
    with open(place, "rb") as stream:
        begin = stream.read(HEADER.size)
    return begin.startswith(MAGIC) and int.from_bytes(begin[8:12], "little") <= FORMAT


def _write(place: str, encodings: Encodings) -> None:
    offset = HEADER.size + ENTRY.size * len(encodings)
    entries = []
    for digest, encoding in encodings.items():
        entries.append(ENTRY.pack(digest, checksum(encoding), offset, len(encoding)))
        offset += len(encoding)
    index = b"".join(sorted(entries))
    beside = place + ".tmp"
    # A leftover of a killed writer: the holder of the lock may remove it.
    with suppress(FileNotFoundError):
        os.unlink(beside)
    mode = 0o666
    with suppress(FileNotFoundError):
        mode = Path(place).stat().st_mode & 0o7777
    # Never readable by more users than the file that it replaces. `O_EXCL`: an existing file or link is not opened.
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _SAFELY, mode & 0o666)
    try:
        try:
            _fill(descriptor, place, header(len(entries), offset, __version__, index), index, encodings)
        finally:
            os.close(descriptor)  # before the rename: Windows renames no open file
        _replace(beside, place)
    except BaseException:
        with suppress(OSError):
            os.unlink(beside)
        raise
    _settle(os.path.dirname(place))


def _fill(descriptor: int, place: str, begin: bytes, index: bytes, encodings: Encodings) -> None:
    with open(descriptor, "wb", closefd=False) as stream:
        stream.write(begin)
        stream.write(index)
        for encoding in encodings.values():
            stream.write(encoding)
    if hasattr(os, "fchmod"):  # else the platform has no file modes
        with suppress(FileNotFoundError):
            os.fchmod(descriptor, Path(place).stat().st_mode & 0o7777)
    os.fsync(descriptor)


def _replace(beside: str, place: str) -> None:
    """Rename the new file over the old one; on Windows, once no reader has it open."""
    end = time.monotonic() + _READING
    while True:
        try:
            os.replace(beside, place)
            return
        except PermissionError:
            if os.name != "nt" or time.monotonic() >= end:
                raise
            time.sleep(_POLL)


def _settle(directory: str) -> None:
    """Flush the directory to disk, too, where the system can."""
    with suppress(OSError):
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
