"""Locks on open files: `fcntl.flock`, or `msvcrt.locking` on Windows.

Both belong to the open file, so they also exclude threads of one process from one another, and the system releases them
when the file is closed or the process ends. On Windows the standard library has no shared locks. There the holder of a
shared lock locks one random byte of a range, and the holder of an exclusive lock the whole range: shared locks are on
different bytes, and an exclusive lock fails while any byte is locked.
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
except ImportError:  # not Windows
    _msvcrt = None  # type: ignore[assignment]

msvcrt: Any = _msvcrt  # type checkers do not know it on other platforms

AVAILABLE = fcntl is not None or msvcrt is not None
"""Whether the platform has file locks."""

_BEGIN = 0x40000000  # of the range: beyond the end of the file, as locked bytes cannot be read on Windows
_SLOTS = 1 << 16  # bytes in the range
_TRIES = 16  # attempts to find a byte that is not locked


class FileLock:
    """The lock of one open file. No method waits: a lock is acquired at once or not at all.

    Args:
        descriptor: the file descriptor, open for writing. The caller closes it, which releases the lock.
    """

    __slots__ = ("_descriptor", "_held")

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._held: tuple[int, int] | None = None  # begin and length of the locked bytes; msvcrt only

    def exclusive(self) -> bool:
        """Acquire an exclusive lock. Return whether that succeeded; if not, a shared lock may have been released.

        Raises:
            OSError: the platform, or its file system, has no locks.
        """
        if fcntl is not None:
            return self._flock(fcntl.LOCK_EX)
        self.release()
        return self._lock(_BEGIN, _SLOTS)

    def shared(self) -> bool:
        """Acquire a shared lock. Return whether that succeeded.

        Raises:
            OSError: the platform, or its file system, has no locks.
        """
        if fcntl is not None:
            return self._flock(fcntl.LOCK_SH)
        self.release()
        return any(self._lock(_BEGIN + random.randrange(_SLOTS), 1) for _ in range(_TRIES))

    def release(self) -> None:
        """Release the lock. Closing the file releases it too, unless a forked process has the file open as well."""
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
        except PermissionError:  # EACCES: the bytes are locked
            return False
        self._held = begin, length
        return True
