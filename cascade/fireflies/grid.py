"""Who sees whom: a square grid whose edges meet."""

from __future__ import annotations

from collections.abc import Iterator

_AROUND = tuple((down, right) for down in (-1, 0, 1) for right in (-1, 0, 1) if (down, right) != (0, 0))


class Grid:
    """A torus of `side` x `side` places, numbered row by row; each sees the 8 around it.

    >>> Grid(10).neighbours(0)
    (99, 90, 91, 9, 1, 19, 10, 11)

    On a small side the 8 directions meet: a place counts once, and never itself.

    >>> Grid(2).neighbours(0)
    (3, 2, 1)
    >>> Grid(1).neighbours(0)
    ()
    """

    __slots__ = ("side",)

    def __init__(self, side: int) -> None:
        if side < 1:
            raise ValueError(f"a grid needs a side of at least 1, got {side}")
        self.side = side

    def __len__(self) -> int:
        return self.side * self.side

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self)))

    def neighbours(self, place: int) -> tuple[int, ...]:
        """The places that see a flash at `place`, from the top left one on."""
        side = self.side
        row, column = divmod(place, side)
        seen = {
            (row + down) % side * side + (column + right) % side: None  # a dict: distinct, and in order
            for down, right in _AROUND
        }
        seen.pop(place, None)
        return tuple(seen)
