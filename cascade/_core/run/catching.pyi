from asyncio import Future
from typing import Any

from typing_extensions import disjoint_base

from cascade._core.expr.lazy import LazyResult
from cascade._core.run.ending import Ending
from cascade._core.run.waiting import Waiter

@disjoint_base
class Catch: ...

@disjoint_base
class Region: ...

@disjoint_base
class Catching(Ending):
    def _open_scope(self, waiter: Waiter, future: Future[tuple[Any, BaseException | None]]) -> None: ...
    def _open_child(
        self, waiter: Waiter, expression: LazyResult, future: Future[tuple[Any, BaseException | None]]
    ) -> None: ...
    def _close_region(self, future: Future[Any], closed: Future[None]) -> None: ...
