"""What the compiled core calls in the engine."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, Protocol

from cascade._core.run.place import Place
from cascade._core.shape.template import Template

if TYPE_CHECKING:
    from cascade._core.expr.builtin_nodes import Skip
    from cascade._core.expr.lazy import LazyResult
    from cascade._core.expr.map_inputs import Feed
    from cascade._core.expr.task import Task
    from cascade._core.run.waiting import Launched, Waiter

__all__ = ["CoreCallbacks"]


class CoreCallbacks(Protocol):
    """What the core cannot do itself: start work outside the loop's thread, ask the limits, report events.

    A run is a `cascade.engine.run.Run`, of which the core knows the compiled part. A node is given by its `Place`; to
    the limits, by its template, by its place in the order of the plan, and by its frame: a number that no other living
    frame of the run has.
    """

    def wake(self) -> None:
        """Schedule a turn: a run has become ready, and no turn is scheduled. Called in any thread."""

    # --- starting: each returns the value, or the waiter if there is no value yet: then it lands later

    def launch_async(self, waiter: Launched, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Start a coroutine."""

    def launch_worker(
        self, waiter: Launched, task: Task, arguments: tuple[Any, ...], keywords: dict[str, Any], mode: str
    ) -> None:
        """Have a worker call a sync task."""

    def launch_invocation(
        self,
        waiter: Launched,
        run: Any,
        template: Template,
        at: int,
        frame: int,
        task: Task,
        arguments: tuple[Any, ...],
        keywords: dict[str, Any],
        policies: dict[str, Any] | None,
        where: str,
    ) -> Any:
        """Start a call with policies, limits or resources of its own."""

    def launch_held_scope(self, waiter: Launched, run: Any, amounts: dict[str, Any]) -> Launched:
        """Start a scope that only holds amounts of limits. Return its waiter."""

    def launch_resource(self, waiter: Launched, run: Any, name: str) -> Any:
        """Return a resource, or a `Placeholder` if its scope is "call"."""

    def launch_feed(self, waiter: Launched, run: Any, feed: Feed) -> Any:
        """Start taking the items of a map's async inputs, as many as the feed has room for."""

    # --- stopping a part of a run that goes on

    def cancel(self, run: Any, handles: list[Any]) -> None:
        """Cancel futures that waiters wait for."""

    def abandon(self, completion: Any) -> None:
        """Drop the completion of an expression that was stopped."""

    def iterations_met(self, run: Any, following: LazyResult) -> BaseException:
        """Return the error of a run that has made as many tail calls as it may."""

    # --- before anything starts

    def admit(self, run: Any, template: Template, specs: list[Any]) -> None:
        """Check an expression's inputs and resources before any of it starts."""

    def read_input(self, run: Any, spec: Any) -> Any:
        """Return the value of a param or a variable of the environment."""

    def governs(self, run: Any, task: Task) -> bool:
        """Return whether a rule of the limits applies to a call."""

    def request_permit(self, waiter: Waiter, run: Any, template: Template, at: int, frame: int, task: Task) -> bool:
        """Return whether a built-in node may start. If not, `Waiter.release` is called when it may."""

    def forget_permits(self, run: Any, frames: list[int], root: int, doomed: bytearray | None) -> None:
        """Drop the permits of nodes that were stopped: of frames, and of the frame above them, the root.

        ``doomed``: of each node of the root, whether it was stopped; None: all of them were.
        """

    # --- what happens

    def annotate(
        self,
        error: BaseException,
        run: Any,
        place: Place | None,
        levels: int,
        written: list[tuple[LazyResult, Template, int]],
    ) -> None:
        """Add a note to an exception: which task raised it, and where.

        Args:
            error: the exception.
            run: the run.
            place: of the node; None: it was no node.
            levels: how many of the node's callers fail with it, before it is caught; -1: it ends the run.
            written: in debug mode, the node and those that it is beneath; else empty.
        """

    def describe_skip(self, skip: Skip) -> str:
        """Return which condition was false."""

    def node_started(self, run: Any, place: Place) -> None:
        """A node starts."""

    def node_finished(self, run: Any, call: int) -> None:
        """A node has its value. ``call``: `Place.call` of its start."""

    def node_skipped(self, run: Any, place: Place, skip: Skip, chosen: Place | None) -> None:
        """A node is skipped. ``chosen``: the node that a condition would have chosen, had it not been false."""

    def nodes_pruned(self, run: Any, places: list[Place]) -> None:
        """Nodes of an expression that has its value have none, as nothing has needed them."""

    def nodes_stopped(self, run: Any, ended: list[int], given_up: list[int], pending: list[int]) -> None:
        """Calls are stopped, as far as they have started: numbers of calls.

        ``ended``: of expressions that end with it; ``given_up``: of one that goes on; ``pending``: those of both that
        end later, with `annotate` or `node_ended`.
        """

    def node_ended(self, run: Any, call: int) -> None:
        """A node that was stopped has ended."""

    def tail_call(self, run: Any, template: Template, slots: list[Any], outermost: bool) -> None:
        """A frame goes on with another expression. ``outermost``: it is the frame of the run's target."""

    def kept_inline(self, task: Task, mode: str) -> None:
        """A call that was to run in a worker runs in the loop's thread, because the clock is virtual."""

    def stands_still(self, run: Any, steps: int) -> int:
        """Virtual time has not advanced for ``steps`` steps. Return the number at which to ask again; 0: never."""

    def no_other_thread_runs(self) -> bool:
        """Return whether certainly no other thread is executing Python code now."""

    def demoted(self, module: str, qualname: str, seconds: float) -> None:
        """An inline call of a task under the auto rule has blocked the loop for ``seconds``."""
