"""Bounds of runs: the highest number of iterations, and a deadline."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, TypedDict

from cascade._core.time.durations import Duration, as_seconds
from cascade.engine.places import title_of
from cascade.exceptions import RunDeadlineError, RunLimitError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from cascade._core.expr.lazy import LazyResult
    from cascade._core.run.mailbox import Mailbox
    from cascade._core.shape.template import Template
    from cascade.clock.timers import Timers
    from cascade.engine.run_extras import RunExtras

    class SharedOptions(TypedDict, total=False):
        """What runs that are started together are given beside their targets, by name."""

        params: Mapping[str, Any] | None
        max_iterations: int | None
        deadline: Duration | None
        name: str | None
        tags: Mapping[str, str] | None

    class RunOptions(SharedOptions, total=False):
        """What `Engine.start` and `Engine.run` take beside the target, by name."""

        closes: Mailbox | Iterable[Mailbox] | None


__all__ = ["Bounds", "check_iterations", "iterations_met"]


class BoundedRun(Protocol):
    """A run, as far as its bounds are concerned."""

    _max_iterations: int

    @property
    def _called(self) -> str:
        """It, in messages."""

    @property
    def iterations(self) -> int:
        """How many tail calls it has made."""

    @property
    def doing(self) -> str:
        """What it is doing, as text."""

    @property
    def _interrupted(self) -> bool:
        """Whether its cancellation was requested."""

    def _ensure_extras(self) -> RunExtras:
        """Return its optional state, made on first use."""

    def _next_target(self) -> tuple[Template, int] | None:
        """Return the target of the frame that it works on next."""

    def _fail_from_outside(self, error: BaseException) -> bool:
        """Record an error and request that it stops."""


def check_iterations(max_iterations: object) -> None:
    """Raise `ValueError` unless it is None or an int >= 0."""
    if max_iterations is not None and (type(max_iterations) is not int or max_iterations < 0):
        raise ValueError(f"max_iterations must be None or an int >= 0, got {max_iterations!r}")


class Bounds:
    """The bounds of a run, or of each run of a population.

    Args:
        max_iterations: how many tail calls a run may make, >= 0; None: as many as it likes.
        deadline: seconds on the engine's clock, from the start of a run; None: none.

    Raises:
        ValueError, TypeError: an argument has the wrong value or type.
    """

    __slots__ = ("deadline", "max_iterations")

    def __init__(self, max_iterations: int | None, deadline: Duration | None) -> None:
        check_iterations(max_iterations)
        self.max_iterations = max_iterations
        self.deadline = None if deadline is None else as_seconds(deadline, "deadline")

    def apply(self, timers: Timers, run: BoundedRun) -> None:
        """Bound a run that is about to begin. ``timers``: of its engine."""
        if self.max_iterations is not None:
            run._max_iterations = min(self.max_iterations, 2**62)
        if self.deadline is not None:
            due = timers.now() + round(self.deadline * 1e9)
            run._ensure_extras().deadline = timers.call_at(due, partial(_expire, run, self.deadline))


def iterations_met(run: BoundedRun, following: LazyResult) -> RunLimitError:
    """Return the error of a run that has made as many tail calls as it may, and would make another one.

    Args:
        run: the run.
        following: the expression that it would continue with.
    """
    task = following.task
    return RunLimitError(
        f"{run._called} has reached max_iterations={run.iterations:,}: it was to continue with "
        f"{task.module}.{task.name}(...)"
    )


def _expire(run: BoundedRun, deadline: float) -> None:
    """Fail a run whose deadline has come, unless it is being cancelled."""
    if run._interrupted:
        return
    doing = run.doing
    if doing == "ready" and (target := run._next_target()) is not None:
        doing = f"ready to go on with {title_of(*target)}"
    iterations = f"{run.iterations:,} iteration{'' if run.iterations == 1 else 's'}"
    run._fail_from_outside(
        RunDeadlineError(f"{run._called} has reached its deadline of {deadline:.12g} s after {iterations}: {doing}")
    )
