"""Fireflies: a swarm of recursive agents that fall into step, the main job of the command line.

Read `additive` first: its `additive_agent` is the whole behaviour of a firefly, as one recursive expression. There are
three models, each with its agent and with the kind of swarm that its agents live in:

    additive    a flash that is seen moves the phase on by a fixed nudge
    mirollo     it moves it on the more, the later in the cycle it comes (Mirollo and Strogatz)
    cellular    whole numbers and ticks: it holds a cell back

Around them:

    settings    what a show is asked for, checked all at once
    topology    who sees whom
    firefly     the state of one agent
    swarm       all agents, their counters and the order parameter R: what the models share
    trace       a hash of all flashes
    sampler     looks at a swarm from outside while it runs: R, loop lag, flashes
    view        the live picture of it, or a line a second
    summary     the figures at the end
    plot        the figures as a picture
    extra       what to say when an optional package is missing
    show        all of it on one engine: `show.show(settings)`

Neighbours fall into step at nearly any nudge. On a 10 x 10 torus, R > 0.95 was reached by each of the seeds 1 to 30

    refractory 0.2, nudge 0.2 (the defaults)   within 1 period
    refractory 0.2, nudge 0.1                  within 4 periods, by half of them in 1.5
    refractory 0.3, nudge 0.05                 within 22 periods, by half of them in 7: the prettiest to watch

(refractory as a fraction of the period; no jitter). At a smaller nudge some end in waves that travel round the torus:
docs/guide/fireflies.md has the figures.
"""

from __future__ import annotations

from cascade.demos.fireflies.additive import Additive, additive_agent
from cascade.demos.fireflies.cellular import Cell, Cellular, cellular_agent
from cascade.demos.fireflies.firefly import Firefly
from cascade.demos.fireflies.mirollo import Mirollo, mirollo_agent
from cascade.demos.fireflies.settings import Settings, SettingsError
from cascade.demos.fireflies.summary import Summary
from cascade.demos.fireflies.swarm import Swarm
from cascade.demos.fireflies.topology import (
    Topology,
    all_to_all,
    make_topology,
    of_edges,
    path,
    regular,
    ring,
    star,
    torus4,
    torus8,
)
from cascade.demos.fireflies.trace import Trace

__all__ = [
    "Additive",
    "Cell",
    "Cellular",
    "Firefly",
    "Mirollo",
    "Settings",
    "SettingsError",
    "Summary",
    "Swarm",
    "Topology",
    "Trace",
    "additive_agent",
    "all_to_all",
    "cellular_agent",
    "make_topology",
    "mirollo_agent",
    "of_edges",
    "path",
    "regular",
    "ring",
    "star",
    "torus4",
    "torus8",
]
