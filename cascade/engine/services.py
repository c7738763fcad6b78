"""Engine services other than the loop: random source, events, limits, resources, cache.

Most programs do without most of them, so each is made when it is first asked for.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from contextvars import Context
from typing import TYPE_CHECKING, Protocol

from cascade._support.forks import new_lock
from cascade.clock.timers import Timers
from cascade.engine.emitter import EventEmitter, Loop

if TYPE_CHECKING:
    from cascade._core.time.clock import Clock
    from cascade.cache.single_flight import SingleFlight
    from cascade.durable.protocol import StateBackend
    from cascade.limits import Limits, LimitState
    from cascade.resources.registry import Registry
    from cascade.resources.scope import Scope
    from cascade.templates.cache import Templates

__all__ = ["ServedLoop", "Services", "check_state_backend"]


class ServedLoop(Loop, Protocol):
    """What services ask of the engine's loop."""

    @property
    def clock(self) -> Clock:
        """The engine's clock."""

    @property
    def timers(self) -> Timers:
        """The clock, for Python code."""

    @property
    def templates(self) -> Templates:
        """The engine's templates."""

    @property
    def context(self) -> Context:
        """In which resources of the engine are set up."""

    def check_thread(self) -> None:
        """Raise if the engine is in use in another thread."""


def check_state_backend(state: StateBackend | None) -> None:
    """Raise unless it has the methods that the engine calls."""
    for method in () if state is None else ("boundary", "clear", "forget"):
        if isinstance(state, type) or not callable(getattr(state, method, None)):
            got = f"the class `{state.__name__}`" if isinstance(state, type) else f"`{type(state).__name__}`"
            raise TypeError(f"state must be a state backend with a method `{method}`, got {got}")


class Services:
    """The services of one engine.

    Args:
        loop: the engine's loop.
        configure: sets which callbacks the core makes: limits active, nodes, tail calls.
        seed: of the random source.
        state: is told of each tail call.
        limits: capacities by name.

    Attributes:
        random: the source of the jitter of retries.
        emitter: makes events.
        limits_active: whether there are rules or pauses, so that every call must ask the limits.
    """

    def __init__(
        self,
        loop: ServedLoop,
        configure: Callable[[bool, bool, bool], None],
        seed: int | None,
        state: StateBackend | None,
        limits: Mapping[str, float] | None,
    ) -> None:
        self._loop = loop
        self._configure = configure
        self._lock = new_lock()  # for what is made once
        self._refreshing: object = None  # the latest of those who find out which callbacks are needed
        self.random = random.Random(seed)
        self.limits_active = False
        self.emitter = EventEmitter(loop, loop.timers, loop.templates, self.refresh, state)
        self._capacities = dict(limits or {})
        self._limits: Limits | None = None
        self._resources: Registry | None = None
        self._scope: Scope | None = None
        self._flights: SingleFlight | None = None
        if limits:
            self.limits  # noqa: B018 - to refuse at once what is no capacity
        if state is not None:
            self.refresh()

    @property
    def limits(self) -> Limits:
        """Rules and pauses, which can be changed at any time."""
        if self._limits is None:
            from cascade.limits import Limits

            with self._lock:
                if self._limits is None:
                    self._limits = Limits(self._capacities, self._loop.timers, self.refresh, self._loop.check_thread)
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

    @property
    def flights(self) -> SingleFlight:
        """The cached calls that are being made now."""
        if self._flights is None:
            from cascade.cache.single_flight import SingleFlight

            self._flights = SingleFlight()
        return self._flights

    def scope(self) -> Scope:
        """The resources that are set up for the engine as a whole."""
        if self._scope is None:
            from cascade.resources.scope import Scope

            self._scope = Scope(self.resources, "engine", None, self.emitter.hooks(0), self._loop.context)
        return self._scope

    def take_scope(self) -> Scope | None:
        """Return what was set up for the engine as a whole, which has nothing set up from here on."""
        scope, self._scope = self._scope, None
        return scope

    def waited_for(self) -> list[LimitState]:
        """The limits for which calls wait."""
        return [] if self._limits is None else [limit for limit in self._limits.snapshot() if limit.waiting]

    def clear_limits(self) -> None:
        """Forget what calls hold and wait for: they were on another event loop."""
        if self._limits is not None:
            self._limits.clear()

    def renew(self) -> tuple[object, ...]:
        """Let go of what belongs to the parent of this process, a child of `os.fork`, and return it, to be kept."""
        inherited = self._scope, self._flights
        self._scope = self._flights = None
        self.clear_limits()
        self.refresh()
        return inherited

    def refresh(self) -> None:
        """Find out which callbacks the core must make: rules of limits, pauses and subscribers may have come or gone.

        It is called from any thread, perhaps under a lock, so it takes none: what was found out while another thread
        came by may be old, and is found out again.
        """
        while True:
            self._refreshing = mine = object()
            self.limits_active = self._limits is not None and self._limits.active
            self.emitter.refresh()
            self._configure(self.limits_active, self.emitter.wants_nodes, self.emitter.wants_tail_calls)
            if self._refreshing is mine:
                return

    def wall_time(self) -> float:
        """Seconds, as the results in caches are dated."""
        clock = self._loop.clock
        return clock.time() if clock.is_virtual else time.time()
