"""Template files, read: the header, the index, and the templates one by one. `writer` writes them.

    header      80 bytes: magic number, format, number of templates, size, version, checksum of header and index
    index       64 bytes per template, ascending by digest: offset, size and checksum of the encoding
    encodings   of the templates (`cascade.templates.codec`), one after another, oldest first

Opening a file reads header and index only. A template is read when its digest is looked up. Every byte is covered by a
checksum, which detects damage but not forgery: a checksum that matches is no reason to trust the content.
`docs/internals/template-format.md` specifies every byte.
"""

from __future__ import annotations

import os
import stat
import weakref
from collections.abc import Iterator
from hashlib import blake2b
from struct import Struct as Layout
from typing import NamedTuple

from cascade.exceptions import TemplateError

__all__ = ["FORMAT", "MAGIC", "MOST", "Entry", "TemplateFile", "checksum", "header"]

MAGIC = b"\x93CASCADE"  # no text and no other known file begins with it
FORMAT = 1
MOST = 1 << 20
"""The maximum number of templates in a file: 64 MiB of index."""

HEADER = Layout("<8sIIQ24s32s")  # magic, format, count, size of the file, version of Cascade, checksum
ENTRY = Layout("<32s16sQQ")  # digest, checksum, offset, size
_UNCHECKED = HEADER.size - 32  # bytes of the header before its checksum
# Windows has no `pread`, and an open file cannot be replaced there: a file is read as a whole when it is opened, and
# closed at once. Seeking and reading under a lock would replace `pread`, but the open file would still block writers.
_STAYS_OPEN = hasattr(os, "pread")
_FLAGS = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


class Entry(NamedTuple):
    """One entry of the index: `size` bytes at `offset` are the encoding of the template with this `digest`."""

    digest: bytes
    checksum: bytes
    offset: int
    size: int


def checksum(encoding: bytes) -> bytes:
    """Return the checksum of a template's encoding, 16 bytes."""
    return blake2b(encoding, digest_size=16, person=b"cascade template").digest()


def header(count: int, size: int, version: str, index: bytes) -> bytes:
    """Return the header of a file of `size` bytes with this index; `version` is that of the Cascade that writes it."""
    plain = HEADER.pack(MAGIC, FORMAT, count, size, version.encode("ascii", "replace")[:24], b"")[:_UNCHECKED]
    return plain + _index_checksum(plain, index)


def _index_checksum(plain: bytes, index: bytes) -> bytes:
    hasher = blake2b(plain, digest_size=32, person=b"cascade index 1")
    hasher.update(index)
    return hasher.digest()


class TemplateFile:
    """An open template file. A later replacement of the file at its path does not change it.

    Without `os.pread`, as on Windows, its content is in memory, and the file itself is closed.

    Args:
        path: of the file.

    Raises:
        OSError: it cannot be opened or read.
        TemplateError: it is not a template file, is damaged, or has a newer format; the message says which, and where.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.fspath(path)
        self.format = FORMAT
        self.version = ""
        self.count = 0
        self.doubted = False  # whether a damaged template was reported; only the first one is a warning
        descriptor = os.open(self.path, _FLAGS)
        self._descriptor = descriptor
        self.close = weakref.finalize(self, os.close, descriptor)
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise self.error("not a regular file")
            self.size = status.st_size
            self._content = None if _STAYS_OPEN else self._read_all()
            if self._content is not None:
                self.close()
            self._index = self._read_index()
        except BaseException:
            self.close()
            raise

    def error(self, message: str) -> TemplateError:
        """Return a `TemplateError` that names the file."""
        return TemplateError(f"{message} - at `{self.path}`")

    @property
    def is_older(self) -> bool:
        """Whether it has an older format; such a file counts as empty."""
        return self.format < FORMAT

    def _read_index(self) -> bytes:
        if not self.size:
            return b""
        plain = self.read(0, min(self.size, HEADER.size))
        if not plain.startswith(MAGIC):
            raise self.error(f"not a file of templates: it begins with {plain[:8]!r}")
        if len(plain) < HEADER.size:
            raise self.error(f"cut off: {len(plain)} bytes where the header has {HEADER.size}")
        _, self.format, self.count, size, version, expected = HEADER.unpack(plain)
        self.version = version.rstrip(b"\0").decode("ascii", "backslashreplace")
        if self.format > FORMAT:
            raise self.error(
                f"format {self.format}, written by Cascade {self.version}, is newer than format {FORMAT}, "
                f"which is what this version reads"
            )
        if self.is_older:
            self.count = 0
            return b""
        if size != self.size:
            raise self.error(f"damaged: {self.size} bytes where the header says {size}")
        room = (size - HEADER.size) // ENTRY.size
        if self.count > min(room, MOST):
            raise self.error(f"damaged: {self.count} templates where there is room for {min(room, MOST)}")
        index = self.read(HEADER.size, self.count * ENTRY.size)
        if _index_checksum(plain[:_UNCHECKED], index) != expected:
            raise self.error("damaged: header and index do not have the checksum in the header")
        return index

    def read(self, offset: int, size: int) -> bytes:
        """Return `size` bytes from `offset` on.

        Raises:
            OSError: they cannot be read.
            TemplateError: the file ends before them.
        """
        data = self._read_some(offset, size)
        while len(data) < size:
            more = self._read_some(offset + len(data), size - len(data))
            if not more:
                raise self.error(f"cut off: ends at byte {offset + len(data)}, not {offset + size}")
            data += more
        return data

    def _read_some(self, offset: int, size: int) -> bytes:
        """Return at most `size` bytes; none at the end of the file."""
        if self._content is not None:
            return self._content[offset : offset + size]
        return os.pread(self._descriptor, size, offset)

    def _read_all(self) -> bytes:
        """Return all bytes; of another kind of file, only the first ones: enough for the error."""
        with open(self._descriptor, "rb", closefd=False) as stream:
            begin = stream.read(min(self.size, HEADER.size))
            return begin + stream.read(self.size - len(begin)) if begin.startswith(MAGIC) else begin

    def __len__(self) -> int:
        """The number of templates."""
        return self.count

    def __iter__(self) -> Iterator[Entry]:
        """Iterate over the index, in the order of the digests."""
        return map(Entry._make, ENTRY.iter_unpack(self._index))

    def find(self, digest: bytes) -> Entry | None:
        """Return the entry of a digest, or None if there is none; in logarithmic time."""
        index = self._index
        # Not `bisect`: with a key it takes twice as long.
        low, high = 0, self.count
        while low < high:
            middle = (low + high) >> 1
            if index[middle << 6 : (middle << 6) + 32] < digest:
                low = middle + 1
            else:
                high = middle
        if not index.startswith(digest, low << 6):
            return None
        return Entry._make(ENTRY.unpack_from(index, low << 6))

    def encoding(self, entry: Entry, most: int | None = None) -> bytes:
        """Return the encoding of a template.

        Args:
            entry: from the index.
            most: the maximum size in bytes; None: the size in the index.

        Raises:
            OSError: it cannot be read.
            TemplateError: it is not where the index says, too large, or damaged.
        """
        if not HEADER.size + len(self._index) <= entry.offset <= self.size - entry.size:
            raise self.error(f"damaged: bytes {entry.offset} to {entry.offset + entry.size} of {self.size}")
        if most is not None and entry.size > most:
            raise self.error(f"a template of {entry.size} bytes, where at most {most} are taken")
        data = self.read(entry.offset, entry.size)
        if checksum(data) != entry.checksum:
            raise self.error("damaged: a template does not have its checksum")
        return data

    def check(self) -> None:
        """Check the index: in order, without gaps and overlaps. The templates are not read.

        Raises:
            TemplateError: the index is wrong.
        """
        if not self.size or self.is_older:
            return
        last = b""
        for entry in self:
            if entry.digest <= last:
                raise self.error(f"damaged: the index is out of order at {entry.digest.hex()}")
            last = entry.digest
        place = HEADER.size + len(self._index)
        for entry in sorted(self, key=_by_place):
            if entry.offset != place:
                raise self.error(f"damaged: a template begins at byte {entry.offset} where {place} is next")
            place += entry.size
        if place != self.size:
            raise self.error(f"damaged: {self.size} bytes, of which {place} are in use")

    def oldest_first(self) -> list[Entry]:
        """Return the index in the order of offsets, checked. Call it before reading all templates.

        Raises:
            TemplateError: the index is wrong. With overlapping templates, a small file could expand to terabytes.
        """
        self.check()
        return sorted(self, key=_by_place)


def _by_place(entry: Entry) -> tuple[int, int]:
    return entry.offset, entry.size
