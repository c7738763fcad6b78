"""The model of Mirollo and Strogatz: a flash that is seen advances the phase the more, the later it is seen.

R. E. Mirollo and S. H. Strogatz, "Synchronization of pulse-coupled biological oscillators", SIAM J. Appl. Math. 50
(1990). A firefly charges up along f(phi) = ln(1 + (e^b - 1) phi) / b, steeply at first, and flashes at f = 1. A flash
that is seen adds eps to f. For the phase this means phi -> min(1, alpha phi + beta), with alpha = e^(b eps) and
beta = (alpha - 1) / (e^b - 1). There is no refractory period.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import cascade as cs
from cascade.demos.fireflies.swarm import Firefly, Swarm
from cascade.demos.fireflies.topology import Topology

__all__ = ["Mirollo", "mirollo_agent"]

inline = cs.task(mode="inline")


@inline
def mirollo_agent(me: Firefly[Mirollo], phase: float, at: float) -> object:
    """Live on from a `phase` (0 to 1, at 1 it flashes) at an instant `at`, computed from instants only.

    If the loop lags, messages may arrive out of order: they are handled in order of arrival.
    """
    swarm = me.swarm
    due = me.due = at + (1.0 - phase) * swarm.period

    @inline
    def react(seen: cs.Received[float]) -> object:
        swarm = me.swarm
        swarm.events += 1
        if seen.timed_out:
            instant = due
            pulsed = 1.0
        elif seen.message > due:  # a message overtook a late timer: flash first
            me.channel.unreceive(seen.message)
            instant = due
            pulsed = 1.0
        elif seen.message <= me.flashed:  # both flashed together: no effect
            instant = at
            pulsed = phase
        else:
            instant = seen.message
            pulsed = swarm.alpha * (1.0 - (due - instant) / swarm.period) + swarm.beta
        if pulsed < 1.0:
            return mirollo_agent(me, pulsed, instant)
        me.flash(instant)
        return mirollo_agent(me, 0.0, instant)

    left = due - swarm.now()
    return react(me.channel.recv(timeout=left if left > 0.0 else 0.0))


class Mirollo(Swarm[Firefly["Mirollo"]]):
    """A swarm of the model of Mirollo and Strogatz.

    Args:
        topology: which fireflies see each other. With `all_to_all` they fall into step from almost all phases, as the
            paper proves.
        period: seconds from flash to flash of a firefly that is alone.
        nudge: eps, by how much a flash that is seen raises f.
        dissipation: b, > 0: the curvature of f. With a straight f (b near 0) no order arises.
        seed: of the phases at the start; None: a random one.
        phases: at the start; None: random ones.
        now: returns the time of the clock in seconds.

    Raises:
        ValueError: an argument is out of range.

    >>> from cascade.demos.fireflies import path
    >>> pair = Mirollo(path(2), period=1.0, nudge=0.1, dissipation=3.0, now=lambda: 0.0)
    >>> round(pair.alpha, 9), round(pair.beta, 9)
    (1.349858808, 0.018331096)
    """

    __slots__ = ("alpha", "beta")

    def __init__(
        self,
        topology: Topology,
        *,
        period: float,
        nudge: float,
        dissipation: float,
        seed: int | None = None,
        phases: Sequence[float] | None = None,
        now: Callable[[], float],
    ) -> None:
        if not 0 <= nudge <= 1 or not dissipation > 0:
            raise ValueError(f"nudge must be from 0 to 1 and dissipation > 0, got {nudge!r} and {dissipation!r}")
        super().__init__(topology, period=period, seed=seed, phases=phases, now=now)
        self.alpha = math.exp(dissipation * nudge)
        self.beta = math.expm1(dissipation * nudge) / math.expm1(dissipation)

    def firefly(self, index: int, phase: float, due: float) -> Firefly[Mirollo]:
        """Make a firefly that has a phase now and will flash at `due`."""
        return Firefly(self, index, due)

    def agent(self, firefly: Firefly[Mirollo], phase: float, at: float) -> object:
        """Return the endless expression of a firefly that has a phase at an instant."""
        return mirollo_agent(firefly, phase, at)
