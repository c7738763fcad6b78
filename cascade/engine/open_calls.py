"""The calls of a run that have begun and not ended, for events."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from cascade.engine.places import kind_of, path_of, title_of

if TYPE_CHECKING:
    from concurrent.futures import Future

    from cascade._core.run.place import Place

__all__ = ["OpenCall", "RunCalls", "fields_of"]

# A start is told together with the end: whether such a node is skipped is known only once it has a value.
_TOLD_LATE = frozenset(("router", "guard", "fallback", "race"))


class OpenCall:
    """One call.

    Attributes:
        place: of its node.
        iteration: the number of tail calls that its run had made.
        began: nanoseconds on the engine's clock.
        told: whether its start is told of.
        waited_before: nanoseconds that it has waited before it began.
        waited: nanoseconds that it has waited since.
    """

    __slots__ = ("_fields", "began", "iteration", "place", "told", "waited", "waited_before")

    def __init__(self, place: Place, iteration: int, began: int, waited_before: int) -> None:
        self.place = place
        self.iteration = iteration
        self.began = began
        self.told = False
        self.waited_before = waited_before
        self.waited = 0
        self._fields: dict[str, Any] | None = None

    @property
    def is_told_late(self) -> bool:
        """Whether its start is told of together with its end."""
        return kind_of(self.place.template, self.place.number) in _TOLD_LATE

    def fields(self) -> dict[str, Any]:
        """Return what all events of the call say of it."""
        if self._fields is None:
            self._fields = fields_of(self.place, self.iteration)
        return self._fields

    def times(self, now: int) -> dict[str, float]:
        """Return how long it has run and waited, in seconds."""
        return {
            "seconds": (now - self.began - self.waited) * 1e-9,
            "waited": (self.waited_before + self.waited) * 1e-9,
        }

    def follow(self, future: Future[Any]) -> None:
        """Count the time that a worker's future needs beside the call itself as waiting, if the worker tells it."""
        future.add_done_callback(self._counter(time.monotonic_ns()))

    def _counter(self, submitted: int) -> Callable[[Future[Any]], None]:
        def count(future: Future[Any]) -> None:  # in any thread
            seconds = getattr(future, "seconds", None)
            if type(seconds) is float:
                self.waited += max(0, time.monotonic_ns() - submitted - int(seconds * 1e9))

        return count


class RunCalls:
    """The open calls of one run.

    Attributes:
        open: by number of the call.
        over: numbers of calls that have been told of, and whose nodes have no value.
        waits: nanoseconds that calls have waited which have not begun, by number.
    """

    __slots__ = ("open", "over", "waits")

    def __init__(self) -> None:
        self.open: dict[int, OpenCall] = {}
        self.over: set[int] = set()
        self.waits: dict[int, int] = {}


def fields_of(place: Place, iteration: int) -> dict[str, Any]:
    """Return the attributes that all events of nodes have, save those of all events."""
    return {
        "task": title_of(place.template, place.number), "path": path_of(place), "iteration": iteration,
        "node": place.number, "call": place.call, "parent": place.parent, "item": place.item,
        "kind": kind_of(place.template, place.number),
    }  # fmt: skip
