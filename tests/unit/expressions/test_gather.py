"""Gathering: several values as one, and what becomes of those that fail."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

import cascade as cs
from support.tasks import leaf


@cs.task(mode="inline")
def fail(text: str) -> None:
    raise ValueError(text)


async def test_values_in_order(cold: cs.Engine) -> None:
    assert await cold.run(cs.gather(leaf(1), 2, [leaf(3)])) == [1, 2, [3]]
    assert await cold.run(cs.gather()) == []


async def test_the_first_failure_is_that_of_the_whole(cold: cs.Engine) -> None:
    with pytest.raises(ValueError, match="b"):
        await cold.run(cs.gather(leaf(1), fail("b"), fail("c")))


async def test_failures_as_values(cold: cs.Engine) -> None:
    for _ in range(2):
        first, second, third, fourth = await cold.run(
            cs.gather(leaf(1), fail("b"), [leaf(2), fail("d")], 5, return_exceptions=True)
        )
        assert (first, fourth) == (1, 5)
        assert [(type(error), error.args) for error in (second, third)] == [(ValueError, ("b",)), (ValueError, ("d",))]
    assert await cold.run(cs.gather(return_exceptions=True)) == []
    assert await cold.run(cs.gather(leaf(1), return_exceptions=False)) == [1]


async def test_what_is_skipped_is_no_failure(cold: cs.Engine) -> None:
    with pytest.raises(cs.TaskSkippedError):
        await cold.run(cs.gather(leaf(1).run_if(False), fail("b"), return_exceptions=True))


@pytest.mark.parametrize("wrong", [None, 1, "yes", leaf()])
def test_whether_failures_are_values_is_a_bool(wrong: Any) -> None:
    with pytest.raises(cs.TaskArgumentError, match="return_exceptions must be a bool"):
        cs.gather(leaf(), return_exceptions=wrong)


def test_its_task_can_be_pickled() -> None:
    task = cs.gather(1).task
    assert pickle.loads(pickle.dumps(task)) is task
    assert (task.module, task.name) == ("cascade", "gather")
