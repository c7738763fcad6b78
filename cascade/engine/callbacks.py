"""The callbacks that the compiled core makes into the engine; see `cascade._core.run.protocol.CoreCallbacks`.

The core calls them where it needs asyncio, workers, resources, limits, events or texts. `dispatch` and `invocation`
start calls, `admission` asks the limits.
"""

from __future__ import annotations

import logging
from collections.abc import Coroutine
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

from cascade._core.expr.builtin_nodes import Placeholder, Skip
from cascade._core.expr.lazy import LazyResult
from cascade._core.expr.task import Task
from cascade._core.run.waiting import Launched, Waiter
from cascade._core.shape.template import Template
from cascade._support.failures import add_note
from cascade.engine.admission import request_permit
from cascade.engine.dispatch import call_worker, start_async
from cascade.engine.places import callers_of, path_of
from cascade.exceptions import ResourceError

if TYPE_CHECKING:
    from cascade._core.expr.map_inputs import Feed
    from cascade._core.run.place import Place
    from cascade.engine.host import Host
    from cascade.engine.run import Run

__all__ = ["Callbacks"]

_logger = logging.getLogger("cascade")

FAR = 100  # failures of a run that have their paths if its graph has as many nodes
_STEPS_AT_ONCE = 400  # for each run, at one instant of virtual time, without a warning


class Callbacks:
    """The callbacks of one engine.

    Args:
        host: the engine.
    """

    def __init__(self, host: Host) -> None:
        self._host = host
        self._logged: set[str] = set()  # names of tasks for which `kept_inline` has logged

    # ---------------------------------------------------------------------------------------- starting, from any thread

    def wake(self) -> None:
        """Schedule a turn: a run has become ready while none was scheduled. Called from any thread."""
        self._host.wake()

    # ------------------------------------------------------------------------------------------------- starting

    def launch_async(self, waiter: Launched, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Start a coroutine. Return its value if it ends at once, else the waiter, completed later."""
        return start_async(self._host, waiter, coroutine)

    def launch_worker(
        self, waiter: Launched, task: Task, arguments: tuple[Any, ...], keywords: dict[str, Any], mode: str
    ) -> None:
        """Start a call of a sync task in a worker, which completes the waiter from its thread."""
        future = call_worker(self._host, waiter, mode, task, arguments, keywords)
        waiter.handle = future
        if self._host.services.emitter.wants_nodes:
            self._host.services.emitter.working(cast(Any, waiter.run), waiter, future)
        future.add_done_callback(waiter.follow)

    def launch_invocation(
        self,
        waiter: Launched,
        run: Run,
        template: Template,
        at: int,
        frame: int,
        task: Task,
        arguments: tuple[Any, ...],
        keywords: dict[str, Any],
        policies: dict[str, Any] | None,
        where: str,
    ) -> Any:
        """Start a call with policies, limits or resources. Return its value if it ends at once, else the waiter."""
        node = template, at, frame
        return self._start_invocation(self._host, run, waiter, node, task, arguments, keywords, policies, where)

    def launch_held_scope(self, waiter: Launched, run: Run, amounts: dict[str, Any]) -> Launched:
        """Start a scope that only holds amounts of limits. Return its waiter."""
        started: Launched = self._start_held_scope(self._host, run, waiter, amounts)
        return started

    @cached_property
    def _start_held_scope(self) -> Any:
        """`start_held_scope`, imported on first use."""
        from cascade.engine.held_scope import start_held_scope

        return start_held_scope

    @cached_property
    def _start_invocation(self) -> Any:
        """`start_invocation`, imported on first use: many programs do without."""
        from cascade.engine.invocation import start_invocation

        return start_invocation

    def launch_resource(self, waiter: Launched, run: Run, name: str) -> Any:
        """Return a resource if it can be set up at once, else the waiter; for one of scope "call", a `Placeholder`."""
        kind = self._host.services.resources.scope_of(name)
        if kind == "call":
            return Placeholder(name)
        scope = run._scope()
        is_open, value = scope.open(name)
        return value if is_open else self.launch_async(waiter, scope.get(name))

    def launch_feed(self, waiter: Launched, run: Run, feed: Feed) -> Any:
        """Take the items of a map's async inputs. Return None if they have ended at once, else the waiter."""
        from cascade.engine.feeding import take_items

        return start_async(self._host, waiter, take_items(waiter, feed))

    # ------------------------------------------------------------------------------------------- before it starts

    def admit(self, run: Run, template: Template, specs: list[Any]) -> None:
        """Check the resources and inputs of an expression, before any of its nodes starts.

        Args:
            run: the run that evaluates the expression.
            template: the template of the expression.
            specs: its params and variables of the environment.

        Raises:
            InputError, ResourceError: one of them is missing or not valid.
        """
        if template.resources:
            resources = self._host.services.resources
            resources.check(template.resources)
            for name in template.resources_outside_calls:
                if resources.scope_of(name) == "call":
                    from cascade.resources.binding import outside_call

                    raise ResourceError(outside_call(name))
        if run._extras is not None and run._extras.leaders:
            for leader in run._extras.leaders:
                leader.ask(template.resources, specs)
        run._resolve_inputs(specs)

    def cancel(self, run: Run, handles: list[Any]) -> None:
        """Cancel futures of a run that goes on: what waits for them was stopped, as nothing needs it any longer."""
        for handle in handles:
            try:
                handle.cancel()
            except Exception as error:  # perhaps an executor's future that cannot be stopped: it is awaited
                self._host.report(f"{run._called} could not cancel something that it awaits", error)

    def forget_permits(self, run: Run, frames: list[int], root: int, doomed: bytearray | None) -> None:
        """Drop the permits of nodes that were stopped: another frame may come to have the address of theirs."""
        run._forget_permits({*frames}, root, doomed)

    def abandon(self, completion: Any) -> None:
        """The completion of an expression will not be called: the expression was stopped."""
        completion.__self__.abandon_expression()

    def iterations_met(self, run: Run, following: LazyResult) -> BaseException:
        """Return the error of a run that has made as many tail calls as it may."""
        from cascade.engine.bounds import iterations_met

        return iterations_met(run, following)

    def read_input(self, run: Run, spec: Any) -> Any:
        """Return the value of a param or a variable of the environment."""
        return run._read_input(spec)

    def governs(self, run: Run, task: Task) -> bool:
        """Whether a call must ask the limits."""
        name = f"{task.module}.{task.name}"
        return self._host.services.limits.governs(name, task.name, run.id, run._label.selected)

    def request_permit(self, waiter: Waiter, run: Run, template: Template, at: int, frame: int, task: Task) -> bool:
        """Whether the limits admit a node that the core evaluates; if not, the waiter is released once they do."""
        return request_permit(self._host, waiter, run, template, at, frame, task)

    # ----------------------------------------------------------------------------------------------- what happens

    def annotate(
        self,
        error: BaseException,
        run: Run,
        place: Place | None,
        levels: int,
        written: list[tuple[LazyResult, Template, int]],
    ) -> None:
        """Note on an exception which task raised it, where in the graph, in which iteration, and who called it."""
        what = "the target" if place is None else self._describe(run, place, levels >= 0)
        if written:
            from cascade.engine.written import site_of

            what += site_of(written)
        if place is not None and place.callers:
            what += callers_of(place)
        kind, owner = f"{what}, iteration ", f" of {run._called}"
        add_note(error, f"{kind}{run.iterations}{owner}", kind, owner)
        if place is not None:
            self._host.services.emitter.failed(run, place, error, levels)

    def _describe(self, run: Run, place: Place, caught: bool) -> str:
        from cascade.graph.describe import describe

        count = len(run._errors or ())
        if caught:
            count = run._ensure_extras().caught
            run._ensure_extras().caught += 1
        # The place takes time linear in the graph: too much if very many nodes of a large one fail.
        exactly = count < FAR or len(place.template.graph.nodes) < FAR
        return describe(place.template.graph, place.number, path_of(place) if exactly else f"node {place.number}")

    def describe_skip(self, skip: Skip) -> str:
        """Return which condition was false, as text."""
        from cascade.graph.describe import describe_skip

        return describe_skip(skip)

    def node_started(self, run: Run, place: Place) -> None:
        """Record that a node starts."""
        self._host.services.emitter.started(run, place)

    def node_finished(self, run: Run, call: int) -> None:
        """Record that a node has its value."""
        self._host.services.emitter.finished(run, call)

    def node_skipped(self, run: Run, place: Place, skip: Skip, chosen: Place | None) -> None:
        """Record that a node is skipped."""
        self._host.services.emitter.skipped(run, place, skip, chosen)

    def nodes_pruned(self, run: Run, places: list[Place]) -> None:
        """Record that nothing has needed some nodes."""
        self._host.services.emitter.pruned(run, places)

    def nodes_stopped(self, run: Run, ended: list[int], given_up: list[int], pending: list[int]) -> None:
        """Record that calls are stopped."""
        self._host.services.emitter.stopped(run, ended, given_up, pending)

    def node_ended(self, run: Run, call: int) -> None:
        """Record that a node that was stopped has ended."""
        self._host.services.emitter.ended(run, call)

    def tail_call(self, run: Run, template: Template, slots: list[Any], outermost: bool) -> None:
        """Record a tail call. ``outermost``: it is in the frame of the run's target."""
        services = self._host.services
        if services.recorder is not None and outermost:
            services.recorder.tail_call(run, template, slots)
        services.emitter.tail_call(run, template)

    def kept_inline(self, task: Task, mode: str) -> None:
        """Log once for each task that its calls run inline, despite their mode, because the clock is virtual."""
        name = f"{task.module}.{task.name}"
        if name not in self._logged:
            self._logged.add(name)
            _logger.warning("task %s (mode=%r) runs inline under a virtual clock", name, mode)

    def stands_still(self, run: Run, steps: int) -> int:
        """Log if virtual time does not advance. Return after how many steps to call this again; 0: never."""
        enough = _STEPS_AT_ONCE * len(self._host.runs)  # a large population takes many steps at one instant
        if steps < enough:
            return enough
        _logger.warning(
            "virtual time is not advancing (%s steps at t=%.9g s, the last one of %r): is a task looping on a "
            "zero-second wait?", f"{steps:,}", self._host.clock.time(), run
        )  # fmt: skip
        return 0

    def no_other_thread_runs(self) -> bool:
        """Whether certainly no other thread is running Python code now."""
        return self._host.workers.is_only_thread()

    def demoted(self, module: str, qualname: str, seconds: float) -> None:
        """Log that the auto rule moves a task to worker threads: an inline call has blocked the event loop."""
        _logger.warning(
            "a call of task %s.%s that held up the event loop took %.1f ms: from now on it runs in worker threads",
            module,
            qualname,
            seconds * 1e3,
        )
        self._host.services.emitter.demoted(f"{module}.{qualname}", seconds)
