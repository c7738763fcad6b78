"""Marks of unfinished files: a file that a task has written in part is not a result.

A mark is a file beside the marked file, from before the task starts until after it has succeeded. A failure, a
cancellation or the end of the process leaves the mark, and the file does not count. Each call that writes the file
holds a lock on the mark, which ends with the process, and appends a line to it. Only a call that was alone removes the
mark: a thread that still runs after its timeout, or another process, may have written to the file, too.
"""

from __future__ import annotations

import os
from contextlib import suppress
from hashlib import blake2b

from cascade._support.file_lock import AVAILABLE, FileLock

__all__ = ["UnfinishedMarks", "is_marked"]

TRIES = 10
# On Windows, where a file that is open can be neither removed nor replaced, `O_BINARY` keeps line ends as they are.
_FLAGS = os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
_REMOVED_OPEN = os.name != "nt"


def is_marked(path: bytes) -> bool:
    """Whether a file or directory is being written, or its writer did not succeed."""
    return any(os.path.lexists(mark) for target in _targets(path) for mark in _places(target))


class UnfinishedMarks:
    """The marks of one call that writes files. Making it creates the marks.

    Args:
        paths: of the files.

    Raises:
        OSError: a mark cannot be created.
    """

    def __init__(self, paths: tuple[bytes, ...]) -> None:
        self._marks: list[_Mark] = []
        try:
            for target in dict.fromkeys(target for path in paths for target in _targets(path)):
                places = _places(target)
                # The nearest directory that exists: the task may create the others.
                here = next(place for place in places if os.path.isdir(os.path.dirname(place)))
                self._marks += [_Mark(target, place) for place in places if place == here or os.path.lexists(place)]
        except BaseException:
            self.close()
            raise

    def remove(self) -> None:
        """End with success: remove the marks, except those of files that another call was writing, too."""
        for mark in self._marks:
            mark.remove()
        self.close()

    def keep(self) -> None:
        """End without success: keep the marks, except those of files that do not exist."""
        for mark in self._marks:
            mark.keep()
        self.close()

    def close(self) -> None:
        """Release the locks. Marks that were not removed stay."""
        while self._marks:
            self._marks.pop().close()


class _Mark:
    """One mark, and the lock on it."""

    def __init__(self, target: bytes, place: bytes) -> None:
        self._target = target
        self._place = place
        self._file = -1
        for _ in range(TRIES):
            self._file = os.open(place, _FLAGS, 0o666)
            self._lock = FileLock(self._file)
            try:
                self._alone = self._try_shared() and self._try_exclusive()
                self._try_shared()
                os.write(self._file, b"not finished by process %d\n" % os.getpid())
                self._size = os.fstat(self._file).st_size
                if self._is_there():  # not removed since it was opened
                    return
            except BaseException:
                self.close()
                raise
            self.close()
        raise OSError(f"cannot create the mark {os.fsdecode(place)}: it was removed {TRIES} times")

    def keep(self) -> None:
        with suppress(OSError):
            if not os.path.lexists(self._target) and self._try_exclusive() and self._is_there():
                self._unlink()

    def remove(self) -> None:
        with suppress(OSError):
            alone = self._alone and os.fstat(self._file).st_size == self._size and self._try_exclusive()
            if alone and self._is_there():
                self._unlink()

    def close(self) -> None:
        file, self._file = self._file, -1
        if file >= 0:
            os.close(file)

    def __del__(self) -> None:
        self.close()

    def _unlink(self) -> None:
        if not _REMOVED_OPEN:  # Windows: closed first; another process that has it open keeps it
            self.close()
        os.unlink(self._place)

    def _try_exclusive(self) -> bool:
        # On a file system without locks no work is known to be the only one, and the mark stays. A platform without any
        # locks would never keep a file then, so there two processes at work on one file are not noticed.
        with suppress(OSError):
            return not AVAILABLE or self._lock.exclusive()
        return False

    def _try_shared(self) -> bool:
        with suppress(OSError):
            return not AVAILABLE or self._lock.shared()
        return False

    def _is_there(self) -> bool:
        try:
            return os.path.samestat(os.stat(self._place, follow_symlinks=False), os.fstat(self._file))
        except FileNotFoundError:
            return False


def _targets(path: bytes) -> list[bytes]:
    """Return the path and, of a symbolic link, its target: a task may write through the link, or replace it."""
    folder, name = os.path.split(os.path.abspath(path))
    here = os.path.join(os.path.realpath(folder), name)
    return list(dict.fromkeys([here, os.path.realpath(path)]))


def _places(target: bytes) -> list[bytes]:
    """Return the possible paths of a mark, the nearest first: beside the file, or beside a directory above it."""
    folder, name = os.path.split(target)
    mark = b".%b.%b.unfinished" % (name[:150], blake2b(target, digest_size=6).hexdigest().encode())
    places = [os.path.join(folder, mark)]
    while (above := os.path.dirname(folder)) != folder:
        folder = above
        places.append(os.path.join(folder, mark))
    return places
