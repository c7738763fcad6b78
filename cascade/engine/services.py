"""Engine services other than the loop: random source, events, limits, resources, cache.

Most programs use few of them, so each is made on first use.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from contextvars import Context
from typing import TYPE_CHECKING, Protocol

from cascade._support.forks import new_lock
from cascade.cache.age_clock import age_clock
from cascade.clock.timers import Timers
from cascade.engine.emitter import EventEmitter, Loop

if TYPE_CHECKING:
    from cascade._core.time.clock import Clock
    from cascade.cache.single_flight import SingleFlight
    from cascade.durable.protocol import StateBackend
    from cascade.engine.recorder import StateRecorder
    from cascade.limits import Limits, LimitState
    from cascade.resources.registry import Registry
    from cascade.resources.scope import Scope
    from cascade.templates.cache import Templates

__all__ = ["ServedLoop", "Services", "check_state_backend"]


class ServedLoop(Loop, Protocol):
    """The engine's loop driver, as its services see it."""

    @property
    def clock(self) -> Clock:
        """The engine's clock."""

    @property
    def timers(self) -> Timers:
        """Timers on the engine's clock."""

    @property
    def templates(self) -> Templates:
        """The engine's templates."""

    @property
    def context(self) -> Context:
        """The context in which the engine's resources are set up."""

    def check_thread(self) -> None:
        """Raise `EngineStateError` if the engine is in use in another thread."""


def check_state_backend(state: StateBackend | None) -> None:
    """Raise `TypeError` unless it is None or has the methods that the engine calls."""
    for method in () if state is None else ("boundary", "clear", "forget"):
        if isinstance(state, type) or not callable(getattr(state, method, None)):
            got = f"the class `{state.__name__}`" if isinstance(state, type) else f"`{type(state).__name__}`"
            raise TypeError(f"state must be a state backend with a method `{method}`, got {got}")


class Services:
    """The services of one engine.

    Args:
        loop: the engine's loop driver.
        configure: called with three switches of the core: ask the limits, notify of nodes, notify of tail calls.
        seed: seeds the random source; None: arbitrary.
        state: the state backend; None: none.
        limits: capacities and rates by name.

    Attributes:
        random: the random source of the jitter of retries.
        emitter: emits events.
        recorder: calls the state backend; None: there is none.
        limits_active: whether there are rules or pauses, so that every call must ask the limits.
    """

    def __init__(
        self,
        loop: ServedLoop,
        configure: Callable[[bool, bool, bool], None],
        seed: int | None,
        state: StateBackend | None,
        limits: Mapping[str, float | str] | None,
    ) -> None:
        self._loop = loop
        self._configure = configure
        self._lock = new_lock()  # held while a service is made
        self._refreshing: object = None  # identifies the latest call of `refresh`
        self.random = random.Random(seed)
        self.limits_active = False
        self.emitter = EventEmitter(loop, loop.timers, loop.templates, self.refresh)
        self.recorder: StateRecorder | None = None
        self._capacities = dict(limits or {})
        self._limits: Limits | None = None
        self._resources: Registry | None = None
        self._scope: Scope | None = None
        self._single_flight: SingleFlight | None = None
        if limits:
            self.limits  # noqa: B018 - to raise at once if a capacity is not valid
        if state is not None:
            from cascade.engine.recorder import StateRecorder

            self.recorder = StateRecorder(state, loop.report)
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
    def single_flight(self) -> SingleFlight:
        """The cached calls that are being made now, so that equal calls share one result."""
        if self._single_flight is None:
            from cascade.cache.single_flight import SingleFlight

            self._single_flight = SingleFlight()
        return self._single_flight

    def scope(self) -> Scope:
        """Return the scope of the engine's resources, made on first use."""
        if self._scope is None:
            from cascade.resources.scope import Scope

            self._scope = Scope(self.resources, "engine", None, self.emitter.hooks(None), self._loop.context)
        return self._scope

    def take_scope(self) -> Scope | None:
        """Remove and return the scope of the engine's resources; None: nothing was set up."""
        scope, self._scope = self._scope, None
        return scope

    def waited_for(self) -> list[LimitState]:
        """The limits for which calls wait."""
        return [] if self._limits is None else [limit for limit in self._limits.snapshot() if limit.waiting]

    def clear_limits(self) -> None:
        """Forget all grants and waiting requests: their calls were on another event loop."""
        if self._limits is not None:
            self._limits.clear()

    def reset_after_fork(self) -> tuple[object, ...]:
        """Begin anew in a child of `os.fork`. Return the state of the parent, which the caller must keep alive."""
        inherited = self._scope, self._single_flight
        self._scope = self._single_flight = None
        self.clear_limits()
        self.refresh()
        return inherited

    def refresh(self) -> None:
        """Set which callbacks the core makes: rules, pauses or subscribers may have been added or removed.

        It is called from any thread, perhaps under a lock, so it takes none. If another thread has called it meanwhile,
        the switches may be outdated, so it starts again.
        """
        while True:
            self._refreshing = mine = object()
            self.limits_active = self._limits is not None and self._limits.active
            self.emitter.refresh()
            tail_calls = self.emitter.wants_tail_calls or self.recorder is not None
            self._configure(self.limits_active, self.emitter.wants_nodes, tail_calls)
            if self._refreshing is mine:
                return

    def wall_time(self) -> float:
        """Return the time by which cached results expire: that of the `age_clock`; on a virtual clock, its time."""
        clock = self._loop.clock
        return clock.time() if clock.is_virtual else age_clock.now()
