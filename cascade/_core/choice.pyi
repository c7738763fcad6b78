from typing import Any

from typing_extensions import disjoint_base

from cascade._core.lazy import LazyResult
from cascade._core.mailbox import Receiver

@disjoint_base
class Seat(Receiver): ...

@disjoint_base
class Choice: ...

def select(
    channels: list[Any] | tuple[Any, ...] | LazyResult, *, timeout: float | LazyResult | None = None
) -> LazyResult: ...
