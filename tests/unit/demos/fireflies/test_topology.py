from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from cascade.demos.fireflies import (
    Topology,
    all_to_all,
    make_topology,
    of_edges,
    path,
    regular,
    ring,
    star,
    torus4,
    torus8,
)
from cascade.demos.fireflies.topology import KINDS, MOST_COMPLETE, check_size


def degrees(graph: Topology) -> list[int]:
    """How many neighbours each has; all else that holds for every topology is checked on the way."""
    around = [graph.neighbours(place) for place in graph]
    assert len(around) == len(graph)
    for place, seen in enumerate(around):
        assert len(set(seen)) == len(seen)
        assert place not in seen
        assert all(place in around[other] for other in seen)
    return [len(seen) for seen in around]


@pytest.mark.parametrize("side", [1, 2, 3, 4, 7])
def test_a_torus_has_8_or_4_neighbours_where_there_is_room(side: int) -> None:
    assert set(degrees(torus8(side))) == {min(8, side * side - 1)}
    assert set(degrees(torus4(side))) == {{1: 0, 2: 2}.get(side, 4)}


def test_edges_meet() -> None:
    assert sorted(torus8(5).neighbours(0)) == [1, 4, 5, 6, 9, 20, 21, 24]
    assert sorted(torus8(5).neighbours(12)) == [6, 7, 8, 11, 13, 16, 17, 18]
    assert sorted(torus4(5).neighbours(0)) == [1, 4, 5, 20]
    assert sorted(torus4(5).neighbours(12)) == [7, 11, 13, 17]


@pytest.mark.parametrize("size", [1, 2, 3, 4, 9])
def test_lines_and_stars(size: int) -> None:
    assert degrees(ring(size)) == [min(2, size - 1)] * size
    ends = [1, *[2] * (size - 2), 1]
    assert degrees(path(size)) == (ends if size > 1 else [0])
    assert degrees(star(size)) == ([size - 1, *[1] * (size - 1)] if size > 1 else [0])
    assert degrees(all_to_all(size)) == [size - 1] * size
    assert ring(size).neighbours(0) == {1: (), 2: (1,)}.get(size, (size - 1, 1))


@pytest.mark.parametrize(
    ("size", "degree"),
    [
        (1, 0),
        (4, 0),
        (4, 1),
        (4, 2),
        (4, 3),
        (5, 2),
        (5, 4),
        (6, 3),
        (6, 4),
        (7, 4),
        (10, 3),
        (10, 7),
        (100, 8),
        (51, 50),
    ],
)
def test_in_a_random_graph_all_have_the_same_number_of_neighbours(size: int, degree: int) -> None:
    for seed in range(20):
        assert degrees(regular(size, degree, seed)) == [degree] * size


def test_a_random_graph_is_that_of_its_seed() -> None:
    def drawn(seed: int | None) -> list[tuple[int, ...]]:
        graph = regular(50, 3, seed)
        return [graph.neighbours(place) for place in graph]

    assert drawn(1) == drawn(1) != drawn(2)
    assert drawn(None) != drawn(None)


def test_a_random_graph_may_be_any() -> None:
    """All pairings of 6 places are met, about equally often: 1500 draws of 15."""
    seen: dict[object, int] = {}
    for seed in range(1500):
        graph = regular(6, 1, seed)
        pairing = tuple(graph.neighbours(place) for place in graph)
        seen[pairing] = seen.get(pairing, 0) + 1
    assert len(seen) == 15
    assert all(50 < times < 150 for times in seen.values())  # 5 standard deviations


@pytest.mark.parametrize(
    ("name", "made"),
    [
        ("torus8", torus8(4)),
        ("torus4", torus4(4)),
        ("ring", ring(16)),
        ("path", path(16)),
        ("star", star(16)),
        ("all-to-all", all_to_all(16)),
        ("random:3", regular(16, 3, seed=7)),
    ],
)
def test_a_topology_by_its_name(name: str, made: Topology) -> None:
    named = make_topology(name, 16, seed=7)
    assert [named.neighbours(place) for place in named] == [made.neighbours(place) for place in made]
    assert named.width == made.width


@pytest.mark.parametrize("name", ["", "torus", "random", "random:", "random:-1", "random:k", "ring:2", "Ring"])
def test_what_is_no_name(name: str) -> None:
    with pytest.raises(ValueError, match="name must be one of torus8, torus4"):
        make_topology(name, 16)


@pytest.mark.parametrize("size", [0, -4])
@pytest.mark.parametrize("kind", KINDS)
def test_a_topology_has_places(kind: str, size: int) -> None:
    with pytest.raises(ValueError, match=f"number of places must be >= 1, got {size}"):
        make_topology(kind.replace("k", "0"), size)


@pytest.mark.parametrize("size", [0, -4])
@pytest.mark.parametrize(
    "make", [ring, path, star, all_to_all, lambda size: regular(size, 0), lambda size: of_edges(size, [])]
)
def test_a_topology_has_places_however_it_is_made(make: Callable[[int], Topology], size: int) -> None:
    with pytest.raises(ValueError, match=f"number of places must be >= 1, got {size}"):
        make(size)


@pytest.mark.parametrize("side", [0, -4])
@pytest.mark.parametrize("make", [torus8, torus4])
def test_a_torus_has_a_side(make: Callable[[int], Topology], side: int) -> None:
    with pytest.raises(ValueError, match=f"side must be >= 1, got {side}"):
        make(side)


@pytest.mark.parametrize(
    ("size", "degree", "problem"),
    [
        (4, 7, "number of places must be > 7 for random:7, got 4"),
        (4, 4, "number of places must be > 4 for random:4, got 4"),
        (6, -2, "a number of neighbours), got 'random:-2'"),
        (5, 3, "number of places must be even for random:3, as 3 is odd, got 5"),
        (1_000_000, 999_998, "must be at most 10000000 in all for random:999998, got 1000000 times 999998"),
        (1_000_000, 11, "number of neighbours must be at most 10000000 in all for random:11, got 1000000 times 11"),
    ],
)
def test_what_no_random_graph_can_be(size: int, degree: int, problem: str) -> None:
    with pytest.raises(ValueError, match=re.escape(problem)):
        regular(size, degree)
    with pytest.raises(ValueError, match=re.escape(problem)):
        make_topology(f"random:{degree}", size)


def test_everybody_sees_everybody_in_a_crowd_at_most() -> None:
    assert len(all_to_all(MOST_COMPLETE).neighbours(0)) == MOST_COMPLETE - 1
    with pytest.raises(ValueError, match="number of places must be at most 2000 for all-to-all, got 2001"):
        all_to_all(MOST_COMPLETE + 1)


@pytest.mark.parametrize("name", ["torus8", "torus4", "ring", "path", "star", "random:10"])
def test_a_million_places_are_not_too_many(name: str) -> None:
    check_size(name, 1_000_000)


def test_any_graph_by_its_edges() -> None:
    assert degrees(of_edges(5, [(0, 1), (1, 2), (1, 3)])) == [1, 3, 1, 1, 0]


def test_an_edge_that_is_named_twice_counts_once() -> None:
    assert degrees(of_edges(3, [(0, 1), (1, 0), (1, 2), (0, 1)])) == [1, 2, 1]


@pytest.mark.parametrize("edge", [(1, 1), (0, 3), (3, 0), (-1, 0), (0, -1)])
def test_an_edge_is_between_two_places(edge: tuple[int, int]) -> None:
    expected = f"edges[1] must be two different places, each from 0 to 2, got {edge[0]} and {edge[1]}"
    with pytest.raises(ValueError, match=re.escape(expected)):
        of_edges(3, [(0, 1), edge])


@pytest.mark.parametrize(("size", "width"), [(1, 1), (4, 2), (5, 3), (9, 3), (10, 4)])
def test_what_is_no_line_is_drawn_as_about_a_square(size: int, width: int) -> None:
    assert star(size).width == width
