"""What belongs to an engine beside its loop: chance, reports, limits, resources, caches and what it looks after.

Most programs do without most of it, so each part is made when it is first asked for.
"""

from __future__ import annotations

import asyncio
import logging
import random
import threading
import time
from collections.abc import Callable, Coroutine, Mapping
from contextlib import AbstractContextManager, suppress
from contextvars import Context
from typing import TYPE_CHECKING, Any

from cascade.exceptions import EngineStateError
from cascade.reporter import Reporter
from cascade.timers import Timers

if TYPE_CHECKING:
    from concurrent.futures import Future

    from cascade._core.clock import Clock
    from cascade._core.scheduler import Scheduler
    from cascade._core.task import Task
    from cascade.cache.flight import Flights
    from cascade.events import Events
    from cascade.limits import Limits
    from cascade.protocols import StateBackend
    from cascade.resources.registry import Registry
    from cascade.resources.scope import Scope
    from cascade.templates import Templates
    from cascade.workers import Workers

__all__ = ["Belongings"]

_logger = logging.getLogger("cascade")


class Belongings:
    """The part of an `Engine` that is not its loop.

    Args:
        timers: the engine's clock.
        seed: of its source of chance.
        state: sees each tail call's boundary.
        limits: capacities by name.

    Attributes:
        governed: whether there are rules or pauses, so that every call must be asked about.
    """

    clock: Clock
    templates: Templates
    _context: Context
    _loop: asyncio.AbstractEventLoop | None
    _thread: int
    _scheduler: Scheduler
    _workers: Workers

    def __init__(
        self, timers: Timers, seed: int | None, state: StateBackend | None, limits: Mapping[str, float] | None
    ) -> None:
        for method in () if state is None else ("boundary", "clear", "forget"):
            if isinstance(state, type) or not callable(getattr(state, method, None)):
                got = f"the class `{state.__name__}`" if isinstance(state, type) else f"`{type(state).__name__}`"
                raise TypeError(f"expected a state backend with a method `{method}`, got {got}")
        self.timers = timers
        self.random = random.Random(seed)
        self.reporter = Reporter(self, state)
        self.governed = False
        self._capacities = dict(limits or {})
        self._limits: Limits | None = None
        self._resources: Registry | None = None
        self._scope: Scope | None = None
        self._flights: Flights | None = None
        self._tended: set[asyncio.Task[None]] = set()  # what runs beside the runs
        if limits:
            self.limits  # noqa: B018 - to refuse at once what is no capacity
        if state is not None:
            self.attend()

    # ------------------------------------------------------------------------------------------------ for users

    @property
    def events(self) -> Events:
        """Where to subscribe to what happens."""
        return self.reporter.events

    @property
    def limits(self) -> Limits:
        """How much may run at once, and how often: rules and pauses, which can be changed at any time."""
        if self._limits is None:
            from cascade.limits import Limits

            self._limits = Limits(self._capacities, self.timers, self.attend)
        return self._limits

    @property
    def resources(self) -> Registry:
        """The resources that tasks can ask for."""
        if self._resources is None:
            from cascade.resources.registry import Registry

            self._resources = Registry()
        return self._resources

    def register(self, provider: Any, name: str | None = None) -> None:
        """Make a resource known, which tasks get by its name.

        Args:
            provider: what `cascade.resource` made of a generator function; a `Connector`; or any value.
            name: what to call it; None: as the function is called.

        Raises:
            TypeError: it has no name, or cannot be a resource.
        """
        self.resources.register(provider, name)

    def override(self, name: str, provider: Any) -> AbstractContextManager[None]:
        """Have another resource stand in for one, as long as the context lasts.

        Args:
            name: of a resource that is registered.
            provider: as `register` takes it.

        Raises:
            ResourceError: no resource of that name is registered.
        """
        return self.resources.override(name, provider)

    # ---------------------------------------------------------------------------------------- for what belongs to it

    @property
    def flights(self) -> Flights:
        """The calls that are about to find out what a cache is to keep."""
        if self._flights is None:
            from cascade.cache.flight import Flights

            self._flights = Flights()
        return self._flights

    def scope(self) -> Scope:
        """The resources that are set up for the engine as a whole."""
        if self._scope is None:
            from cascade.resources.scope import Scope

            self._scope = Scope(self.resources, "engine", None, self.reporter.hooks(0), self._context)
        return self._scope

    def attend(self) -> None:
        """See what there is to be asked and told: rules of limits, pauses and subscribers may have come or gone."""
        self.governed = self._limits is not None and self._limits.active
        self.reporter.attend()
        self._scheduler.attend(self.governed, self.reporter.told, self.reporter.bounded)

    def wall_time(self) -> float:
        """Seconds, as the results in caches are dated."""
        return self.clock.time() if self.clock.is_virtual else time.time()

    async def aside(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Call what may block in a thread; under a virtual clock, which waits for no thread, at once."""
        if self.clock.is_virtual:
            return function(*arguments)
        return await asyncio.to_thread(function, *arguments)

    def call_in_worker(
        self, where: str, task: Task, arguments: tuple[Any, ...], keywords: dict[str, Any]
    ) -> Future[Any]:
        """Have a worker call a task's callable: a "thread" or a "process"."""
        return self._workers.call(where, task, arguments, keywords)

    def abandon_in_worker(self, where: str, future: Future[Any]) -> None:
        """Give up a call that takes too long: its result is dropped, and its worker replaced."""
        self._workers.abandon(where, future)

    def call_in_loop(self, function: Callable[[], object]) -> None:
        """Call a function in the event loop's thread: now, if this is it."""
        if threading.get_ident() == self._thread:
            function()
        elif self._loop is not None and not self._loop.is_closed():
            with suppress(RuntimeError):  # closed meanwhile
                self._loop.call_soon_threadsafe(function)

    def look_after(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Run a coroutine beside the runs; the engine does not stop before it has ended."""
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tended.add(task)
        task.add_done_callback(self._tended.discard)

    def report(self, message: str, error: BaseException) -> None:
        """What nobody has asked for must not be lost."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_exception_handler({"message": message, "exception": error})
        else:
            _logger.error(message, exc_info=error)

    async def _release(self) -> asyncio.CancelledError | None:
        """Wait for what runs beside the runs, and tear down what is set up for the engine as a whole."""
        cancelled = None
        while self._tended:
            try:
                await asyncio.wait(self._tended)
            except asyncio.CancelledError as error:
                cancelled = error
        scope, self._scope = self._scope, None
        if scope is not None:
            try:
                await scope.close(None)
            except asyncio.CancelledError as error:
                cancelled = error
        return cancelled

    def _abandon_scope(self, why: str) -> None:
        """There is no event loop to tear down in what is set up for the engine: what can be without one is."""
        scope, self._scope = self._scope, None
        if scope is not None:
            scope.abandon(EngineStateError(f"{why} before the engine's resources were torn down"))
