"""A population: many runs that were started together, awaited and cancelled as one."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, Generic, Literal

import msgspec

from cascade._core.expr.lazy import LazyResult
from cascade._core.run.current import forget_call
from cascade._support.boundary import boundary
from cascade._support.failures import describe, is_a, singles
from cascade._support.not_copied import NotCopied
from cascade._support.notebooks import HTML, PLAIN, bundle, table
from cascade._support.public import public
from cascade._support.type_variables import R_co
from cascade.engine.join import ClosedAtEnd, DoneCallback, RunFuture, call_all, closed_at_end, lacks_value
from cascade.engine.restart import Restart, Restarter
from cascade.engine.run import Run
from cascade.engine.run_label import RunLabel, label_within
from cascade.engine.unretrieved import UnretrievedFailures
from cascade.exceptions import EngineStateError, PolicyError, RunDeadlineError, TargetError
from cascade.expressions.targets import expression

if TYPE_CHECKING:
    from cascade._support.notebooks import Types
    from cascade.engine.bounds import Bounds
    from cascade.engine.host import Host

__all__ = ["Population", "PopulationCounts", "start_many"]

_SHOWN = 3  # exceptions that a notebook shows


@public
class PopulationCounts(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The number of members of a population in each state. Made by `Population.counts`.

    All attributes but `restarts` add up to the size of the population.

    Attributes:
        ready: members that wait for their turn.
        running: members of which a task is executing in the event loop's thread at this moment.
        parked: members that wait for time, a message, an asyncio task or a worker, or to be started (again).
        done: members that have a value.
        failed: members that have failed and are not started again.
        skipped: members without a value because a condition was false.
        cancelled: members that were cancelled.
        restarts: how many times members were started again.
    """

    ready: int
    running: int
    parked: int
    done: int
    failed: int
    skipped: int
    cancelled: int
    restarts: int


@public
class Population(NotCopied, Generic[R_co]):
    """Many runs that were started together. Made by `Engine.start_many`.

    Await it to wait until all members have ended. They go on whether or not it is awaited; cancelling an asyncio task
    that awaits it cancels them all. Awaiting it returns the final `counts`. If it was started with
    ``on_failure="stop"`` and members have failed, awaiting it raises their exception, or an `ExceptionGroup` of
    several. `KeyboardInterrupt` or `SystemExit` in a member cancels all members of any population, and is raised to its
    awaiter.

    A failure counts as retrieved when `failed` is read or the run is awaited. Failures that were never retrieved are
    logged together in one line, once the population and its runs are freed.

    >>> import asyncio, cascade as cs
    >>> @cs.task(mode="inline")
    ... def invert(n):
    ...     return 1 / n
    >>> async def main():
    ...     async with cs.Engine() as engine:
    ...         population = engine.start_many(invert(n) for n in (1, 0, 2))
    ...         counts = await population
    ...         return counts.done, counts.failed, population.failed[0].state
    >>> asyncio.run(main())
    (2, 1, 'failed')
    """

    __slots__ = (
        "__weakref__",
        "_at_work",
        "_bounds",
        "_callbacks",
        "_cancelled",
        "_closes",
        "_concurrency",
        "_failed",
        "_futures",
        "_held",
        "_host",
        "_label",
        "_make",
        "_on_failure",
        "_restarter",
        "_restarts",
        "_runs",
        "_stops_on_failure",
        "_unfinished_count",
        "_unretrieved",
    )  # fmt: skip

    def __init__(
        self,
        host: Host,
        targets: list[LazyResult],
        params: Mapping[str, Any] | None,
        on_failure: Literal["leave", "stop"] | Restart,
        bounds: Bounds,
        label: RunLabel | None,
        concurrency: int | None,
        closes: ClosedAtEnd | None,
    ) -> None:
        context = forget_call(copy_context())

        def make(target: LazyResult, label: RunLabel | None) -> Run:
            return Run(host, target, context.copy(), params, label)

        self._host = host
        self._label = label
        self._make = make
        self._closes = closes
        self._bounds = bounds
        self._on_failure = on_failure
        self._concurrency = concurrency
        self._at_work = 0  # members that have begun and not ended for good; counted if they wait for each other
        self._held: dict[Run, None] = {}  # members that wait for others to end, in order
        self._runs = [make(target, label) for target in targets]
        self._unfinished_count = len(targets)
        self._failed: list[Run] = []
        self._unretrieved = UnretrievedFailures(host.report, len(targets), "" if label is None else str(label))
        self._futures: list[RunFuture] = []
        self._callbacks: list[DoneCallback] = []
        self._stops_on_failure = on_failure == "stop"
        self._cancelled = False
        self._restarts = 0
        self._restarter: Restarter | None = None
        if isinstance(on_failure, Restart):
            self._restarter = Restarter(on_failure, targets, make, bounds, host.timers)

    # ------------------------------------------------------------------------------------------------ for users

    @property
    def runs(self) -> tuple[Run[R_co], ...]:
        """The runs of the members, in the order of their targets; of a member that was started again, the last run."""
        return tuple(self._runs)

    @property
    def failed(self) -> tuple[Run[R_co], ...]:
        """The runs of members that have failed for good, in the order of their failures. They count as retrieved."""
        for run in self._failed:
            run._retrieved = True
        return tuple(self._failed)

    def counts(self) -> PopulationCounts:
        """Count the members in each state now. Takes time linear in the size: nothing is counted in advance."""
        states = Counter(run.state for run in self._runs)
        return PopulationCounts(
            **{name: states[name] for name in PopulationCounts.__struct_fields__ if name != "restarts"},
            restarts=self._restarts,
        )

    @boundary
    def add(
        self,
        target: LazyResult[R_co] | R_co,
        *,
        name: str | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> Run[R_co]:
        """Add a member, and start it as the others were started; also if all others have ended.

        Args:
            target: as `Engine.start` takes it.
            name: its `Run.name`; None: that of the population.
            tags: more `Run.tags` beside those of the population, or other values of these.

        Returns:
            The `Run` of the member.

        Raises:
            TargetError: ``target`` is not a target.
            TypeError, ValueError: ``name`` or ``tags`` is not valid.
            EngineStateError: the population was cancelled; or all others have ended, and it has closed its channels; or
                the engine is in use on another event loop.
            EngineClosedError: the engine was closed.

        >>> import asyncio, cascade as cs
        >>> @cs.task(mode="inline")
        ... def double(n):
        ...     return 2 * n
        >>> async def main():
        ...     async with cs.Engine() as engine:
        ...         population = engine.start_many([double(1)], concurrency=1)
        ...         later = population.add(double(2))
        ...         await population
        ...         return later.result(), len(population)
        >>> asyncio.run(main())
        (4, 2)
        """
        wanted = expression(target)
        label = label_within(self._label, name, tags)
        if self._cancelled:
            raise EngineStateError("a member must be added to a population that goes on, got one that was cancelled")
        if self._closes is not None and not self._unfinished_count:
            raise EngineStateError(
                "a member must be added before all others have ended, as the population closes its channels then: "
                "close them yourself, and leave out `closes`"
            )
        self._host.bind()
        run = self._make(wanted, label)
        if isinstance(self._on_failure, Restart):
            if self._restarter is None:  # all others have ended
                before = [wanted] * len(self._runs)
                self._restarter = Restarter(self._on_failure, before, self._make, self._bounds, self._host.timers)
            self._restarter.add(run, wanted)
        self._runs.append(run)
        self._unretrieved.size += 1
        self._unfinished_count += 1
        run._add_done_callback((self,))
        self._begin_or_hold(run, wanted)
        return run

    def done(self) -> bool:
        """Whether all members have ended."""
        return not self._unfinished_count

    def cancel(self) -> None:
        """Request the cancellation of all members; none is started again. Each ends once its calls have ended."""
        self._cancelled = True
        for run in self.runs:
            run.cancel()

    def __len__(self) -> int:
        return len(self._runs)

    def __await__(self) -> Generator[Any, None, PopulationCounts]:
        return self._join().__await__()

    def __repr__(self) -> str:
        counts = msgspec.structs.asdict(self.counts())
        shown = ", ".join(f"{number:,} {state}" for state, number in counts.items() if number)
        label = "" if self._label is None else str(self._label)
        return f"<Population{label} of {len(self):,}: {shown or 'no members'}>"

    def _repr_mimebundle_(self, include: Types = None, exclude: Types = None) -> dict[str, str]:
        """What a notebook shows: a table. Failures that are shown there do not count as retrieved."""
        return bundle({PLAIN: self.__repr__, HTML: lambda: table(self._rows())}, include, exclude)

    def _rows(self) -> Iterator[tuple[str, object]]:
        yield "members", f"{len(self):,}"
        if self._label is not None:
            yield from self._label.rows()
        for state, number in msgspec.structs.asdict(self.counts()).items():
            if number:
                yield state, f"{number:,}"
        yield "iterations", f"{sum(run.iterations for run in self._runs):,}"
        for run in self._failed[:_SHOWN]:
            if run._errors:
                yield f"exception of run {run.id}", describe(run._error(run._errors))

    @boundary
    async def _join(self) -> PopulationCounts:
        if self._unfinished_count:
            join = RunFuture(self, self._host.running_loop())
            self._futures.append(join)
            try:
                with self._host.await_graph.record(self):
                    await join
            except asyncio.CancelledError as cancelled:
                raise cancelled from self._failure()
        failure = self._failure()
        if failure is not None:
            raise failure
        return self.counts()

    def _failure(self) -> BaseException | None:
        """Return the exception that awaiting it raises; None: none."""
        raised = [run for run in self._failed if _ends_process(run)] or (self._failed if self._stops_on_failure else [])
        errors = []
        for run in raised:
            run._retrieved = True
            if (error := run._failure()) is not None:
                errors.append(error)
        if len(errors) < 2:
            return errors[0] if errors else None
        return BaseExceptionGroup(f"{len(errors):,} runs of a population failed", errors)

    # -------------------------------------------------------------------------------------------- for the engine

    def _begin(self, targets: list[LazyResult]) -> None:
        """Start all members."""
        callbacks = (self,)  # shared by all runs, and not kept here: no reference cycle, so it is freed at once
        for run in self._runs:
            run._add_done_callback(callbacks)
        try:
            for run, target in zip(self.runs, targets, strict=True):
                self._begin_or_hold(run, target)
        except BaseException:  # the caller gets no population: its members must not go on
            self.cancel()
            raise
        self._close_channels()  # if there are no members

    def _begin_or_hold(self, run: Run, target: LazyResult) -> None:
        """Start a member, or hold it until another one has ended."""
        held = self._concurrency is not None and self._at_work >= self._concurrency
        if held:
            self._held[run] = None
        else:
            self._at_work += 1
        self._host.begin(run, target, self._bounds, held=held)

    def _begin_next(self, ended: Run) -> None:
        """Start the member that is held longest, now that one has ended."""
        if ended in self._held:  # it was cancelled, and has taken no place
            del self._held[ended]
            return
        self._at_work -= 1
        if self._held and not self._cancelled:
            run = next(iter(self._held))
            del self._held[run]
            self._at_work += 1
            if self._restarter is not None:
                self._restarter.begins(run, self._runs)
            self._host.begin_held(run, self._bounds)

    def _awaiters(self) -> Iterable[asyncio.Task[Any]]:
        """The asyncio tasks that await it, or that iterate over its members with `as_completed`."""
        callbacks: list[DoneCallback] = [*self._futures, *self._callbacks]
        return [task for callback in callbacks for task in callback._awaiters()]

    def _run_ended(self, run: Run, /) -> None:
        """Done callback of the members' runs: restart, record or announce."""
        if run._errors:
            if run._skipped:
                run._retrieved = True  # a skipped run is not a failure
            elif self._restart(run):
                return
            else:
                run._ensure_extras().unretrieved = self._unretrieved
                self._failed.append(run)
                if not self._cancelled and (self._stops_on_failure or _ends_process(run)):
                    self.cancel()
        self._unfinished_count -= 1
        self._begin_next(run)
        callbacks: list[DoneCallback] = self._callbacks  # never changed in place, so this list is safe to iterate over
        if not self._unfinished_count:
            self._restarter = None
            futures, self._futures = self._futures, []
            callbacks = [*callbacks, *futures]
        try:
            self._close_channels()
        finally:
            call_all(callbacks, run)

    def _close_channels(self) -> None:
        """Close the channels that belong to it if all members have ended: with the first failure, or cancellation."""
        if self._closes is not None and not self._unfinished_count:
            found = self._failed or (run for run in self._runs if lacks_value(run))
            self._closes.close(next(iter(found), None))

    def _restart(self, run: Run) -> bool:
        """Start a failed member again, if its policy allows that; return whether it was."""
        if self._restarter is None or self._cancelled or not self._host.may_restart():
            return False
        if run._interrupted and not any(is_a(error, RunDeadlineError) for error in (run._errors or ())[:1]):
            return False
        place = self._restarter.place(run, self._runs)
        if place is None:
            return False
        run._retrieved = True  # the restart has handled it
        self._restarts += 1
        label = None if run._extras is None else run._extras.label
        self._runs[place] = again = self._restarter.start(place, label)
        again._add_done_callback((self,))
        restarter = self._restarter
        self._host.begin(again, restarter.targets[place], restarter.bounds, restarter.delay(place))
        if self._cancelled:  # meanwhile, by another thread or a subscriber of `RunStarted`
            again.cancel()
        return True

    def _add_done_callback(self, callback: DoneCallback) -> None:
        """Call this for each member that has ended and is not started again."""
        self._callbacks = [*self._callbacks, callback]  # a new list: the old one may be in use

    def _remove_done_callback(self, callback: DoneCallback) -> None:
        """No longer call this callback."""
        self._callbacks = [each for each in self._callbacks if each is not callback]

    def _unfinished(self) -> Sequence[Run]:
        """The runs that have not ended."""
        return [run for run in self._runs if not run._finished]


def start_many(
    host: Host,
    targets: Iterable[Any],
    params: Mapping[str, Any] | None,
    on_failure: Any,
    bounds: Bounds,
    label: RunLabel | None,
    concurrency: int | None,
    closes: object,
) -> Population:
    """Start a population. See `Engine.start_many`."""
    if not isinstance(on_failure, Restart) and on_failure not in ("leave", "stop"):
        raise PolicyError(f"on_failure must be 'leave', 'stop' or a `Restart`, got {on_failure!r}")
    if concurrency is not None and (type(concurrency) is not int or concurrency < 1):
        raise PolicyError(f"concurrency must be None or an int >= 1, got {concurrency!r}")
    try:
        each = iter(targets)
    except TypeError:
        raise TargetError(f"targets must be an iterable of targets, got `{type(targets).__name__}`") from None
    wanted = [expression(target, index) for index, target in enumerate(each)]
    channels = closed_at_end(closes)
    host.bind()
    population = Population(host, wanted, params, on_failure, bounds, label, concurrency, channels)
    population._begin(wanted)
    return population


def _ends_process(run: Run) -> bool:
    """Whether a run has failed with `KeyboardInterrupt` or `SystemExit`, which concern the whole process."""
    found = (each for error in run._errors or () for each in singles(error))
    return any(is_a(each, (KeyboardInterrupt, SystemExit)) for each in found)
