"""A population: many runs that were started together, seen as one."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextvars import Context, copy_context
from typing import TYPE_CHECKING, Any, Generic, Literal

import msgspec

from cascade._core.expr.lazy import LazyResult
from cascade._support.failures import is_a, singles
from cascade._support.public import public
from cascade._support.type_variables import R_co
from cascade.engine.join import DoneCallback, RunFuture, call_all
from cascade.engine.run import Run
from cascade.engine.unretrieved import UnretrievedFailures
from cascade.exceptions import InternalError, PolicyError, TargetError
from cascade.expressions.targets import expression

if TYPE_CHECKING:
    from cascade.engine.host import Host

__all__ = ["Population", "PopulationCounts", "Restart", "start_many"]


@public
class Restart(msgspec.Struct, frozen=True):
    """What to do when a member of a population fails: start it again. For `Engine.start_many`.

    It begins anew from its target. Only an `Exception` is answered so: not what ends the process, and not a failure of
    what had been cancelled.

    Attributes:
        limit: how many times each member is started again; it counts as failed the next time.

    Raises:
        PolicyError: ``limit`` is no number of times.

    >>> import cascade as cs
    >>> cs.Restart(limit=5)
    Restart(limit=5)
    """

    limit: int = 3

    def __post_init__(self) -> None:
        if type(self.limit) is not int or self.limit < 0:
            raise PolicyError(f"expected limit as an int from 0 on, got {self.limit!r}")


@public
class PopulationCounts(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """How many members of a population are in which state. Made by `Population.counts`.

    All but the last add up to the size of the population.

    Attributes:
        ready: could go on, and will at their turn.
        running: have a task that is running in the event loop's thread at this moment.
        parked: wait: for time, a message, an asyncio task, a worker.
        done: have a value.
        failed: have failed for good.
        skipped: ended without a value, as a condition was false.
        cancelled: were cancelled.
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
class Population(Generic[R_co]):
    """Many runs that were started together. Made by `Engine.start_many`.

    Await it for the end of all. They go on whether or not it is awaited; cancelling who awaits it cancels them all. To
    await it gives its last `counts`; if it was started with ``on_failure="stop"`` and a member has failed, it raises
    that failure as itself, or an `ExceptionGroup` of several. What ends the process, `KeyboardInterrupt` or
    `SystemExit`, stops all of any population, and is raised to who awaits it.

    A failure that nobody has looked at is not lost: once the population and its runs are gone, all of them together are
    reported in one line. To look at it is to read `failed`, or to await the run.

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
        "_cancelled",
        "_failed",
        "_host",
        "_joining",
        "_left",
        "_restarting",
        "_restarts",
        "_runs",
        "_stops",
        "_unretrieved",
        "_watching",
    )  # fmt: skip

    def __init__(
        self,
        host: Host,
        targets: list[LazyResult],
        params: Mapping[str, Any] | None,
        on_failure: Literal["leave", "stop"] | Restart,
    ) -> None:
        context = copy_context()
        self._host = host
        self._runs = [Run(host, target, context.copy(), params) for target in targets]
        self._left = len(targets)
        self._failed: list[Run] = []
        self._unretrieved = UnretrievedFailures(host.report, len(targets))
        self._joining: list[RunFuture] = []
        self._watching: list[DoneCallback] = []
        self._stops = on_failure == "stop"
        self._cancelled = False
        self._restarts = 0
        self._restarting: _Restarting | None = None
        if isinstance(on_failure, Restart):
            self._restarting = _Restarting(on_failure.limit, targets, params, context)

    # ------------------------------------------------------------------------------------------------ for users

    @property
    def runs(self) -> tuple[Run[R_co], ...]:
        """The members' runs, in the order of their targets; of one that was started again, the last."""
        return tuple(self._runs)

    @property
    def failed(self) -> tuple[Run[R_co], ...]:
        """The runs of members that have failed for good, in the order in which they did. They count as looked at."""
        for run in self._failed:
            run._retrieved = True
        return tuple(self._failed)

    def counts(self) -> PopulationCounts:
        """Return how many members are in which state now. They are counted when this is called, at no other time."""
        states = Counter(run.state for run in self._runs)
        return PopulationCounts(
            **{name: states[name] for name in PopulationCounts.__struct_fields__ if name != "restarts"},
            restarts=self._restarts,
        )

    def done(self) -> bool:
        """Whether all members have ended."""
        return not self._left

    def cancel(self) -> None:
        """Have all members stopped, and none started again. They have ended once all that they had started has."""
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
        return f"<Population of {len(self):,}: {shown or 'nobody'}>"

    async def _join(self) -> PopulationCounts:
        if self._left:
            join = RunFuture(self, self._host.running_loop())
            self._joining.append(join)
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
        """What awaiting it raises."""
        raised = [run for run in self._failed if _ends_process(run)] or (self._failed if self._stops else [])
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
        callbacks = (self,)  # one for all, and not kept here: the population is no cycle, and freed with its last user
        for run in self._runs:
            run._add_done_callback(callbacks)
        try:
            for run, target in zip(self.runs, targets, strict=True):
                self._host.begin(run, target)
        except BaseException:  # none is left to run for nobody
            self.cancel()
            raise

    def _awaiters(self) -> Iterable[asyncio.Task[Any]]:
        """The asyncio tasks that await it, or its members one by one."""
        callbacks: list[DoneCallback] = [*self._joining, *self._watching]
        return [task for callback in callbacks for task in callback._awaiters()]

    def _run_ended(self, run: Run, /) -> None:
        """A member's run has ended."""
        if run._errors:
            if run._skipped:
                run._retrieved = True  # nothing went wrong
            elif self._start_again(run):
                return
            else:
                run._ensure_extras().unretrieved = self._unretrieved
                self._failed.append(run)
                if not self._cancelled and (self._stops or _ends_process(run)):
                    self.cancel()
        self._left -= 1
        callbacks: list[DoneCallback] = self._watching  # replaced as a whole
        if not self._left:
            self._restarting = None
            joining, self._joining = self._joining, []
            callbacks = [*callbacks, *joining]
        call_all(callbacks, run)

    def _start_again(self, run: Run) -> bool:
        if self._restarting is None or self._cancelled or run._interrupted or not self._host.lives():
            return False
        place = self._restarting.place(run, self._runs)
        if place is None:
            return False
        run._retrieved = True  # it has been seen to
        self._restarts += 1
        self._runs[place] = again = self._restarting.start(place, self._host)
        again._add_done_callback((self,))
        self._host.begin(again, self._restarting.targets[place])
        if self._cancelled:  # by another thread, or by what was told that it began
            again.cancel()
        return True

    def _watch(self, callback: DoneCallback) -> None:
        """Call this for each member that has ended for good."""
        self._watching = [*self._watching, callback]  # a new list: the old one may be in use

    def _unwatch(self, callback: DoneCallback) -> None:
        """Call this no longer."""
        self._watching = [each for each in self._watching if each is not callback]

    def _unfinished(self) -> Sequence[Run]:
        """The runs that must end before it is over."""
        return [run for run in self._runs if not run._finished]


class _Restarting:
    """What it takes to start members again.

    Args:
        limit: how many times each.
        targets: of all members.
        params: of all members.
        context: in which they were started.
    """

    __slots__ = ("_context", "_limit", "_params", "_places", "_times", "targets")

    def __init__(
        self, limit: int, targets: list[LazyResult], params: Mapping[str, Any] | None, context: Context
    ) -> None:
        self.targets = targets
        self._limit = limit
        self._params = params
        self._context = context
        self._places: dict[Run, int] | None = None  # made when the first one fails
        self._times: dict[int, int] = {}  # by place, of those that have failed

    def place(self, run: Run, runs: list[Run]) -> int | None:
        """Return which member a run was that has failed, or None if it is not to be started again."""
        for error in run._errors or ():
            if not is_a(error, Exception) or is_a(error, InternalError):
                return None
        if self._places is None:
            self._places = {each: place for place, each in enumerate(runs)}
        place = self._places[run]
        if self._times.get(place, 0) >= self._limit:
            return None
        del self._places[run]  # with its failure, and all that hangs on that
        return place

    def start(self, place: int, host: Host) -> Run:
        """Return another run of a member."""
        assert self._places is not None
        run = Run(host, self.targets[place], self._context.copy(), self._params)
        self._times[place] = self._times.get(place, 0) + 1
        self._places[run] = place
        return run


def start_many(host: Host, targets: Iterable[Any], params: Mapping[str, Any] | None, on_failure: Any) -> Population:
    """Start a population. See `Engine.start_many`."""
    if not isinstance(on_failure, Restart) and on_failure not in ("leave", "stop"):
        raise PolicyError(f"expected on_failure 'leave', 'stop' or a `Restart`, got {on_failure!r}")
    try:
        each = iter(targets)
    except TypeError:
        raise TargetError(f"expected an iterable of targets, got `{type(targets).__name__}`") from None
    wanted = [expression(target, index) for index, target in enumerate(each)]
    host.bind()
    population = Population(host, wanted, params, on_failure)
    population._begin(wanted)
    return population


def _ends_process(run: Run) -> bool:
    """Whether a run has failed with what is meant for the process, not for whoever awaits the run."""
    found = (each for error in run._errors or () for each in singles(error))
    return any(is_a(each, (KeyboardInterrupt, SystemExit)) for each in found)
