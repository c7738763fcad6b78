"""A request that waits in the admission queue."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio

    from cascade.limits.rate import Rate
    from cascade.limits.request import Grant, Request, Share
    from cascade.limits.rule import Pause

__all__ = ["Claim"]


class Claim:
    """A request that waits. Claims are ordered by arrival.

    Args:
        order: its place among all claims that ever waited. It keeps this place when rules change.
        request: what is asked for.
        future: completed with the grant.

    Attributes:
        rates: the rates in whose queues it waits.
        shares: what it takes of which pools. It waits in the queues of these pools only when nothing else holds it
            up, so that a claim which is paused or waits for a rate does not block others.
        in_pools: whether it waits in the queues of its pools.
        paused_by: the pause that holds it up; None: no pause does.
    """

    __slots__ = ("future", "in_pools", "order", "paused_by", "rates", "request", "shares")

    def __init__(self, order: int, request: Request, future: asyncio.Future[Grant]) -> None:
        self.order = order
        self.request = request
        self.future = future
        self.rates: tuple[Rate, ...] = ()
        self.shares: tuple[Share, ...] = ()
        self.in_pools = False
        self.paused_by: Pause | None = None

    def is_awaited(self) -> bool:
        """Whether its future is still awaited: it is not once it is done or its loop is closed."""
        return not self.future.done() and not self.future.get_loop().is_closed()

    def __lt__(self, other: Claim) -> bool:
        return self.order < other.order
