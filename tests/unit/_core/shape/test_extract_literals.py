"""A literal is data: its value is nowhere in the key, its type and identity arrive untouched."""

from __future__ import annotations

import math

import pytest

import cascade as cs
from support.tasks import leaf, take
from support.values import Hostile, HostileKey, Point

EQUAL_BUT_DIFFERENT = [
    [1, True, 1.0, 1 + 0j],
    [0, False, 0.0, -0.0, 0j],
    ["a", b"a"],
    [(), [], set(), frozenset(), {}],
    [None, "", math.nan, ...],
]


@pytest.mark.parametrize("values", EQUAL_BUT_DIFFERENT, ids=repr)
def test_equal_literals_keep_their_types(cold: cs.Engine, values: list[object]) -> None:
    for _ in range(2):
        for value in values:
            (args, kwargs) = cs.run(take(value, [leaf(), value], name=value), engine=cold)
            assert args[0] is value
            assert args[1][0] == "leaf"
            assert args[1][1] is value
            assert kwargs["name"] is value
    assert cold.templates.stats.builds == 1


def test_all_literals_give_one_key() -> None:
    values = [value for group in EQUAL_BUT_DIFFERENT for value in group]
    values += [Hostile(), HostileKey(), len, int, ValueError("x"), [1] * 80, [[[]]], {"a": 1}, object()]
    assert len({cs.structural_hash(take(value, name=value))[0] for value in values}) == 1


@pytest.mark.parametrize(
    "literal",
    [[1, 2], (1, 2), {"a": 1}, {1, 2}, frozenset({1}), Point(1, 2), [[], [[1]]], [Hostile()], list(range(80))],
    ids=repr,
)
def test_container_without_a_lazy_inside_is_the_same_object(literal: object) -> None:
    args, kwargs = cs.run(take(literal, name=literal))
    assert args[0] is literal
    assert kwargs["name"] is literal
    assert cs.structural_hash(take(literal))[0] == cs.structural_hash(take(1))[0]


def test_inner_container_without_a_lazy_inside_is_the_same_object_too() -> None:
    inner = [1, 2, 3]
    ((outer,), _) = cs.run(take([leaf(), inner, inner]))
    assert outer[1] is inner
    assert outer[2] is inner


def test_number_of_neighbours_is_not_structure(cold: cs.Engine) -> None:
    for count in (0, 8, 80):
        assert cs.run(take(list(range(count))), engine=cold) == ((list(range(count)),), {})
    assert cold.templates.stats.builds == 1


def test_number_of_lazy_neighbours_is(cold: cs.Engine) -> None:
    for count in (1, 8, 80):
        assert cs.run(take([leaf()] * count), engine=cold) == ((["leaf"] * count,), {})
    assert cold.templates.stats.builds == 3


@pytest.mark.parametrize("value", [Hostile(), HostileKey(), None, math.nan, ValueError("data"), StopIteration(1)])
async def test_any_value_goes_everywhere_untouched(cold: cs.Engine, value: object) -> None:
    @cs.task(mode="inline")
    def same(given: object) -> object:
        return given

    @cs.task
    async def same_async(given: object) -> object:
        return given

    @cs.task(mode="thread")
    def same_in_thread(given: object) -> object:
        return given

    for task in (same, same_async, same_in_thread):
        assert await cold.run(task(value)) is value
        assert await cold.run(task(task(value))) is value
        first, second = await cold.run([task(given=task(value)), task(value)])
        assert first is value
        assert second is value
        args, kwargs = await cold.run(take([task(value)], {1: value, "a": leaf()}, n=task(value)))
        assert args[0][0] is value
        assert args[1][1] is value
        assert kwargs["n"] is value


def test_none_is_a_result_like_any_other(cold: cs.Engine) -> None:
    calls = []

    @cs.task(mode="inline")
    def nothing() -> None:
        calls.append(1)

    shared = nothing()
    assert cs.run(take(shared, [shared], x=shared), engine=cold) == ((None, [None]), {"x": None})
    assert calls == [1]
    assert cs.run(nothing(), engine=cold) is None
    assert cs.run([nothing(), nothing()], engine=cold) == [None, None]


def test_literals_that_are_classes_and_functions_are_not_called() -> None:
    def boom(*args: object) -> object:
        raise AssertionError("called")

    args, _ = cs.run(take(boom, Hostile, leaf, [leaf(), boom]))
    assert args == (boom, Hostile, leaf, ["leaf", boom])


def test_coroutine_as_a_literal_is_data() -> None:
    async def coroutine() -> None: ...

    given = coroutine()
    args, _ = cs.run(take(given))
    assert args[0] is given
    given.close()
