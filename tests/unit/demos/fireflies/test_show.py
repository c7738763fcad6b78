"""Shows, most of them in virtual time; those on a real clock last until they have shown what is asked of them."""

from __future__ import annotations

import asyncio
import time
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import pytest

import cascade as cs
from cascade.demos.fireflies import Additive, Cellular, Mirollo, Swarm
from cascade.demos.fireflies.sampler import Reading, View
from cascade.demos.fireflies.settings import Settings, SettingsError
from cascade.demos.fireflies.show import make_engine, make_swarm, perform, show
from support.fireflies_alive import Curtain

BRIEF = Settings(side=5, period=0.2, refractory=0.04, duration=1.0, seed=4, virtual=True)
ENDLESS = Settings(side=5, period=0.02, refractory=0.004, duration=3600.0, seed=4)
"""On a real clock."""


def twice(flashes: list[list[float]]) -> bool:
    return all(len(kept) >= 2 for kept in flashes)


def test_a_small_grid_falls_into_step() -> None:
    outcome = show(Settings(side=5, period=0.2, refractory=0.04, duration=1.5, seed=4, virtual=True))
    assert outcome.sampler.orders[0] < 0.5
    assert outcome.summary.r > 0.95


@pytest.mark.parametrize("virtual", [True, False])
def test_the_summary_adds_up(virtual: bool) -> None:
    outcome = show(BRIEF) if virtual else show(ENDLESS, Curtain(twice).stage)
    summary = outcome.summary
    assert summary.agents == 25
    assert (outcome.seed, outcome.interrupted) == (4, not virtual)
    assert summary.model_s == 1.0 if virtual else 0.0 < summary.model_s <= summary.wall_s
    assert summary.events >= 2 * summary.flashes - 25 > 0
    assert summary.hits + summary.misses >= summary.events
    assert summary.misses == summary.builds == summary.solves <= 3
    assert 0.0 <= summary.r <= 1.0


def test_virtual_time_ends_when_it_should_and_knows_no_lag() -> None:
    view = Curtain()
    outcome = show(Settings(agents=100, duration=42.0, seed=1, virtual=True), view.stage)
    assert outcome.summary.model_s == 42.0
    assert outcome.summary.lag_p50_ms is outcome.summary.lag_p99_ms is None
    assert all(reading.lag_ms is None for reading in view.readings)
    assert list(outcome.sampler.times)[:421] == pytest.approx([index * 0.1 for index in range(421)], abs=1e-8)
    assert [reading.model_s for reading in view.readings[:3]] == pytest.approx([0.1, 0.2, 0.3])


def test_what_a_show_is_asked_for_is_what_it_is() -> None:
    def made(**asked: Any) -> Swarm[Any]:
        return make_swarm(Settings(seed=1, **asked), lambda: 0.0)

    additive = made(period=2.0, side=3, jitter=0.1)
    assert isinstance(additive, Additive)
    assert (additive.blind, additive.nudge, additive.jitter, len(additive.fireflies)) == (0.2, 0.2, 0.1, 9)
    assert isinstance(firm := made(refractory=0.0, nudge=0.0), Additive)
    assert (firm.blind, firm.nudge) == (0.0, 0.0)
    assert isinstance(curved := made(model="mirollo-strogatz", nudge=0.0, topology="path", agents=5), Mirollo)
    assert (curved.alpha, curved.beta, len(curved.fireflies)) == (1.0, 0.0, 5)
    assert isinstance(cells := made(model="cellular", states=4, topology="random:2", agents=5), Cellular)
    assert (cells.states, cells.blink, {len(cell.neighbours) for cell in cells.fireflies}) == (4, 1, {2})


@pytest.mark.parametrize("settings", [BRIEF, ENDLESS], ids=["virtual", "real"])
def test_a_view_receives_the_events(settings: Settings) -> None:
    view = Curtain(lambda flashes: len(view.readings) >= 2)
    show(settings, view.stage)
    assert len(view.readings) >= 2
    assert all(0.0 <= reading.r <= 1.0 and 0.0 <= reading.hit_rate <= 1.0 for reading in view.readings)
    flashes = [reading.flashes for reading in view.readings]
    assert flashes == sorted(flashes)


def test_time_is_as_fast_as_asked() -> None:
    """Between two looks at both clocks, ten times as much has passed of the one."""
    looks: list[tuple[float, float, float]] = []

    def stage(swarm: Swarm[Any]) -> AbstractContextManager[View]:
        class Bracket:
            interval = 0.0

            def show(self, reading: Reading) -> None:
                before, model = time.monotonic(), swarm.now()
                looks.append((before, model, time.monotonic()))

        return nullcontext(Bracket())

    show(Settings(side=3, duration=2.0, speed=10.0), stage)
    (first_before, first, first_after), (last_before, last, last_after) = looks[0], looks[-1]
    slack = 1e-6  # both clocks are rounded to less
    assert 10.0 * (last_before - first_after) - slack <= last - first <= 10.0 * (last_after - first_before) + slack
    assert make_engine(Settings(speed=10.0)).clock.speed == 10.0
    assert make_engine(Settings()).clock.speed == 1.0


def test_nothing_starts_when_something_asked_for_cannot_be_had() -> None:
    with pytest.raises(SettingsError):
        show(Settings(side=0))


async def test_being_cancelled_ends_it_with_a_summary() -> None:
    shown = asyncio.Event()

    class Bell:
        interval = 0.0

        def show(self, reading: Reading) -> None:
            shown.set()

    settings = Settings(side=3, period=0.2, refractory=0.04, duration=3600.0)
    task = asyncio.create_task(perform(settings, make_engine(settings), lambda swarm: nullcontext(Bell())))
    await shown.wait()
    task.cancel()
    outcome = await task
    assert outcome.interrupted
    assert outcome.summary.agents == 9
    assert outcome.summary.model_s < 3600.0


async def test_an_agent_that_fails_ends_the_show_with_its_error(monkeypatch: pytest.MonkeyPatch) -> None:
    @cs.task(mode="inline")
    def broken() -> None:
        raise ZeroDivisionError("broken")

    def targets(self: Additive) -> list[cs.LazyResult]:
        return [broken(), *(cs.wait(3600.0) for _ in range(3))]

    monkeypatch.setattr(Additive, "targets", targets)
    with pytest.raises(ZeroDivisionError, match="broken"):
        settings = Settings(side=2, duration=3600.0)
        await asyncio.wait_for(perform(settings, make_engine(settings)), 30)


def test_the_plot_is_a_png(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="needs the extra plots")
    from cascade.demos.fireflies.plot import write_png

    outcome = show(BRIEF)
    path = tmp_path / "show.png"
    write_png(path, outcome.sampler, outcome.summary)
    assert path.read_bytes().startswith(b"\x89PNG")
