"""The table of templates: looked up by structure key, built and solved on a miss."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import msgspec

from cascade._core.expr.symbol import symbol
from cascade._core.shape.table import TemplateTable
from cascade._support.boundary import boundary
from cascade._support.notebooks import HTML, PLAIN, Types, bundle, table
from cascade._support.public import public
from cascade.graph.model import NATIVE_SOLVER, STRUCTS
from cascade.templates.files import TemplateFiles, check_path, name_of, process_files
from cascade.templates.listeners import Listener, Listeners, built, loaded

if TYPE_CHECKING:
    from cascade._core.shape.template import Template
    from cascade.graph.model import GraphTemplate, PlanTemplate
    from cascade.graph.solver import Solver

__all__ = ["TemplateStats", "Templates", "default_templates", "preload"]


@public
class TemplateStats(msgspec.Struct, frozen=True):
    """Counters of a `Templates` since its creation.

    Attributes:
        hits: the number of look-ups that found their template.
        misses: the number of look-ups that did not.
        builds: the number of graphs built.
        solves: the number of plans solved.
        evictions: the number of templates dropped because the table was full.
        loaded: the number of templates loaded from files.
    """

    hits: int
    misses: int
    builds: int
    solves: int
    evictions: int
    loaded: int


@public
class Templates(TemplateTable):
    """A bounded table of templates. Several engines, also of several threads, may share one.

    Args:
        path: a template file. Templates that are not in memory are looked up in it, and new ones are added to it when
            an engine with these templates is closed and when the process ends. It need not exist. A file that cannot be
            read or written is a warning, never an error. None: no file.
        max_entries: the maximum number of templates in memory, >= 1.
        max_bytes: the approximate maximum of their memory, in bytes, >= 1.
        solver: makes the plans; None: the native solver.

    Raises:
        TypeError: ``solver`` has no method `resolve`.

    >>> import cascade as cs
    >>> @cs.task(mode="inline")
    ... def countdown(n):
    ...     return countdown(n - 1) if n else "lift-off"
    >>> templates = cs.Templates()
    >>> cs.run(countdown(1000), engine=cs.Engine(templates=templates))
    'lift-off'
    >>> templates.stats
    TemplateStats(hits=1000, misses=1, builds=1, solves=1, evictions=0, loaded=0)
    """

    @boundary
    def __init__(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        max_entries: int = 4096,
        max_bytes: int = 1 << 28,
        solver: Solver | None = None,
    ) -> None:
        super().__init__(STRUCTS, max_entries=max_entries, max_bytes=max_bytes)
        if solver is not None and not callable(getattr(solver, "resolve", None)):
            raise TypeError(f"solver must have a method `resolve`, got `{type(solver).__name__}`")
        self._solver = solver
        self._solver_name = NATIVE_SOLVER if solver is None else name_of(solver)
        self._builds = 0
        self._solves = 0
        self._loaded = 0
        self._listeners = Listeners()
        self.files = TemplateFiles()  # the files of these templates alone
        if path is not None:
            self.files.keep(path, self)

    def make(self, key: bytes) -> tuple[GraphTemplate, PlanTemplate, Callable[[], None] | None]:
        """Return the graph and plan of a structure key, and what calls the listeners. The table calls it on a miss."""
        listening = self._listeners.begin() if self._listeners else []
        sources = [files for files in (self.files, process_files()) if files.in_use]
        if not sources:
            graph, plan = self._build(key)
            return graph, plan, built(listening, graph)
        from cascade.templates.store import digest_of_key

        digest = digest_of_key(key)
        for files in sources:
            stored = files.find(key, digest, self._largest)
            if stored is not None:
                self._loaded += 1
                graph = stored.graph
                plan = stored.plan if stored.solver == self._solver_name else self._solve(graph)
                return graph, plan, loaded(listening, graph)
        graph, plan = self._build(key)
        for files in sources:
            files.add(digest, graph, plan, self._solver_name)
        return graph, plan, built(listening, graph)

    def on_evict(self, templates: list[Template]) -> None:
        """Call the listeners for templates that were evicted. The table calls it."""
        if self._listeners:
            for template in templates:
                self._listeners.evicted(template.graph)

    def add_listener(self, listener: Listener) -> None:
        """Call a listener for each template that is built, loaded or evicted, as long as the listener lives."""
        self._listeners.add(listener)

    def _build(self, key: bytes) -> tuple[GraphTemplate, PlanTemplate]:
        # Imported here: a process that meets only shapes it knows builds nothing.
        from cascade.graph.builder import build

        graph = build(key, symbol)
        self._builds += 1
        return graph, self._solve(graph)

    def _solve(self, graph: GraphTemplate) -> PlanTemplate:
        from cascade.graph.solver import NativeSolver, check

        solver = NativeSolver() if self._solver is None else self._solver
        plan = solver.resolve(graph)
        self._solves += 1
        if type(solver) is not NativeSolver:
            check(graph, plan)
        return plan

    @boundary
    def save(self, path: str | os.PathLike[str]) -> int:
        """Write these templates to a file, with those that it contains and those of the loaded files.

        Several processes may do so at the same time: the file then has the templates of all. It is replaced
        atomically: no reader ever finds a partial file.

        Args:
            path: of the file; it need not exist.

        Returns:
            The number of templates in the file.

        Raises:
            OSError: the file cannot be written.
            TemplateError: the file at this path is not a template file, or has a newer format; it is not changed.

        >>> import cascade as cs, tempfile
        >>> @cs.task(mode="inline")
        ... def add(a, b):
        ...     return a + b
        >>> directory = tempfile.TemporaryDirectory()
        >>> first, second = cs.Engine(templates=cs.Templates()), cs.Engine(templates=cs.Templates())
        >>> cs.run(add(1, add(2, 3)), engine=first), first.templates.save(f"{directory.name}/shapes")
        (6, 1)
        >>> second.templates.load(f"{directory.name}/shapes"), cs.run(add(4, add(5, 6)), engine=second)
        (1, 15)
        >>> second.templates.stats
        TemplateStats(hits=0, misses=1, builds=0, solves=0, evictions=0, loaded=1)
        >>> directory.cleanup()
        """
        from cascade.templates.codec import Stored, encode
        from cascade.templates.store import adding, digest_of_key
        from cascade.templates.writer import Encodings, rewrite

        check_path(path)
        encodings: Encodings = self.files.encodings()
        for template in self:
            encoding = encode(Stored(template.graph, template.plan, self._solver_name))
            encodings[digest_of_key(template.structure_key)] = encoding
        return rewrite(path, adding(encodings))

    @boundary
    def load(self, path: str | os.PathLike[str], *, strict: bool = False) -> int:
        """Open a template file: templates that are not in memory are looked up in it.

        Only its index is read now. A template is read, checked and linked when an expression first needs it.

        Args:
            path: of the file.
            strict: whether to read and check all of it now, and raise at the first error. If False, an error is a
                warning, now or at the look-up, and the template is built anew.

        Returns:
            The number of templates in the file; 0 if it cannot be used, or has an older format.

        Raises:
            OSError: the file cannot be read; only if `strict`.
            TemplateError: it is damaged, or has a newer format; only if `strict`.
        """
        return self.files.open(path, strict=strict, most=self._largest)

    @boundary
    def flush(self) -> None:
        """Write new templates to the file of this table, and to that of `CASCADE_TEMPLATES`.

        The engine writes to the first when it is closed, and the process writes to both when it ends. Nothing is
        raised: a file that cannot be written is a warning.
        """
        for files in (self.files, process_files()):
            files.flush()

    @property
    def _largest(self) -> int:
        """The maximum size of the encoding of one template, in bytes."""
        return self.max_bytes // 8

    @property
    def stats(self) -> TemplateStats:
        """The current counters."""
        return TemplateStats(self.hits, self.misses, self._builds, self._solves, self.evictions, self._loaded)

    def __repr__(self) -> str:
        return f"<Templates: {len(self):,} in memory, {self.hits:,} hits, {self.misses:,} misses>"

    def _repr_mimebundle_(self, include: Types = None, exclude: Types = None) -> dict[str, str]:
        """What a notebook shows: a table."""
        return bundle({PLAIN: self.__repr__, HTML: lambda: table(self._rows())}, include, exclude)

    def _rows(self) -> Iterator[tuple[str, object]]:
        yield "templates", f"{len(self):,}"
        for name, number in msgspec.structs.asdict(self.stats).items():
            yield name, f"{number:,}"


@public
def preload(path: str | os.PathLike[str], *, strict: bool = False) -> int:
    """Open a template file for all engines of this process, existing and future ones.

    Args:
        path: of the file.
        strict: as for `Templates.load`.

    Returns:
        The number of templates in the file; 0 if it cannot be used, or has an older format.

    Raises:
        OSError: the file cannot be read; only if `strict`.
        TemplateError: it is damaged, or has a newer format; only if `strict`.

    >>> import cascade as cs, tempfile
    >>> with tempfile.TemporaryDirectory() as directory:
    ...     cs.Templates().save(f"{directory}/shapes"), cs.preload(f"{directory}/shapes", strict=True)
    (0, 0)
    """
    return process_files().open(path, strict=strict)


# Shared by the engines that `cascade.run` creates: the second run of a script is warm.
default_templates = Templates()
