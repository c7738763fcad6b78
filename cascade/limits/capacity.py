"""Pools: so much there is at once, and what is taken is given back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cascade.limits.rulebook import Rule
from cascade.limits.units import shown
from cascade.limits.wait_queue import Line

if TYPE_CHECKING:
    from cascade.limits.request import Claim
    from cascade.limits.selector import Scope

__all__ = ["Concurrency", "Pool"]


class Pool:
    """A limit: how much there is, how much of it is in use, and who waits for it.

    Attributes:
        name: of the limit, as calls ask for it.
        capacity: units there are.
        used: units that are taken; more than the capacity only after that was lowered.
        line: the claims that wait for it, in the order in which they came, but for those that are paused or wait for
            a rate.
    """

    __slots__ = ("capacity", "line", "name", "used")

    def __init__(self, name: str, capacity: int) -> None:
        self.name = name
        self.capacity = capacity
        self.used = 0
        self.line: Line[Claim] = Line()

    def reason(self, wanted: int) -> str:
        """What somebody is told who must wait for units of it."""
        free = max(0, self.capacity - self.used)
        return f"limit {self.name}: {shown(wanted)} wanted, {shown(free)} of {shown(self.capacity)} free"


class Concurrency(Pool, Rule):
    """A rule: so many calls of the scope run at once."""

    __slots__ = ("scope",)

    kind = "concurrency"

    def __init__(self, scope: Scope, capacity: int) -> None:
        Pool.__init__(self, scope.text, capacity)
        self.scope = scope

    def reason(self, wanted: int) -> str:
        """What somebody is told who must wait for it."""
        return f"concurrency {shown(self.capacity)} of {self.name}"
