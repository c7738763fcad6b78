"""`cs.gather`: the tuple of the values of its arguments."""

from __future__ import annotations

import asyncio

import pytest

import cascade as cs


@cs.task(mode="inline")
def half(n: int) -> int:
    return n // 2


@pytest.mark.parametrize("count", [0, 1, 2, 3, 9, 1000])
def test_it_gives_a_tuple_of_any_length(count: int) -> None:
    found = cs.run(cs.gather(*(half(2 * n) for n in range(count))))
    assert type(found) is tuple
    assert found == tuple(range(count))


def test_it_takes_anything_that_a_task_takes() -> None:
    shared = object()
    found = cs.run(cs.gather(half(4), shared, [half(2), "x"], cs.gather(), {"a": half(8)}))
    assert found == (2, shared, [1, "x"], (), {"a": 4})


def test_values_can_be_told_apart_by_position() -> None:
    number, word = cs.run(cs.gather(half(4), "word"))
    assert (number + 1, word.upper()) == (3, "WORD")


def test_it_is_skipped_with_one_of_its_arguments() -> None:
    skipped = cs.lazy(half(4)).run_if(False)
    assert cs.run([cs.gather(half(4), skipped), half(2)]) == [cs.SKIPPED, 1]


def test_it_is_a_task() -> None:
    assert isinstance(cs.gather, cs.Task)
    assert cs.run(cs.gather(half(4)).run_if(False, otherwise=())) == ()  # type: ignore[attr-defined]


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
