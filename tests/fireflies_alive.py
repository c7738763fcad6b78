"""Populations of fireflies that live in virtual time, and what is seen of them from outside."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import cascade as cs
from cascade.fireflies import Swarm

_S = TypeVar("_S", bound=Swarm[Any])
_T = TypeVar("_T")

Now = Callable[[], float]


@asynccontextmanager
async def alive(engine: cs.Engine, *swarms: Swarm[Any]) -> AsyncIterator[None]:
    """All agents live; none of them has ended at the end."""
    async with engine:
        runs = [engine.start(target) for swarm in swarms for target in swarm.targets()]
        yield
        assert not any(run.done() for run in runs)


def watched(make: Callable[[Now], _S], instants: Iterable[float], look: Callable[[_S], _T]) -> list[_T]:
    """What is seen of a swarm at some instants, in virtual time that begins with it at 0."""
    engine = cs.Engine(clock=cs.Clock.virtual())
    seen = []

    async def main() -> None:
        swarm = make(engine.clock.time)
        async with alive(engine, swarm):
            for instant in instants:
                await asyncio.sleep(instant - engine.clock.time())
                seen.append(look(swarm))

    with asyncio.Runner(loop_factory=engine.new_loop) as runner:
        runner.run(main())
    return seen


def lived(make: Callable[[Now], _S], seconds: float) -> _S:
    """A swarm after so many seconds of virtual time."""
    (swarm,) = watched(make, [seconds], lambda swarm: swarm)
    return swarm


def keep_flashes(swarm: Swarm[Any]) -> list[list[float]]:
    """The instants of all flashes from now on, for each firefly."""
    flashes: list[list[float]] = [[] for _ in swarm.fireflies]
    for firefly, kept in zip(swarm.fireflies, flashes, strict=True):
        firefly.neighbours += (kept.append,)
    return flashes
