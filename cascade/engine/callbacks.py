"""What the compiled core calls in the engine: see `cascade._core.run.protocol.CoreCallbacks`.

Starting what leaves the compiled path is in `dispatch` and `invocation`, asking the limits in `admission`.
"""

from __future__ import annotations

import logging
from collections.abc import Coroutine
from functools import cached_property
from typing import TYPE_CHECKING, Any

from cascade._core.expr.builtin_nodes import Placeholder, Skip
from cascade._core.expr.task import Task
from cascade._core.run.waiting import Waiter
from cascade._core.shape.template import Template
from cascade._support.failures import add_note
from cascade.engine.admission import request_permit
from cascade.engine.dispatch import start_async
from cascade.exceptions import ResourceError

if TYPE_CHECKING:
    from cascade.engine.host import Host
    from cascade.engine.run import Run

__all__ = ["Callbacks"]

_logger = logging.getLogger("cascade")

_STEPS_AT_ONCE = 400  # of each run at one instant of virtual time, and nobody wonders


class Callbacks:
    """The callbacks of one engine.

    Args:
        host: the engine.
    """

    def __init__(self, host: Host) -> None:
        self._host = host
        self._stayed: set[str] = set()  # tasks that were logged

    # ---------------------------------------------------------------------------------------- starting, from any thread

    def wake(self) -> None:
        """A run has become ready while no turn was on its way."""
        self._host.wake()

    # ------------------------------------------------------------------------------------------------- starting

    def launch_async(self, waiter: Waiter, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Start a coroutine: return its value if it has one at once, else the waiter, which will land."""
        return start_async(self._host, waiter, coroutine)

    def launch_worker(
        self, waiter: Waiter, task: Task, arguments: tuple[Any, ...], keywords: dict[str, Any], mode: str
    ) -> None:
        """Have a worker call a sync task. The waiter lands from its thread."""
        future = self._host.workers.call(mode, task, arguments, keywords)
        waiter.handle = future
        future.add_done_callback(waiter.follow)

    def launch_invocation(
        self,
        waiter: Waiter,
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
        """Start a call with all that goes with it: return its value if it has one at once, else the waiter."""
        node = template, at, frame
        return self._start_invocation(self._host, run, waiter, node, task, arguments, keywords, policies, where)

    @cached_property
    def _start_invocation(self) -> Any:
        """Imported when it is first needed: many programs never do."""
        from cascade.engine.invocation import start_invocation

        return start_invocation

    def launch_resource(self, waiter: Waiter, run: Run, name: str) -> Any:
        """A resource, if it is set up; the waiter, if it has to be; a `Placeholder`, if each call has its own."""
        kind = self._host.services.resources.scope_of(name)
        if kind == "call":
            return Placeholder(name)
        scope = run._scope()
        is_open, value = scope.open(name)
        return value if is_open else self.launch_async(waiter, scope.get(name))

    # ------------------------------------------------------------------------------------------- before it starts

    def admit(self, run: Run, template: Template, specs: list[Any]) -> None:
        """Look at what an expression asks for, before any of it starts.

        Args:
            run: of which the expression is a part.
            template: of the expression.
            specs: of its params and variables of the environment.

        Raises:
            InputError, ResourceError: something is not to be had.
        """
        if template.resources:
            resources = self._host.services.resources
            resources.check(template.resources)
            for name in template.resources_outside_calls:
                if resources.scope_of(name) == "call":
                    raise ResourceError(
                        f"expected the resource {name!r}, which each call has for itself, as an argument of a call; "
                        f"got it inside something else"
                    )
        if run._extras is not None and run._extras.leads:
            for lead in run._extras.leads:
                lead.ask(template.resources, specs)
        run._resolve_inputs(specs)

    def cancel(self, run: Run, handles: list[Any]) -> None:
        """Cancel futures of a run that goes on: what waits for them was stopped, as nothing needs it any longer."""
        for handle in handles:
            try:
                handle.cancel()
            except Exception as error:  # perhaps an executor's future that cannot be stopped: it is awaited
                self._host.report(f"run {run.id} could not cancel something that it awaits", error)

    def abandon(self, completion: Any) -> None:
        """The completion of an expression will not be called: the expression was stopped."""
        completion.__self__.abandon_expression()

    def read_input(self, run: Run, spec: Any) -> Any:
        """The value of a param or a variable of the environment."""
        return run._read_input(spec)

    def governs(self, run: Run, task: Task) -> bool:
        """Whether a call must ask the limits."""
        return self._host.services.limits.governs(f"{task.module}.{task.name}", task.name, run.id)

    def request_permit(self, waiter: Waiter, run: Run, template: Template, at: int, frame: int, task: Task) -> bool:
        """Whether a node that the engine evaluates itself may start; if not, the waiter is released when it may."""
        return request_permit(self._host, waiter, run, template, at, frame, task)

    # ----------------------------------------------------------------------------------------------- what happens

    def annotate(self, error: BaseException, run: Run, template: Template | None, number: int, caught: bool) -> None:
        """Note on an exception which task raised it, where in the graph, and in which iteration."""
        if template is None:
            what = "the target"
        else:
            from cascade.graph.describe import describe

            what = describe(template.graph, number, len(run._errors or ()) < 100)
        kind, owner = f"{what}, iteration ", f" of run {run.id}"
        add_note(error, f"{kind}{run.iterations}{owner}", kind, owner)
        if template is not None:
            self._host.services.emitter.failed(run, template, number, error, caught)

    def describe_skip(self, skip: Skip) -> str:
        """Which condition was false."""
        from cascade.graph.describe import describe_skip

        return describe_skip(skip)

    def node_started(self, run: Run, template: Template, at: int, frame: int) -> None:
        """A node starts. ``frame`` tells its frame from all others that live."""
        self._host.services.emitter.started(run, template, at, frame)

    def node_finished(self, run: Run, template: Template, at: int, frame: int) -> None:
        """A node has its value."""
        self._host.services.emitter.finished(run, template, at, frame)

    def node_skipped(self, run: Run, template: Template, at: int, skip: Skip) -> None:
        """A node is skipped."""
        self._host.services.emitter.skipped(run, template, at, skip)

    def tail_call(self, run: Run, template: Template, slots: list[Any], outermost: bool) -> None:
        """A frame of a run goes on with another expression. ``outermost``: it is the frame of the run's target."""
        self._host.services.emitter.tail_call(run, template, slots, outermost)

    def kept_inline(self, task: Task, mode: str) -> None:
        """A call that was to leave the loop's thread stays, as the clock is virtual."""
        name = f"{task.module}.{task.name}"
        if name not in self._stayed:
            self._stayed.add(name)
            _logger.warning("task %s (mode=%r) runs inline under a virtual clock", name, mode)

    def stands_still(self, run: Run, steps: int) -> int:
        """Virtual time has not moved for so many steps. Return at how many to ask again; 0: never."""
        enough = _STEPS_AT_ONCE * len(self._host.runs)  # of very many runs each may have something to do
        if steps < enough:
            return enough
        _logger.warning(
            "virtual time stands still at %.9g s: runs took %s steps at that instant, the last of them %r; "
            "does somebody wait for no time, again and again?", self._host.clock.time(), f"{steps:,}", run
        )  # fmt: skip
        return 0

    def no_other_thread_runs(self) -> bool:
        """Whether surely no other thread is running Python code now."""
        return self._host.workers.alone()

    def demoted(self, module: str, qualname: str, seconds: float) -> None:
        """An inline call of a task under the auto rule has held up the loop."""
        _logger.warning(
            "a call of task %s.%s that held up the event loop took %.1f ms: from now on it runs in worker threads",
            module,
            qualname,
            seconds * 1e3,
        )
        self._host.services.emitter.demoted(f"{module}.{qualname}", seconds)
