"""A priority queue whose items can be removed from anywhere."""

from __future__ import annotations

from collections.abc import Iterator
from heapq import heapify, heappop, heappush
from itertools import count
from typing import Generic, TypeVar

__all__ = ["WaitQueue"]

T = TypeVar("T")
K = TypeVar("K")


class WaitQueue(Generic[T, K]):
    """Items by key, the smallest key first; of equal keys, the item that was added first.

    A heap in which a removed item stays until it reaches the top, or until removed items are more than half of the
    heap. So every operation takes amortized logarithmic time.

    >>> queue = WaitQueue()
    >>> for name, key in [("b", 2), ("a", 1), ("c", 3)]:
    ...     queue.add(name, key)
    >>> queue.first(), queue.discard("a"), queue.first(), len(queue)
    ('a', None, 'b', 2)
    """

    __slots__ = ("_entries", "_heap", "_places")

    def __init__(self) -> None:
        self._heap: list[tuple[K, int, T]] = []
        self._places: dict[T, tuple[K, int]] = {}  # the valid entry of each item: key and number
        self._entries = count()

    def add(self, item: T, key: K) -> None:
        """Add an item with its key; if it is in the queue, change its key."""
        number = next(self._entries)
        self._places[item] = key, number
        heappush(self._heap, (key, number, item))
        self._tidy()

    def discard(self, item: T) -> None:
        """Remove an item, if it is in the queue."""
        if self._places.pop(item, None) is not None:
            self._tidy()

    def first(self) -> T | None:
        """Return the first item, or None."""
        heap = self._heap
        while heap:
            key, number, item = heap[0]
            if self._places.get(item) == (key, number):
                return item
            heappop(heap)
        return None

    def first_key(self) -> K | None:
        """Return the key of the first item, or None."""
        return None if self.first() is None else self._heap[0][0]

    def key_of(self, item: T) -> K | None:
        """Return the key of an item, or None if it is not in the queue."""
        place = self._places.get(item)
        return None if place is None else place[0]

    def clear(self) -> None:
        """Remove all items."""
        self._heap.clear()
        self._places.clear()

    def __iter__(self) -> Iterator[T]:
        return iter(self._places)

    def __contains__(self, item: T) -> bool:
        return item in self._places

    def __len__(self) -> int:
        return len(self._places)

    def _tidy(self) -> None:
        if len(self._heap) > 2 * len(self._places) + 16:
            self._heap = [entry for entry in self._heap if self._places.get(entry[2]) == entry[:2]]
            heapify(self._heap)
