"""The additive model: how often two fall into step, how much order chance makes, and one course everywhere."""

from __future__ import annotations

import asyncio
import itertools
import math
import random
import statistics
from collections.abc import Sequence

import pytest

import cascade as cs
from cascade.demos.fireflies import Additive, Trace, of_edges, path, torus4, torus8
from cascade.demos.fireflies.settings import Settings
from cascade.demos.fireflies.show import show
from support.fireflies_alive import Now, alive, keep_flashes, lived, watched

PERIOD = 1.0
SEEDS = 4000
FALSE_ALARM = 1e-6
"""How probable it is that a test of chance fails though the theory holds; of another choice of seeds, that is: with
these the tests do the same at every run."""

# rho, the refractory fraction, and eps, the nudge.
CASES = [(0.2, 0.1), (0.1, 0.07), (0.3, 0.05), (0.05, 0.3), (0.45, 0.05)]


def bounds(trials: int, p: float) -> tuple[int, int]:
    """Least and greatest number of successes that do not speak against a probability, by the binomial distribution."""
    terms = [
        math.exp(
            math.lgamma(trials + 1) - math.lgamma(k + 1) - math.lgamma(trials - k + 1)
            + k * math.log(p) + (trials - k) * math.log1p(-p)
        )
        for k in range(trials + 1)
    ]  # fmt: skip
    assert math.fsum(terms) == pytest.approx(1.0, abs=1e-9)

    def tail(terms: Sequence[float]) -> int:
        """How many of the first terms are too improbable together."""
        return next(k for k, sum_ in enumerate(itertools.accumulate(terms)) if sum_ > FALSE_ALARM / 2)

    return tail(terms), trials - tail(terms[::-1])


def test_the_bounds_of_a_binomial_test() -> None:
    least, greatest = bounds(SEEDS, 0.5)
    assert least + greatest == SEEDS
    assert greatest - SEEDS / 2 == pytest.approx(4.89 * math.sqrt(SEEDS) / 2, rel=0.02)  # as of a normal one


def fate(rho: float, eps: float, starts: Sequence[Sequence[float] | None]) -> list[bool]:
    """Which pairs fall into step, each with its own start, or with what its number as a seed draws."""
    engine = cs.Engine(clock=cs.Clock.virtual())
    now = engine.clock.time
    pairs = [
        Additive(path(2), period=PERIOD, refractory=rho * PERIOD, nudge=eps, seed=seed, phases=phases, now=now)
        for seed, phases in enumerate(starts)
    ]

    async def main() -> None:
        async with alive(engine, *pairs):
            # Each cycle brings them nearer by a nudge. At no round number: some flash at that very instant, and to
            # look is no more than one of the things that are to be done then.
            await asyncio.sleep((rho / eps + math.pi) * PERIOD)

    with asyncio.Runner(loop_factory=engine.new_loop) as runner:
        runner.run(main())
    return [len({(one.flashed, one.due) for one in pair.fireflies}) == 1 for pair in pairs]


def meets(rho: float, eps: float, phase: float) -> bool:
    """Whether two fall into step if the one is at a phase when the other flashes.

    Below rho it sees nothing, but flashes itself when the other is near its end: that draws near. Above 1 - rho - eps
    it is drawn near itself. Between, each moves the other on by the same, for ever.
    """
    return phase < rho or phase >= 1.0 - rho - eps


@pytest.mark.parametrize(("rho", "eps"), CASES)
def test_two_fall_into_step_with_probability_two_rho_plus_eps(rho: float, eps: float) -> None:
    """One has just flashed, the phase of the other is anything."""
    phases = [random.Random(seed).random() for seed in range(SEEDS)]
    together = fate(rho, eps, [(0.0, phase) for phase in phases])
    least, greatest = bounds(SEEDS, 2 * rho + eps)
    assert least <= sum(together) <= greatest
    # The second one flashes first, when the first one is at 1 - phase.
    assert together == [meets(rho, eps, 1.0 - phase) for phase in phases]


@pytest.mark.long
@pytest.mark.parametrize(("rho", "eps"), CASES)
def test_of_two_random_phases_the_later_one_is_met_more_often(rho: float, eps: float) -> None:
    """If both are drawn, the one that flashes first is the one with the greater phase: when it does, the other is at
    1 - |x - y|, which is not uniform, but of density 2 p. So the probability is not the one above."""
    together = fate(rho, eps, [None] * SEEDS)
    least, greatest = bounds(SEEDS, rho**2 + 1.0 - (1.0 - rho - eps) ** 2)
    assert least <= sum(together) <= greatest
    for seed, met in enumerate(together):
        draw = random.Random(seed)
        assert met == meets(rho, eps, 1.0 - abs(draw.random() - draw.random()))


@pytest.mark.parametrize(("rho", "eps"), CASES)
def test_two_that_stay_apart_keep_their_distance(rho: float, eps: float) -> None:
    flashes: list[list[float]] = []

    def make(now: Now) -> Additive:
        pair = Additive(path(2), period=PERIOD, refractory=rho, nudge=eps, phases=[0.0, (1 + eps) / 2], now=now)
        flashes.extend(keep_flashes(pair))
        return pair

    assert meets(rho, eps, (1 - eps) / 2) is (2 * rho + eps >= 1)
    lived(make, 100.0)
    gaps = [one - other for one, other in zip(*flashes, strict=False)]
    assert gaps == pytest.approx([gaps[0]] * len(gaps), abs=1e-9)
    cycles = [later - earlier for earlier, later in itertools.pairwise(flashes[0])]
    assert cycles == pytest.approx([PERIOD * (1 - eps)] * len(cycles), abs=1e-9)


@pytest.mark.long
@pytest.mark.parametrize("size", [4, 25])
def test_order_of_independent_agents_has_a_mean_square_of_one_over_n(size: int) -> None:
    """As many swarms as seeds, of which nobody sees anybody, some periods after the start."""
    seeds = 20_000 // size
    engine = cs.Engine(clock=cs.Clock.virtual())
    alone = of_edges(size, [])
    swarms = [
        Additive(alone, period=PERIOD, refractory=0.2, nudge=0.1, seed=seed, now=engine.clock.time)
        for seed in range(seeds)
    ]

    async def main() -> list[float]:
        async with alive(engine, *swarms):
            await asyncio.sleep(2.7)
            return [swarm.order() ** 2 for swarm in swarms]

    with asyncio.Runner(loop_factory=engine.new_loop) as runner:
        squares = runner.run(main())
    error = math.sqrt((1 - 1 / size) / size**2 / seeds)  # the variance of R squared is (1 - 1/n)/n^2
    assert statistics.fmean(squares) == pytest.approx(1 / size, abs=4.9 * error)


def test_a_nudge_of_nothing_leaves_the_order_as_it_is() -> None:
    def make(now: Now) -> Additive:
        return Additive(torus4(5), period=PERIOD, refractory=0.2, nudge=0.0, seed=3, now=now)

    orders = watched(make, [0.1, 1.3, 4.7, 20.2], Additive.order)
    assert orders == pytest.approx([orders[0]] * 4, abs=1e-9)


def test_no_refractory_period_and_a_great_nudge_is_no_endless_cascade() -> None:
    """Who flashes does not see what flashes at that instant, also by a round about way."""

    def make(now: Now) -> Additive:
        swarm = Additive(torus8(5), period=PERIOD, refractory=0.0, nudge=0.5, seed=1, now=now)

        def count(instant: float) -> None:
            assert swarm.flashes < 25 * 40  # in an endless cascade time stands still: all fail, and that ends it

        for firefly in swarm.fireflies:
            firefly.neighbours += (count,)
        return swarm

    swarm = lived(make, 20.0)
    assert len({(firefly.flashed, firefly.due) for firefly in swarm.fireflies}) == 1


# --------------------------------------------------------------------------------------------------------- the trace


def traced(side: int, seed: int, seconds: float, **more: float) -> tuple[str, int, int]:
    """The hash of all flashes, their number, and that of events, of a swarm with the defaults of a show."""
    traces: list[Trace] = []

    def make(now: Now) -> Additive:
        swarm = Additive(torus8(side), period=5.0, refractory=1.0, nudge=0.05, seed=seed, now=now, **more)
        traces.append(Trace(swarm))
        return swarm

    swarm = lived(make, seconds)
    assert traces[0].flashes == swarm.flashes
    return traces[0].digest(), swarm.flashes, swarm.events


def test_the_trace_of_ten_thousand_agents_is_the_same_on_every_machine_and_python() -> None:
    """Pinned: three periods, in which every agent is swayed by the others all the time."""
    assert traced(100, 1, 15.0) == ("f821ab47ab7b144110dc25b233b475e8", 40513, 260726)


def test_a_trace_is_that_of_its_seed() -> None:
    assert traced(8, 1, 20.0) == traced(8, 1, 20.0) != traced(8, 2, 20.0)
    assert traced(8, 1, 20.0, jitter=0.2) == traced(8, 1, 20.0, jitter=0.2) != traced(8, 1, 20.0)


@pytest.mark.long
@pytest.mark.parametrize("more", [{}, {"model": "mirollo-strogatz"}, {"model": "cellular", "topology": "random:3"}])
def test_two_shows_in_virtual_time_have_one_course(more: dict[str, str]) -> None:
    first, second, other = (
        show(Settings(agents=36, duration=30.0, virtual=True, trace=True, seed=seed, **more))  # type: ignore[arg-type]
        for seed in (1, 1, 2)
    )
    assert first.summary.trace is not None
    assert first.summary.trace == second.summary.trace != other.summary.trace
    assert list(first.sampler.times) == list(second.sampler.times)
    assert list(first.sampler.orders) == list(second.sampler.orders)
    assert list(first.sampler.flash_times) == list(second.sampler.flash_times)
