"""Failures of a population that were never retrieved: logged in one line, however many there are."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

__all__ = ["UnretrievedFailures"]

Report: TypeAlias = Callable[[str, BaseException], object]


class UnretrievedFailures:
    """What becomes of failures of a population that are never retrieved.

    The population refers to it, and so does each run that has failed: once it is gone, nothing can retrieve them.

    Args:
        report: called with a message and the first failure.
        size: of the population.
    """

    __slots__ = ("_report", "_sum", "size")

    def __init__(self, report: Report, size: int) -> None:
        self._report = report
        self.size = size
        self._sum: _Sum | None = None

    def add(self, run: int, error: BaseException) -> None:
        """Count a run that had failed and is gone, and whose failure was never retrieved."""
        # If all of it is garbage in a cycle, finalizers come in any order: after its own, a sum is worth nothing. One
        # that is made now is no part of that garbage, and has its end with the next collection.
        if self._sum is None or self._sum.reported:
            self._sum = _Sum(self._report, self.size)
        self._sum.add(run, error)


class _Sum:
    """So many failures; reported when it is freed."""

    __slots__ = ("_count", "_first", "_report", "_size", "reported")

    def __init__(self, report: Report, size: int) -> None:
        self._report = report
        self._size = size
        self._count = 0
        self._first: tuple[int, BaseException] | None = None
        self.reported = False

    def add(self, run: int, error: BaseException) -> None:
        self._count += 1
        if self._first is None or run < self._first[0]:  # lists are freed from behind
            self._first = run, error

    def __del__(self) -> None:
        self.reported = True
        if self._first is not None:
            runs = "1 run" if self._count == 1 else f"{self._count:,} runs"
            text = f"the exception of {runs} in a population of {self._size:,} was never retrieved"
            self._report(text if self._count == 1 else f"{text}; this is the first", self._first[1])
