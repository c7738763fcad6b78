"""Concurrency: how many calls run at once, as a pool of which each takes one unit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cascade._core.limits.pools import Pool
from cascade._core.limits.units import shown

if TYPE_CHECKING:
    from cascade.limits.selector import Selector

__all__ = ["Concurrency"]


class Concurrency(Pool):
    """A rule: at most `capacity` matching calls run at once. Each takes one unit."""

    __slots__ = ("selector",)

    kind = "concurrency"

    def __init__(self, selector: Selector, capacity: int) -> None:
        super().__init__(selector.text, capacity)
        self.selector = selector

    def reason(self, wanted: int) -> str:
        """Why a call waits for it, as text for an event."""
        return f"concurrency {shown(self.capacity)} of {self.name}"
