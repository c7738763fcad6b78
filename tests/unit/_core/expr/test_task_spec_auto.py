"""The auto rule: three calls in threads, then inline if quick; a blocking one goes back, and a log says so.

Nothing here depends on how long anything took but on the rule's own two limits, 50 µs and 1 ms, which are passed by
doing nothing and by blocking for 20 times as long.
"""

from __future__ import annotations

import asyncio
import threading

import pytest

import cascade as cs
from support.probe import COUNT, HERE, Probe, attempts


@pytest.mark.parametrize("options", [{}, {"mode": "auto"}], ids=["default", "auto"])
def test_three_calls_in_threads_then_inline(options: dict[str, str]) -> None:
    assert [False] * 3 + [True] * 7 in attempts(lambda: Probe(**options).call(10))


def test_a_blocking_task_stays_in_threads() -> None:
    probe = Probe()
    probe.blocking = True
    assert probe.call(6) == [False] * 6


def test_the_fastest_call_counts() -> None:
    probe = Probe()
    probe.blocking = True
    probe.call(2)
    probe.blocking = False
    probe.call(1)
    assert [True] * 2 in attempts(lambda: probe.call(2))


def test_functions_made_anew_are_one_task() -> None:
    def observe() -> list[bool]:
        seen: list[bool] = []
        name = f"nested {next(COUNT)}"

        def agent(n: int) -> cs.LazyResult:
            @cs.task(name=name)
            def nested() -> object:
                seen.append(threading.get_ident() == HERE)
                return agent(n - 1) if n else "end"

            return nested()

        assert cs.run(agent(20)) == "end"
        return seen

    assert [False] * 3 + [True] * 18 in attempts(observe)


def test_a_task_that_fails_counts_too() -> None:
    def observe() -> list[bool]:
        seen: list[bool] = []

        @cs.task(name=f"failing {next(COUNT)}")
        def fails() -> None:
            seen.append(threading.get_ident() == HERE)
            raise ValueError

        for _ in range(6):
            with pytest.raises(ValueError):
                cs.run(fails())
        return seen

    assert [False] * 3 + [True] * 3 in attempts(observe)


def test_many_first_calls_at_once() -> None:
    """All that start before three have ended start in threads; none is lost."""
    probe = Probe()

    async def main() -> None:
        engine = cs.Engine()
        await asyncio.gather(*(engine.run(probe.task()) for _ in range(100)))

    asyncio.run(main())
    assert len(probe.inline) == 100
    assert probe.inline[:3] == [False] * 3
    assert any(attempt[-1] for attempt in attempts(lambda: probe.call(5)))
