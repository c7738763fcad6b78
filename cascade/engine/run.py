"""A run: one evaluation of a target, from outside."""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import Generator, Mapping, Sequence
from contextvars import Context
from typing import TYPE_CHECKING, Any

from cascade._core.expr.lazy import LazyResult
from cascade._core.run import gc_traverse  # noqa: F401 - it completes the types
from cascade._core.run.evaluation import Evaluation
from cascade._core.run.mailbox import Received
from cascade._support.public import public
from cascade.engine.join import Hook, Join, end_all
from cascade.engine.run_extras import Baggage
from cascade.exceptions import EngineStateError, TaskSkippedError

if TYPE_CHECKING:
    from cascade._core.run.mailbox import Mailbox
    from cascade._core.shape.template import Template
    from cascade.cache.single_flight import Lead
    from cascade.engine.engine import Engine
    from cascade.resources.scope import Scope

__all__ = ["Run"]

_ids = itertools.count(1)
_SHOWN = 3  # things that it waits for, in words
MOST = 1000  # values of params and variables that a run remembers


@public
class Run(Evaluation):
    """One evaluation of a target on an engine. Made by `Engine.start`.

    Await it for the value. It goes on whether or not it is awaited; cancelling who awaits it cancels the run, as it is
    with asyncio's own tasks.

    Attributes:
        id: a number that no other run of the process has.
        iterations: how many tail calls it has made.
    """

    baggage: Baggage | None
    __slots__ = ("_engine", "_joining", "id")

    def __init__(
        self, engine: Engine, target: LazyResult, context: Context, params: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(engine._scheduler, target, context)
        self._engine = engine
        self.id = next(_ids)
        self._joining: Sequence[Hook] | None = None  # a tuple may be shared by many runs
        if params is not None:
            self.pack().params = params

    def done(self) -> bool:
        """Whether it has ended: with a value, by failure, or cancelled."""
        return self.finished

    def cancel(self) -> None:
        """Have it stopped. It has ended once all that it had started has: await it, or look at `done`."""
        self.interrupt()

    def result(self) -> Any:
        """Return its value.

        Raises:
            EngineStateError: it has not ended.
            asyncio.CancelledError: it was cancelled.
            BaseException: what its task raised, as itself; an `ExceptionGroup` if several failed at once.
        """
        if not self.finished:
            raise EngineStateError(f"run {self.id} has not ended: await it")
        self.told = True
        if self.errors:
            raise self._error(self.errors)
        if self.stopping:
            raise asyncio.CancelledError(f"run {self.id} was cancelled")
        return self.value

    @property
    def state(self) -> str:
        """"ready", "running", "parked"; "done", "failed", "cancelled", or "skipped" if the target was skipped."""
        if self.finished:
            if self.errors:
                return "skipped" if self.skipped else "failed"
            return "cancelled" if self.stopping else "done"
        if self.is_running:
            return "running"
        return "ready" if self.is_ready else "parked"

    @property
    def doing(self) -> str:
        """What it is doing now, in words."""
        if self.finished:
            return self.state
        if self.ended:
            return "tearing down its resources"
        awaits = self.awaits()
        if not awaits:
            return self.state
        waits = _listed([_wait(*each) for each in awaits[:_SHOWN]], len(awaits))
        return f"stopping: {waits}" if self.stopping else waits

    def __await__(self) -> Generator[Any, None, Any]:
        return self._join().__await__()

    def __repr__(self) -> str:
        return f"<Run {self.id}: {self.doing}, {self.iterations} iterations>"

    def __del__(self) -> None:
        if self.finished and self.errors and not self.told:
            error = self._error(self.errors)
            if self.baggage is not None and self.baggage.losses is not None:
                self.baggage.losses.add(self.id, error)
            else:
                self._engine.report(f"the failure of run {self.id} was never looked at", error)

    async def _join(self) -> Any:
        if not self.finished:
            join = Join(self, self._engine._running_loop())
            self.attach((join,))
            try:
                with self._engine._joins.hold(self):
                    await join
            except asyncio.CancelledError as cancelled:
                self.told = True
                raise cancelled from (self._error(self.errors) if self.errors else None)
        return self.result()

    def _return_messages(self) -> None:
        """Its value came too late for what awaited it, and nothing else can ask for it: its messages are for others."""
        if not self.finished or self.errors or self.stopping:
            return
        for each in reversed(self.value if type(self.value) is list else [self.value]):
            if type(each) is Received and each.channel is not None:
                each.channel.unreceive(each.message)

    # ------------------------------------------------------------------------------------- who is told of its end

    def attach(self, hooks: tuple[Hook, ...]) -> None:
        """Have hooks told when it has ended. Runs may share a tuple of them."""
        if self._joining is None:
            self._joining = hooks
        elif isinstance(self._joining, list):
            self._joining.extend(hooks)
        else:
            self._joining = [*self._joining, *hooks]

    def detach(self, hook: Hook) -> None:
        """Have a hook not told any more."""
        self._joining = [each for each in self._joining or () if each is not hook] or None

    @property
    def awaiters(self) -> list[asyncio.Task[Any]]:
        """The asyncio tasks that await it, perhaps together with other runs."""
        return [task for hook in self._joining or () for task in hook.awaiters()]

    def end_joins(self) -> None:
        """It has ended: tell who wants to know."""
        if self._joining is not None:
            joining, self._joining = self._joining, None
            if len(joining) == 1:
                joining[0].end(self)
            else:
                end_all(joining, self)

    @property
    def announced(self) -> bool:
        """Whether it has ended, and no hook is still to be told so."""
        return self.finished and self._joining is None

    def unfinished(self) -> tuple[Run, ...]:
        """Itself, unless it has ended."""
        return () if self.finished else (self,)

    # ------------------------------------------------------------------------------------------ what belongs to it

    def pack(self) -> Baggage:
        """What few runs have, made when it is first asked for."""
        if self.baggage is None:
            self.baggage = Baggage()
        return self.baggage

    def admit(self, specs: list[Any]) -> None:
        """Find the values of the params and variables of an expression, before any of it starts."""
        from cascade.expressions.inputs import resolve

        baggage = self.pack()
        first = baggage.inputs is None
        if baggage.inputs is None:
            baggage.inputs = {}
        if len(baggage.inputs) > MOST:
            baggage.inputs.clear()  # who still needs one of them has it found again
        for spec, value in resolve(specs, baggage.params, os.environ, complete=first):
            baggage.inputs[id(spec)] = spec, value

    def read_input(self, spec: Any) -> Any:
        """The value of a param or a variable."""
        inputs = self.pack().inputs
        if inputs is None or id(spec) not in inputs:
            self.admit([spec])
            inputs = self.pack().inputs
            assert inputs is not None
            return inputs.pop(id(spec))[1]  # made anew in each iteration: not to be remembered
        return inputs[id(spec)][1]

    def scope(self) -> Scope:
        """The resources that are set up for it."""
        baggage = self.pack()
        if baggage.scope is None:
            from cascade.resources.scope import Scope

            engine = self._engine
            baggage.scope = Scope(engine.resources, "run", engine.scope(), engine.reporter.hooks(self.id), self.context)
        return baggage.scope

    @property
    def holds_resources(self) -> bool:
        """Whether anything is set up for it."""
        return self.baggage is not None and self.baggage.scope is not None and not self.baggage.scope.empty

    async def release(self) -> None:
        """Tear down what is set up for it, now that nothing of it is running any more; it fails if that does."""
        if self.errors and len(self.errors) > 1:
            self.errors[:] = [self._error(self.errors)]  # one exception, which takes notes
        wrong = await self.scope().close(None if self.skipped else self.failure())
        if wrong is not None:
            self._fail_ended(wrong)

    def abandon_scope(self, error: BaseException) -> None:
        """Its event loop was closed: what can be torn down without it is."""
        if self.baggage is not None and self.baggage.scope is not None:
            self.baggage.scope.abandon(error)

    @property
    def leads(self) -> dict[Lead, None]:
        """The flights that it leads until expressions have their values."""
        baggage = self.pack()
        if baggage.leads is None:
            baggage.leads = {}
        return baggage.leads

    def end_leads(self) -> None:
        """It has ended, and will not find out what its flights are to."""
        if self.baggage is not None and self.baggage.leads is not None:
            leads, self.baggage.leads = self.baggage.leads, None
            for lead in leads:
                lead.failed()

    def give_leave(self, frame: int, at: int) -> None:
        """Note that a node has leave to start."""
        baggage = self.pack()
        if baggage.leaves is None:
            baggage.leaves = set()
        baggage.leaves.add((frame, at))

    def take_leave(self, frame: int, at: int) -> bool:
        """Whether a node has leave to start, which is good for once."""
        if self.baggage is None or not self.baggage.leaves or (frame, at) not in self.baggage.leaves:
            return False
        self.baggage.leaves.discard((frame, at))
        return True

    def failure(self) -> BaseException | None:
        """What ended it, other than its value."""
        if self.errors:
            return self._error(self.errors)
        return asyncio.CancelledError(f"run {self.id} was cancelled") if self.stopping else None

    @property
    def skipped(self) -> bool:
        """Whether it has no value because its target was skipped: nothing went wrong."""
        return self.errors is not None and len(self.errors) == 1 and isinstance(self.errors[0], TaskSkippedError)

    def _finish(self) -> None:
        """It has ended: tell who awaits it."""
        self.finished = True
        try:
            if self.baggage is not None:
                self.end_leads()
            if self._engine.reporter.listens:
                self._engine.reporter.run_finished(self)
        finally:
            self.end_joins()

    def _error(self, errors: list[BaseException]) -> BaseException:
        return errors[0] if len(errors) == 1 else BaseExceptionGroup(f"several tasks of run {self.id} failed", errors)


def _wait(template: Template, number: int, mailboxes: tuple[Mailbox, ...] | None) -> str:
    """What a run waits for at a node of a template, in words. Mailboxes: as `awaits` has them."""
    from cascade.graph.model import Call
    from cascade.graph.path import consumer

    node = template.graph.nodes[number]
    if not isinstance(node, Call):
        return f"running {type(node).__name__}"
    symbol = template.graph.calls[node.symbol]
    if mailboxes is None:  # a recv and its like run nothing themselves: a rule or a pause holds them up
        held = symbol.kind in ("wait", "recv", "send", "select")
        return f"waiting to start {symbol.qualname}" if held else f"running {symbol.qualname}"
    names = [repr(mailbox.name) for mailbox in mailboxes if mailbox.name is not None]
    where = f" on {_listed(names[:_SHOWN], len(names))}" if names else ""
    whose = consumer(template.graph, number)
    return f"waiting in {symbol.qualname}{where}{f' for {whose}' if whose else ''}"


def _listed(shown: list[str], count: int) -> str:
    """Some of so many things."""
    return ", ".join(shown) + (f" and {count - len(shown)} more" if count > len(shown) else "")
