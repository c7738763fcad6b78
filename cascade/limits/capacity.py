"""Pools: an amount that calls take from and give back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cascade.limits.units import shown

if TYPE_CHECKING:
    from cascade.limits.selector import Selector

__all__ = ["Concurrency", "Pool"]


class Pool:
    """A limit: its capacity and how much of it is in use.

    Attributes:
        name: of the limit, as calls ask for it.
        capacity: units in total.
        used: units that are taken; more than the capacity only after the capacity was lowered.
    """

    __slots__ = ("capacity", "name", "used")

    def __init__(self, name: str, capacity: int) -> None:
        self.name = name
        self.capacity = capacity
        self.used = 0

    def reason(self, wanted: int) -> str:
        """Why a call waits for `wanted` units of it, as text for an event."""
        free = max(0, self.capacity - self.used)
        return f"limit {self.name}: {shown(wanted)} wanted, {shown(free)} of {shown(self.capacity)} free"


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
