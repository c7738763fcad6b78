"""What runs, populations and calls ask of the engine that they belong to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from cascade._core.expr.lazy import LazyResult
from cascade._core.run.scheduler import Scheduler
from cascade._core.time.clock import Clock
from cascade.clock.timers import Timers
from cascade.engine.join import AwaitGraph
from cascade.engine.services import Services
from cascade.workers.workers import Workers

__all__ = ["Host"]


class Host(Protocol):
    """One engine, as seen from what belongs to it. `cascade.engine.loop_driver.LoopDriver` is it."""

    @property
    def clock(self) -> Clock:
        """The engine's clock."""

    @property
    def timers(self) -> Timers:
        """The clock, for Python code."""

    @property
    def scheduler(self) -> Scheduler:
        """The compiled part."""

    @property
    def services(self) -> Services:
        """Events, limits, resources, cache."""

    @property
    def workers(self) -> Workers:
        """Threads and processes."""

    @property
    def await_graph(self) -> AwaitGraph:
        """Which asyncio tasks await which runs."""

    @property
    def loop(self) -> asyncio.AbstractEventLoop | None:
        """The event loop that held the engine last."""

    @property
    def runs(self) -> tuple[Any, ...]:
        """The runs that have not ended."""

    def bind(self) -> None:
        """Take the event loop that is running in this thread.

        Raises:
            EngineClosedError, EngineStateError: the engine cannot.
        """

    def check_thread(self) -> None:
        """Raise if the engine is in use in another thread."""

    def running_loop(self) -> asyncio.AbstractEventLoop:
        """Return the engine's event loop, for code that runs on it.

        Raises:
            EngineStateError: the code runs on another one.
        """

    def begin(self, run: Any, target: LazyResult) -> None:
        """Start a run that was made for the engine."""

    def lives(self) -> bool:
        """Whether a run that has failed may be started again: the engine is not about to end."""

    def wake(self) -> None:
        """A run has become ready while no turn was on its way. Called from any thread."""

    def report(self, message: str, error: BaseException) -> None:
        """Hand an error that no caller gets to the event loop's exception handler, or the log."""

    def call_in_loop(self, function: Callable[[], object]) -> None:
        """Call a function in the event loop's thread: now, if this is it."""

    def call_in_thread(self, function: Callable[..., Any], *arguments: Any) -> Coroutine[Any, Any, Any]:
        """Await a call that may block, made in a thread; under a virtual clock, made at once."""

    def look_after(self, work: Callable[[], Coroutine[Any, Any, None]], ended: Callable[[], None]) -> None:
        """Run a coroutine beside the runs; the engine does not stop before it has ended."""
