"""`cs.gather`: the tuple of the values of its arguments, and what becomes of those that fail."""

from __future__ import annotations

import asyncio
import pickle
from typing import Any

import pytest

import cascade as cs
from support.tasks import leaf


@cs.task(mode="inline")
def half(n: int) -> int:
    return n // 2


@cs.task(mode="inline")
def fail(text: str) -> None:
    raise ValueError(text)


@pytest.mark.parametrize("count", [0, 1, 2, 3, 9, 1000])
def test_it_gives_a_tuple_of_any_length(count: int) -> None:
    found = cs.run(cs.gather(*(half(2 * n) for n in range(count))))
    assert type(found) is tuple
    assert found == tuple(range(count))


def test_it_takes_anything_that_a_task_takes() -> None:
    shared = object()
    found = cs.run(cs.gather(half(4), shared, [half(2), "x"], cs.gather(), {"a": half(8)}))
    assert found == (2, shared, [1, "x"], (), {"a": 4})


@pytest.mark.parametrize("return_exceptions", [False, True])
def test_it_refuses_a_task_that_was_not_called(return_exceptions: bool) -> None:
    with pytest.raises(cs.PolicyError, match=r"values\[1\] must be .*, which was not called: write half\(\.\.\.\)"):
        cs.gather(half(4), half, return_exceptions=return_exceptions)
    assert cs.run(cs.gather(cs.data(half))) == (half,)


@pytest.mark.parametrize("return_exceptions", [False, True])
def test_it_refuses_a_generator_of_its_arguments(return_exceptions: bool) -> None:
    with pytest.raises(cs.PolicyError, match=r"got one generator: write cs\.gather\(\*values\)"):
        cs.gather((half(n) for n in range(2)), return_exceptions=return_exceptions)
    assert cs.run(cs.gather(*(half(n) for n in range(2)))) == (0, 0)


def test_types_of_values_are_known_by_position() -> None:
    number, word = cs.run(cs.gather(half(4), "word"))
    assert (number + 1, word.upper()) == (3, "WORD")


def test_it_is_skipped_with_one_of_its_arguments() -> None:
    skipped = cs.lazy(half(4)).run_if(False)
    assert cs.run([cs.gather(half(4), skipped), half(2)]) == [cs.SKIPPED, 1]


async def test_messages_of_a_run_that_is_cancelled_are_put_back_in_order() -> None:
    channel: cs.Channel[str] = cs.Channel()
    async with cs.Engine() as engine:
        waiting = asyncio.ensure_future(engine.run(cs.gather(channel.recv(), channel.recv())))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        channel.send("first")
        channel.send("second")
        while engine.runs:
            await asyncio.sleep(0)
        waiting.cancel()  # its run has ended; nothing else could ask for the result
        await asyncio.wait([waiting])
        assert waiting.cancelled()
    assert channel.drain() == ["first", "second"]


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
    assert await cold.run(cs.gather(return_exceptions=True)) == ()
    assert await cold.run(cs.gather(leaf(1), return_exceptions=False)) == (1,)


async def test_what_is_skipped_is_no_failure(cold: cs.Engine) -> None:
    skipped = cs.lazy(leaf(1)).run_if(False)
    with pytest.raises(cs.TaskSkippedError):
        await cold.run(cs.gather(skipped, fail("b"), return_exceptions=True))


@pytest.mark.parametrize("wrong", [None, 1, "yes", leaf()])
def test_whether_failures_are_values_is_a_bool(wrong: Any) -> None:
    with pytest.raises(cs.TaskArgumentError, match="return_exceptions must be a bool"):
        cs.gather(leaf(), return_exceptions=wrong)


def test_its_task_can_be_pickled() -> None:
    task = cs.lazy(cs.gather(1)).task
    assert pickle.loads(pickle.dumps(task)) is task
    assert (task.module, task.name) == ("cascade", "gather")
