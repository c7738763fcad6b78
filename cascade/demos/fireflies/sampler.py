"""Measures a swarm while it runs, without changing its agents."""

from __future__ import annotations

import asyncio
import math
import time
from array import array
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Protocol

import msgspec

import cascade as cs
from cascade.demos.fireflies.swarm import Swarm

__all__ = ["TICK", "Reading", "Sampler", "View"]

TICK = 0.02
"""Seconds for which the lag meter sleeps each time."""
_RASTER = 1000
_SHARE = 0.05
_LOOKS = 50
_FEWEST = 4
_SINES = 200_000
_GRAIN = 1e-9  # the resolution of the clock: a shorter sleep would not advance virtual time


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """One measurement of a swarm."""

    model_s: float
    r: float
    flashes: int
    events_per_s: float
    """Wake-ups per second of model time, over about the last second."""
    lag_ms: float | None
    """The longest lag of the loop since the last reading; None in virtual time, which has no lag."""
    hit_rate: float
    """The fraction of iterations that found their template, 0 to 1."""


class View(Protocol):
    """Shows readings."""

    interval: float
    """Wall seconds between two readings."""

    def show(self, reading: Reading) -> None:
        """Show one reading."""
        ...


class Sampler:
    """Measures one swarm from a coroutine in the same loop, and keeps the results.

    The order parameter costs a sine and a cosine per agent. It is measured 50 times a period, but at most 20 times a
    second, and so that it takes at most a twentieth of the time: large swarms are not slowed down. In virtual time
    results must not depend on the speed of the machine: there it is measured 50 times a period or, with more than 4,000
    agents, less often, down to 4 times.

    Args:
        swarm: the swarm.
        stats: returns the counters of the templates.
        clock: of the engine of the swarm.
        raster: whether to record flashes for a picture: of all fireflies up to 1,000, else of at most 1,000 that are
            spread evenly. The recorder is one more neighbour of each of them.
    """

    def __init__(
        self, swarm: Swarm[Any], stats: Callable[[], cs.TemplateStats], clock: cs.Clock, *, raster: bool = False
    ) -> None:
        self._swarm = swarm
        self._stats = stats
        self._speed = clock.speed
        self._virtual = clock.is_virtual
        self._before = stats()
        self._began = swarm.now()
        self._interval = max(swarm.period / _LOOKS, 0.05 * self._speed)
        if self._virtual:
            looks = max(_FEWEST, min(_LOOKS, _SINES // len(swarm.fireflies)))
            self._interval = swarm.period / looks
        self._next_order = self._began
        self._next_shown = time.monotonic()
        self.shown = 0
        """The number of readings that were shown."""
        self._r = 0.0
        self._longest = 0.0
        self._events: deque[tuple[float, int]] = deque([(self._began, 0)])
        self.lags = array("d")
        """The lag of the loop in seconds at each tick."""
        self.times = array("d")
        """Model seconds since the start of each measurement of R."""
        self.orders = array("d")
        """R at those times."""
        self.flash_times = array("d")
        """Model seconds since the start of each recorded flash."""
        self.flash_places = array("L")
        """The index of the firefly of each recorded flash."""
        self.cpu_s = 0.0
        """Processor seconds spent on measuring and showing, and on wake-ups of the sampler alone."""
        if raster:
            for firefly in _spread(swarm):
                firefly.neighbours += (partial(self._flash, firefly.index),)

    @property
    def model_s(self) -> float:
        """Model seconds since the start."""
        return self._swarm.now() - self._began

    def counted(self) -> dict[str, int]:
        """Return the counters of the template cache since the start; `loaded` is that of the whole process."""
        before, stats = self._before, self._stats()
        return {
            "hits": stats.hits - before.hits,
            "misses": stats.misses - before.misses,
            "builds": stats.builds - before.builds,
            "solves": stats.solves - before.solves,
            "loaded": stats.loaded,
        }

    async def watch(self, duration: float, view: View | None, over: Callable[[], bool]) -> None:
        """Measure, and show readings, for a duration since the start.

        Args:
            duration: model seconds.
            view: shows the readings; None: they are not shown.
            over: returns whether all agents have ended; called at each tick.
        """
        now = self._swarm.now
        end = self._began + duration
        while (before := now()) < end and not over():
            if self._virtual:
                await asyncio.sleep(max(_GRAIN, min(self._next_order, end) - before))
            else:
                await self._nap(min(TICK, (end - before) / self._speed))
            if now() > self._next_order - _GRAIN:
                self.look()
            if view is not None and (wall := time.monotonic()) >= self._next_shown:
                self._next_shown = max(self._next_shown, wall - view.interval) + view.interval
                self.show(view)

    async def _nap(self, seconds: float) -> None:
        """Sleep for real seconds, and record the lag: by how much it took longer."""
        events, cpu, before = self._swarm.events, time.process_time(), time.monotonic()
        await asyncio.sleep(seconds)
        lag = max(0.0, time.monotonic() - before - seconds)
        if self._swarm.events == events:
            self.cpu_s += time.process_time() - cpu  # no agent woke up
        self._longest = max(self._longest, lag)
        self.lags.append(lag)

    def _flash(self, index: int, instant: float) -> None:
        self.flash_times.append(instant - self._began)
        self.flash_places.append(index)

    def look(self) -> float:
        """Measure R, and return it."""
        began = time.process_time()
        now = self._swarm.now()
        self._r = self._swarm.order(now)
        self.times.append(now - self._began)
        self.orders.append(self._r)
        cost = time.process_time() - began
        self.cpu_s += cost
        if self._virtual:
            self._next_order += self._interval
        else:
            self._next_order = now + max(self._interval, cost / _SHARE * self._speed)
        return self._r

    def lag_ms(self, percent: float) -> float | None:
        """Return a percentile of the loop's lag in milliseconds, or None if there are no ticks."""
        if not self.lags:
            return None
        ranked = sorted(self.lags)
        return 1000.0 * ranked[max(0, math.ceil(len(ranked) * percent / 100) - 1)]

    def show(self, view: View) -> None:
        """Show the last reading in a view."""
        self.shown += 1
        began = time.process_time()
        counted = self.counted()
        asked = counted["hits"] + counted["misses"]
        reading = Reading(
            model_s=self.model_s,
            r=self._r,
            flashes=self._swarm.flashes,
            events_per_s=self._rate(),
            lag_ms=None if self._virtual else self._longest * 1000.0,
            hit_rate=counted["hits"] / asked if asked else 0.0,
        )
        self._longest = 0.0
        view.show(reading)
        self.cpu_s += time.process_time() - began

    def _rate(self) -> float:
        """Return the events per second over about the last second."""
        now, events, past = self._swarm.now(), self._swarm.events, self._events
        past.append((now, events))
        while len(past) > 2 and now - past[1][0] >= 1.0:
            past.popleft()
        return (events - past[0][1]) / max(now - past[0][0], 1e-9)


def _spread(swarm: Swarm[Any]) -> Iterator[Any]:
    """Yield fireflies for the raster: about as many as a picture can show, not all in the same columns of a square."""
    every = -(-len(swarm.fireflies) // _RASTER)
    while math.gcd(every, swarm.topology.width) > 1:
        every += 1
    return iter(swarm.fireflies[::every])
