"""One lazy result reached twice is one node; two equal calls are two."""

from __future__ import annotations

from collections.abc import Callable

import pytest

import cascade as cs
from support.tasks import digest, take
from support.values import Point


@cs.task(mode="inline")
def fresh() -> object:
    return object()


def test_shared_runs_once() -> None:
    shared = fresh()
    args, kwargs = cs.run(take(shared, shared, x=shared))
    assert args[0] is args[1]
    assert args[0] is kwargs["x"]


def test_equal_calls_run_twice() -> None:
    args, _ = cs.run(take(fresh(), fresh()))
    assert args[0] is not args[1]


def test_they_are_different_shapes(cold: cs.Engine) -> None:
    for _ in range(3):
        shared = fresh()
        one, _ = cs.run(take(shared, shared), engine=cold)
        two, _ = cs.run(take(fresh(), fresh()), engine=cold)
        assert one[0] is one[1]
        assert two[0] is not two[1]
    assert cold.templates.stats.builds == 2


def test_which_one_is_shared_is_structure() -> None:
    def pairs(first: int, second: int) -> cs.LazyResult:
        made = [fresh(), fresh()]
        return take(*made, made[first], made[second])

    assert len({digest(pairs(first, second)) for first in (0, 1) for second in (0, 1)}) == 4


@pytest.mark.parametrize(
    "wrap",
    [
        lambda lazy: [lazy, lazy],
        lambda lazy: (lazy, [lazy]),
        lambda lazy: {"a": lazy, "b": [lazy]},
        lambda lazy: [{lazy}, frozenset({lazy})],
        lambda lazy: Point(lazy, [lazy]),
        lambda lazy: [take(lazy), lazy, take(x=lazy)],
        lambda lazy: cs.gather(lazy, lazy, take([lazy])),
    ],
)
def test_shared_through_containers(wrap: Callable[[cs.LazyResult], object]) -> None:
    calls = []

    @cs.task(mode="inline")
    def counted() -> str:
        calls.append(1)
        return "value"

    lazy = counted()
    cs.run(take(wrap(lazy), lazy, wrap(lazy)))
    assert calls == [1]


def test_shared_container_is_one_container() -> None:
    inner = [fresh(), 1]
    args, kwargs = cs.run(take(inner, [inner], x=(inner,)))
    assert args[0] is args[1][0]
    assert args[0] is kwargs["x"][0]
    assert digest(take(inner, inner)) != digest(take(inner, [fresh(), 1]))


def test_shared_target_twice_in_a_list() -> None:
    shared = fresh()
    first, second, other = cs.run([shared, shared, fresh()])
    assert first is second
    assert first is not other


def test_shared_across_targets_of_a_run_but_not_across_runs(cold: cs.Engine) -> None:
    shared = fresh()
    assert cs.run(shared, engine=cold) is not cs.run(shared, engine=cold)


def test_a_task_can_go_on_with_a_node_of_its_own_expression() -> None:
    calls = []

    @cs.task(mode="inline")
    def counted() -> str:
        calls.append(1)
        return "value"

    shared = counted()

    @cs.task(mode="inline")
    def goes_on(seen: str) -> cs.LazyResult:
        assert seen == "value"
        return shared

    assert cs.run(take(shared, goes_on(shared))) == (("value", "value"), {})
    assert calls == [1, 1]  # another expression, another evaluation


def test_a_wide_diamond_stays_linear(cold: cs.Engine) -> None:
    node: cs.LazyResult = fresh()
    for _ in range(60):
        node = take(node, node)
    run = cs.structural_hash(node)
    assert len(run[1]) == 61  # one slot for each task, none for what is reached again


def test_shared_failure_is_one_failure() -> None:
    calls = []

    @cs.task(mode="inline")
    def fails() -> None:
        calls.append(1)
        raise ValueError("once")

    shared = fails()
    with pytest.raises(ValueError, match="once"):
        cs.run(take(shared, [shared], x=take(shared)))
    assert calls == [1]
