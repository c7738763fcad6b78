"""The agent: what a firefly does, for ever."""

from __future__ import annotations

import cascade as cs
from cascade.fireflies.firefly import Firefly

# All of these are a few additions: a thread would cost more than they do.
inline = cs.task(mode="inline")


@inline
def firefly_agent(me: Firefly, phase: float, at: float) -> cs.LazyResult:
    """Live on from a `phase` (0 to 1, at 1 it flashes) at an instant `at`.

    Everything is reckoned from instants, the times of flashes, and never from the moment at which the loop came round
    to it: a loop that lags makes fireflies late to act, but bends no phase, and lateness does not add up.

    A firefly is in one of two states, refractory or watching; each is one nested task with what it needs of this
    iteration in its closure, and no more: what a parked agent holds, the garbage collector walks.
    """
    population = me.population
    due = me.due = at + (1.0 - phase) * population.period

    if phase < population.blind:

        @inline
        def listen(rested: float) -> cs.LazyResult:
            population = me.population
            population.events += 1
            me.channel.drain()  # what flashed in the refractory period was not seen
            return firefly_agent(me, population.blind, due - population.awake)

        left = due - population.awake - population.now()
        return listen(cs.wait(left if left > 0.0 else 0.0))

    @inline
    def react(seen: cs.Received) -> cs.LazyResult:
        population = me.population
        population.events += 1
        if seen.timed_out or seen.message >= due:  # the second: a signal overtook a timer that was late
            instant = due
            nudged = 1.0
        else:
            instant = seen.message
            nudged = 1.0 - (due - instant) / population.period + population.nudge
        if nudged < 1.0:
            return firefly_agent(me, nudged, instant)
        me.flash(instant)
        return firefly_agent(me, population.scatter() if population.jitter else 0.0, instant)

    left = due - population.now()
    return react(me.channel.recv(timeout=left if left > 0.0 else 0.0))
