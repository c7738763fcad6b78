"""Who sees whom: places, and between which of them there is sight. Sight is mutual, and nobody sees itself."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable, Iterator

from cascade._support.public import public_in

KINDS = ("torus8", "torus4", "ring", "path", "star", "all-to-all", "random:k")
"""What `make_topology` makes, by name; `random:3` has 3 neighbours for each."""
CROWD = 2000
"""Most places of `all-to-all`: each holds all others, so the memory grows with the square."""
SIGHTS = 10_000_000
"""Most neighbours of all places of `random:k` together: they take memory, too."""
_LINE = 60
_TRIES = 1000
_Edge = tuple[int, int]

_CROSS = ((-1, 0), (0, -1), (0, 1), (1, 0))
_AROUND = tuple((down, right) for down in (-1, 0, 1) for right in (-1, 0, 1) if (down, right) != (0, 0))


@public_in("cascade.demos.fireflies")
class Topology:
    """Places numbered from 0, and for each the places that see it.

    Args:
        size: how many places.
        neighbours: gives those of a place.
        width: how many places are drawn in a row; None: about a square of them.

    Raises:
        ValueError: there is no place at all.

    >>> pair = Topology(2, lambda place: (1 - place,))
    >>> len(pair), list(pair), pair.neighbours(0)
    (2, [0, 1], (1,))
    """

    __slots__ = ("neighbours", "size", "width")

    def __init__(self, size: int, neighbours: Callable[[int], tuple[int, ...]], width: int | None = None) -> None:
        _check_some(size)
        self.size = size
        self.neighbours = neighbours
        """Gives the places that see a flash at a place."""
        self.width = math.isqrt(size - 1) + 1 if width is None else width

    def __len__(self) -> int:
        return self.size

    def __iter__(self) -> Iterator[int]:
        return iter(range(self.size))


@public_in("cascade.demos.fireflies")
def make_topology(name: str, size: int, seed: int | None = None) -> Topology:
    """Make a topology by its name.

    Args:
        name: one of `KINDS`.
        size: how many places.
        seed: of `random:k`.

    Raises:
        ValueError: there is none of that name, or of that size.

    >>> make_topology("ring", 5).neighbours(0)
    (4, 1)
    >>> make_topology("torus4", 10)
    Traceback (most recent call last):
        ...
    ValueError: expected a square number of places for torus4 (9 and 16 are the nearest), got 10
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
    """Take a name to pieces: the kind, and the degree if it is `random`.

    >>> parse("random:3"), parse("ring")
    (('random', 3), ('ring', 0))
    """
    kind, colon, degree = name.partition(":")
    if kind == "random" and degree.isdecimal():
        return kind, int(degree)
    if colon or kind not in KINDS:
        raise ValueError(f"expected one of {', '.join(KINDS)} (k: a number of neighbours), got {name!r}")
    return kind, 0


def check_size(name: str, size: int) -> None:
    """Raise `ValueError` if a topology cannot have so many places."""
    kind, degree = parse(name)
    _check_some(size)
    side = math.isqrt(size)
    if kind.startswith("torus") and side * side != size:
        near = f"{side * side} and {(side + 1) ** 2} are the nearest"
        raise ValueError(f"expected a square number of places for {name} ({near}), got {size}")
    if kind == "all-to-all" and size > CROWD:
        raise ValueError(f"expected at most {CROWD} places for {name}, got {size}")
    if kind == "random" and degree >= size:
        raise ValueError(f"expected more than {degree} places for {name}, got {size}")
    if kind == "random" and degree * size > SIGHTS:
        raise ValueError(f"expected at most {SIGHTS} neighbours in all for {name}, got {size} times {degree}")
    if kind == "random" and degree * size % 2:
        raise ValueError(f"expected an even number of places for {name}, as {degree} is odd, got {size}")


def _check_some(size: int) -> None:
    if size < 1:
        raise ValueError(f"expected at least 1 place, got {size}")


# ----------------------------------------------------------------------------------------------------- the kinds


@public_in("cascade.demos.fireflies")
def torus8(side: int) -> Topology:
    """A square whose edges meet, numbered row by row; each sees the 8 around it, from the top left one on.

    Args:
        side: how many places there are in a row, and rows.

    Raises:
        ValueError: it is below 1.

    >>> torus8(10).neighbours(0)
    (99, 90, 91, 9, 1, 19, 10, 11)

    On a small side the 8 directions meet: a place counts once, and never itself.

    >>> torus8(2).neighbours(0), torus8(1).neighbours(0)
    ((3, 2, 1), ())
    """
    return _torus(side, _AROUND)


@public_in("cascade.demos.fireflies")
def torus4(side: int) -> Topology:
    """The same, but each sees the 4 above, left, right and below.

    Args:
        side: how many places there are in a row, and rows.

    Raises:
        ValueError: it is below 1.

    >>> torus4(10).neighbours(0)
    (90, 9, 1, 10)
    """
    return _torus(side, _CROSS)


def _torus(side: int, directions: tuple[tuple[int, int], ...]) -> Topology:
    if side < 1:
        raise ValueError(f"expected a side of at least 1 place, got {side}")

    def neighbours(place: int) -> tuple[int, ...]:
        row, column = divmod(place, side)
        seen = {
            (row + down) % side * side + (column + right) % side: None  # a dict: distinct, and in order
            for down, right in directions
        }
        seen.pop(place, None)
        return tuple(seen)

    return Topology(side * side, neighbours, side)


@public_in("cascade.demos.fireflies")
def ring(size: int) -> Topology:
    """A circle: each sees the one before and the one after.

    Args:
        size: how many places.

    Raises:
        ValueError: there is no place at all.

    >>> ring(5).neighbours(0)
    (4, 1)
    """

    def neighbours(place: int) -> tuple[int, ...]:
        seen = dict.fromkeys(((place - 1) % size, (place + 1) % size))
        seen.pop(place, None)
        return tuple(seen)

    return Topology(size, neighbours, min(size, _LINE))


@public_in("cascade.demos.fireflies")
def path(size: int) -> Topology:
    """A line: as a ring that is cut open.

    Args:
        size: how many places.

    Raises:
        ValueError: there is no place at all.

    >>> [path(3).neighbours(place) for place in range(3)]
    [(1,), (0, 2), (1,)]
    """

    def neighbours(place: int) -> tuple[int, ...]:
        return tuple(other for other in (place - 1, place + 1) if 0 <= other < size)

    return Topology(size, neighbours, min(size, _LINE))


@public_in("cascade.demos.fireflies")
def star(size: int) -> Topology:
    """One in the middle, 0, that sees all others and is seen by them; they see nobody else.

    Args:
        size: how many places.

    Raises:
        ValueError: there is no place at all.

    >>> star(4).neighbours(0), star(4).neighbours(3)
    ((1, 2, 3), (0,))
    """

    def neighbours(place: int) -> tuple[int, ...]:
        return (0,) if place else tuple(range(1, size))

    return Topology(size, neighbours)


@public_in("cascade.demos.fireflies")
def all_to_all(size: int) -> Topology:
    """Everybody sees everybody else.

    Args:
        size: how many places; at most `CROWD`.

    Raises:
        ValueError: there can be no such number of places.

    >>> all_to_all(4).neighbours(1)
    (0, 2, 3)
    """
    check_size("all-to-all", size)

    def neighbours(place: int) -> tuple[int, ...]:
        return (*range(place), *range(place + 1, size))

    return Topology(size, neighbours)


@public_in("cascade.demos.fireflies")
def regular(size: int, degree: int, seed: int | None = None) -> Topology:
    """A random graph in which everybody has the same number of neighbours. Made at once, the same for the same seed.

    Args:
        size: how many places.
        degree: how many neighbours each has: below ``size``, and one of the two is even; at most `SIGHTS` in all.
        seed: None: another one each time.

    Raises:
        ValueError: there is no such graph, or it is too large.

    >>> graph = regular(10, 3, seed=1)
    >>> [len(graph.neighbours(place)) for place in graph]
    [3, 3, 3, 3, 3, 3, 3, 3, 3, 3]
    """
    check_size(f"random:{degree}", size)
    # Not the generator that draws the phases, which would be tied to the graph.
    source = random.Random(None if seed is None else f"topology {seed}")
    if 2 * degree < size:
        return of_edges(size, _regular_edges(size, degree, source))
    # Of many neighbours those are drawn who are none: pairing would collide all the time.
    apart = of_edges(size, _regular_edges(size, size - 1 - degree, source))

    def neighbours(place: int) -> tuple[int, ...]:
        strangers = {place, *apart.neighbours(place)}
        return tuple(other for other in range(size) if other not in strangers)

    return Topology(size, neighbours)


@public_in("cascade.demos.fireflies")
def of_edges(size: int, edges: Iterable[_Edge]) -> Topology:
    """Any graph, by the pairs that see one another.

    Args:
        size: how many places.
        edges: two different places each, in any order. A pair that is named twice counts once.

    Raises:
        ValueError: there is no place at all, or no such edge.

    >>> fork = of_edges(4, [(0, 1), (1, 2), (1, 3)])
    >>> fork.neighbours(1), fork.neighbours(3)
    ((0, 2, 3), (1,))
    """
    seen: list[list[int]] = [[] for _ in range(size)]
    for number, (one, other) in enumerate(edges):
        if one == other or not (0 <= one < size and 0 <= other < size):
            expected = f"expected two different places, each from 0 to {size - 1}"
            raise ValueError(f"{expected}, got {one} and {other} - at `edges[{number}]`")
        seen[one].append(other)
        seen[other].append(one)
    around = [tuple(sorted(set(places))) for places in seen]
    return Topology(size, around.__getitem__)


def _regular_edges(size: int, degree: int, source: random.Random) -> list[_Edge]:
    """Pair the ends of all edges at random, and mend what is no edge by trades with others."""
    while True:
        ends = [place for place in range(size) for _ in range(degree)]
        source.shuffle(ends)
        edges: list[_Edge] = []
        known: set[_Edge] = set()
        spoilt: list[_Edge] = []
        for one, other in zip(ends[::2], ends[1::2], strict=True):
            edge = (one, other) if one < other else (other, one)
            if one == other or edge in known:
                spoilt.append(edge)
            else:
                known.add(edge)
                edges.append(edge)
        if all(_mend(pair, edges, known, source) for pair in spoilt):
            return edges


def _mend(pair: _Edge, edges: list[_Edge], known: set[_Edge], source: random.Random) -> bool:
    """Trade ends between a pair that is no edge and a random edge, so that both are edges; whether it could be done.

    On a small graph it may be that no trade will do: then all is drawn anew.
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
