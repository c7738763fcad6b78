"""Topologies: which places see each other. An undirected graph without loops."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable, Iterator

__all__ = [
    "KINDS",
    "MOST_COMPLETE",
    "MOST_NEIGHBOURS",
    "Topology",
    "all_to_all",
    "check_size",
    "make_topology",
    "of_edges",
    "parse",
    "path",
    "regular",
    "ring",
    "star",
    "torus4",
    "torus8",
]


KINDS = ("torus8", "torus4", "ring", "path", "star", "all-to-all", "random:k")
"""The names for `make_topology`; in `random:3` each place has 3 neighbours."""
MOST_COMPLETE = 2000
"""The maximum number of places of `all-to-all`, as memory grows with its square."""
MOST_NEIGHBOURS = 10_000_000
"""The maximum number of neighbours of all places of `random:k` together, as they take memory."""
_LINE = 60
_TRIES = 1000
_Edge = tuple[int, int]

_CROSS = ((-1, 0), (0, -1), (0, 1), (1, 0))
_AROUND = tuple((down, right) for down in (-1, 0, 1) for right in (-1, 0, 1) if (down, right) != (0, 0))


class Topology:
    """Places numbered from 0, and the neighbours of each.

    Args:
        size: the number of places, >= 1.
        neighbours: returns the neighbours of a place.
        width: the number of places that are drawn in a row; None: about a square.

    Raises:
        ValueError: ``size`` is below 1.

    >>> pair = Topology(2, lambda place: (1 - place,))
    >>> len(pair), list(pair), pair.neighbours(0)
    (2, [0, 1], (1,))
    """

    __slots__ = ("neighbours", "size", "width")

    def __init__(self, size: int, neighbours: Callable[[int], tuple[int, ...]], width: int | None = None) -> None:
        _check_some(size)
        self.size = size
        self.neighbours = neighbours
        """Returns the places that see a flash at a place."""
        self.width = math.isqrt(size - 1) + 1 if width is None else width

    def __len__(self) -> int:
        return self.size

    def __iter__(self) -> Iterator[int]:
        return iter(range(self.size))


def make_topology(name: str, size: int, seed: int | None = None) -> Topology:
    """Make a topology by its name.

    Args:
        name: one of `KINDS`.
        size: the number of places.
        seed: of `random:k`.

    Raises:
        ValueError: the name is unknown, or not possible with this size.

    >>> make_topology("ring", 5).neighbours(0)
    (4, 1)
    >>> make_topology("torus4", 10)
    Traceback (most recent call last):
        ...
    ValueError: number of places must be a square for torus4 (9 and 16 are the nearest), got 10
    """
    kind, degree = parse(name)
    check_size(name, size)
    match kind:
        case "torus8":
            return torus8(math.isqrt(size))
        case "torus4":
            return torus4(math.isqrt(size))
        case "ring":
            return ring(size)
        case "path":
            return path(size)
        case "star":
            return star(size)
        case "all-to-all":
            return all_to_all(size)
    return regular(size, degree, seed)


def parse(name: str) -> tuple[str, int]:
    """Split a name into the kind and, for `random`, the degree.

    >>> parse("random:3"), parse("ring")
    (('random', 3), ('ring', 0))
    """
    kind, colon, degree = name.partition(":")
    if kind == "random" and degree.isdecimal():
        return kind, int(degree)
    if colon or kind not in KINDS:
        raise ValueError(f"name must be one of {', '.join(KINDS)} (k: a number of neighbours), got {name!r}")
    return kind, 0


def check_size(name: str, size: int) -> None:
    """Raise `ValueError` if a topology of this name cannot have `size` places."""
    kind, degree = parse(name)
    _check_some(size)
    side = math.isqrt(size)
    if kind.startswith("torus") and side * side != size:
        near = f"{side * side} and {(side + 1) ** 2} are the nearest"
        raise ValueError(f"number of places must be a square for {name} ({near}), got {size}")
    if kind == "all-to-all" and size > MOST_COMPLETE:
        raise ValueError(f"number of places must be at most {MOST_COMPLETE} for {name}, got {size}")
    if kind == "random" and degree >= size:
        raise ValueError(f"number of places must be > {degree} for {name}, got {size}")
    if kind == "random" and degree * size > MOST_NEIGHBOURS:
        raise ValueError(
            f"number of neighbours must be at most {MOST_NEIGHBOURS} in all for {name}, got {size} times {degree}"
        )
    if kind == "random" and degree * size % 2:
        raise ValueError(f"number of places must be even for {name}, as {degree} is odd, got {size}")


def _check_some(size: int) -> None:
    if size < 1:
        raise ValueError(f"number of places must be >= 1, got {size}")


# ----------------------------------------------------------------------------------------------------- the kinds


def torus8(side: int) -> Topology:
    """Return a square torus, numbered row by row; each place sees the 8 around it, in order from the top left one.

    Args:
        side: the number of rows, and of places in a row.

    Raises:
        ValueError: ``side`` is below 1.

    >>> torus8(10).neighbours(0)
    (99, 90, 91, 9, 1, 19, 10, 11)

    With a small side several directions lead to one place: it counts once, and a place never sees itself.

    >>> torus8(2).neighbours(0), torus8(1).neighbours(0)
    ((3, 2, 1), ())
    """
    return _torus(side, _AROUND)


def torus4(side: int) -> Topology:
    """Return a square torus in which each place sees the 4 above, left, right and below.

    Args:
        side: the number of rows, and of places in a row.

    Raises:
        ValueError: ``side`` is below 1.

    >>> torus4(10).neighbours(0)
    (90, 9, 1, 10)
    """
    return _torus(side, _CROSS)


def _torus(side: int, directions: tuple[tuple[int, int], ...]) -> Topology:
    if side < 1:
        raise ValueError(f"side must be >= 1, got {side}")

    def neighbours(place: int) -> tuple[int, ...]:
        row, column = divmod(place, side)
        seen = {
            (row + down) % side * side + (column + right) % side: None  # a dict: distinct, and in order
            for down, right in directions
        }
        seen.pop(place, None)
        return tuple(seen)

    return Topology(side * side, neighbours, side)


def ring(size: int) -> Topology:
    """Return a circle: each place sees the one before and the one after it.

    Args:
        size: the number of places.

    Raises:
        ValueError: ``size`` is below 1.

    >>> ring(5).neighbours(0)
    (4, 1)
    """

    def neighbours(place: int) -> tuple[int, ...]:
        seen = dict.fromkeys(((place - 1) % size, (place + 1) % size))
        seen.pop(place, None)
        return tuple(seen)

    return Topology(size, neighbours, min(size, _LINE))


def path(size: int) -> Topology:
    """Return a line: a ring that is cut open.

    Args:
        size: the number of places.

    Raises:
        ValueError: ``size`` is below 1.

    >>> [path(3).neighbours(place) for place in range(3)]
    [(1,), (0, 2), (1,)]
    """

    def neighbours(place: int) -> tuple[int, ...]:
        return tuple(other for other in (place - 1, place + 1) if 0 <= other < size)

    return Topology(size, neighbours, min(size, _LINE))


def star(size: int) -> Topology:
    """Return a star: place 0 sees all others, which see place 0 only.

    Args:
        size: the number of places.

    Raises:
        ValueError: ``size`` is below 1.

    >>> star(4).neighbours(0), star(4).neighbours(3)
    ((1, 2, 3), (0,))
    """

    def neighbours(place: int) -> tuple[int, ...]:
        return (0,) if place else tuple(range(1, size))

    return Topology(size, neighbours)


def all_to_all(size: int) -> Topology:
    """Return a complete graph: each place sees all others.

    Args:
        size: the number of places; at most `MOST_COMPLETE`.

    Raises:
        ValueError: ``size`` is out of range.

    >>> all_to_all(4).neighbours(1)
    (0, 2, 3)
    """
    check_size("all-to-all", size)

    def neighbours(place: int) -> tuple[int, ...]:
        return (*range(place), *range(place + 1, size))

    return Topology(size, neighbours)


def regular(size: int, degree: int, seed: int | None = None) -> Topology:
    """Return a random graph in which all places have the same number of neighbours; the same graph for the same seed.

    Args:
        size: the number of places.
        degree: the number of neighbours of each: below ``size``, and one of the two is even; in all at most
            `MOST_NEIGHBOURS`.
        seed: of the graph; None: a random one.

    Raises:
        ValueError: no such graph exists, or it is too large.

    >>> graph = regular(10, 3, seed=1)
    >>> [len(graph.neighbours(place)) for place in graph]
    [3, 3, 3, 3, 3, 3, 3, 3, 3, 3]
    """
    check_size(f"random:{degree}", size)
    # Not the generator of the phases: they would depend on the graph.
    source = random.Random(None if seed is None else f"topology {seed}")
    if 2 * degree < size:
        return of_edges(size, _regular_edges(size, degree, source))
    # With many neighbours, draw the complement: pairing would collide most of the time.
    apart = of_edges(size, _regular_edges(size, size - 1 - degree, source))

    def neighbours(place: int) -> tuple[int, ...]:
        excluded = {place, *apart.neighbours(place)}
        return tuple(other for other in range(size) if other not in excluded)

    return Topology(size, neighbours)


def of_edges(size: int, edges: Iterable[_Edge]) -> Topology:
    """Return the graph of given edges.

    Args:
        size: the number of places.
        edges: two different places each, in any order. Duplicates count once.

    Raises:
        ValueError: ``size`` is below 1, or an edge is not valid.

    >>> fork = of_edges(4, [(0, 1), (1, 2), (1, 3)])
    >>> fork.neighbours(1), fork.neighbours(3)
    ((0, 2, 3), (1,))
    """
    seen: list[list[int]] = [[] for _ in range(size)]
    for number, (one, other) in enumerate(edges):
        if one == other or not (0 <= one < size and 0 <= other < size):
            raise ValueError(
                f"edges[{number}] must be two different places, each from 0 to {size - 1}, got {one} and {other}"
            )
        seen[one].append(other)
        seen[other].append(one)
    around = [tuple(sorted(set(places))) for places in seen]
    return Topology(size, around.__getitem__)


def _regular_edges(size: int, degree: int, source: random.Random) -> list[_Edge]:
    """Pair the ends of all edges at random, and repair invalid pairs by swaps with other edges."""
    while True:
        ends = [place for place in range(size) for _ in range(degree)]
        source.shuffle(ends)
        edges: list[_Edge] = []
        known: set[_Edge] = set()
        invalid: list[_Edge] = []
        for one, other in zip(ends[::2], ends[1::2], strict=True):
            edge = (one, other) if one < other else (other, one)
            if one == other or edge in known:
                invalid.append(edge)
            else:
                known.add(edge)
                edges.append(edge)
        if all(_repair(pair, edges, known, source) for pair in invalid):
            return edges


def _repair(pair: _Edge, edges: list[_Edge], known: set[_Edge], source: random.Random) -> bool:
    """Swap ends between an invalid pair and a random edge, so that both are valid edges; return whether it succeeded.

    In a small graph there may be no such swap: then the caller starts again.
    """
    one, other = pair
    for _ in range(_TRIES if edges else 0):
        at = source.randrange(len(edges))
        third, fourth = edges[at]
        first, second = (one, third), (other, fourth)
        if source.random() < 0.5:
            first, second = (one, fourth), (other, third)
        first, second = (min(first), max(first)), (min(second), max(second))
        if first[0] == first[1] or second[0] == second[1] or first == second or first in known or second in known:
            continue
        known.remove(edges[at])
        known.update((first, second))
        edges[at] = first
        edges.append(second)
        return True
    return False
