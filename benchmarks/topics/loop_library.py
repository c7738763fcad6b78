"""What does a loop of one task cost against the lightest kind of loop library?

`Node` and `Flow` below are that library, written out in full: nodes that find their successors by the name of an
action, a shared dict for the state, the life cycle prepare, execute, decide as three awaited methods, a retry loop
around the second, and a fresh copy of the node for each step, so that an instance may keep state during a step. It has
no graph, limits, resources or events. The best known library of that form (100 lines, without dependencies) takes 2.0
to 2.2 us a step where this one takes 2.2.

`Table` is less than any library offers: one dict of plain coroutine functions that return the name of the next. It has
no budget; it shows the lower bound.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Coroutine, Iterator
from functools import partial
from typing import Any

import cascade as cs
from benchmarks.harness.row import Budget, Comparison
from benchmarks.harness.timing import awaiting, running
from benchmarks.topics.countdown import KINDS, Kind


class Node:
    def __init__(self, attempts: int = 1) -> None:
        self.attempts = attempts
        self.attempt = 0
        self.successors: dict[str, Node] = {}
        self.parameters: dict[str, Any] = {}

    def on(self, action: str, node: Node) -> Node:
        self.successors[action] = node
        return node

    async def prepare(self, shared: dict[str, Any]) -> Any:
        return None

    async def execute(self, prepared: Any) -> Any:
        return None

    async def decide(self, shared: dict[str, Any], prepared: Any, result: Any) -> str:
        return "default"

    async def recover(self, prepared: Any, failure: Exception) -> Any:
        raise failure

    async def attempt_all(self, prepared: Any) -> Any:
        for attempt in range(self.attempts):
            self.attempt = attempt
            try:
                return await self.execute(prepared)
            except Exception as failure:
                if attempt == self.attempts - 1:
                    return await self.recover(prepared, failure)

    async def run(self, shared: dict[str, Any]) -> str:
        prepared = await self.prepare(shared)
        result = await self.attempt_all(prepared)
        return await self.decide(shared, prepared, result)


class Flow:
    def __init__(self, start: Node) -> None:
        self.start = start

    async def run(self, shared: dict[str, Any], parameters: dict[str, Any] | None = None) -> None:
        node: Node | None = copy.copy(self.start)
        while node is not None:
            node.parameters = parameters or {}
            action = await node.run(shared)
            node = copy.copy(node.successors.get(action))


class Countdown(Node):
    async def prepare(self, shared: dict[str, Any]) -> int:
        return int(shared["n"])

    async def execute(self, prepared: int) -> int:
        return prepared - 1

    async def decide(self, shared: dict[str, Any], prepared: int, result: int) -> str:
        shared["n"] = result
        return "again" if result > 0 else "done"


async def with_flow(n: int) -> int:
    node = Countdown()
    node.on("again", node)
    shared = {"n": n}
    await Flow(node).run(shared)
    return shared["n"]


State = dict[str, Any]


class Table:
    def __init__(self, states: dict[str, Callable[[State], Coroutine[Any, Any, str]]]) -> None:
        self.states = states

    async def run(self, first: str, shared: State) -> None:
        name = first
        while (step := self.states.get(name)) is not None:
            name = await step(shared)


async def with_table(n: int) -> int:
    async def again(shared: State) -> str:
        shared["n"] -= 1
        return "again" if shared["n"] > 0 else "done"

    shared = {"n": n}
    await Table({"again": again}).run("again", shared)
    return shared["n"]


def one_task(kind: Kind) -> Callable[[int], Any]:
    @cs.task(mode=kind)
    def countdown(n: int) -> Any:
        if n <= 0:
            return n
        return countdown(n - 1)

    start: Callable[[int], Any] = countdown
    return start


def benchmarks() -> Iterator[Comparison]:
    for kind in KINDS:
        yield Comparison(
            f"loop of one {kind} task against the lightest loop library",
            partial(running, one_task(kind)),
            partial(awaiting, with_flow),
            Budget(0.4),
        )
    yield Comparison(
        "loop of one inline task against a bare table of coroutines",
        partial(running, one_task("inline")),
        partial(awaiting, with_table),
    )
