"""Losses: failures that nobody has looked at, of a population's runs: told in one line, however many there are."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cascade.engine.engine import Engine

__all__ = ["Losses"]


class Losses:
    """What becomes of failures of a population that nobody looks at.

    The population refers to it, and so does each run that has failed: once it is gone, nobody can look at them.

    Args:
        engine: what the losses are reported to.
        size: of the population.
    """

    __slots__ = ("_engine", "_sum", "size")

    def __init__(self, engine: Engine, size: int) -> None:
        self._engine = engine
        self.size = size
        self._sum: _Sum | None = None

    def add(self, run: int, error: BaseException) -> None:
        """A run is gone that had failed, and nobody has looked at it."""
        # If all of it is garbage in a cycle, finalizers come in any order: after its own, a sum is worth nothing. One
        # that is made now is no part of that garbage, and has its end with the next collection.
        if self._sum is None or self._sum.told:
            self._sum = _Sum(self._engine, self.size)
        self._sum.add(run, error)


class _Sum:
    """So many losses; told at its end."""

    __slots__ = ("_count", "_engine", "_first", "_size", "told")

    def __init__(self, engine: Engine, size: int) -> None:
        self._engine = engine
        self._size = size
        self._count = 0
        self._first: tuple[int, BaseException] | None = None
        self.told = False

    def add(self, run: int, error: BaseException) -> None:
        self._count += 1
        if self._first is None or run < self._first[0]:  # lists are freed from behind
            self._first = run, error

    def __del__(self) -> None:
        self.told = True
        if self._first is not None:
            runs = "1 run" if self._count == 1 else f"{self._count:,} runs"
            text = f"the failure of {runs} in a population of {self._size:,} was never looked at"
            self._engine.report(text if self._count == 1 else f"{text}; this is the first", self._first[1])
