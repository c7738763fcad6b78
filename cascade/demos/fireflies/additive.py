"""The additive model: a flash that is seen advances the phase by a fixed nudge, except in a refractory period."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cascade as cs
from cascade.demos.fireflies.swarm import Firefly, Swarm
from cascade.demos.fireflies.topology import Topology

__all__ = ["Additive", "AdditiveFirefly", "additive_agent"]

# These are a few additions each: a worker thread would cost more.
inline = cs.task(mode="inline")

GRAIN = 1e-9
"""Seconds: the resolution of the engine's clock. A timer that is later by at most this is on time."""


class AdditiveFirefly(Firefly["Additive"]):
    """A firefly with a refractory period: it sees nothing for a while after its own flash."""

    __slots__ = ("blind_until",)

    def __init__(self, swarm: Additive, index: int, due: float) -> None:
        super().__init__(swarm, index, due)
        self.blind_until = -float("inf")
        """The end of its last refractory period: flashes up to this instant are not seen, however late they arrive."""


@inline
def additive_agent(me: AdditiveFirefly, phase: float, at: float) -> object:
    """Live on from a `phase` (0 to 1, at 1 it flashes) at an instant `at`.

    Phases are computed from the instants of flashes, never from the time at which the event loop runs the agent: if the
    loop lags, fireflies act late, but their phases stay exact, and delays do not accumulate.

    A firefly is in one of two states, refractory or watching; each is a task that takes what it needs of this iteration
    as arguments. The garbage collector traverses all objects that parked agents refer to: closures made in each
    iteration would double their number, and the collector would take half of the time.
    """
    swarm = me.swarm
    due = me.due = at + (1.0 - phase) * swarm.period
    if phase < swarm.blind:
        me.blind_until = due - swarm.awake
        left = me.blind_until - swarm.now()
        return listen(me, cs.wait(left if left > 0.0 else 0.0))
    left = due - swarm.now()
    return react(me, phase, at, me.channel.recv(timeout=left if left > 0.0 else 0.0))


@inline
def listen(me: AdditiveFirefly, rested: float) -> object:
    """Continue after the refractory period."""
    swarm = me.swarm
    swarm.events += 1
    instants = me.channel.drain()  # flashes in the refractory period are not seen...
    if instants and swarm.now() > me.blind_until + GRAIN:  # ...but if the loop lags, later ones may be among them
        for instant in reversed(instants):
            if instant > me.blind_until:
                me.channel.unreceive(instant)
    return additive_agent(me, swarm.blind, me.blind_until)


@inline
def react(me: AdditiveFirefly, phase: float, at: float, seen: cs.Received[float]) -> object:
    """Continue after a flash that was seen, or at the time of the own flash."""
    swarm = me.swarm
    swarm.events += 1
    due = me.due
    if seen.timed_out:
        instant = due
        nudged = 1.0
    elif seen.message >= due:  # a message overtook a late timer: flash first
        me.channel.unreceive(seen.message)
        instant = due
        nudged = 1.0
    elif seen.message <= me.blind_until:  # a message that was late
        instant = at
        nudged = phase
    else:
        instant = seen.message
        nudged = 1.0 - (due - instant) / swarm.period + swarm.nudge
    if nudged < 1.0:
        return additive_agent(me, nudged, instant)
    me.flash(instant)
    me.blind_until = instant  # fireflies that flash together do not see each other
    return additive_agent(me, swarm.scatter() if swarm.jitter else 0.0, instant)


class Additive(Swarm[AdditiveFirefly]):
    """A swarm of the additive model.

    Args:
        topology: which fireflies see each other.
        period: seconds from flash to flash of a firefly that is alone.
        refractory: seconds after its own flash in which a firefly sees nothing.
        nudge: by how much a flash that is seen advances the phase, as a fraction of the period; >= 0.
        jitter: the maximum seconds by which a cycle is longer or shorter.
        seed: of phases and jitter; None: a random one.
        phases: at the start; None: random ones.
        now: returns the time of the clock in seconds.

    Raises:
        ValueError: an argument is out of range.

    If one of two that see each other has just flashed, and the phase of the other may be anything, they fall into step
    with probability 2 rho + eps: rho, below 1/2, is the refractory period as a fraction of the period, eps the nudge.
    If both phases may be anything, it is rho^2 + 1 - (1 - rho - eps)^2, as the greater one of them flashes first.

    >>> import asyncio
    >>> from cascade.demos.fireflies import path
    >>> async def distance(phases):
    ...     pair = Additive(path(2), period=1.0, refractory=0.2, nudge=0.1, phases=phases, now=engine.clock.time)
    ...     async with engine:
    ...         runs = [engine.start(target) for target in pair.targets()]
    ...         await asyncio.sleep(5.0)
    ...     one, other = pair.fireflies
    ...     return abs(one.flashed - other.flashed)
    >>> engine = cs.Engine(clock=cs.Clock.virtual())
    >>> with asyncio.Runner(loop_factory=engine.new_loop) as runner:
    ...     near, far = runner.run(distance([0.0, 0.15])), runner.run(distance([0.0, 0.5]))
    >>> near, round(far, 3)
    (0.0, 0.5)
    """

    __slots__ = ("awake", "blind", "jitter", "nudge")

    def __init__(
        self,
        topology: Topology,
        *,
        period: float,
        refractory: float,
        nudge: float,
        jitter: float = 0.0,
        seed: int | None = None,
        phases: Sequence[float] | None = None,
        now: Callable[[], float],
    ) -> None:
        if not 0 <= refractory < period:
            raise ValueError(f"refractory must be >= 0 and less than period={period!r}, got {refractory!r}")
        if not nudge >= 0 or not jitter >= 0:
            raise ValueError(f"nudge and jitter must be >= 0, got {nudge!r} and {jitter!r}")
        super().__init__(topology, period=period, seed=seed, phases=phases, now=now)
        self.blind = refractory / period
        """The refractory period as a fraction of the period: below this phase no flash is seen."""
        self.awake = period - refractory
        """Seconds from the end of the refractory period to the flash."""
        self.nudge = nudge
        self.jitter = jitter

    def firefly(self, index: int, phase: float, due: float) -> AdditiveFirefly:
        """Make a firefly that has a phase now and will flash at `due`."""
        return AdditiveFirefly(self, index, due)

    def agent(self, firefly: AdditiveFirefly, phase: float, at: float) -> object:
        """Return the endless expression of a firefly that has a phase at an instant."""
        return additive_agent(firefly, phase, at)

    def scatter(self) -> float:
        """Return the phase just after a flash with jitter: uniform, and 0 on average."""
        return self.random.uniform(-self.jitter, self.jitter) / self.period
