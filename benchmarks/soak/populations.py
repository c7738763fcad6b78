"""Measurements of a population of fireflies in a fresh process.

`python -m benchmarks.soak.populations '{...}'` takes a `Plan` as JSON and prints its figures as JSON. The population is
made in one of three ways: `cascade`, the agents of `cascade.demos.fireflies`; `asyncio`, an asyncio task and a queue
for each firefly; `heap`, bare coroutines without an event loop. Time is real, or virtual: it jumps when all fireflies
wait.
"""

from __future__ import annotations

import asyncio
import gc
import hashlib
import json
import math
import os
import statistics
import struct
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any, Literal, TypeAlias

import cascade as cs
from benchmarks.harness.subprocesses import resident, run_module
from benchmarks.soak.crowd import Crowd, Heap, Insect, queues, task
from cascade.demos.fireflies import Additive, Firefly, torus8
from cascade.engine.population import Population  # loaded before any clock starts

Way: TypeAlias = Literal["cascade", "asyncio", "heap"]
Figures: TypeAlias = dict[str, Any]

PERIOD, REFRACTORY, SEED = 5.0, 1.0, 1
TICK = 0.02
"""Duration of each sleep of the lag meter, in seconds."""
WATCHED = 1_000
"""Number of fireflies, about, whose lateness is measured."""


@dataclass(frozen=True)
class Plan:
    """The plan of one measurement."""

    way: Way
    side: int
    """Side of the grid, which has side x side fireflies."""
    seconds: float
    """Duration of the measurement, in seconds of real or virtual time."""
    virtual: bool
    nudge: float = 0.2
    """How far a flash advances the fireflies that see it, as a fraction of the period. 0.2: soon all flash at the same
    instants. 0: each sees 8 others flash in a period, and keeps its phase for ever.
    """
    tuned: bool = False
    """Whether `tune` is called once all fireflies have started."""
    traced: bool = False
    """Whether a hash of all flashes is among the figures."""
    turn: int = 0
    """Number of the measurement among several of the same plan."""


@cache
def measured(plan: Plan) -> Figures:
    """The figures of a plan, from a fresh process; measured once for all rows that show them."""
    return run_module("benchmarks.soak.populations", json.dumps(asdict(plan)))


def tune() -> None:
    """Apply the settings recommended for processes with very many agents: freeze objects, and collect less often."""
    gc.freeze()
    gc.set_threshold(10_000, 20, 100)


# ---------------------------------------------------------------------------------------------- three ways


def own(plan: Plan, now: Callable[[], float]) -> Additive:
    """The population of Cascade's agents."""
    grid = torus8(plan.side)
    return Additive(grid, period=PERIOD, refractory=REFRACTORY, nudge=plan.nudge, seed=SEED, now=now)


def by_hand(plan: Plan, now: Callable[[], float]) -> Crowd:
    """The same population by hand."""
    grid = torus8(plan.side)
    return Crowd(grid.neighbours, len(grid), period=PERIOD, refractory=REFRACTORY, nudge=plan.nudge, seed=SEED, now=now)


def cascade(plan: Plan, meter: Meter) -> None:
    async def main() -> None:
        swarm = own(plan, engine.clock.time)
        meter.made(swarm)
        agents: Population = engine.start_many(swarm.targets())
        last = agents.runs[-1]
        while last.state == "ready":
            await asyncio.sleep(0)
        await pass_time(plan, meter)

    meter.begin()
    engine = cs.Engine(clock=cs.Clock.virtual(seed=SEED) if plan.virtual else None)
    with asyncio.Runner(loop_factory=engine.new_loop) as runner:
        runner.run(main())


def tasks(plan: Plan, meter: Meter) -> None:
    async def main() -> None:
        crowd = by_hand(plan, time.monotonic)
        queues(crowd)
        meter.made(crowd)
        alive = [asyncio.create_task(task(crowd, *state)) for state in crowd.begin()]
        await asyncio.sleep(0)
        await pass_time(plan, meter)
        assert not alive[-1].done()

    meter.begin()
    asyncio.run(main())


def coroutines(plan: Plan, meter: Meter) -> None:
    meter.begin()
    heap = Heap()
    crowd = by_hand(plan, lambda: heap.now)
    crowd.meet(heap.reach)
    meter.made(crowd)
    heap.start(crowd)
    with meter.measuring():
        heap.run(plan.seconds)
    meter.end()


WAYS: dict[Way, Callable[[Plan, Meter], None]] = {"cascade": cascade, "asyncio": tasks, "heap": coroutines}


async def pass_time(plan: Plan, meter: Meter) -> None:
    """Measure for the duration of the plan, once all fireflies have started, and exit."""
    with meter.measuring():
        await (asyncio.sleep(plan.seconds) if plan.virtual else meter.watch(plan.seconds))
    meter.end()


# ------------------------------------------------------------------------------------------------------ the figures


class Meter:
    """Measures one population."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.figures: Figures = {}
        self.population: Additive | Crowd
        self.lags: list[float] = []
        self.lateness: list[float] = []
        self.trace: list[tuple[float, int]] = []

    def begin(self) -> None:
        """Note the memory of the process before the population is made."""
        gc.collect()
        gc.freeze()
        self.empty = resident()

    def made(self, population: Additive | Crowd) -> None:
        """Attach the meter to the population, before its fireflies start."""
        self.population = population
        fireflies: Sequence[Firefly[Additive] | Insect] = population.fireflies
        for index, firefly in enumerate(fireflies):
            if self.plan.traced:
                firefly.neighbours += (self._tracer(index),)
            elif not self.plan.virtual and index % max(1, len(fireflies) // WATCHED) == 0:
                firefly.neighbours += (self._notice,)
        self.started = time.perf_counter()

    def _tracer(self, index: int) -> Callable[[float], object]:
        return lambda instant: self.trace.append((instant, index))

    def _notice(self, instant: float) -> None:
        self.lateness.append(self.population.now() - instant)

    @contextmanager
    def measuring(self) -> Iterator[None]:
        """Measure the body of the `with` block. All fireflies wait at its start."""
        figures, population = self.figures, self.population
        size = len(population.fireflies)
        figures["agents"] = size
        figures["start"] = time.perf_counter() - self.started
        gc.collect()
        figures["memory"] = (resident() - self.empty) / size
        figures["walked"] = len(gc.get_objects()) / size
        if self.plan.tuned:
            tune()
        collector = Collector()
        events, began, cpu = population.events, time.perf_counter(), time.process_time()
        with collector:
            yield
        cpu = time.process_time() - cpu
        figures["wall"] = time.perf_counter() - began
        figures["events"] = population.events
        figures["flashes"] = population.flashes
        figures["cpu"] = cpu
        figures["meanwhile"] = population.events - events
        figures["event"] = cpu / max(1, population.events - events)
        figures["collection"] = collector.seconds / cpu
        figures["collections"] = collector.collections
        figures["longest_collection"] = collector.longest

    async def watch(self, seconds: float) -> None:
        """Let real time pass, and measure how late a coroutine wakes up that sleeps for short durations."""
        self.lateness.clear()
        before = time.monotonic()
        end = before + seconds
        while before < end:
            await asyncio.sleep(TICK)
            after = time.monotonic()
            self.lags.append(after - before - TICK)
            before = after

    def end(self) -> None:
        """Print the figures and exit at once: the cancellation of all agents is not measured."""
        figures, population = self.figures, self.population
        if self.plan.virtual:
            instant = population.now()
            figures["order"] = order([firefly.due for firefly in population.fireflies], instant)
            figures["state"] = state(population)
        if self.plan.traced:  # the order of flashes at one instant may differ
            figures["trace"] = digest([value for flash in sorted(self.trace) for value in flash])
        for name, values in (("lag", self.lags), ("late", self.lateness)):
            if values:
                figures |= {
                    f"{name}_p50": statistics.median(values),
                    f"{name}_p99": percentile(values, 99),
                    f"{name}_most": max(values),
                }
        print(json.dumps(figures), flush=True)
        os._exit(0)


class Collector:
    """Measures the processor time of Python's garbage collector."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.longest = 0.0
        self.collections = [0, 0, 0]

    def __enter__(self) -> None:
        gc.callbacks.append(self._measure)

    def __exit__(self, *error: object) -> None:
        gc.callbacks.remove(self._measure)

    def _measure(self, phase: str, info: dict[str, int]) -> None:
        if phase == "start":
            self.began = time.process_time()
            return
        taken = time.process_time() - self.began
        self.seconds += taken
        self.longest = max(self.longest, taken)
        self.collections[info["generation"]] += 1


def order(dues: Sequence[float], at: float) -> float:
    """The order parameter, as computed by `cascade.demos.fireflies.Swarm.order`."""
    turn = 2.0 * math.pi / PERIOD
    angles = [(at - due) * turn for due in dues]
    return math.hypot(math.fsum(map(math.cos, angles)), math.fsum(map(math.sin, angles))) / len(angles)


def state(population: Additive | Crowd) -> str:
    """A hash of the instants of the next and the last flash of each firefly: a difference never disappears from it."""
    return digest([value for firefly in population.fireflies for value in (firefly.due, firefly.flashed)])


def digest(values: Sequence[float]) -> str:
    return hashlib.blake2b(struct.pack(f"<{len(values)}d", *values), digest_size=16).hexdigest()


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest of the values that `percent` of them do not exceed."""
    ranked = sorted(values)
    return ranked[max(0, math.ceil(len(ranked) * percent / 100) - 1)]


if __name__ == "__main__":
    plan = Plan(**json.loads(sys.argv[1]))
    for clock in (cs.Clock.real(), cs.Clock.virtual()):  # so that no population pays for imports
        cs.run(cs.wait(0.001), engine=cs.Engine(clock=clock))
    WAYS[plan.way](plan, Meter(plan))
