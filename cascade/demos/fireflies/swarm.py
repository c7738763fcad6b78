"""The agents of a show, their counters and the order parameter R: what all models share."""

from __future__ import annotations

import math
import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Generic, TypeVar

import cascade as cs
from cascade.demos.fireflies.topology import Topology

__all__ = ["Firefly", "Swarm"]

_S = TypeVar("_S", bound="Swarm[Any]")
_F = TypeVar("_F", bound="Firefly[Any]")


class Firefly(Generic[_S]):
    """The state of one agent. Only the agent itself writes it.

    One number is enough: the instant of its next flash, if it sees none before. Its phase at any other instant follows
    from it (`Swarm.phase`) without asking the agent, and nothing is summed up over wake-ups that could drift.
    """

    __slots__ = ("channel", "due", "flashed", "index", "neighbours", "swarm")

    def __init__(self, swarm: _S, index: int, due: float) -> None:
        self.swarm = swarm
        self.index = index
        """Its place in the topology."""
        self.channel: cs.Channel[float] = cs.Channel()
        """Receives the flashes of its neighbours. A message is the instant of a flash."""
        self.due = due
        """The instant of its next flash if it sees none before, in seconds of `swarm.now`."""
        self.flashed = -float("inf")
        """The instant of its last flash."""
        self.neighbours: tuple[Callable[[float], object], ...] = ()
        """`send` of the channels of the neighbours, which see its flashes."""

    def flash(self, instant: float) -> None:
        """Send a flash to all neighbours."""
        self.flashed = instant
        self.swarm.flashes += 1
        for send in self.neighbours:
            send(instant)


class Swarm(ABC, Generic[_F]):
    """Fireflies in a topology, with random phases at the start. Each model has a subclass.

    All times are seconds of `now`. The order parameter R is 1 when all phases are equal and about 1/sqrt(n) when they
    are independent.

    Args:
        topology: which fireflies see each other.
        period: seconds from flash to flash of a firefly that is alone.
        seed: of all random numbers; None: a random one.
        phases: at the start, 0 to 1, one for each firefly; None: random ones.
        now: returns the time of the engine's clock in seconds.

    Raises:
        ValueError: an argument is out of range.

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
            raise ValueError(f"period must be > 0, got {period!r}")
        self.topology = topology
        self.now = now
        self.period = period
        self.random = random.Random(seed)
        self.events = 0
        """Wake-ups of agents, by a timer or a message."""
        self.flashes = 0
        if phases is None:
            phases = self.draw()
        if len(phases) != len(topology):
            raise ValueError(f"phases must be one for each of {len(topology)} fireflies, got {len(phases)}")
        for place, phase in enumerate(phases):
            if not 0 <= phase <= 1:
                raise ValueError(f"phases[{place}] must be from 0 to 1, got {phase!r}")
        begin = now()
        self.fireflies: tuple[_F, ...] = tuple(
            self.firefly(index, phase, begin + (1.0 - phase) * period)
            for index, phase in zip(topology, phases, strict=True)
        )
        reach = [firefly.channel.send for firefly in self.fireflies]  # one bound method each, shared by all neighbours
        for firefly in self.fireflies:
            firefly.neighbours = tuple(reach[index] for index in topology.neighbours(firefly.index))

    def draw(self) -> list[float]:
        """Return random phases, one for each firefly."""
        return [self.random.random() for _ in self.topology]

    @abstractmethod
    def firefly(self, index: int, phase: float, due: float) -> _F:
        """Make a firefly that has a phase now and will flash at `due`."""

    @abstractmethod
    def agent(self, firefly: _F, phase: float, at: float) -> object:
        """Return the endless expression of a firefly that has a phase at an instant."""

    def targets(self) -> Iterator[object]:
        """Yield one endless expression per firefly."""
        for firefly in self.fireflies:
            at = self.now()
            yield self.agent(firefly, self.phase(firefly, at), at)

    def phase(self, firefly: Firefly[Any], at: float) -> float:
        """Return the exact phase of a firefly at an instant: 0 at a flash, growing to 1.

        A late wake-up does not matter: a firefly that should have flashed a moment ago has a phase just above 0.
        """
        return (1.0 - (firefly.due - at) / self.period) % 1.0

    def order(self, at: float | None = None) -> float:
        """Return R = |mean of exp(2 pi i phase)| of the exact phases at an instant (default: now)."""
        instant = self.now() if at is None else at
        turn = 2.0 * math.pi / self.period
        angles = [(instant - firefly.due) * turn for firefly in self.fireflies]
        mean = math.hypot(math.fsum(map(math.cos, angles)), math.fsum(map(math.sin, angles))) / len(angles)
        return min(1.0, mean)  # rounding may exceed 1
