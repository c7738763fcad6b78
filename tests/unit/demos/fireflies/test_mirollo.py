"""The model of Mirollo and Strogatz against the paper: two agents follow the return map, and merge when it says."""

from __future__ import annotations

import itertools
import math
import random

import pytest

from cascade.demos.fireflies import Mirollo, all_to_all, path
from support.fireflies_alive import Now, keep_flashes, lived
from support.fireflies_steps import Stepper

PERIOD = 1.0
CASES = [(3.0, 0.1), (3.0, 0.02), (1.0, 0.1), (0.5, 0.3), (6.0, 0.05)]


def constants(b: float, eps: float) -> tuple[float, float, float]:
    """alpha, beta and the fixed point of the return map, as the paper has them."""
    alpha = math.exp(b * eps)
    beta = (alpha - 1) / (math.exp(b) - 1)
    fixed = (math.exp(b * (1 + eps)) - 1) / ((math.exp(b) - 1) * (math.exp(b * eps) + 1))
    return alpha, beta, fixed


def charge(phase: float, b: float) -> float:
    """f."""
    return math.log(1 + (math.exp(b) - 1) * phase) / b


def pair(b: float, eps: float, phase: float, cycles: float) -> tuple[Mirollo, list[list[float]]]:
    """The first has just flashed, the other is at a phase; and all flashes of both."""
    flashes: list[list[float]] = []

    def make(now: Now) -> Mirollo:
        both = Mirollo(path(2), period=PERIOD, nudge=eps, dissipation=b, phases=[0.0, phase], now=now)
        flashes.extend(keep_flashes(both))
        return both

    return lived(make, cycles * PERIOD), flashes


def in_step(swarm: Mirollo) -> bool:
    """To the last bit: who has flashed together once does for ever."""
    return len({(firefly.flashed, firefly.due) for firefly in swarm.fireflies}) == 1


def phases_after_flashes(flashes: list[list[float]], b: float, eps: float, start: float) -> list[float]:
    """The phase of the second one just after each flash of the first, from when both flashed and nothing else."""
    alpha, beta, _ = constants(b, eps)
    first, second = flashes
    phases = [start]
    for before, instant in itertools.pairwise([0.0, *first]):
        between = [at for at in second if before < at <= instant]
        if len(between) != 1 or between[0] == instant:
            break
        phases.append(min(1.0, alpha * (instant - between[0]) / PERIOD + beta))
    return phases


def test_the_constants_at_b_3_and_eps_a_tenth() -> None:
    alpha, beta, fixed = constants(3.0, 0.1)
    assert (round(alpha, 9), round(fixed, 9)) == (1.349858808, 0.582243452)
    assert fixed == pytest.approx((alpha + beta) / (1 + alpha), rel=1e-12)
    both = Mirollo(path(2), period=PERIOD, nudge=0.1, dissipation=3.0, now=lambda: 0.0)
    assert (both.alpha, both.beta) == pytest.approx((alpha, beta), rel=1e-12)


@pytest.mark.parametrize(("b", "eps"), CASES)
def test_a_pulse_raises_f_by_eps(b: float, eps: float) -> None:
    """alpha phi + beta is what comes of it for the phase, and the agent does that."""
    alpha, beta, _ = constants(b, eps)
    draw = random.Random(1)
    for _ in range(50):
        phase = draw.random()
        both, flashes = pair(b, eps, phase, 1.0 - phase + 1e-6)  # the second one flashes, the first one sees it
        assert len(flashes[1]) == 1
        raised = both.phase(both.fireflies[0], flashes[1][0])
        at = 1.0 - phase  # the phase at which the first one is hit
        if charge(at, b) + eps < 1.0 - 1e-9:
            assert raised == pytest.approx(alpha * at + beta, abs=2e-9)
            assert charge(raised, b) == pytest.approx(charge(at, b) + eps, abs=1e-7)
        elif charge(at, b) + eps > 1.0 + 1e-9:
            assert flashes[0] == flashes[1]


def test_a_start_at_six_tenths_merges_after_six_cycles() -> None:
    both, (first, second) = pair(3.0, 0.1, 0.6, 20.0)
    assert len(phases_after_flashes([first, second], 3.0, 0.1, 0.6)) == 6  # the start, and after each of five cycles
    assert len(set(first[:5]) & set(second)) == 0
    assert first[5] == second[6]  # the second one was ahead, and flashed in the sixth cycle, too, before they met
    assert first[5:] == second[6:] and len(first) > 15
    assert in_step(both)


@pytest.mark.parametrize(("b", "eps"), CASES)
def test_phases_at_flashes_follow_the_return_map(b: float, eps: float) -> None:
    alpha, _, fixed = constants(b, eps)
    draw = random.Random(2)
    cycles = 0
    for start in [draw.random() for _ in range(40)] + [0.6, fixed + 1e-3, fixed - 1e-3]:
        _, flashes = pair(b, eps, start, 30.0)
        apart = phases_after_flashes(flashes, b, eps, start)
        for before, phase in itertools.pairwise(apart):
            # Nanoseconds, of a period of a second, and what rounding them comes to in the map.
            assert phase == pytest.approx(alpha**2 * (before - fixed) + fixed, abs=1e-8)
            cycles += 1
    assert cycles > 60


@pytest.mark.parametrize(("b", "eps"), CASES)
def test_two_merge_from_every_phase_but_one_when_the_map_leaves_the_interval(b: float, eps: float) -> None:
    alpha, beta, fixed = constants(b, eps)
    draw = random.Random(3)
    for start in [draw.random() for _ in range(40)]:
        # By the map alone: one that is hit at a phase from which it reaches 1 flashes at once.
        phase, flashes_apart = start, 0
        while True:
            hit = alpha * (1.0 - phase) + beta  # the first one, when the second flashes
            if hit >= 1.0 or alpha * (1.0 - hit) + beta >= 1.0:
                break
            phase = alpha**2 * (phase - fixed) + fixed
            flashes_apart += 1
        both, flashes = pair(b, eps, start, flashes_apart + 3.0)
        assert in_step(both)
        alone = [one for one in flashes[0] if one not in flashes[1]]
        assert len(alone) == flashes_apart


def test_at_the_fixed_point_they_stay_apart_for_a_while() -> None:
    """It repels: what rounding leaves doubles about every cycle, so they are apart for some thirty cycles at most."""
    _, _, fixed = constants(3.0, 0.1)
    both, flashes = pair(3.0, 0.1, fixed, 10.0)
    gaps = [other - one for one, other in itertools.pairwise(flashes[0])]
    assert all(gap == pytest.approx(gaps[0], abs=1e-6) for gap in gaps)
    assert not in_step(both)
    assert in_step(pair(3.0, 0.1, fixed, 80.0)[0])


@pytest.mark.parametrize("seed", range(10))
def test_all_that_see_all_fall_into_step(seed: int) -> None:
    """The theorem of the paper, for almost all starts; here of 12."""

    def make(now: Now) -> Mirollo:
        return Mirollo(all_to_all(12), period=PERIOD, nudge=0.05, dissipation=3.0, seed=seed, now=now)

    swarm = lived(make, 60.0)
    assert in_step(swarm)
    assert swarm.order() == pytest.approx(1.0)


def test_without_a_nudge_nothing_happens() -> None:
    _, flashes = pair(3.0, 0.0, 0.6, 5.5)
    assert flashes[0] == pytest.approx([1, 2, 3, 4, 5])
    assert flashes[1] == pytest.approx([0.4, 1.4, 2.4, 3.4, 4.4, 5.4])


@pytest.mark.parametrize(("b", "eps"), CASES)
def test_a_signal_that_overtakes_a_late_timer_is_reckoned_after_the_flash(b: float, eps: float) -> None:
    alpha, beta, _ = constants(b, eps)
    stepper = Stepper(lambda now: Mirollo(path(1), period=PERIOD, nudge=eps, dissipation=b, phases=[0.9], now=now))
    stepper.start()
    stepper.now = 0.3  # the loop hung; the flash was due at 0.1
    stepper.signal(0, 0.2)
    (firefly,) = stepper.swarm.fireflies
    assert (stepper.swarm.flashes, firefly.flashed) == (1, pytest.approx(0.1))
    assert stepper.swarm.phase(firefly, 0.2) == pytest.approx(alpha * 0.1 + beta)


def test_a_signal_of_the_very_instant_of_a_late_timer_is_not_seen() -> None:
    stepper = Stepper(lambda now: Mirollo(path(1), period=PERIOD, nudge=0.1, dissipation=3.0, phases=[0.75], now=now))
    stepper.start()
    stepper.now = 0.3
    stepper.signal(0, 0.25)
    stepper.until(0.5)
    assert (stepper.swarm.flashes, stepper.swarm.fireflies[0].flashed) == (1, 0.25)
    assert stepper.phases() == pytest.approx([0.25])
