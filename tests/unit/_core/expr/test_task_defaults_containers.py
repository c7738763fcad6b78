"""Defaults that hold lazy results: calls are given them as arguments."""

from __future__ import annotations

import dataclasses

import pytest

import cascade as cs
from support.tasks import leaf
from support.values import Point


def test_containers() -> None:
    @cs.task(mode="inline")
    def fan(
        a: object = [leaf(1), 2], *, b: object = {"k": (leaf(2),)}, c: object = Point(leaf(3), 4), d: object = [5]
    ) -> object:
        return a, b, c, d

    assert cs.run(fan()) == ([1, 2], {"k": (2,)}, Point(3, 4), [5])
    assert cs.run(fan(1, b=2)) == (1, 2, Point(3, 4), [5])
    assert cs.run(fan.map(a=[1])) == [(1, {"k": (2,)}, Point(3, 4), [5])]


def test_a_container_without_a_lazy_result_is_the_default_itself() -> None:
    given = [1, {"a": 2}]

    @cs.task(mode="inline")
    def same(a: object = given) -> object:
        return a

    assert cs.run(same()) is given
    given.append(3)
    assert cs.run(same()) == [1, {"a": 2}, 3]


def test_what_a_parameter_without_a_name_cannot_have() -> None:
    with pytest.raises(cs.TaskDefinitionError, match="positional-only parameter 'a'"):

        @cs.task
        def fan(a: object = [leaf()], /) -> None: ...


def test_a_record_is_refused_when_the_task_is_defined() -> None:
    @dataclasses.dataclass
    class Settings:
        size: object

    given = Settings(leaf())
    with pytest.raises(cs.StructureError, match="a `Settings` must not hold a lazy result"):

        @cs.task
        def fan(settings: Settings = given) -> None: ...
