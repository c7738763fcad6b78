"""Marks of files that are being made: what a task leaves half done is no result.

Beside a file, a mark stands from before the task begins until after it has ended well. So a failure, a cancellation or
the end of the process leaves the mark, and the file does not count. Whoever is at work on a file holds a lock on its
mark, which ends with the process; and each leaves a line in it. A mark is taken away by one who was at work alone: a
thread that goes on after its time is over, or another process, may still have written to the file.
"""

from __future__ import annotations

import os
from contextlib import suppress
from hashlib import blake2b

from cascade._support.file_lock import AVAILABLE, FileLock

__all__ = ["Marks", "is_marked"]

TRIES = 10
# On Windows, where a file that is open can be neither removed nor replaced, `O_BINARY` keeps line ends as they are.
_FLAGS = os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
_REMOVED_OPEN = os.name != "nt"


def is_marked(path: bytes) -> bool:
    """Whether somebody is, or was to the end of a process, at work on a file or directory."""
    return any(os.path.lexists(mark) for target in _targets(path) for mark in _places(target))


class Marks:
    """The marks of one who begins to make some files.

    Args:
        paths: of the files.

    Raises:
        OSError: a mark cannot be made, as where nothing can be written.
    """

    def __init__(self, paths: tuple[bytes, ...]) -> None:
        self._marks: list[_Mark] = []
        try:
            for target in dict.fromkeys(target for path in paths for target in _targets(path)):
                places = _places(target)
                # The nearest directory that is there: others may be the task's to make.
                here = next(place for place in places if os.path.isdir(os.path.dirname(place)))
                self._marks += [_Mark(target, place) for place in places if place == here or os.path.lexists(place)]
        except BaseException:
            self.close()
            raise

    def remove(self) -> None:
        """The files are made: take the marks away, but for those of files that another one was at work on, too."""
        for mark in self._marks:
            mark.remove()
        self.close()

    def leave(self) -> None:
        """Work has ended before its end: the marks stay, but for those of files that were not even begun."""
        for mark in self._marks:
            mark.leave()
        self.close()

    def close(self) -> None:
        """Work has ended. Marks that were not removed stay."""
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
        raise OSError(f"the mark {os.fsdecode(place)} is removed again and again")

    def leave(self) -> None:
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
        if not _REMOVED_OPEN:  # then one who has opened it meanwhile keeps it from being removed, and finds it marked
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
    """The file, and what it leads to if it is a symbolic link: a task may write through the link, or replace it."""
    folder, name = os.path.split(os.path.abspath(path))
    here = os.path.join(os.path.realpath(folder), name)
    return list(dict.fromkeys([here, os.path.realpath(path)]))


def _places(target: bytes) -> list[bytes]:
    """Where a mark of a file may be, the nearest first: beside it, or beside a directory that was yet to be made."""
    folder, name = os.path.split(target)
    mark = b".%b.%b.unfinished" % (name[:150], blake2b(target, digest_size=6).hexdigest().encode())
    places = [os.path.join(folder, mark)]
    while (above := os.path.dirname(folder)) != folder:
        folder = above
        places.append(os.path.join(folder, mark))
    return places
