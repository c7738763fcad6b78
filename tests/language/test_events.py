"""From the events of a random expression alone, the tree of its calls can be rebuilt, and it is the oracle's."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings

from cascade.events import (
    CacheHit,
    Event,
    NodeCaught,
    NodeEvent,
    NodeFailed,
    NodeFinished,
    NodePruned,
    NodeRetrying,
    NodeSkipped,
    NodeStarted,
    NodeStopped,
)
from language.descriptions import Node
from language.oracle import Made, Outcome, evaluate
from language.programs import KINDS, Rules, programs, towers
from support.observation import equipped, observe

ENDS = {NodeFinished: "finished", NodeFailed: "failed", NodeCaught: "failed", NodeStopped: "stopped"}
OWN = "language.oracle_build."  # the module of the tasks of descriptions
EXACT = {
    "worth": programs(Rules()),
    "failing": programs(Rules(failing=True)),
    "plain": programs(Rules(plain=True)),
    "plain failing": programs(Rules(failing=True, plain=True)),
    "towers": towers(Rules(failing=True)),
}
MIXED = {
    "mixed": programs(Rules(KINDS, exact=False)),
    "mixed failing": programs(Rules(KINDS, failing=True, exact=False)),
}


def events_of(node: Node) -> list[Event]:
    """All events of one run of a description."""
    seen: list[Event] = []
    engine = equipped()
    engine.events.subscribe(Event, seen.append)
    asyncio.run(observe(engine, node))
    return seen


def rebuilt(seen: list[Event]) -> list[Made]:
    """The tree of calls, in the order in which they began."""
    made: dict[int, Made] = {}
    kinds = {event.call: event.kind for event in seen if isinstance(event, NodeEvent)}
    for event in seen:
        if not isinstance(event, NodeStarted | NodeFailed | NodeCaught | NodeRetrying | NodeFinished | NodeStopped):
            continue
        if event.kind != "map" and not event.task.startswith(OWN):
            continue
        if event.call not in made:
            parent = "recover" if kinds.get(event.parent) == "recover" else made.get(event.parent)
            assert (parent is None) == (event.parent == 0)
            name = "map" if event.kind == "map" else event.task.removeprefix(OWN)
            made[event.call] = Made(name, parent, event.item, end="open")
        if isinstance(event, NodeRetrying):
            made[event.call].attempts += 1
            assert made[event.call].attempts == event.attempt + 1
        elif type(event) in ENDS:
            made[event.call].end = ENDS[type(event)]
    return list(made.values())


def described(tree: list[Made]) -> list[tuple[object, ...]]:
    """A tree with numbers for calls, so that two can be compared."""
    numbers: dict[Made | str | None, object] = {each: index for index, each in enumerate(tree)}
    return [
        (each.task, numbers.get(each.parent, each.parent), each.item, each.attempts, each.end) for each in tree
    ]  # fmt: skip


def check_told_once(seen: list[Event]) -> None:
    """Each start has one end, nothing that is skipped has started, and no call is counted twice."""
    started: dict[int, NodeStarted] = {}
    ended: dict[int, float] = {}
    other: set[int] = set()
    for event in seen:
        if not isinstance(event, NodeEvent):
            continue
        assert event.call > 0
        if isinstance(event, NodeStarted):
            assert event.call not in started
            started[event.call] = event
        elif isinstance(event, tuple(ENDS)):
            assert event.call not in ended
            ended[event.call] = event.time
            if event.call in started:
                assert event.seconds is not None and event.seconds > -1e-6
                assert event.waited is not None and event.waited >= 0
                begun = started[event.call]
                about = (event.task, event.path, event.parent, event.item, event.iteration, event.kind)
                assert about == (begun.task, begun.path, begun.parent, begun.item, begun.iteration, begun.kind)
            else:
                assert isinstance(event, NodeFailed | NodeCaught)  # before it could start
        elif isinstance(event, NodeSkipped | NodePruned | CacheHit):
            assert event.call not in other
            other.add(event.call)
    assert started.keys() <= ended.keys()
    assert not other & started.keys()
    for call, event in started.items():
        if event.parent:
            assert started[event.parent].time <= event.time
            assert ended[call] <= ended[event.parent]


def check_common(seen: list[Event]) -> None:
    """What all events of the run say of it."""
    assert len({event.process for event in seen}) == 1
    assert seen[0].process
    assert all(event.timestamp > 1e9 for event in seen)
    times = [event.time for event in seen]
    assert times == sorted(times)


@pytest.mark.parametrize("kind", EXACT)
def test_the_tree_of_calls_is_the_oracles(kind: str) -> None:
    @settings(max_examples=150)
    @given(EXACT[kind])
    def agrees(node: Node) -> None:
        expected: Outcome = evaluate(node)
        seen = events_of(node)
        check_told_once(seen)
        check_common(seen)
        assert described(rebuilt(seen)) == described(expected.tree)

    agrees()


@pytest.mark.parametrize("kind", MIXED)
def test_calls_at_the_same_time_are_told_once_each(kind: str) -> None:
    @settings(max_examples=100)
    @given(MIXED[kind])
    def agrees(node: Node) -> None:
        seen = events_of(node)
        check_told_once(seen)
        check_common(seen)
        expected = evaluate(node, everything=True)
        if not expected.errors:
            ended = sorted(each.task for each in rebuilt(seen))
            assert ended == sorted(each.task for each in expected.tree)

    agrees()
