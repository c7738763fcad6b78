"""Deadlocks: who waits for what, when nothing will ever wake anybody."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING

from cascade.exceptions import DeadlockError

if TYPE_CHECKING:
    from cascade.limits.state import LimitState
    from cascade.runs import Run

__all__ = ["deadlock"]

_SHOWN = 20  # runs that an error lists


def deadlock(runs: Iterable[Run], limits: Iterable[LimitState]) -> Iterator[tuple[Run, DeadlockError]]:
    """Give each run that waits, the oldest first, and an error of its own that lists them all.

    Args:
        runs: of the engine.
        limits: how its limits stand: calls may wait for one that nobody gives back, or for the end of a pause.
    """
    waiting = sorted((run for run in runs if not run.stopping), key=lambda run: run.id)
    lines = [f"\n  run {run.id}: {run.doing}" for run in islice(waiting, _SHOWN)]
    if len(waiting) > _SHOWN:
        lines.append(f"\n  and {len(waiting) - _SHOWN} more")
    lines += [
        f"\n  {limit.kind} {limit.name!r}: waited for by {limit.waiting}" for limit in limits if limit.waiting
    ]
    message = f"everybody waits, and nothing will wake them:{''.join(lines)}"
    for run in waiting:
        yield run, DeadlockError(message)
