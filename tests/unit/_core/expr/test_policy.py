"""What a call is given beside its arguments: each method gives a new node, and refuses at once what it cannot use."""

from __future__ import annotations

import inspect
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


@pytest.mark.parametrize(
    "make",
    [
        lambda: cs.wait(0),
        lambda: cs.Router(1, {1: 2}),
        lambda: cs.Channel().recv(),
        lambda: cs.gather(add(1)),
        lambda: add.map(a=[1]),
        lambda: cs.outcome(add(1)),
    ],
)
def test_a_policy_of_what_is_no_call_is_that_of_a_scope(make: Any) -> None:
    lazy = make()
    made = lazy.with_retry(2).with_constraints(gpu=1)
    assert made.task.name == "scope" and made.args == (lazy,)
    assert set(made.policies) == {"retry", "constraints"}
    assert made.with_retry(5).policies["retry"].max_attempts == 5


def test_a_policy_under_a_condition_is_that_of_the_node() -> None:
    lazy = cs.wait(0)
    made = lazy.run_if(True).with_timeout(3)
    assert made.task.name == "run_if" and made.args[1].task.name == "scope" and made.args[1].args == (lazy,)


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
    with pytest.raises(cs.PolicyError, match="must be"):
        add(1).with_retry(**settings)
    with pytest.raises(cs.PolicyError, match="must be"):
        add.with_retry(**settings)


@pytest.mark.parametrize("amount", [-1, float("nan"), float("inf"), True, "1", None, [1]])
def test_an_amount_that_makes_no_sense_is_refused(amount: Any) -> None:
    with pytest.raises(cs.PolicyError, match="'gpu'"):
        add(1).with_constraints(gpu=amount)


@pytest.mark.parametrize("policy", [None, 1, object(), dict])
def test_what_is_no_cache_policy_is_refused(policy: Any) -> None:
    with pytest.raises(cs.PolicyError, match="policy must be a cache policy"):
        add(1).with_cache(policy)


# --------------------------------------------------------------------------------------- of tasks and of lazy results


@cs.task
def work(n: int = 0) -> int:
    return n


METHODS = ["with_retry", "with_timeout", "with_cache", "with_constraints"]


@pytest.mark.parametrize("name", METHODS)
def test_a_task_takes_the_arguments_that_a_lazy_result_takes(name: str) -> None:
    of_task, of_lazy = (inspect.signature(getattr(kind, name)) for kind in (cs.Task, cs.LazyResult))
    assert of_task == of_lazy


def test_a_task_takes_policies_by_position() -> None:
    by_position = work.with_retry(3, 0.5, 1.5, 30, "full", OSError, ValueError).with_timeout(5, 60)
    by_name = (
        cs.lazy(work())
        .with_retry(
            max_attempts=3, delay=0.5, backoff=1.5, max_delay=30, jitter="full", on=OSError, give_up_on=ValueError
        )
        .with_timeout(seconds=5, total=60)
    )
    one, other = cs.lazy(by_position()).policies, by_name.policies
    assert one.keys() == other.keys() == {"retry", "timeout"}
    for name in ("max_attempts", "delay", "backoff", "max_delay", "jitter", "on", "give_up_on"):
        assert getattr(one["retry"], name) == getattr(other["retry"], name)
    for name in ("seconds", "total"):
        assert getattr(one["timeout"], name) == getattr(other["timeout"], name)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("with_retry", {"max_atempts": 3}),
        ("with_retry", {"max_attempts": 0}),
        ("with_retry", {"jitter": "some"}),
        ("with_timeout", {"secs": 3}),
        ("with_timeout", {}),
        ("with_cache", {"policy": 3}),
        ("with_cache", {}),
        ("with_constraints", {"gpu": "1"}),
    ],
)
def test_what_is_wrong_is_the_same_error_on_both(name: str, arguments: dict[str, Any]) -> None:
    errors = []
    for governed in (work, work()):
        with pytest.raises(TypeError) as caught:
            getattr(governed, name)(**arguments)
        errors.append((type(caught.value), str(caught.value)))
    assert errors[0] == errors[1]


@cs.task
async def fetch(n: int = 0) -> int:
    return n


LATER: Any = add(1)  # a lazy result, whose value is not known when a policy is made
INSTEAD = ", whose value is not known yet: let a task that is given the value make and return the call"


@pytest.mark.parametrize(
    "make",
    [
        lambda: cs.lazy(fetch()).with_timeout(LATER),
        lambda: cs.lazy(fetch()).with_timeout(total=LATER),
        lambda: fetch.with_timeout(LATER),
        lambda: fetch.with_retry(LATER),
        lambda: fetch.with_retry(delay=LATER),
        lambda: fetch.with_retry(backoff=LATER),
        lambda: fetch.with_retry(max_delay=LATER),
        lambda: fetch.with_retry(jitter=LATER),
        lambda: fetch.with_retry(on=LATER),
        lambda: fetch.with_retry(give_up_on=LATER),
        lambda: fetch.with_retry(max_elapsed=LATER),
        lambda: fetch.with_cache(LATER),
        lambda: cs.ResultCache(ttl=LATER),
        lambda: cs.lazy(fetch()).recover(add, on=LATER),
        lambda: fetch.map(n=[1], concurrency=LATER),
        lambda: cs.gather(fetch(), return_exceptions=LATER),
    ],
)
def test_a_lazy_result_is_no_part_of_a_policy_and_the_error_says_what_to_write(make: Any) -> None:
    with pytest.raises(cs.CascadeError) as error:
        make()
    assert str(error.value).endswith(INSTEAD)


def test_what_it_says_to_write_works() -> None:
    @cs.task(mode="inline")
    def patient(seconds: int) -> int:
        return fetch.with_timeout(seconds)(7)

    assert cs.run(patient(add(1))) == 7
