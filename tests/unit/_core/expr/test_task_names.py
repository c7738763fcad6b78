"""A task that takes any names gets its keyword arguments in the order of the call."""

from __future__ import annotations

import asyncio
import functools
import itertools
from typing import Any

import pytest

import cascade as cs
from support.process_tasks import named
from support.tasks import digest, leaf


@cs.task(mode="inline")
def prompt(first: str = "", **sections: object) -> list[object]:
    """Give the sections in their order."""
    return [first, *sections.items()]


CALL = {"system": "be brief", "history": "...", "question": "why?"}


@pytest.mark.parametrize("mode", ["inline", "thread", "auto", "async"])
def test_in_the_order_of_the_call(mode: Any) -> None:
    def plain(**sections: object) -> list[object]:
        return [*sections.items()]

    async def later(**sections: object) -> list[object]:
        return [*sections.items()]

    task = cs.task(later) if mode == "async" else cs.task(plain, mode=mode)
    for names in itertools.permutations(CALL):
        call = {name: CALL[name] for name in names}
        assert cs.run(task(**call)) == [*call.items()]
        assert cs.run(task(**{name: leaf(value) for name, value in call.items()})) == [*call.items()]
        assert [*task(**call).kwargs.items()] == [*call.items()]


def test_in_a_worker_process() -> None:
    assert cs.run(named(b=1, a=leaf(2))) == [("b", 1), ("a", 2)]


def test_callables_of_other_kinds() -> None:
    assert [*cs.run(cs.task(dict)(b=1, a=2)).items()] == [("b", 1), ("a", 2)]
    assert [*cs.run(cs.task(dict, mode="inline")({"z": 0}, b=leaf(1), a=2)).items()] == [("z", 0), ("b", 1), ("a", 2)]
    partial = cs.task(functools.partial(prompt.fn, "first", z=0), mode="inline")
    assert cs.run(partial(b=1, a=2)) == ["first", ("z", 0), ("b", 1), ("a", 2)]
    assert cs.run(partial(a=1, z=2)) == ["first", ("z", 2), ("a", 1)]

    class Model:
        @cs.task(mode="inline")
        def ask(self, **sections: object) -> list[object]:
            return [*sections.items()]

        @classmethod
        @cs.task(mode="inline")
        def told(cls, **sections: object) -> list[object]:
            return [*sections.items()]

        def __call__(self, **sections: object) -> list[object]:
            return [*sections.items()]

    for task in (
        Model().ask,
        Model.told,
        cs.task(Model(), mode="inline"),
        cs.task(Model(), name="other", mode="inline"),
    ):
        assert cs.run(task(b=1, a=leaf(2))) == [("b", 1), ("a", 2)]


def test_named_parameters_stand_among_them_where_the_call_has_them() -> None:
    assert cs.run(prompt(b=1, first="x", a=2)) == ["x", ("b", 1), ("a", 2)]
    assert [*prompt(b=1, first="x", a=2).kwargs] == ["b", "first", "a"]


def test_lazy_defaults() -> None:
    @cs.task(mode="inline")
    def ask(*, model: object = leaf("small"), key: object = leaf("key"), **sections: object) -> list[object]:
        return [model, key, *sections.items()]

    assert cs.run(ask(b=1, a=2)) == ["small", "key", ("b", 1), ("a", 2)]
    assert cs.run(ask(b=1, key="mine", a=2)) == ["small", "mine", ("b", 1), ("a", 2)]


def test_the_order_is_a_part_of_the_structure_for_such_tasks_alone() -> None:
    @cs.task
    def fixed(a: int, b: int) -> None: ...

    assert digest(fixed(a=1, b=2)) == digest(fixed(b=1, a=2))
    assert digest(prompt(a=1, b=2)) != digest(prompt(b=1, a=2))
    assert digest(prompt(b=1, a=2)) == digest(prompt(b=3, a=4))


def test_inputs_start_in_the_order_of_the_call() -> None:
    seen: list[str] = []
    note = cs.task(lambda name: seen.append(name), mode="inline")
    cs.run(prompt(b=note("b"), a=note("a"), first=note("first")))
    assert seen == ["b", "a", "first"]


@pytest.mark.parametrize("names", list(itertools.permutations("abc")))
@pytest.mark.parametrize("constant", [(), ("a",), ("c",), ("a", "b"), ("b", "c")])
def test_maps(names: tuple[str, ...], constant: tuple[str, ...]) -> None:
    inputs: dict[str, object] = {name: cs.const(leaf(name)) if name in constant else [name, name * 2] for name in names}
    expected = [["", *((name, name if name in constant else name * n) for name in names)] for n in (1, 2)]
    assert cs.run(prompt.map(**inputs)) == expected
    assert cs.run(prompt.with_retry(max_attempts=2).map(concurrency=1, **inputs)) == expected
    assert cs.run(cs.gather(prompt.map(**inputs).after(leaf())))[0] == expected


def test_maps_with_lazy_defaults() -> None:
    @cs.task(mode="inline")
    def ask(*, model: object = leaf("small"), **sections: object) -> list[object]:
        return [model, *sections.items()]

    assert cs.run(ask.map(b=[1], a=cs.const(2), c=[3])) == [["small", ("b", 1), ("a", 2), ("c", 3)]]


def test_cached_results_see_the_order() -> None:
    @cs.cached
    def order(**names: int) -> list[str]:
        return [*names]

    async def main() -> list[object]:
        async with cs.Engine() as engine:
            return [await engine.run(order(**call)) for call in ({"a": 1, "b": 2}, {"b": 2, "a": 1}, {"a": 1, "b": 2})]

    assert asyncio.run(main()) == [["a", "b"], ["b", "a"], ["a", "b"]]


def test_templates_on_disk(tmp_path: Any) -> None:
    path = tmp_path / "t.templates"
    targets = [prompt(b=1, a=2), prompt(a=1, b=2), prompt.map(b=[1], a=cs.const(2), c=[1])]
    first = cs.Templates()
    for target in targets:
        cs.run(target, engine=cs.Engine(templates=first))
    first.save(path)
    second = cs.Templates()
    assert second.load(path, strict=True) == len([*first])
    found = [cs.run(target, engine=cs.Engine(templates=second)) for target in targets]
    assert found == [["", ("b", 1), ("a", 2)], ["", ("a", 1), ("b", 2)], [["", ("b", 1), ("a", 2), ("c", 1)]]]
    assert second.stats.builds == 0
