"""Listeners of templates: called when a template is built, loaded or evicted."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from cascade._support.forks import new_lock

if TYPE_CHECKING:
    from cascade.graph.model import GraphTemplate

__all__ = ["Listener", "Listeners", "built", "loaded"]


class Listener(Protocol):
    """Called for the templates of one `Templates`, in any thread: engines may share templates."""

    def now(self) -> int:
        """Return the time of the listener's clock, in nanoseconds."""

    def template_built(self, graph: GraphTemplate, since: int) -> None:
        """Called after a build that began at ``since``, in nanoseconds on the listener's clock."""

    def template_loaded(self, graph: GraphTemplate) -> None:
        """Called after a template was read from a file."""

    def template_evicted(self, graph: GraphTemplate) -> None:
        """Called after a template was evicted, as the table was full."""


class Listeners:
    """The listeners of one `Templates`, in the order of `add`. It keeps none of them alive.

    It is used on a miss only, and is empty until `engine.events` of an engine with these templates is first used.
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
        """Return the listeners at the beginning of a build, each with the time of its clock in nanoseconds."""
        return [(listener, listener.now()) for listener in self._present()]

    def evicted(self, graph: GraphTemplate) -> None:
        """Call all listeners for a template that was evicted."""
        for listener in self._present():
            listener.template_evicted(graph)

    def _present(self) -> list[Listener]:
        return [listener for known in self._listening if (listener := known()) is not None]


def built(listening: list[tuple[Listener, int]], graph: GraphTemplate) -> Callable[[], None] | None:
    """Return a callback that calls the listeners for a template that was built; None if there are none."""

    def call() -> None:
        for listener, since in listening:
            listener.template_built(graph, since)

    return call if listening else None


def loaded(listening: list[tuple[Listener, int]], graph: GraphTemplate) -> Callable[[], None] | None:
    """Return a callback that calls the listeners for a template that was loaded; None if there are none."""

    def call() -> None:
        for listener, _ in listening:
            listener.template_loaded(graph)

    return call if listening else None
