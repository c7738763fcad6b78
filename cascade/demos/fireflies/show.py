"""A show: start the agents on one engine, look on, stop them all."""

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

_N = TypeVar("_N", int, float)

Stage = Callable[[Swarm[Any]], AbstractContextManager[View]]
"""Opens a view of a swarm."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What is left of a show."""

    summary: Summary
    sampler: Sampler
    """What was seen, over time."""
    seed: int
    """The seed that was used: with it the first phases are the same again."""
    interrupted: bool
    """Whether the show was cut short by Ctrl-C."""


def show(settings: Settings, stage: Stage | None = None) -> Outcome:
    """Run a show to its end, or to Ctrl-C: then its figures are those of the time that it had.

    >>> outcome = show(Settings(side=4, duration=60.0, seed=1, virtual=True))
    >>> outcome.summary.agents, outcome.summary.model_s, outcome.summary.builds <= 3, outcome.interrupted
    (16, 60.0, True, False)

    Raises:
        SettingsError: if something asked for cannot be had; nothing has started then.
    """
    settings.check()
    settings = settings.seeded()
    engine = make_engine(settings)
    with asyncio.Runner(loop_factory=engine.new_loop) as runner:
        return runner.run(perform(settings, engine, stage))


def make_engine(settings: Settings) -> cs.Engine:
    """The engine of a show, with the clock that is asked for."""
    if settings.virtual:
        clock = cs.Clock.virtual(seed=settings.seed or 0)
    else:
        clock = cs.Clock.real(speed=settings.speed or 1.0)
    return cs.Engine(quantum=settings.quantum, templates=settings.templates, clock=clock)


async def perform(settings: Settings, engine: cs.Engine, stage: Stage | None = None) -> Outcome:
    """The same on a running event loop. Being cancelled ends the show early, and is then taken as dealt with."""
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
    """The swarm that is asked for."""
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
    """What is asked for, 0 also, else the default."""
    return default if asked is None else asked


async def _look_on(
    swarm: Swarm[Any], sampler: Sampler, duration: float, stage: Stage | None, agents: cs.Population
) -> None:
    """Watch to the end; an agent that fails stops all, and this at its next look with its error."""
    with stage(swarm) if stage else nullcontext() as view:
        await sampler.watch(duration, view, agents.done)
        if agents.done():
            await agents
        if view is not None and not sampler.shown:  # it was over before anybody could look
            sampler.show(view)


def _resident() -> int | None:
    """Bytes of memory that this process has in use, garbage collected; None where the system does not tell."""
    gc.collect()
    try:
        pages = int(Path("/proc/self/statm").read_bytes().split()[1])
    except (OSError, IndexError, ValueError):
        return None
    return pages * os.sysconf("SC_PAGE_SIZE")


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
