"""The template files of one table, or of the process: those that are read, and the one to which new ones are added."""

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

__all__ = ["VARIABLE", "TemplateFiles", "check_path", "name_of", "process_files"]

VARIABLE = "CASCADE_TEMPLATES"
"""The environment variable that names a file of templates for all engines of a process."""


def check_path(path: object) -> None:
    """Raise `TypeError` unless it is a path."""
    if not isinstance(path, (str, os.PathLike)):
        raise TypeError(f"path must be a path, got `{type(path).__name__}`")


class TemplateFiles:
    """The template files of one table or of a process. The modules that read files are imported with the first file."""

    def __init__(self) -> None:
        self._store: Store | None = None
        self._additions: Additions | None = None

    @property
    def in_use(self) -> bool:
        """Whether a file was opened."""
        return self._store is not None

    def __len__(self) -> int:
        """The number of templates that are still to be written."""
        return 0 if self._additions is None else len(self._additions)

    def open(
        self, path: str | os.PathLike[str], *, strict: bool = False, missing: bool = False, most: int | None = None
    ) -> int:
        """Open a file for reading; see `Store.open`."""
        from cascade.templates.store import LARGEST, Store

        check_path(path)
        with _lock:
            if self._store is None:
                self._store = Store()
        return self._store.open(path, strict=strict, missing=missing, most=LARGEST if most is None else most)

    def keep(self, path: str | os.PathLike[str], owner: object) -> None:
        """Open a file, and add new templates to it when its owner is collected or the process ends."""
        from cascade.templates.store import Additions

        self.open(path, missing=True)
        self._additions = Additions(path)
        weakref.finalize(owner, self._additions.flush)

    def find(self, key: bytes, digest: bytes, most: int) -> Stored | None:
        """Return the template of a key; see `Store.find`."""
        return None if self._store is None else self._store.find(key, digest, most)

    def add(self, digest: bytes, graph: GraphTemplate, plan: PlanTemplate, solver: str) -> None:
        """Add a new template; see `Additions.add`."""
        if self._additions is not None:
            self._additions.add(digest, graph, plan, solver)

    def flush(self) -> None:
        """Write new templates to the file."""
        if self._additions is not None:
            self._additions.flush()

    def encodings(self) -> Encodings:
        """Return the encodings in the opened files, without damaged ones."""
        return {} if self._store is None else self._store.encodings()


_process_files: TemplateFiles | None = None
_lock = new_lock()


def process_files() -> TemplateFiles:
    """Return the files of all engines of this process. The first call opens the file that the environment names."""
    global _process_files
    if _process_files is None:
        with _lock:
            if _process_files is None:
                files = TemplateFiles()
                if path := os.environ.get(VARIABLE):
                    files.keep(path, TemplateFiles)  # the class lives as long as the process
                _process_files = files
    return _process_files


def name_of(solver: object) -> str:
    """Return the name that is stored with the plans of a solver."""
    kind = type(solver)
    return f"{kind.__module__}.{kind.__qualname__}"
