"""How anything here is timed: calibrated loops, interleaved rounds, set-up outside.

A *sample* runs `loops` iterations and says how many seconds they took and what came out. It does its own
set-up before it starts its clock, so no row times its preparation. The samples that one row compares run in
turn (A B A B ...) in one process, hence a slow moment of the machine hits both sides of a ratio, and the
row reports the median of the ratios of each round, not the ratio of two medians.
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
from typing import Any, TypeAlias

Timed: TypeAlias = tuple[float, object]
"""Seconds taken, and the value computed."""

Sample: TypeAlias = Callable[[int], Timed]

MOST_LOOPS = 1 << 24


@dataclass(frozen=True)
class Effort:
    """How much time one row gets."""

    rounds: int
    warm_up: int
    """Rounds that run first and are thrown away."""
    seconds: float
    """How long one sample should take: loops are calibrated to it."""
    quick: bool


FULL = Effort(rounds=31, warm_up=3, seconds=0.05, quick=False)
QUICK = Effort(rounds=7, warm_up=1, seconds=0.02, quick=True)


class _Loop:
    """One event loop for the whole process: a new one a sample would be a part of what is measured."""

    runner: asyncio.Runner | None = None

    @classmethod
    def run(cls, body: Coroutine[Any, Any, Timed]) -> Timed:
        if cls.runner is None:
            cls.runner = asyncio.Runner(debug=False)
        return cls.runner.run(body)


def awaiting(body: Callable[[int], Coroutine[Any, Any, object]]) -> Sample:
    """A sample that awaits `body(loops)` in the benchmark's event loop."""

    async def timed(loops: int) -> Timed:
        coroutine = body(loops)
        started = perf_counter()
        value = await coroutine
        return perf_counter() - started, value

    return lambda loops: _Loop.run(timed(loops))


def calling(body: Callable[[int], object]) -> Sample:
    """A sample that calls `body(loops)`."""

    def timed(loops: int) -> Timed:
        started = perf_counter()
        value = body(loops)
        return perf_counter() - started, value

    return timed


def repeating(body: Callable[[], object]) -> Sample:
    """A sample that calls `body()` `loops` times; the loop round it costs about 10 ns a call."""

    def timed(loops: int) -> Timed:
        turns = range(loops)
        value: object = None
        started = perf_counter()
        for _ in turns:
            value = body()
        return perf_counter() - started, value

    return timed


def applying(function: Callable[[Any], object], argument: object) -> Sample:
    """A sample that calls `function(argument)` `loops` times, with no Python loop round it: 20 ns are
    enough to blur what takes 300.
    """

    def timed(loops: int) -> Timed:
        drain = deque[object](maxlen=0).extend
        calls = map(function, repeat(argument, loops))
        started = perf_counter()
        drain(calls)
        return perf_counter() - started, None

    return timed


def calibrate(sample: Sample, seconds: float) -> int:
    """How many loops make `sample` last `seconds`, found by doubling."""
    loops = 1
    while True:
        elapsed, _ = sample(loops)
        if elapsed >= seconds / 4 or loops >= MOST_LOOPS:
            return max(1, min(MOST_LOOPS, math.ceil(loops * seconds / max(elapsed, 1e-9))))
        loops *= 2 if elapsed > seconds / 64 else 8


def interleave(samples: Sequence[Sample], effort: Effort, *, loops: int | None = None) -> list[list[float]]:
    """Seconds per loop of each sample, one list a sample, as long as there are rounds.

    The garbage collector is as the caller left it while a sample runs; what earlier samples left is collected
    before each, outside the time.
    """
    counts = [loops or calibrate(sample, effort.seconds) for sample in samples]
    seconds: list[list[float]] = [[] for _ in samples]
    for turn in range(effort.warm_up + effort.rounds):
        for sample, count, taken in zip(samples, counts, seconds, strict=True):
            gc.collect()
            elapsed, _ = sample(count)
            if turn >= effort.warm_up:
                taken.append(elapsed / count)
    return seconds


def check_equal(samples: Sequence[Sample], name: str, *, loops: int) -> None:
    """Both sides must compute the same: a ratio to other work says nothing."""
    values = [sample(loops)[1] for sample in samples]
    for value in values[1:]:
        if value != values[0]:
            raise AssertionError(f"{name}: the two sides differ: {values[0]!r} and {value!r}")
