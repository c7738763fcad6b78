"""Optional state of a run, allocated on first use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cascade.cache.single_flight import Leader
    from cascade.engine.unretrieved import UnretrievedFailures
    from cascade.resources.scope import Scope

__all__ = ["RunExtras"]


class RunExtras:
    """What a run has if it uses it.

    Attributes:
        params: values for the target's params, by name; None: none were given.
        inputs: id of the spec of a param or variable -> the spec and its value; None: none was read yet.
        scope: the resources that are set up for the run.
        leads: the cached calls whose result waits for an expression of this run; None: it has had none.
        permits: (frame, place) of nodes that may start, and will at once; None: none had to ask the limits.
        unretrieved: of the population in which the run has failed; None: it is in none, or has not failed.
        started_at: nanoseconds, if an event needs it.
    """

    __slots__ = ("inputs", "leads", "params", "permits", "scope", "started_at", "unretrieved")

    def __init__(self) -> None:
        self.params: Mapping[str, Any] | None = None
        self.inputs: dict[int, tuple[Any, Any]] | None = None
        self.scope: Scope | None = None
        self.leads: dict[Leader, None] | None = None
        self.permits: set[tuple[int, int]] | None = None
        self.unretrieved: UnretrievedFailures | None = None
        self.started_at: int | None = None
