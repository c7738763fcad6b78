"""Acquiring: amounts, the order of arrival, cancellation at any moment, very many at once."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from typing import Any

import pytest

import cascade as cs
from cascade.limits import UNLIMITED, Limits
from support.fake_timers import SECOND, FakeTimers
from support.limit_requests import ask, in_use, now
from support.observation import settle

# -- amounts ---------------------------------------------------------------------------------------------------


def test_what_nothing_limits_costs_nothing(make: Callable[..., Limits]) -> None:
    limits = make(gpu=1)
    for amounts in (None, {}, {"gpu": 0}, {"gpu": 0.0}):
        assert limits.request("shop.fetch", "fetch", 1, amounts) is UNLIMITED
    grant = limits.try_acquire(UNLIMITED)
    assert grant is limits.try_acquire(UNLIMITED)
    with grant:
        pass
    assert in_use(limits) == {"gpu": 0}


async def test_nothing_stays_nothing_under_a_pause(make: Callable[..., Limits]) -> None:
    limits = make(gpu=1)
    limits.pause()
    limits.set("*", concurrency=1)
    assert limits.try_acquire(UNLIMITED) is await limits.acquire(UNLIMITED)


def test_an_unknown_limit_is_told_with_those_that_are_known(make: Callable[..., Limits]) -> None:
    with pytest.raises(cs.LimitError, match=r"one of the engine's \('gpu', 'mem'\), got 'gpus' - at task shop.fetch"):
        now(make(gpu=1, mem=2), gpus=1)
    with pytest.raises(cs.LimitError, match=r"one of the engine's \(none\), got"):
        now(make(), gpu=0)


def test_more_than_there_is_is_an_error_at_once(make: Callable[..., Limits]) -> None:
    limits = make(gpu=2, none=0)
    limits.pause()
    with pytest.raises(cs.LimitError, match=r"amount of 'gpu' must be at most 2, .*got 2.5 - at task shop.fetch"):
        now(limits, gpu=2.5)
    with pytest.raises(cs.LimitError, match="amount of 'none' must be at most 0"):
        now(limits, none=1e-12)
    assert limits.request("shop.fetch", "fetch", 1, {"gpu": 2}) is not UNLIMITED


async def test_a_request_that_was_kept_is_checked_again(make: Callable[..., Limits]) -> None:
    limits = make(gpu=2)
    request = limits.request("shop.fetch", "fetch", 1, {"gpu": 2})
    limits.set("gpu", capacity=1)
    with pytest.raises(cs.LimitError):
        limits.try_acquire(request)
    with pytest.raises(cs.LimitError):
        await limits.acquire(request)


@pytest.mark.parametrize(
    ("capacities", "error"),
    [
        ({"gpu": -1}, cs.LimitError),
        ({"gpu": float("nan")}, cs.LimitError),
        ({"gpu": float("inf")}, cs.LimitError),
        ({"gpu": True}, TypeError),
        ({"gpu": "2"}, TypeError),
        ({"gpu": None}, TypeError),
        ({1: 2}, TypeError),
        ({"": 1}, cs.LimitError),
        ({"task:fetch*": 1}, cs.LimitError),
        ({"*": 1}, cs.LimitError),
    ],
)
def test_what_is_no_capacity_is_refused(timers: FakeTimers, capacities: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error, match="must be"):
        Limits(capacities, timers, lambda: None)


# -- the order of arrival --------------------------------------------------------------------------------------


async def test_the_greedy_is_not_starved(make: Callable[..., Limits]) -> None:
    limits = make(gpu=4)
    small = [now(limits, gpu=1) for _ in range(3)]
    large = ask(limits, gpu=4)
    await settle()
    assert now(limits, gpu=1) is None  # there is one left, but the large one came first
    later = ask(limits, gpu=1)
    for grant in small:
        assert grant is not None
        grant.release()
    await settle()
    assert large.done() and not later.done()
    large.result().release()
    (await later).release()
    assert in_use(limits) == {"gpu": 0}


async def test_who_wants_something_else_passes(make: Callable[..., Limits]) -> None:
    limits = make(gpu=1, mem=4)
    held = now(limits, gpu=1)
    both = ask(limits, gpu=1, mem=1)
    await settle()
    assert now(limits, mem=1) is None  # it would overtake
    limits.set("disk", capacity=1)
    assert now(limits, disk=1) is not None
    assert held is not None
    held.release()
    await settle()
    assert both.done() and now(limits, mem=3) is not None


async def test_all_or_none(make: Callable[..., Limits]) -> None:
    limits = make(gpu=1, mem=4)
    held = now(limits, mem=4)
    both = ask(limits, gpu=1, mem=1)
    await settle()
    assert in_use(limits) == {"gpu": 0, "mem": 4} and not both.done() and held is not None


async def test_philosophers_all_eat(make: Callable[..., Limits]) -> None:
    forks = {f"fork{number}": 1 for number in range(5)}
    limits = make(**forks)
    meals: list[int] = []

    async def dine(number: int) -> None:
        wanted = {f"fork{number}": 1, f"fork{(number + 1) % 5}": 1}
        for _ in range(20):
            with await limits.acquire(limits.request("t.dine", "dine", number, wanted)):
                await asyncio.sleep(0)
                meals.append(number)

    await asyncio.gather(*(dine(number) for number in range(5)))
    assert sorted(meals) == sorted(list(range(5)) * 20)
    assert set(in_use(limits).values()) == {0}


async def test_very_many_wait(make: Callable[..., Limits]) -> None:
    limits = make(gpu=3)
    limits.set("task:*", concurrency=2)
    order: list[int] = []

    async def take(number: int) -> None:
        with await limits.acquire(limits.request("shop.fetch", "fetch", number, {"gpu": 1 + number % 3})):
            order.append(number)

    await asyncio.gather(*(take(number) for number in range(100_000)))
    assert order == list(range(100_000))
    assert set(in_use(limits).values()) == {0}


async def test_very_many_wait_and_are_cancelled(make: Callable[..., Limits]) -> None:
    limits = make(gpu=1)
    held = now(limits, gpu=1)
    tasks = [ask(limits, gpu=1) for _ in range(20_000)]
    await settle()
    for task in tasks[::2]:
        task.cancel()
    await asyncio.gather(*tasks[::2], return_exceptions=True)
    assert held is not None and limits.snapshot()[0].waiting == 10_000
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    held.release()
    assert in_use(limits) == {"gpu": 0} and not list(limits.admission.claims())


# -- cancellation ----------------------------------------------------------------------------------------------


async def test_cancelled_while_it_waits(make: Callable[..., Limits]) -> None:
    limits = make(gpu=2)
    held = now(limits, gpu=1)
    large, small = ask(limits, gpu=2), ask(limits, gpu=1)
    await settle()
    large.cancel()
    await settle()
    assert small.done() and held is not None  # nobody is before it any more
    held.release()
    small.result().release()
    assert in_use(limits) == {"gpu": 0}


async def test_cancelled_in_the_moment_of_the_grant(make: Callable[..., Limits]) -> None:
    limits = make(gpu=1)
    held = now(limits, gpu=1)
    first, second = ask(limits, gpu=1), ask(limits, gpu=1)
    await settle()
    assert held is not None
    held.release()
    assert in_use(limits) == {"gpu": 1}
    first.cancel()
    await settle()
    assert first.cancelled() and second.done()
    second.result().release()
    assert in_use(limits) == {"gpu": 0}


async def test_cancelled_and_passed_over_in_the_same_moment(make: Callable[..., Limits]) -> None:
    limits = make(gpu=1)
    held = now(limits, gpu=1)
    first, second = ask(limits, gpu=1), ask(limits, gpu=1)
    await settle()
    first.cancel()
    assert held is not None
    held.release()
    await settle()
    assert first.cancelled() and second.done()
    second.result().release()
    assert in_use(limits) == {"gpu": 0}


async def test_cancelled_in_the_moment_of_the_refusal(make: Callable[..., Limits]) -> None:
    limits = make(gpu=2)
    held = now(limits, gpu=2)
    waits = ask(limits, gpu=2)
    await settle()
    limits.set("gpu", capacity=1)
    waits.cancel()
    await settle()
    assert waits.cancelled() and held is not None
    gc.collect()  # an error that nobody looked at would be reported here


async def test_cancelled_while_it_is_paused(make: Callable[..., Limits]) -> None:
    limits = make(gpu=1)
    limits.pause(ttl=5)
    waits = ask(limits, gpu=1)
    await settle()
    waits.cancel()
    await settle()
    limits.resume()
    assert now(limits, gpu=1) is not None and not list(limits.admission.claims())


async def test_a_grant_that_a_pause_took_away_is_cancelled(make: Callable[..., Limits]) -> None:
    limits = make(gpu=1)
    held = now(limits, gpu=1)
    waits = ask(limits, gpu=1)
    await settle()
    assert held is not None
    held.release()
    limits.pause()
    waits.cancel()
    await settle()
    assert waits.cancelled() and in_use(limits)["gpu"] == 0


async def test_whoever_is_told_may_raise(make: Callable[..., Limits]) -> None:
    limits = make(gpu=1)
    held = now(limits, gpu=1)

    def fail(reason: str) -> None:
        raise OSError(reason)

    with pytest.raises(OSError, match="limit gpu: 1 wanted, 0 of 1 free"):
        await limits.acquire(limits.request("shop.fetch", "fetch", 1, {"gpu": 1}), fail)
    assert held is not None
    held.release()
    assert now(limits, gpu=1) is not None


async def test_whoever_is_told_may_change_things(make: Callable[..., Limits]) -> None:
    limits = make(gpu=1)
    limits.pause()
    with await limits.acquire(limits.request("shop.fetch", "fetch", 1, None), lambda reason: bool(limits.resume())):
        assert not limits.active


async def test_a_grant_is_released_whatever_happens(make: Callable[..., Limits]) -> None:
    limits = make(gpu=1)
    grant = await limits.acquire(limits.request("shop.fetch", "fetch", 1, {"gpu": 1}))
    with pytest.raises(ZeroDivisionError), grant:
        raise ZeroDivisionError
    assert in_use(limits) == {"gpu": 0}


# -- one loop after the other ----------------------------------------------------------------------------------


def test_a_loop_that_is_gone_holds_nothing(timers: FakeTimers, make: Callable[..., Limits]) -> None:
    limits = make(gpu=1)
    limits.pause("task:store", ttl=60)
    old: list[Any] = []

    async def leave() -> None:
        old.append(now(limits, gpu=1))
        waits = limits.acquire(limits.request("shop.fetch", "fetch", 1, {"gpu": 1}))
        waits.send(None)
        old.append(waits)

    asyncio.run(leave())
    limits.clear()
    assert not timers.pending

    async def again() -> None:
        grant = now(limits, gpu=1)
        assert grant is not None
        old[0].release()  # of another time
        old[1].close()
        assert in_use(limits)["gpu"] == 1
        with pytest.raises(cs.LimitError):
            now(limits, gpu=2)
        grant.release()
        assert limits.governs("shop.store", "store", 1)
        timers.advance(60 * SECOND)
        assert not limits.active

    asyncio.run(again())


def test_a_loop_that_is_gone_is_survived_without_being_told(make: Callable[..., Limits]) -> None:
    limits = make(gpu=1)
    old: list[Any] = []

    async def leave() -> None:
        old.append(now(limits, gpu=1))
        waits = limits.acquire(limits.request("shop.fetch", "fetch", 1, {"gpu": 1}))
        waits.send(None)
        old.append(waits)

    asyncio.run(leave())
    old[0].release()
    assert now(limits, gpu=1) is not None
    old[1].close()


async def test_clear_ends_those_who_wait(make: Callable[..., Limits]) -> None:
    limits = make(gpu=1)
    held = now(limits, gpu=1)
    waits = ask(limits, gpu=1)
    await settle()
    limits.clear()
    await settle()
    assert waits.cancelled() and held is not None and in_use(limits) == {"gpu": 0}
    assert now(limits, gpu=1) is not None
    held.release()
    assert in_use(limits) == {"gpu": 1}
