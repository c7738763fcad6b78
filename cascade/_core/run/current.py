"""The call that code is a part of, as a context variable.

It is set where a call leaves the core: for an asyncio task, a worker, an attempt. Code that an inline task calls needs
none: `running` in `cascade._core.run.scheduler` finds the run that is being advanced in its thread.
"""

from __future__ import annotations

from contextvars import Context, ContextVar
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from cascade._core.run.waiting import Launched

__all__ = ["CALL", "Attempt", "SentCall", "forget_call"]


class Attempt:
    """One attempt of a call, other than the first, or one that has taken something of the engine's limits.

    Attributes:
        waiter: of the call.
        number: 1, 2, ...
        grant: the `cascade.limits.Grant` of what it has taken; None: nothing.
    """

    __slots__ = ("grant", "number", "waiter")

    def __init__(self, waiter: Launched, number: int, grant: Any = None) -> None:
        self.waiter = waiter
        self.number = number
        self.grant = grant


class SentCall(NamedTuple):
    """What a worker process is told of a call that it makes.

    Attributes:
        run: the id of the run.
        name, tags: of the run.
        iteration: the number of tail calls that the run had made.
        attempt: 1, 2, ...
        path: of the node.
        number: of the call, as in events.
    """

    run: int
    name: str | None
    tags: dict[str, str]
    iteration: int
    attempt: int
    path: str
    number: int


CALL: ContextVar[Launched | Attempt | SentCall | None] = ContextVar("cascade.call", default=None)
"""The waiter of the call, or another attempt of it; in a worker process, what was sent; None: code is part of none."""


def forget_call(context: Context) -> Context:
    """Return a context after noting in it that its code is no part of the call in which it was copied."""
    if context.get(CALL) is not None:
        context.run(CALL.set, None)
    return context
