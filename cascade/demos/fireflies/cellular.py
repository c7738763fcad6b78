"""The cellular model: integer states and ticks; a flash that is seen holds a cell back.

H. Lyu, "Synchronization of finite-state pulse-coupled oscillators", Physica D 303 (2015). A cell has a state from 0 to
k - 1 and blinks in the state b = (k - 1) // 2. At each tick it goes on to the next state, unless it is past b and a
neighbour is at b: then it stays. On a tree all cells fall into step from every start exactly if no cell has k
neighbours or more; that holds for k from 3 to 6.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import cascade as cs
from cascade.demos.fireflies.swarm import Firefly, Swarm
from cascade.demos.fireflies.topology import Topology

__all__ = ["Cell", "Cellular", "cellular_agent"]

inline = cs.task(mode="inline")


class Cell(Firefly["Cellular"]):
    """A firefly with a state in place of a phase."""

    __slots__ = ("state",)

    def __init__(self, swarm: Cellular, index: int, due: float, state: int) -> None:
        super().__init__(swarm, index, due)
        self.state = state
        """Its state since the last tick, 0 to k - 1."""


@inline
def cellular_agent(me: Cell, state: int, tick: int, foreseen: bool) -> object:
    """Live on from a `state` at a `tick`.

    Cells move one after another at each tick. A cell may see a neighbour blink in the next tick before it has moved
    itself; it passes this on: `foreseen` is whether it has seen a neighbour blink in this tick already.
    """
    swarm = me.swarm
    at, following = swarm.instant(tick), swarm.instant(tick + 1)
    blink = swarm.blink
    me.state = state
    if state == blink:
        me.flash(at)
    me.due = at + (blink - state) % swarm.states * swarm.tick

    @inline
    def move(waited: float) -> object:
        swarm = me.swarm
        swarm.events += 1
        seen = me.channel.drain()
        held = state > swarm.blink and (foreseen or at in seen)
        return cellular_agent(me, state if held else (state + 1) % swarm.states, tick + 1, following in seen)

    left = following - swarm.now()
    return move(cs.wait(left if left > 0.0 else 0.0))


class Cellular(Swarm[Cell]):
    """A swarm of the cellular model.

    Args:
        topology: which cells see each other.
        period: seconds from flash to flash of a cell that is alone; a tick is this divided by ``states``.
        states: k, >= 3.
        seed: of the states at the start; None: a random one.
        start: the states at the start; None: random ones.
        now: returns the time of the clock in seconds.

    Raises:
        ValueError: an argument is out of range.

    >>> from cascade.demos.fireflies import path
    >>> cells = Cellular(path(3), period=6.0, states=6, start=[2, 3, 1], now=lambda: 0.0)
    >>> cells.blink, cells.tick, [cell.state for cell in cells.fireflies]
    (2, 1.0, [2, 3, 1])
    """

    __slots__ = ("begun", "blink", "states", "tick")

    def __init__(
        self,
        topology: Topology,
        *,
        period: float,
        states: int,
        seed: int | None = None,
        start: Sequence[int] | None = None,
        now: Callable[[], float],
    ) -> None:
        if states < 3:
            raise ValueError(f"states must be >= 3, got {states!r}")
        for place, state in enumerate(start or ()):
            if not 0 <= state < states:
                raise ValueError(f"start[{place}] must be a state from 0 to {states - 1}, got {state!r}")
        self.states = states
        self.blink = (states - 1) // 2
        self.tick = period / states
        """Seconds."""
        self.begun = now()
        """The instant of tick 0."""
        phases = None if start is None else [self.phase_of(state) for state in start]
        super().__init__(topology, period=period, seed=seed, phases=phases, now=now)

    def draw(self) -> list[float]:
        """Random phases, one for each cell; of states, not between them."""
        return [self.phase_of(self.random.randrange(self.states)) for _ in self.topology]

    def phase_of(self, state: int) -> float:
        """Return the phase of a state: 0 if the cell blinks."""
        return (state - self.blink) % self.states / self.states

    def instant(self, tick: int) -> float:
        """Return the instant of a tick: exactly the same number for all cells."""
        return self.begun + tick * self.tick

    def firefly(self, index: int, phase: float, due: float) -> Cell:
        """Make a cell that has a phase now and will blink at `due`."""
        return Cell(self, index, due, round(phase * self.states + self.blink) % self.states)

    def agent(self, firefly: Cell, phase: float, at: float) -> object:
        """Return the endless expression of a cell at its start, from its state: a phase is less exact."""
        return cellular_agent(firefly, firefly.state, 0, False)

    def targets(self) -> Iterator[object]:
        """Yield one endless expression per cell. Tick 0 is now: making many cells takes longer than a tick."""
        self.begun = self.now()
        return super().targets()
