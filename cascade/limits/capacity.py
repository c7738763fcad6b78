"""Pools: an amount that calls take from and give back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cascade.limits.units import shown

if TYPE_CHECKING:
    from cascade.limits.selector import Selector

__all__ = ["Concurrency", "Holding", "Pool"]


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

    @property
    def root(self) -> Pool:
        """The limit or the rule: this pool itself, or what it is a part of."""
        return self

    def give_back(self, taken: int) -> Pool:
        """Give units back. Return the pool that has them now."""
        self.used -= taken
        return self

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


class Holding(Pool):
    """What a scope holds of a limit, or a call that awaits others. Calls inside of it take from it.

    If it ends before a call inside of it does, as something outside needs that call, too, the call has its units
    directly from the parent.

    Args:
        parent: what it is a part of.
        amount: units that are held.

    Attributes:
        parent: the same.
        is_open: whether what holds it has not ended.
    """

    __slots__ = ("is_open", "parent")

    def __init__(self, parent: Pool, amount: int) -> None:
        super().__init__(parent.name, amount)
        self.parent = parent
        self.is_open = True

    @property
    def root(self) -> Pool:
        """The limit or the rule that it is a part of."""
        return self.parent.root

    def give_back(self, taken: int) -> Pool:
        """Give units back. Return the pool that has them now."""
        if not self.is_open:
            return self.parent.give_back(taken)
        self.used -= taken
        return self

    def close(self) -> int:
        """What holds it has ended. Return the units that nothing inside of it has."""
        self.is_open = False
        return self.capacity - self.used

    def reason(self, wanted: int) -> str:
        """Why a call waits for `wanted` units of it, as text for an event."""
        return f"{super().reason(wanted)} in its scope"
