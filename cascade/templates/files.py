"""Where templates are kept beyond the process: the files that are looked into, and the one that is added to."""

from __future__ import annotations

import os
import weakref
from typing import TYPE_CHECKING

from cascade._core.fork import new_lock

if TYPE_CHECKING:
    from cascade.graph.model import GraphTemplate, PlanTemplate
    from cascade.templates.codec import Stored
    from cascade.templates.store import Additions, Store
    from cascade.templates.writer import Encodings

__all__ = ["VARIABLE", "Shelf", "common", "name_of"]

VARIABLE = "CASCADE_TEMPLATES"
"""The environment variable that names a file of templates for all engines of a process."""

"""The name under which the plans of the native solver are kept."""


class Shelf:
    """Files of templates, of one table or of a process. Nothing that reads files is imported before there are any."""

    def __init__(self) -> None:
        self._store: Store | None = None
        self._additions: Additions | None = None

    @property
    def in_use(self) -> bool:
        """Whether there is any file."""
        return self._store is not None

    def __len__(self) -> int:
        """How many templates are to be written."""
        return 0 if self._additions is None else len(self._additions)

    def open(
        self, path: str | os.PathLike[str], *, strict: bool = False, missing: bool = False, most: int | None = None
    ) -> int:
        """Open a file to be looked into; see `Store.open`."""
        from cascade.templates.store import LARGEST, Store

        with _lock:
            if self._store is None:
                self._store = Store()
        return self._store.open(path, strict=strict, missing=missing, most=LARGEST if most is None else most)

    def keep(self, path: str | os.PathLike[str], owner: object) -> None:
        """Open a file to be looked into, and write what is new to it when its owner or the process ends."""
        from cascade.templates.store import Additions

        self.open(path, missing=True)
        self._additions = Additions(path)
        weakref.finalize(owner, self._additions.flush)

    def find(self, key: bytes, digest: bytes, most: int) -> Stored | None:
        """Return the template of a key; see `Store.find`."""
        return None if self._store is None else self._store.find(key, digest, most)

    def add(self, digest: bytes, graph: GraphTemplate, plan: PlanTemplate, solver: str) -> None:
        """Take note of a new template; see `Additions.add`."""
        if self._additions is not None:
            self._additions.add(digest, graph, plan, solver)

    def flush(self) -> None:
        """Write what is new."""
        if self._additions is not None:
            self._additions.flush()

    def encodings(self) -> Encodings:
        """Return what is in the files that were opened, but for what is damaged."""
        return {} if self._store is None else self._store.encodings()


_common: Shelf | None = None
_lock = new_lock()


def common() -> Shelf:
    """Return the files of all engines of this process; the first time, the one that the environment names is opened."""
    global _common
    if _common is None:
        with _lock:
            if _common is None:
                shelf = Shelf()
                if path := os.environ.get(VARIABLE):
                    shelf.keep(path, Shelf)  # the class lives as long as the process
                _common = shelf
    return _common


def name_of(solver: object) -> str:
    """Return the name under which a solver's plans are kept."""
    kind = type(solver)
    return f"{kind.__module__}.{kind.__qualname__}"
