"""A file to which whole lines are written, with a bounded buffer."""

from __future__ import annotations

import io
import json
import os
import re
from collections import deque
from typing import IO, Any

from cascade._support.forks import new_lock, reset_in_children

__all__ = ["LineWriter"]


class LineWriter:
    r"""Writes whole lines to a file.

    Lines that cannot be written stay in the buffer and are tried again. The buffer never exceeds its size by more than
    one line; a line for which there is no room is lost as a whole, and counted.

    Args:
        target: a path, whose file is opened here and closed with the writer; or an open file, binary or text, which
            stays open.
        append: whether the contents of the file at a path are kept.
        size: of the buffer, in bytes; 0: every line is written at once.

    Raises:
        OSError: the file cannot be opened.
        TypeError: ``target`` is neither a path nor an open file.
        ValueError: ``target`` is a closed file.

    >>> import io
    >>> file = io.StringIO()
    >>> writer = LineWriter(file, append=True, size=100)
    >>> writer.write(b"a line"), file.getvalue()
    (None, '')
    >>> writer.flush(), file.getvalue()
    (None, 'a line\n')
    """

    def __init__(self, target: str | os.PathLike[str] | IO[Any], *, append: bool, size: int) -> None:
        self._own = isinstance(target, (str, os.PathLike))
        if isinstance(target, (str, os.PathLike)):
            self._file: Any = _open(os.fspath(target), append)
            self._text = False
        elif callable(getattr(target, "write", None)):
            if getattr(target, "closed", False):
                raise ValueError("file must be open, got a closed file")
            self._file = target
            self._text = isinstance(target, io.TextIOBase) or hasattr(target, "encoding")
        else:
            raise TypeError(f"file must be a path or an open file, got `{type(target).__name__}`")
        self._size = size
        self._waiting: deque[bytes] = deque()
        self._buffer = bytearray()
        # Engines of several threads may write. Writing to a user's file may run code that writes a line here again.
        self._lock = new_lock()
        self._writing = False
        self.closed = False
        self.lost = 0
        """The number of lines for which there was no room while the file could not be written."""
        reset_in_children(self)

    def _reset_after_fork(self) -> None:
        """Drop the buffer in a child process: the parent writes it."""
        self._waiting.clear()
        self._buffer.clear()
        self._writing = False

    def write(self, line: bytes) -> None:
        """Write a line, or put it into the buffer. Within the write of another line, it follows that.

        Args:
            line: the line, without the newline.

        Raises:
            OSError: the file cannot be written.
            ValueError: the writer, or the file, is closed.
        """
        if self.closed:
            raise ValueError("cannot write: the file was closed")
        self._waiting.append(line + b"\n")
        with self._lock:
            if not self._writing:
                self._accept_all()

    def flush(self) -> None:
        """Write the buffer to the file.

        Raises:
            OSError: the file cannot be written.
        """
        with self._lock:
            if not self.closed and not self._writing:
                self._accept_all(drain=True)

    def close(self) -> None:
        """Write the buffer, and close the file if the writer opened it. Idempotent.

        Raises:
            OSError: the file cannot be written; it is closed all the same.
        """
        with self._lock:
            if self.closed:
                return
            self.closed = True
            if not self._writing:  # else the write in progress closes it
                self._accept_all()

    def abandon(self) -> None:
        """Close it for an owner that did not, and ignore errors of the file."""
        try:
            self.close()
        except (OSError, ValueError):  # a file that was closed before, or standard output without a reader
            return

    def _accept_all(self, *, drain: bool = False) -> None:
        """Put the waiting lines into the buffer, and those that arrive meanwhile."""
        self._writing = True
        try:
            while self._waiting:
                self._accept(self._waiting.popleft())
            if drain or self.closed:
                self._drain()
        finally:
            self._writing = False
            if self.closed:
                self._waiting.clear()
                self._buffer.clear()
                if self._own:
                    self._file.close()

    def _accept(self, line: bytes) -> None:
        if self._buffer and len(self._buffer) + len(line) > self._size:
            try:
                self._drain()
            except BaseException:
                if len(self._buffer) + len(line) > self._size:
                    self.lost += 1
                else:  # a part of the buffer could be written before the file was full
                    self._buffer += line
                raise
        self._buffer += line
        if len(self._buffer) >= self._size:
            self._drain()

    def _drain(self) -> None:
        buffer, file = self._buffer, self._file
        if not buffer:
            return
        if self._text:
            text = buffer.decode()
            try:
                file.write(text)
            except UnicodeEncodeError:  # a file of another encoding; JSON can escape all to ASCII
                file.write(re.sub(r"[^\x00-\x7f]", lambda match: json.dumps(match[0])[1:-1], text))
            buffer.clear()
        else:
            while buffer:
                written = file.write(bytes(buffer))
                if written is None and isinstance(file, io.RawIOBase):
                    raise BlockingIOError("the file accepts no more bytes at present")
                # An unbuffered file may write a part and returns its size; all others write everything.
                del buffer[: written if isinstance(file, io.RawIOBase) else len(buffer)]
        flush = getattr(file, "flush", None)
        if flush is not None:
            flush()


def _open(path: str, append: bool) -> io.FileIO:
    """Open a file without Python's own buffer, at the beginning of a line."""
    if not append:
        return io.FileIO(path, "wb")
    file = io.FileIO(path, "ab")
    try:
        if file.seekable() and file.tell() and not _ends_with_newline(path):
            file.write(b"\n")  # end the unfinished line of a process that was stopped in the middle of it
    except BaseException:
        file.close()
        raise
    return file


def _ends_with_newline(path: str) -> bool:
    try:
        with open(path, "rb") as file:
            file.seek(-1, os.SEEK_END)
            return file.read(1) == b"\n"
    except OSError:  # a file may be writable but not readable
        return False
