"""The capacity of a limit: how it changes, and whom a change wakes or fails."""

from __future__ import annotations

import pytest

import cascade as cs
from cascade.limits import Limits, LimitState
from support.limit_requests import ask, now
from support.observation import settle


def test_a_limit_is_given_a_capacity_and_nothing_else(limits: Limits) -> None:
    with pytest.raises(cs.LimitError, match="capacity must be given for the limit 'gpu'"):
        limits.set("gpu", concurrency=3)
    with pytest.raises(cs.LimitError, match="alone, got it with ttl"):
        limits.set("gpu", capacity=3, ttl=1)
    with pytest.raises(cs.LimitError, match="alone, got it with rate"):
        limits.set("gpu", capacity=3, rate="1/s")
    with pytest.raises(cs.LimitError, match="capacity of 'gpu' must be a number >= 0, got -1"):
        limits.set("gpu", capacity=-1)
    assert limits.snapshot() == (LimitState(name="gpu", kind="limit", capacity=2, in_use=0, waiting=0),)


async def test_a_raised_capacity_wakes_the_calls_that_fit(limits: Limits) -> None:
    held = now(limits, gpu=2)
    assert held is not None
    waiting = [ask(limits, gpu=2), ask(limits, gpu=1), ask(limits, gpu=1)]
    await settle()
    limits.set("gpu", capacity=3)
    await settle()
    assert not any(task.done() for task in waiting)  # the first wants two: the others are behind it
    limits.set("gpu", capacity=5)
    await settle()
    assert [task.done() for task in waiting] == [True, True, False]
    limits.set("gpu", capacity=2)
    held.release()
    (await waiting[0]).release()
    await settle()
    assert waiting[2].done()


async def test_a_lowered_capacity_fails_calls_that_ask_for_more(limits: Limits) -> None:
    held = now(limits, gpu=2)
    assert held is not None
    large, small = ask(limits, gpu=2), ask(limits, gpu=1)
    limits.pause("task:store")
    paused = ask(limits, "store", gpu=2)
    await settle()
    limits.set("gpu", capacity=1)
    for task in (large, paused):
        with pytest.raises(cs.LimitError, match=r"amount of 'gpu' must be at most 1, .*got 2 - at task shop\."):
            await task
    held.release()
    (await small).release()
    assert limits.snapshot()[0].in_use == 0


def test_a_new_limit_can_be_made(limits: Limits) -> None:
    limits.set("disk", capacity=1.5)
    grant = now(limits, disk=1)
    assert grant is not None and now(limits, disk=1) is None
