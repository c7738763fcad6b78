"""Deadlocks: who waits for what, when nothing will ever wake anybody."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cascade.engine.engine import Engine

__all__ = ["describe"]

_SHOWN = 20  # of a kind


def describe(engines: Sequence[Engine], tasks: Iterable[str]) -> str:
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
    return "\n  ".join(["everybody waits, and nothing will wake them:", *lines])


def _limits(engine: Engine) -> Iterator[str]:
    """What calls wait for that nobody gives back, or for the end of a pause."""
    for limit in engine.waited_for():
        yield f"{limit.kind} {limit.name!r}: waited for by {limit.waiting}"


def _cut(lines: list[str], count: int | None = None) -> list[str]:
    """As many as one reads, and how many more there are of so many in all."""
    more = (len(lines) if count is None else count) - _SHOWN
    return [*lines[:_SHOWN], f"and {more} more"] if more > 0 else lines
