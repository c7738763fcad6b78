"""A store of results in memory."""

from __future__ import annotations

from collections import OrderedDict
from contextlib import suppress
from typing import Any

from cascade._support.forks import new_lock
from cascade._support.public import public
from cascade.cache.protocol import Hit
from cascade.exceptions import PolicyError

__all__ = ["MemoryStore", "check_bound"]


def check_bound(value: Any, name: str) -> int:
    """Return a bound of a store.

    Raises:
        PolicyError: it is not an `int`, or less than 1.
    """
    if type(value) is not int:
        raise PolicyError(f"expected {name} as an `int`, got `{type(value).__name__}`")
    if value < 1:
        raise PolicyError(f"expected {name} of 1 or more, got {value}")
    return value


@public
class MemoryStore:
    """Keeps results in memory, those that were used least recently let go first.

    It keeps and gives the very objects: a result that somebody changes is changed for all. It may be shared by
    engines, policies and threads.

    Args:
        max_entries: how many results to keep.

    Raises:
        PolicyError: ``max_entries`` is not an `int` of 1 or more.

    >>> store = MemoryStore(max_entries=2)
    >>> for number in range(3):
    ...     store.set(b"key %d" % number, number, None, now=0.0)
    >>> store.get(b"key 0", now=0.0), store.get(b"key 2", now=0.0)
    (None, Hit(value=2))
    """

    __slots__ = ("__weakref__", "_entries", "_lock", "_max_entries")

    blocking = False

    def __init__(self, max_entries: int = 10_000) -> None:
        self._max_entries = check_bound(max_entries, "max_entries")
        self._entries: OrderedDict[bytes, tuple[Hit, float | None]] = OrderedDict()
        # The collector may run a destructor at any moment, also in here, and that may come back to this store. So each
        # method leaves the entries whole between any two steps.
        self._lock = new_lock()

    def get(self, key: bytes, now: float) -> Hit | None:
        """Return what is under the key, or None if there is nothing or it has expired at ``now`` (seconds)."""
        dropped = None  # outlives the lock: what is let go may run code of the user's
        with self._lock:
            entry = self._entries.get(key)
            if entry is None:
                return None
            if entry[1] is None or entry[1] > now:
                with suppress(KeyError):
                    self._entries.move_to_end(key)
                return entry[0]
            dropped = self._entries.pop(key, None)
        del entry, dropped
        return None

    def set(self, key: bytes, value: Any, expires: float | None, now: float) -> None:
        """Put a value under the key, up to ``expires`` (seconds; None: for ever)."""
        entry = Hit(value), expires
        dropped: list[object] = []
        with self._lock:
            dropped.append(self._entries.get(key))  # what is replaced is let go of further down
            self._entries[key] = entry
            with suppress(KeyError):
                self._entries.move_to_end(key)
                while len(self._entries) > self._max_entries:
                    dropped.append(self._entries.popitem(last=False)[1])
        dropped.clear()

    def delete(self, key: bytes) -> None:
        """Forget the key, if it is there."""
        with self._lock:
            dropped = self._entries.pop(key, None)
        del dropped

    def clear(self) -> None:
        """Forget all."""
        with self._lock:
            dropped, self._entries = self._entries, OrderedDict()
        dropped.clear()

    def close(self) -> None:
        """Do nothing: there is no file to let go of, and what is kept stays."""

    def __len__(self) -> int:
        """How many results it keeps, expired ones that nobody has asked for since included."""
        return len(self._entries)

    def __repr__(self) -> str:
        return f"<MemoryStore of {len(self)} results>"
