"""Deadlocks: what each run waits for, when nothing will ever wake one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

__all__ = ["BusyLimit", "Waiting", "WaitingRun", "describe"]

_SHOWN = 20  # of a kind


class WaitingRun(Protocol):
    """What is asked of a run."""

    @property
    def id(self) -> int:
        """Its number."""

    @property
    def doing(self) -> str:
        """What it waits for, in words."""


class BusyLimit(Protocol):
    """What is asked of the state of a limit."""

    @property
    def kind(self) -> str:
        """What it is, such as "rate"."""

    @property
    def name(self) -> str:
        """Its name, or what it holds for."""

    @property
    def waiting(self) -> int:
        """How many calls wait for it."""


class Waiting(Protocol):
    """What is asked of an engine."""

    @property
    def runs(self) -> Sequence[WaitingRun]:
        """The runs that have not ended."""

    def waited_for(self) -> Iterable[BusyLimit]:
        """The limits and pauses that calls wait for."""


def describe(engines: Sequence[Waiting], tasks: Iterable[str]) -> str:
    """Return the message of a deadlock: a line for each run, the oldest first, each limit and each task that waits.

    Args:
        engines: that have runs on the event loop.
        tasks: plain asyncio code, by name.
    """
    runs = sorted((run for engine in engines for run in engine.runs), key=lambda run: run.id)
    lines = [
        *_cut([f"run {run.id}: {run.doing}" for run in runs[:_SHOWN]], len(runs)),
        *(limit for engine in engines for limit in _limits(engine)),
        *_cut(sorted(tasks)),
    ]
    return "\n  ".join(["deadlock: every run is waiting and nothing can wake one:", *lines])


def _limits(engine: Waiting) -> Iterator[str]:
    """What calls wait for that nobody gives back, or for the end of a pause."""
    for limit in engine.waited_for():
        yield f"{limit.kind} {limit.name!r}: waited for by {limit.waiting}"


def _cut(lines: list[str], count: int | None = None) -> list[str]:
    """As many as one reads, and how many more there are of so many in all."""
    more = (len(lines) if count is None else count) - _SHOWN
    return [*lines[:_SHOWN], f"and {more} more"] if more > 0 else lines
