"""Fireflies: a swarm of recursive agents that fall into step, the main job of the command line.

Read `additive` first: its `additive_agent` is the whole behaviour of a firefly, as one recursive expression. There are
three models, each with an agent and a class of swarm for these agents:

    additive    a flash that is seen advances the phase by a fixed nudge
    mirollo     it advances the phase the more, the later in the cycle it is seen (Mirollo and Strogatz)
    cellular    integer states and ticks: it holds a cell back

Around them:

    settings    the settings of a show, checked all at once
    topology    which fireflies see each other
    swarm       the state of one agent; all agents, their counters and the order parameter R: what the models share
    trace       a hash of all flashes
    sampler     measures a swarm from outside while it runs: R, loop lag, flashes
    view        the live picture of a swarm, or a line a second
    summary     the figures at the end
    plot        R and the flashes as a picture
    show        a whole show on one engine: `show.show(settings)`

Neighbours fall into step at nearly any nudge. On a 10 x 10 torus, R > 0.95 was reached by each of the seeds 1 to 30

    refractory 0.2, nudge 0.2 (the defaults)   within 1 period
    refractory 0.2, nudge 0.1                  within 4 periods, by half of them in 1.5
    refractory 0.3, nudge 0.05                 within 22 periods, by half of them in 7: the prettiest to watch

(refractory as a fraction of the period; no jitter). At a smaller nudge some end in waves that travel round the torus:
docs/guide/fireflies.md has the figures.
"""

from __future__ import annotations

import cascade as cs
from cascade.demos.fireflies.additive import Additive, additive_agent
from cascade.demos.fireflies.cellular import Cell, Cellular, cellular_agent
from cascade.demos.fireflies.mirollo import Mirollo, mirollo_agent
from cascade.demos.fireflies.settings import Settings, SettingsError
from cascade.demos.fireflies.summary import Summary
from cascade.demos.fireflies.swarm import Firefly, Swarm
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

# Tracebacks and pickles name this package, not the files in it. A task keeps the module of its function.
for _name in __all__:
    if not isinstance(globals()[_name], cs.Task):
        globals()[_name].__module__ = __name__
del _name
