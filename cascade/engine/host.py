"""The protocol through which runs, populations and calls use their engine."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from cascade._core.expr.lazy import LazyResult
from cascade._core.run.scheduler import Scheduler
from cascade._core.time.clock import Clock
from cascade.clock.timers import Timers
from cascade.engine.bounds import Bounds
from cascade.engine.join import AwaitGraph
from cascade.engine.services import Services
from cascade.workers.workers import Workers

__all__ = ["Host"]


class Host(Protocol):
    """The engine, as its runs, populations and calls see it. Implemented by `cascade.engine.loop_driver.LoopDriver`."""

    @property
    def clock(self) -> Clock:
        """The engine's clock."""

    @property
    def timers(self) -> Timers:
        """Timers on the engine's clock."""

    @property
    def scheduler(self) -> Scheduler:
        """The compiled scheduler."""

    @property
    def services(self) -> Services:
        """Random source, events, limits, resources, cache."""

    @property
    def workers(self) -> Workers:
        """Worker threads and processes."""

    @property
    def await_graph(self) -> AwaitGraph:
        """Which asyncio tasks await which runs."""

    @property
    def loop(self) -> asyncio.AbstractEventLoop | None:
        """The event loop that the engine used last; None: it has used none."""

    @property
    def runs(self) -> tuple[Any, ...]:
        """The runs that have not ended."""

    def bind(self) -> None:
        """Bind the engine to the event loop that is running in this thread.

        Raises:
            EngineClosedError: the engine is closed.
            EngineStateError: no event loop is running, or the engine is in use on another one, or is shutting down.
        """

    def check_thread(self) -> None:
        """Raise `EngineStateError` if the engine is in use in another thread."""

    def running_loop(self) -> asyncio.AbstractEventLoop:
        """Return the engine's event loop, for code that runs on it.

        Raises:
            EngineStateError: the code runs on another event loop.
        """

    def begin(self, run: Any, target: LazyResult, bounds: Bounds, delay: float = 0, *, held: bool = False) -> None:
        """Start a run that was made for this engine.

        Args:
            run: it counts as one of the engine's runs from now on.
            target: of the run.
            bounds: of the run, from its begin.
            delay: seconds after which it begins; until then it is parked.
            held: it begins with `begin_held`; until then it is parked.
        """

    def begin_held(self, run: Any, bounds: Bounds) -> None:
        """Begin a run that was held, unless it was cancelled meanwhile."""

    def may_restart(self) -> bool:
        """Whether a failed run may be started again: the engine is open and not shutting down."""

    def wake(self) -> None:
        """Schedule a turn: a run has become ready while none was scheduled. Called from any thread."""

    def report(self, message: str, error: BaseException) -> None:
        """Pass an error that no caller receives to the event loop's exception handler, or log it."""

    def call_in_loop(self, function: Callable[[], object]) -> None:
        """Call a function in the event loop's thread: at once, if this is that thread."""

    def call_in_thread(self, function: Callable[..., Any], *arguments: Any) -> Coroutine[Any, Any, Any]:
        """Make a call that may block in a thread; under a virtual clock, make it at once, in this thread."""

    def run_in_background(self, work: Callable[[], Coroutine[Any, Any, None]], ended: Callable[[], None]) -> None:
        """Run a coroutine as a background task, for whose end the engine waits before it stops.

        Args:
            work: makes the coroutine. Called again if the task is cancelled before it begins.
            ended: called when the task has ended, in whatever way.
        """
