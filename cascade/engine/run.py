"""A run: one evaluation of a target, as users and the engine see it. The compiled part is `Evaluation`."""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextvars import Context, copy_context
from typing import TYPE_CHECKING, Any, Generic

from cascade._core.expr.lazy import LazyResult
from cascade._core.run import gc_traverse  # noqa: F401 - it completes the types
from cascade._core.run.evaluation import Evaluation
from cascade._core.run.held import HeldScope
from cascade._core.run.unseen import return_messages
from cascade._core.tracebacks import hide_frames
from cascade._support.boundary import boundary
from cascade._support.failures import describe, is_a, set_traceback, singles, traceback_of
from cascade._support.notebooks import HTML, PLAIN, bundle, table
from cascade._support.public import public
from cascade._support.type_variables import R_co
from cascade.engine.join import DoneCallback, RunFuture, ScheduledCall, call_all, mark_shared
from cascade.engine.run_as_future import NotEndedError, check_callback
from cascade.engine.run_extras import RunExtras
from cascade.engine.run_label import NO_LABEL, RunLabel
from cascade.exceptions import TaskSkippedError

if TYPE_CHECKING:
    from cascade._core.run.mailbox import Mailbox
    from cascade._core.run.waiting import Waiter
    from cascade._core.shape.template import Template
    from cascade._support.notebooks import Types
    from cascade.cache.single_flight import Leader
    from cascade.engine.host import Host
    from cascade.resources.scope import Scope

__all__ = ["Run"]

_ids = itertools.count(1)
_SHOWN = 3  # things that a run waits for, in `Run.doing`
MAX_INPUTS = 1000  # values of params and variables that a run remembers


@public
class Run(Evaluation, Generic[R_co]):
    """One evaluation of a target on an engine. Made by `Engine.start`.

    Await it for the value. It goes on whether or not it is awaited. Cancelling an asyncio task that awaits it cancels
    the run, as with asyncio's own tasks.

    Attributes:
        id: a number that is unique in the process.
        iterations: how many tail calls it has made.

    >>> import asyncio, cascade as cs
    >>> @cs.task(mode="inline")
    ... def countdown(n):
    ...     return countdown(n - 1) if n else "lift-off"
    >>> async def main():
    ...     async with cs.Engine() as engine:
    ...         run = engine.start(countdown(3))
    ...         return await run, run.state, run.iterations
    >>> asyncio.run(main())
    ('lift-off', 'done', 3)
    """

    _extras: RunExtras | None
    __slots__ = ("_callbacks", "_host", "id")

    def __init__(
        self,
        host: Host,
        target: LazyResult,
        context: Context,
        params: Mapping[str, Any] | None = None,
        label: RunLabel | None = None,
    ) -> None:
        super().__init__(host.scheduler, target, context)
        self._host = host
        self.id = next(_ids)
        self._callbacks: Sequence[DoneCallback] | None = None  # a tuple may be shared by many runs
        if params is not None:
            self._ensure_extras().params = params
        if label is not None:
            self._ensure_extras().label = label

    @property
    def name(self) -> str | None:
        """The name that it was given by `Engine.start`; None: none."""
        return self._label.name

    @property
    def tags(self) -> Mapping[str, str]:
        """The tags that it was given by `Engine.start`, by key."""
        return self._label.tags

    @property
    def _label(self) -> RunLabel:
        label = None if self._extras is None else self._extras.label
        return NO_LABEL if label is None else label

    def done(self) -> bool:
        """Whether it has ended: it has a value, has failed, was skipped or was cancelled."""
        return self._finished

    def cancelled(self) -> bool:
        """Whether it was cancelled, and has ended without a value or a failure."""
        return self._finished and self._interrupted and not self._errors

    def cancel(self) -> bool:
        """Request its cancellation. It ends once all its calls have ended: await it, or check `done`.

        Returns:
            Whether it had not ended by then.
        """
        if self._finished:
            return False
        self._request_cancel()
        return True

    def result(self) -> R_co:
        """Return its value, once it has ended.

        Raises:
            EngineStateError: it has not ended; it is an `asyncio.InvalidStateError`, too.
            asyncio.CancelledError: it was cancelled.
            BaseException: the exception of its task, itself; an `ExceptionGroup` if several tasks failed at once.
        """
        try:
            error = self.exception()
            if error is not None:
                if self._errors is not None and len(self._errors) == 1:
                    self._restore_traceback(error)
                raise error
            value: R_co = self._value
            return value
        except BaseException as failure:
            hide_frames(failure)
            raise

    def _restore_traceback(self, error: BaseException) -> None:
        """Give its failure the traceback that it was first raised with: without the frames of those who awaited it."""
        extras = self._ensure_extras()
        if extras.traceback is False:
            extras.traceback = traceback_of(error)
        else:
            set_traceback(error, extras.traceback)

    def exception(self) -> BaseException | None:
        """Return the exception with which it has ended; None: it has a value.

        Raises:
            EngineStateError: it has not ended; it is an `asyncio.InvalidStateError`, too.
            asyncio.CancelledError: it was cancelled.
        """
        try:
            if not self._finished:
                raise NotEndedError(f"{self._called} has not ended: await it")
            self._retrieved = True
            if self._errors:
                return self._error(self._errors)
            if self._interrupted:
                raise asyncio.CancelledError(f"{self._called} was cancelled")
            return None
        except BaseException as failure:
            hide_frames(failure)
            raise

    @boundary
    def add_done_callback(self, function: Callable[[Run[R_co]], object], *, context: Context | None = None) -> None:
        """Have a function called with the run soon after its end, as with a future of asyncio.

        So `asyncio.wait` takes runs. Where an awaitable will do, give the run itself.

        Args:
            function: takes the run. What it raises goes to the event loop's exception handler.
            context: in which the function is called; None: a copy of the current one.

        Raises:
            EngineStateError: this is not called on the engine's event loop.
            TypeError: ``function`` cannot be called, or calling it would not run it: an async function, a task.

        >>> import asyncio, cascade as cs
        >>> @cs.task
        ... async def page(number):
        ...     await asyncio.sleep(number)
        ...     return number
        >>> async def main():
        ...     async with cs.Engine() as engine:
        ...         runs = [engine.start(page(0)), engine.start(page(60))]
        ...         done, pending = await asyncio.wait(runs, return_when=asyncio.FIRST_COMPLETED)
        ...         return [run.result() for run in done], len(pending)
        >>> asyncio.run(main())
        ([0], 1)
        """
        check_callback(function)
        scheduled = ScheduledCall(function, self._host.running_loop(), copy_context() if context is None else context)
        if self._announced:
            scheduled._run_ended(self)
        else:
            self._add_done_callback((scheduled,))

    def remove_done_callback(self, function: Callable[[Run[R_co]], object]) -> int:
        """No longer have a function called at its end.

        Returns:
            How often it was to be called.
        """
        calls = [each for each in self._callbacks or () if isinstance(each, ScheduledCall)]
        found = [each for each in calls if each.function == function]
        for each in found:
            self._remove_done_callback(each)
        return len(found)

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
        """What it is doing now, as text: its state, or what it waits for."""
        if self._finished:
            return self.state
        if self._ended:
            return "tearing down its resources"
        awaits = self._awaits()
        if not awaits:
            if self._extras is not None and self._extras.beginning is not None:
                return "waiting to be started again"
            return self.state
        waits = _listed([self._describe_wait(*each) for each in awaits[:_SHOWN]], len(awaits))
        return f"stopping: {waits}" if self._stopping else waits

    def __await__(self) -> Generator[Any, None, R_co]:
        return self._join().__await__()

    def _describe_wait(
        self, template: Template, number: int, mailboxes: tuple[Mailbox, ...] | None, waiter: Waiter
    ) -> str:
        """Return what it waits for at a node of a template, as text. The arguments: as in `Evaluation._awaits`."""
        handle = waiter.handle
        if isinstance(handle, HeldScope):
            claim = handle.claim
        else:
            held_up = None if self._extras is None else self._extras.held_up
            claim = None if held_up is None else held_up.get(waiter)
        if claim is None:
            return _describe_wait(template, number, mailboxes)
        wanted = (*claim.shares, *claim.tokens)
        pause = claim.paused_by  # another thread may read this while the claim changes
        why = ", ".join(each.reason(units) for each, units in wanted) if pause is None else pause.reason()
        return f"waiting to start {_qualname(template, number)}{f' ({why})' if why else ''}"

    @property
    def _called(self) -> str:
        """It, in messages: its number, and its name and tags if it has some."""
        return f"run {self.id}{self._label}"

    def __repr__(self) -> str:
        return f"<R{self._called[1:]}: {self.doing}, {self.iterations} iterations>"

    def _repr_mimebundle_(self, include: Types = None, exclude: Types = None) -> dict[str, str]:
        """What a notebook shows: a table. A failure that is shown there does not count as retrieved."""
        return bundle({PLAIN: self.__repr__, HTML: lambda: table(self._rows())}, include, exclude)

    def _rows(self) -> Iterator[tuple[str, object]]:
        yield "run", self.id
        yield from self._label.rows()
        state, doing = self.state, self.doing
        yield "state", state
        if doing != state:
            yield "doing", doing
        yield "iterations", f"{self.iterations:,}"
        if state == "failed" and self._errors:
            yield "exception", describe(self._error(self._errors))

    def __del__(self) -> None:
        if self._retrieved or not self._errors or not self._finished:
            return
        if not self._skipped and not _is_cancellation(self._errors):
            error = self._error(self._errors)
            if self._extras is not None and self._extras.unretrieved is not None:
                self._extras.unretrieved.add(self.id, error)
            else:
                self._host.report(f"the exception of run {self.id}{self._label} was never retrieved", error)

    async def _join(self, *, returns_messages: bool = False) -> R_co:
        """Await its end.

        Args:
            returns_messages: on cancellation, whether messages in its value go back to their channels, if this call
                is all that awaits the run.
        """
        try:
            if not self._finished:
                join = RunFuture(self, self._host.running_loop())
                self._add_done_callback((join,))
                try:
                    with self._host.await_graph.record(self):
                        await join
                except asyncio.CancelledError as cancelled:
                    if returns_messages and not (join.shared or self._retrieved):
                        self._return_messages()
                    self._retrieved = True
                    raise cancelled from (self._error(self._errors) if self._errors else None)
            return self.result()
        except BaseException as error:
            hide_frames(error)
            raise

    def _return_messages(self) -> None:
        """Return messages to their channels that the run has received and no task was given: the value is not used."""
        if not self._finished:
            return
        return_messages(self._take_unseen())

    # ------------------------------------------------------------------------------------- callbacks at its end

    def _add_done_callback(self, callbacks: tuple[DoneCallback, ...]) -> None:
        """Call these when it has ended. Many runs may share one tuple of callbacks."""
        if self._callbacks is None:
            self._callbacks = callbacks
        elif isinstance(self._callbacks, list):
            self._callbacks.extend(callbacks)
        else:
            self._callbacks = [*self._callbacks, *callbacks]

    def _remove_done_callback(self, callback: DoneCallback) -> None:
        """No longer call this callback."""
        self._callbacks = [each for each in self._callbacks or () if each is not callback] or None

    def _awaiters(self) -> list[asyncio.Task[Any]]:
        """The asyncio tasks that await it, perhaps together with other runs."""
        return [task for callback in self._callbacks or () for task in callback._awaiters()]

    def _call_done_callbacks(self) -> None:
        """Call the done callbacks, once."""
        if self._callbacks is not None:
            callbacks, self._callbacks = self._callbacks, None
            if len(callbacks) == 1:
                callbacks[0]._run_ended(self)
            else:
                mark_shared(callbacks)
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
        """Resolve the params and variables of an expression, before any of its nodes starts."""
        from cascade.expressions.inputs import resolve

        extras = self._ensure_extras()
        first = extras.inputs is None
        if extras.inputs is None:
            extras.inputs = {}
        if len(extras.inputs) > MAX_INPUTS:
            extras.inputs.clear()  # a node that still needs one of them resolves it again
        for spec, value in resolve(specs, extras.params, os.environ, complete=first):
            extras.inputs[id(spec)] = spec, value

    def _read_input(self, spec: Any) -> Any:
        """Return the value of a param or a variable."""
        inputs = self._ensure_extras().inputs
        if inputs is None or id(spec) not in inputs:
            self._resolve_inputs([spec])
            inputs = self._ensure_extras().inputs
            assert inputs is not None
            return inputs.pop(id(spec))[1]  # this spec is made anew in each iteration: caching it would leak
        return inputs[id(spec)][1]

    def _scope(self) -> Scope:
        """Return the scope of its resources, made on first use."""
        extras = self._ensure_extras()
        if extras.scope is None:
            from cascade.resources.scope import Scope

            services = self._host.services
            hooks = services.emitter.hooks(self)
            extras.scope = Scope(services.resources, "run", services.scope(), hooks, self._context)
        return extras.scope

    @property
    def _holds_resources(self) -> bool:
        """Whether any resource is set up for it."""
        return self._extras is not None and self._extras.scope is not None and not self._extras.scope.empty

    async def _release(self) -> None:
        """Tear down its resources, now that none of its calls is running. It fails if a teardown fails."""
        if self._errors and len(self._errors) > 1:
            self._errors[:] = [self._error(self._errors)]  # one exception, which takes notes
        wrong = await self._scope().close(None if self._skipped else self._failure())
        if wrong is not None:
            self._fail_ended(wrong)

    def _abandon_scope(self, error: BaseException) -> None:
        """Tear down the resources that need no event loop: its event loop was closed."""
        if self._extras is not None and self._extras.scope is not None:
            self._extras.scope.abandon(error)

    @property
    def _leaders(self) -> dict[Leader, None]:
        """Cached calls that this run leads, beneath which it evaluates expressions: what these need, the results do."""
        extras = self._ensure_extras()
        if extras.leaders is None:
            extras.leaders = {}
        return extras.leaders

    def _fail_leaders(self) -> None:
        """Release the cached calls that it leads: it has ended without their results, so another call takes over."""
        if self._extras is not None and self._extras.leaders is not None:
            leaders, self._extras.leaders = self._extras.leaders, None
            for leader in leaders:
                leader.failed()

    def _grant_permit(self, frame: int, at: int) -> None:
        """Record a permit: a node has been admitted by the limits, and may start once."""
        extras = self._ensure_extras()
        if extras.permits is None:
            extras.permits = set()
        extras.permits.add((frame, at))

    def _use_permit(self, frame: int, at: int) -> bool:
        """Use up the permit of a node; return whether there was one."""
        if self._extras is None or not self._extras.permits or (frame, at) not in self._extras.permits:
            return False
        self._extras.permits.discard((frame, at))
        return True

    def _forget_permits(self, frames: set[int], root: int, doomed: bytearray | None) -> None:
        """Drop the permits of frames that were stopped, and of nodes of the frame above them."""
        permits = set() if self._extras is None or self._extras.permits is None else self._extras.permits
        for frame, at in [*permits]:
            if frame in frames or (frame == root and (doomed is None or doomed[at])):
                permits.discard((frame, at))

    def _failure(self) -> BaseException | None:
        """Return the exception with which it has ended; None: it has a value."""
        if self._errors:
            return self._error(self._errors)
        return asyncio.CancelledError(f"{self._called} was cancelled") if self._interrupted else None

    @property
    def _skipped(self) -> bool:
        """Whether it has no value because its target was skipped: nothing went wrong."""
        return self._errors is not None and len(self._errors) == 1 and isinstance(self._errors[0], TaskSkippedError)

    def _finish(self) -> None:
        """Finish an ended run: emit the event and call the done callbacks, which wake its awaiters."""
        self._close()
        try:
            if self._extras is not None:
                self._fail_leaders()
                for timer in (self._extras.deadline, self._extras.beginning):
                    if timer is not None:
                        timer.cancel()
            services = self._host.services
            if services.recorder is not None:
                services.recorder.run_finished(self)
            if services.emitter.listens:
                services.emitter.run_finished(self)
        finally:
            self._call_done_callbacks()

    def _error(self, errors: list[BaseException]) -> BaseException:
        return errors[0] if len(errors) == 1 else BaseExceptionGroup(f"several tasks of {self._called} failed", errors)


def _is_cancellation(errors: list[BaseException]) -> bool:
    """Whether a run has failed only as its calls were cancelled: by the end of the event loop, or by other code."""
    for error in errors:
        for single in singles(error):
            if not is_a(single, asyncio.CancelledError):
                return False
    return True


def _describe_wait(template: Template, number: int, mailboxes: tuple[Mailbox, ...] | None) -> str:
    """Return what a run waits for at a node of a template, as text. ``mailboxes``: as in `Evaluation._awaits`."""
    from cascade.graph.kinds import KINDS
    from cascade.graph.model import Call
    from cascade.graph.path import consumer

    node = template.graph.nodes[number]
    if not isinstance(node, Call):
        return f"running {type(node).__name__}"
    symbol = template.graph.calls[node.symbol]
    if symbol.kind == "map":
        return f"waiting for an item of the map of {symbol.qualname}"
    if mailboxes is None:  # a built-in node that waits, such as recv, has not started: a rule or a pause holds it up
        held = KINDS[symbol.kind].core.waits
        return f"waiting to start {symbol.qualname}" if held else f"running {symbol.qualname}"
    names = [repr(mailbox.name) for mailbox in mailboxes if mailbox.name is not None]
    where = f" on {_listed(names[:_SHOWN], len(names))}" if names else ""
    whose = consumer(template.graph, number)
    return f"waiting in {symbol.qualname}{where}{f' for {whose}' if whose else ''}"


def _qualname(template: Template, number: int) -> str:
    """Return the name of the task of a node, or what else the node is."""
    from cascade.graph.model import Call

    node = template.graph.nodes[number]
    return template.graph.calls[node.symbol].qualname if isinstance(node, Call) else type(node).__name__


def _listed(shown: list[str], count: int) -> str:
    """Join some of ``count`` items, and say how many more there are."""
    return ", ".join(shown) + (f" and {count - len(shown)} more" if count > len(shown) else "")
