"""Containers with a lazy result inside are structure; subclasses, cycles and depth hurt nobody."""

from __future__ import annotations

import gc
import weakref
from collections import OrderedDict, defaultdict, deque, namedtuple
from collections.abc import Callable

import msgspec
import pytest

import cascade as cs
from support.tasks import digest, give, leaf
from support.values import Point, Spot

# -- every kind ------------------------------------------------------------------------------------------------

CONTAINERS = [
    (lambda x: [x, 1], lambda x: [x, 1]),
    (lambda x: (x, 1), lambda x: (x, 1)),
    (lambda x: (x,), lambda x: (x,)),
    (lambda x: {"a": x, 2: 1}, lambda x: {"a": x, 2: 1}),
    (lambda x: {x, 1}, lambda x: {x, 1}),
    (lambda x: frozenset({x, 1}), lambda x: frozenset({x, 1})),
    (lambda x: Point(x, 1), lambda x: Point(x, 1)),
    (lambda x: Spot(x=x, y=1), lambda x: Spot(x=x, y=1)),
    (lambda x: [[({"k": {(x,)}},)]], lambda x: [[({"k": {(x,)}},)]]),
]


@pytest.mark.parametrize(("make", "expect"), CONTAINERS)
def test_lazy_inside_is_replaced_by_its_value(make: object, expect: object) -> None:
    given, expected = make(leaf()), expect("leaf")
    seen = cs.run(give(given))
    assert seen == expected
    assert type(seen) is type(expected)
    assert seen is not given


def test_with_and_without_a_lazy_inside_are_different_shapes() -> None:
    for make, _ in CONTAINERS:
        assert digest(give(make(leaf()))) != digest(give(make("leaf")))
        assert digest(give(make("leaf"))) == digest(give(None))


def test_kinds_and_lengths_are_structure() -> None:
    lazy = leaf()
    shapes = [[lazy], (lazy,), {lazy}, frozenset({lazy}), {0: lazy}, Point(lazy, 0), Spot(y=lazy), [lazy, 0], [0, lazy]]
    shapes += [(lazy, 0), {lazy, 0}, [[lazy]], [(lazy,)], {0: lazy, 1: 0}, [lazy, [lazy]], lazy]
    assert len({digest(give(shape)) for shape in shapes}) == len(shapes)


def test_struct_types_are_structure_and_data() -> None:
    def define() -> type:
        class Local(msgspec.Struct, frozen=True):
            value: object

        return Local

    first, second = define(), define()
    assert digest(give(first(leaf()))) == digest(give(second(leaf())))
    for local in (first, second, first):
        seen = cs.run(give(local(leaf())))
        assert type(seen) is local
        assert seen.value == "leaf"


@pytest.mark.parametrize("kind", ["plain", "tuple", "struct", "frozenset", "mixed"])
def test_set_members_of_one_shape_give_one_key(cold: cs.Engine, kind: str) -> None:
    """Where lazy results lie in memory, and so in a set, is not structure."""

    def members(value: object) -> list[object]:
        others = [cs.task(lambda name=name: (name, value), name=name, mode="inline")() for name in "ab"]
        lazies = [leaf(value), *others, give(others[0])]
        wraps = {
            "plain": [lambda lazy: lazy] * 4,
            "tuple": [lambda lazy: (0, (lazy, 1))] * 4,
            "struct": [lambda lazy: Point(0, lazy)] * 4,
            "frozenset": [lambda lazy: frozenset({lazy})] * 4,
            "mixed": [lambda x: x, lambda x: (x,), lambda x: Point((x,), 0), lambda x: frozenset({(x,)})],
        }[kind]
        return [wrap(lazy) for wrap, lazy in zip(wraps, lazies, strict=True)]

    kept = []
    for number in range(200):
        target = give({*members(number), "x", "y", "z"})
        kept.append((target, [object() for _ in range(number % 7)]))
        assert len(cs.run(target, engine=cold)) == (7 if kind == "mixed" else 6)
    assert cold.templates.stats.builds == 1


@pytest.mark.parametrize(
    "given", [lambda x: {x: 1}, lambda x: {(x,): x}, lambda x: [{"a": {x: 1}}], lambda x: {frozenset({x}): 1}]
)
def test_a_lazy_key_is_a_clear_error(given: object) -> None:
    with pytest.raises(cs.StructureError, match="key"):
        cs.run(give(given(leaf())))


def test_equal_results_in_a_set_are_one_member() -> None:
    assert cs.run(give({leaf(1), leaf(1), 1})) == {1}


def test_unhashable_result_in_a_set_is_an_error() -> None:
    with pytest.raises(TypeError):
        cs.run(give({leaf([])}))
    with pytest.raises(TypeError):
        cs.run(give(frozenset({(leaf([]),)})))


def test_the_users_container_is_left_alone() -> None:
    inner = {"a": [leaf(), 1]}
    lazy = inner["a"][0]
    first, second = cs.run(give(inner)), cs.run(give(inner))
    assert inner == {"a": [lazy, 1]}
    first["a"].append(2)
    assert second == {"a": ["leaf", 1]}


# -- what is no exact container is data ------------------------------------------------------------------------


class Mutable(msgspec.Struct):
    value: object


class Names(list):
    def __iter__(self):
        raise AssertionError("iterated")


Pair = namedtuple("Pair", "left right")


@pytest.mark.parametrize(
    "make",
    [
        lambda x: Names([x]),
        lambda x: OrderedDict(a=x),
        lambda x: defaultdict(list, a=x),
        lambda x: deque([x]),
        lambda x: Mutable(x),
    ],
)
def test_subclasses_are_data_without_a_lazy_result_and_refuse_one(make: Callable[[object], object]) -> None:
    given = make("leaf")
    assert cs.run(give(given)) is given
    given = make(leaf())
    name = type(given).__name__
    for target in (give(given), give([given]), give({"a": (given,)})):
        with pytest.raises(cs.StructureError, match=f"`{name}` must not hold a lazy result, got <LazyResult leaf"):
            cs.run(target)
    assert cs.run(marked(cs.data(given))) is given


@cs.task(mode="inline")
def marked(value: object) -> object:
    """Give the argument as data."""
    return cs.data(value)


@pytest.mark.parametrize("make", [lambda x: iter([x]), lambda x: [x].copy])
def test_other_objects_are_data(make: Callable[[object], object]) -> None:
    given = make(leaf())
    assert cs.run(give(given)) is given


# -- cycles ----------------------------------------------------------------------------------------------------


def test_a_list_that_contains_itself_is_data() -> None:
    given: list[object] = [1]
    given.append(given)
    assert cs.run(give(given)) is given
    mutual: dict[str, object] = {}
    mutual["self"] = ([mutual],)
    assert cs.run(give(mutual)) is mutual


def test_a_cycle_beside_a_lazy_is_data() -> None:
    cycle: list[object] = []
    cycle.append(cycle)
    seen = cs.run(give([leaf(), cycle]))
    assert seen[0] == "leaf"
    assert seen[1] is cycle


@pytest.mark.parametrize("lazy_first", [True, False])
def test_a_cycle_with_a_lazy_inside_is_a_clear_error(lazy_first: bool) -> None:
    direct: list[object] = [leaf()] if lazy_first else []
    direct.append(direct)
    if not lazy_first:
        direct.append(leaf())
    indirect: dict[object, object] = {}
    indirect["x"] = ({"y": [leaf(), indirect]},)
    for given in (direct, indirect, [0, (direct,)]):
        with pytest.raises(cs.StructureError):
            cs.run(give(given))
        with pytest.raises(cs.StructureError):
            cs.structural_hash(give(given))


def test_two_cycles_that_share_a_lazy_branch() -> None:
    first: list[object] = []
    second: list[object] = [first]
    first.append(second)
    assert cs.run(give([first, second]))[0] is first
    second.append(leaf())
    with pytest.raises(cs.StructureError):
        cs.run(give([first]))


def test_an_expression_that_contains_itself_is_a_clear_error() -> None:
    through: list[object] = []
    target = give(through)
    through.append({"k": (target,)})
    for given in (target, give(target), give([1, target])):
        with pytest.raises(cs.StructureError):
            cs.run(given)
        with pytest.raises(cs.StructureError):
            cs.structural_hash(given)
    through.clear()
    assert cs.run(target) == []


def test_cycles_through_lazy_results_are_collected() -> None:
    class Token:
        pass

    token = Token()
    watch = weakref.ref(token)
    through: list[object] = [token]
    through.append(give(through))
    through.append(give(through[1]))
    del token, through
    gc.collect()
    assert watch() is None


# -- depth -----------------------------------------------------------------------------------------------------


def nested(core: object, depth: int = 300_000) -> list[object]:
    given = [core]
    for _ in range(depth - 1):
        given = [given]
    return given


def depth_of(given: object) -> tuple[int, object]:
    depth = 0
    while type(given) is list:
        [given] = given
        depth += 1
    return depth, given


def test_300_000_lists_in_one_another_are_data() -> None:
    given = nested(1)
    assert cs.run(give(given)) is given
    assert len(cs.structural_hash(give(given))[1]) == 2


def test_300_000_lists_with_a_lazy_at_the_core() -> None:
    assert depth_of(cs.run(give(nested(leaf())))) == (300_000, "leaf")


def test_a_dag_of_containers_does_not_explode() -> None:
    for core in (leaf(), 1):
        given: object = [core]
        for _ in range(60):
            given = [given, given]
        digest_of, slots = cs.structural_hash(give(given))
        assert digest_of
        assert len(slots) <= 3
        seen = cs.run(give(given))
        for _ in range(60):
            assert seen[0] is seen[1]
            seen = seen[0]
        assert seen == ["leaf" if isinstance(core, cs.LazyResult) else 1]


def test_a_dag_of_mixed_containers_does_not_explode() -> None:
    given: object = (leaf(),)
    for level in range(60):
        given = [(given, given), {"a": given, "b": given}, [given], Point(given, given)][level % 4]
    assert cs.run(give([given, given])) is not None
