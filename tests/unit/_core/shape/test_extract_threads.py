"""Extraction is re-entrant, and safe from several threads at once on one and the same expression."""

from __future__ import annotations

import gc
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

import cascade as cs
from support.values import Point


@cs.task(mode="inline")
def f(*args: object, **kwargs: object) -> int:
    return 1 + sum(arg for arg in args if type(arg) is int)


def big_expression(width: int = 300) -> cs.LazyResult:
    shared = f(0)
    parts: list[object] = []
    for number in range(width):
        inner = f(shared, [shared, number], x={"k": (f(), number), number: Point(shared, [f()])})
        parts.append({inner, f(inner), "text"})
        parts.append([inner, parts[-1] and shared])
    return f(parts, shared, *[part for part in parts if type(part) is list][:50])


@pytest.fixture
def hurried() -> Iterator[None]:
    """Let threads change as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("hurried")
def test_threads_on_one_expression() -> None:
    target = big_expression()
    digest, slots = cs.structural_hash(target)
    start = threading.Barrier(8)

    def work() -> bool:
        start.wait()
        for _ in range(20):
            again, same = cs.structural_hash(target)
            if again != digest or len(same) != len(slots) or any(map(lambda a, b: a is not b, same, slots)):
                return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(lambda _: work(), range(8)))


@pytest.mark.usefixtures("hurried")
def test_threads_on_expressions_that_share_nodes() -> None:
    shared = big_expression(100)
    targets = [f(number, shared, [f(shared)]) for number in range(8)]
    digest = cs.structural_hash(targets[0])[0]
    start = threading.Barrier(8)

    def work(target: cs.LazyResult) -> set[str]:
        start.wait()
        return {cs.structural_hash(target)[0] for _ in range(20)}

    with ThreadPoolExecutor(8) as pool:
        assert set.union(*pool.map(work, targets)) == {digest}


@pytest.mark.usefixtures("hurried")
def test_engines_in_several_threads_run_one_expression() -> None:
    target = big_expression(50)
    value = cs.run(target)
    start = threading.Barrier(4)

    def work() -> list[object]:
        start.wait()
        return [cs.run(target) for _ in range(10)]

    with ThreadPoolExecutor(4) as pool:
        assert all(result == [value] * 10 for result in pool.map(lambda _: work(), range(4)))


@pytest.mark.usefixtures("hurried")
def test_engines_in_several_threads_with_one_template_table() -> None:
    templates = cs.Templates()
    start = threading.Barrier(4)

    def work(offset: int) -> bool:
        start.wait()
        engine = cs.Engine(templates=templates)
        for count in range(60):
            args = range((count + offset) % 20)
            if cs.run(f(*[f(number) for number in args]), engine=engine) != 1 + sum(number + 1 for number in args):
                return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(work, range(4)))
    assert templates.stats.hits + templates.stats.misses == 240


@pytest.mark.usefixtures("hurried")
def test_tasks_made_in_several_threads() -> None:
    start = threading.Barrier(8)

    def make(value: object) -> cs.LazyResult:
        @cs.task(mode="inline")
        def nested(x: int, *, y: int = 0) -> object:
            return (value, x, y)

        return nested(1, y=2)

    def work(number: int) -> set[str]:
        start.wait()
        return {cs.structural_hash(make((number, turn)))[0] for turn in range(500)}

    with ThreadPoolExecutor(8) as pool:
        assert len(set.union(*pool.map(work, range(8)))) == 1


def test_garbage_collection_in_the_middle_of_a_traversal() -> None:
    """Finalizers run wherever the core allocates; here they traverse the very same expression."""
    target = big_expression(60)
    baseline = cs.structural_hash(target)
    inner, entered = [], []

    def callback(phase: str, info: dict[str, int]) -> None:
        if phase == "stop" and not entered:
            entered.append(1)
            inner.append(cs.structural_hash(target)[0])
            entered.pop()

    threshold = gc.get_threshold()
    gc.callbacks.append(callback)
    gc.set_threshold(1)
    try:
        outer = [cs.structural_hash(target) for _ in range(20)]
        made = [cs.structural_hash(big_expression(60))[0] for _ in range(2)]
    finally:
        gc.callbacks.remove(callback)
        gc.set_threshold(*threshold)
    assert {digest for digest, _ in outer} == {baseline[0]}
    assert all(len(slots) == len(baseline[1]) for _, slots in outer)
    assert set(made) == {baseline[0]}
    assert set(inner) <= {baseline[0]}


def test_a_task_hashes_and_runs_the_expression_that_it_is_part_of() -> None:
    holder: list[cs.LazyResult] = []
    seen = []

    @cs.task(mode="thread")
    def inside() -> str:
        seen.append(cs.structural_hash(holder[0])[0])
        if len(seen) < 3:
            seen.append(cs.run(holder[0]))
        return "value"

    @cs.task(mode="inline")
    def outside(value: str, literal: int) -> str:
        return value

    holder.append(outside(inside(), 1))
    assert cs.run(holder[0]) == "value"
    assert len({item for item in seen if item != "value"}) == 1
    holder.clear()
