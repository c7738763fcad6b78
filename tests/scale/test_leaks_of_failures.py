"""Whatever way a call fails: nothing of it is left, whether or not the garbage collector tracks it."""

from __future__ import annotations

import gc
import logging
import sys
import weakref

import pytest

import cascade as cs
from scale.test_leaks import Token, rest
from support.failures import WAYS, Way

pytestmark = pytest.mark.long


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
async def test_what_a_failed_call_held_dies_with_it(way: Way, caplog: pytest.LogCaptureFixture) -> None:
    """The engine lives on; what it has seen once it may remember."""
    caplog.set_level(logging.CRITICAL, "cascade")  # records of the log, which pytest keeps, have tracebacks
    engine = cs.Engine(limits={"slot": 4})
    engine._driver.report = lambda *_: None  # type: ignore[method-assign]
    left: list[bool] = []
    blocks: list[int] = []

    async def call(times: int) -> None:
        watches = []
        for _ in range(times):
            token = Token()
            watches.append(weakref.ref(token))
            await way(engine, token)
            del token
        await rest(*watches)
        left.extend(watch() is not None for watch in watches)
        gc.collect()
        blocks.append(sys.getallocatedblocks())

    await call(5)
    await call(10)
    # What is kept of 40 calls takes a thousand blocks and more, in every round. Once, the interpreter may do so itself.
    for _ in range(4):
        await call(40)
        if blocks[-1] - blocks[-2] < 300:
            break
    assert not any(left)
    assert blocks[-1] - blocks[-2] < 300, blocks
    await engine.aclose()
