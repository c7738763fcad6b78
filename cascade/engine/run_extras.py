"""What few runs have beside their frames, in one place: a run that has none of it carries none of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cascade.cache.single_flight import Lead
    from cascade.engine.unretrieved import Losses
    from cascade.resources.scope import Scope

__all__ = ["Baggage"]


class Baggage:
    """What a run has if it uses it.

    Attributes:
        params: values for the target's params, by name; None: none were given.
        inputs: id of the spec of a param or variable -> the spec and its value; None: nobody has asked for any yet.
        scope: the resources that are set up for it.
        leads: the flights that it leads until expressions have their values; None: it has led none.
        leaves: (frame, place) of nodes that may start, and will at once; None: none had to ask.
        losses: of the population in which it has failed; None: it is in none, or has not failed.
        started_at: nanoseconds, if somebody wants to know.
    """

    __slots__ = ("inputs", "leads", "leaves", "losses", "params", "scope", "started_at")

    def __init__(self) -> None:
        self.params: Mapping[str, Any] | None = None
        self.inputs: dict[int, tuple[Any, Any]] | None = None
        self.scope: Scope | None = None
        self.leads: dict[Lead, None] | None = None
        self.leaves: set[tuple[int, int]] | None = None
        self.losses: Losses | None = None
        self.started_at: int | None = None
