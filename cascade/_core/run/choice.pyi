from collections.abc import Sequence
from typing import TypeVar, overload

from typing_extensions import disjoint_base

from cascade._core.expr.lazy import LazyResult
from cascade._core.run.mailbox import Mailbox, Received, Receiver

_M = TypeVar("_M")

@disjoint_base
class Seat(Receiver): ...

@disjoint_base
class Choice: ...

@overload
def select(channels: Sequence[Mailbox[_M]], *, timeout: float | LazyResult[float] | None = None) -> Received[_M]: ...
@overload
def select(
    channels: Sequence[Mailbox] | LazyResult[Sequence[Mailbox]], *, timeout: float | LazyResult[float] | None = None
) -> Received: ...
