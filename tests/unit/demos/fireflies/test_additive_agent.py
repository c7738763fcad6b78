"""The additive agent, taken step by step: what it decides, without any waiting."""

from __future__ import annotations

import itertools

import pytest

from cascade.demos.fireflies import Additive, path, torus8
from support.fireflies_steps import Stepper

PERIOD = 1.0


def additive(
    side: int,
    phases: list[float] | None = None,
    *,
    refractory: float = 0.2,
    nudge: float = 0.2,
    jitter: float = 0.0,
    seed: int = 1,
    lateness: float = 0.0,
) -> Stepper[Additive]:
    """Agents on a square, which have not started."""
    return Stepper(
        lambda now: Additive(
            torus8(side),
            period=PERIOD,
            refractory=refractory,
            nudge=nudge,
            jitter=jitter,
            seed=seed,
            phases=phases,
            now=now,
        ),
        lateness=lateness,
        seed=seed,
    )


def test_a_lone_firefly_flashes_once_a_period() -> None:
    stepper = additive(1, [0.25]).start().until(10.0)
    assert stepper.swarm.flashes == 10
    assert stepper.swarm.events == 20  # the end of the refractory period, and the flash
    assert stepper.swarm.fireflies[0].flashed == pytest.approx(9.75)


def test_lateness_does_not_add_up() -> None:
    stepper = additive(1, [0.0], lateness=0.1).start().until(1000.5)
    assert stepper.swarm.flashes == 1000
    assert stepper.swarm.fireflies[0].flashed == pytest.approx(1000.0)
    assert stepper.phases() == [pytest.approx(0.5)]


def test_a_signal_nudges_the_phase() -> None:
    stepper = additive(2, [0.5, 0.1, 0.1, 0.1]).start()
    stepper.until(0.05)
    stepper.signal(0, 0.05)
    stepper.signal(1, 0.05)  # refractory still
    stepper.until(0.15)
    assert stepper.phases() == pytest.approx([0.85, 0.25, 0.25, 0.25])


def test_two_signals_at_once_nudge_twice_and_one_too_many_flashes_at_once() -> None:
    stepper = additive(1, [0.5], nudge=0.2).start()
    stepper.signal(0, 0.0, 0.0)
    stepper.until(0.01)
    assert stepper.swarm.flashes == 0
    assert stepper.phases() == pytest.approx([0.91])
    stepper.signal(0, 0.01)
    stepper.until(0.02)
    assert stepper.swarm.flashes == 1
    assert stepper.phases() == pytest.approx([0.01])


def test_what_is_seen_in_the_refractory_period_is_ignored_and_not_kept() -> None:
    stepper = additive(1, [0.0]).start()
    channel = stepper.swarm.fireflies[0].channel
    stepper.signal(0, 0.0, 0.1, 0.15)
    stepper.until(0.5)
    assert len(channel) == 0
    assert stepper.phases() == pytest.approx([0.5])
    assert stepper.swarm.events == 1


def test_a_signal_that_overtakes_a_late_timer_is_reckoned_after_it() -> None:
    stepper = additive(1, [0.9]).start()
    stepper.now = 0.45  # the loop hung; the flash was due at 0.1, and the refractory period ended at 0.3
    stepper.signal(0, 0.4)
    stepper.until(0.45)
    assert stepper.swarm.fireflies[0].flashed == pytest.approx(0.1)
    assert stepper.phases() == [pytest.approx(0.55)]


def test_a_signal_that_overtakes_a_late_timer_into_the_refractory_period_changes_nothing() -> None:
    stepper = additive(1, [0.9]).start()
    stepper.now = 0.3  # the loop hung; the flash was due at 0.1
    stepper.signal(0, 0.2)
    assert stepper.swarm.fireflies[0].flashed == pytest.approx(0.1)
    assert stepper.phases() == pytest.approx([0.2])


@pytest.mark.parametrize("lateness", [0.0, 0.05])
def test_what_flashes_after_the_refractory_period_is_seen_however_late_the_loop(lateness: float) -> None:
    stepper = additive(1, [0.0]).start()  # sees nothing until 0.2
    if lateness:
        stepper.now = 0.2 + lateness  # the loop hung: two signals are there before the timer has come up
    for instant in (0.1, 0.21, 0.22):
        if not lateness:
            stepper.until(instant)
        stepper.signal(0, instant)
    stepper.until(0.3)
    assert stepper.phases() == [pytest.approx(0.7)]


@pytest.mark.parametrize("instant", [0.1, 0.25])
def test_a_signal_from_the_refractory_period_that_comes_after_it_changes_nothing(instant: float) -> None:
    """Nor does one from its very end. The refractory period is a quarter, which is a quarter to the last bit."""
    stepper = additive(1, [0.0], refractory=0.25).start().until(0.3)
    assert stepper.swarm.events == 1  # it watches
    stepper.signal(0, instant)
    assert stepper.swarm.events == 2
    assert stepper.phases() == pytest.approx([0.3])
    stepper.signal(0, 0.3)
    assert stepper.phases() == pytest.approx([0.5])


def test_a_signal_from_the_instant_of_ones_own_flash_changes_nothing() -> None:
    stepper = additive(1, [0.75], refractory=0.0).start().until(0.25)
    assert stepper.swarm.flashes == 1
    stepper.signal(0, 0.25, 0.25)
    assert (stepper.swarm.flashes, stepper.phases()) == (1, [0.0])


def test_without_a_refractory_period_flashes_of_one_instant_come_to_an_end() -> None:
    stepper = additive(5, refractory=0.0, nudge=0.5).start().until(20.0)
    assert stepper.swarm.order() == pytest.approx(1.0)


def test_jitter_makes_cycles_uneven_but_bounded() -> None:
    stepper = additive(1, [0.0], jitter=0.05).start()
    flashes: list[float] = []
    for beat in range(200):
        stepper.until(beat * 0.5)
        flashed = stepper.swarm.fireflies[0].flashed
        if flashed >= 0.0 and (not flashes or flashed != flashes[-1]):
            flashes.append(flashed)
    cycles = [later - earlier for earlier, later in itertools.pairwise(flashes)]
    assert 0.95 <= min(cycles) < 0.97
    assert 1.03 < max(cycles) <= 1.05


@pytest.mark.parametrize("seed", range(5))
def test_a_hundred_fall_into_step_at_the_default_nudge(seed: int) -> None:
    """Refractory 1/5 and nudge 0.2: the seeds 1 to 30 all do in virtual time, within one period."""
    stepper = additive(10, seed=seed).start()
    assert stepper.swarm.order(0.0) < 0.3
    assert stepper.until(6.3).swarm.order() > 0.95


def test_a_hundred_fall_into_step_slowly_at_a_small_nudge() -> None:
    """Refractory 3/10 and nudge 0.05: the seeds 1 to 30 all do in virtual time, within 22 periods."""
    stepper = additive(10, refractory=0.3, nudge=0.05, seed=3).start()
    orders = [stepper.until(float(time)).swarm.order() for time in range(31)]
    assert orders[0] < 0.3
    assert orders[-1] > 0.95


def test_a_late_loop_does_not_keep_them_from_it() -> None:
    assert additive(10, seed=2, lateness=0.002).start().until(10.3).swarm.order() > 0.95


def test_two_fireflies_fall_into_step_from_the_phases_that_theory_says() -> None:
    """Two that see each other do from a share of 2 rho + eps of all differences, within a few cycles."""
    rho, eps, differences = 0.1, 0.07, 401
    merged = 0
    for step in range(differences):
        stepper = Stepper(
            lambda now, other=(step + 0.5) / differences: Additive(
                path(2), period=PERIOD, refractory=rho, nudge=eps, phases=[0.0, other], now=now
            )
        )
        first, second = stepper.start().until(30.5).phases()
        difference = abs(first - second)
        merged += min(difference, 1.0 - difference) < 1e-9
    assert merged / differences == pytest.approx(2 * rho + eps, abs=3 / differences)
