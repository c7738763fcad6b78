"""The state of one agent."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import cascade as cs
from cascade._support.public import public_in

if TYPE_CHECKING:
    from cascade.demos.fireflies.swarm import Swarm

_S = TypeVar("_S", bound="Swarm[Any]")


@public_in("cascade.demos.fireflies")
class Firefly(Generic[_S]):
    """What the rest of the world knows of one firefly; only its own agent writes it.

    One number says it all: the instant at which it will flash if nobody disturbs it. Its phase at any other instant
    follows from that (`Swarm.phase`), so nobody has to ask the agent, and nothing is counted on from wake-up to
    wake-up that could drift.
    """

    __slots__ = ("channel", "due", "flashed", "index", "neighbours", "swarm")

    def __init__(self, swarm: _S, index: int, due: float) -> None:
        self.swarm = swarm
        self.index = index
        """Its place in the topology."""
        self.channel = cs.Channel()
        """Where it sees the flashes of others. A message is the instant of the flash."""
        self.due = due
        """The instant of its next flash, undisturbed; seconds of `swarm.now`."""
        self.flashed = -float("inf")
        """The instant of its last flash."""
        self.neighbours: tuple[Callable[[float], object], ...] = ()
        """How to reach those who see it: their channels' `send`."""

    def flash(self, instant: float) -> None:
        """Be seen by all neighbours."""
        self.flashed = instant
        self.swarm.flashes += 1
        for send in self.neighbours:
            send(instant)
