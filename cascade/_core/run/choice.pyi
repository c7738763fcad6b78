from collections.abc import Sequence
from typing import Protocol, TypeVar, overload

from typing_extensions import disjoint_base

from cascade._core.expr.lazy import LazyResult
from cascade._core.run.mailbox import Received, Receiver
from cascade._core.time.durations import Duration

_M = TypeVar("_M")
_M_co = TypeVar("_M_co", covariant=True)

class _Channel(Protocol[_M_co]):  # as far as one receives from it: channels of several types are given together
    def recv(self) -> Received[_M_co]: ...

@disjoint_base
class Seat(Receiver): ...

@disjoint_base
class Choice: ...

@overload
def select(
    channels: Sequence[_Channel[_M]], *, timeout: Duration | LazyResult[float] | None = None
) -> Received[_M]: ...
@overload
def select(
    channels: LazyResult[Sequence[_Channel[_M]]], *, timeout: Duration | LazyResult[float] | None = None
) -> Received[_M]: ...
