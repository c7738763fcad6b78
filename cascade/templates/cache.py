"""The templates of an engine: looked up by structure key, built and solved when they are not there."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from cascade._core.expr.symbol import symbol
from cascade._core.shape.table import TemplateTable
from cascade._support.public import public
from cascade.graph.model import NATIVE_SOLVER, STRUCTS
from cascade.templates.files import Shelf, common, name_of
from cascade.templates.listeners import Listener, Listeners, built, loaded

if TYPE_CHECKING:
    from cascade._core.shape.template import Template
    from cascade.graph.model import GraphTemplate, PlanTemplate
    from cascade.graph.solver import Solver

__all__ = ["TemplateStats", "Templates", "default_templates", "preload"]


@public
class TemplateStats(msgspec.Struct, frozen=True):
    """Counters of a `Templates`, since it was made.

    Attributes:
        hits: look-ups that found their template.
        misses: look-ups that did not.
        builds: graphs built.
        solves: plans solved.
        evictions: templates let go because the bounds were reached.
        loaded: templates that came from disk.
    """

    hits: int
    misses: int
    builds: int
    solves: int
    evictions: int
    loaded: int


@public
class Templates(TemplateTable):
    """A bounded store of templates. Several engines may share one, also across threads.

    Args:
        path: a file of templates: looked into for what is not in memory, and given what is new at the end, when an
            engine that has these templates is closed and when the process ends. It need not exist. What cannot be
            read or written is a warning, never an error. None: no file of its own.
        max_entries: how many templates to keep in memory.
        max_bytes: how much memory, about, they may take together.
        solver: makes the plans; the native one by default.

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
            raise TypeError(f"expected a solver with a method `resolve`, got `{type(solver).__name__}`")
        self._solver = solver
        self._solver_name = NATIVE_SOLVER if solver is None else name_of(solver)
        self._builds = 0
        self._solves = 0
        self._loaded = 0
        self._listeners = Listeners()
        self.shelf = Shelf()  # the files of these templates alone
        if path is not None:
            self.shelf.keep(path, self)

    def make(self, key: bytes) -> tuple[GraphTemplate, PlanTemplate, Callable[[], None] | None]:
        """Return the graph and plan of a structure key, and what calls the listeners. The table calls it on a miss."""
        listening = self._listeners.begin() if self._listeners else []
        shelves = [shelf for shelf in (self.shelf, common()) if shelf.in_use]
        if not shelves:
            graph, plan = self._build(key)
            return graph, plan, built(listening, graph)
        from cascade.templates.store import digest_of_key

        digest = digest_of_key(key)
        for shelf in shelves:
            stored = shelf.find(key, digest, self._largest)
            if stored is not None:
                self._loaded += 1
                graph = stored.graph
                plan = stored.plan if stored.solver == self._solver_name else self._solve(graph)
                return graph, plan, loaded(listening, graph)
        graph, plan = self._build(key)
        for shelf in shelves:
            shelf.add(digest, graph, plan, self._solver_name)
        return graph, plan, built(listening, graph)

    def on_evict(self, templates: list[Template]) -> None:
        """Call the listeners for templates that the table had no room for. The table calls it."""
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

    def save(self, path: str | os.PathLike[str]) -> int:
        """Write these templates to a file, with all that is in it already and in the files that were loaded.

        Other processes may do the same at the same time: nothing of anybody's is lost. The file is replaced in one
        step, so that nobody ever finds half of one.

        Args:
            path: of the file; it need not exist.

        Returns:
            How many templates the file has now.

        Raises:
            OSError: the file cannot be written.
            TemplateError: there is a file that is no file of templates, or one with a newer format; it is left alone.

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

        encodings: Encodings = self.shelf.encodings()
        for template in self:
            encoding = encode(Stored(template.graph, template.plan, self._solver_name))
            encodings[digest_of_key(template.structure_key)] = encoding
        return rewrite(path, adding(encodings))

    def load(self, path: str | os.PathLike[str], *, strict: bool = False) -> int:
        """Open a file of templates, to be looked into for what is not in memory.

        Only its index is read now. A template is read, checked and linked when its shape is first met.

        Args:
            path: of the file.
            strict: read and check all of it now, and raise at the first thing that is wrong. Otherwise what is wrong
                is a warning, now or when it is met, and the shape is built anew.

        Returns:
            How many templates the file has; 0 if it cannot be used, or has an older format.

        Raises:
            OSError: the file cannot be read; only if `strict`.
            TemplateError: it is damaged, or has a newer format; only if `strict`.
        """
        return self.shelf.open(path, strict=strict, most=self._largest)

    def flush(self) -> None:
        """Write what is new to the file that these templates are kept in, and to that of `CASCADE_TEMPLATES`.

        The first is done when an engine that has them is closed, and both when the process ends. Nothing is raised: if
        a file cannot be written, it is a warning.
        """
        for shelf in (self.shelf, common()):
            shelf.flush()

    @property
    def _largest(self) -> int:
        """How many bytes the encoding of a template may have."""
        return self.max_bytes // 8

    @property
    def stats(self) -> TemplateStats:
        """The counters as they stand now."""
        return TemplateStats(self.hits, self.misses, self._builds, self._solves, self.evictions, self._loaded)


@public
def preload(path: str | os.PathLike[str], *, strict: bool = False) -> int:
    """Open a file of templates for all engines of this process, whether they are there already or not.

    Args:
        path: of the file.
        strict: as for `Templates.load`.

    Returns:
        How many templates the file has; 0 if it cannot be used, or has an older format.

    Raises:
        OSError: the file cannot be read; only if `strict`.
        TemplateError: it is damaged, or has a newer format; only if `strict`.
    """
    return common().open(path, strict=strict)


# What engines share that `cascade.run` makes: the second run of a script is warm.
default_templates = Templates()
