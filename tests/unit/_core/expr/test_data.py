"""`cascade.data`: a value is passed on as it is, and a lazy result in it is not evaluated."""

from __future__ import annotations

import asyncio
import pickle
from typing import Any

import pytest

import cascade as cs
from support.tasks import digest, give, leaf


def never() -> object:
    raise AssertionError("ran")


NEVER = cs.task(never, mode="inline")
SEEN: list[object] = []


@cs.task(mode="inline")
def note(*args: object, **kwargs: object) -> int:
    """Keep the arguments."""
    SEEN[:] = [*args, *kwargs.values()]
    return len(SEEN)


@pytest.mark.parametrize("mode", ["inline", "thread"])
def test_arguments_are_passed_on_untouched(mode: Any) -> None:
    seen: list[object] = []

    @cs.task(mode=mode)
    def keep(*args: object, x: object) -> int:
        seen.extend((*args, x))
        return 0

    lazy = NEVER()
    given = [lazy, {"k": lazy}]
    cs.run(keep(cs.data(lazy), cs.data(given), 3, x=cs.data({1: lazy})))
    assert seen[0] is lazy and seen[1] is given and seen[2] == 3
    assert seen[3][1] is lazy  # type: ignore[index]


def test_a_marked_value_is_a_slot_like_any_other() -> None:
    assert digest(give(cs.data([leaf()]))) == digest(give(1))
    assert cs.structural_hash(give(cs.data(given := [leaf()])))[1][1] is given


def test_inside_containers() -> None:
    lazy = NEVER()
    given = [lazy]
    cs.run(note([cs.data(lazy), leaf(1)], {"a": cs.data(given)}, (cs.data(lazy),), {cs.data(lazy)}))
    listed, mapped, paired, members = SEEN
    assert listed[0] is lazy and listed[1] == 1  # type: ignore[index]
    assert mapped["a"] is given  # type: ignore[index]
    assert paired[0] is lazy and next(iter(members)) is lazy  # type: ignore[index, call-overload]


def test_a_key_of_a_dict_cannot_be_marked() -> None:
    with pytest.raises(cs.StructureError, match="dict key"):
        cs.run(give({cs.data(1): leaf()}))
    with pytest.raises(cs.StructureError, match="dict key"):
        cs.run(give({"a": leaf(), cs.data(1): 2}))


@pytest.mark.parametrize("mode", ["inline", "thread", "auto"])
def test_results(mode: Any) -> None:
    lazy = NEVER()
    given = [lazy]

    @cs.task(mode=mode)
    def one() -> object:
        return cs.data(lazy)

    @cs.task(mode=mode)
    def listed() -> object:
        return cs.data(given)

    async def later() -> object:
        return cs.data(lazy)

    assert cs.run(one()) is lazy
    assert cs.run(listed()) is given
    assert cs.run(cs.task(later)()) is lazy
    cs.run(note(one(), listed(), cs.task(later)(), [one()]))
    assert SEEN[0] is SEEN[2] is SEEN[3][0] is lazy  # type: ignore[index]
    assert SEEN[1] is given


def test_what_a_router_and_a_condition_pass_on() -> None:
    lazy = NEVER()

    @cs.task(mode="inline")
    def one() -> object:
        return cs.data(lazy)

    router = cs.Router(give("a"), {"a": cs.data(lazy), "b": one()}, default=one())
    assert cs.run(router) is lazy
    assert cs.run(cs.Router(give("b"), {"a": 1, "b": one()})) is lazy
    assert cs.run(cs.Router("a", {"a": cs.data(lazy)})) is lazy
    assert cs.run(leaf().run_if(give(False), otherwise=cs.data(lazy))) is lazy
    assert cs.run(one().run_if(give(True))) is lazy
    first, second, third = cs.run(cs.gather(one(), cs.data(lazy), 3))
    assert first is second is lazy and third == 3


def test_targets() -> None:
    lazy = NEVER()
    given = {"a": lazy}
    assert cs.run(cs.data(lazy)) is lazy
    assert cs.run(cs.data(given)) is given
    found = cs.run([cs.data(given), leaf(1)])
    assert found[0] is given and found[1] == 1


def test_map_inputs() -> None:
    lazies = [NEVER(), NEVER()]
    kept: list[object] = []

    @cs.task(mode="inline")
    def keep(x: object, y: object = None) -> int:
        kept.append(x)
        kept.append(y)
        return 0

    for series in (cs.data(lazies), cs.data(iter(lazies)), [cs.data(one) for one in lazies], given(cs.data(lazies))):
        kept.clear()
        assert cs.run(keep.map(x=series)) == [0, 0]
        assert kept[0] is lazies[0] and kept[2] is lazies[1]
    kept.clear()
    cs.run(keep.map(x=[1], y=cs.const(cs.data(lazies))))
    assert kept[1] is lazies
    kept.clear()
    cs.run(keep.map(x=[[1], (2,)], y=cs.const(given(cs.data(lazies)))))
    assert kept[0] == [1] and kept[1] is kept[3] is lazies
    with pytest.raises(cs.MapError, match="got `str`"):
        keep.map(x=cs.data("ab"))
    with pytest.raises(cs.MapError, match="same length"):
        keep.map(x=cs.data([1, 2]), y=[1])


@cs.task(mode="inline")
def given(value: object) -> object:
    """Give the argument as data."""
    return cs.data(value)


def test_a_series_that_yields_lazy_results_evaluates_them() -> None:
    double = cs.task(lambda x: 2 * x, mode="inline")
    assert cs.run(double.map(x=(leaf(n) for n in (1, 2)))) == [2, 4]
    assert cs.run(double.map(x=[leaf(1), 2])) == [2, 4]


def test_defaults() -> None:
    lazy = NEVER()

    @cs.task(mode="inline")
    def keep(x: object = cs.data(lazy), *, y: object = cs.data([lazy])) -> object:
        return cs.data((x, y))

    x, y = cs.run(keep())
    assert x is lazy and y[0] is lazy


def test_a_cached_result_stays_data() -> None:
    lazy = NEVER()

    @cs.cached
    def one(n: int) -> object:
        return cs.data([lazy] if n else lazy)

    async def main() -> list[Any]:
        async with cs.Engine() as engine:
            return [await engine.run([one(0), one(1)]) for _ in range(2)]

    for first, second in asyncio.run(main()):
        assert type(first) is type(second[0]) is cs.LazyResult


def test_marking_twice_is_marking_once() -> None:
    once = cs.data([1])
    assert cs.data(once) is once
    assert repr(once) == "data([1])"
    assert pickle.loads(pickle.dumps(once)).value == [1]
