"""A call that holds up the event loop is found among those that ran inline, and its task goes back to threads."""

from __future__ import annotations

import asyncio
import logging
import threading

import pytest

import cascade as cs
from support.probe import COUNT, HERE, Probe, attempts, block


def test_a_blocking_inline_call_sends_it_back(caplog: pytest.LogCaptureFixture) -> None:
    other = Probe()
    other.call_until_inline()
    with caplog.at_level(logging.DEBUG, logger="cascade"):
        for _ in range(20):  # when the machine halts us, the call is only doubted
            probe = Probe()
            probe.call_until_inline()
            probe.blocking = True
            assert probe.call(1) == [True]
            assert probe.call(5) == [False] * 5
            if probe.name in caplog.text:
                break
    probe.blocking = False
    assert probe.call(10) == [False] * 10  # for the rest of the process
    assert [True] in attempts(lambda: other.call(1))  # nobody else is blamed
    named = [record for record in caplog.records if probe.name in record.getMessage()]
    assert len(named) == 1
    assert named[0].name.startswith("cascade")
    assert not any(other.name in record.getMessage() for record in caplog.records)


def test_blame_is_found_among_quick_ones(caplog: pytest.LogCaptureFixture) -> None:
    """In a batch that was late, only the one that blocked goes back."""
    quick = [Probe() for _ in range(5)]
    slow = Probe()
    for probe in (*quick, slow):
        probe.call_until_inline()
    slow.blocking = True

    async def main() -> None:
        engine = cs.Engine()
        for _ in range(6):
            await engine.run([*(probe.task() for probe in quick), slow.task(), *(probe.task() for probe in quick)])

    with caplog.at_level(logging.DEBUG, logger="cascade"):
        asyncio.run(main())
    assert slow.call(3) == [False] * 3
    for probe in quick:
        assert [True] * 5 in attempts(lambda probe=probe: probe.call(5))  # on trial at most for a moment
        assert not any(probe.name in record.getMessage() for record in caplog.records)
    assert sum(slow.name in record.getMessage() for record in caplog.records) == 1


def test_a_loop_that_begins_to_block(caplog: pytest.LogCaptureFixture) -> None:
    """The clock is read once a batch of calls, so one batch may block."""
    seen: list[bool] = []
    name = f"loop {next(COUNT)}"

    def body(n: int) -> object:
        seen.append(threading.get_ident() == HERE)
        if n < 150:
            block(0.002)
        return task(n - 1) if n else "end"

    task = cs.task(body, name=name)
    with caplog.at_level(logging.DEBUG, logger="cascade"):
        assert cs.run(task(500)) == "end"
    assert seen[:3] == [False] * 3
    assert sum(seen[3:350]) > 300
    assert not any(seen[-50:])
    assert sum(name in record.getMessage() for record in caplog.records) == 1
