from asyncio import Future
from typing import Any, TypeAlias

from typing_extensions import disjoint_base

from cascade._core.expr.lazy import LazyResult
from cascade._core.run.catching import Catching
from cascade._core.run.mailbox import Received
from cascade._core.run.waiting import Launched, Waiter

_Result: TypeAlias = tuple[Any, BaseException | None, list[Received] | None]

@disjoint_base
class Regions(Catching):
    def _open_scope(self, waiter: Waiter, future: Future[_Result]) -> None: ...
    def _open_child(
        self,
        waiter: Launched,
        expression: LazyResult,
        future: Future[_Result],
    ) -> None: ...
    def _feed(self, waiter: Launched) -> None: ...
    def _close_region(self, future: Future[Any], closed: Future[list[BaseException] | None]) -> None: ...
