"""Rows of the table, and the benchmarks that yield them."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol

from benchmarks.harness.subprocesses import timed_code
from benchmarks.harness.timing import Effort, Sample, check_equal, interleave


@dataclass(frozen=True)
class Budget:
    """The limit of a row's ratio, or of its subject (in the row's unit)."""

    limit: float
    of: Literal["ratio", "subject"] = "ratio"
    least: bool = False
    """Whether the limit is a minimum; else it is a maximum."""


@dataclass(frozen=True)
class Row:
    name: str
    unit: str
    """Of subject and baseline: "ns", "ms", "B", "MB", "%", "blocks", "agents"."""
    subject: float
    baseline: float | None = None
    ratio: float | None = None
    """The median of the rounds' ratios; None if there is no baseline, or it was 0 in a round."""
    quartiles: tuple[float, float] | None = None
    """Of the ratio where there is one, else of the subject."""
    rounds: int = 1
    budget: Budget | None = None
    note: str = ""

    @property
    def met(self) -> bool | None:
        if self.budget is None:
            return None
        measured = self.ratio if self.budget.of == "ratio" else self.subject
        if measured is None:
            return None
        return measured >= self.budget.limit if self.budget.least else measured <= self.budget.limit


class Benchmark(Protocol):
    @property
    def name(self) -> str: ...

    def run(self, effort: Effort) -> Iterator[Row]: ...


def quartiles(values: Sequence[float]) -> tuple[float, float]:
    if len(values) < 2:
        return values[0], values[0]
    first, _, third = statistics.quantiles(values, n=4, method="inclusive")
    return first, third


def row_of_pairs(
    name: str,
    subject: Sequence[float],
    baseline: Sequence[float] | None = None,
    *,
    unit: str = "ns",
    budget: Budget | None = None,
    note: str = "",
) -> Row:
    """The row of measured values, which are in the row's unit; `baseline[i]` is of the same round as `subject[i]`."""
    if baseline is None or not all(baseline):
        middle = None if baseline is None else statistics.median(baseline)
        return Row(name, unit, statistics.median(subject), middle, None, quartiles(subject), len(subject), budget, note)
    ratios = [one / other for one, other in zip(subject, baseline, strict=True)]
    return Row(
        name,
        unit,
        statistics.median(subject),
        statistics.median(baseline),
        statistics.median(ratios),
        quartiles(ratios),
        len(ratios),
        budget,
        note,
    )


def row_of_codes(name: str, subject: str, baseline: str, effort: Effort, *, budget: Budget | None = None) -> Row:
    """The row of two pieces of code, each run in fresh interpreters."""
    warm_up = min(1, effort.warm_up)  # the first process may compile bytecode
    turns = [(timed_code(subject) * 1e9, timed_code(baseline) * 1e9) for _ in range(warm_up + effort.rounds)]
    one, other = zip(*turns[warm_up:], strict=True)
    return row_of_pairs(name, one, other, budget=budget)


@dataclass(frozen=True)
class Comparison:
    """A subject, with or without a baseline."""

    name: str
    subject: Callable[[], Sample]
    """Makes the sample, and does all set-up that serves more than one sample."""
    baseline: Callable[[], Sample] | None = None
    budget: Budget | None = None
    per: float = 1
    """Parts of one iteration (nodes, calls): times are divided by it."""
    check: int = 5
    """Loops with which both sides must compute the same value; 0 if the values mean nothing."""
    rounds: int | None = None
    """At most this many rounds."""
    slow: bool = False
    """Whether a quick run omits it."""
    note: str = ""

    def run(self, effort: Effort) -> Iterator[Row]:
        if self.slow and effort.quick:
            return
        if self.rounds is not None:
            effort = replace(effort, rounds=min(effort.rounds, self.rounds))
        samples = [self.subject()]
        if self.baseline is not None:
            samples.append(self.baseline())
        if self.check:
            check_equal(samples, self.name, loops=self.check)
        taken = [[value * 1e9 / self.per for value in values] for values in interleave(samples, effort)]
        baseline = taken[1] if len(taken) == 2 else None
        yield row_of_pairs(self.name, taken[0], baseline, budget=self.budget, note=self.note)
