"""Results age at least as fast as time passes, whatever is done to the calendar."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

import cascade as cs
from cascade.cache.age_clock import STEP, AgeClock

YEAR = 365 * 86_400.0


class Clocks:
    """A calendar that can be set, and a steady clock."""

    def __init__(self) -> None:
        self.true = 0.0
        self.set_by = 1.7e9
        self.clock = AgeClock(calendar=lambda: self.true + self.set_by, steady=lambda: self.true + 12_345)

    def now(self, *, after: float = 0.0, step: float = 0.0) -> float:
        self.true += after
        self.set_by += step
        return self.clock.now()


def test_it_is_the_calendar_as_long_as_that_is_not_set() -> None:
    clocks = Clocks()
    assert [clocks.now(after=after) for after in (0, 1, 3600, YEAR)] == [
        1.7e9,
        1.7e9 + 1,
        1.7e9 + 3601,
        1.7e9 + YEAR + 3601,
    ]


def test_a_calendar_that_is_set_back_does_not_set_it_back() -> None:
    clocks = Clocks()
    begin = clocks.now()
    assert clocks.now(after=1, step=-YEAR) == begin + 1
    assert clocks.now(after=3600) == begin + 3601
    assert clocks.now(step=YEAR) == begin + YEAR + 3601  # forward: as the calendar


def test_a_calendar_that_is_set_forward_and_back_has_advanced_it() -> None:
    clocks = Clocks()
    begin = clocks.now()
    assert clocks.now(step=120) == begin + 120
    assert clocks.now(after=10, step=-120) == begin + 130


@pytest.mark.parametrize("seed", range(20))
def test_an_age_is_never_less_than_what_has_passed(seed: int) -> None:
    chance = random.Random(seed)
    clocks = Clocks()
    read = [(clocks.true, clocks.now())]
    for _ in range(300):
        step = chance.choice([0, 0, 0, 0.4, -0.4, -0.3, 5, -5, YEAR, -YEAR]) * chance.random()
        read.append((0.0, clocks.now(after=chance.choice([0, 0.001, 1, 3600]), step=step)))
        read[-1] = clocks.true, read[-1][1]
    for i in range(0, len(read), 7):
        for true, now in read[i:]:
            assert now - read[i][1] >= true - read[i][0] - 2 * STEP - 1e-5


def test_small_corrections_do_not_add_up() -> None:
    clocks = Clocks()
    begin = clocks.now()
    for _ in range(1000):
        assert begin + clocks.true - STEP - 1e-3 <= clocks.now(after=1, step=-0.001) <= begin + clocks.true + STEP


def test_a_process_with_an_earlier_calendar_does_not_use_results_of_the_future(tmp_path: Path) -> None:
    path = tmp_path / "results.db"
    first, second = cs.DiskStore(path), cs.DiskStore(path)
    first.set(b"aging", 1, 1060.0, now=1000.0)
    first.set(b"ageless", 2, None, now=1000.0)
    assert second.get(b"aging", now=999.5) == cs.Hit(1)  # two processes read their clocks at different moments
    assert second.get(b"aging", now=990.0) is None
    assert second.get(b"ageless", now=990.0) == cs.Hit(2)
    assert first.get(b"aging", now=1001.0) is None  # it is gone: the hour may come a second time
    first.close()
    second.close()


@pytest.mark.parametrize("kind", [cs.MemoryStore, cs.DiskStore])
def test_a_cached_call_expires_after_the_calendar_was_set_back(
    kind: type, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import time

    store = kind(tmp_path / "results.db") if kind is cs.DiskStore else kind()
    made: list[int] = []
    real = time.time

    @cs.cached(ttl=60, store=store, key=lambda x: x)
    @cs.task(mode="inline")
    def quote(x: int) -> int:
        made.append(x)
        return len(made)

    assert cs.run(quote(1)) == 1
    monkeypatch.setattr(time, "time", lambda: real() - YEAR)
    assert cs.run(quote(1)) == 1
    monkeypatch.setattr(time, "time", lambda: real() - YEAR + 3600)
    assert cs.run(quote(1)) == 2
    assert cs.run(quote(1)) == 2
    store.close()
