"""The templates of an engine: looked up by structure key, built and solved when they are not there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from cascade._core.symbol import symbol
from cascade._core.table import TemplateTable

if TYPE_CHECKING:
    from cascade.graph.solver import Solver
    from cascade.graph.template import GraphTemplate, PlanTemplate

__all__ = ["TemplateStats", "Templates"]


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


class Templates(TemplateTable):
    """A bounded store of templates. Several engines may share one, also across threads.

    Args:
        max_entries: how many templates to keep.
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
        self, *, max_entries: int = 4096, max_bytes: int = 1 << 28, solver: Solver | None = None
    ) -> None:
        super().__init__(max_entries=max_entries, max_bytes=max_bytes)
        if solver is not None and not callable(getattr(solver, "resolve", None)):
            raise TypeError(f"expected a solver with a method `resolve`, got `{type(solver).__name__}`")
        self._solver = solver
        self._builds = 0
        self._solves = 0

    def make(self, key: bytes) -> tuple[GraphTemplate, PlanTemplate]:
        """Return the graph and the plan of a structure key. The table calls it on a miss."""
        # Imported here: a process that meets only shapes it knows builds nothing.
        from cascade.graph.builder import build
        from cascade.graph.solver import NativeSolver, check

        graph = build(key, symbol)
        self._builds += 1
        solver = NativeSolver() if self._solver is None else self._solver
        plan = solver.resolve(graph)
        self._solves += 1
        if type(solver) is not NativeSolver:
            check(graph, plan)
        return graph, plan

    @property
    def stats(self) -> TemplateStats:
        """The counters as they stand now."""
        return TemplateStats(self.hits, self.misses, self._builds, self._solves, self.evictions, 0)
