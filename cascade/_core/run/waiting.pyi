from asyncio import Future
from concurrent.futures import Future as WorkerFuture
from typing import Any

from typing_extensions import disjoint_base

from cascade._core.run.mailbox import Mailbox, Receiver
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
    def release(self) -> None: ...
    def follow(self, future: Future[Any] | WorkerFuture[Any]) -> None: ...

class Launched(Waiter): ...

@disjoint_base
class Waiting(Runnable):
    def _handles(self) -> list[Any]: ...
    def _awaits(self) -> list[tuple[Template, int, tuple[Mailbox, ...] | None]]: ...
