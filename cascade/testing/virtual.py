"""Virtual time for tests: an engine with its clock and its event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from random import Random
from typing import TYPE_CHECKING, Any, TypeVar, Unpack, overload

from cascade._core.expr.lazy import LazyResult
from cascade._core.time.clock import Clock
from cascade._support.boundary import boundary
from cascade._support.public import public_in
from cascade.engine.engine import Engine
from cascade.engine.interrupts import Interrupts
from cascade.engine.runner import in_event_loop
from cascade.exceptions import EngineClosedError, EngineStateError
from cascade.expressions.targets import expression

if TYPE_CHECKING:
    from cascade.engine.bounds import RunOptions
    from cascade.expressions.targets import C, DictOf, ListOf

__all__ = ["VirtualTime"]

K = TypeVar("K")
R = TypeVar("R")


@public_in("cascade.testing")
class VirtualTime:
    """An engine with a virtual clock and an event loop on that clock.

    Args:
        seed: seeds `random`.
        start: the first time on the clock, in seconds.
        engine: other arguments of `Engine`, except ``clock``.

    Attributes:
        engine: the engine. Its ``random`` is seeded.
        clock: its clock.

    Raises:
        TypeError, ValueError: an argument is not what it should be, or a clock.

    >>> import cascade as cs
    >>> from cascade.testing import VirtualTime
    >>> virtual = VirtualTime()
    >>> virtual.run(cs.wait(3600))
    3600.0
    >>> virtual.time
    3600.0
    >>> virtual.close()
    """

    @boundary
    def __init__(self, *, seed: int = 0, start: float = 0.0, **engine: Any) -> None:
        if "clock" in engine:
            raise TypeError(
                "clock must not be given: `VirtualTime` makes a virtual one; set `seed` and `start` instead"
            )
        self.clock = Clock.virtual(seed=seed, start=start)
        self.engine = Engine(clock=self.clock, **engine)
        self._runner: asyncio.Runner | None = None
        self._closed = False

    @property
    def time(self) -> float:
        """The time on the clock, in seconds."""
        return self.clock.time()

    @property
    def random(self) -> Random:
        """The engine's random source."""
        return self.engine.random

    @overload
    def run(self, target: LazyResult[R], **options: Unpack[RunOptions]) -> R: ...
    @overload
    def run(self, target: C, **options: Unpack[RunOptions]) -> C: ...
    @overload
    def run(self, target: tuple[LazyResult[R], ...], **options: Unpack[RunOptions]) -> tuple[R, ...]: ...
    @overload
    def run(self, target: ListOf[R], **options: Unpack[RunOptions]) -> list[R]: ...
    @overload
    def run(self, target: DictOf[K, R], **options: Unpack[RunOptions]) -> dict[K, R]: ...
    @overload
    def run(self, target: Coroutine[Any, Any, R]) -> R: ...
    @overload
    def run(self, target: R, **options: Unpack[RunOptions]) -> R: ...
    @boundary
    def run(self, target: Any, **options: Unpack[RunOptions]) -> Any:
        """Run a target on the engine, or a coroutine on the event loop of its clock, and return its value.

        Runs and asyncio tasks that have not ended go on in the next call.

        Args:
            target: a lazy result, a container of lazy results or a value; or a coroutine, which may use `engine`.
            options: what `Engine.run` takes beside the target: ``params``, ``max_iterations``, ``deadline``, ``name``,
                ``tags``, ``closes``. None for a coroutine.

        Returns:
            The value of the target, or the result of the coroutine.

        Raises:
            BaseException: the exception of the target.
            DeadlockError: every run and task waits, and nothing can wake one.
            TargetError: ``target`` is none of these.
            TypeError: an option was given for a coroutine, or there is none of that name.
            EngineClosedError: it was closed.
            EngineStateError: an event loop is running in this thread already.
        """
        if not asyncio.iscoroutine(target):
            wanted = expression(target)
            runner = self._open()
            with Interrupts() as interrupts:
                return runner.run(interrupts.watch(self.engine.run(wanted, **options)))
        try:
            if given := ", ".join(name for name, value in options.items() if value is not None):
                raise TypeError(f"{given} must be None for a coroutine: pass them to `engine.run` inside it")
            runner = self._open()
        except BaseException:
            target.close()  # else Python would warn that it was never awaited
            raise
        with Interrupts() as interrupts:
            return runner.run(interrupts.watch(target))

    @boundary
    def close(self) -> None:
        """Cancel the runs that have not ended, and close the engine and the event loop. It cannot be used afterwards.

        Raises:
            EngineStateError: an event loop is running in this thread.
        """
        if self._closed:
            return
        runner = self._open()
        self._closed = True
        try:
            runner.run(self.engine.aclose())
        finally:
            runner.close()

    def _open(self) -> asyncio.Runner:
        """Return the runner of the event loop, made on first use."""
        if self._closed:
            raise EngineClosedError("cannot run: the `VirtualTime` is closed")
        if in_event_loop():
            raise EngineStateError(
                "an event loop is running in this thread: use `VirtualTime` in a function that is not async, or write "
                "`await cs.arun(target, engine=virtual.engine)`"
            )
        if self._runner is None:
            self._runner = asyncio.Runner(loop_factory=self.engine.new_loop)
        return self._runner
