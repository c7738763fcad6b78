"""Fireflies: a population of recursive agents that fall into step, the main job of the command line.

Read `agent` first: it is the whole behaviour of a firefly, as one recursive expression. Around it:

    settings    what a show is asked for, checked all at once
    grid        who sees whom
    firefly     the state of one agent
    agent       the recursive expression
    population  all agents, their counters and the order parameter R
    sampler     looks at a population from outside while it runs: R, loop lag, flashes
    view        the live picture of it, or a line a second
    summary     the figures at the end
    plot        the figures as a picture
    extra       what to say when an optional package is missing
    show        all of it on one engine: `show.show(settings)`

Neighbours fall into step at nearly any nudge. Of 200 seeds on a 10 x 10 torus, R > 0.95 was reached

    refractory 0.2, nudge 0.2 (the defaults)   by 200 within 1 period
    refractory 0.2, nudge 0.1                  by 199 within 4 periods, half of them in 1.5
    refractory 0.3, nudge 0.05                 by 99 of 100 within 27 periods, half of them in 6: the prettiest to watch

(refractory as a fraction of the period; no jitter). The others end in waves that travel round the torus for ever.
"""

from __future__ import annotations

from cascade.fireflies.agent import firefly_agent
from cascade.fireflies.firefly import Firefly
from cascade.fireflies.grid import Grid
from cascade.fireflies.population import Population
from cascade.fireflies.settings import Settings, SettingsError
from cascade.fireflies.summary import Summary

__all__ = [
    "Firefly",
    "Grid",
    "Population",
    "Settings",
    "SettingsError",
    "Summary",
    "firefly_agent",
]
