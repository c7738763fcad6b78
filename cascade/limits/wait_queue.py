"""A line: things in an order of their own, of which the first is known and any may leave."""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from itertools import count
from typing import Generic, TypeVar

__all__ = ["Line"]

T = TypeVar("T")


class Line(Generic[T]):
    """Things by key, the smallest first; of equal keys, the one that entered first.

    A heap in which what has left stays until it comes up, or until it is more than half of the heap. So all that is
    done with a line takes logarithmic time at most, over many calls.

    >>> line = Line()
    >>> for name, key in [("b", 2), ("a", 1), ("c", 3)]:
    ...     line.enter(name, key)
    >>> line.first(), line.leave("a"), line.first(), len(line)
    ('a', None, 'b', 2)
    """

    __slots__ = ("_entries", "_heap", "_places")

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, T]] = []
        self._places: dict[T, tuple[int, int]] = {}  # which of its entries counts: key and number
        self._entries = count()

    def enter(self, thing: T, key: int) -> None:
        """Have it stand in the line, at its key; if it stands there already, only at its key from now on."""
        number = next(self._entries)
        self._places[thing] = key, number
        heappush(self._heap, (key, number, thing))
        self._tidy()

    def leave(self, thing: T) -> None:
        """Take it out; what is not in the line is let be."""
        if self._places.pop(thing, None) is not None:
            self._tidy()

    def first(self) -> T | None:
        """The first, or None."""
        heap = self._heap
        while heap:
            key, number, thing = heap[0]
            if self._places.get(thing) == (key, number):
                return thing
            heappop(heap)
        return None

    def first_key(self) -> int | None:
        """The key of the first, or None."""
        return None if self.first() is None else self._heap[0][0]

    def key_of(self, thing: T) -> int | None:
        """At which key it stands; None: it does not."""
        place = self._places.get(thing)
        return None if place is None else place[0]

    def clear(self) -> None:
        """Take all out."""
        self._heap.clear()
        self._places.clear()

    def __contains__(self, thing: T) -> bool:
        return thing in self._places

    def __len__(self) -> int:
        return len(self._places)

    def _tidy(self) -> None:
        if len(self._heap) > 2 * len(self._places) + 16:
            self._heap = [entry for entry in self._heap if self._places.get(entry[2]) == entry[:2]]
            heapify(self._heap)
