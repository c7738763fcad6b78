"""What tests of populations share: members that end in various ways, and what is seen of a population."""

from __future__ import annotations

import asyncio

import msgspec

import cascade as cs
from support.observation import settle


@cs.task(mode="inline")
def fail(why: str) -> None:
    raise ValueError(why)


@cs.task(mode="inline")
def count(n: int) -> object:
    return count(n - 1) if n else "end"


def parked() -> cs.LazyResult:
    return cs.wait(3600)


def flaky(failures: int) -> cs.LazyResult:
    """An expression that fails so many times, and then gives how often it was evaluated."""
    calls: list[None] = []

    @cs.task(mode="inline")
    def attempt() -> int:
        calls.append(None)
        if len(calls) <= failures:
            raise LookupError(f"attempt {len(calls)}")
        return len(calls)

    return attempt()


def states(population: cs.Population) -> dict[str, int]:
    """The counts that are not 0."""
    return {state: number for state, number in msgspec.structs.asdict(population.counts()).items() if number}


async def rest(population: cs.Population) -> None:
    """Wait until no member can go on."""
    while population.counts().ready:
        await asyncio.sleep(0)


@cs.task
async def fails_when_cancelled() -> None:
    try:
        await asyncio.Event().wait()
    finally:
        await settle()
        raise ValueError("in the middle of cleaning up")
