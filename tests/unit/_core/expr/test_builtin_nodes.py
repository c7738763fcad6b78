"""Nodes that the engine evaluates: routers, conditions, and what stands for a skipped member."""

from __future__ import annotations

from typing import Any

import pytest

import cascade as cs


@cs.task(mode="inline")
def add(a: int, b: int = 0) -> int:
    return a + b


def test_what_is_no_router_is_refused() -> None:
    with pytest.raises(cs.PolicyError, match=r"must be a mapping .*, got `list`"):
        cs.Router(1, [add(1)])  # type: ignore[arg-type]
    with pytest.raises(cs.PolicyError, match="at least one route"):
        cs.Router(1, {})


def test_routes_are_those_of_the_moment_when_the_router_was_made() -> None:
    routes: dict[str, Any] = {"a": add(1)}
    router = cs.Router("a", routes)
    routes["a"] = add(2)
    assert cs.run(router) == 1


class Awkward:
    """A key that is found by its value and tells nothing of itself."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __hash__(self) -> int:
        return self.number

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Awkward) and other.number == self.number


def test_keys_of_any_hashable_types() -> None:
    keys = [1, "1", 1.5, None, b"1", (1, "a"), frozenset({1}), Awkward(1), Ellipsis]
    for index, key in enumerate(keys):
        assert cs.run(cs.Router(key, {k: add(i) for i, k in enumerate(keys)})) == index


def test_a_selector_that_cannot_be_a_key() -> None:
    with pytest.raises(TypeError, match="unhashable"):
        cs.run(cs.Router([1], {1: add(1)}))


def test_a_condition_whose_truth_cannot_be_told_fails_where_it_stands() -> None:
    class Torn:
        def __bool__(self) -> bool:
            raise ArithmeticError("yes and no")

    with pytest.raises(ArithmeticError) as caught:
        cs.run(add(1, add(2).run_if(Torn())))
    assert "condition at $.args[1]" in caught.value.__notes__[0]


def test_a_skipped_member_is_one_object_everywhere() -> None:
    import copy
    import pickle

    assert pickle.loads(pickle.dumps(cs.SKIPPED)) is cs.SKIPPED
    assert copy.deepcopy(cs.SKIPPED) is cs.SKIPPED
    assert repr(cs.SKIPPED) == "SKIPPED"


def test_the_object_itself_is_data() -> None:
    @cs.task(mode="inline")
    def same(x: Any) -> Any:
        return x

    assert cs.run([same(cs.SKIPPED), same([cs.SKIPPED])]) == [cs.SKIPPED, [cs.SKIPPED]]
