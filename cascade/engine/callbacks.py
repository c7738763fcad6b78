"""The callbacks that the compiled core makes into the engine; see `cascade._core.run.protocol.CoreCallbacks`.

The core calls them where it needs asyncio, workers, resources, limits, events or texts. `dispatch` and `invocation`
start calls, `admission` asks the limits.
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

_STEPS_AT_ONCE = 400  # for each run, at one instant of virtual time, without a warning


class Callbacks:
    """The callbacks of one engine.

    Args:
        host: the engine.
    """

    def __init__(self, host: Host) -> None:
        self._host = host
        self._logged: set[str] = set()  # names of tasks for which `stays` has logged

    # ---------------------------------------------------------------------------------------- starting, from any thread

    def wake(self) -> None:
        """Schedule a turn: a run has become ready while none was scheduled. Called from any thread."""
        self._host.wake()

    # ------------------------------------------------------------------------------------------------- starting

    def launch_async(self, waiter: Waiter, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Start a coroutine. Return its value if it ends at once, else the waiter, completed later."""
        return start_async(self._host, waiter, coroutine)

    def launch_worker(
        self, waiter: Waiter, task: Task, arguments: tuple[Any, ...], keywords: dict[str, Any], mode: str
    ) -> None:
        """Start a call of a sync task in a worker, which completes the waiter from its thread."""
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
        """Start a call with policies, limits or resources. Return its value if it ends at once, else the waiter."""
        node = template, at, frame
        return self._start_invocation(self._host, run, waiter, node, task, arguments, keywords, policies, where)

    @cached_property
    def _start_invocation(self) -> Any:
        """`start_invocation`, imported on first use: many programs do without."""
        from cascade.engine.invocation import start_invocation

        return start_invocation

    def launch_resource(self, waiter: Waiter, run: Run, name: str) -> Any:
        """Return a resource if it can be set up at once, else the waiter; for one of scope "call", a `Placeholder`."""
        kind = self._host.services.resources.scope_of(name)
        if kind == "call":
            return Placeholder(name)
        scope = run._scope()
        is_open, value = scope.open(name)
        return value if is_open else self.launch_async(waiter, scope.get(name))

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
                    raise ResourceError(
                        f"resource {name!r} of scope 'call' must be an argument of a call, got it elsewhere; "
                        f"pass it as an argument of its own, or give it the scope 'run'"
                    )
        if run._extras is not None and run._extras.leaders:
            for leader in run._extras.leaders:
                leader.ask(template.resources, specs)
        run._resolve_inputs(specs)

    def read_input(self, run: Run, spec: Any) -> Any:
        """Return the value of a param or a variable of the environment."""
        return run._read_input(spec)

    def governs(self, run: Run, task: Task) -> bool:
        """Whether a call must ask the limits."""
        return self._host.services.limits.governs(f"{task.module}.{task.name}", task.name, run.id)

    def request_permit(self, waiter: Waiter, run: Run, template: Template, at: int, frame: int, task: Task) -> bool:
        """Whether the limits admit a node that the core evaluates; if not, the waiter is released once they do."""
        return request_permit(self._host, waiter, run, template, at, frame, task)

    # ----------------------------------------------------------------------------------------------- what happens

    def annotate(self, error: BaseException, run: Run, template: Template | None, number: int) -> None:
        """Note on an exception which task raised it, where in the graph, and in which iteration."""
        if template is None:
            what = "the target"
        else:
            from cascade.graph.describe import describe

            what = describe(template.graph, number, len(run._errors or ()) < 100)
        kind, owner = f"{what}, iteration ", f" of run {run.id}"
        add_note(error, f"{kind}{run.iterations}{owner}", kind, owner)
        if template is not None:
            self._host.services.emitter.failed(run, template, number, error)

    def describe_skip(self, skip: Skip) -> str:
        """Return which condition was false, as text."""
        from cascade.graph.describe import describe_skip

        return describe_skip(skip)

    def node_started(self, run: Run, template: Template, at: int, frame: int) -> None:
        """Record that a node starts. ``frame``: the id of its frame, unique among living frames."""
        self._host.services.emitter.started(run, template, at, frame)

    def node_finished(self, run: Run, template: Template, at: int, frame: int) -> None:
        """Record that a node has its value."""
        self._host.services.emitter.finished(run, template, at, frame)

    def node_skipped(self, run: Run, template: Template, at: int, skip: Skip) -> None:
        """Record that a node is skipped."""
        self._host.services.emitter.skipped(run, template, at, skip)

    def tail_call(self, run: Run, template: Template, slots: list[Any], outermost: bool) -> None:
        """Record a tail call. ``outermost``: it is in the frame of the run's target."""
        self._host.services.emitter.tail_call(run, template, slots, outermost)

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
