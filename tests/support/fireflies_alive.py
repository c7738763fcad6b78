"""Populations of fireflies that live in virtual time, and what is seen of them from outside."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, TypeVar

import cascade as cs
from cascade.demos.fireflies import Swarm
from cascade.demos.fireflies.sampler import Reading

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


class Curtain:
    """A view that keeps what it is shown, and that can end a show on a real clock, which any time may be too short for.

    Args:
        enough: tells of the flashes of each firefly so far whether the show may end; None: it ends by itself.
    """

    interval = 0.0

    def __init__(self, enough: Callable[[list[list[float]]], bool] | None = None) -> None:
        self.readings: list[Reading] = []
        self._enough = enough
        self._flashes: list[list[float]] = []

    @contextmanager
    def stage(self, swarm: Swarm[Any]) -> Iterator[Curtain]:
        """As a show takes it."""
        self._flashes = keep_flashes(swarm)
        yield self

    def show(self, reading: Reading) -> None:
        self.readings.append(reading)
        if self._enough is not None and self._enough(self._flashes):
            current = asyncio.current_task()
            assert current is not None
            current.cancel()  # as Ctrl-C does
