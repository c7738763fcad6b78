"""Shows on a real engine: short ones, and nothing is asserted of how fast they are."""

from __future__ import annotations

import asyncio
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import pytest

import cascade as cs
from cascade.fireflies import Additive, Population
from cascade.fireflies.sampler import Reading, View
from cascade.fireflies.settings import Settings, SettingsError
from cascade.fireflies.show import make_engine, perform, show

BRIEF = Settings(side=5, period=0.2, refractory=0.04, duration=1.0, seed=4)


class Kept:
    """A view that keeps what it is shown."""

    interval = 0.1

    def __init__(self) -> None:
        self.readings: list[Reading] = []

    def show(self, reading: Reading) -> None:
        self.readings.append(reading)


def test_a_small_grid_falls_into_step() -> None:
    """Many more periods than it takes, so that a machine that stutters does not matter."""
    outcome = show(Settings(side=5, period=0.2, refractory=0.04, duration=1.5, seed=4))
    assert outcome.sampler.orders[0] < 0.5
    assert outcome.summary.r > 0.95


def test_the_summary_adds_up() -> None:
    outcome = show(BRIEF)
    summary = outcome.summary
    assert summary.agents == 25
    assert (outcome.seed, outcome.interrupted) == (4, False)
    assert 1.0 <= summary.model_s <= summary.wall_s
    assert summary.events >= 2 * summary.flashes - 25 > 0
    assert summary.hits + summary.misses >= summary.events
    assert summary.misses == summary.builds == summary.solves <= 3
    assert 0.0 <= summary.r <= 1.0
    assert len(outcome.sampler.flash_times) <= summary.flashes
    assert set(outcome.sampler.flash_places) <= set(range(25))


def test_a_view_is_told_what_happens() -> None:
    view = Kept()

    def stage(population: Population[Any]) -> AbstractContextManager[View]:
        return nullcontext(view)

    show(BRIEF, stage)
    assert len(view.readings) >= 2
    assert all(0.0 <= reading.r <= 1.0 and 0.0 <= reading.hit_rate <= 1.0 for reading in view.readings)
    flashes = [reading.flashes for reading in view.readings]
    assert flashes == sorted(flashes)


def test_nothing_starts_when_something_asked_for_cannot_be_had() -> None:
    with pytest.raises(SettingsError):
        show(Settings(side=0))


async def test_being_cancelled_ends_it_with_a_summary() -> None:
    settings = Settings(side=3, period=0.2, refractory=0.04, duration=3600.0)
    task = asyncio.create_task(perform(settings, make_engine(settings)))
    await asyncio.sleep(0.3)
    task.cancel()
    outcome = await task
    assert outcome.interrupted
    assert outcome.summary.agents == 9
    assert outcome.summary.model_s < 60.0


async def test_an_agent_that_fails_ends_the_show_with_its_error(monkeypatch: pytest.MonkeyPatch) -> None:
    @cs.task(mode="inline")
    def broken() -> None:
        raise ZeroDivisionError("broken")

    def targets(self: Additive) -> list[cs.LazyResult]:
        return [broken()]

    monkeypatch.setattr(Additive, "targets", targets)
    with pytest.raises(ZeroDivisionError, match="broken"):
        settings = Settings(side=1, duration=3600.0)
        await asyncio.wait_for(perform(settings, make_engine(settings)), 30)


def test_the_plot_is_a_png(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="needs the extra plots")
    from cascade.fireflies.plot import write_png

    outcome = show(BRIEF)
    path = tmp_path / "show.png"
    write_png(path, outcome.sampler, outcome.summary)
    assert path.read_bytes().startswith(b"\x89PNG")
