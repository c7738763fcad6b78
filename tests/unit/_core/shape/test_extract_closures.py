"""Tasks made anew in functions share a template; what they captured is data and never shared."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Callable

import pytest

import cascade as cs


def agent(phase: object, *, mode: str = "inline") -> cs.LazyResult:
    """An expression of tasks that exist for this call only."""

    @cs.task(mode=mode)
    def sense() -> object:
        return phase

    @cs.task(mode=mode)
    def act(seen: object, offset: int = 0) -> object:
        return (phase, seen, offset)

    return act(sense(), offset=1)


@pytest.mark.parametrize("mode", ["inline", "thread"])
async def test_one_template_never_a_value(cold: cs.Engine, mode: str) -> None:
    values = [object() for _ in range(50)]
    results = await asyncio.gather(*(cold.run(agent(value, mode=mode)) for value in values))
    assert results == [(value, value, 1) for value in values]
    assert cold.templates.stats.builds == 1


async def test_async_closures(cold: cs.Engine) -> None:
    def make(number: int) -> cs.LazyResult:
        @cs.task
        async def early() -> int:
            await asyncio.sleep(0)
            return number

        @cs.task
        async def late(seen: int) -> tuple[int, int]:
            return (number, seen)

        return late(early())

    results = await asyncio.gather(*(cold.run(make(number)) for number in range(50)))
    assert results == [(number, number) for number in range(50)]
    assert cold.templates.stats.builds == 1


async def test_recursion_sees_its_own_iteration(cold: cs.Engine) -> None:
    seen = []

    def step(phase: int) -> cs.LazyResult:
        @cs.task(mode="inline")
        def look() -> int:
            seen.append(phase)
            return phase

        @cs.task(mode="inline")
        def move(value: int) -> object:
            assert value == phase
            return step(phase + 1) if phase < 100 else "done"

        return move(look())

    assert await cold.run(step(0)) == "done"
    assert seen == list(range(101))
    assert cold.templates.stats.builds == 1


def test_defaults_belong_to_the_closure() -> None:
    def make(value: object) -> cs.LazyResult:
        @cs.task(mode="inline")
        def task(given: object = value, *, named: object = value) -> object:
            return (given, named)

        return task()

    assert [cs.run(make(value)) for value in (1, True, None, "x")] == [(1, 1), (True, True), (None, None), ("x", "x")]
    assert cs.structural_hash(make(1))[0] == cs.structural_hash(make([]))[0]


def test_cells_are_read_when_the_task_runs() -> None:
    value = 1

    @cs.task(mode="inline")
    def read() -> int:
        return value

    target = read()
    value = 2
    assert cs.run(target) == 2


def test_two_functions_of_one_name_do_not_mix() -> None:
    def first() -> cs.Task:
        @cs.task(mode="inline", name="same")
        def task() -> str:
            return "first"

        return task

    def second() -> cs.Task:
        @cs.task(mode="inline", name="same")
        def task() -> str:
            return "second"

        return task

    assert cs.structural_hash(first()())[0] == cs.structural_hash(second()())[0]
    assert [cs.run(make()()) for make in (first, second, first)] == ["first", "second", "first"]


def test_edited_code_keeps_the_template(cold: cs.Engine) -> None:
    def define(source: str) -> cs.Task:
        space: dict[str, object] = {"cs": cs, "__name__": "edited"}
        exec(source, space)
        return space["task"]  # type: ignore[return-value]

    before = define("@cs.task(mode='inline')\ndef task(x):\n    return x + 1\n")
    after = define("import math\n\n@cs.task(mode='inline')\ndef task(x):\n    y = x * 10\n    return y\n")
    assert [cs.run(task(5), engine=cold) for task in (before, after)] == [6, 50]
    assert cold.templates.stats.builds == 1


class Token:
    """Something that a closure captures."""


def captured_in_cell(token: Token) -> cs.LazyResult:
    @cs.task(mode="inline")
    def task() -> bool:
        return token is not None

    return task()


def captured_in_default(token: Token) -> cs.LazyResult:
    @cs.task(mode="inline")
    def task(given: object = token) -> bool:
        return given is not None

    return task()


def captured_in_keyword_default(token: Token) -> cs.LazyResult:
    @cs.task(mode="inline")
    def task(*, given: object = token) -> bool:
        return given is not None

    return task()


def captured_in_argument(token: Token) -> cs.LazyResult:
    @cs.task(mode="inline")
    def task(given: list[object]) -> bool:
        return given[0] is not None

    return task([token])


def captured_in_partial(token: Token) -> cs.LazyResult:
    import functools

    def function(one: object, two: object) -> bool:
        return one is two

    return cs.task(functools.partial(function, token, two=token), mode="inline")()


def captured_in_instance(token: Token) -> cs.LazyResult:
    class Holder:
        def __init__(self) -> None:
            self.token = token

        @cs.task(mode="inline")
        def method(self) -> bool:
            return self.token is not None

    return Holder().method()


def captured_in_callable(token: Token) -> cs.LazyResult:
    class Holder:
        def __init__(self) -> None:
            self.token = token

        def __call__(self) -> bool:
            return self.token is not None

    return cs.task(Holder(), mode="inline")()


CAPTURES = [
    captured_in_cell,
    captured_in_default,
    captured_in_keyword_default,
    captured_in_argument,
    captured_in_partial,
    captured_in_instance,
    captured_in_callable,
]


@pytest.mark.parametrize("capture", CAPTURES)
def test_captured_data_dies_with_the_run(cold: cs.Engine, capture: Callable[[Token], cs.LazyResult]) -> None:
    token = Token()
    watch = weakref.ref(token)
    target = capture(token)
    assert cs.run(target, engine=cold) is True
    assert cs.structural_hash(target)[0]
    del token, target
    gc.collect()
    assert watch() is None


@pytest.mark.parametrize("capture", CAPTURES)
def test_captured_data_dies_without_a_run(capture: Callable[[Token], cs.LazyResult]) -> None:
    token = Token()
    watch = weakref.ref(token)
    target = capture(token)
    del token, target
    gc.collect()
    assert watch() is None
