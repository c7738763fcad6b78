"""Starting a run of each of many targets as there is room, for `Engine.as_completed`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterator
from typing import TYPE_CHECKING, Any

from cascade._core.expr.lazy import LazyResult
from cascade._core.expr.map_inputs import END
from cascade._support.futures import settle
from cascade.engine.feeding import close_all, next_item
from cascade.engine.run import Run

if TYPE_CHECKING:
    from cascade.engine.host import Host

__all__ = ["Starter"]


class Starter:
    """The targets of an iteration over runs that it starts itself.

    It must not refer to the iterator: that is to be freed when the iteration is broken off.

    Args:
        host: the engine.
        targets: an iterator over the targets, or an async iterable.
        start: starts the run of a target and has the iteration take it.
        room: returns how many more runs may be started now.
        ended: called when no more runs will be started.
    """

    def __init__(
        self,
        host: Host,
        targets: Iterator[Any] | AsyncIterable[Any],
        start: Callable[[Any], Run],
        room: Callable[[], int],
        ended: Callable[[], None],
    ) -> None:
        self._host = host
        self._targets = targets
        self._start = start
        self._room = room
        self._ended = ended
        self._task: asyncio.Task[None] | None = None  # takes the items of an async iterable
        self._wanted: asyncio.Future[None] | None = None  # done once there is room
        self._count = 0
        self.exhausted = False
        self.failure: BaseException | None = (
            None  # of the iterable, or of starting a run; raised after all that has started
        )

    def fill(self) -> None:
        """Start as many runs as there is room for, or let them be started."""
        if self.exhausted:
            return
        if isinstance(self._targets, AsyncIterable):
            if self._task is None:
                self._host.bind()
                self._task = asyncio.get_running_loop().create_task(self._feed(self._targets))
            elif self._wanted is not None:
                settle(self._wanted)
            return
        while not self.exhausted and self._room() > 0:
            try:
                target = next(self._targets, END)
                if target is END:
                    self.exhausted = True
                else:
                    self._begin(target)
            except Exception as error:
                self._fail(error)

    def stop(self) -> asyncio.Task[None] | None:
        """Start no more runs. Return the asyncio task that is closing an async iterable; None: there is none."""
        self.exhausted = True
        task = self._task
        if task is None or task.done():
            return None
        task.cancel()

        async def closed() -> None:  # the engine waits for that before it stops
            await asyncio.wait((task,))

        self._host.run_in_background(closed, lambda: None)
        return task

    async def _feed(self, targets: AsyncIterable[Any]) -> None:
        iterators: list[AsyncIterator[Any]] = []
        try:
            iterators.append(aiter(targets))
            while True:
                while self._room() <= 0:
                    self._wanted = asyncio.get_running_loop().create_future()
                    await self._wanted
                target = await next_item(iterators[0])
                if target is END:
                    break
                self._begin(target)
        except GeneratorExit:  # its event loop was closed: nothing can be awaited any longer
            raise
        except BaseException as error:
            await self._close(iterators, error)
            if not isinstance(error, Exception):
                raise
        else:
            await self._close(iterators, None)

    async def _close(self, iterators: list[AsyncIterator[Any]], failure: BaseException | None) -> None:
        try:
            await close_all(iterators)
        except Exception as error:
            failure = error if failure is None else failure
        finally:
            if failure is not None and not self.exhausted:  # else it was stopped
                self._fail(failure)
            self.exhausted = True
            self._ended()

    def _begin(self, target: Any) -> None:
        check_target(target, self._count)
        self._start(target)
        self._count += 1

    def _fail(self, error: BaseException) -> None:
        self.exhausted = True
        self.failure = error


def check_target(target: object, index: int) -> None:
    """Raise `TypeError` unless something is a lazy result or a container, which may have some."""
    if isinstance(target, Run):
        raise TypeError(f"runs[{index}] must be a target, as those before it are, got {target._called}")
    if not isinstance(target, (LazyResult, list, tuple, dict)):
        raise TypeError(f"runs[{index}] must be a run or a target, got `{type(target).__name__}`")
