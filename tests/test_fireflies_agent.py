"""The additive agent, taken step by step under a clock made of a heap: what it decides, without any waiting."""

from __future__ import annotations

import heapq
import itertools
import random
from collections import deque
from types import SimpleNamespace

import pytest

import cascade as cs
from cascade.fireflies import Additive, additive_agent, torus8

PERIOD = 1.0


class Stepper:
    """Calls the tasks that the agents return, and does their waiting for them.

    Timers come up to `lateness` late, as in a loop that has other things to do.
    """

    def __init__(
        self,
        side: int,
        *,
        refractory: float = 0.2,
        nudge: float = 0.2,
        jitter: float = 0.0,
        seed: int = 1,
        lateness: float = 0.0,
    ) -> None:
        self.now = 0.0
        self.swarm = Additive(
            torus8(side),
            period=PERIOD,
            refractory=refractory,
            nudge=nudge,
            jitter=jitter,
            seed=seed,
            now=lambda: self.now,
        )
        self.lateness = lateness
        self.random = random.Random(seed)
        self.timers: list[tuple[float, int, int]] = []
        self.parked: dict[int, tuple[cs.LazyResult, cs.LazyResult, int]] = {}
        self.ready: deque[int] = deque()
        self.serial = 0

    def start(self, phases: list[float] | None = None) -> Stepper:
        for firefly, target in zip(self.swarm.fireflies, self.swarm.targets(), strict=True):
            self.go_on(firefly.index, additive_agent(firefly, phases[firefly.index], 0.0) if phases else target)
        return self

    def until(self, end: float) -> Stepper:
        while self.timers and self.timers[0][0] <= end:
            deadline, serial, index = heapq.heappop(self.timers)
            if self.parked[index][2] != serial:
                continue  # a signal came first
            self.now = max(self.now, deadline) + self.random.random() * self.lateness
            self.wake(index, None)
            self.deliver()
        self.now = max(self.now, end)
        return self

    def signal(self, index: int, *instants: float) -> None:
        for instant in instants:
            self.swarm.fireflies[index].channel.send(instant)
        self.ready.append(index)
        self.deliver()

    def deliver(self) -> None:
        while self.ready:
            index = self.ready.popleft()
            if self.hears(index):
                first, *others = self.swarm.fireflies[index].channel.drain()
                for message in others:
                    self.swarm.fireflies[index].channel.send(message)
                self.wake(index, first)

    def wake(self, index: int, message: object) -> None:
        then, waits, _ = self.parked[index]
        value = (
            0.0
            if waits.task.name == "wait"
            else SimpleNamespace(message=message, timed_out=message is None, elapsed=0.0)
        )
        self.go_on(index, then.task.fn(*then.args[:-1], value))
        self.ready.extend(self.swarm.topology.neighbours(index))

    def go_on(self, index: int, step: cs.LazyResult) -> None:
        while step.task is additive_agent:
            step = step.task.fn(*step.args)
        waits = step.args[-1]
        (seconds,) = (value for value in (*waits.args, *waits.kwargs.values()) if isinstance(value, float))
        assert seconds >= 0.0
        self.serial += 1
        self.parked[index] = (step, waits, self.serial)
        heapq.heappush(self.timers, (self.now + seconds, self.serial, index))
        if self.hears(index):
            self.ready.append(index)

    def hears(self, index: int) -> bool:
        return self.parked[index][1].task.name != "wait" and len(self.swarm.fireflies[index].channel) > 0

    def phases(self) -> list[float]:
        return [self.swarm.phase(firefly, self.now) for firefly in self.swarm.fireflies]


def test_a_lone_firefly_flashes_once_a_period() -> None:
    stepper = Stepper(1).start([0.25]).until(10.0)
    assert stepper.swarm.flashes == 10
    assert stepper.swarm.events == 20  # the end of the refractory period, and the flash
    assert stepper.swarm.fireflies[0].flashed == pytest.approx(9.75)


def test_lateness_does_not_add_up() -> None:
    stepper = Stepper(1, lateness=0.1).start([0.0]).until(1000.5)
    assert stepper.swarm.flashes == 1000
    assert stepper.swarm.fireflies[0].flashed == pytest.approx(1000.0)
    assert stepper.phases() == [pytest.approx(0.5)]


def test_a_signal_nudges_the_phase() -> None:
    stepper = Stepper(2).start([0.5, 0.1, 0.1, 0.1])
    stepper.until(0.05)
    stepper.signal(0, 0.05)
    stepper.signal(1, 0.05)  # refractory still
    stepper.until(0.15)
    assert stepper.phases() == pytest.approx([0.85, 0.25, 0.25, 0.25])


def test_two_signals_at_once_nudge_twice_and_one_too_many_flashes_at_once() -> None:
    stepper = Stepper(1, nudge=0.2).start([0.5])
    stepper.signal(0, 0.0, 0.0)
    stepper.until(0.01)
    assert stepper.swarm.flashes == 0
    assert stepper.phases() == pytest.approx([0.91])
    stepper.signal(0, 0.01)
    stepper.until(0.02)
    assert stepper.swarm.flashes == 1
    assert stepper.phases() == pytest.approx([0.01])


def test_what_is_seen_in_the_refractory_period_is_ignored_and_not_kept() -> None:
    stepper = Stepper(1).start([0.0])
    channel = stepper.swarm.fireflies[0].channel
    stepper.signal(0, 0.0, 0.1, 0.15)
    stepper.until(0.5)
    assert len(channel) == 0
    assert stepper.phases() == pytest.approx([0.5])
    assert stepper.swarm.events == 1


def test_a_signal_that_overtakes_a_late_timer_changes_nothing() -> None:
    stepper = Stepper(1).start([0.9])
    stepper.now = 0.3  # the loop hung; the flash was due at 0.1
    stepper.signal(0, 0.2)
    assert stepper.swarm.fireflies[0].flashed == pytest.approx(0.1)
    assert stepper.phases() == pytest.approx([0.2])


def test_jitter_makes_cycles_uneven_but_bounded() -> None:
    stepper = Stepper(1, jitter=0.05).start([0.0])
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
    """Refractory 1/5 and nudge 0.2: 200 of 200 seeds of a plain simulation did within one period."""
    stepper = Stepper(10, seed=seed).start()
    assert stepper.swarm.order(0.0) < 0.3
    assert stepper.until(6.3).swarm.order() > 0.95


def test_a_hundred_fall_into_step_slowly_at_a_small_nudge() -> None:
    """Refractory 3/10 and nudge 0.05: 99 of 100 seeds did within 27 periods, half of them in 6."""
    stepper = Stepper(10, refractory=0.3, nudge=0.05, seed=3).start()
    orders = [stepper.until(float(time)).swarm.order() for time in range(31)]
    assert orders[0] < 0.3
    assert orders[-1] > 0.95


def test_a_late_loop_does_not_keep_them_from_it() -> None:
    assert Stepper(10, seed=2, lateness=0.002).start().until(10.3).swarm.order() > 0.95


def test_two_fireflies_fall_into_step_from_the_phases_that_theory_says() -> None:
    """Two that see each other do from a share of 2 rho + eps of all differences, within a few cycles."""
    rho, eps, differences = 0.1, 0.07, 401
    merged = 0
    for step in range(differences):
        stepper = Stepper(2, refractory=rho, nudge=eps)
        for firefly in stepper.swarm.fireflies[2:]:  # two of the four see nobody, and nobody sees them
            firefly.neighbours = ()
        first, second = stepper.swarm.fireflies[:2]
        first.neighbours, second.neighbours = (second.channel.send,), (first.channel.send,)
        stepper.start([0.0, (step + 0.5) / differences, 0.0, 0.0]).until(30.5)
        difference = abs(stepper.phases()[0] - stepper.phases()[1])
        merged += min(difference, 1.0 - difference) < 1e-9
    assert merged / differences == pytest.approx(2 * rho + eps, abs=3 / differences)
