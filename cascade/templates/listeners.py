"""Who is told what becomes of templates: the engines that have them, if anybody has subscribed there."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

from cascade._support.forks import new_lock

if TYPE_CHECKING:
    from cascade.engine.emitter import Reporter
    from cascade.graph.model import GraphTemplate

__all__ = ["Audience"]


class Audience:
    """The reporters that listen to one `Templates`, in the order in which they came. It keeps none of them alive.

    It is asked on a miss only, and is empty until somebody asks an engine for its events.
    """

    __slots__ = ("_listening", "_lock")

    def __init__(self) -> None:
        self._lock = new_lock()
        # Replaced as a whole: engines in several threads may share the templates.
        self._listening: tuple[weakref.ref[Reporter], ...] = ()

    def __bool__(self) -> bool:
        return bool(self._listening)

    def join(self, reporter: Reporter) -> None:
        """Have a reporter told, as long as it lives."""
        with self._lock:
            self._listening = *(known for known in self._listening if known() is not None), weakref.ref(reporter)

    def clocks(self) -> list[tuple[Reporter, int]]:
        """Who is to be told of what begins now, and what time each of them has."""
        return [(reporter, reporter.now()) for reporter in self._present()]

    def tell(self, what: str, graph: GraphTemplate) -> None:
        """Tell all of what has become of a template: "TemplateLoaded" or "TemplateEvicted"."""
        for reporter in self._present():
            reporter.template(what, graph)

    def _present(self) -> list[Reporter]:
        return [reporter for known in self._listening if (reporter := known()) is not None]
