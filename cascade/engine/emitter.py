"""The event emitter: makes events for subscribers."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from cascade._core.expr.builtin_nodes import Skip
from cascade._core.expr.lazy import LazyResult
from cascade._core.run.results import target_name
from cascade._core.shape.template import Template
from cascade.engine.places import path_of, title_of

if TYPE_CHECKING:
    from cascade._core.run.trail import Trail
    from cascade.clock.timers import Timers
    from cascade.engine.run_extras import RunExtras
    from cascade.events import Events
    from cascade.graph.model import GraphTemplate
    from cascade.resources.scope import Hooks
    from cascade.templates.cache import Templates

__all__ = ["EventEmitter", "Loop", "ReportedRun"]


class Loop(Protocol):
    """The engine's loop driver, as the emitter sees it."""

    def call_in_loop(self, function: Callable[[], object]) -> None:
        """Call a function in the event loop's thread: at once, if this is that thread."""

    def report(self, message: str, error: BaseException) -> None:
        """Pass an error that no caller receives to the event loop's exception handler, or log it."""


class ReportedRun(Protocol):
    """A run, as events describe it."""

    id: int

    @property
    def iterations(self) -> int:
        """How many tail calls it has made."""

    @property
    def state(self) -> str:
        """Its state, as `Run.state`."""

    def _failure(self) -> BaseException | None:
        """Return the exception with which it has ended; None: it has a value."""

    def _ensure_extras(self) -> RunExtras:
        """Return its optional state, made on first use."""


class EventEmitter:
    """Emits the events of one engine. Events that no subscriber wants are not made.

    Args:
        loop: the engine's loop driver.
        timers: timers on the engine's clock.
        templates: the engine's templates.
        refresh: called when subscribers were added or removed.

    Attributes:
        listens: whether `run_started` and `run_finished` must be called.
        wants_nodes: whether `started`, `finished` and `skipped` must be called.
        wants_tail_calls: whether `tail_call` must be called.
        wants_blocks: whether `blocked` and `unblocked` must be called.
    """

    def __init__(self, loop: Loop, timers: Timers, templates: Templates, refresh: Callable[[], None]) -> None:
        self._loop = loop
        self._timers = timers
        self._templates = templates
        self._refresh = refresh
        self._events: Events | None = None
        # Start times of nodes that have not ended, in nanoseconds: run -> (frame, place) -> time; None: a cache hit.
        self._starts: dict[int, dict[tuple[int, int], int | None]] = {}
        self._wanted: dict[str, Any] = {}  # the types of events that have subscribers, by name
        self.listens = self.wants_nodes = self.wants_tail_calls = self.wants_blocks = False

    @property
    def events(self) -> Events:
        """The event bus, made on first use."""
        if self._events is None:
            from cascade.events import Events

            self._events = Events(self._refresh, self._loop.report)
            self._templates.add_listener(self)
            self.listens = True
        return self._events

    def refresh(self) -> None:
        """Update which events have subscribers."""
        if self._events is not None:
            from cascade import events

            self._wanted = {kind.__name__: kind for kind in events.EVENTS if self._events.wants(kind)}
        self.wants_nodes = not self._wanted.keys().isdisjoint(("NodeStarted", "NodeFinished", "NodeSkipped"))
        self.wants_tail_calls = "TailCall" in self._wanted
        self.wants_blocks = "NodeBlocked" in self._wanted or "NodeUnblocked" in self._wanted

    def _emit(self, event: Any) -> None:
        assert self._events is not None
        self._events.emit(event)

    def _node(self, run: ReportedRun, template: Template, number: int, trail: Trail) -> dict[str, Any]:
        """Return the attributes that all events of nodes have."""
        return {
            "time": self._time(), "run": run.id, "task": title_of(template, number),
            "path": path_of(template, number, trail), "iteration": run.iterations, "node": number,
        }  # fmt: skip

    def _time(self) -> float:
        return self._timers.now() / 1e9

    # ------------------------------------------------------------------------------------------------------ runs

    def run_started(self, run: ReportedRun, target: LazyResult) -> None:
        """Record that a run was started."""
        run._ensure_extras().started_at = self._timers.now()
        if kind := self._wanted.get("RunStarted"):
            self._emit(kind(time=self._time(), run=run.id, target=target_name(target)))

    def run_finished(self, run: ReportedRun) -> None:
        """Record that a run has ended and its resources are torn down."""
        self._starts.pop(run.id, None)
        if kind := self._wanted.get("RunFinished"):
            error = run._failure() if run.state in ("failed", "skipped") else None
            started_at = run._ensure_extras().started_at
            self._emit(
                kind(
                    time=self._time(),
                    run=run.id,
                    outcome=run.state,
                    iterations=run.iterations,
                    seconds=0.0 if started_at is None else (self._timers.now() - started_at) * 1e-9,
                    error=None if error is None else text(error),
                )
            )

    def tail_call(self, run: ReportedRun, template: Template) -> None:
        """Record a tail call: the run goes on with another expression."""
        if kind := self._wanted.get("TailCall"):
            target = title_of(template, len(template.graph.nodes) - 1)
            self._emit(kind(time=self._time(), run=run.id, iteration=run.iterations + 1, target=target))

    # ----------------------------------------------------------------------------------------------------- nodes

    def started(self, run: ReportedRun, template: Template, at: int, frame: int, trail: Trail = ()) -> None:
        """Record that a node starts. ``trail``: as `path_of` takes it."""
        if "NodeFinished" in self._wanted:
            self._starts.setdefault(run.id, {})[frame, at] = self._timers.now()
        if kind := self._wanted.get("NodeStarted"):
            self._emit(kind(**self._node(run, template, template.plan.order[at], trail)))

    def finished(self, run: ReportedRun, template: Template, at: int, frame: int, trail: Trail = ()) -> None:
        """Record that a node has its value."""
        now = self._timers.now()
        start = self._starts.get(run.id, {}).pop((frame, at), now)
        if start is not None and (kind := self._wanted.get("NodeFinished")):
            seconds = (now - start) * 1e-9
            self._emit(kind(**self._node(run, template, template.plan.order[at], trail), seconds=seconds))

    def skipped(self, run: ReportedRun, template: Template, at: int, skip: Skip, trail: Trail = ()) -> None:
        """Record that a node is skipped."""
        if kind := self._wanted.get("NodeSkipped"):
            from cascade.graph.describe import describe_skip

            number = template.plan.order[at]
            if template is skip.template and number == skip.number:  # the condition: name the node that it guards
                number = getattr(template.graph.nodes[number].operands[1], "index", number)
            self._emit(kind(**self._node(run, template, number, trail), reason=describe_skip(skip)))

    def failed(
        self,
        run: ReportedRun,
        template: Template,
        number: int,
        error: BaseException,
        caught: bool,
        trail: Trail = (),
    ) -> None:
        """Record that a node has failed and is not retried. ``caught``: its run goes on."""
        if kind := self._wanted.get("NodeCaught" if caught else "NodeFailed"):
            self._emit(kind(**self._node(run, template, number, trail), error=text(error)))

    def retrying(
        self,
        run: ReportedRun,
        template: Template,
        at: int,
        attempt: int,
        delay: float,
        error: BaseException,
        trail: Trail = (),
    ) -> None:
        """Record that a call has failed and is retried after ``delay`` seconds."""
        if kind := self._wanted.get("NodeRetrying"):
            node = self._node(run, template, template.plan.order[at], trail)
            self._emit(kind(**node, attempt=attempt, delay=delay, error=text(error)))

    def blocked(self, run: ReportedRun, template: Template, at: int, reason: str, trail: Trail = ()) -> None:
        """Record that a node waits for the limits."""
        if kind := self._wanted.get("NodeBlocked"):
            self._emit(kind(**self._node(run, template, template.plan.order[at], trail), reason=reason))

    def unblocked(
        self, run: ReportedRun, template: Template, at: int, reason: str, seconds: float, trail: Trail = ()
    ) -> None:
        """Record that a node no longer waits for the limits."""
        if kind := self._wanted.get("NodeUnblocked"):
            node = self._node(run, template, template.plan.order[at], trail)
            self._emit(kind(**node, reason=reason, seconds=seconds))

    def cache_hit(
        self, run: ReportedRun, template: Template, at: int, frame: int, key: bytes, trail: Trail = ()
    ) -> None:
        """Record that the result of a call was cached: there is no NodeStarted and no NodeFinished for it."""
        if "NodeFinished" in self._wanted:
            self._starts.setdefault(run.id, {})[frame, at] = None
        if kind := self._wanted.get("CacheHit"):
            self._emit(kind(**self._node(run, template, template.plan.order[at], trail), key=key.hex()))

    def demoted(self, task: str, seconds: float) -> None:
        """Record that a task no longer runs inline. Called from any thread."""
        if kind := self._wanted.get("TaskDemoted"):
            self._loop.call_in_loop(lambda: self._emit(kind(time=self._time(), run=0, task=task, seconds=seconds)))

    # ------------------------------------------------------------------------------------------------- resources

    def hooks(self, run: int) -> Hooks:
        """Return the callbacks of a resource scope: that of the run with this number; 0: that of the engine."""
        from cascade.resources.scope import Hooks

        return Hooks(partial(self.acquired, run), partial(self.released, run), self._loop.report)

    def acquired(self, run: int, name: str, scope: str) -> None:
        """Record that a resource is set up."""
        if kind := self._wanted.get("ResourceAcquired"):
            self._emit(kind(time=self._time(), run=run, name=name, scope=scope))

    def released(self, run: int, name: str, scope: str, error: BaseException | None) -> None:
        """Record that a resource is torn down."""
        if kind := self._wanted.get("ResourceReleased"):
            self._emit(
                kind(time=self._time(), run=run, name=name, scope=scope, error=None if error is None else text(error))
            )

    # ------------------------------------------------------------------------------------------------- templates

    def now(self) -> int:
        """Nanoseconds on the engine's clock."""
        return self._timers.now()

    def template_built(self, graph: GraphTemplate, since: int) -> None:
        """Record that a template was built. ``since``: the time of the beginning, as `now` returns it."""
        self._template("TemplateBuilt", graph, seconds=(self.now() - since) * 1e-9)

    def template_loaded(self, graph: GraphTemplate) -> None:
        """Record that a template was read from a file."""
        self._template("TemplateLoaded", graph)

    def template_evicted(self, graph: GraphTemplate) -> None:
        """Record that a template was evicted from the cache, which was full."""
        self._template("TemplateEvicted", graph)

    def _template(self, what: str, graph: GraphTemplate, **details: Any) -> None:
        """Emit an event of a template. Called from any thread, as engines may share templates."""
        if kind := self._wanted.get(what):
            from cascade.graph.labels import title

            details |= {"target": title(graph, graph.nodes[-1]), "nodes": len(graph.nodes)}
            self._loop.call_in_loop(lambda: self._emit(kind(time=self._time(), run=0, **details)))


def text(error: BaseException) -> str:
    """Return an exception as the text of an event."""
    from cascade._support.failures import describe

    return describe(error)
