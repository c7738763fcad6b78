"""Timing: calibrated loops, interleaved rounds, set-up outside the measured time.

A *sample* runs `loops` iterations and returns the seconds that they took and the value that they computed. A sample
does its own set-up before it starts its clock, so no row times its preparation. The samples that one row compares run
in turn (A B A B ...) in one process. So a slow moment of the machine affects both sides of a ratio; the row reports the
median of the ratios of each round, not the ratio of two medians.
"""

from __future__ import annotations

import asyncio
import gc
import math
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from itertools import repeat
from time import perf_counter
from typing import Any, TypeAlias, TypeVar

import cascade as cs

Timed: TypeAlias = tuple[float, object]
"""Seconds, and the value computed."""

Sample: TypeAlias = Callable[[int], Timed]

MAX_LOOPS = 1 << 24

_T = TypeVar("_T")


@dataclass(frozen=True)
class Effort:
    """How long one row is measured, and which sizes are measured at all."""

    rounds: int
    warm_up: int
    """Rounds that run first and are discarded."""
    seconds: float
    """Duration of one sample, to which its loops are calibrated."""
    quick: bool
    best: bool = False
    """Of all samples of a side, the shortest counts: what the code takes when nothing else had the processor."""
    once: bool = False
    """Each function runs once, at the smallest sizes: the rows say nothing, but all code of a topic has run."""

    def pick(self, full: _T, quick: _T, once: _T) -> _T:
        """The size for this effort."""
        return once if self.once else quick if self.quick else full


FULL = Effort(rounds=31, warm_up=3, seconds=0.05, quick=False)
QUICK = Effort(rounds=7, warm_up=1, seconds=0.02, quick=True)
BEST = Effort(rounds=200, warm_up=3, seconds=0.003, quick=True, best=True)
"""For a busy machine: samples so short that some of them are not interrupted."""
ONCE = Effort(rounds=1, warm_up=0, seconds=0.0, quick=True, once=True)
"""For tests of the benchmarks."""


class _Loop:
    """One event loop for the whole process: the cost of a new one in each sample would be measured too."""

    runner: asyncio.Runner | None = None

    @classmethod
    def run(cls, body: Coroutine[Any, Any, Timed]) -> Timed:
        if cls.runner is None:
            cls.runner = asyncio.Runner(debug=False)
        return cls.runner.run(body)

    @classmethod
    def close(cls) -> None:
        if cls.runner is not None:
            cls.runner.close()
            cls.runner = None


close_loop = _Loop.close
"""Close the event loop of all samples."""


def awaiting(body: Callable[[int], Coroutine[Any, Any, object]]) -> Sample:
    """A sample that awaits `body(loops)` in the benchmark's event loop."""

    async def timed(loops: int) -> Timed:
        coroutine = body(loops)
        started = perf_counter()
        value = await coroutine
        return perf_counter() - started, value

    return lambda loops: _Loop.run(timed(loops))


def running(start: Callable[[int], Any], **options: Any) -> Sample:
    """A sample that runs the target `start(loops)` on one engine with these options.

    The engine and the first lazy result are made outside the measured time.
    """
    engine = cs.Engine(**options)
    return awaiting(lambda loops: engine.run(start(loops)))


def calling(body: Callable[[int], object]) -> Sample:
    """A sample that calls `body(loops)`."""

    def timed(loops: int) -> Timed:
        started = perf_counter()
        value = body(loops)
        return perf_counter() - started, value

    return timed


def repeating(body: Callable[[], object]) -> Sample:
    """A sample that calls `body()` `loops` times; the loop around it costs about 10 ns a call."""

    def timed(loops: int) -> Timed:
        turns = range(loops)
        value: object = None
        started = perf_counter()
        for _ in turns:
            value = body()
        return perf_counter() - started, value

    return timed


def applying(function: Callable[[Any], object], argument: object) -> Sample:
    """A sample that calls `function(argument)` `loops` times without a Python loop: its 20 ns would blur a call that
    takes 300.
    """

    def timed(loops: int) -> Timed:
        drain = deque[object](maxlen=0).extend
        calls = map(function, repeat(argument, loops))
        started = perf_counter()
        drain(calls)
        return perf_counter() - started, None

    return timed


def calibrate(sample: Sample, seconds: float) -> int:
    """The number of loops with which `sample` takes `seconds`, found by doubling."""
    loops = 1
    while True:
        elapsed, _ = sample(loops)
        if elapsed >= seconds / 4 or loops >= MAX_LOOPS:
            return max(1, min(MAX_LOOPS, math.ceil(loops * seconds / max(elapsed, 1e-9))))
        loops *= 2 if elapsed > seconds / 64 else 8


def interleave(samples: Sequence[Sample], effort: Effort, *, loops: int | None = None) -> list[list[float]]:
    """Seconds a loop of each sample: one list a sample, with one entry a round; of the best effort, with its least.

    The garbage collector stays on or off in samples as the caller has set it; the garbage of earlier samples is
    collected before each, outside the measured time.
    """
    counts = [loops or calibrate(sample, effort.seconds) for sample in samples]
    seconds: list[list[float]] = [[] for _ in samples]
    for turn in range(effort.warm_up + effort.rounds):
        for sample, count, taken in zip(samples, counts, seconds, strict=True):
            gc.collect()
            elapsed, _ = sample(count)
            if turn >= effort.warm_up:
                taken.append(elapsed / count)
    return [[min(taken)] * 2 for taken in seconds] if effort.best else seconds


def check_equal(samples: Sequence[Sample], name: str, *, loops: int) -> None:
    """Raise `AssertionError` unless all samples compute the same value: a ratio to other work says nothing."""
    values = [sample(loops)[1] for sample in samples]
    for value in values[1:]:
        if value != values[0]:
            raise AssertionError(f"{name}: the two sides must compute the same value, got {values[0]!r} and {value!r}")
