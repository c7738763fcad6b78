"""The inputs of a map: what can be taken item by item, and what is refused."""

from __future__ import annotations

import array
from collections.abc import AsyncIterator, Iterator

import pytest

import cascade as cs
from support.tasks import give


@cs.task(mode="inline")
def pair(x: object, y: object = None) -> object:
    return x, y


SERIES = {
    "list": [0, 1, 2],
    "tuple": (0, 1, 2),
    "range": range(3),
    "array": array.array("i", [0, 1, 2]),
    "bytes in an array": array.array("B", b"\0\1\2"),
}


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize("kind", [*SERIES, "generator", "iterator"])
async def test_what_can_be_zipped(cold: cs.Engine, kind: str, lazy: bool) -> None:
    for _ in range(2):
        made = (n for n in range(3)) if kind == "generator" else iter([0, 1, 2]) if kind == "iterator" else SERIES[kind]
        series = give(made) if lazy else made
        assert await cold.run(pair.map(x=series, y=cs.const("k"))) == [(0, "k"), (1, "k"), (2, "k")]


@pytest.mark.parametrize("wrong", ["abc", b"abc", 3, None, object()], ids=lambda value: type(value).__name__)
async def test_what_cannot_be_zipped_names_the_two_ways_out(wrong: object) -> None:
    with pytest.raises(cs.MapError, match=r"cs\.const\(\.\.\.\).*=\[\.\.\.\]"):
        pair.map(x=[1, 2], y=wrong)
    with pytest.raises(cs.MapError, match=r"cs\.const\(\.\.\.\).*=\[\.\.\.\]"):
        await cs.Engine().run(pair.map(x=[1, 2], y=give(wrong)))


async def test_unequal_lengths_tell_both() -> None:
    with pytest.raises(cs.MapError, match="got 2 items of 'x' and 3 of 'y'"):
        pair.map(x=[1, 2], y=range(3))
    with pytest.raises(cs.MapError, match="got 2 items of 'x' and 3 of 'y'"):
        await cs.Engine().run(pair.map(x=[1, 2], y=give((1, 2, 3))))
    with pytest.raises(cs.MapError, match=r"got 1 items? of 'y' and at least 2 of 'x'"):
        await cs.Engine().run(pair.map(x=[1, 2], y=(n for n in range(1))))


async def test_a_scalar_whose_class_can_be_iterated_is_one_all_the_same() -> None:
    class Scalar:  # such as an array of no dimension
        def __iter__(self) -> Iterator[object]:
            raise TypeError("iteration over a 0-d array")

    for given in (Scalar(), give(Scalar())):
        with pytest.raises(cs.MapError, match=r"input 'x' .* got `Scalar`: .*cs\.const.*, or x=\[") as caught:
            await cs.Engine().run(pair.map(x=given))
        assert isinstance(caught.value.__cause__, TypeError)


async def test_a_bound_beyond_every_number_of_items_is_none() -> None:
    assert await cs.Engine().run(give.map(value=[1, 2], concurrency=10**30)) == [1, 2]


@pytest.mark.parametrize("concurrency", [0, -1, 1.0, True, "2"], ids=repr)
def test_a_concurrency_that_makes_no_sense_is_refused_at_once(concurrency: object) -> None:
    with pytest.raises(cs.MapError, match="concurrency must be None or an int >= 1"):
        pair.map(x=[1], concurrency=concurrency)


def test_inputs_that_do_not_fit_the_task_are_refused_at_once() -> None:
    with pytest.raises(cs.TaskArgumentError, match="z"):
        pair.map(x=[1], z=[1])
    with pytest.raises(cs.TaskArgumentError, match="x"):
        pair.map(y=[1])
    with pytest.raises(cs.MapError, match="at least one input"):
        pair.map(x=cs.const(1))


async def test_a_function_that_was_not_called_is_told_as_such() -> None:
    async def pages() -> AsyncIterator[int]:
        yield 1

    for given in (pages, pair):
        with pytest.raises(cs.MapError, match=r"got `\w+`: .*cs\.const.*, or x=f\(\.\.\.\) for the items"):
            pair.map(x=given)
