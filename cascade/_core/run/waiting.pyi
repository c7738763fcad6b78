from asyncio import Future
from concurrent.futures import Future as WorkerFuture
from typing import Any

from typing_extensions import disjoint_base

from cascade._core.run.mailbox import Mailbox, Receiver
from cascade._core.run.place import Place
from cascade._core.run.scheduler import Runnable
from cascade._core.shape.template import Template

@disjoint_base
class Waiter(Receiver):
    @property
    def run(self) -> Waiting | None: ...
    handle: Any
    completion: Any
    @property
    def _stopping(self) -> bool: ...
    def _place(self) -> Place | None: ...
    def release(self) -> None: ...
    def follow(self, future: Future[Any] | WorkerFuture[Any]) -> None: ...

@disjoint_base
class Launched(Waiter):
    @property
    def iteration(self) -> int: ...

@disjoint_base
class Waiting(Runnable):
    @property
    def iterations(self) -> int: ...
    def _handles(self) -> list[Any]: ...
    def _awaits(self) -> list[tuple[Template, int, tuple[Mailbox, ...] | None, Waiter]]: ...
