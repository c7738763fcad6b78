"""The message of a deadlock: what each run waits for when nothing can wake one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

__all__ = ["BusyLimit", "Waiting", "WaitingRun", "describe"]

_SHOWN = 20  # lines about runs, and about tasks


class WaitingRun(Protocol):
    """A run, as the message describes it."""

    @property
    def id(self) -> int:
        """Its number."""

    @property
    def name(self) -> str | None:
        """The name that the user gave it."""

    @property
    def doing(self) -> str:
        """What it waits for, as text."""


class BusyLimit(Protocol):
    """The state of a limit, as the message describes it."""

    @property
    def kind(self) -> str:
        """Its kind, such as "rate"."""

    @property
    def name(self) -> str:
        """Its name; of a rule, its selector."""

    @property
    def waiting(self) -> int:
        """How many calls wait for it."""


class Waiting(Protocol):
    """An engine, as the message describes it."""

    @property
    def runs(self) -> Sequence[WaitingRun]:
        """The runs that have not ended."""

    def waited_for(self) -> Iterable[BusyLimit]:
        """Return the limits and pauses for which calls wait."""


def describe(engines: Sequence[Waiting], tasks: Iterable[str]) -> str:
    """Return the message of a deadlock: a line for each run, the oldest first, each limit and each asyncio task.

    Args:
        engines: the engines with runs on the event loop.
        tasks: the names of asyncio tasks that are not part of a run.
    """
    runs = sorted((run for engine in engines for run in engine.runs), key=lambda run: run.id)
    lines = [
        *_cut([f"run {run.id}{_named(run)}: {run.doing}" for run in runs[:_SHOWN]], len(runs)),
        *(limit for engine in engines for limit in _limits(engine)),
        *_cut(sorted(tasks)),
    ]
    return "\n  ".join(["deadlock: every run is waiting and nothing can wake one:", *lines])


def _named(run: WaitingRun) -> str:
    return "" if run.name is None else f" {run.name!r}"


def _limits(engine: Waiting) -> Iterator[str]:
    """Yield a line for each limit or pause for which calls wait."""
    for limit in engine.waited_for():
        yield f"{limit.kind} {limit.name!r}: waited for by {limit.waiting}"


def _cut(lines: list[str], count: int | None = None) -> list[str]:
    """Return at most 20 lines, and one with the number of the others. ``count``: of all; None: there are no others."""
    more = (len(lines) if count is None else count) - _SHOWN
    return [*lines[:_SHOWN], f"and {more} more"] if more > 0 else lines
