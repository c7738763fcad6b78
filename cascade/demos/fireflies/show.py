"""A show: start the agents on one engine, measure and show them, and stop them."""

from __future__ import annotations

import asyncio
import gc
import os
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, TypeVar

import msgspec

import cascade as cs
from cascade.demos.fireflies.additive import Additive
from cascade.demos.fireflies.cellular import Cellular
from cascade.demos.fireflies.mirollo import Mirollo
from cascade.demos.fireflies.sampler import Sampler, View
from cascade.demos.fireflies.settings import Settings
from cascade.demos.fireflies.summary import Summary
from cascade.demos.fireflies.swarm import Swarm
from cascade.demos.fireflies.topology import make_topology
from cascade.demos.fireflies.trace import Trace

__all__ = ["Outcome", "Stage", "make_engine", "make_swarm", "perform", "show"]

_N = TypeVar("_N", int, float)

Stage = Callable[[Swarm[Any]], AbstractContextManager[View]]
"""Opens a view of a swarm."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """The result of a show."""

    summary: Summary
    sampler: Sampler
    """The measurements over time."""
    seed: int
    """The seed that was used: it gives the same phases at the start again."""
    interrupted: bool
    """Whether the show was ended early by Ctrl-C."""


def show(settings: Settings, stage: Stage | None = None) -> Outcome:
    """Run a show to its end, or until Ctrl-C; the figures are of the time until then.

    >>> outcome = show(Settings(side=4, duration=60.0, seed=1, virtual=True))
    >>> outcome.summary.agents, outcome.summary.model_s, outcome.summary.builds <= 3, outcome.interrupted
    (16, 60.0, True, False)

    Raises:
        SettingsError: the settings are not valid; nothing was started.
    """
    settings.check()
    settings = settings.seeded()
    engine = make_engine(settings)
    with asyncio.Runner(loop_factory=engine.new_loop) as runner:
        return runner.run(perform(settings, engine, stage))


def make_engine(settings: Settings) -> cs.Engine:
    """Make the engine of a show, with the clock of the settings."""
    if settings.virtual:
        clock = cs.Clock.virtual(seed=settings.seed or 0)
    else:
        clock = cs.Clock.real(speed=settings.speed or 1.0)
    return cs.Engine(quantum=settings.quantum, templates=settings.templates, clock=clock)


async def perform(settings: Settings, engine: cs.Engine, stage: Stage | None = None) -> Outcome:
    """Run a show on the running event loop. A cancellation ends the show early and is swallowed."""
    began = time.perf_counter()
    settings = settings.seeded()
    interrupted = False
    async with engine:
        resident_before = _resident()
        swarm = make_swarm(settings, engine.clock.time)
        trace = Trace(swarm) if settings.trace else None
        sampler = Sampler(swarm, lambda: engine.templates.stats, engine.clock, raster=settings.plot is not None)
        sampler.look()
        agents = engine.start_many(swarm.targets(), on_failure="stop")
        last = agents.runs[-1]
        while last.state == "ready":
            await asyncio.sleep(0)
        resident = _resident()
        cpu, events_before = time.process_time(), swarm.events
        cpu_before = sampler.cpu_s
        try:
            await _look_on(swarm, sampler, settings.duration, stage, agents)
        except asyncio.CancelledError:
            interrupted = True
            if task := asyncio.current_task():
                task.uncancel()
        cpu_s = time.process_time() - cpu - (sampler.cpu_s - cpu_before)
        r, model_s, events = sampler.look(), sampler.model_s, swarm.events
    kb = None
    if resident is not None and resident_before is not None:
        kb = (resident - resident_before) / 1024 / len(swarm.fireflies)
    summary = Summary(
        agents=len(swarm.fireflies),
        model_s=round(model_s, 3),
        wall_s=round(time.perf_counter() - began, 3),
        events=events,
        flashes=swarm.flashes,
        us_per_event=_rounded(cpu_s * 1e6 / (events - events_before) if events > events_before else None),
        kb_per_agent=_rounded(kb),
        r=round(r, 6),
        lag_p50_ms=_rounded(sampler.lag_ms(50)),
        lag_p99_ms=_rounded(sampler.lag_ms(99)),
        **sampler.counted(),
        trace=None if trace is None else trace.digest(),
    )
    assert settings.seed is not None
    return Outcome(summary=summary, sampler=sampler, seed=settings.seed, interrupted=interrupted)


def make_swarm(settings: Settings, now: Callable[[], float]) -> Swarm[Any]:
    """Make the swarm of the settings."""
    asked, period, seed = settings, settings.period, settings.seed
    places = make_topology(asked.topology, asked.size, seed)
    if asked.model == "cellular":
        return Cellular(places, period=period, states=_or(asked.states, 6), seed=seed, now=now)
    if asked.model == "mirollo-strogatz":
        nudge, dissipation = _or(asked.nudge, 0.1), _or(asked.dissipation, 3.0)
        return Mirollo(places, period=period, nudge=nudge, dissipation=dissipation, seed=seed, now=now)
    return Additive(
        places,
        period=period,
        refractory=_or(asked.refractory, period / 5),
        nudge=_or(asked.nudge, 0.2),
        jitter=_or(asked.jitter, 0.0),
        seed=seed,
        now=now,
    )


def _or(asked: _N | None, default: _N) -> _N:
    """Return a setting, or the default if it is None."""
    return default if asked is None else asked


async def _look_on(
    swarm: Swarm[Any], sampler: Sampler, duration: float, stage: Stage | None, agents: cs.Population
) -> None:
    """Measure to the end. If an agent fails, all are stopped, and its error is raised at the next tick."""
    with stage(swarm) if stage else nullcontext() as view:
        await sampler.watch(duration, view, agents.done)
        if agents.done():
            await agents
        if view is not None and not sampler.shown:  # it ended before the first reading
            sampler.show(view)


def _resident() -> int | None:
    """Return the resident memory of this process in bytes after a garbage collection, or None if it is unknown."""
    gc.collect()
    try:
        pages = int(Path("/proc/self/statm").read_bytes().split()[1])
    except (OSError, IndexError, ValueError):
        return None
    return pages * os.sysconf("SC_PAGE_SIZE")


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
