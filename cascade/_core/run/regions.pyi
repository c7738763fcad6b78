from asyncio import Future
from typing import Any, Protocol, TypeAlias

from typing_extensions import disjoint_base

from cascade._core.expr.lazy import LazyResult
from cascade._core.run.catching import Catching
from cascade._core.run.mailbox import Received
from cascade._core.run.waiting import Launched, Waiter
from cascade.limits import Grant

_Result: TypeAlias = tuple[Any, BaseException | None, list[Received] | None]

class _Future(Protocol):  # an asyncio future, or like one
    def done(self) -> bool: ...
    def cancel(self) -> object: ...
    def set_result(self, result: Any, /) -> None: ...

@disjoint_base
class Regions(Catching):
    def _open_scope(self, waiter: Waiter, future: _Future, grant: Grant | None) -> None: ...
    def _open_child(
        self, waiter: Launched, expression: LazyResult, future: Future[_Result], grant: Grant | None
    ) -> None: ...
    def _grants_around(self, waiter: Waiter) -> tuple[Grant, ...]: ...
    def _close_region(self, future: _Future, closed: _Future) -> None: ...
