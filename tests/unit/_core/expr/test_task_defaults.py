"""Lazy results as defaults of a task's parameters: arguments like any other, filled in at the call."""

from __future__ import annotations

from typing import Any

import pytest

import cascade as cs


@cs.task(mode="inline")
def one() -> int:
    return 1


@cs.task(mode="inline")
def pair(a: Any, b: Any = one(), *, c: Any = cs.Inject("c")) -> tuple[Any, ...]:  # noqa: B008
    return a, b, c


def engine_with(**resources: Any) -> cs.Engine:
    engine = cs.Engine()
    for name, value in resources.items():
        engine.register(value, name)
    return engine


@pytest.mark.parametrize(
    ("make", "value"),
    [
        (lambda: pair(0), (0, 1, "see")),
        (lambda: pair(0, 5), (0, 5, "see")),
        (lambda: pair(0, b=6), (0, 6, "see")),
        (lambda: pair(0, c=7), (0, 1, 7)),
        (lambda: pair(a=0, b=8, c=9), (0, 8, 9)),
        (lambda: pair(one(), c=one()), (1, 1, 1)),
    ],
)
def test_what_is_not_given_is_filled_in(make: Any, value: Any) -> None:
    assert cs.run(make(), engine=engine_with(c="see")) == value


def test_filled_and_given_are_one_shape() -> None:
    assert cs.structural_hash(pair(0))[0] == cs.structural_hash(pair(1, b=one(), c=cs.inject("c")))[0]


def test_arguments_are_checked_at_the_call() -> None:
    with pytest.raises(cs.TaskArgumentError, match="missing argument 'a'"):
        pair()
    with pytest.raises(cs.TaskArgumentError, match="unexpected keyword argument 'd'"):
        pair(0, d=1)


def test_the_default_of_each_function_is_its_own() -> None:
    """One code object, another default each time: nothing of it is remembered with the code."""

    def make(value: int) -> cs.LazyResult:
        @cs.task(mode="inline")
        def give() -> int:
            return value

        @cs.task(mode="inline")
        def take(x: Any = give()) -> Any:  # noqa: B008
            return x

        return take()

    assert cs.run([make(1), make(2), make(3)]) == [1, 2, 3]


def test_methods_and_maps_fill_in_too() -> None:
    class Shop:
        @cs.task(mode="inline")
        def price(self, item: int, rate: Any = cs.Inject("rate")) -> int:  # noqa: B008
            return item * rate

    engine = engine_with(rate=3)
    assert cs.run(Shop().price(2), engine=engine) == 6
    assert cs.run(Shop().price.map(item=[1, 2]), engine=engine) == [3, 6]


def test_a_positional_only_parameter_has_no_name_to_fill_it_in_by() -> None:
    with pytest.raises(cs.TaskDefinitionError, match=r"positional-only parameter 'x' of .* must not be a lazy result"):

        @cs.task
        def take(x: Any = one(), /) -> Any:  # noqa: B008
            return x
