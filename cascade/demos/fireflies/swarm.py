"""All agents of a show, their counters, and how far they are in step: what the models share."""

from __future__ import annotations

import math
import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Generic, TypeVar

import cascade as cs
from cascade._support.public import public_in
from cascade.demos.fireflies.firefly import Firefly
from cascade.demos.fireflies.topology import Topology

_F = TypeVar("_F", bound=Firefly[Any])


@public_in("cascade.demos.fireflies")
class Swarm(ABC, Generic[_F]):
    """Fireflies in a topology, with random phases at the start. Each model has a kind of its own.

    Times are seconds of `now`, which is the only clock that they read; the order parameter R is 1 when all phases are
    equal and about 1/sqrt(n) when they have nothing to do with one another.

    Args:
        topology: who sees whom.
        period: seconds from flash to flash of a firefly that is alone.
        seed: of the phases at the start, and of all else that is drawn; None: another one each time.
        phases: at the start, 0 to 1, one for each firefly; None: random ones.
        now: the clock: seconds, on the scale on which the engine waits.

    Raises:
        ValueError: one of these is out of its range.

    >>> from cascade.demos.fireflies import Additive, torus8
    >>> swarm = Additive(torus8(4), period=5.0, refractory=1.0, nudge=0.2, seed=7, now=lambda: 100.0)
    >>> len(swarm.fireflies), len(swarm.fireflies[0].neighbours)
    (16, 8)
    >>> round(swarm.order(), 3) == round(swarm.order(at=102.5), 3)  # undisturbed, R stays
    True
    >>> for firefly in swarm.fireflies:
    ...     firefly.due = 101.25
    >>> swarm.phase(swarm.fireflies[0], at=100.0), swarm.order()
    (0.75, 1.0)
    """

    __slots__ = ("events", "fireflies", "flashes", "now", "period", "random", "topology")

    def __init__(
        self,
        topology: Topology,
        *,
        period: float,
        seed: int | None = None,
        phases: Sequence[float] | None = None,
        now: Callable[[], float],
    ) -> None:
        if not period > 0:
            raise ValueError(f"expected a period above 0, got {period!r}")
        self.topology = topology
        self.now = now
        self.period = period
        self.random = random.Random(seed)
        self.events = 0
        """Wake-ups of agents, by a timer or a signal."""
        self.flashes = 0
        if phases is None:
            phases = self.draw()
        if len(phases) != len(topology):
            raise ValueError(f"expected a start for each of {len(topology)} fireflies, got {len(phases)}")
        for place, phase in enumerate(phases):
            if not 0 <= phase <= 1:
                raise ValueError(f"expected a phase from 0 to 1, got {phase!r} - at `phases[{place}]`")
        begin = now()
        self.fireflies: tuple[_F, ...] = tuple(
            self.firefly(index, phase, begin + (1.0 - phase) * period)
            for index, phase in zip(topology, phases, strict=True)
        )
        reach = [firefly.channel.send for firefly in self.fireflies]  # one bound method each, shared by all neighbours
        for firefly in self.fireflies:
            firefly.neighbours = tuple(reach[index] for index in topology.neighbours(firefly.index))

    def draw(self) -> list[float]:
        """Random phases, one for each firefly."""
        return [self.random.random() for _ in self.topology]

    @abstractmethod
    def firefly(self, index: int, phase: float, due: float) -> _F:
        """Make one that has a phase now, and will flash at an instant."""

    @abstractmethod
    def agent(self, firefly: _F, phase: float, at: float) -> cs.LazyResult:
        """The endless expression of one that has a phase at an instant."""

    def targets(self) -> Iterator[cs.LazyResult]:
        """One endless expression per firefly."""
        for firefly in self.fireflies:
            at = self.now()
            yield self.agent(firefly, self.phase(firefly, at), at)

    def phase(self, firefly: Firefly[Any], at: float) -> float:
        """The true phase of a firefly at an instant: 0 at a flash, growing to 1.

        A wake-up that is late does not show: who should have flashed a moment ago is at a phase just above 0.
        """
        return (1.0 - (firefly.due - at) / self.period) % 1.0

    def order(self, at: float | None = None) -> float:
        """R = |mean of exp(2 pi i phase)| over the true phases at an instant (default: now)."""
        instant = self.now() if at is None else at
        turn = 2.0 * math.pi / self.period
        angles = [(instant - firefly.due) * turn for firefly in self.fireflies]
        mean = math.hypot(math.fsum(map(math.cos, angles)), math.fsum(map(math.sin, angles))) / len(angles)
        return min(1.0, mean)  # rounding may take it just above
