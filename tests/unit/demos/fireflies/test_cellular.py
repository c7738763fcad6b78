"""The cellular model against a plain array: every state of every cell at every tick, and what is proved of trees."""

from __future__ import annotations

import asyncio
import itertools
import math
import random
from collections.abc import Iterator, Sequence

import pytest

import cascade as cs
from cascade.demos.fireflies import Cellular, Topology, of_edges, path, star, torus8
from support.fireflies_alive import alive, keep_flashes, watched

States = tuple[int, ...]
Around = list[tuple[int, ...]]

LINES = [(f"path of {size}", path(size)) for size in range(1, 6)]
BATCH = 200  # starts at once: as many agents as a processor's cache holds
STARS = [(f"star of {size}", star(size)) for size in (4, 5)]  # one of fewer is a path

# --------------------------------------------------------------------------------------------------- a plain array


def around(graph: Topology) -> Around:
    return [graph.neighbours(place) for place in graph]


def after(states: States, seen: Around, k: int) -> States:
    """A tick later."""
    blink = (k - 1) // 2
    return tuple(
        state if state > blink and any(states[other] == blink for other in seen[place]) else (state + 1) % k
        for place, state in enumerate(states)
    )


def all_starts(size: int, k: int) -> list[States]:
    return list(itertools.product(range(k), repeat=size))


def times(graph: Topology, k: int) -> dict[States, int | None]:
    """From every start: ticks until all states are equal; None: they never are."""
    seen = around(graph)
    known: dict[States, int | None] = {}
    for states in all_starts(len(graph), k):
        met: dict[States, None] = {}
        while states not in known and states not in met:
            met[states] = None
            if len(set(states)) == 1:
                known[states] = 0
            else:
                states = after(states, seen, k)
        time = known.get(states)  # nothing, if it has come round to what was met on the way
        for earlier in reversed([states for states in met if states not in known]):
            time = known[earlier] = None if time is None else time + 1
    return known


def longest(graph: Topology, k: int) -> int:
    return max(time for time in times(graph, k).values() if time is not None)


def trees(size: int) -> Iterator[Topology]:
    """Each tree of so many places once."""
    met = set()
    for parents in itertools.product(*(range(place) for place in range(1, size))):
        graph = of_edges(size, list(zip(parents, range(1, size), strict=True)))
        name = min(_branch(graph, root, root) for root in graph)
        if name not in met:
            met.add(name)
            yield graph


def _branch(graph: Topology, place: int, above: int) -> str:
    return (
        "(" + "".join(sorted(_branch(graph, other, place) for other in graph.neighbours(place) if other != above)) + ")"
    )


def degree(graph: Topology) -> int:
    return max(len(seen) for seen in around(graph))


# ------------------------------------------------------------------------------------------------------ the agents


def trajectories(graph: Topology, starts: Sequence[States], k: int, ticks: int) -> list[list[States]]:
    """All states after each tick, from 0 on, of agents in as many copies of a graph as there are starts."""
    size = len(graph)
    copies = Topology(
        size * len(starts),
        lambda place: tuple(place - place % size + other for other in graph.neighbours(place % size)),
    )

    def make(now: object) -> Cellular:
        return Cellular(copies, period=float(k), states=k, start=[*itertools.chain(*starts)], now=now)  # type: ignore[arg-type]

    def look(cells: Cellular) -> list[States]:
        states = [cell.state for cell in cells.fireflies]
        return [tuple(states[first : first + size]) for first in range(0, len(states), size)]

    return watched(make, [tick + 0.5 for tick in range(ticks + 1)], look)


def assert_as_the_array(graph: Topology, starts: Sequence[States], k: int, ticks: int) -> None:
    seen = around(graph)
    next_of: dict[States, States] = {}
    expected = list(starts)
    for states in trajectories(graph, starts, k, ticks):
        assert states == expected
        for state in set(expected) - next_of.keys():
            next_of[state] = after(state, seen, k)
        expected = [next_of[state] for state in expected]


@pytest.mark.parametrize(
    ("graph", "k"),
    [
        pytest.param(graph, k, id=f"{name}, {k} states", marks=pytest.mark.long if len(graph) == 5 and k == 6 else ())
        for name, graph in LINES + STARS
        for k in (3, 4, 5, 6)
    ],
)
def test_from_every_start_agents_do_as_the_array_does(graph: Topology, k: int) -> None:
    """Until all that ever fall into step have, and a period more."""
    starts = all_starts(len(graph), k)
    for first in range(0, len(starts), BATCH):
        assert_as_the_array(graph, starts[first : first + BATCH], k, longest(graph, k) + k)


@pytest.mark.parametrize("seed", range(8))
def test_on_other_graphs_too(seed: int) -> None:
    draw = random.Random(seed)
    k = draw.randrange(3, 12)
    graph = draw.choice([torus8(5), torus8(2), of_edges(9, [(0, 1), (1, 2), (2, 0), (2, 3), (3, 4), (4, 5), (5, 2)])])
    starts = [tuple(draw.randrange(k) for _ in graph) for _ in range(5)]
    assert_as_the_array(graph, starts, k, 4 * k)


@pytest.mark.parametrize(("k", "expected"), [(3, [3, 6, 9, 12]), (4, [6, 13, 17, 21])])
def test_the_longest_times_on_paths_are_the_known_ones(k: int, expected: list[int]) -> None:
    slowest = []
    for size in (2, 3, 4, 5):
        course = trajectories(path(size), all_starts(size, k), k, 25)
        waited = [all(len(set(states)) == 1 for states in tick) for tick in course]
        slowest.append(waited.index(True))
        assert all(waited[waited.index(True) :])
    assert slowest == expected


@pytest.mark.parametrize(("k", "expected"), [(5, [10, 20, 30, 40, 50]), (6, [15, 27, 39, 51, 63])])
def test_the_longest_times_on_paths_with_more_states(k: int, expected: list[int]) -> None:
    """On the array alone, which the agents follow; a page of the documentation waits for 51 ticks."""
    assert [longest(path(size), k) for size in range(2, 7)] == expected


@pytest.mark.parametrize("k", [3, 4, 5, 6])
@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 6])
def test_a_tree_falls_into_step_from_every_start_exactly_if_its_degree_is_below_k(size: int, k: int) -> None:
    for tree in trees(size):
        always = all(time is not None for time in times(tree, k).values())
        assert always == (degree(tree) < k)


def test_how_many_trees_there_are() -> None:
    assert [len(list(trees(size))) for size in range(1, 7)] == [1, 1, 1, 2, 3, 6]


@pytest.mark.parametrize("k", [3, 4, 5, 6])
def test_agents_on_trees_of_six_fall_into_step_when_they_should(k: int) -> None:
    """From starts drawn at random, 40 a tree; those that never do are still apart after 50 periods."""
    draw = random.Random(k)
    for tree in trees(6):
        known = times(tree, k)
        never = draw.sample([start for start in known if known[start] is None] or [(0,) * 6], 1)
        for starts, ticks in ((draw.sample(sorted(known), 40), longest(tree, k)), (never, 50 * k)):
            course = trajectories(tree, starts, k, ticks)
            for copy, start in enumerate(starts):
                steps = [len(set(states[copy])) == 1 for states in course]
                assert (steps.index(True) if True in steps else None) == known[start]


@pytest.mark.parametrize("k", [3, 4, 5, 6])
def test_k_leaves_hold_the_middle_of_a_star_for_ever(k: int) -> None:
    """At every tick one of them blinks, so once the middle is past its own blink it never moves."""
    start = (k - 1, *range(k))
    course = trajectories(star(k + 1), [start], k, 100)
    assert {states[0][0] for states in course} == {k - 1}


# ------------------------------------------------------------------------------------------------ late


def test_late_cells_blink_at_the_same_ticks() -> None:
    """Each look at the clock is late, by up to four ticks: what they do is reckoned from instants alone."""
    graph, k, ticks = torus8(5), 5, 60
    start = tuple(random.Random(1).randrange(k) for _ in graph)
    engine = cs.Engine(clock=cs.Clock.virtual())
    late = 0.008

    def now() -> float:
        return math.ceil(engine.clock.time() / late) * late

    cells = Cellular(graph, period=k * 0.002, states=k, start=start, now=now)
    flashes = keep_flashes(cells)

    async def main() -> None:
        async with alive(engine, cells):
            await asyncio.sleep(cells.instant(ticks + 5))

    with asyncio.Runner(loop_factory=engine.new_loop) as runner:
        runner.run(main())
    states, seen = start, around(graph)
    expected: list[list[float]] = [[] for _ in graph]
    for tick in range(ticks):
        for place, state in enumerate(states):
            if state == cells.blink:
                expected[place].append(cells.instant(tick))
        states = after(states, seen, k)
    assert [[at for at in kept if at < cells.instant(ticks)] for kept in flashes] == expected
