"""The additive model: a flash that is seen moves the phase on by a fixed nudge, but for a while after one's own."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cascade as cs
from cascade._support.public import public_in
from cascade.demos.fireflies.firefly import Firefly
from cascade.demos.fireflies.swarm import Swarm
from cascade.demos.fireflies.topology import Topology

# All of these are a few additions: a thread would cost more than they do.
inline = cs.task(mode="inline")

GRAIN = 1e-9
"""Seconds: what the engine's clock counts in. A timer that is no later than that is not late."""


class AdditiveFirefly(Firefly["Additive"]):
    """A firefly that sees nothing for a while after its own flash."""

    __slots__ = ("blind_until",)

    def __init__(self, swarm: Additive, index: int, due: float) -> None:
        super().__init__(swarm, index, due)
        self.blind_until = -float("inf")
        """The end of its last refractory period: no flash up to that instant is seen, however late one hears of it."""


@inline
def additive_agent(me: AdditiveFirefly, phase: float, at: float) -> cs.LazyResult:
    """Live on from a `phase` (0 to 1, at 1 it flashes) at an instant `at`.

    Everything is reckoned from instants, the times of flashes, and never from the moment at which the loop came round
    to it: a loop that lags makes fireflies late to act, but bends no phase, and lateness does not add up.

    A firefly is in one of two states, refractory or watching; each is one nested task, which is given what it needs of
    this iteration. What a parked agent holds, the garbage collector walks: functions made anew in each iteration, with
    their closures, would be twice as much, and would keep it busy for half of the time.
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
def listen(me: AdditiveFirefly, rested: float) -> cs.LazyResult:
    """The refractory period is over."""
    swarm = me.swarm
    swarm.events += 1
    heard = me.channel.drain()  # what flashed in the refractory period was not seen...
    if heard and swarm.now() > me.blind_until + GRAIN:  # ...but if the loop is late, there may be more
        for instant in reversed(heard):
            if instant > me.blind_until:
                me.channel.unreceive(instant)
    return additive_agent(me, swarm.blind, me.blind_until)


@inline
def react(me: AdditiveFirefly, phase: float, at: float, seen: cs.Received) -> cs.LazyResult:
    """A flash was seen, or it is time for one."""
    swarm = me.swarm
    swarm.events += 1
    due = me.due
    if seen.timed_out:
        instant = due
        nudged = 1.0
    elif seen.message >= due:  # a signal overtook a timer that was late: first things first
        me.channel.unreceive(seen.message)
        instant = due
        nudged = 1.0
    elif seen.message <= me.blind_until:  # a signal that was late itself
        instant = at
        nudged = phase
    else:
        instant = seen.message
        nudged = 1.0 - (due - instant) / swarm.period + swarm.nudge
    if nudged < 1.0:
        return additive_agent(me, nudged, instant)
    me.flash(instant)
    me.blind_until = instant  # those that flash together do not see one another
    return additive_agent(me, swarm.scatter() if swarm.jitter else 0.0, instant)


@public_in("cascade.demos.fireflies")
class Additive(Swarm[AdditiveFirefly]):
    """A swarm of such fireflies.

    Args:
        topology: who sees whom.
        period: seconds from flash to flash of a firefly that is alone.
        refractory: seconds after its own flash in which a firefly sees nothing.
        nudge: how far a flash that is seen moves the phase on; a fraction of the period.
        jitter: most seconds by which a cycle is longer or shorter.
        seed: of phases and jitter; None: another one each time.
        phases: at the start; None: random ones.
        now: the clock.

    Raises:
        ValueError: one of these is out of its range.

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
            raise ValueError(f"expected refractory from 0 to less than the period, {period!r}, got {refractory!r}")
        if not nudge >= 0 or not jitter >= 0:
            raise ValueError(f"expected nudge and jitter of 0 or more, got {nudge!r} and {jitter!r}")
        super().__init__(topology, period=period, seed=seed, phases=phases, now=now)
        self.blind = refractory / period
        """The refractory period as a fraction of the period: below this phase nothing is seen."""
        self.awake = period - refractory
        """Seconds from the end of the refractory period to the flash."""
        self.nudge = nudge
        self.jitter = jitter

    def firefly(self, index: int, phase: float, due: float) -> AdditiveFirefly:
        """Make one that has a phase now, and will flash at an instant."""
        return AdditiveFirefly(self, index, due)

    def agent(self, firefly: AdditiveFirefly, phase: float, at: float) -> cs.LazyResult:
        """The endless expression of one that has a phase at an instant."""
        return additive_agent(firefly, phase, at)

    def scatter(self) -> float:
        """The phase just after a flash where cycles jitter; uniform, and 0 on average."""
        return self.random.uniform(-self.jitter, self.jitter) / self.period
