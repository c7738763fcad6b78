"""Symbols: the names of tasks and arguments are structure, exactly, whatever characters they have."""

from __future__ import annotations

import itertools

import cascade as cs
from support.tasks import digest, leaf, take
from support.values import NAMES


def test_argument_names_with_any_character(cold: cs.Engine) -> None:
    for name in NAMES:
        assert cs.run(take(**{name: leaf()}), engine=cold) == ((), {name: "leaf"})
    assert cold.templates.stats.builds == len(NAMES)
    assert len({digest(take(**{name: 1})) for name in NAMES}) == len(NAMES)


def test_sets_of_argument_names() -> None:
    some = NAMES[:9]
    calls = [names for count in range(4) for names in itertools.combinations(some, count)]
    assert len({digest(take(**dict.fromkeys(names))) for names in calls}) == len(calls)


def test_names_are_sorted_whatever_order_the_call_has(cold: cs.Engine) -> None:
    @cs.task(mode="inline")
    def three(first: object, *, a: str, b: str, c: str) -> tuple[str, ...]:
        return a, b, c

    for order in itertools.permutations("cab"):
        given = {name: name.upper() for name in order}
        assert cs.run(three(leaf(), **given), engine=cold) == ("A", "B", "C")
        assert list(three(leaf(), **given).kwargs) == ["a", "b", "c"]
    assert cold.templates.stats.builds == 1


def test_a_task_that_takes_any_names_has_them_in_the_order_of_the_call(cold: cs.Engine) -> None:
    for order in itertools.permutations("cab"):
        given = {name: name.upper() for name in order}
        _, kwargs = cs.run(take(leaf(), **given), engine=cold)
        assert list(kwargs.items()) == list(given.items())
    assert cold.templates.stats.builds == 6


def test_by_name_and_by_position_are_different_shapes() -> None:
    @cs.task
    def task(a: int, b: int = 0) -> None: ...

    shapes = [task(1), task(a=1), task(1, 2), task(1, b=2), task(a=1, b=2)]
    assert len({digest(target) for target in shapes}) == len(shapes)


def test_task_names_with_any_character() -> None:
    names = [name for name in NAMES if name]
    tasks = {name: cs.task(lambda name=name: name, name=name, mode="inline") for name in names}
    assert len({digest(task()) for task in tasks.values()}) == len(names)
    for name, task in tasks.items():
        assert task.name == name
        assert cs.run(task()) == name


def test_module_and_name_do_not_run_together() -> None:
    def define(module: str, name: str) -> cs.Task:
        def task() -> None: ...

        task.__module__ = module
        return cs.task(task, name=name)

    pairs = [("a", "b.c"), ("a.b", "c"), ("a.b.", "c"), ("a", ".b.c"), ("a\0b", "c"), ("a", "b\0c"), ("ab", "c")]
    assert len({digest(define(*pair)()) for pair in pairs}) == len(pairs)
