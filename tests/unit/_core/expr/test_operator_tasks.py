"""The tasks of operators: made once, cheap to call, found again by pickle."""

from __future__ import annotations

import gc
import operator
import pickle

import pytest

import cascade as cs
from support.tasks import give


def test_an_attribute_is_a_node() -> None:
    assert cs.run(cs.attr(give(3 + 4j), "imag")) == 4.0
    assert cs.run(cs.attr(cs.attr(give(3), "real"), "bit_length")) == (3).bit_length
    assert cs.run(cs.attr(3 + 4j, "real")) == 3.0
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        cs.run(cs.attr(give(1), "nothing"))


@pytest.mark.parametrize("name", [1, None, give("imag"), b"imag"])
def test_the_name_of_an_attribute_is_text(name: object) -> None:
    with pytest.raises(TypeError, match=r"name must .*, got a lazy result: write cs.task\(getattr\)\(x, name\)"):
        cs.attr(1, cs.task(str)("real"))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="name must be the name of an attribute as a `str`"):
        cs.attr(give(1), name)  # type: ignore[arg-type]


def test_a_task_of_an_operator_is_like_any_other() -> None:
    task = (give(1) + 2).task
    assert (task.module, task.name, task.mode, task.fn) == ("operator", "add", "inline", operator.add)
    assert task is (give(3) + 4).task
    assert cs.run(task(1, task(2, 3))) == 6
    assert pickle.loads(pickle.dumps(task)) is task
    assert pickle.loads(pickle.dumps(abs(give(1)).task)) is abs(give(1)).task


def test_users_have_tasks_of_the_same_functions() -> None:
    mine = cs.task(abs, mode="thread")
    assert cs.run([mine(-1), abs(give(-2))]) == [1, 2]
    again = pickle.loads(pickle.dumps(mine))
    assert (again.fn, again.mode) == (abs, "thread")


def test_operators_on_plain_values_are_nothing_to_the_collector() -> None:
    plain, listed = give(1) + 2, give([1]) + 2
    assert not gc.is_tracked(plain + 3 - plain)
    assert gc.is_tracked(listed + 3)
