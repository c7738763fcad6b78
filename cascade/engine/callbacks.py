"""The launcher: what the compiled core asks of the engine between two decisions.

It starts what leaves the compiled path, gives leave to start, and hears what there is to be told.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Awaitable, Coroutine
from functools import cached_property
from types import CoroutineType
from typing import TYPE_CHECKING, Any

from cascade._core.expr.builtin_nodes import Placeholder, Skip
from cascade._core.expr.task import Task
from cascade._core.run.waiting import Waiter
from cascade._core.shape.template import Template
from cascade._support.failures import add_note
from cascade.exceptions import ResourceError

if TYPE_CHECKING:
    from cascade.engine.engine import Engine
    from cascade.engine.run import Run
    from cascade.limits import Grant, Request

__all__ = ["Launcher"]

_logger = logging.getLogger("cascade")

_STEPS_AT_ONCE = 400  # of each run at one instant of virtual time, and nobody wonders

# What nodes of the engine's own kinds are called.
_OWN = {
    "router": "router",
    "guard": "condition",
    "param": "param {!r}",
    "env": "variable {!r}",
    "inject": "resource {!r}",
    "targets": "the list of targets",
}


class Launcher:
    """One engine's launcher.

    Args:
        engine: the engine.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._stayed: set[str] = set()  # tasks that were told of

    # ---------------------------------------------------------------------------------------- starting, from any thread

    def wake(self) -> None:
        """A run has become ready while no turn was on its way."""
        self._engine._wake()

    # ------------------------------------------------------------------------------------------------- starting

    def launch_async(self, waiter: Waiter, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Start a coroutine: return its value if it has one at once, else the waiter, which will land."""
        if type(coroutine) is not CoroutineType and not asyncio.iscoroutine(coroutine):
            coroutine = _await(coroutine)
        loop = self._engine._loop
        # Under a virtual clock coroutines begin in the order in which Python 3.11 has them begin: the same on all.
        if sys.version_info >= (3, 12) and not self._engine.clock.is_virtual:
            task = asyncio.Task(coroutine, loop=loop, eager_start=True)
        else:
            task = asyncio.Task(coroutine, loop=loop)
        if task.done():
            return task.result()
        waiter.handle = task
        task.add_done_callback(waiter.follow)
        return waiter

    def launch_worker(
        self, waiter: Waiter, task: Task, arguments: tuple[Any, ...], keywords: dict[str, Any], mode: str
    ) -> None:
        """Have a worker call a sync task. The waiter lands from its thread."""
        future = self._engine.call_in_worker(mode, task, arguments, keywords)
        waiter.handle = future
        future.add_done_callback(waiter.follow)

    def launch_step(
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
        steps = self._steps
        step = steps.Step(self._engine, run, waiter, (template, at, frame), task, arguments, keywords, policies, where)
        value = step.at_once()
        if value is not steps.LATER:
            return value
        value = self.launch_async(waiter, step.perform())
        if value is waiter and not step.begun:  # it may be cancelled before it has begun, and never know
            waiter.handle.add_done_callback(step.let_go)
        return value

    def launch_resource(self, waiter: Waiter, run: Run, name: str) -> Any:
        """A resource, if it is set up; the waiter, if it has to be; a `Placeholder`, if each call has its own."""
        kind = self._engine.resources.scope_of(name)
        if kind == "call":
            return Placeholder(name)
        scope = run.scope()
        is_open, value = scope.open(name)
        return value if is_open else self.launch_async(waiter, scope.get(name))

    @cached_property
    def _steps(self) -> Any:
        """The module of steps, which many programs never need."""
        from cascade.engine import invocation as steps

        return steps

    # ------------------------------------------------------------------------------------------- leave to start

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
            resources = self._engine.resources
            resources.check(template.resources)
            for name in template.loose:
                if resources.scope_of(name) == "call":
                    raise ResourceError(
                        f"expected the resource {name!r}, which each call has for itself, as an argument of a call; "
                        f"got it inside something else"
                    )
        if run.baggage is not None and run.baggage.leads:
            for lead in run.baggage.leads:
                lead.ask(template.resources, specs)
        run.admit(specs)

    def read_input(self, run: Run, spec: Any) -> Any:
        """The value of a param or a variable of the environment."""
        return run.read_input(spec)

    def governs(self, run: Run, task: Task) -> bool:
        """Whether a call must ask the limits for leave."""
        return self._engine.limits.governs(f"{task.module}.{task.name}", task.name, run.id)

    def may_start(self, waiter: Waiter, run: Run, template: Template, at: int, frame: int, task: Task) -> bool:
        """Whether a node that the engine evaluates itself may start; if not, the waiter is released when it may."""
        limits = self._engine.limits
        request = limits.request(f"{task.module}.{task.name}", task.name, run.id, None)
        if run.take_leave(frame, at) and not limits.paused(request):
            return True  # it has waited for it
        grant = limits.try_acquire(request)
        if grant is not None:
            grant.release()
            return True

        async def ask() -> None:
            (await self.wait_for(request, run, template, at)).release()
            run.give_leave(frame, at)

        def answered(asked: asyncio.Task[None]) -> None:
            if asked.cancelled() or asked.exception() is not None:
                waiter.follow(asked)
            else:
                waiter.release()

        waiter.handle = asyncio.Task(ask(), loop=self._engine._loop)
        waiter.handle.add_done_callback(answered)
        return False

    async def wait_for(self, request: Request, run: Run, template: Template, at: int) -> Grant:
        """What a node has to wait for, when its turn has come; the reporter hears of it."""
        reporter, timers = self._engine.reporter, self._engine.timers
        start = timers.now()
        told = []

        def blocked(reason: str) -> None:
            told.append(reason)
            reporter.blocked(run, template, at, reason)

        grant = await self._engine.limits.acquire(request, blocked)
        if told:
            reporter.unblocked(run, template, at, told[-1], (timers.now() - start) * 1e-9)
        return grant

    # ----------------------------------------------------------------------------------------------- being told

    def annotate(self, error: BaseException, run: Run, template: Template | None, number: int) -> None:
        """Note on an exception which task raised it, where in the graph, and in which iteration."""
        what = "the target" if template is None else describe(template, number, len(run.errors or ()) < 100)
        kind, owner = f"{what}, iteration ", f" of run {run.id}"
        add_note(error, f"{kind}{run.iterations}{owner}", kind, owner)
        if template is not None:
            self._engine.reporter.failed(run, template, number, error)

    def describe_skip(self, skip: Skip) -> str:
        """Which condition was false."""
        return describe_skip(skip)

    def node_started(self, run: Run, template: Template, at: int, frame: int) -> None:
        """A node starts. ``frame`` tells its frame from all others that live."""
        self._engine.reporter.started(run, template, at, frame)

    def node_finished(self, run: Run, template: Template, at: int, frame: int) -> None:
        """A node has its value."""
        self._engine.reporter.finished(run, template, at, frame)

    def node_skipped(self, run: Run, template: Template, at: int, skip: Skip) -> None:
        """A node is skipped."""
        self._engine.reporter.skipped(run, template, at, skip)

    def tail_call(self, run: Run, template: Template, slots: list[Any], outermost: bool) -> None:
        """A frame of a run goes on with another expression. ``outermost``: it is the frame of the run's target."""
        self._engine.reporter.tail_call(run, template, slots, outermost)

    def stays(self, task: Task, mode: str) -> None:
        """A call that was to leave the loop's thread stays, as the clock is virtual."""
        name = f"{task.module}.{task.name}"
        if name not in self._stayed:
            self._stayed.add(name)
            _logger.warning("task %s (mode=%r) runs inline under a virtual clock", name, mode)

    def stands_still(self, run: Run, steps: int) -> int:
        """Virtual time has not moved for so many steps. Return at how many to ask again; 0: never."""
        enough = _STEPS_AT_ONCE * len(self._engine.runs)  # of very many runs each may have something to do
        if steps < enough:
            return enough
        _logger.warning(
            "virtual time stands still at %.9g s: runs took %s steps at that instant, the last of them %r; "
            "does somebody wait for no time, again and again?", self._engine.clock.time(), f"{steps:,}", run
        )  # fmt: skip
        return 0

    def alone(self) -> bool:
        """Whether surely no other thread is running Python code now."""
        return self._engine._workers.alone()

    def demoted(self, module: str, qualname: str, seconds: float) -> None:
        """An inline call of a task under the auto rule has held up the loop."""
        _logger.warning(
            "a call of task %s.%s that held up the event loop took %.1f ms: from now on it runs in worker threads",
            module, qualname, seconds * 1e3,
        )
        self._engine.reporter.demoted(f"{module}.{qualname}", seconds)


async def _await(awaitable: Awaitable[Any]) -> Any:
    return await awaitable


def describe(template: Template, number: int, exactly: bool = True) -> str:
    """Return what a node is and where, for people: "task shop.pay at $.args[0]".

    Args:
        template: in which the node stands.
        number: of the node, in the graph.
        exactly: whether to say where; that takes time linear in the graph, too much for each of very many failures.
    """
    from cascade.graph.model import Call
    from cascade.graph.path import locate

    node = template.graph.nodes[number]
    where = locate(template.graph, number) if exactly else f"node {number}"
    if not isinstance(node, Call):
        return f"{type(node).__name__} at {where}"
    symbol = template.graph.calls[node.symbol]
    if symbol.kind in _OWN:
        return f"{_OWN[symbol.kind].format(symbol.qualname)} at {where}"
    what = "map of task" if symbol.kind == "map" else "task"
    return f"{what} {symbol.module}.{symbol.qualname} at {where}"


def describe_skip(skip: Skip) -> str:
    """Return which condition was false: "skipped, as the condition (task shop.open at $.condition) was false"."""
    from cascade.graph.model import NodeRef

    guard = skip.template.graph.nodes[skip.number]
    condition = guard.operands[0]
    what = describe(skip.template, condition.index) if type(condition) is NodeRef else "a value"
    node = guard.operands[1]
    whose = describe(skip.template, node.index) if type(node) is NodeRef else "a value"
    return f"{whose} was skipped, as its condition was false: {what}"
