"""A request that waits in the admission queue."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import asyncio

    from cascade.limits.request import Grant, Request, Share, Tokens
    from cascade.limits.rule import Pause

__all__ = ["Claim", "Entry", "Receiver"]


class Receiver(Protocol):
    """What a claim is for. One of `grant`, `refuse` and `drop` is called, once, unless the claim is withdrawn."""

    def is_awaited(self) -> bool:
        """Whether the grant is still of use."""

    def grant(self, grant: Grant) -> None:
        """Take the grant."""

    def refuse(self, error: Exception) -> None:
        """Learn that there can be no grant any longer."""

    def drop(self) -> None:
        """Learn that the queue was cleared."""


class Entry:
    """A receiver that completes an asyncio future with the grant.

    Attributes:
        future: the same; another one if the grant could not be used.
        claim: what waits.
    """

    __slots__ = ("claim", "future")

    claim: Claim

    def __init__(self, future: asyncio.Future[Grant]) -> None:
        self.future = future

    def is_awaited(self) -> bool:
        """Whether the future is still awaited: it is not once it is done or its loop is closed."""
        return not self.future.done() and not self.future.get_loop().is_closed()

    def grant(self, grant: Grant) -> None:
        """Complete the future."""
        self.future.set_result(grant)

    def refuse(self, error: Exception) -> None:
        """Complete the future with an error."""
        self.future.set_exception(error)

    def drop(self) -> None:
        """Cancel the future."""
        self.future.cancel()


class Claim:
    """A request that waits. Claims are ordered by priority, the highest first, then by arrival.

    Args:
        arrival: its place among all claims that ever waited. It keeps this place when rules change.
        request: what is asked for.
        receiver: is given the grant.

    Attributes:
        order: minus its priority, and its arrival. It changes only while the claim waits in no queue.
        tokens: what it takes of the rates in whose queues it waits.
        shares: what it takes of which pools. It waits in the queues of these pools only when nothing else holds it
            up, so that a claim which is paused or waits for a rate does not block others.
        in_pools: whether it waits in the queues of its pools.
        paused_by: the pause that holds it up; None: no pause does.
    """

    __slots__ = ("arrival", "in_pools", "order", "paused_by", "receiver", "request", "shares", "tokens")

    def __init__(self, arrival: int, request: Request, receiver: Receiver) -> None:
        self.arrival = arrival
        self.order: tuple[float, int] = (0, arrival)
        self.request = request
        self.receiver = receiver
        self.tokens: tuple[Tokens, ...] = ()
        self.shares: tuple[Share, ...] = ()
        self.in_pools = False
        self.paused_by: Pause | None = None

    def __lt__(self, other: Claim) -> bool:
        return self.order < other.order
