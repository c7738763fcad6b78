"""The reporter: makes events of what happens, for those who have subscribed to them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from cascade._core.expr.builtin_nodes import Skip
from cascade._core.expr.lazy import LazyResult
from cascade._core.shape.template import Template

if TYPE_CHECKING:
    from cascade.durable.protocol import StateBackend
    from cascade.engine.run import Run
    from cascade.engine.services import Belongings
    from cascade.events import Events
    from cascade.graph.model import GraphTemplate
    from cascade.resources.scope import Hooks

__all__ = ["Reporter"]


class Reporter:
    """One engine's reporter. No event is made that nobody wants.

    Args:
        engine: the engine.
        state: what sees each tail call's boundary; None: nothing does.

    Attributes:
        listens: whether it must hear of runs.
        told: whether somebody wants to hear of nodes.
        bounded: whether somebody wants to hear of tail calls.
        attending: the latest of those who see what there is to be told.
    """

    def __init__(self, engine: Belongings, state: StateBackend | None) -> None:
        self._engine = engine
        self._state = state
        self._events: Events | None = None
        # By run, by frame and place, of nodes that have not ended: nanoseconds at the start; None: it is not called.
        self._starts: dict[int, dict[tuple[int, int], int | None]] = {}
        self.attending: object = None
        self._wanted: dict[str, Any] = {}  # the types of events that somebody wants, by name
        self.listens = self.bounded = state is not None
        self.told = False

    @property
    def events(self) -> Events:
        """Where to subscribe."""
        if self._events is None:
            from cascade.events import Events

            self._events = Events(self._engine.attend, self._engine.report)
            self._engine.templates.add_listener(self)
            self.listens = True
        return self._events

    def attend(self) -> None:
        """See who wants to hear of what."""
        if self._events is not None:
            from cascade import events

            self._wanted = {kind.__name__: kind for kind in events.EVENTS if self._events.wants(kind)}
        self.told = not self._wanted.keys().isdisjoint(("NodeStarted", "NodeFinished", "NodeSkipped"))
        self.bounded = self._state is not None or "TailCall" in self._wanted

    def _emit(self, event: Any) -> None:
        assert self._events is not None
        self._events.emit(event)

    def _node(self, run: Run, template: Template, number: int) -> dict[str, Any]:
        """What all events of a node tell."""
        task, path = _place(template, number)
        return {
            "time": self._time(), "run": run.id, "task": task, "path": path, "iteration": run.iterations,
            "node": number,
        }  # fmt: skip

    def _time(self) -> float:
        return self._engine.timers.now() / 1e9

    def report(self, message: str, error: BaseException) -> None:
        """What nobody has asked for must not be lost."""
        self._engine.report(message, error)

    # ------------------------------------------------------------------------------------------------------ runs

    def run_started(self, run: Run, target: LazyResult) -> None:
        """A run was started."""
        run.pack().started_at = self._engine.timers.now()
        if kind := self._wanted.get("RunStarted"):
            name = f"{target.task.module}.{target.task.name}"
            self._emit(kind(time=self._time(), run=run.id, target=name))

    def run_finished(self, run: Run) -> None:
        """A run has ended, and all that was its own is released."""
        self._starts.pop(run.id, None)
        if self._state is not None:
            try:
                self._state.forget(run.id)
            except Exception as fault:  # the run has its outcome
                self.report(f"the state backend failed at the end of run {run.id}", fault)
        if kind := self._wanted.get("RunFinished"):
            error = run.failure() if run.errors else None
            started_at = run.pack().started_at
            self._emit(
                kind(
                    time=self._time(),
                    run=run.id,
                    outcome=run.state,
                    iterations=run.iterations,
                    seconds=0.0 if started_at is None else (self._engine.timers.now() - started_at) * 1e-9,
                    error=None if error is None else text(error),
                )
            )

    def tail_call(self, run: Run, template: Template, slots: list[Any], outermost: bool) -> None:
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

    def started(self, run: Run, template: Template, at: int, frame: int) -> None:
        """A node starts."""
        if "NodeFinished" in self._wanted:
            self._starts.setdefault(run.id, {})[frame, at] = self._engine.timers.now()
        if kind := self._wanted.get("NodeStarted"):
            self._emit(kind(**self._node(run, template, template.plan.order[at])))

    def finished(self, run: Run, template: Template, at: int, frame: int) -> None:
        """A node has its value."""
        now = self._engine.timers.now()
        start = self._starts.get(run.id, {}).pop((frame, at), now)
        if start is not None and (kind := self._wanted.get("NodeFinished")):
            seconds = (now - start) * 1e-9
            self._emit(kind(**self._node(run, template, template.plan.order[at]), seconds=seconds))

    def skipped(self, run: Run, template: Template, at: int, skip: Skip) -> None:
        """A node is skipped."""
        if kind := self._wanted.get("NodeSkipped"):
            from cascade.graph.describe import describe_skip

            number = template.plan.order[at]
            if template is skip.template and number == skip.number:  # the condition itself: told of what it is about
                number = getattr(template.graph.nodes[number].operands[1], "index", number)
            self._emit(kind(**self._node(run, template, number), reason=describe_skip(skip)))

    def failed(self, run: Run, template: Template, number: int, error: BaseException) -> None:
        """A node has failed, for good."""
        if kind := self._wanted.get("NodeFailed"):
            self._emit(kind(**self._node(run, template, number), error=text(error)))

    def retrying(
        self, run: Run, template: Template, at: int, attempt: int, delay: float, error: BaseException
    ) -> None:
        """A call has failed, and will be made again."""
        if kind := self._wanted.get("NodeRetrying"):
            node = self._node(run, template, template.plan.order[at])
            self._emit(kind(**node, attempt=attempt, delay=delay, error=text(error)))

    def blocked(self, run: Run, template: Template, at: int, reason: str) -> None:
        """A node must wait for the limits."""
        if kind := self._wanted.get("NodeBlocked"):
            self._emit(kind(**self._node(run, template, template.plan.order[at]), reason=reason))

    def unblocked(self, run: Run, template: Template, at: int, reason: str, seconds: float) -> None:
        """A node had to wait for the limits, and need not any more."""
        if kind := self._wanted.get("NodeUnblocked"):
            node = self._node(run, template, template.plan.order[at])
            self._emit(kind(**node, reason=reason, seconds=seconds))

    def cache_hit(self, run: Run, template: Template, at: int, frame: int, key: bytes) -> None:
        """A call was not made, as its result is known: it does not start, nor will it end."""
        if "NodeFinished" in self._wanted:
            self._starts.setdefault(run.id, {})[frame, at] = None
        if kind := self._wanted.get("CacheHit"):
            self._emit(kind(**self._node(run, template, template.plan.order[at]), key=key.hex()))

    def demoted(self, task: str, seconds: float) -> None:
        """A task is not to run inline any more."""
        if kind := self._wanted.get("TaskDemoted"):
            self._engine.call_in_loop(lambda: self._emit(kind(time=self._time(), run=0, task=task, seconds=seconds)))

    # ------------------------------------------------------------------------------------------------- resources

    def hooks(self, run: int) -> Hooks:
        """What hears of the resources of a run, by its number; 0: of the engine."""
        from cascade.resources.scope import Hooks

        return Hooks(partial(self.acquired, run), partial(self.released, run), self.report)

    def acquired(self, run: int, name: str, scope: str) -> None:
        """A resource is set up."""
        if kind := self._wanted.get("ResourceAcquired"):
            self._emit(kind(time=self._time(), run=run, name=name, scope=scope))

    def released(self, run: int, name: str, scope: str, error: BaseException | None) -> None:
        """A resource is torn down."""
        if kind := self._wanted.get("ResourceReleased"):
            self._emit(
                kind(
                    time=self._time(), run=run, name=name, scope=scope, error=None if error is None else text(error)
                )
            )

    # ------------------------------------------------------------------------------------------------- templates

    def now(self) -> int:
        """Nanoseconds on the engine's clock."""
        return self._engine.timers.now()

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
            self._engine.call_in_loop(lambda: self._emit(kind(time=self._time(), run=0, **details)))


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
