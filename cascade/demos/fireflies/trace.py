"""A hash of all flashes: two courses are the same if theirs are."""

from __future__ import annotations

import struct
from functools import partial
from hashlib import blake2b
from typing import Any

from cascade._support.public import public_in
from cascade.demos.fireflies.swarm import Swarm

_FLASH = struct.Struct("<Qd").pack  # the same bytes on every machine


@public_in("cascade.demos.fireflies")
class Trace:
    """The flashes of a swarm from now on, by who flashed and at what instant, in the order in which they came.

    It is one more neighbour of each firefly, so it costs nothing where there is none. Instants are taken to the last
    bit. Under a virtual clock the same seed gives the same trace, on every machine and every version of Python.

    >>> from cascade.demos.fireflies import Additive, path
    >>> pair = Additive(path(2), period=1.0, refractory=0.2, nudge=0.1, phases=[0.0, 0.5], now=lambda: 0.0)
    >>> trace = Trace(pair)
    >>> pair.fireflies[1].flash(0.5)
    >>> trace.flashes, trace.digest()
    (1, '470e677287461e40c19b4191194e8a04')
    """

    def __init__(self, swarm: Swarm[Any]) -> None:
        self.flashes = 0
        """How many there were."""
        self._hash = blake2b(digest_size=16)
        for firefly in swarm.fireflies:
            firefly.neighbours += (partial(self._add, firefly.index),)

    def digest(self) -> str:
        """The hash of what has been so far: BLAKE2b with 16 bytes, in hexadecimal digits."""
        return self._hash.hexdigest()

    def _add(self, index: int, instant: float) -> None:
        self.flashes += 1
        self._hash.update(_FLASH(index, instant))
