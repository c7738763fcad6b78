"""Populations of fireflies that live in virtual time, and what is seen of them from outside."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import cascade as cs
from cascade.fireflies import Population

_P = TypeVar("_P", bound=Population[Any])
_T = TypeVar("_T")

Now = Callable[[], float]


@asynccontextmanager
async def alive(engine: cs.Engine, *populations: Population[Any]) -> AsyncIterator[None]:
    """All agents live; none of them has ended at the end."""
    async with engine:
        runs = [engine.start(target) for population in populations for target in population.targets()]
        yield
        assert not any(run.done() for run in runs)


def watched(make: Callable[[Now], _P], instants: Iterable[float], look: Callable[[_P], _T]) -> list[_T]:
    """What is seen of a population at some instants, in virtual time that begins with it at 0."""
    engine = cs.Engine(clock=cs.Clock.virtual())
    seen = []

    async def main() -> None:
        population = make(engine.clock.time)
        async with alive(engine, population):
            for instant in instants:
                await asyncio.sleep(instant - engine.clock.time())
                seen.append(look(population))

    with asyncio.Runner(loop_factory=engine.new_loop) as runner:
        runner.run(main())
    return seen


def lived(make: Callable[[Now], _P], seconds: float) -> _P:
    """A population after so many seconds of virtual time."""
    (population,) = watched(make, [seconds], lambda population: population)
    return population


def keep_flashes(population: Population[Any]) -> list[list[float]]:
    """The instants of all flashes from now on, for each firefly."""
    flashes: list[list[float]] = [[] for _ in population.fireflies]
    for firefly, kept in zip(population.fireflies, flashes, strict=True):
        firefly.neighbours += (kept.append,)
    return flashes
