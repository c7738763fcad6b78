"""`cascade.arun`: a target inside a running event loop; and what the errors of other functions say about it."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

import cascade as cs
from cascade.testing import VirtualTime

HOUR = 3600.0


@cs.task(mode="inline")
def hours(left: int, _: float = 0.0) -> Any:
    return hours(left - 1, cs.wait(HOUR)) if left else "done"


@cs.task(mode="inline")
def thread_name() -> str:
    return threading.current_thread().name


@cs.task(mode="inline")
def call(function: Any) -> Any:
    return function()


@pytest.fixture
def engine() -> cs.Engine:
    return cs.Engine(clock=cs.Clock.virtual())


async def test_a_real_engine_works_on_the_running_loop_and_stays_open() -> None:
    async with cs.Engine() as engine:
        here = threading.current_thread().name
        assert await cs.arun(thread_name(), engine=engine) == here
        assert await asyncio.gather(*(cs.arun(thread_name(), engine=engine) for _ in range(3))) == [here] * 3


async def test_without_an_engine_it_makes_one() -> None:
    assert await cs.arun(call(asyncio.get_running_loop)) is asyncio.get_running_loop()
    assert await cs.arun({"x": call(lambda: 1), "y": 2}) == {"x": 1, "y": 2}
    assert await cs.arun("a value") == "a value"


@pytest.mark.parametrize("kind", ["virtual", "real", "none"])
async def test_the_options_are_those_of_run(kind: str, engine: cs.Engine) -> None:
    given = {"virtual": engine, "real": cs.Engine(), "none": None}[kind]
    closed = cs.Channel[int]()

    @cs.task(mode="inline")
    def labelled(n: int) -> tuple[str | None, dict[str, str], int]:
        run = cs.current().run
        return run.name, dict(run.tags), n

    target = labelled(cs.Param("n", type=int))
    value = await cs.arun(target, engine=given, params={"n": 7}, name="one", tags={"site": "7"}, closes=closed)
    assert value == ("one", {"site": "7"}, 7)
    assert closed.closed
    with pytest.raises(cs.RunLimitError):
        await cs.arun(hours(9), engine=given, max_iterations=0)
    with pytest.raises(cs.RunDeadlineError):
        await cs.arun(cs.wait(HOUR), engine=given, deadline=0.001)


async def test_bad_arguments_are_refused_at_once() -> None:
    with pytest.raises(TypeError, match="engine must be an `Engine` or None, got `str`"):
        await cs.arun(hours(1), engine="virtual")  # type: ignore[call-overload]
    with pytest.raises(TypeError, match="name must be None or a str"):
        await cs.arun(hours(1), name=3)  # type: ignore[call-overload]


def test_it_needs_an_event_loop(engine: cs.Engine) -> None:
    for given in (engine, None):
        with pytest.raises(cs.EngineStateError, match="must be awaited where an event loop of asyncio is running"):
            cs.arun(hours(1), engine=given).send(None)


async def test_the_errors_of_run_say_what_to_write(engine: cs.Engine) -> None:
    with pytest.raises(cs.EngineStateError, match=r"write `await cs\.arun\(target\)` instead of cs\.run"):
        cs.run(hours(1))
    with pytest.raises(
        cs.EngineStateError, match=r"write `await cs\.arun\(target, engine=engine\)` instead of cs\.run"
    ):
        cs.run(hours(1), engine=engine)
    with pytest.raises(cs.EngineStateError, match=r"`await cs\.arun\(target, engine=engine\)`"):
        engine.start(hours(1))
    with pytest.raises(cs.EngineStateError, match=r"`await cs\.arun\(\.\.\.\)`"):
        await hours(1)


async def test_the_engine_of_virtual_time_for_tests_can_be_used() -> None:
    virtual = VirtualTime()
    with pytest.raises(cs.EngineStateError, match=r"`await cs\.arun\(target, engine=virtual\.engine\)`"):
        virtual.run(hours(1))
    assert await cs.arun(hours(1), engine=virtual.engine) == "done"
    await asyncio.to_thread(virtual.close)
