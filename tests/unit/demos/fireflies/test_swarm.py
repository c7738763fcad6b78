from __future__ import annotations

import math
import statistics

import pytest

from cascade.demos.fireflies import Additive, torus8


def made(side: int, *, seed: int = 1, jitter: float = 0.0) -> Additive:
    return Additive(torus8(side), period=4.0, refractory=1.0, nudge=0.1, jitter=jitter, seed=seed, now=lambda: 1000.0)


def test_order_is_one_in_step_and_none_when_spread_evenly() -> None:
    swarm = made(4)
    for firefly in swarm.fireflies:
        firefly.due = 1003.0
    assert swarm.order() == pytest.approx(1.0, abs=1e-12)
    for firefly in swarm.fireflies:
        firefly.due = 1000.0 + firefly.index * 4.0 / 16
    assert swarm.order() == pytest.approx(0.0, abs=1e-12)
    assert made(1).order() == pytest.approx(1.0)


def test_order_of_independent_phases_has_a_mean_square_of_one_over_n() -> None:
    squares = [made(4, seed=seed).order() ** 2 for seed in range(2000)]
    # Exponentially distributed with mean 1/16: the mean of 2000 lies within 5 standard errors.
    assert statistics.fmean(squares) == pytest.approx(1 / 16, abs=5 / 16 / math.sqrt(2000))


def test_phase_is_true_at_any_instant_also_when_a_wake_up_is_late() -> None:
    swarm = made(1)
    (firefly,) = swarm.fireflies
    firefly.due = 1003.0
    assert [swarm.phase(firefly, at) for at in (999.0, 1000.0, 1002.0, 1003.0, 1004.0)] == [0.0, 0.25, 0.75, 0.0, 0.25]


def test_the_seed_makes_the_first_phases() -> None:
    def dues(seed: int) -> list[float]:
        return [firefly.due for firefly in made(3, seed=seed).fireflies]

    assert dues(5) == dues(5) != dues(6)
    assert all(1000.0 < due <= 1004.0 for due in dues(5))


def test_scatter_is_bounded_and_even() -> None:
    swarm = made(1, jitter=0.4)
    phases = [swarm.scatter() for _ in range(1000)]
    assert max(map(abs, phases)) <= 0.1
    assert abs(statistics.fmean(phases)) < 0.01


def test_a_flash_reaches_each_neighbour_once() -> None:
    swarm = made(3)
    swarm.fireflies[4].flash(1000.5)
    assert [len(firefly.channel) for firefly in swarm.fireflies] == [1, 1, 1, 1, 0, 1, 1, 1, 1]
    assert swarm.fireflies[0].channel.drain() == [1000.5]
    assert (swarm.flashes, swarm.fireflies[4].flashed) == (1, 1000.5)
