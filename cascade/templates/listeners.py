"""Listeners of templates: what is called when one is built, loaded or evicted."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from cascade._support.forks import new_lock

if TYPE_CHECKING:
    from cascade.graph.model import GraphTemplate

__all__ = ["Listener", "Listeners", "built", "loaded"]


class Listener(Protocol):
    """Hears of the templates of one `Templates`, in whatever thread: engines may share templates."""

    def now(self) -> int:
        """Nanoseconds on its clock."""

    def template_built(self, graph: GraphTemplate, since: int) -> None:
        """A template was built, which began at ``since`` on its clock."""

    def template_loaded(self, graph: GraphTemplate) -> None:
        """A template was read from a file."""

    def template_evicted(self, graph: GraphTemplate) -> None:
        """A template was dropped, as the table had no room for it."""


class Listeners:
    """The listeners of one `Templates`, in the order in which they came. It keeps none of them alive.

    It is asked on a miss only, and is empty until an engine with these templates is asked for its events.
    """

    __slots__ = ("_listening", "_lock")

    def __init__(self) -> None:
        self._lock = new_lock()
        # Replaced as a whole: engines in several threads may share the templates.
        self._listening: tuple[weakref.ref[Listener], ...] = ()

    def __bool__(self) -> bool:
        return bool(self._listening)

    def add(self, listener: Listener) -> None:
        """Call a listener from now on, as long as it lives."""
        with self._lock:
            self._listening = *(known for known in self._listening if known() is not None), weakref.ref(listener)

    def begin(self) -> list[tuple[Listener, int]]:
        """Return the listeners of what begins now, each with the time on its clock."""
        return [(listener, listener.now()) for listener in self._present()]

    def evicted(self, graph: GraphTemplate) -> None:
        """Call all of them for a template that was dropped."""
        for listener in self._present():
            listener.template_evicted(graph)

    def _present(self) -> list[Listener]:
        return [listener for known in self._listening if (listener := known()) is not None]


def built(listening: list[tuple[Listener, int]], graph: GraphTemplate) -> Callable[[], None] | None:
    """Return what calls these listeners for a template that was built; None if there are none."""

    def call() -> None:
        for listener, since in listening:
            listener.template_built(graph, since)

    return call if listening else None


def loaded(listening: list[tuple[Listener, int]], graph: GraphTemplate) -> Callable[[], None] | None:
    """Return what calls these listeners for a template that was loaded; None if there are none."""

    def call() -> None:
        for listener, _ in listening:
            listener.template_loaded(graph)

    return call if listening else None
