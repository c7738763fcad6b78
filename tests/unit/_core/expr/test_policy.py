"""What a call is given beside its arguments: each method gives a new node, and refuses at once what it cannot use."""

from __future__ import annotations

from typing import Any

import pytest

import cascade as cs


@cs.task(mode="inline")
def add(a: int, b: int = 0) -> int:
    return a + b


def shape(target: cs.LazyResult) -> str:
    return cs.structural_hash(target)[0]


def test_each_gives_a_new_node_and_leaves_this_one() -> None:
    call = add(1, b=2)
    again = call.with_retry(max_attempts=2)
    assert again is not call
    assert call.policies == {} and list(again.policies) == ["retry"]
    assert again.args == call.args and again.kwargs == call.kwargs and again.task is call.task
    assert cs.run([call, again]) == [3, 3]


def test_that_there_is_a_policy_is_structure_and_the_policy_is_data() -> None:
    assert shape(add(1)) != shape(add(1).with_retry())
    assert shape(add(1).with_retry(max_attempts=2)) == shape(add(2).with_retry(max_attempts=9, delay=1))
    assert shape(add(1).with_constraints(gpu=1)) == shape(add(1).with_constraints(mem=2, gpu=7))
    assert shape(add(1).with_constraints(gpu=add(1))) != shape(add(1).with_constraints(gpu=1))
    assert shape(add(1).after(add(2))) != shape(add(1).after(add(2), add(3)))


def test_the_last_word_counts_and_constraints_add_up() -> None:
    later = cs.task(mode="thread", name="later")(lambda: 1)
    call = later().with_retry(max_attempts=2).with_timeout(5).with_retry(max_attempts=7)
    assert call.policies["retry"].max_attempts == 7
    assert list(call.policies) == ["retry", "timeout"]
    assert add(1).with_constraints(a=1, b=2).with_constraints(b=3).policies["constraints"] == {"a": 1, "b": 3}
    assert add.with_constraints(a=1, b=2).with_constraints(b=3)(1).policies["constraints"] == {"a": 1, "b": 3}


def test_under_a_condition_it_is_the_node_that_is_meant() -> None:
    one = add(1).run_if(True).with_retry().after(add(2))
    other = add(1).with_retry().after(add(2)).run_if(True)
    assert shape(one) == shape(other)
    assert cs.run(one) == 1


def test_a_task_hands_its_policies_to_each_call() -> None:
    careful = add.with_retry(max_attempts=4).with_constraints(gpu=1)
    assert careful.name == add.name
    assert list(careful(1).policies) == ["retry", "constraints"]
    assert list(careful(1).with_retry(max_attempts=2).policies) == ["retry", "constraints"]
    assert list(careful.map(a=[1]).policies) == []  # each item has them, as a call of the task
    assert add(1).policies == {}


@pytest.mark.parametrize("make", [lambda: cs.wait(0), lambda: cs.Router(1, {1: 2}), lambda: cs.Channel().recv()])
def test_policies_are_for_calls_of_tasks(make: Any) -> None:
    for policy in ("with_retry", "with_constraints"):
        with pytest.raises(cs.PolicyError, match="expected a call of a task"):
            getattr(make(), policy)()


@pytest.mark.parametrize(
    "settings",
    [
        {"max_attempts": 0},
        {"max_attempts": 1.5},
        {"max_attempts": True},
        {"delay": -1},
        {"delay": "1"},
        {"delay": float("nan")},
        {"backoff": 0.5},
        {"backoff": float("inf")},
        {"max_delay": -1},
        {"jitter": "some"},
        {"on": "ValueError"},
        {"on": [int]},
        {"give_up_on": ValueError()},
    ],
)
def test_a_retry_that_makes_no_sense_is_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(cs.PolicyError, match="expected"):
        add(1).with_retry(**settings)
    with pytest.raises(cs.PolicyError, match="expected"):
        add.with_retry(**settings)


@pytest.mark.parametrize("amount", [-1, float("nan"), float("inf"), True, "1", None, [1]])
def test_an_amount_that_makes_no_sense_is_refused(amount: Any) -> None:
    with pytest.raises(cs.PolicyError, match="'gpu'"):
        add(1).with_constraints(gpu=amount)


@pytest.mark.parametrize("policy", [None, 1, object(), dict])
def test_what_is_no_cache_policy_is_refused(policy: Any) -> None:
    with pytest.raises(cs.PolicyError, match="expected a cache policy"):
        add(1).with_cache(policy)


def test_what_is_no_router_is_refused() -> None:
    with pytest.raises(cs.PolicyError, match="as a mapping, got `list`"):
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
