"""All agents of a show, their counters, and how far they are in step."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator

import cascade as cs
from cascade.fireflies.agent import firefly_agent
from cascade.fireflies.firefly import Firefly
from cascade.fireflies.grid import Grid


class Population:
    """Fireflies on a grid, with random phases at the start.

    Times are seconds of `now`, which is the only clock that they read; the order parameter R is 1 when all phases are
    equal and about 1/sqrt(n) when they have nothing to do with one another.

    >>> population = Population(Grid(4), period=5.0, refractory=1.0, nudge=0.2, seed=7, now=lambda: 100.0)
    >>> len(population.fireflies), len(population.fireflies[0].neighbours)
    (16, 8)
    >>> round(population.order(), 3) == round(population.order(at=102.5), 3)  # undisturbed, R stays
    True
    >>> for firefly in population.fireflies:
    ...     firefly.due = 101.25
    >>> population.phase(population.fireflies[0], at=100.0), population.order()
    (0.75, 1.0)
    """

    __slots__ = (
        "awake",
        "blind",
        "events",
        "fireflies",
        "flashes",
        "grid",
        "jitter",
        "now",
        "nudge",
        "period",
        "random",
    )

    def __init__(
        self,
        grid: Grid,
        *,
        period: float,
        refractory: float,
        nudge: float,
        jitter: float = 0.0,
        seed: int | None = None,
        now: Callable[[], float],
    ) -> None:
        self.grid = grid
        self.now = now
        """The clock: seconds, on the scale on which the engine waits."""
        self.period = period
        """Seconds from flash to flash of a firefly that is alone."""
        self.blind = refractory / period
        """The refractory period as a fraction of the period: below this phase nothing is seen."""
        self.awake = period - refractory
        """Seconds from the end of the refractory period to the flash."""
        self.nudge = nudge
        """How far a flash that is seen moves the phase on; a fraction of the period."""
        self.jitter = jitter
        """Most seconds by which a cycle is longer or shorter."""
        self.random = random.Random(seed)
        self.events = 0
        """Wake-ups of agents, by a timer or a signal."""
        self.flashes = 0
        begin = now()
        self.fireflies = tuple(Firefly(self, index, begin + (1.0 - self.random.random()) * period) for index in grid)
        reach = [firefly.channel.send for firefly in self.fireflies]  # one bound method each, shared by all neighbours
        for firefly in self.fireflies:
            firefly.neighbours = tuple(reach[index] for index in grid.neighbours(firefly.index))

    def targets(self) -> Iterator[cs.LazyResult]:
        """One endless expression per firefly."""
        for firefly in self.fireflies:
            at = self.now()
            yield firefly_agent(firefly, self.phase(firefly, at), at)

    def scatter(self) -> float:
        """The phase just after a flash where cycles jitter; uniform, and 0 on average."""
        return self.random.uniform(-self.jitter, self.jitter) / self.period

    def phase(self, firefly: Firefly, at: float) -> float:
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
