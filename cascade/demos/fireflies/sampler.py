"""Looks at a swarm while it runs. The agents know nothing of it."""

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

TICK = 0.02
"""Seconds that the lag meter sleeps at a time."""
_RASTER = 1000
_SHARE = 0.05
_LOOKS = 50
_FEWEST = 4
_SINES = 200_000
_GRAIN = 1e-9  # what a clock counts in: less would be no time at all, again and again


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """One look at a swarm."""

    model_s: float
    r: float
    flashes: int
    events_per_s: float
    """Wake-ups a second of model time, over the last one or so."""
    lag_ms: float | None
    """The longest lag of the loop since the last reading; None in virtual time, which knows no lag."""
    hit_rate: float
    """Iterations that found their template, 0 to 1."""


class View(Protocol):
    """Something that shows readings as they come."""

    interval: float
    """Wall seconds between two of them."""

    def show(self, reading: Reading) -> None:
        """Show one."""
        ...


class Sampler:
    """Watches one swarm from a coroutine in the same loop, and keeps what it saw.

    The order parameter costs a sine and a cosine per agent. It is taken often (50 times a period, 20 times a second at
    most), but no oftener than a twentieth of the time allows, so that large swarms are not slowed by the look. In
    virtual time nothing may depend on how fast this machine is: there it is taken 50 times a period, and less often,
    down to 4 times, of more than 4,000 agents.

    Args:
        swarm: what to look at.
        stats: gives the counters of the templates.
        clock: of the engine on which the swarm lives.
        raster: whether to keep the flashes, for a picture: all of up to 1,000 fireflies, else those of so many that
            stand evenly among the others. It is one more neighbour of each of them.
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
        """How often a view was told."""
        self._r = 0.0
        self._longest = 0.0
        self._events: deque[tuple[float, int]] = deque([(self._began, 0)])
        self.lags = array("d")
        """Lag of the loop in seconds, one for each tick."""
        self.times = array("d")
        """Model seconds since the start, of each look."""
        self.orders = array("d")
        """R at those times."""
        self.flash_times = array("d")
        """Model seconds since the start, of each flash in the raster."""
        self.flash_places = array("L")
        """Who flashed."""
        self.cpu_s = 0.0
        """Processor seconds spent on looking and showing, and on waking up for it while no agent did."""
        if raster:
            for firefly in _spread(swarm):
                firefly.neighbours += (partial(self._flash, firefly.index),)

    @property
    def model_s(self) -> float:
        """Model seconds since the start."""
        return self._swarm.now() - self._began

    def counted(self) -> dict[str, int]:
        """The counters of the template cache since the start; `loaded` of the whole process."""
        before, stats = self._before, self._stats()
        return {
            "hits": stats.hits - before.hits,
            "misses": stats.misses - before.misses,
            "builds": stats.builds - before.builds,
            "solves": stats.solves - before.solves,
            "loaded": stats.loaded,
        }

    async def watch(self, duration: float, view: View | None, over: Callable[[], bool]) -> None:
        """Look on, telling the view what is seen, until so many model seconds have passed since the start.

        Args:
            duration: so many.
            view: what is told; None: nobody.
            over: asked now and then whether there is nothing to be seen any more.
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
        """Sleep for a moment of real time, and see by how much it was longer than asked."""
        events, cpu, before = self._swarm.events, time.process_time(), time.monotonic()
        await asyncio.sleep(seconds)
        lag = max(0.0, time.monotonic() - before - seconds)
        if self._swarm.events == events:
            self.cpu_s += time.process_time() - cpu  # nobody else did anything
        self._longest = max(self._longest, lag)
        self.lags.append(lag)

    def _flash(self, index: int, instant: float) -> None:
        self.flash_times.append(instant - self._began)
        self.flash_places.append(index)

    def look(self) -> float:
        """Take R, and give it."""
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
        """A percentile of the loop's lag in milliseconds: the smallest that so many of the ticks did not exceed."""
        if not self.lags:
            return None
        ranked = sorted(self.lags)
        return 1000.0 * ranked[max(0, math.ceil(len(ranked) * percent / 100) - 1)]

    def show(self, view: View) -> None:
        """Tell a view what was seen last."""
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
        """Events a second over the last second or so."""
        now, events, past = self._swarm.now(), self._swarm.events, self._events
        past.append((now, events))
        while len(past) > 2 and now - past[1][0] >= 1.0:
            past.popleft()
        return (events - past[0][1]) / max(now - past[0][0], 1e-9)


def _spread(swarm: Swarm[Any]) -> Iterator[Any]:
    """Fireflies for the raster: as many as a picture can show, not all in the same columns of a square."""
    every = -(-len(swarm.fireflies) // _RASTER)
    while math.gcd(every, swarm.topology.width) > 1:
        every += 1
    return iter(swarm.fireflies[::every])
