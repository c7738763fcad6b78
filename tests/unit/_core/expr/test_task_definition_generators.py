"""A generator function is no task: its body would run after the call, outside of all that goes with a call."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

import cascade as cs


def generate() -> Iterator[int]:
    yield 1


async def generate_async() -> AsyncIterator[int]:
    yield 1


class Generates:
    def __call__(self) -> Iterator[int]:
        yield 1

    def method(self) -> Iterator[int]:
        yield 1


FUNCTIONS: list[Callable[..., Any]] = [
    generate,
    generate_async,
    lambda: (yield),
    functools.partial(generate),
    functools.partial(functools.partial(generate_async)),
    Generates(),
    Generates().method,
]


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("make", [cs.task, cs.task(mode="thread"), cs.task(name="other"), cs.cached])
def test_it_is_refused_when_it_is_decorated(make: Callable[..., Any], function: Callable[..., Any]) -> None:
    for _ in range(2):
        with pytest.raises(
            cs.TaskDefinitionError, match="must be a function that returns its value, got the generator"
        ):
            make(function)


def test_a_method_is_refused_with_its_class() -> None:
    with pytest.raises(cs.TaskDefinitionError, match=r"generator function '.*Rows.rows'"):

        class Rows:
            @cs.task
            def rows(self) -> Iterator[int]:
                yield 1


def test_what_to_write_instead() -> None:
    @cs.task(mode="inline")
    def listed() -> list[int]:
        return list(generate())

    @cs.task(mode="inline")
    def double(item: int) -> int:
        return 2 * item

    assert cs.run([listed(), double.map(item=generate()), double.map(item=listed())]) == [[1], [2], [2]]
