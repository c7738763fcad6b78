"""A store of results in memory."""

from __future__ import annotations

from collections import OrderedDict
from contextlib import suppress
from typing import Any

from cascade._support.boundary import boundary
from cascade._support.forks import new_lock
from cascade._support.public import public
from cascade.cache.protocol import Hit
from cascade.exceptions import PolicyError

__all__ = ["MemoryStore", "check_bound"]


def check_bound(value: Any, name: str) -> int:
    """Return a bound of a store, checked.

    Raises:
        PolicyError: it is not an int >= 1.
    """
    if type(value) is not int:
        raise PolicyError(f"{name} must be an int, got `{type(value).__name__}`")
    if value < 1:
        raise PolicyError(f"{name} must be >= 1, got {value}")
    return value


@public
class MemoryStore:
    """Keeps results in memory; evicts the least recently used first.

    It stores and returns the objects themselves, without copies: a result that is modified is modified for all.
    Engines, policies and threads may share it.

    Args:
        max_entries: the maximum number of results, >= 1.

    Raises:
        PolicyError: ``max_entries`` is not an int >= 1.

    >>> store = MemoryStore(max_entries=2)
    >>> for number in range(3):
    ...     store.set(b"key %d" % number, number, None, now=0.0)
    >>> store.get(b"key 0", now=0.0), store.get(b"key 2", now=0.0)
    (None, Hit(value=2))
    """

    __slots__ = ("__weakref__", "_entries", "_lock", "_max_entries")

    blocking = False

    @boundary
    def __init__(self, max_entries: int = 10_000) -> None:
        self._max_entries = check_bound(max_entries, "max_entries")
        self._entries: OrderedDict[bytes, tuple[Hit, float | None]] = OrderedDict()
        # Garbage collection may run a destructor at any moment, also while the lock is held, and the destructor may use
        # this store. So the entries are consistent between any two steps of each method.
        self._lock = new_lock()

    def get(self, key: bytes, now: float) -> Hit | None:
        """Return the result of a key, or None if there is none or it has expired at ``now`` (seconds)."""
        dropped = None  # released after the lock: its destructor may run code of the user
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
        """Store a value under a key until ``expires`` (seconds; None: without end)."""
        entry = Hit(value), expires
        dropped: list[object] = []
        with self._lock:
            dropped.append(self._entries.get(key))  # the replaced entry is released after the lock
            self._entries[key] = entry
            with suppress(KeyError):
                self._entries.move_to_end(key)
                while len(self._entries) > self._max_entries:
                    dropped.append(self._entries.popitem(last=False)[1])
        dropped.clear()

    def delete(self, key: bytes) -> None:
        """Remove a key, if it is there."""
        with self._lock:
            dropped = self._entries.pop(key, None)
        del dropped

    def clear(self) -> None:
        """Remove all keys."""
        with self._lock:
            dropped, self._entries = self._entries, OrderedDict()
        dropped.clear()

    def close(self) -> None:
        """Do nothing: there is no file to close, and the results stay."""

    def __len__(self) -> int:
        """The number of results, including expired ones that were not looked up since."""
        return len(self._entries)

    def __repr__(self) -> str:
        return f"<MemoryStore of {len(self)} results>"
