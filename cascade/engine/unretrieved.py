"""Logs failures of a population that were never retrieved: one line for all of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

__all__ = ["UnretrievedFailures"]

Report: TypeAlias = Callable[[str, BaseException], object]


class UnretrievedFailures:
    """Collects the failures of a population that were never retrieved.

    The population and each of its failed runs refer to it. So when it is freed, no failure can be retrieved,
    and the collected ones are reported.

    Args:
        report: called with a message and the first failure.
        size: the number of members of the population.
        label: the name and tags of its members, as text.
    """

    __slots__ = ("_label", "_report", "_sum", "size")

    def __init__(self, report: Report, size: int, label: str = "") -> None:
        self._report = report
        self._label = label
        self.size = size
        self._sum: _Sum | None = None

    def add(self, run: int, error: BaseException) -> None:
        """Add the failure of a run that was freed before the failure was retrieved."""
        # In a garbage cycle, finalizers run in any order, so the sum may have been finalized before this run. A new sum
        # is not part of that garbage, and is finalized later.
        if self._sum is None or self._sum.reported:
            self._sum = _Sum(self._report, self.size, self._label)
        self._sum.add(run, error)


class _Sum:
    """A number of failures, reported when it is freed."""

    __slots__ = ("_count", "_first", "_label", "_report", "_size", "reported")

    def __init__(self, report: Report, size: int, label: str) -> None:
        self._report = report
        self._label = label
        self._size = size
        self._count = 0
        self._first: tuple[int, BaseException] | None = None
        self.reported = False

    def add(self, run: int, error: BaseException) -> None:
        self._count += 1
        if self._first is None or run < self._first[0]:  # not the first one added: lists free their items from the end
            self._first = run, error

    def __del__(self) -> None:
        self.reported = True
        if self._first is not None:
            runs = "1 run" if self._count == 1 else f"{self._count:,} runs"
            text = f"the exception of {runs}{self._label} in a population of {self._size:,} was never retrieved"
            self._report(text if self._count == 1 else f"{text}; this is the first", self._first[1])
