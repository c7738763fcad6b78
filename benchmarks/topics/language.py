"""What does a node cost with one feature: an event, a limit, a resource, a router, a retry...?

The loop is that of `heavy_complex_countdown`: a chain of 11 calls feeds the step. It runs once with the feature and
once with bare calls, on two engines. The subject is a node *with* the feature; the baseline is the bare node, a twelfth
of the bare loop. The time that the loop takes longer with the feature is shared among the nodes that have it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import cascade as cs
from benchmarks.harness.row import Row, row_of_pairs
from benchmarks.harness.timing import Effort, awaiting, check_equal, interleave, running
from cascade.events import NodeFinished, TailCall

LENGTH = 11
"""Calls in the chain."""

RESOURCE = cs.Inject("resource")

Chain = Callable[[int], Any]
"""Makes the expression that feeds the step."""


@cs.task(mode="inline")
def same(value: Any) -> Any:
    return value


@cs.task(mode="inline")
def with_resource(value: Any, resource: Any = RESOURCE) -> Any:
    return value


@cs.task(mode="inline")
def other(value: Any) -> Any:
    return value


@cs.task
async def same_async(value: Any) -> Any:
    return value


@cs.task(mode="thread")
def same_thread(value: Any) -> Any:
    return value


def one_after_another(call: Callable[[Any], Any]) -> Chain:
    """A chain of calls, each fed by the one before."""

    def chain(n: int) -> Any:
        fed: Any = n
        for _ in range(LENGTH):
            fed = call(fed)
        return fed

    return chain


def in_order(n: int) -> Any:
    """As many calls, each after the one before without taking its value."""
    fed = same(n)
    for _ in range(LENGTH - 1):
        fed = same(n).after(fed)
    return fed


def mapped(n: int) -> Any:
    return same.map(value=[n] * LENGTH)


def stepping(chain: Chain) -> Callable[[int], Any]:
    """The loop: makes its target for a number of iterations."""

    @cs.task(mode="inline")
    def countdown(n: int, fed: Any) -> Any:
        if n <= 0:
            return n
        n -= 1
        return countdown(n, chain(n))

    return lambda n: countdown(n, None)


def plain() -> cs.Engine:
    return cs.Engine()


def subscribed(kind: Any) -> Callable[[], cs.Engine]:
    """Makes engines with a subscriber."""

    def make() -> cs.Engine:
        engine = cs.Engine()
        engine.events.subscribe(kind, lambda event: None)
        return engine

    return make


def limited() -> cs.Engine:
    return cs.Engine(limits={"places": 4})


def ruled(scope: str) -> Callable[[], cs.Engine]:
    """Makes engines with a rule."""

    def make() -> cs.Engine:
        engine = cs.Engine()
        engine.limits.set(scope, concurrency=4)
        return engine

    return make


def provided(scope: Any) -> Callable[[], cs.Engine]:
    """Makes engines with a resource."""

    @cs.resource(scope=scope)
    def resource() -> Iterator[int]:
        yield 0

    def make() -> cs.Engine:
        engine = cs.Engine()
        engine.register(resource)
        return engine

    return make


@dataclass(frozen=True)
class Node:
    """A node with one feature, against the bare node."""

    what: str
    chain: Callable[[], Chain]
    engine: Callable[[], cs.Engine] = plain
    bare: Callable[[Any], Any] = same
    nodes: int = LENGTH
    """Number of nodes of an iteration that have the feature."""

    @property
    def name(self) -> str:
        return f"a node with {self.what}"

    def run(self, effort: Effort) -> Iterator[Row]:
        engine, start = self.engine(), stepping(self.chain())
        samples = [
            awaiting(lambda loops: engine.run(start(loops))),
            running(stepping(one_after_another(self.bare))),
        ]
        check_equal(samples, self.name, loops=5)
        with_it, bare = ([seconds * 1e9 for seconds in taken] for taken in interleave(samples, effort))
        baseline = [whole / (LENGTH + 1) for whole in bare]
        more = [(one - other) / self.nodes for one, other in zip(with_it, bare, strict=True)]
        yield row_of_pairs(self.name, [sum(pair) for pair in zip(baseline, more, strict=True)], baseline)


def of_call(call: Callable[[Any], Any]) -> Callable[[], Chain]:
    return lambda: one_after_another(call)


def cached() -> Chain:
    """Calls whose result is cached in the first iteration."""
    call = same.with_cache(cs.ResultCache(store=cs.MemoryStore()))
    chain = one_after_another(call)
    return lambda n: chain(0)


def benchmarks() -> Iterator[Node]:
    every = LENGTH + 1
    bare = of_call(same)
    yield Node("nothing: the bare node against itself", bare, nodes=every)
    yield Node("a subscriber to NodeFinished", bare, subscribed(NodeFinished), nodes=every)
    yield Node("a subscriber to TailCall, a tail call", bare, subscribed(TailCall), nodes=1)
    yield Node("a limit", of_call(same.with_constraints(places=1)), limited)
    yield Node("a limit, asked for by the call", of_call(lambda fed: same(fed).with_constraints(places=1)), limited)
    yield Node(
        "a scope that holds a limit", of_call(lambda fed: cs.scope(same(fed)).with_constraints(places=1)), limited
    )
    yield Node("a rule for other tasks", bare, ruled(f"task:{other.name}"), nodes=every)
    yield Node("a rule for it", bare, ruled(f"task:{same.name}"))
    yield Node("a resource of the run", of_call(with_resource), provided("run"))
    yield Node("a resource of its own", of_call(with_resource), provided("call"))
    yield Node("a router", of_call(lambda fed: cs.Router(1, {1: same(fed)})))
    yield Node("a condition", of_call(lambda fed: same(fed).run_if(True)))
    yield Node("a predecessor", lambda: in_order, nodes=LENGTH - 1)
    yield Node("a retry", of_call(same.with_retry(max_attempts=3)))
    yield Node("a retry, asked for by the call", of_call(lambda fed: same(fed).with_retry(max_attempts=3)))
    yield Node("a retry, async", of_call(same_async.with_retry(max_attempts=3)), bare=same_async)
    yield Node("a timeout, async", of_call(same_async.with_timeout(60)), bare=same_async)
    yield Node("a timeout, in a thread", of_call(same_thread.with_timeout(60)), bare=same_thread)
    yield Node("a result in a MemoryStore", cached)
    yield Node("a map, an item", lambda: mapped)
