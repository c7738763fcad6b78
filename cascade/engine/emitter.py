"""The event emitter: makes events of what happens, for what has subscribed to them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from cascade._core.expr.builtin_nodes import Skip
from cascade._core.expr.lazy import LazyResult
from cascade._core.run.results import target_name
from cascade._core.shape.template import Template

if TYPE_CHECKING:
    from cascade.clock.timers import Timers
    from cascade.durable.protocol import StateBackend
    from cascade.engine.run_extras import RunExtras
    from cascade.events import Events
    from cascade.graph.model import GraphTemplate
    from cascade.resources.scope import Hooks
    from cascade.templates.cache import Templates

__all__ = ["EventEmitter", "Loop", "ReportedRun"]


class Loop(Protocol):
    """What is asked of the engine's event loop."""

    def call_in_loop(self, function: Callable[[], object]) -> None:
        """Call a function in the event loop's thread: now, if this is it."""

    def report(self, message: str, error: BaseException) -> None:
        """Hand an error that no caller gets to the event loop's exception handler, or the log."""


class ReportedRun(Protocol):
    """What events tell of a run."""

    id: int

    @property
    def iterations(self) -> int:
        """How many tail calls it has made."""

    @property
    def state(self) -> str:
        """What has become of it, in a word."""

    def _failure(self) -> BaseException | None:
        """What ended it, other than its value."""

    def _ensure_extras(self) -> RunExtras:
        """Its optional state."""


class EventEmitter:
    """Emits one engine's events, and tells its state backend of tail calls. No event is made that nothing wants.

    Args:
        loop: the engine's event loop.
        timers: the engine's clock.
        templates: the engine's.
        refresh: called when what is wanted may have changed.
        state: is told of each tail call; None: there is none.

    Attributes:
        listens: whether it must hear of runs.
        wants_nodes: whether it must hear of nodes.
        wants_tail_calls: whether it must hear of tail calls.
    """

    def __init__(
        self, loop: Loop, timers: Timers, templates: Templates, refresh: Callable[[], None], state: StateBackend | None
    ) -> None:
        self._loop = loop
        self._timers = timers
        self._templates = templates
        self._refresh = refresh
        self._state = state
        self._events: Events | None = None
        # By run, by frame and place, of nodes that have not ended: nanoseconds at the start; None: it is not called.
        self._starts: dict[int, dict[tuple[int, int], int | None]] = {}
        self._wanted: dict[str, Any] = {}  # the types of events that something wants, by name
        self.listens = self.wants_tail_calls = state is not None
        self.wants_nodes = False

    @property
    def events(self) -> Events:
        """Where to subscribe."""
        if self._events is None:
            from cascade.events import Events

            self._events = Events(self._refresh, self._loop.report)
            self._templates.add_listener(self)
            self.listens = True
        return self._events

    def refresh(self) -> None:
        """Find out which events are wanted."""
        if self._events is not None:
            from cascade import events

            self._wanted = {kind.__name__: kind for kind in events.EVENTS if self._events.wants(kind)}
        self.wants_nodes = not self._wanted.keys().isdisjoint(("NodeStarted", "NodeFinished", "NodeSkipped"))
        self.wants_tail_calls = self._state is not None or "TailCall" in self._wanted

    def _emit(self, event: Any) -> None:
        assert self._events is not None
        self._events.emit(event)

    def _node(self, run: ReportedRun, template: Template, number: int) -> dict[str, Any]:
        """What all events of a node tell."""
        task, path = _place(template, number)
        return {
            "time": self._time(), "run": run.id, "task": task, "path": path, "iteration": run.iterations,
            "node": number,
        }  # fmt: skip

    def _time(self) -> float:
        return self._timers.now() / 1e9

    # ------------------------------------------------------------------------------------------------------ runs

    def run_started(self, run: ReportedRun, target: LazyResult) -> None:
        """A run was started."""
        run._ensure_extras().started_at = self._timers.now()
        if kind := self._wanted.get("RunStarted"):
            self._emit(kind(time=self._time(), run=run.id, target=target_name(target)))

    def run_finished(self, run: ReportedRun) -> None:
        """A run has ended, and all that was its own is released."""
        self._starts.pop(run.id, None)
        if self._state is not None:
            try:
                self._state.forget(run.id)
            except Exception as fault:  # the run has its outcome
                self._loop.report(f"the state backend failed at the end of run {run.id}", fault)
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

    def tail_call(self, run: ReportedRun, template: Template, slots: list[Any], outermost: bool) -> None:
        """A run goes on with another expression."""
        if self._state is not None and outermost:
            from cascade.templates.store import digest_of_key

            digest = digest_of_key(template.structure_key).hex()
            self._state.boundary(run.id, run.iterations + 1, digest, slots)
            self._state.clear(run.id, run.iterations + 1)
        if kind := self._wanted.get("TailCall"):
            target = _place(template, len(template.graph.nodes) - 1)[0]
            self._emit(kind(time=self._time(), run=run.id, iteration=run.iterations + 1, target=target))

    # ----------------------------------------------------------------------------------------------------- nodes

    def started(self, run: ReportedRun, template: Template, at: int, frame: int) -> None:
        """A node starts."""
        if "NodeFinished" in self._wanted:
            self._starts.setdefault(run.id, {})[frame, at] = self._timers.now()
        if kind := self._wanted.get("NodeStarted"):
            self._emit(kind(**self._node(run, template, template.plan.order[at])))

    def finished(self, run: ReportedRun, template: Template, at: int, frame: int) -> None:
        """A node has its value."""
        now = self._timers.now()
        start = self._starts.get(run.id, {}).pop((frame, at), now)
        if start is not None and (kind := self._wanted.get("NodeFinished")):
            seconds = (now - start) * 1e-9
            self._emit(kind(**self._node(run, template, template.plan.order[at]), seconds=seconds))

    def skipped(self, run: ReportedRun, template: Template, at: int, skip: Skip) -> None:
        """A node is skipped."""
        if kind := self._wanted.get("NodeSkipped"):
            from cascade.graph.describe import describe_skip

            number = template.plan.order[at]
            if template is skip.template and number == skip.number:  # the condition itself: told of what it is about
                number = getattr(template.graph.nodes[number].operands[1], "index", number)
            self._emit(kind(**self._node(run, template, number), reason=describe_skip(skip)))

    def failed(self, run: ReportedRun, template: Template, number: int, error: BaseException) -> None:
        """A node has failed, for good."""
        if kind := self._wanted.get("NodeFailed"):
            self._emit(kind(**self._node(run, template, number), error=text(error)))

    def retrying(
        self, run: ReportedRun, template: Template, at: int, attempt: int, delay: float, error: BaseException
    ) -> None:
        """A call has failed, and will be made again."""
        if kind := self._wanted.get("NodeRetrying"):
            node = self._node(run, template, template.plan.order[at])
            self._emit(kind(**node, attempt=attempt, delay=delay, error=text(error)))

    def blocked(self, run: ReportedRun, template: Template, at: int, reason: str) -> None:
        """A node must wait for the limits."""
        if kind := self._wanted.get("NodeBlocked"):
            self._emit(kind(**self._node(run, template, template.plan.order[at]), reason=reason))

    def unblocked(self, run: ReportedRun, template: Template, at: int, reason: str, seconds: float) -> None:
        """A node had to wait for the limits, and need not any more."""
        if kind := self._wanted.get("NodeUnblocked"):
            node = self._node(run, template, template.plan.order[at])
            self._emit(kind(**node, reason=reason, seconds=seconds))

    def cache_hit(self, run: ReportedRun, template: Template, at: int, frame: int, key: bytes) -> None:
        """A call was not made, as its result is known: it does not start, nor will it end."""
        if "NodeFinished" in self._wanted:
            self._starts.setdefault(run.id, {})[frame, at] = None
        if kind := self._wanted.get("CacheHit"):
            self._emit(kind(**self._node(run, template, template.plan.order[at]), key=key.hex()))

    def demoted(self, task: str, seconds: float) -> None:
        """A task is not to run inline any more."""
        if kind := self._wanted.get("TaskDemoted"):
            self._loop.call_in_loop(lambda: self._emit(kind(time=self._time(), run=0, task=task, seconds=seconds)))

    # ------------------------------------------------------------------------------------------------- resources

    def hooks(self, run: int) -> Hooks:
        """What hears of the resources of a run, by its number; 0: of the engine."""
        from cascade.resources.scope import Hooks

        return Hooks(partial(self.acquired, run), partial(self.released, run), self._loop.report)

    def acquired(self, run: int, name: str, scope: str) -> None:
        """A resource is set up."""
        if kind := self._wanted.get("ResourceAcquired"):
            self._emit(kind(time=self._time(), run=run, name=name, scope=scope))

    def released(self, run: int, name: str, scope: str, error: BaseException | None) -> None:
        """A resource is torn down."""
        if kind := self._wanted.get("ResourceReleased"):
            self._emit(
                kind(time=self._time(), run=run, name=name, scope=scope, error=None if error is None else text(error))
            )

    # ------------------------------------------------------------------------------------------------- templates

    def now(self) -> int:
        """Nanoseconds on the engine's clock."""
        return self._timers.now()

    def template_built(self, graph: GraphTemplate, since: int) -> None:
        """A template was built, which began at ``since``."""
        self._template("TemplateBuilt", graph, seconds=(self.now() - since) * 1e-9)

    def template_loaded(self, graph: GraphTemplate) -> None:
        """A template was read from a file."""
        self._template("TemplateLoaded", graph)

    def template_evicted(self, graph: GraphTemplate) -> None:
        """A template was dropped, as there was no room for it."""
        self._template("TemplateEvicted", graph)

    def _template(self, what: str, graph: GraphTemplate, **details: Any) -> None:
        """Emit an event of a template, from whatever thread, as engines may share templates."""
        if kind := self._wanted.get(what):
            from cascade.graph.labels import title

            details |= {"target": title(graph, graph.nodes[-1]), "nodes": len(graph.nodes)}
            self._loop.call_in_loop(lambda: self._emit(kind(time=self._time(), run=0, **details)))


def _place(template: Template, number: int) -> tuple[str, str]:
    """Return the name of a node's task, or what else it makes, and its path from the target."""
    places = template.places
    if places is None:
        places = template.places = {}
    if number not in places:
        from cascade.graph.labels import title
        from cascade.graph.path import locate

        places[number] = title(template.graph, template.graph.nodes[number]), locate(template.graph, number)
    return places[number]


def text(error: BaseException) -> str:
    """Return an error as the text of an event."""
    from cascade._support.failures import describe

    return describe(error)
