"""What all rules have in common, and the simplest rules: the pause and the priority."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from cascade.limits.selector import Selector

__all__ = ["Pause", "Priority", "Rule"]


class Rule(Protocol):
    """A restriction of all calls that a selector matches: a concurrency, a rate, a priority or a pause.

    Rules are compared by identity. They differ in what they count and need no common implementation, hence a
    protocol and no base class.
    """

    @property
    def kind(self) -> str:
        """One of "concurrency", "rate", "priority" and "pause"."""

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


class Priority:
    """A rule: matching calls that wait go on before those with a lower priority.

    Attributes:
        priority: the higher, the earlier.
    """

    __slots__ = ("priority", "selector")

    kind = "priority"

    def __init__(self, selector: Selector, priority: float) -> None:
        self.selector = selector
        self.priority = priority
