"""What is seen of a swarm from outside."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import cascade as cs
from cascade.demos.fireflies import Additive, Topology, path, ring, torus8
from cascade.demos.fireflies.sampler import Sampler
from cascade.demos.fireflies.settings import Settings
from cascade.demos.fireflies.show import show
from support.fireflies_alive import Curtain, Now, keep_flashes, lived


def made(topology: Topology, now: Now = lambda: 0.0) -> Additive:
    return Additive(topology, period=5.0, refractory=1.0, nudge=0.05, seed=1, now=now)


def look_at(swarm: Additive, *, raster: bool) -> Sampler:
    return Sampler(swarm, lambda: cs.Templates().stats, cs.Clock.virtual(), raster=raster)


@pytest.mark.parametrize("topology", [torus8(1), torus8(10), ring(1000)], ids=len)
def test_of_up_to_a_thousand_every_flash_is_in_the_raster(topology: Topology) -> None:
    kept: list[list[float]] = []
    samplers: list[Sampler] = []

    def make(now: Now) -> Additive:
        swarm = made(topology, now)
        kept.extend(keep_flashes(swarm))
        samplers.append(look_at(swarm, raster=True))
        return swarm

    swarm = lived(make, 23.0)
    (sampler,) = samplers
    seen: list[list[float]] = [[] for _ in topology]
    for place, instant in zip(sampler.flash_places, sampler.flash_times, strict=True):
        seen[place].append(instant)
    assert seen == kept
    assert len(sampler.flash_times) == swarm.flashes > 0


@pytest.mark.parametrize("more", [{"virtual": True, "duration": 20.0}, {"speed": 20.0, "duration": 3600.0}])
def test_the_raster_of_a_show_has_as_many_flashes_as_it_says(more: dict[str, Any], tmp_path: Path) -> None:
    stage = None if "virtual" in more else Curtain(lambda flashes: all(len(kept) >= 3 for kept in flashes)).stage
    outcome = show(Settings(side=5, period=1.0, seed=4, plot=tmp_path / "plot", **more), stage)
    assert len(outcome.sampler.flash_times) == outcome.summary.flashes > 0
    assert set(outcome.sampler.flash_places) == set(range(25))


@pytest.mark.parametrize("topology", [torus8(33), torus8(100), path(3000)], ids=len)
def test_of_more_the_raster_has_some_of_every_column(topology: Topology) -> None:
    swarm = made(topology)
    before = [len(firefly.neighbours) for firefly in swarm.fireflies]
    look_at(swarm, raster=True)
    watched = [place for place, firefly in enumerate(swarm.fireflies) if len(firefly.neighbours) == before[place] + 1]
    assert 400 < len(watched) <= 1000
    assert len({place % topology.width for place in watched}) == topology.width
    assert watched == list(range(0, len(topology), watched[1]))  # evenly


def test_flashes_that_are_not_drawn_are_not_kept() -> None:
    swarm = made(torus8(5))
    before = [firefly.neighbours for firefly in swarm.fireflies]
    sampler = look_at(swarm, raster=False)
    assert all(firefly.neighbours is kept for firefly, kept in zip(swarm.fireflies, before, strict=True))
    outcome = show(Settings(side=5, duration=20.0, virtual=True))
    assert outcome.summary.flashes > 0
    assert not sampler.flash_times and not outcome.sampler.flash_times and not outcome.sampler.flash_places
