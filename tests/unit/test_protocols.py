"""The protocols, and the checks of implementations: they pass ours, and name what is wrong with others."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from fnmatch import fnmatchcase
from typing import Any

import pytest

import cascade as cs
from cascade import protocols
from cascade.durable.memory import Boundary, MemoryState
from cascade.graph.model import GraphTemplate, NodeRef, PlanTemplate
from cascade.graph.solver import NativeSolver
from cascade.messaging.local_connector import LocalConnector, Subscription
from cascade.protocols import Connector, Executor, Solver, StateBackend
from cascade.testing.conformance.connector import check_connector
from cascade.testing.conformance.executor import check_executor
from cascade.testing.conformance.solver import check_solver
from cascade.testing.conformance.state import check_state_backend
from cascade.workers.executors import ProcessExecutor, ThreadExecutor

OURS = [
    (Solver, NativeSolver()),
    (Executor, ThreadExecutor()),
    (Executor, ProcessExecutor()),
    (Connector, LocalConnector()),
    (StateBackend, MemoryState()),
]


@pytest.mark.parametrize(("protocol", "ours"), OURS, ids=lambda value: getattr(value, "__name__", ""))
def test_ours_are_instances_and_nothing_else_is(protocol: Any, ours: object) -> None:
    assert isinstance(ours, protocol)
    assert not isinstance(object(), protocol)
    others = [other for other, _ in OURS if other is not protocol]
    assert not any(isinstance(ours, other) for other in others)


def test_those_of_caches_are_named_here_too() -> None:
    cache = pytest.importorskip("cascade.cache.protocol")
    assert protocols.CachePolicy is cache.CachePolicy
    assert protocols.CacheStore is cache.CacheStore
    conformance = pytest.importorskip("cascade.testing.conformance")
    assert conformance.check_cache_store is not None
    assert conformance.check_cache_policy is not None
    assert all(hasattr(conformance, name) for name in conformance.__all__)
    assert all(hasattr(protocols, name) for name in protocols.__all__)


@pytest.mark.parametrize("name", ["cascade.protocols", "cascade.testing.conformance"])
def test_what_is_not_there(name: str) -> None:
    module = __import__(name, fromlist=["x"])
    with pytest.raises(AttributeError, match=f"module '{name}' has no attribute 'nothing'"):
        _ = module.nothing


def test_the_protocols_are_light() -> None:
    code = "import sys, cascade.protocols; print(*sorted({'asyncio', 'sqlite3', 'multiprocessing'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_checks_hold_without_assert_statements() -> None:
    code = """if True:
        from cascade.testing.conformance.state import check_state_backend
        class Wrong:
            boundary = clear = forget = lambda *told: None
            latest = lambda self, run: None
        try:
            check_state_backend(Wrong)
        except AssertionError as error:
            print(error)
    """
    done = subprocess.run([sys.executable, "-O", "-c", code], capture_output=True, text=True, check=True)
    assert "`latest` gives the latest boundary" in done.stdout


def broken(check: Callable[..., None], make: Callable[[], Any], sentence: str, **options: Any) -> None:
    """A check must fail, with a message that begins with this sentence."""
    with pytest.raises(AssertionError) as caught:
        check(make, **options)
    assert str(caught.value).startswith(sentence), str(caught.value)


@pytest.mark.parametrize(
    ("check", "name"),
    [
        (check_solver, "Solver` : resolve"),
        (check_executor, "Executor`: submit, abandon, close"),
        (check_connector, "Connector`: connect, close, publish, subscribe"),
        (check_state_backend, "StateBackend`: boundary, clear, forget, latest"),
    ],
)
def test_methods_that_are_not_there(check: Callable[..., None], name: str) -> None:
    sentence = "`make` gives an object with the methods of `" + name.replace("` :", "`:")
    broken(check, object, sentence)
    broken(check, lambda: MemoryState if check is check_state_backend else NativeSolver, sentence)


# ---------------------------------------------------------------------------------------------------------- solvers


class Backwards:
    """Last operands first, as far as that goes: another order, and a right one."""

    def resolve(self, graph: GraphTemplate) -> PlanTemplate:
        order: list[int] = []
        seen: set[int] = set()
        stack = [(len(graph.nodes) - 1, False)]
        while stack:
            node, left = stack.pop()
            if left:
                order.append(node)
            elif node not in seen:
                seen.add(node)
                stack.append((node, True))
                stack.extend((ref.index, False) for ref in graph.nodes[node].operands if type(ref) is NodeRef)
        return PlanTemplate(tuple(order), (1,) * len(order))


class Faulty(NativeSolver):
    """Wrong in one way."""

    def __init__(self, way: str) -> None:
        self.way = way
        self.count = 0

    def resolve(self, graph: GraphTemplate) -> PlanTemplate:
        plan = super().resolve(graph)
        self.count += 1
        match self.way:
            case "none":
                return None  # type: ignore[return-value]
            case "raises":
                raise LookupError("why")
            case "order" if len(plan.order) > 1:
                return PlanTemplate(plan.order[::-1], plan.priority)
            case "short":
                return PlanTemplate(plan.order[:-1], plan.priority[:-1])
            case "priority":
                return PlanTemplate(plan.order, (0,) * len(plan.order))
            case "moody":
                return PlanTemplate(plan.order, (self.count,) * len(plan.order))
            case "deep" if len(plan.order) > 10_000:
                raise RecursionError("maximum recursion depth exceeded")
        return plan


@pytest.mark.parametrize("make", [NativeSolver, Backwards])
def test_solvers(make: Callable[[], Solver]) -> None:
    check_solver(make)


@pytest.mark.parametrize(
    ("way", "sentence"),
    [
        ("none", "`resolve` returns a plan of any graph: expected `PlanTemplate`, got `NoneType`"),
        ("raises", "`resolve` returns a plan of any graph: it raised LookupError: why"),
        ("deep", "`resolve` returns a plan of any graph: it raised RecursionError"),
        ("order", "every node comes once and after its operands, and has a priority from 1 to 2**31 - 1: "),
        ("short", "every node comes once and after its operands"),
        ("priority", "every node comes once and after its operands"),
        ("moody", "the same graph always gives the same plan: got PlanTemplate(order=(0,), priority=(1,)) and then"),
    ],
)
def test_wrong_solvers(way: str, sentence: str) -> None:
    broken(check_solver, lambda: Faulty(way), sentence)


# -------------------------------------------------------------------------------------------------------- executors


class Plain:
    """`concurrent.futures` as it is. Its threads cannot be replaced."""

    def __init__(self, workers: int = 1) -> None:
        self.workers = workers
        self.pool = ThreadPoolExecutor(workers)

    def submit(self, task: cs.Task, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Future[Any]:
        return self.pool.submit(task.fn, *arguments, **keywords)

    def abandon(self, future: Future[Any]) -> None:
        future.cancel()

    def close(self) -> None:
        self.pool.shutdown(wait=True, cancel_futures=True)
        self.pool = ThreadPoolExecutor(self.workers)


class WrongThreads(ThreadExecutor):
    """Ours, spoilt in one way."""

    def __init__(self, way: str) -> None:
        super().__init__(max_threads=1)
        self.way = way
        self.closed = False

    def submit(self, task: cs.Task, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Future[Any]:
        if self.way == "forgets keywords":
            keywords = {}
        if self.way == "stays closed" and self.closed:
            raise RuntimeError("closed")
        future = super().submit(task, arguments, keywords)
        if self.way == "gives the value":
            return future.result()  # type: ignore[no-any-return]
        if self.way == "deaf":
            other: Future[Any] = Future()
            other.set_running_or_notify_cancel()
            future.add_done_callback(lambda done: other.set_result(None if done.exception() else done.result()))
            return other
        return future

    def abandon(self, future: Future[Any]) -> None:
        if self.way == "only cancels":
            future.cancel()
        elif self.way == "only gives up":
            if future.running():
                super().abandon(future)
        else:
            super().abandon(future)

    def close(self) -> None:
        self.closed = True
        if self.way == "does not wait" and self._pool is not None:
            self._pool.close(wait=False)
            self._pool = None
        super().close()


@pytest.mark.parametrize(
    "make",
    [
        lambda: ThreadExecutor(1),
        lambda: ThreadExecutor(4),
        lambda: ProcessExecutor(1),
        lambda: ProcessExecutor(2),
    ],
    ids=["1 thread", "4 threads", "1 process", "2 processes"],
)
def test_executors(make: Callable[[], Executor]) -> None:
    check_executor(make)


@pytest.mark.parametrize(
    ("way", "sentence"),
    [
        ("forgets keywords", "`submit` returns a future that ends with what the call returns: it raised TypeError"),
        ("gives the value", "`submit` returns a future that ends with what the call returns: expected a `Future`, got"),
        ("deaf", "`submit` returns a future that ends with what the call raises: expected LookupError('why'), got"),
        ("does not wait", "`close` waits for the calls at work: it returned while one was at work"),
        ("stays closed", "after `close`, `submit` begins anew: it raised RuntimeError: closed"),
        ("only cancels", "an abandoned call at work no longer keeps other calls from being made: a call had not begun"),
        ("only gives up", "a call that is abandoned before it begins is cancelled and never made: its future is not"),
    ],
)
def test_wrong_executors(way: str, sentence: str) -> None:
    broken(check_executor, lambda: WrongThreads(way), sentence, patience=2)


def test_what_an_executor_of_concurrent_futures_lacks() -> None:
    broken(check_executor, Plain, "an abandoned call at work no longer keeps other calls from being made", patience=2)


# ------------------------------------------------------------------------------------------------------- connectors


class Generated:
    """A connector as anybody might write it, whose subscriptions begin when they are awaited."""

    def __init__(self) -> None:
        self.count = 0
        self.queues: dict[asyncio.Queue[tuple[str, bytes] | None], str] = {}

    async def connect(self) -> None:
        await asyncio.sleep(0)
        self.count += 1

    async def close(self) -> None:
        await asyncio.sleep(0)
        self.count = max(0, self.count - 1)
        if not self.count:
            for queue in self.queues:
                queue.put_nowait(None)

    async def publish(self, topic: str, message: bytes) -> None:
        self.check()
        await asyncio.sleep(0)
        for queue, topics in self.queues.items():
            if fnmatchcase(topic, topics):
                queue.put_nowait((topic, message))

    async def subscribe(self, topics: str) -> AsyncIterator[tuple[str, bytes]]:
        self.check()
        queue: asyncio.Queue[tuple[str, bytes] | None] = asyncio.Queue()
        self.queues[queue] = topics
        try:
            while (message := await queue.get()) is not None:
                yield message
        finally:
            del self.queues[queue]

    def check(self) -> None:
        if not self.count:
            raise OSError("not connected")


class Wrong(LocalConnector):
    """Ours, spoilt in one way."""

    def __init__(self, way: str) -> None:
        super().__init__()
        self.way = way
        self.sent = 0

    def _check_connected(self, what: str) -> None:
        if self.way != what:
            super()._check_connected(what)

    async def close(self) -> None:
        if self.way == "one too many" and not self.connected:
            raise OSError("not connected")
        if self.way == "first close":
            self._connections = min(1, self._connections)
        if self.way == "never ends":
            self._connections -= 1
            return
        if self.way == "hangs":
            await asyncio.Event().wait()
        await super().close()

    async def connect(self) -> None:
        if self.way == "once" and self.sent:
            raise OSError("it was connected before")
        await super().connect()

    async def publish(self, topic: str, message: bytes) -> None:
        self.sent += self.connected
        if self.way == "swaps" and message == b"7":
            return await super().publish(topic, b"8")
        if self.way == "drops" and message == b"" and self.connected:
            return None
        if self.way == "strings":
            return await super().publish(topic, message.rstrip(b"\x00"))
        if self.way == "silent" and self.connected:
            return None
        if self.way == "needs one" and self.connected and not self._listeners():
            raise OSError("nobody listens")
        if self.way == "first only":
            self._check_connected("publish")
            for one in self._listeners()[:1]:
                if one.wants(topic):
                    one._take(topic, message)
            return None
        return await super().publish(topic, message)

    def subscribe(self, topics: str) -> Subscription:
        subscription = super().subscribe(topics)
        if self.way == "prefix":
            start = topics.partition("[")[0].rstrip("*?")
            subscription._matches = lambda topic: topic.startswith(start) or None  # type: ignore[assignment]
        if self.way == "case":
            lower = topics.lower()
            subscription._matches = lambda topic: fnmatchcase(topic.lower(), lower) or None  # type: ignore[assignment]
        return subscription


@pytest.mark.parametrize("make", [LocalConnector, Generated])
def test_connectors(make: Callable[[], Connector]) -> None:
    check_connector(make)


@pytest.mark.parametrize(
    ("way", "sentence"),
    [
        ("publish", "publishing and subscribing before `connect` raises an exception: expected an exception, got"),
        ("subscribe", "publishing and subscribing before `connect` raises an exception: expected an exception, got"),
        ("one too many", "one `close` too many does nothing: it raised OSError"),
        ("first close", "each `connect` is answered by one `close`: the last one counts: "),
        ("never ends", "the iteration of a subscription ends when the connector is closed: "),
        ("hangs", "`connect`, `publish` and `close` come to an end, and without an exception: they had not"),
        ("once", "after the last `close`, it may be connected again: it raised OSError: it was connected before"),
        ("swaps", "a subscription gets all messages that match, whole and in order: expected ('conformance/order'"),
        ("drops", "a subscription gets all messages that match, whole and in order: "),
        ("silent", "a subscription has begun, at the latest, when its first message is awaited: it has heard nothing"),
        ("needs one", "nobody listening is no error: it raised OSError: nobody listens"),
        ("first only", "a subscription has begun, at the latest"),
        ("prefix", "a subscription hears the topics that its glob matches as a whole, and no others: "),
        ("case", "a subscription hears the topics that its glob matches as a whole, and no others: "),
    ],
)
def test_wrong_connectors(way: str, sentence: str) -> None:
    broken(check_connector, lambda: Wrong(way), sentence, patience=0.5)


# --------------------------------------------------------------------------------------------------- state backends


class Log:
    """All boundaries in one list."""

    def __init__(self) -> None:
        self.lines: list[Boundary] = []

    def boundary(self, run: int, iteration: int, digest: str, slots: Sequence[Any]) -> None:
        self.lines.append(Boundary(run, iteration, digest, tuple(slots)))

    def clear(self, run: int, before: int) -> None:
        self.lines = [line for line in self.lines if line.run != run or line.iteration >= before]

    def forget(self, run: int) -> None:
        self.lines = [line for line in self.lines if line.run != run]

    def latest(self, run: int) -> Boundary | None:
        return next((line for line in reversed(self.lines) if line.run == run), None)


class Unreliable(Log):
    """Wrong in one way."""

    def __init__(self, way: str) -> None:
        super().__init__()
        self.way = way

    def boundary(self, run: int, iteration: int, digest: str, slots: Sequence[Any]) -> None:
        kept = slots if self.way == "does not copy" else tuple(slots)
        self.lines.append(Boundary(run, iteration, "" if self.way == "loses" else digest, kept))  # type: ignore[arg-type]

    def clear(self, run: int, before: int) -> None:
        if self.way == "all runs":
            self.lines = [line for line in self.lines if line.iteration >= before]
        elif self.way == "one too many":
            super().clear(run, before + 1)
        elif self.way != "keeps":
            super().clear(run, before)

    def forget(self, run: int) -> None:
        if self.way == "strict" and self.latest(run) is None:
            raise KeyError(run)
        if self.way != "remembers":
            super().forget(run)

    def latest(self, run: int) -> Boundary | None:
        if self.way == "first":
            return next((line for line in self.lines if line.run == run), None)
        if self.way == "invents":
            return super().latest(run) or Boundary(run, 0, "", ())
        return super().latest(run)


@pytest.mark.parametrize("make", [MemoryState, Log])
def test_state_backends(make: Callable[[], StateBackend]) -> None:
    check_state_backend(make)


@pytest.mark.parametrize(
    ("way", "sentence"),
    [
        ("invents", "`latest` gives None for a run that has made no tail call: expected None for run 1, got Boundary("),
        ("strict", "a run that is not known is no error for `clear` and `forget`: it raised KeyError"),
        ("first", "`latest` gives the latest boundary, as `boundary` was told it: expected `iteration` 2, got 1"),
        ("loses", "`latest` gives the latest boundary, as `boundary` was told it: expected `digest` '0000"),
        ("does not copy", "the sequence of slots changes after the call; what is to be kept is copied: expected slots"),
        ("keeps", "`clear` lets go of all iterations before one, and keeps that one: expected None for run 1, got"),
        ("one too many", "`clear` lets go of all iterations before one, and keeps that one: expected iteration 2 of"),
        ("remembers", "`forget` lets go of all of a run: expected None for run 1, got Boundary"),
        ("all runs", "runs do not touch one another: expected iteration 2 of run 2, got None"),
    ],
)
def test_wrong_state_backends(way: str, sentence: str) -> None:
    broken(check_state_backend, lambda: Unreliable(way), sentence)


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    """A check that fails must let go of what it kept busy."""
    before = set(threading.enumerate())
    yield
    for thread in set(threading.enumerate()) - before:
        thread.join(20)
        assert not thread.is_alive(), thread
