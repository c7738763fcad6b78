"""What belongs to an engine beside its loop: chance, reports, limits, resources, caches and what it looks after.

Most programs do without most of it, so each part is made when it is first asked for.
"""

from __future__ import annotations

import asyncio
import logging
import random
import threading
import time
from asyncio.events import _get_running_loop
from collections.abc import Callable, Coroutine, Mapping
from contextlib import AbstractContextManager, suppress
from contextvars import Context
from typing import TYPE_CHECKING, Any

from cascade._support.failures import add_note, describe, exc_info
from cascade._support.forks import new_lock
from cascade._support.threads import call_in_executor
from cascade.clock.timers import Timers
from cascade.engine.emitter import Reporter

if TYPE_CHECKING:
    from concurrent.futures import Future

    from cascade._core.expr.task import Task
    from cascade._core.run.scheduler import Scheduler
    from cascade._core.time.clock import Clock
    from cascade.cache.single_flight import Flights
    from cascade.durable.protocol import StateBackend
    from cascade.events import Events
    from cascade.limits import Limits
    from cascade.resources.registry import Registry
    from cascade.resources.scope import Scope
    from cascade.templates.cache import Templates
    from cascade.workers.workers import Workers

__all__ = ["Belongings", "runs_here"]

_logger = logging.getLogger("cascade")


def runs_here(loop: asyncio.AbstractEventLoop) -> bool:
    """Whether an event loop is running in this thread."""
    try:  # asyncio's own loops know; to ask asyncio for the one that is running here costs a system call on Python 3.11
        return bool(loop._thread_id == threading.get_ident())  # type: ignore[attr-defined]
    except AttributeError:
        return _get_running_loop() is loop


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
    _scheduler: Scheduler
    _workers: Workers

    def __init__(
        self, timers: Timers, seed: int | None, state: StateBackend | None, limits: Mapping[str, float] | None
    ) -> None:
        for method in () if state is None else ("boundary", "clear", "forget"):
            if isinstance(state, type) or not callable(getattr(state, method, None)):
                got = f"the class `{state.__name__}`" if isinstance(state, type) else f"`{type(state).__name__}`"
                raise TypeError(f"expected a state backend with a method `{method}`, got {got}")
        self._lock = new_lock()  # for what is made once, and for taking an event loop
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = 0
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

            with self._lock:
                if self._limits is None:
                    self._limits = Limits(self._capacities, self.timers, self.attend, self._check_thread)
        return self._limits

    @property
    def resources(self) -> Registry:
        """The resources that tasks can ask for."""
        if self._resources is None:
            from cascade.resources.registry import Registry

            with self._lock:
                if self._resources is None:
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
            from cascade.cache.single_flight import Flights

            self._flights = Flights()
        return self._flights

    def scope(self) -> Scope:
        """The resources that are set up for the engine as a whole."""
        if self._scope is None:
            from cascade.resources.scope import Scope

            self._scope = Scope(self.resources, "engine", None, self.reporter.hooks(0), self._context)
        return self._scope

    def attend(self) -> None:
        """See what there is to be asked and told: rules of limits, pauses and subscribers may have come or gone.

        It is called from any thread, perhaps under a lock, so it takes none: what was found out while another thread
        came by may be old, and is found out again.
        """
        while True:
            self.reporter.attending = mine = object()
            self.governed = self._limits is not None and self._limits.active
            self.reporter.attend()
            self._scheduler.attend(self.governed, self.reporter.told, self.reporter.bounded)
            if self.reporter.attending is mine:
                return

    def wall_time(self) -> float:
        """Seconds, as the results in caches are dated."""
        return self.clock.time() if self.clock.is_virtual else time.time()

    async def aside(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Call what may block in a thread; under a virtual clock, which waits for no thread, at once."""
        if self.clock.is_virtual:
            return function(*arguments)
        loop = asyncio.get_running_loop()
        value, error = await call_in_executor(loop, None, _attempt, function, *arguments)
        if error is not None:
            raise error
        return value

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
        loop = self._loop
        if loop is None:
            return
        if runs_here(loop) or (threading.get_ident() == self._thread and not loop.is_running()):
            function()
        elif not loop.is_closed():
            with suppress(RuntimeError):  # closed meanwhile
                loop.call_soon_threadsafe(function)

    def look_after(self, work: Callable[[], Coroutine[Any, Any, None]], ended: Callable[[], None]) -> None:
        """Run a coroutine beside the runs; the engine does not stop before it has ended.

        Args:
            work: makes the coroutine. What is cancelled before it has begun never knows: as it must be done, it is
                begun once more then.
            ended: called when it has ended, in whatever way.
        """
        loop = asyncio.get_running_loop()
        begun = False

        async def begin() -> None:
            nonlocal begun
            begun = True
            await work()

        def done(task: asyncio.Task[None]) -> None:
            self._tended.discard(task)
            if not begun and not loop.is_closed():
                self.look_after(work, ended)
            else:
                ended()

        task = loop.create_task(begin())
        self._tended.add(task)
        task.add_done_callback(done)

    def report(self, message: str, error: BaseException) -> None:
        """What nobody has asked for must not be lost."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_exception_handler({"message": message, "exception": error})
        else:
            _logger.error(message, exc_info=exc_info(error))

    async def _release(self) -> tuple[asyncio.CancelledError | None, BaseException | None]:
        """Wait for what runs beside the runs, and tear down what is set up for the engine as a whole.

        Returns:
            What cancelled this meanwhile, and what went wrong in a teardown.
        """
        cancelled = None
        while self._tended:
            try:
                done, _ = await asyncio.wait(self._tended)
                self._tended -= done  # of which they may not have come to tell
            except asyncio.CancelledError as error:
                cancelled = error
        scope, self._scope = self._scope, None
        wrong = None
        if scope is not None:
            try:
                wrong = await scope.close(None)
            except asyncio.CancelledError as error:
                cancelled = error
        return cancelled, wrong

    def _tell_wrong(self, wrong: BaseException | None, failure: BaseException | None) -> None:
        """Raise what went wrong in a teardown of the engine; report and note it where there is a failure already."""
        if wrong is None:
            return
        if failure is None:
            raise wrong
        add_note(failure, f"a resource of the engine failed in its teardown: {describe(wrong)}")
        self.report("a resource of the engine failed in its teardown", wrong)

    def _check_thread(self) -> None:
        raise NotImplementedError


def _attempt(function: Callable[..., Any], *arguments: Any) -> tuple[Any, BaseException | None]:
    """What a call comes to, as a value: not every exception can be put into a future of asyncio's."""
    try:
        return function(*arguments), None
    except BaseException as error:
        return None, error
