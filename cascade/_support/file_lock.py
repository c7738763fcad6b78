"""Locks on open files, by what the platform has: `fcntl.flock`, or `msvcrt.locking` on Windows.

Both belong to the open file, so they hold among threads of one process too, and the system releases them when the file
is closed or the process ends. Windows knows no shared lock through the standard library. There each holder of a shared
lock locks one byte of a range, of its own choice, and an exclusive lock is one on the whole range: two that share have
different bytes, and whoever wants the range for itself fails while anybody has a byte of it.
"""

from __future__ import annotations

import errno
import os
import random
from typing import Any

__all__ = ["AVAILABLE", "FileLock"]

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]
try:
    import msvcrt as _msvcrt
except ImportError:  # all others
    _msvcrt = None  # type: ignore[assignment]

msvcrt: Any = _msvcrt  # of which a type checker knows nothing on other platforms

AVAILABLE = fcntl is not None or msvcrt is not None
"""Whether the platform has locks on files."""

_BEGIN = 0x40000000  # of the range: past all that is in the file, as locked bytes cannot be read on Windows
_SLOTS = 1 << 16  # bytes in it
_TRIES = 16  # to find a byte that nobody has


class FileLock:
    """The lock of one open file. Nothing here waits: a lock is taken at once, or not at all.

    Args:
        descriptor: of the file, open for writing. To close it is up to the caller, and releases the lock.
    """

    __slots__ = ("_descriptor", "_held")

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._held: tuple[int, int] | None = None  # begin and length of what is locked; of msvcrt only

    def exclusive(self) -> bool:
        """Lock the file for this holder alone. Return whether that was possible; if not, it may hold no lock now.

        Raises:
            OSError: the platform, or its file system, has no locks.
        """
        if fcntl is not None:
            return self._flock(fcntl.LOCK_EX)
        self.release()
        return self._lock(_BEGIN, _SLOTS)

    def shared(self) -> bool:
        """Lock the file together with all who share it. Return whether that was possible.

        Raises:
            OSError: the platform, or its file system, has no locks.
        """
        if fcntl is not None:
            return self._flock(fcntl.LOCK_SH)
        self.release()
        return any(self._lock(_BEGIN + random.randrange(_SLOTS), 1) for _ in range(_TRIES))

    def release(self) -> None:
        """Unlock the file. To close the file does so too, unless a forked process has it open as well."""
        if fcntl is not None:
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)
        elif self._held is not None:
            (begin, length), self._held = self._held, None
            os.lseek(self._descriptor, begin, os.SEEK_SET)
            msvcrt.locking(self._descriptor, msvcrt.LK_UNLCK, length)

    def _flock(self, kind: int) -> bool:
        try:
            fcntl.flock(self._descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _lock(self, begin: int, length: int) -> bool:
        if msvcrt is None:
            raise OSError(errno.ENOTSUP, "this platform has no locks on files: neither `fcntl` nor `msvcrt` is there")
        os.lseek(self._descriptor, begin, os.SEEK_SET)
        try:
            msvcrt.locking(self._descriptor, msvcrt.LK_NBLCK, length)
        except PermissionError:  # EACCES: another one has it
            return False
        self._held = begin, length
        return True
