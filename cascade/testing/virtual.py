"""Virtual time for tests: an engine, its clock and its event loop, with nothing of real time in them."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from random import Random
from typing import Any, TypeVar, overload

from cascade._core.expr.lazy import LazyResult
from cascade._core.time.clock import Clock
from cascade._support.public import public_in
from cascade.engine.engine import Engine
from cascade.engine.interrupts import Interrupts
from cascade.engine.runner import in_event_loop
from cascade.exceptions import EngineClosedError, EngineStateError
from cascade.expressions.targets import expression

__all__ = ["VirtualTime"]

R = TypeVar("R")


@public_in("cascade.testing")
class VirtualTime:
    """An engine with a virtual clock, and what runs on it.

    Args:
        seed: of `random`.
        start: seconds at which the clock begins.
        engine: further arguments of `Engine`, but for its clock.

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

    def __init__(self, *, seed: int = 0, start: float = 0.0, **engine: Any) -> None:
        if "clock" in engine:
            raise TypeError("expected no clock: VirtualTime makes a virtual one, see `seed` and `start`")
        self.clock = Clock.virtual(seed=seed, start=start)
        self.engine = Engine(clock=self.clock, **engine)
        self._runner: asyncio.Runner | None = None
        self._closed = False

    @property
    def time(self) -> float:
        """Seconds on the clock."""
        return self.clock.time()

    @property
    def random(self) -> Random:
        """The engine's source of chance."""
        return self.engine.random

    @overload
    def run(self, target: LazyResult[R], *, params: Mapping[str, Any] | None = None) -> R: ...
    @overload
    def run(self, target: Sequence[LazyResult[R]], *, params: Mapping[str, Any] | None = None) -> list[R]: ...
    @overload
    def run(self, target: Coroutine[Any, Any, R]) -> R: ...
    @overload
    def run(self, target: R, *, params: Mapping[str, Any] | None = None) -> R: ...
    def run(self, target: Any, *, params: Mapping[str, Any] | None = None) -> Any:
        """Run a target on the engine, or a coroutine on the event loop of its clock, and return its value.

        What is started and not awaited goes on with the next call.

        Args:
            target: a lazy result, a list or tuple of them, or a coroutine, in which `engine` can be used.
            params: values for the `Param`s of the target, by name. A coroutine has none.

        Raises:
            BaseException: what the target raised.
            DeadlockError: everybody waits, and for ever.
            TargetError: ``target`` is nothing of the kind.
            TypeError: ``params`` were given for a coroutine.
            EngineClosedError: it was closed.
            EngineStateError: an event loop is running in this thread already.
        """
        if not asyncio.iscoroutine(target):
            wanted = expression(target)
            runner = self._open()
            with Interrupts() as interrupts:
                return runner.run(interrupts.watch(self.engine.run(wanted, params=params)))
        try:
            if params is not None:
                raise TypeError("expected no params for a coroutine: they are for the targets that it runs")
            runner = self._open()
        except BaseException:
            target.close()  # it will not run, and Python need not tell of that, too
            raise
        with Interrupts() as interrupts:
            return runner.run(interrupts.watch(target))

    def close(self) -> None:
        """Cancel what still runs, and close the engine and the event loop. Nothing can be run any more.

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
        """What runs coroutines on the event loop of the clock, if it may be used."""
        if self._closed:
            raise EngineClosedError("the virtual time is closed")
        if in_event_loop():
            raise EngineStateError("an event loop is running in this thread: virtual time has one of its own")
        if self._runner is None:
            self._runner = asyncio.Runner(loop_factory=self.engine.new_loop)
        return self._runner
