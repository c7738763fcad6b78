"""What a request that waits in the admission queue is for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import asyncio

    from cascade._core.limits.requests import Claim, Grant

__all__ = ["Entry", "Receiver"]


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
