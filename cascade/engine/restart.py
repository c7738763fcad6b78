"""Restarts: which failed members of a population are started again, and after which delay."""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import force_setattr

from cascade._core.expr.lazy import LazyResult
from cascade._core.time.durations import Duration, as_seconds
from cascade._support.boundary import boundary
from cascade._support.failures import is_a
from cascade._support.public import public
from cascade.engine.run import Run
from cascade.exceptions import InternalError, PolicyError

if TYPE_CHECKING:
    from cascade.clock.timers import Timers
    from cascade.engine.bounds import Bounds
    from cascade.engine.run_label import RunLabel

__all__ = ["Restart", "Restarter"]

_LONGEST = 9e9  # seconds: a delay that a clock can count


@public
class Restart(msgspec.Struct, frozen=True):
    """Start a failed member of a population again, from its target. For `Engine.start_many`.

    Only a failure with an `Exception` is restarted: not `KeyboardInterrupt` or `SystemExit`, and not the failure of a
    run that was cancelled.

    Attributes:
        limit: how many times each member is started again, >= 0; the next failure is final.
        delay: seconds, given as a number or a `timedelta`, on the engine's clock before the first restart of a member;
            until it begins again, it is parked.
        backoff: factor of the delay from restart to restart, >= 1.
        reset_after: likewise, after which a run that fails has been well: the count of restarts of its member, and with
            it the delay, begins anew. None: it never does.

    Raises:
        PolicyError: an attribute has another type or value.

    >>> import cascade as cs
    >>> cs.Restart(limit=5, delay=1, reset_after=60)
    Restart(limit=5, delay=1.0, backoff=2, reset_after=60.0)
    """

    limit: int = 3
    delay: float = 0
    backoff: float = 2
    reset_after: float | None = None

    if TYPE_CHECKING:  # what is given may be a `timedelta`; the attributes are floats

        def __init__(
            self, limit: int = 3, delay: Duration = 0, backoff: float = 2, reset_after: Duration | None = None
        ) -> None: ...

    @boundary
    def __post_init__(self) -> None:
        if type(self.limit) is not int or self.limit < 0:
            raise PolicyError(f"limit must be an int >= 0, got {self.limit!r}")
        force_setattr(self, "delay", _seconds(self.delay, "delay"))
        if isinstance(self.backoff, bool) or not isinstance(self.backoff, (int, float)) or not 1 <= self.backoff < inf:
            raise PolicyError(f"backoff must be a number >= 1, got {self.backoff!r}")
        if self.reset_after is not None:
            force_setattr(self, "reset_after", _seconds(self.reset_after, "reset_after"))


class Restarter:
    """Starts members again, at most so many times each.

    Args:
        policy: how often, and after which delay.
        targets: those of all members, by place.
        make: makes the run of a target, with a label.
        bounds: those of each run.
        timers: the engine's.
    """

    __slots__ = (
        "_begun",
        "_make",
        "_places",
        "_policy",
        "_start",
        "_timers",
        "_times",
        "bounds",
        "targets",
    )  # fmt: skip

    def __init__(
        self,
        policy: Restart,
        targets: list[LazyResult],
        make: Callable[[LazyResult, RunLabel | None], Run],
        bounds: Bounds,
        timers: Timers,
    ) -> None:
        self.targets = targets
        self.bounds = bounds
        self._policy = policy
        self._make = make
        self._timers = timers
        self._places: dict[Run, int] | None = None  # made when the first one fails
        self._times: dict[int, int] = {}  # restarts by place, since the count began anew
        self._start = timers.now()  # nanoseconds
        self._begun: dict[int, int] = {}  # by place, when the last run begins; without an entry: at the start

    def place(self, run: Run, runs: list[Run]) -> int | None:
        """Return the place of the member whose run has failed; None: it must not be started again."""
        for error in run._errors or ():
            if not is_a(error, Exception) or is_a(error, InternalError):
                return None
        place = self._find_places(runs)[run]
        if self._policy.reset_after is not None:
            lasted = self._timers.now() - self._begun.get(place, self._start)
            if lasted >= self._policy.reset_after * 1e9:
                self._times.pop(place, None)
        if self._times.get(place, 0) >= self._policy.limit:
            return None
        del self._find_places(runs)[run]  # frees the failure and what its traceback refers to
        return place

    def add(self, run: Run, target: LazyResult) -> None:
        """Take in a member that was added."""
        self.targets.append(target)
        self._begun[len(self.targets) - 1] = self._timers.now()
        if self._places is not None:
            self._places[run] = len(self.targets) - 1

    def begins(self, run: Run, runs: list[Run]) -> None:
        """Note that a member begins that was held."""
        if self._policy.reset_after is not None:
            self._begun[self._find_places(runs)[run]] = self._timers.now()

    def _find_places(self, runs: list[Run]) -> dict[Run, int]:
        if self._places is None:
            self._places = {each: place for place, each in enumerate(runs)}
        return self._places

    def start(self, place: int, label: RunLabel | None) -> Run:
        """Make another run of the member at a place, with the label of the one before."""
        assert self._places is not None
        run = self._make(self.targets[place], label)
        self._times[place] = self._times.get(place, 0) + 1
        self._begun[place] = self._timers.now() + round(self.delay(place) * 1e9)
        self._places[run] = place
        return run

    def delay(self, place: int) -> float:
        """Return the seconds before the run begins that was made last for a member."""
        if not self._policy.delay:
            return 0
        try:
            factor = self._policy.backoff ** (self._times[place] - 1)
        except OverflowError:
            factor = inf
        return float(min(self._policy.delay * factor, _LONGEST))


def _seconds(duration: Duration, name: str) -> float:
    try:
        return as_seconds(duration, name)
    except (TypeError, ValueError) as error:
        raise PolicyError(str(error)) from None
