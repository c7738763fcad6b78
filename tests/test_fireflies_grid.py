from __future__ import annotations

import pytest

from cascade.fireflies.grid import Grid


@pytest.mark.parametrize("side", [1, 2, 3, 4, 7])
def test_neighbours_are_distinct_never_self_and_mutual(side: int) -> None:
    grid = Grid(side)
    for place in grid:
        around = grid.neighbours(place)
        assert len(set(around)) == len(around) == min(8, len(grid) - 1)
        assert place not in around
        assert all(place in grid.neighbours(other) for other in around)


def test_edges_meet() -> None:
    assert sorted(Grid(5).neighbours(0)) == [1, 4, 5, 6, 9, 20, 21, 24]
    assert sorted(Grid(5).neighbours(12)) == [6, 7, 8, 11, 13, 16, 17, 18]


def test_a_grid_has_places() -> None:
    assert list(Grid(2)) == [0, 1, 2, 3]
    with pytest.raises(ValueError, match="at least 1, got 0"):
        Grid(0)
