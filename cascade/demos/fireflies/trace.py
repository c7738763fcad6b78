"""A hash of all flashes: two shows are the same if their hashes are."""

from __future__ import annotations

import struct
from functools import partial
from hashlib import blake2b
from typing import Any

from cascade.demos.fireflies.swarm import Swarm

__all__ = ["Trace"]

_FLASH = struct.Struct("<Qd").pack  # the same bytes on every machine


class Trace:
    """Hashes the flashes of a swarm from now on: the fireflies and instants, in order.

    It is one more neighbour of each firefly, so a show without it has no overhead. All bits of
    the instants count. Under a virtual clock the same seed gives the same trace, on every machine and every version of
    Python.

    >>> from cascade.demos.fireflies import Additive, path
    >>> pair = Additive(path(2), period=1.0, refractory=0.2, nudge=0.1, phases=[0.0, 0.5], now=lambda: 0.0)
    >>> trace = Trace(pair)
    >>> pair.fireflies[1].flash(0.5)
    >>> trace.flashes, trace.digest()
    (1, '470e677287461e40c19b4191194e8a04')
    """

    def __init__(self, swarm: Swarm[Any]) -> None:
        self.flashes = 0
        """The number of flashes."""
        self._hash = blake2b(digest_size=16)
        for firefly in swarm.fireflies:
            firefly.neighbours += (partial(self._add, firefly.index),)

    def digest(self) -> str:
        """Return the hash of all flashes until now: BLAKE2b of 16 bytes, as hexadecimal digits."""
        return self._hash.hexdigest()

    def _add(self, index: int, instant: float) -> None:
        self.flashes += 1
        self._hash.update(_FLASH(index, instant))
