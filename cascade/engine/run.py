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
from cascade.engine.join import DoneCallback, RunFuture, call_all
from cascade.engine.run_extras import RunExtras
from cascade.exceptions import EngineStateError, TaskSkippedError

if TYPE_CHECKING:
    from cascade._core.run.mailbox import Mailbox
    from cascade._core.shape.template import Template
    from cascade.cache.single_flight import Leader
    from cascade.engine.host import Host
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

    _extras: RunExtras | None
    __slots__ = ("_callbacks", "_host", "id")

    def __init__(
        self, host: Host, target: LazyResult, context: Context, params: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(host.scheduler, target, context)
        self._host = host
        self.id = next(_ids)
        self._callbacks: Sequence[DoneCallback] | None = None  # a tuple may be shared by many runs
        if params is not None:
            self._ensure_extras().params = params

    def done(self) -> bool:
        """Whether it has ended: with a value, by failure, or cancelled."""
        return self._finished

    def cancel(self) -> None:
        """Have it stopped. It has ended once all that it had started has: await it, or look at `done`."""
        self._request_cancel()

    def result(self) -> Any:
        """Return its value.

        Raises:
            EngineStateError: it has not ended.
            asyncio.CancelledError: it was cancelled.
            BaseException: what its task raised, as itself; an `ExceptionGroup` if several failed at once.
        """
        if not self._finished:
            raise EngineStateError(f"run {self.id} has not ended: await it")
        self._retrieved = True
        if self._errors:
            raise self._error(self._errors)
        if self._interrupted:
            raise asyncio.CancelledError(f"run {self.id} was cancelled")
        return self._value

    @property
    def state(self) -> str:
        """One of "ready", "running", "parked"; "done", "failed", "cancelled", "skipped" (the target was skipped)."""
        if self._finished:
            if self._errors:
                return "skipped" if self._skipped else "failed"
            return "cancelled" if self._interrupted else "done"
        if self._is_running:
            return "running"
        return "ready" if self._is_ready else "parked"

    @property
    def doing(self) -> str:
        """What it is doing now, in words."""
        if self._finished:
            return self.state
        if self._ended:
            return "tearing down its resources"
        awaits = self._awaits()
        if not awaits:
            return self.state
        waits = _listed([_wait(*each) for each in awaits[:_SHOWN]], len(awaits))
        return f"stopping: {waits}" if self._stopping else waits

    def __await__(self) -> Generator[Any, None, Any]:
        return self._join().__await__()

    def __repr__(self) -> str:
        return f"<Run {self.id}: {self.doing}, {self.iterations} iterations>"

    def __del__(self) -> None:
        if self._finished and self._errors and not self._retrieved:
            error = self._error(self._errors)
            if self._extras is not None and self._extras.unretrieved is not None:
                self._extras.unretrieved.add(self.id, error)
            else:
                self._host.report(f"the exception of run {self.id} was never retrieved", error)

    async def _join(self) -> Any:
        if not self._finished:
            join = RunFuture(self, self._host.running_loop())
            self._add_done_callback((join,))
            try:
                with self._host.await_graph.record(self):
                    await join
            except asyncio.CancelledError as cancelled:
                self._retrieved = True
                raise cancelled from (self._error(self._errors) if self._errors else None)
        return self.result()

    def _return_messages(self) -> None:
        """Its value came too late for what awaited it, and nothing else can ask for it: its messages are for others."""
        if not self._finished or self._errors or self._interrupted:
            return
        value = self._value
        if type(value) is dict:
            value = [*value.values()]
        for each in reversed(value if type(value) is list or type(value) is tuple else [value]):
            if type(each) is Received and each.channel is not None:
                each.channel.unreceive(each.message)

    # ------------------------------------------------------------------------------------- callbacks at its end

    def _add_done_callback(self, callbacks: tuple[DoneCallback, ...]) -> None:
        """Call these when it has ended. Runs may share a tuple of them."""
        if self._callbacks is None:
            self._callbacks = callbacks
        elif isinstance(self._callbacks, list):
            self._callbacks.extend(callbacks)
        else:
            self._callbacks = [*self._callbacks, *callbacks]

    def _remove_done_callback(self, callback: DoneCallback) -> None:
        """Call this one no longer."""
        self._callbacks = [each for each in self._callbacks or () if each is not callback] or None

    def _awaiters(self) -> list[asyncio.Task[Any]]:
        """The asyncio tasks that await it, perhaps together with other runs."""
        return [task for callback in self._callbacks or () for task in callback._awaiters()]

    def _call_done_callbacks(self) -> None:
        """Call what was to be called at its end."""
        if self._callbacks is not None:
            callbacks, self._callbacks = self._callbacks, None
            if len(callbacks) == 1:
                callbacks[0]._run_ended(self)
            else:
                call_all(callbacks, self)

    @property
    def _announced(self) -> bool:
        """Whether it has ended, and all callbacks were called."""
        return self._finished and self._callbacks is None

    def _unfinished(self) -> tuple[Run, ...]:
        """Itself, unless it has ended."""
        return () if self._finished else (self,)

    # ------------------------------------------------------------------------------------------ what belongs to it

    def _ensure_extras(self) -> RunExtras:
        """Return its optional state, made on first use."""
        if self._extras is None:
            self._extras = RunExtras()
        return self._extras

    def _resolve_inputs(self, specs: list[Any]) -> None:
        """Find the values of the params and variables of an expression, before any of it starts."""
        from cascade.expressions.inputs import resolve

        extras = self._ensure_extras()
        first = extras.inputs is None
        if extras.inputs is None:
            extras.inputs = {}
        if len(extras.inputs) > MOST:
            extras.inputs.clear()  # who still needs one of them has it found again
        for spec, value in resolve(specs, extras.params, os.environ, complete=first):
            extras.inputs[id(spec)] = spec, value

    def _read_input(self, spec: Any) -> Any:
        """The value of a param or a variable."""
        inputs = self._ensure_extras().inputs
        if inputs is None or id(spec) not in inputs:
            self._resolve_inputs([spec])
            inputs = self._ensure_extras().inputs
            assert inputs is not None
            return inputs.pop(id(spec))[1]  # made anew in each iteration: not to be remembered
        return inputs[id(spec)][1]

    def _scope(self) -> Scope:
        """The resources that are set up for it."""
        extras = self._ensure_extras()
        if extras.scope is None:
            from cascade.resources.scope import Scope

            services = self._host.services
            hooks = services.emitter.hooks(self.id)
            extras.scope = Scope(services.resources, "run", services.scope(), hooks, self._context)
        return extras.scope

    @property
    def _holds_resources(self) -> bool:
        """Whether anything is set up for it."""
        return self._extras is not None and self._extras.scope is not None and not self._extras.scope.empty

    async def _release(self) -> None:
        """Tear down what is set up for it, now that nothing of it is running any more; it fails if that does."""
        if self._errors and len(self._errors) > 1:
            self._errors[:] = [self._error(self._errors)]  # one exception, which takes notes
        wrong = await self._scope().close(None if self._skipped else self._failure())
        if wrong is not None:
            self._fail_ended(wrong)

    def _abandon_scope(self, error: BaseException) -> None:
        """Its event loop was closed: what can be torn down without it is."""
        if self._extras is not None and self._extras.scope is not None:
            self._extras.scope.abandon(error)

    @property
    def _leads(self) -> dict[Leader, None]:
        """The flights that it leads until expressions have their values."""
        extras = self._ensure_extras()
        if extras.leads is None:
            extras.leads = {}
        return extras.leads

    def _end_leads(self) -> None:
        """It has ended, and will not find out what its flights are to."""
        if self._extras is not None and self._extras.leads is not None:
            leads, self._extras.leads = self._extras.leads, None
            for lead in leads:
                lead.failed()

    def _grant_permit(self, frame: int, at: int) -> None:
        """Note that a node has leave to start."""
        extras = self._ensure_extras()
        if extras.permits is None:
            extras.permits = set()
        extras.permits.add((frame, at))

    def _use_permit(self, frame: int, at: int) -> bool:
        """Whether a node has leave to start, which is good for once."""
        if self._extras is None or not self._extras.permits or (frame, at) not in self._extras.permits:
            return False
        self._extras.permits.discard((frame, at))
        return True

    def _failure(self) -> BaseException | None:
        """What ended it, other than its value."""
        if self._errors:
            return self._error(self._errors)
        return asyncio.CancelledError(f"run {self.id} was cancelled") if self._interrupted else None

    @property
    def _skipped(self) -> bool:
        """Whether it has no value because its target was skipped: nothing went wrong."""
        return self._errors is not None and len(self._errors) == 1 and isinstance(self._errors[0], TaskSkippedError)

    def _finish(self) -> None:
        """It has ended: tell who awaits it."""
        self._close()
        try:
            if self._extras is not None:
                self._end_leads()
            if self._host.services.emitter.listens:
                self._host.services.emitter.run_finished(self)
        finally:
            self._call_done_callbacks()

    def _error(self, errors: list[BaseException]) -> BaseException:
        return errors[0] if len(errors) == 1 else BaseExceptionGroup(f"several tasks of run {self.id} failed", errors)


def _wait(template: Template, number: int, mailboxes: tuple[Mailbox, ...] | None) -> str:
    """What a run waits for at a node of a template, in words. Mailboxes: as `awaits` has them."""
    from cascade.graph.kinds import KINDS
    from cascade.graph.model import Call
    from cascade.graph.path import consumer

    node = template.graph.nodes[number]
    if not isinstance(node, Call):
        return f"running {type(node).__name__}"
    symbol = template.graph.calls[node.symbol]
    if mailboxes is None:  # a recv and its like run nothing themselves: a rule or a pause holds them up
        held = KINDS[symbol.kind].core.waits
        return f"waiting to start {symbol.qualname}" if held else f"running {symbol.qualname}"
    names = [repr(mailbox.name) for mailbox in mailboxes if mailbox.name is not None]
    where = f" on {_listed(names[:_SHOWN], len(names))}" if names else ""
    whose = consumer(template.graph, number)
    return f"waiting in {symbol.qualname}{where}{f' for {whose}' if whose else ''}"


def _listed(shown: list[str], count: int) -> str:
    """Some of so many things."""
    return ", ".join(shown) + (f" and {count - len(shown)} more" if count > len(shown) else "")
