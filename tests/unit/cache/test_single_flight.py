"""Of equal calls at the same time one runs; failure and cancellation are its own, and the next one leads."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cascade.cache.file_exists import FileExists
from cascade.cache.memory_store import MemoryStore
from cascade.cache.policy import ResultCache
from cascade.cache.single_flight import Leader, SharedResult, SingleFlight

POLICY = ResultCache()


async def turn() -> None:
    """Let everybody go as far as they can."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_waiting_calls_get_the_result_of_the_leader() -> None:
    flights = SingleFlight()
    lead = await flights.join(POLICY, b"k")
    assert isinstance(lead, Leader)
    assert flights.try_join(POLICY, b"k") is None
    waiting = [asyncio.ensure_future(flights.join(POLICY, b"k")) for _ in range(3)]
    await turn()
    lead.done(None)
    assert await asyncio.gather(*waiting) == [SharedResult(None)] * 3
    assert len(flights) == 0
    lead.done(1)
    lead.failed()  # nothing more comes of it
    assert isinstance(flights.try_join(POLICY, b"k"), Leader)


async def test_other_keys_and_other_places_do_not_wait() -> None:
    flights = SingleFlight()
    store = MemoryStore()
    one, same, other = ResultCache(store=store), ResultCache(store=store), ResultCache(store=MemoryStore())
    assert flights.try_join(one, b"k") is not None
    assert flights.try_join(same, b"k") is None
    assert flights.try_join(other, b"k") is not None
    assert flights.try_join(one, b"l") is not None
    assert flights.try_join(FileExists("a"), b"k") is not None
    assert flights.try_join(FileExists("b"), b"k") is None

    class Foreign:
        """A policy that says nothing of its place."""

    first, second = Foreign(), Foreign()
    assert flights.try_join(first, b"k") is not None  # type: ignore[arg-type]
    assert flights.try_join(first, b"k") is None  # type: ignore[arg-type]
    assert flights.try_join(second, b"k") is not None  # type: ignore[arg-type]


async def test_the_one_that_waits_longest_leads_after_a_failure() -> None:
    flights = SingleFlight()
    lead = await flights.join(POLICY, b"k")
    waiting = [asyncio.ensure_future(flights.join(POLICY, b"k")) for _ in range(3)]
    await turn()
    assert isinstance(lead, Leader)
    lead.failed()
    await turn()
    assert [future.done() for future in waiting] == [True, False, False]
    second = await waiting[0]
    assert isinstance(second, Leader)
    second.done(2)
    assert await waiting[1] == await waiting[2] == SharedResult(2)
    assert len(flights) == 0


async def test_a_block_that_is_left_without_a_result_has_failed() -> None:
    flights = SingleFlight()
    lead = flights.try_join(POLICY, b"k")
    assert lead is not None
    with pytest.raises(ZeroDivisionError), lead:
        waiting = asyncio.ensure_future(flights.join(POLICY, b"k"))
        await turn()
        raise ZeroDivisionError
    second = await waiting
    assert isinstance(second, Leader)
    with second:
        second.done(1)
    assert len(flights) == 0


async def test_who_is_cancelled_waits_no_longer() -> None:
    flights = SingleFlight()
    lead = flights.try_join(POLICY, b"k")
    assert lead is not None
    waiting = [asyncio.ensure_future(flights.join(POLICY, b"k")) for _ in range(3)]
    await turn()
    waiting[0].cancel()
    await turn()
    assert waiting[0].cancelled()
    lead.failed()
    assert isinstance(await waiting[1], Leader)


async def test_who_is_cancelled_as_it_is_given_the_lead_passes_it_on() -> None:
    flights = SingleFlight()
    lead = flights.try_join(POLICY, b"k")
    assert lead is not None
    waiting = [asyncio.ensure_future(flights.join(POLICY, b"k")) for _ in range(2)]
    await turn()
    lead.failed()  # the first is given the lead, and has not been told yet
    waiting[0].cancel()
    await turn()
    assert waiting[0].cancelled()
    second = await waiting[1]
    assert isinstance(second, Leader)
    second.failed()
    assert len(flights) == 0


async def test_who_is_cancelled_as_the_result_lands_is_cancelled() -> None:
    flights = SingleFlight()
    lead = flights.try_join(POLICY, b"k")
    assert lead is not None
    waiting = asyncio.ensure_future(flights.join(POLICY, b"k"))
    await turn()
    lead.done(1)
    waiting.cancel()
    await turn()
    assert waiting.cancelled()
    assert len(flights) == 0


def test_flights_outlive_an_event_loop() -> None:
    flights = SingleFlight()

    async def wait() -> Any:
        return await flights.join(POLICY, b"k")

    lead = flights.try_join(POLICY, b"k")
    assert lead is not None
    loop = asyncio.new_event_loop()
    waiting = loop.create_task(wait())
    loop.run_until_complete(turn())
    loop.close()
    lead.failed()  # nobody is there to take the lead
    assert len(flights) == 0
    assert isinstance(asyncio.run(wait()), Leader)
    waiting._log_destroy_pending = False  # type: ignore[attr-defined]


@given(seed=st.integers(0, 2**32), outcomes=st.lists(st.sampled_from("rfc"), min_size=1, max_size=8))
async def test_everybody_ends_and_results_are_made_once(seed: int, outcomes: list[str]) -> None:
    """Calls that return, fail or hang until they are cancelled, in any order, and cancellations at any moment."""
    draw = random.Random(seed)
    flights = SingleFlight()
    under_way = 0
    led: list[int] = []

    async def call(number: int, outcome: str) -> Any:
        nonlocal under_way
        joined = await flights.join(POLICY, b"k")
        if isinstance(joined, SharedResult):
            return joined.value
        with joined:
            assert under_way == 0
            under_way += 1
            led.append(number)
            try:
                for _ in range(draw.randrange(4)):
                    await asyncio.sleep(0)
                if outcome == "f":
                    raise ZeroDivisionError(number)
                if outcome == "c":
                    await asyncio.get_running_loop().create_future()
                joined.done(number)
                return number
            finally:
                under_way -= 1

    tasks = [asyncio.ensure_future(call(number, outcome)) for number, outcome in enumerate(outcomes)]
    cancelled = set()
    while not all(task.done() for task in tasks):
        await asyncio.sleep(0)
        hanging = [n for n, task in enumerate(tasks) if not task.done() and (outcomes[n] == "c" or draw.random() < 0.1)]
        if hanging and draw.random() < 0.3:
            number = draw.choice(hanging)
            cancelled.add(number)
            tasks[number].cancel()
    assert len(flights) == 0
    for number, task in enumerate(tasks):
        if task.cancelled():
            assert number in cancelled
        elif task.exception() is not None:
            assert outcomes[number] == "f" and str(task.exception()) == str(number) and number in led
        else:
            assert outcomes[task.result()] == "r" and task.result() in led
