"""Expressions whose tasks take time, as descriptions, and what they are worth as plain asyncio code.

`evaluate` is the reference: coroutines with `try`, each of which knows nothing of an engine. A `Group` is what runs
beneath a node that catches: its first failure cancels the rest of it, and awaits it. A node that is reached twice is
one task, which is cancelled once nothing awaits it any longer.

Durations are such that no two things happen at the same time unless one leads to the other: see `programs`.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

import cascade as cs
from language.timed_inside import Evaluate, Inside
from support.values import failure, leaves


class Boom(Exception):
    """The failure of a task."""

    at: float  # when it was raised


class Bang(Exception):
    """The failure of another task."""

    at: float


@dataclass(frozen=True, eq=False)
class Work:
    """A call that takes some time.

    Attributes:
        name: of the task.
        seconds: until it ends.
        inputs: its arguments.
        error: what it ends with; None: a value.
        cleanup: seconds between its cancellation and its end.
        wrong: what it raises at the end of its cleanup; None: nothing new.
        swallows: it returns a value when it is cancelled.
        then: the expression that it returns; None: it returns a value.
        inside: the expressions that it awaits after its time, and how; None: it awaits none.
    """

    name: str
    seconds: float
    inputs: tuple[Node, ...] = ()
    error: type[Boom | Bang] | None = None
    cleanup: float = 0
    wrong: type[Boom | Bang] | None = None
    swallows: bool = False
    then: Node | None = None
    inside: Inside | None = None


@dataclass(frozen=True, eq=False)
class Pause:
    """A wait of the engine's own."""

    seconds: float


@dataclass(frozen=True, eq=False)
class Inline:
    """A call that takes no time."""

    inputs: tuple[Node, ...] = ()


@dataclass(frozen=True, eq=False)
class Gather:
    """The list of several nodes' values."""

    inputs: tuple[Node, ...]


@dataclass(frozen=True, eq=False)
class Map:
    """A call for each of some pieces of work, which have no inputs. They may come from an async iterable."""

    items: tuple[Work, ...]
    concurrency: int | None = None
    streams: bool = False


@dataclass(frozen=True, eq=False)
class Recover:
    """A node, or a call of work that has no inputs, for its failure."""

    inner: Node
    handler: Work
    on: object = Exception


@dataclass(frozen=True, eq=False)
class Fallback:
    """A node, or another one in place of its failure."""

    inner: Node
    other: Node
    on: object = Exception


@dataclass(frozen=True, eq=False)
class Outcome:
    """What became of a node."""

    inner: Node


@dataclass(frozen=True, eq=False)
class Race:
    """The first of several nodes."""

    inputs: tuple[Node, ...]


@dataclass(frozen=True, eq=False)
class Scope:
    """A node as one unit: with seconds for each attempt, and how many attempts there are."""

    inner: Node
    seconds: float | None = None
    attempts: int = 1


Node = Work | Pause | Inline | Gather | Map | Recover | Fallback | Outcome | Race | Scope


def children(node: Node) -> tuple[Node, ...]:
    """Give what a node refers to."""
    match node:
        case Work() | Inline() | Gather() | Race():
            return node.inputs
        case Fallback():
            return (node.inner, node.other)
        case Recover() | Outcome() | Scope():
            return (node.inner,)
    return ()


def beneath(target: Node) -> Iterator[Node]:
    """Give all nodes of an expression, each once, those that others refer to last."""
    found: dict[Node, None] = {}

    def visit(node: Node) -> None:
        for child in children(node):
            if child not in found:
                visit(child)
        found.setdefault(node)

    visit(target)
    return reversed(found)


def own(target: Node, scope: Scope) -> set[Node]:
    """Give what is of use to a scope alone: each attempt evaluates it anew."""
    found: set[Node] = {scope}
    nodes = [*beneath(target)]
    for node in nodes:
        takers = [taker for taker in nodes if node in children(taker)]
        if takers and found.issuperset(takers):
            found.add(node)
    return found - {scope}


@dataclass
class Trace:
    """What happened, and when: (nanoseconds, task, "started", "ended", "failed", "cancelled", "cleaned" or "cut")."""

    time: Callable[[], float]
    events: list[tuple[int, str, str]] = field(default_factory=list)
    left: list[asyncio.Task[object]] = field(default_factory=list)
    whole: Group | None = None

    @property
    def is_stopping(self) -> bool:
        """Tell whether the run stops as a whole."""
        return self.whole is not None and self.whole.stopped

    def __call__(self, name: str, what: str) -> None:
        self.events.append((round(self.time() * 1e9), name, what))

    def failure(self, kind: type[Boom | Bang], text: str) -> Boom | Bang:
        """Make a failure that is raised now."""
        error = kind(text)
        error.at = self.time()
        return error

    def told(self) -> list[tuple[int, str, str]]:
        """Give it in order, without what was of no use from the beginning: it may start and be cancelled, or not start.

        That is so where a race begins of which one has a value by then.
        """
        known = {*self.events}
        return sorted(
            (time, name, what)
            for time, name, what in self.events
            if not {(time, name, each) for each in ("started", "cancelled", "cleaned")} <= known
        )


async def perform(work: Work, args: tuple[object, ...], trace: Trace, evaluate: Evaluate) -> object:
    """Do what a task does, short of the expression that it returns. ``evaluate``: evaluates one that it awaits."""
    trace(work.name, "started")
    begin = trace.time()
    try:
        await asyncio.sleep(work.seconds)
        awaited = None if work.inside is None else await work.inside.run(evaluate)
    except asyncio.CancelledError:
        trace(work.name, "cancelled")
        if trace.time() == begin:  # it may as well not have started, which makes no difference: see `Trace.told`
            trace(work.name, "cleaned")
            raise
        try:
            await asyncio.sleep(work.cleanup)
        except asyncio.CancelledError:
            trace(work.name, "cut")
            raise
        trace(work.name, "cleaned")
        if work.wrong is not None:
            raise trace.failure(work.wrong, f"cleanup of {work.name}") from None
        if not work.swallows:
            raise
        return "swallowed"
    except Exception:
        trace(work.name, "failed")
        raise
    if work.error is not None:
        trace(work.name, "failed")
        raise trace.failure(work.error, work.name)
    trace(work.name, "ended")
    return (work.name, args) if work.inside is None else (work.name, args, awaited)


def told(error: BaseException) -> object:
    """Give what is compared of a failure: which things have failed. One may fail several others, all at one time."""
    return sorted({failure(each) for each in leaves(error)}, key=repr)


def matches(on: object, error: BaseException) -> bool:
    """Tell whether a failure is among those that are caught; of a group, all members must be."""
    if not isinstance(on, type | tuple):
        return bool(on(error))
    if isinstance(error, BaseExceptionGroup) and not isinstance(error, on):
        return all(matches(on, each) for each in error.exceptions)
    return isinstance(error, on)


# -- the reference -----------------------------------------------------------------------------------------------------


def is_before(error: Exception, time: float) -> bool:
    """Tell whether a task has failed before a time."""
    return getattr(error, "at", math.inf) < time


def one(errors: list[Exception]) -> Exception:
    """Give the failure that several failures are together."""
    return errors[0] if len(errors) == 1 else ExceptionGroup("several", errors)


class Group:
    """What runs beneath a node that catches.

    Args:
        outer: the group that the node belongs to; None: there is none.
        on: which failures the node catches: any other is one of the outer group.
        whole: it is the run, which has failed once something in it has.
    """

    def __init__(self, outer: Group | None = None, on: object = Exception, *, whole: bool = False) -> None:
        self._whole = whole
        self._outer = outer
        self._on = on
        self._tasks: set[asyncio.Task[object]] = set()
        self._errors: list[Exception] = []
        self.stopped = False
        self._forgotten = 0.0  # what has failed before is of no interest
        self._stopped_at = math.inf
        self._cancelled_at = math.inf

    def start(self, coroutine: Coroutine[object, object, object]) -> asyncio.Task[object]:
        """Start something beneath the node."""
        task = asyncio.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._end)
        if self.stopped:
            task.cancel()
        return task

    def _end(self, task: asyncio.Task[object]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and isinstance(error := task.exception(), Exception):
            for each in error.errors if isinstance(error, Aborted) else [error]:
                self._fail(each)

    def _fail(self, error: Exception) -> None:
        if is_before(error, self._forgotten):
            return
        if not self.stopped and self._outer is not None and not matches(self._on, error):
            self._outer._fail(error)
            return
        if all(error is not each for each in self._errors):
            self._errors.append(error)
        self.stop()

    def stop(self) -> None:
        """Cancel everything, once."""
        if not self.stopped:
            self.stopped = True
            self._stopped_at = asyncio.get_running_loop().time()
            for task in [*self._tasks]:
                task.cancel()

    def stops_with(self, whole: Group | None) -> bool:
        """Tell whether it was cancelled because the run was stopped, and by nothing before that."""
        return whole is not None and whole.stopped and self._cancelled_at >= whole._stopped_at

    async def run(self, coroutine: Coroutine[object, object, object]) -> object:
        """Return the value of something once all that was started for it has ended.

        Raises:
            Exception: its failure, or that of something that it has started; a group, if several failed.
            Aborted: this was cancelled, and failures came after that.
            asyncio.CancelledError: this was cancelled.
        """
        main = self.start(coroutine)
        cancelled: asyncio.CancelledError | None = None
        while self._tasks:
            try:
                await asyncio.wait([*self._tasks])
            except asyncio.CancelledError as error:
                cancelled = error
                self._cancelled_at = min(self._cancelled_at, asyncio.get_running_loop().time())
                if not self._whole:
                    self._errors.clear()
                    self._forgotten = asyncio.get_running_loop().time()
                self.stop()
        await asyncio.sleep(0)  # the callbacks of the last task
        if cancelled is not None:
            if self._errors:
                raise Aborted(self._errors)
            raise cancelled
        if self._errors:
            raise one(self._errors)
        return main.result()


class Aborted(Exception):
    """Failures of what was being stopped when it was stopped: they belong to what stopped it."""

    def __init__(self, errors: list[Exception]) -> None:
        super().__init__(*errors)
        self.errors = errors


class Beneath:
    """What a task awaits of its run: each expression is a group of its own, which ends with the task.

    Args:
        trace: what happens.
    """

    def __init__(self, trace: Trace) -> None:
        self._trace = trace
        self._tasks: list[asyncio.Task[object]] = []

    async def evaluate(self, node: Node) -> object:
        """Evaluate an expression."""
        group = Group()
        task = asyncio.create_task(group.run(Reference(node, self._trace).value(node, group)))
        self._tasks.append(task)
        return await task

    async def run(self, coroutine: Coroutine[object, object, object]) -> object:
        """Run what the task does. What it has left behind is cancelled when it ends, or is cancelled, and awaited."""
        main = asyncio.create_task(coroutine)
        cancelled = await _finish([main], lambda: self._cancel(main))
        self._cancel()
        cancelled = await _finish(self._tasks, lambda: None) or cancelled
        for task in self._tasks:
            task.cancelled() or task.exception()  # retrieved
        if cancelled is not None and not main.cancelled() and main.exception() is None and main.result() != "swallowed":
            raise cancelled  # it had ended before it was cancelled
        return main.result()

    def _cancel(self, main: asyncio.Task[object] | None = None) -> None:
        for task in [*([] if main is None else [main]), *self._tasks]:
            if not task.done():
                task.cancel()


async def _finish(tasks: list[asyncio.Task[object]], cancel: Callable[[], None]) -> asyncio.CancelledError | None:
    """Await the end of tasks, even if this is cancelled; return the cancellation."""
    cancelled: asyncio.CancelledError | None = None
    while not all(task.done() for task in tasks):
        try:
            await asyncio.wait([task for task in tasks if not task.done()])
        except asyncio.CancelledError as error:
            cancelled = error
            cancel()
    return cancelled


class Shared:
    """A node that is reached more than once, while it is evaluated and afterwards."""

    def __init__(self, coroutine: Coroutine[object, object, object]) -> None:
        self.task = _start(coroutine)
        self._users = 0

    @property
    def given_up(self) -> bool:
        """Tell whether it was cancelled."""
        return self.task.cancelled() or self.task.cancelling() > 0

    @property
    def failed(self) -> bool:
        """Tell whether it has failed."""
        return self.task.done() and not self.task.cancelled() and self.task.exception() is not None

    async def value(self) -> object:
        """Return its value, or raise its failure."""
        self._users += 1
        try:
            return await asyncio.shield(self.task)
        except asyncio.CancelledError:
            self._users -= 1
            if not self._users and not self.task.done():
                self.task.cancel()
                await asyncio.wait([self.task])
            raise


class Reference:
    """One frame: an expression, with the nodes of it that are reached more than once.

    Args:
        target: the expression.
        trace: what happens.
    """

    def __init__(self, target: Node, trace: Trace) -> None:
        self._target = target
        self._trace = trace
        nodes = [*beneath(target)]
        self._several = {node for node in nodes if sum(children(each).count(node) for each in nodes) > 1}
        self._shared: dict[Node, Shared] = {}

    async def value(self, node: Node, group: Group) -> object:
        """Evaluate a node, whose failure is one of the group."""
        if node not in self._several:
            return await self._evaluate(node, group)
        if node not in self._shared or self._shared[node].given_up:
            inner = Group()
            self._shared[node] = Shared(inner.run(self._evaluate(node, inner)))
            self._trace.left.append(self._shared[node].task)
        return await self._shared[node].value()

    async def _all(self, nodes: tuple[Node, ...], group: Group) -> list[object]:
        # What has failed before it is demanded here is looked at with all the others.
        failed = [node for node in nodes if node in self._shared and self._shared[node].failed]
        tasks = {node: group.start(self.value(node, group)) for node in nodes if node not in failed}
        values = dict(zip(tasks, await _results([*tasks.values()]), strict=True))
        return [await self.value(node, group) if node in failed else values[node] for node in nodes]

    async def _evaluate(self, node: Node, group: Group) -> object:
        match node:
            case Work():
                return await self._work(node, tuple(await self._all(node.inputs, group)), group)
            case Pause():
                await asyncio.sleep(node.seconds)
                return round(node.seconds, 9)
            case Gather():
                return tuple(await self._all(node.inputs, group))
            case Inline():
                return "inline", tuple(await self._all(node.inputs, group))
            case Map():
                return await self._map(node, group)
            case Race():
                return await self._race(node)
            case Scope(seconds=None, attempts=1):  # without policies it is nothing but its expression
                return await self.value(node.inner, group)
            case Scope():
                return await self._scope(node)
        return await self._catch(node, group)

    async def _work(self, node: Work, args: tuple[object, ...], group: Group) -> object:
        beneath = Beneath(self._trace)
        value = await beneath.run(perform(node, args, self._trace, beneath.evaluate))
        if node.then is None or value == "swallowed":
            return value
        return await Reference(node.then, self._trace).value(node.then, group)

    async def _map(self, node: Map, group: Group) -> list[object]:
        room = asyncio.Semaphore(node.concurrency or len(node.items) or 1)

        async def item(work: Work) -> object:
            await room.acquire()
            value = await self._work(work, (), group)
            room.release()  # after a failure, no other one begins
            return value

        return await _results([group.start(item(work)) for work in node.items])

    async def _catch(self, node: Recover | Fallback | Outcome, group: Group) -> object:
        inner = Group(group, Exception if isinstance(node, Outcome) else node.on)
        try:
            value = await inner.run(self.value(node.inner, inner))
        except Aborted as aborted:
            if not inner.stops_with(self._trace.whole):
                raise
            on = Exception if isinstance(node, Outcome) else node.on
            if left := [error for error in aborted.errors if not matches(on, error)]:
                raise Aborted(left) from None
            raise asyncio.CancelledError from None  # what fails beneath something that catches is none of the run's
        except Exception as error:
            if isinstance(node, Outcome):
                return "failed", told(error)
            if not matches(node.on, error):
                raise
            if isinstance(node, Fallback):
                return await self.value(node.other, group)
            return await self._work(node.handler, (told(error),), group)
        return ("value", value) if isinstance(node, Outcome) else value

    async def _race(self, node: Race) -> object:
        groups = [Group() for _ in node.inputs]
        arms = [_start(group.run(self.value(arm, group))) for group, arm in zip(groups, node.inputs, strict=True)]
        winner: asyncio.Task[object] | None = None
        try:
            while winner is None and not all(arm.done() for arm in arms):
                await asyncio.wait([arm for arm in arms if not arm.done()], return_when=asyncio.FIRST_COMPLETED)
                winner = next((arm for arm in arms if arm.done() and arm.exception() is None), None)
        except asyncio.CancelledError:
            of_interest = not self._trace.is_stopping
            if (wrong := await _stop(arms)) and of_interest:
                raise Aborted(wrong) from None
            raise
        try:
            await _stop(arms)  # what fails does not win
        except Aborted:
            if not self._trace.is_stopping:
                raise
            raise asyncio.CancelledError from None
        if winner is None:
            raise one([error for arm in arms if isinstance(error := arm.exception(), Exception)])
        return winner.result()

    async def _scope(self, node: Scope) -> object:
        for attempt in range(node.attempts):
            for each in own(self._target, node):
                self._shared.pop(each, None)
            group = Group()
            task = _start(group.run(self.value(node.inner, group)))
            try:
                try:
                    done, _ = await asyncio.wait([task], timeout=node.seconds)
                except asyncio.CancelledError:
                    is_retried = node.attempts > 1 and self._trace.is_stopping
                    if (wrong := await _stop([task])) and not is_retried:
                        raise Aborted(wrong) from None
                    raise
                if not done:
                    if wrong := await _stop([task]):
                        raise one(wrong)
                    raise cs.TaskTimeoutError
                return task.result()
            except Aborted:
                raise
            except Exception:
                if attempt == node.attempts - 1:
                    raise
        raise AssertionError(node)


def _start(coroutine: Coroutine[object, object, object]) -> asyncio.Task[object]:
    """Start a task whose failure may be of no interest."""
    task = asyncio.create_task(coroutine)
    task.add_done_callback(lambda task: task.cancelled() or task.exception())
    return task


async def _results(tasks: list[asyncio.Task[object]]) -> list[object]:
    """Return what tasks give. If this is cancelled, it does not cancel them: their group does."""
    if tasks:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
    for task in tasks:
        if task.done() and not task.cancelled() and (error := task.exception()) is not None:
            raise error
    return [task.result() for task in tasks]


async def _stop(tasks: list[asyncio.Task[object]]) -> list[Exception]:
    """Cancel tasks and await them. Return what failed because of it."""
    going = [task for task in tasks if not task.done()]
    forgotten = 0.0  # what has failed before is of no interest, as this was cancelled itself then
    cancelled: asyncio.CancelledError | None = None
    for task in going:
        task.cancel()
    while not all(task.done() for task in going):
        try:
            await asyncio.wait(going)
        except asyncio.CancelledError as error:
            cancelled, forgotten = error, asyncio.get_running_loop().time()
    wrong: list[Exception] = []
    for task in going:
        if not task.cancelled() and isinstance(error := task.exception(), Aborted):
            wrong += [each for each in error.errors if not is_before(each, forgotten)]
    if cancelled is None:
        return wrong
    raise Aborted(wrong) if wrong else cancelled


async def _turns(count: int) -> None:
    """Pass so many turns of the event loop, also if this is cancelled."""
    for _ in range(count):
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(0)


Seen = tuple[object, list[tuple[int, str, str]]]


async def _seen(awaited: asyncio.Task[object] | cs.Run, trace: Trace, cancel: float | None) -> Seen:
    """Return what something is worth, or its failure, and what happened; after so many seconds it is cancelled."""
    if cancel is not None:
        asyncio.get_running_loop().call_later(cancel, awaited.cancel)
    try:
        value = await awaited
    except asyncio.CancelledError:
        value = "cancelled"
    except Aborted as error:  # the run has failed as it was cancelled
        value = "raised", told(one(error.errors))
    except Exception as error:
        value = "raised", told(error)
    for task in trace.left:  # what was asked for in the very turn in which everything was cancelled
        task.cancel()
    if trace.left:
        await asyncio.wait(trace.left)
    return value, trace.told()


async def evaluate(target: Node, time: Callable[[], float], cancel: float | None = None) -> Seen:
    """Return what an expression is worth, or its failure, and what happened."""
    group = Group(whole=True)
    trace = Trace(time, whole=group)
    return await _seen(_start(group.run(Reference(target, trace).value(target, group))), trace, cancel)


# -- as an expression --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Stream:
    """An async iterable of work, which comes at one time. Closing an iteration must be awaited."""

    items: tuple[Work, ...]
    builder: Builder

    async def __aiter__(self) -> AsyncIterator[Work]:
        self.builder.streams += 1
        try:
            for each in self.items:
                await asyncio.sleep(0)
                yield each
        finally:
            await _turns(3)
            self.builder.streams -= 1


class Builder:
    """Makes the expression that a description describes, whose tasks write down what they do."""

    def __init__(self, trace: Trace) -> None:
        self._trace = trace
        self.streams = 0  # that were opened and not closed

    def build(self, target: Node) -> cs.LazyResult:
        """Make an expression; its descriptions that are reached twice are lazy results that are reached twice."""
        made: dict[Node, cs.LazyResult] = {}
        for node in reversed([*beneath(target)]):
            made[node] = self._made(node, [made[child] for child in children(node)])
        return made[target]

    def _made(self, node: Node, inner: list[cs.LazyResult]) -> cs.LazyResult:
        match node:
            case Work():
                return self._task(node)(*inner)
            case Pause():
                return rounded(cs.wait(node.seconds))
            case Gather():
                return cs.gather(*inner)
            case Inline():
                return inline(*inner)
            case Map():
                works = Stream(node.items, self) if node.streams else node.items
                return item.map(work=works, builder=cs.const(self), concurrency=node.concurrency)
            case Recover():
                return cs.recover(inner[0], partial(self._handle, node.handler), on=node.on)
            case Fallback():
                return cs.fallback(*inner, on=node.on)
            case Outcome():
                return summary(cs.outcome(inner[0]))
            case Race():
                return cs.race(*inner)
            case Scope():
                lazy = cs.scope(inner[0])
                if node.seconds is not None:
                    lazy = lazy.with_timeout(node.seconds)
                return lazy.with_retry(node.attempts) if node.attempts > 1 else lazy
        raise AssertionError(node)

    def _task(self, work: Work) -> Callable[..., cs.LazyResult]:
        @cs.task(name="work")
        async def task(*args: object) -> object:
            return await self.perform(work, args)

        return task

    async def perform(self, work: Work, args: tuple[object, ...]) -> object:
        """Do what a task does."""
        value = await perform(work, args, self._trace, self.evaluate)
        return value if work.then is None or value == "swallowed" else self.build(work.then)

    async def evaluate(self, node: Node) -> object:
        """Evaluate what a task awaits."""
        return await self.build(node)

    def _handle(self, work: Work, error: Exception) -> cs.LazyResult:
        return self._task(work)(told(error))


@cs.task
async def item(work: Work, builder: Builder) -> object:
    """Do what the task of a map does."""
    return await builder.perform(work, ())


@cs.task(mode="inline")
def inline(*args: object) -> object:
    """Give the arguments."""
    return "inline", args


@cs.task(mode="inline")
def rounded(seconds: float) -> float:
    """Give a number of seconds without the error of arithmetic."""
    return round(seconds, 9)


@cs.task(mode="inline")
def summary(outcome: cs.Outcome) -> object:
    """Give an outcome as it is compared."""
    return ("value", outcome.value) if outcome.ok else ("failed", told(outcome.error))


async def observe(engine: cs.Engine, target: Node, cancel: float | None = None) -> Seen:
    """Return what an engine makes of an expression, or its failure, and what happened."""
    trace = Trace(engine.clock.time)
    builder = Builder(trace)
    seen = await _seen(engine.start(builder.build(target)), trace, cancel)
    assert builder.streams == 0
    return seen
