"""Optional state of a run, allocated on first use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType
    from typing import Literal

    from cascade._core.limits.requests import Claim
    from cascade._core.run.waiting import Waiter
    from cascade.cache.single_flight import Leader
    from cascade.clock.timers import Handle
    from cascade.engine.run_label import RunLabel
    from cascade.engine.unretrieved import UnretrievedFailures
    from cascade.resources.scope import Scope

__all__ = ["RunExtras"]


class RunExtras:
    """Optional state of one run. Most attributes are None until they are used.

    Attributes:
        params: values for the target's params, by name.
        inputs: resolved params and variables: id of the spec -> the spec, which keeps the id valid, and its value.
        scope: the scope of the run's resources.
        leaders: cached calls whose result is the value of an expression of this run, once that is evaluated.
        permits: (frame, place) of nodes that the limits have admitted and that will start at once.
        held_up: by waiter of a call that waits for the limits, its claim.
        unretrieved: that of the population in which the run has failed.
        caught: how many failures were caught.
        deadline: the timer that fails the run.
        beginning: the timer that begins it.
        label: its name and tags.
        started_at: nanoseconds on the engine's clock, if an event needs it.
        traceback: that of its failure, before anything has raised that again; None: it has none; False: not known yet.
    """

    __slots__ = (
        "beginning",
        "caught",
        "deadline",
        "held_up",
        "inputs",
        "label",
        "leaders",
        "params",
        "permits",
        "scope",
        "started_at",
        "traceback",
        "unretrieved",
    )

    def __init__(self) -> None:
        self.params: Mapping[str, Any] | None = None
        self.inputs: dict[int, tuple[Any, Any]] | None = None
        self.scope: Scope | None = None
        self.leaders: dict[Leader, None] | None = None
        self.permits: set[tuple[int, int]] | None = None
        self.held_up: dict[Waiter, Claim] | None = None
        self.unretrieved: UnretrievedFailures | None = None
        self.caught = 0
        self.deadline: Handle | None = None
        self.beginning: Handle | None = None
        self.label: RunLabel | None = None
        self.started_at: int | None = None
        self.traceback: TracebackType | Literal[False] | None = False
