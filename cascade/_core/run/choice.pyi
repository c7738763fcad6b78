from typing import Any

from typing_extensions import disjoint_base

from cascade._core.expr.lazy import LazyResult
from cascade._core.run.mailbox import Receiver

@disjoint_base
class Seat(Receiver): ...

@disjoint_base
class Choice: ...

def select(
    channels: list[Any] | tuple[Any, ...] | LazyResult, *, timeout: float | LazyResult | None = None
) -> LazyResult: ...
