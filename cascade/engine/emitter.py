"""The event emitter: makes events for subscribers."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from cascade._core.expr.builtin_nodes import Skip
from cascade._core.expr.lazy import LazyResult
from cascade._core.run.results import target_name
from cascade._core.shape.template import Template
from cascade.engine.open_calls import OpenCall, RunCalls, fields_of
from cascade.engine.places import path_of, title_of
from cascade.engine.process_name import this_process

if TYPE_CHECKING:
    from concurrent.futures import Future

    from cascade._core.run.place import Place
    from cascade._core.run.waiting import Waiter
    from cascade.clock.timers import Timers
    from cascade.engine.run_extras import RunExtras
    from cascade.engine.run_label import RunLabel
    from cascade.events import Event, Events
    from cascade.graph.model import GraphTemplate
    from cascade.resources.scope import Hooks
    from cascade.templates.cache import Templates

__all__ = ["EventEmitter", "Loop", "ReportedRun"]

_OF_ALL_NODES = ("NodeStarted", "NodeFinished", "NodeSkipped", "NodePruned", "NodeStopped")  # emitted for each node


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
    def _label(self) -> RunLabel:
        """Its name and tags."""

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
        wants_nodes: whether `started`, `finished`, `skipped`, `pruned` and `stopped` must be called.
        wants_tail_calls: whether `tail_call` must be called.
        wants_blocks: whether `blocked` and `unblocked` must be called.
    """

    def __init__(self, loop: Loop, timers: Timers, templates: Templates, refresh: Callable[[], None]) -> None:
        self._loop = loop
        self._timers = timers
        self._templates = templates
        self._refresh = refresh
        self._events: Events | None = None
        self._calls: dict[int, RunCalls] = {}  # by run
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
        self.wants_nodes = not self._wanted.keys().isdisjoint(_OF_ALL_NODES)
        self.wants_tail_calls = "TailCall" in self._wanted
        blocks = "NodeBlocked" in self._wanted or "NodeUnblocked" in self._wanted
        self.wants_blocks = blocks or self.wants_nodes  # which tell how long a call has waited

    def _emit(self, event: Any) -> None:
        assert self._events is not None
        self._events.emit(event)

    def _run(self, run: ReportedRun) -> dict[str, Any]:
        """Return the attributes that all events of a run have."""
        label = run._label
        return {**self._now(), "run": run.id, "run_name": label.name, "tags": label.plain_tags}

    def _now(self) -> dict[str, Any]:
        """Return the attributes that all events have."""
        return {"time": self._timers.now() / 1e9, "timestamp": time.time(), "process": this_process()}

    # ------------------------------------------------------------------------------------------------------ runs

    def run_started(self, run: ReportedRun, target: LazyResult) -> None:
        """Record that a run was started."""
        run._ensure_extras().started_at = self._timers.now()
        if kind := self._wanted.get("RunStarted"):
            self._emit(kind(**self._run(run), target=target_name(target)))

    def run_finished(self, run: ReportedRun) -> None:
        """Record that a run has ended and its resources are torn down."""
        if (calls := self._calls.get(run.id)) is not None:
            for number in reversed([*calls.open]):  # those inside others first
                self._stop(run, calls, number, "run")
            del self._calls[run.id]
        if kind := self._wanted.get("RunFinished"):
            error = run._failure() if run.state in ("failed", "skipped") else None
            started_at = run._ensure_extras().started_at
            self._emit(
                kind(
                    **self._run(run),
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
            self._emit(kind(**self._run(run), iteration=run.iterations + 1, target=target))

    # ----------------------------------------------------------------------------------------------------- nodes

    def started(self, run: ReportedRun, place: Place, waited: int = 0) -> None:
        """Record that a node starts. ``waited``: nanoseconds that it has waited, waits for limits aside."""
        calls = self._calls_of(run)
        waited += calls.waits.pop(place.call, 0)
        call = calls.open[place.call] = OpenCall(place, run.iterations, self._timers.now(), waited)
        if not call.is_told_late:
            self._tell_start(run, call)

    def finished(self, run: ReportedRun, number: int) -> None:
        """Record that a node has its value. ``number``: of its call."""
        calls = self._calls.get(run.id)
        call = None if calls is None else calls.open.pop(number, None)
        if call is None:  # it was cached, or has started before anything subscribed
            return
        self._tell_start(run, call)
        if kind := self._wanted.get("NodeFinished"):
            self._emit(kind(**self._run(run), **call.fields(), **call.times(self._timers.now())))

    def skipped(self, run: ReportedRun, place: Place, skip: Skip, chosen: Place | None) -> None:
        """Record that a node is skipped. ``chosen``: what a condition would have chosen, by which it is named."""
        calls = self._calls_of(run)
        call = calls.open.get(place.call)
        if call is not None and call.told:
            self.finished(run, place.call)
            return
        calls.open.pop(place.call, None)
        if kind := self._wanted.get("NodeSkipped"):
            from cascade.graph.describe import describe_skip

            fields = fields_of(place, run.iterations)
            if chosen is not None:
                fields |= {"task": title_of(chosen.template, chosen.number), "path": path_of(chosen)}
            self._emit(kind(**self._run(run), **fields, reason=describe_skip(skip)))

    def pruned(self, run: ReportedRun, places: list[Place]) -> None:
        """Record that an expression has its value without those of some of its nodes."""
        calls = self._calls_of(run)
        kind = self._wanted.get("NodePruned")
        for place in places:
            if place.call in calls.over:
                calls.over.discard(place.call)
            elif kind is not None and place.call not in calls.open:
                from cascade.graph.describe import describe_chooser

                reason = describe_chooser(place.template.graph, place.number)
                self._emit(kind(**self._run(run), **fields_of(place, run.iterations), reason=reason))

    def stopped(self, run: ReportedRun, ended: list[int], given_up: list[int], pending: list[int]) -> None:
        """Record that calls were stopped, as far as they have started: those in ``pending`` have not ended yet."""
        if (calls := self._calls.get(run.id)) is None:
            return
        calls.over.update(number for number in given_up if number in calls.open)
        for number in (*ended, *given_up):
            if number not in pending:
                self._stop(run, calls, number, "unneeded")

    def ended(self, run: ReportedRun, number: int) -> None:
        """Record that a call that was stopped has ended, if its failure was not recorded."""
        if (calls := self._calls.get(run.id)) is not None:
            self._stop(run, calls, number, "unneeded")

    def failed(self, run: ReportedRun, place: Place, error: BaseException, levels: int) -> None:
        """Record that a node has failed and is not retried.

        Args:
            run: its run.
            place: of the node.
            error: the failure.
            levels: how many of the calls that it is a part of end with it; -1: all, and so does the run.
        """
        calls = self._calls.get(run.id)
        call = None if calls is None else calls.open.pop(place.call, None)
        if call is not None:
            self._tell_start(run, call)
        if kind := self._wanted.get("NodeFailed" if levels < 0 else "NodeCaught"):
            if call is not None:
                about = {**call.fields(), **call.times(self._timers.now())}
            else:
                about = fields_of(place, run.iterations)
            self._emit(kind(**self._run(run), **about, error=text(error)))
        parent = place.parent
        while calls is not None and levels != 0 and (call := calls.open.get(parent)) is not None:
            self._stop(run, calls, parent, "failed")
            parent = call.place.parent
            levels -= 1

    def retrying(self, run: ReportedRun, waiter: Waiter, attempt: int, delay: float, error: BaseException) -> None:
        """Record that a call has failed and is retried after ``delay`` seconds."""
        if kind := self._wanted.get("NodeRetrying"):
            self._emit(
                kind(**self._run(run), **self._fields(run, waiter), attempt=attempt, delay=delay, error=text(error))
            )

    def blocked(self, run: ReportedRun, waiter: Waiter, reason: str) -> None:
        """Record that a node waits for the limits."""
        if kind := self._wanted.get("NodeBlocked"):
            self._emit(kind(**self._run(run), **self._fields(run, waiter), reason=reason))

    def unblocked(self, run: ReportedRun, waiter: Waiter, reason: str, waited: int) -> None:
        """Record that a node no longer waits for the limits. ``waited``: for how many nanoseconds it has."""
        self.waited(run, waiter, waited)
        if kind := self._wanted.get("NodeUnblocked"):
            self._emit(kind(**self._run(run), **self._fields(run, waiter), reason=reason, seconds=waited * 1e-9))

    def cache_hit(self, run: ReportedRun, waiter: Waiter, key: bytes) -> None:
        """Record that the result of a call was cached: there is no NodeStarted and no NodeFinished for it."""
        if kind := self._wanted.get("CacheHit"):
            self._emit(kind(**self._run(run), **self._fields(run, waiter), key=key.hex()))

    def waited(self, run: ReportedRun, waiter: Waiter, waited: int) -> None:
        """Count a wait of a call, in nanoseconds: its run time is what remains."""
        if self.wants_nodes and (place := waiter._place()) is not None:
            calls = self._calls_of(run)
            if (call := calls.open.get(place.call)) is not None:
                call.waited += waited
            else:
                calls.waits[place.call] = calls.waits.get(place.call, 0) + waited

    def working(self, run: ReportedRun, waiter: Waiter, future: Future[Any]) -> None:
        """Follow a call in a worker: the time that passes before it begins there is no run time."""
        calls = self._calls.get(run.id)
        if calls is not None and (place := waiter._place()) is not None and place.call in calls.open:
            calls.open[place.call].follow(future)

    def _calls_of(self, run: ReportedRun) -> RunCalls:
        calls = self._calls.get(run.id)
        if calls is None:
            calls = self._calls[run.id] = RunCalls()
        return calls

    def _fields(self, run: ReportedRun, waiter: Waiter) -> dict[str, Any]:
        place = waiter._place()
        assert place is not None  # it has not landed
        return fields_of(place, run.iterations)

    def _tell_start(self, run: ReportedRun, call: OpenCall) -> None:
        if not call.told:
            call.told = True
            if kind := self._wanted.get("NodeStarted"):
                self._emit(kind(**self._run(run), **call.fields()))

    def _stop(self, run: ReportedRun, calls: RunCalls, number: int, reason: str) -> None:
        """End a call, if it has begun, without a value and without a failure of its own."""
        call = calls.open.pop(number, None)
        if call is not None and call.told and (kind := self._wanted.get("NodeStopped")):
            self._emit(kind(**self._run(run), **call.fields(), **call.times(self._timers.now()), reason=reason))

    def emits(self, kind: type[Event]) -> bool:
        """Whether events of a class of the user's are emitted."""
        return self._events is not None and self._events.wants(kind)

    def emit_own(self, event: Event, run: ReportedRun | None, call: int) -> None:
        """Emit an event of the user's, in which what all events have in common is filled in. Called from any thread."""
        fields = self._now() if run is None else self._run(run)
        made = msgspec.structs.replace(event, **fields, call=call)
        self._loop.call_in_loop(lambda: self._emit(made))

    # ------------------------------------------------------------------------------------------------------ tasks

    def demoted(self, task: str, seconds: float) -> None:
        """Record that a task no longer runs inline. Called from any thread."""
        if kind := self._wanted.get("TaskDemoted"):
            self._loop.call_in_loop(lambda: self._emit(kind(**self._now(), task=task, seconds=seconds)))

    # ------------------------------------------------------------------------------------------------- resources

    def hooks(self, run: ReportedRun | None) -> Hooks:
        """Return the callbacks of a resource scope: that of a run; None: that of the engine."""
        from cascade.resources.scope import Hooks

        return Hooks(partial(self.acquired, run), partial(self.released, run), self._loop.report)

    def acquired(self, run: ReportedRun | None, name: str, scope: str) -> None:
        """Record that a resource is set up."""
        if kind := self._wanted.get("ResourceAcquired"):
            self._emit(kind(**self._owner(run), name=name, scope=scope))

    def released(self, run: ReportedRun | None, name: str, scope: str, error: BaseException | None) -> None:
        """Record that a resource is torn down."""
        if kind := self._wanted.get("ResourceReleased"):
            self._emit(kind(**self._owner(run), name=name, scope=scope, error=None if error is None else text(error)))

    def _owner(self, run: ReportedRun | None) -> dict[str, Any]:
        return self._now() if run is None else self._run(run)

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
            self._loop.call_in_loop(lambda: self._emit(kind(**self._now(), **details)))


def text(error: BaseException) -> str:
    """Return an exception as the text of an event."""
    from cascade._support.failures import describe

    return describe(error)
