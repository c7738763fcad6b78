"""Numbers of calls, and paths from the target through all that a call is a part of."""

from __future__ import annotations

import sys

import pytest

import cascade as cs
from cascade.events import Event, NodeCaught, NodeEvent, NodePruned, NodeSkipped, NodeStarted


@cs.task(mode="inline")
def inverse(x: float) -> float:
    return 1 / x


@cs.task(mode="inline")
def total(xs: list[float]) -> float:
    return sum(xs)


@cs.task(mode="inline")
def part(n: int) -> object:
    return total([inverse(n), inverse(n - 1)])


@cs.task
async def waiting(n: int) -> object:
    return await cs.lazy(part(n))


def note(target: object) -> str:
    with pytest.raises(ZeroDivisionError) as caught:
        cs.run(target)
    found: str = caught.value.__notes__[0]
    return found.partition(", iteration ")[0].replace(f"{__name__}.", "")


def test_notes_name_every_level() -> None:
    items = inverse.map(x=[*range(1, 500), 0, *range(1, 500)])
    assert note(total(items)) == "task inverse at $.args[0][499], item 499 of map of task inverse"
    assert note(total([total([total([part(1)])])])) == (
        "task inverse at $.args[0][0].args[0][0].args[0][0].returned.args[0][1], returned by task part"
    )
    assert note([part.map(n=[3, 1]), 0]) == "task inverse at $[0][1].args[0][1], item 1 of map of task part"
    assert note([waiting(1)]) == ("task inverse at $[0].await.args[0][1], awaited by task waiting")


def test_deep_places_are_cut_in_the_middle() -> None:
    @cs.task(mode="inline")
    def deep(n: int) -> object:
        return total([deep(n - 1)]) if n else inverse(0)

    found = note([deep(100)])
    assert found.startswith("task inverse at $[0].returned.args[0][0].returned")
    assert " … 85 callers … " in found
    assert found.count("returned by task") == 2
    assert "(8 times), … 85 more …, returned by task" in found


def test_a_deep_failure_takes_linear_time() -> None:
    @cs.task(mode="inline")
    def deep(n: int) -> object:
        return total([deep(n - 1)]) if n else inverse(0)

    steps = []
    for depth in (1000, 2000):
        count = 0

        def tick(*_: object) -> None:
            nonlocal count
            count += 1

        sys.setprofile(tick)
        try:
            with pytest.raises(ZeroDivisionError):
                cs.run(deep(depth))
        finally:
            sys.setprofile(None)
        steps.append(count)
    assert steps[1] < 2.5 * steps[0]


def test_a_retried_scope_makes_other_calls() -> None:
    tries: list[int] = []

    @cs.task(mode="inline")
    def flaky(x: int) -> int:
        tries.append(x)
        return 1 // (len(tries) > 2)

    engine = cs.Engine()
    seen: list[NodeEvent] = []
    engine.events.subscribe((NodeStarted, NodeCaught), seen.append)
    kept = inverse(1)
    assert cs.run([cs.scope(flaky(kept)).with_retry(max_attempts=5), kept], engine=engine) == [1, 1.0]
    starts = [event.call for event in seen if isinstance(event, NodeStarted) and event.task.endswith("flaky")]
    assert len(set(starts)) == 3
    assert [event.call for event in seen if isinstance(event, NodeCaught)] == starts[:2]
    assert len([event for event in seen if event.task.endswith("inverse")]) == 1


def test_a_skip_is_told_by_the_condition_and_the_rest_is_pruned() -> None:
    engine = cs.Engine()
    seen: list[NodeEvent] = []
    engine.events.subscribe((NodeStarted, NodeSkipped, NodePruned), seen.append)
    shared = inverse(1)
    cs.run([total([shared, inverse(2)]).run_if(False), shared], engine=engine)
    told = [(type(event).__name__, event.task.rpartition(".")[2], event.path, event.kind) for event in seen]
    assert told == [
        ("NodeStarted", "inverse", "$[0].args[0][0]", "sync"),
        ("NodeSkipped", "total", "$[0]", "guard"),
        ("NodePruned", "inverse", "$[0].args[0][1]", "sync"),
        ("NodePruned", "total", "$[0]", "sync"),
    ]  # fmt: skip
    assert {event.reason for event in seen if isinstance(event, NodePruned)} == {"condition at $[0] did not need it"}


def test_a_race_that_is_won_by_data() -> None:
    engine = cs.Engine()
    seen: list[Event] = []
    engine.events.subscribe(Event, seen.append)
    for _ in range(20):
        assert cs.run(cs.race(*[1] * 9), engine=engine) == 1
    assert {event.kind for event in seen if isinstance(event, NodeEvent)} == {"race"}
