"""A sink: where lines are written, with a bounded buffer before it."""

from __future__ import annotations

import io
import json
import os
import re
from collections import deque
from typing import IO, Any

from cascade._support.forks import new_lock, renew_in_children

__all__ = ["Sink"]


class Sink:
    r"""A file that takes whole lines.

    What cannot be written stays in the buffer, to be tried again; the buffer never grows beyond its size by more than
    one line, and a line for which there is no room is lost as a whole, and counted.

    Args:
        target: a path, whose file is opened here and closed with the sink; or an open file, binary or text, which is
            left open.
        append: whether what is in the file at a path stays there.
        size: bytes that are kept until they are written; 0: every line is written at once.

    Raises:
        OSError: the file cannot be opened.
        TypeError: ``target`` is neither a path nor an open file.
        ValueError: ``target`` is an open file that was closed.

    >>> import io
    >>> file = io.StringIO()
    >>> sink = Sink(file, append=True, size=100)
    >>> sink.write(b"a line"), file.getvalue()
    (None, '')
    >>> sink.flush(), file.getvalue()
    (None, 'a line\n')
    """

    def __init__(self, target: str | os.PathLike[str] | IO[Any], *, append: bool, size: int) -> None:
        self._own = isinstance(target, (str, os.PathLike))
        if isinstance(target, (str, os.PathLike)):
            self._file: Any = _open(os.fspath(target), append)
            self._text = False
        elif callable(getattr(target, "write", None)):
            if getattr(target, "closed", False):
                raise ValueError("expected an open file, got a closed one - at `file`")
            self._file = target
            self._text = isinstance(target, io.TextIOBase) or hasattr(target, "encoding")
        else:
            raise TypeError(f"expected a path or an open file, got `{type(target).__name__}` - at `file`")
        self._size = size
        self._waiting: deque[bytes] = deque()
        self._buffer = bytearray()
        # Engines of several threads may write. To write a file may run code of the user's, which comes here again.
        self._lock = new_lock()
        self._writing = False
        self.closed = False
        self.lost = 0
        """Lines for which there was no room while the file could not be written."""
        renew_in_children(self)

    def _renew(self) -> None:
        """This process is a child: what is in the buffer is the parent's, and will be written by that."""
        self._waiting.clear()
        self._buffer.clear()
        self._writing = False

    def write(self, line: bytes) -> None:
        """Take a line. In the middle of another one, it comes after that.

        Args:
            line: the line, without its end.

        Raises:
            OSError: the file cannot be written.
            ValueError: the sink, or the file, is closed.
        """
        if self.closed:
            raise ValueError("the file was closed: nothing more can be written")
        self._waiting.append(line + b"\n")
        with self._lock:
            if not self._writing:
                self._take_all()

    def flush(self) -> None:
        """Write what is in the buffer.

        Raises:
            OSError: the file cannot be written.
        """
        with self._lock:
            if not self.closed and not self._writing:
                self._take_all(drain=True)

    def close(self) -> None:
        """Write what is in the buffer, and close the file if the sink opened it. Again: nothing.

        Raises:
            OSError: the file cannot be written; it is closed all the same.
        """
        with self._lock:
            if self.closed:
                return
            self.closed = True
            if not self._writing:  # else it is closed by what writes
                self._take_all()

    def abandon(self) -> None:
        """Close it for an owner who forgot to, as well as can be."""
        try:
            self.close()
        except (OSError, ValueError):  # a file that was closed before, or standard output without a reader
            return

    def _take_all(self, *, drain: bool = False) -> None:
        """Take the lines that wait, and those that come meanwhile."""
        self._writing = True
        try:
            while self._waiting:
                self._take(self._waiting.popleft())
            if drain or self.closed:
                self._drain()
        finally:
            self._writing = False
            if self.closed:
                self._waiting.clear()
                self._buffer.clear()
                if self._own:
                    self._file.close()

    def _take(self, line: bytes) -> None:
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
            except UnicodeEncodeError:  # a file of another encoding; JSON can do with ASCII
                file.write(re.sub(r"[^\x00-\x7f]", lambda match: json.dumps(match[0])[1:-1], text))
            buffer.clear()
        else:
            while buffer:
                written = file.write(bytes(buffer))
                if written is None and isinstance(file, io.RawIOBase):
                    raise BlockingIOError("the file takes nothing more at the moment")
                # Only what an unbuffered file says to have taken is gone; the others take all.
                del buffer[: written if isinstance(file, io.RawIOBase) else len(buffer)]
        flush = getattr(file, "flush", None)
        if flush is not None:
            flush()


def _open(path: str, append: bool) -> io.FileIO:
    """Open a file without Python's own buffer, ready for a new line."""
    if not append:
        return io.FileIO(path, "wb")
    file = io.FileIO(path, "ab")
    try:
        if file.seekable() and file.tell() and not _ends_with_newline(path):
            file.write(b"\n")  # another process was stopped in the middle of a line; ours is not to be spoilt by it
    except BaseException:
        file.close()
        raise
    return file


def _ends_with_newline(path: str) -> bool:
    try:
        with open(path, "rb") as file:
            file.seek(-1, os.SEEK_END)
            return file.read(1) == b"\n"
    except OSError:  # it may be written but not be read
        return False
