"""What all rules have in common, and the simplest rule: the pause."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from cascade.limits.selector import Selector

__all__ = ["Pause", "Rule"]


class Rule(Protocol):
    """A restriction of all calls that a selector matches: a concurrency, a rate or a pause.

    Rules are compared by identity. They differ in what they count and need no common implementation, hence a
    protocol and no base class.
    """

    @property
    def kind(self) -> str:
        """One of "concurrency", "rate" and "pause"."""

    @property
    def selector(self) -> Selector:
        """The calls that it restricts."""


class Pause:
    """A rule: no matching call starts."""

    __slots__ = ("selector",)

    kind = "pause"

    def __init__(self, selector: Selector) -> None:
        self.selector = selector

    def reason(self) -> str:
        """Why a call waits that it holds up, as text for an event."""
        return f"paused: {self.selector.text}"
