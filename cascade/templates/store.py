"""Template files in use: those in which templates are looked up, and the new templates on their way to a file.

Nothing in a file is trusted. The template under the digest of a key is decoded and compared with the graph that the
builder would make of this key, and linked only if they are equal. So a file never changes what a process computes.
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
"""The default maximum size of the encoding of one template, in bytes."""

ROOM = 1 << 26
"""The maximum size of the new templates that a process keeps until it writes them, in bytes."""

_logger = logging.getLogger("cascade")

_spelling = Spelling(symbol)


class Store:
    """Template files that were opened for look-ups, the latest first."""

    def __init__(self) -> None:
        self.files: list[TemplateFile] = []  # replaced, never changed: another thread may be iterating over it
        self._lock = new_lock()

    def open(
        self, path: str | os.PathLike[str], *, strict: bool = False, missing: bool = False, most: int = LARGEST
    ) -> int:
        """Open a template file; it replaces one that was opened from this path before.

        Args:
            path: of the file.
            strict: whether to read and check all of it now, and raise at the first error; if False, errors are
                warnings, and the other templates are used.
            missing: whether the file may be missing, without a warning.
            most: the maximum size of the encoding of a template, in bytes; used if `strict`.

        Returns:
            The number of templates in it.

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
        """Return the template of a key, or None if no file has a valid one.

        Args:
            key: as this process writes it.
            digest: of that key.
            most: the maximum size of its encoding, in bytes.
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
        """Return the encodings in the files, those of the latest file last, without damaged ones."""
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
    """Log a damaged template: the first one of a file as a warning, as there may be very many."""
    level = logging.DEBUG if file.doubted else logging.WARNING
    file.doubted = True
    _logger.log(level, "template %.16s of `%s` is not used: %s", entry.digest.hex(), file.path, error)


def prove(key: bytes, stored: Stored) -> None:
    """Check that a decoded template belongs to a key: its graph is that of the builder, and its plan is valid.

    A plan that names the native solver must equal the plan that this solver makes: with another, tasks that are ready
    together would start in another order.

    Args:
        key: as this process writes it.
        stored: from `decode`.

    Raises:
        TemplateError: it does not; the message names the place.
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
    """Check all of a file: every byte, and every template in full, as there is no key to compare it with.

    Args:
        file: an open file; it is read template by template.
        most: the maximum size of the encoding of a template, in bytes.

    Raises:
        OSError: it cannot be read.
        TemplateError: it is damaged; the message names the template and the place.
    """
    file.check()
    for entry in file:
        read(file, entry, most)


def read(file: TemplateFile, entry: Entry, most: int = LARGEST) -> Stored:
    """Return one template of a file, decoded and checked in full.

    Args:
        file: an open file.
        entry: of its index.
        most: the maximum size of the encoding, in bytes.

    Raises:
        OSError: it cannot be read.
        TemplateError: it is damaged; the message names the template and the place.
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
    """Return the digest of a key of this process, 32 bytes."""
    return _spelling.digest(key)


def digest_of(graph: GraphTemplate) -> bytes:
    """Return the digest of the shape of a graph, 32 bytes; equal to that of its key in every process.

    Args:
        graph: one that `check_graph` has passed.
    """
    from cascade.graph.key_writer import key_of

    return GraphSpelling(graph).digest(key_of(graph))


class Additions:
    """New templates that are to be added to a file.

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
        """The number of new templates."""
        return len(self._encodings)

    def add(self, digest: bytes, graph: GraphTemplate, plan: PlanTemplate, solver: str) -> None:
        """Keep a new template, unless the new ones exceed `ROOM`."""
        if self._size <= ROOM:
            encoding = encode(Stored(graph, plan, solver))
            if self._process != os.getpid():
                self._attend()
            with self._lock:
                self._encodings[digest] = encoding
                self._size += len(encoding)

    def _attend(self) -> None:
        """Call `flush` at the end of a process of `multiprocessing`, too: most of these skip `atexit`."""
        self._process = os.getpid()
        if "multiprocessing.process" in sys.modules:
            from multiprocessing import parent_process, util

            if parent_process() is not None:
                util.Finalize(None, self.flush, exitpriority=0)

    def flush(self) -> None:
        """Add the new templates to the file. If it cannot be written, they are dropped with a warning."""
        with self._lock:
            encodings, self._encodings, self._size = self._encodings, {}, 0
        if not encodings:
            return
        # Imported here: most processes have nothing to write.
        from cascade.templates.writer import NestedRewriteError, rewrite

        try:
            rewrite(self.path, adding(encodings))
        except NestedRewriteError:  # the owner was collected during another rewrite: try again at exit
            with self._lock:
                self._encodings = {**encodings, **self._encodings}
            atexit.register(self.flush)
        except (OSError, TemplateError) as error:
            _logger.warning("%d new templates are not saved: %s", len(encodings), error)


def adding(encodings: Encodings) -> Callable[[Encodings], Encodings]:
    """Return a change, for `rewrite`, that adds templates to a file or replaces those of the same digest."""
    return lambda there: {**there, **encodings}
