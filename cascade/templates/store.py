"""The store: files of templates, looked into when the table has none; and what is new, on its way to such a file.

Nothing from a file is believed. What is found under the digest of a key is decoded, and then compared with what the
builder would make of that very key; it is linked only if it is exactly that. So a file can never make a process
compute anything else than it would without it.
"""

from __future__ import annotations

import atexit
import logging
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from cascade._core.expr.symbol import symbol
from cascade._core.fork import new_lock
from cascade._core.shape.verify import Proof
from cascade.exceptions import TemplateError
from cascade.graph.key_reader import GraphSpelling, Spelling, literals
from cascade.graph.model import NATIVE_SOLVER, STRUCTS, GraphTemplate, PlanTemplate
from cascade.templates.codec import Stored, decode, encode
from cascade.templates.reader import Entry, TemplateFile

if TYPE_CHECKING:
    from cascade.templates.writer import Encodings

__all__ = [
    "LARGEST",
    "Additions",
    "Store",
    "adding",
    "digest_of",
    "digest_of_key",
    "examine",
    "prove",
    "read",
]

LARGEST = 1 << 25
"""How many bytes the encoding of one template may have, where nothing else is said."""

ROOM = 1 << 26
"""How many bytes of new templates a process keeps until it writes them."""

_logger = logging.getLogger("cascade")

_spelling = Spelling(symbol)


class Store:
    """Files of templates that were opened to be looked into, the latest first."""

    def __init__(self) -> None:
        self.files: list[TemplateFile] = []  # another list each time: somebody may be in the middle of one
        self._lock = new_lock()

    def open(
        self, path: str | os.PathLike[str], *, strict: bool = False, missing: bool = False, most: int = LARGEST
    ) -> int:
        """Open a file of templates, in the place of one that was opened from this path before.

        Args:
            path: of the file.
            strict: read and check all of it now, and raise at the first thing that is wrong; else what is wrong is a
                warning, and what is right is used.
            missing: whether the file may be missing, without a warning.
            most: how many bytes the encoding of a template may have; asked for if `strict`.

        Returns:
            How many templates it has.

        Raises:
            OSError, TemplateError: the file cannot be used; only if `strict`.
        """
        try:
            file = TemplateFile(path)
            if strict:
                examine(file, most)
        except (OSError, TemplateError) as error:
            if strict:
                raise
            if not (missing and isinstance(error, FileNotFoundError)):
                _logger.warning("no templates are loaded: %s", error)
            return 0
        if file.is_older:
            _logger.info("`%s` has the older format %d: no templates are loaded", file.path, file.format)
        place = os.path.realpath(path)
        with self._lock:
            self.files = [file, *(other for other in self.files if os.path.realpath(other.path) != place)]
        return len(file)

    def find(self, key: bytes, digest: bytes, most: int) -> Stored | None:
        """Return the template of a key, None if no file has one that is right.

        Args:
            key: as this process writes it.
            digest: of that key.
            most: how many bytes its encoding may have.
        """
        for file in self.files:
            entry = file.find(digest)
            if entry is None:
                continue
            try:
                stored = decode(file.encoding(entry, most), exact=False)
                prove(key, stored)
            except (OSError, TemplateError) as error:
                _doubt(file, entry, error)
            else:
                return stored
        return None

    def encodings(self) -> Encodings:
        """Return what is in the files, the latest file last, but for what is damaged."""
        found: Encodings = {}
        for file in reversed(self.files):
            try:
                entries = file.oldest_first()
            except TemplateError as error:
                _logger.warning("no templates are taken over: %s", error)
                continue
            for entry in entries:
                try:
                    found[entry.digest] = file.encoding(entry)
                except (OSError, TemplateError) as error:
                    _doubt(file, entry, error)
        return found


def _doubt(file: TemplateFile, entry: Entry, error: Exception) -> None:
    """Say that something in a file is wrong: once for each file, as there may be very much of it."""
    level = logging.DEBUG if file.doubted else logging.WARNING
    file.doubted = True
    _logger.log(level, "template %.16s of `%s` is not used: %s", entry.digest.hex(), file.path, error)


def prove(key: bytes, stored: Stored) -> None:
    """Return if a decoded template is one of this key: its graph the one that the builder makes, its plan a plan of it.

    A plan in the name of the native solver must be the very one that it makes: another would have tasks that are ready
    together start in another order.

    Args:
        key: as this process writes it.
        stored: from `decode`.

    Raises:
        TemplateError: it is not; the message names the place.
    """
    proof = Proof(key, STRUCTS)
    native = stored.solver == NATIVE_SOLVER
    if proof.holds(_spelling.call, _spelling.struct, literals, stored.graph, stored.plan, native):
        return
    from cascade.graph.solver import check

    check(stored.graph, stored.plan)
    _check_native(stored)
    raise TemplateError("the graph of another shape than that of its digest - at `graph`")


def _check_native(stored: Stored) -> None:
    from cascade.graph.solver import NativeSolver

    if stored.solver == NATIVE_SOLVER and stored.plan != NativeSolver().resolve(stored.graph):
        raise TemplateError("a plan of the native solver that it does not make - at `plan`")


def examine(file: TemplateFile, most: int = LARGEST) -> None:
    """Return if all of a file is right: every byte, every template, checked in full though no key is there to compare.

    Args:
        file: to be read from its first to its last byte, one template at a time.
        most: how many bytes the encoding of a template may have.

    Raises:
        OSError: it cannot be read.
        TemplateError: something is wrong; the message names the template and the place.
    """
    file.check()
    for entry in file:
        read(file, entry, most)


def read(file: TemplateFile, entry: Entry, most: int = LARGEST) -> Stored:
    """Return one template of a file, decoded and checked in full.

    Args:
        file: an open file.
        entry: of its index.
        most: how many bytes the encoding may have.

    Raises:
        OSError: it cannot be read.
        TemplateError: something is wrong; the message names the template and the place.
    """
    from cascade.graph.solver import check

    try:
        stored = decode(file.encoding(entry, most))
        check(stored.graph, stored.plan)
        _check_native(stored)
        if digest_of(stored.graph) != entry.digest:
            raise TemplateError("a graph with another digest than the index has - at `graph`")
    except TemplateError as error:
        raise TemplateError(f"{error} - in template {entry.digest.hex()[:16]} of `{file.path}`") from None
    return stored


def digest_of_key(key: bytes) -> bytes:
    """Return the digest of a key that this process wrote, 32 bytes."""
    return _spelling.digest(key)


def digest_of(graph: GraphTemplate) -> bytes:
    """Return the digest of a graph's shape, 32 bytes: that of its key, in whatever process.

    Args:
        graph: one that `check_graph` has passed.
    """
    from cascade.graph.key_writer import key_of

    return GraphSpelling(graph).digest(key_of(graph))


class Additions:
    """Templates that are new and on their way to a file.

    Args:
        path: of the file; it need not exist.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.path.abspath(path)
        self._lock = new_lock()
        self._encodings: Encodings = {}
        self._size = 0
        self._process = 0

    def __len__(self) -> int:
        """How many there are."""
        return len(self._encodings)

    def add(self, digest: bytes, graph: GraphTemplate, plan: PlanTemplate, solver: str) -> None:
        """Take a new template, unless there are too many to keep."""
        if self._size <= ROOM:
            encoding = encode(Stored(graph, plan, solver))
            if self._process != os.getpid():
                self._attend()
            with self._lock:
                self._encodings[digest] = encoding
                self._size += len(encoding)

    def _attend(self) -> None:
        """Have `flush` called at the end of this process also if it is one of `multiprocessing`: most skip `atexit`."""
        self._process = os.getpid()
        if "multiprocessing.process" in sys.modules:
            from multiprocessing import parent_process, util

            if parent_process() is not None:
                util.Finalize(None, self.flush, exitpriority=0)

    def flush(self) -> None:
        """Add to the file what was taken so far. If that cannot be done, it is a warning, and they are lost."""
        with self._lock:
            encodings, self._encodings, self._size = self._encodings, {}, 0
        if not encodings:
            return
        # Most processes have nothing to write.
        from cascade.templates.writer import NestedRewriteError, rewrite

        try:
            rewrite(self.path, adding(encodings))
        except NestedRewriteError:  # their owner was collected as garbage just then; nobody else comes again
            with self._lock:
                self._encodings = {**encodings, **self._encodings}
            atexit.register(self.flush)
        except (OSError, TemplateError) as error:
            _logger.warning("%d new templates are not saved: %s", len(encodings), error)


def adding(encodings: Encodings) -> Callable[[Encodings], Encodings]:
    """Return the change that puts these templates into a file, in their places or after those that are there."""
    return lambda there: {**there, **encodings}
