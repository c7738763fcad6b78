"""`cascade.testing.VirtualTime`, and the fixture made of it."""

from __future__ import annotations

import asyncio

import pytest

import cascade as cs
from cascade.testing import VirtualTime
from cascade.testing.fixtures import virtual

assert virtual is not None  # a fixture is known where its name is


@cs.task(mode="inline")
def tick(n: int, _: object = None) -> object:
    return tick(n - 1, cs.wait(60)) if n else "done"


def test_an_hour_with_the_fixture(virtual: VirtualTime) -> None:
    assert virtual.run(tick(60)) == "done"
    assert virtual.time == 3600
    assert virtual.engine.clock is virtual.clock


def test_each_test_has_its_own(virtual: VirtualTime) -> None:
    assert virtual.time == 0


def test_what_is_left_over_is_cancelled(virtual: VirtualTime) -> None:
    seen = []

    @cs.task
    async def held() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            seen.append("cancelled")

    async def main() -> cs.Run:
        run = virtual.engine.start(held())
        await asyncio.sleep(1)
        return run

    run = virtual.run(main())
    virtual.close()
    assert seen == ["cancelled"]
    assert run.state == "cancelled"


def test_lists_and_params(virtual: VirtualTime) -> None:
    assert virtual.run([tick(1), cs.Param("n")], params={"n": 3}) == ["done", 3]
    with pytest.raises(cs.TargetError):
        virtual.run(5)


def test_arguments_of_the_engine() -> None:
    time = VirtualTime(seed=4, start=10, limits={"gpu": 1})
    assert time.random.random() == cs.Engine(seed=4).random.random()
    assert time.time == 10
    time.close()
    time.close()
