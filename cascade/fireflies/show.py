"""A show: start the agents on one engine, look on, stop them all."""

from __future__ import annotations

import asyncio
import gc
import os
import random
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import msgspec

import cascade as cs
from cascade.fireflies.grid import Grid
from cascade.fireflies.population import Population
from cascade.fireflies.sampler import Sampler, View
from cascade.fireflies.settings import Settings
from cascade.fireflies.summary import Summary

Stage = Callable[[Population], AbstractContextManager[View]]
"""Opens a view of a population."""


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

    >>> outcome = show(Settings(side=4, period=0.2, refractory=0.04, duration=0.1, seed=1))
    >>> outcome.summary.agents, outcome.summary.builds <= 3, outcome.interrupted
    (16, True, False)

    Raises:
        SettingsError: if something asked for cannot be had; nothing has started then.
    """
    settings.check()
    return asyncio.run(perform(settings, stage))


async def perform(settings: Settings, stage: Stage | None = None) -> Outcome:
    """The same within a running event loop. Being cancelled ends the show early, and is then taken as dealt with."""
    began = time.perf_counter()
    seed = settings.seed if settings.seed is not None else random.SystemRandom().getrandbits(32)
    interrupted = False
    async with cs.Engine(quantum=settings.quantum, templates=settings.templates) as engine:
        resident_before = _resident()
        population = _populate(settings, seed)
        sampler = Sampler(population, lambda: engine.templates.stats)
        sampler.look()
        runs = [engine.start(target) for target in population.targets()]
        while runs[-1].state == "ready":
            await asyncio.sleep(0)
        resident = _resident()
        cpu = time.process_time()
        try:
            await _look_on(population, sampler, settings.duration, stage, runs)
        except asyncio.CancelledError:
            interrupted = True
            if task := asyncio.current_task():
                task.uncancel()
        cpu_s = time.process_time() - cpu - sampler.cpu_s
        r, model_s, events = sampler.look(), sampler.model_s, population.events
    kb = None
    if resident is not None and resident_before is not None:
        kb = (resident - resident_before) / 1024 / len(population.fireflies)
    summary = Summary(
        agents=len(population.fireflies),
        model_s=round(model_s, 3),
        wall_s=round(time.perf_counter() - began, 3),
        events=events,
        flashes=population.flashes,
        us_per_event=_rounded(cpu_s * 1e6 / events if events else None),
        kb_per_agent=_rounded(kb),
        r=round(r, 6),
        lag_p50_ms=_rounded(sampler.lag_ms(50)),
        lag_p99_ms=_rounded(sampler.lag_ms(99)),
        **sampler.counted(),
    )
    return Outcome(summary=summary, sampler=sampler, seed=seed, interrupted=interrupted)


def _populate(settings: Settings, seed: int) -> Population:
    return Population(
        Grid(settings.side),
        period=settings.period,
        refractory=settings.refractory,
        nudge=settings.nudge,
        jitter=settings.jitter,
        seed=seed,
        now=time.monotonic,
    )


async def _look_on(
    population: Population, sampler: Sampler, duration: float, stage: Stage | None, runs: list[cs.Run]
) -> None:
    """Watch to the end; an agent that failed is noticed within a second and ends it with its error."""
    with stage(population) if stage else nullcontext() as view:
        while sampler.model_s < duration:
            await sampler.watch(min(sampler.model_s + 1.0, duration), view)
            for run in runs:
                if run.done():
                    await run


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
