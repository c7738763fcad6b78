"""`cs.lazy`: the object itself, and an error for anything else."""

from __future__ import annotations

from collections.abc import Callable

import pytest

import cascade as cs


@cs.task(mode="inline")
def half(n: int) -> int:
    return n // 2


@pytest.mark.parametrize(
    "make",
    [
        lambda: half(4),
        lambda: half.map(n=[4]),
        lambda: half.with_retry(3)(4),
        lambda: cs.gather(half(4)),
        lambda: cs.sequence([half(4)]),
        lambda: cs.Router(1, {1: 2}),
        lambda: cs.wait(0),
        lambda: cs.Channel().recv(),
        lambda: cs.select([cs.Channel()]),
        lambda: cs.inject("db"),
        lambda: cs.Param("n"),
        lambda: cs.Env("N"),
        lambda: cs.lazy(half(4)).run_if(True),
    ],
)
def test_it_is_the_object_itself(make: Callable[[], object]) -> None:
    node = make()
    assert cs.lazy(node) is node
    assert type(node) is cs.LazyResult


def test_its_methods_are_those_of_the_node() -> None:
    assert cs.run(cs.lazy(half(4)).run_if(False, otherwise=7)) == 7
    assert list(cs.lazy(half(4)).with_retry(3).policies) == ["retry"]


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (3, "x must be a lazy result, such as a call of a task, got `int`"),
        (None, "x must be a lazy result, such as a call of a task, got `NoneType`"),
        (half, r"x must be a lazy result, got the task `half`: call it, as in cs.lazy\(half\(...\)\)"),
        ([half(4)], r"x must be a lazy result, .*, got `list`: write cs.lazy\(cs.gather\(...\)\) for several"),
        ((half(4),), r"got `tuple`: write cs.lazy\(cs.gather"),
        (half.fn, "got `function`"),
        (cs.LazyResult, "got `type`"),
        (cs.LazyResult[int], "got `GenericAlias`"),
    ],
)
def test_anything_else_is_an_error(x: object, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        cs.lazy(x)
