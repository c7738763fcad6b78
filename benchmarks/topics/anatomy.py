"""Where does the time of one heavy iteration go?

No code is instrumented: each part is one loop or the difference of two loops, all of them interleaved. The shares are
of the whole iteration at the default quantum with inline tasks; the last row is the time that quantum 0 adds.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from benchmarks.harness.probe import Extraction, Hydration, Lookup, Nothing
from benchmarks.harness.row import Row, row_of_pairs
from benchmarks.harness.timing import Effort, Sample, applying, awaiting, calling, interleave, repeating, running
from benchmarks.topics.countdown import heavy


@dataclass(frozen=True)
class Loops:
    """The samples, in the order in which they run."""

    call: Sample
    """An empty Python function in a loop: the cost of the step's own call, which `construction` contains."""
    apply: Sample
    """The cost of the call of `extraction`, `lookup` and `hydration`."""
    calls: Sample
    construction: Sample
    extraction: Sample
    lookup: Sample
    hydration: Sample
    whole: Sample
    quantum_zero: Sample

    @classmethod
    def make(cls) -> Loops:
        subject = heavy("inline")
        expression = subject.task.fn(1, None)
        return cls(
            call=repeating(_nothing),
            apply=applying(Nothing(), expression),
            calls=awaiting(subject.without),
            construction=calling(partial(build, subject.task.fn)),
            extraction=applying(Extraction(), expression),
            lookup=applying(Lookup(), expression),
            hydration=applying(Hydration(), expression),
            whole=running(subject.start),
            quantum_zero=running(subject.start, quantum=0),
        )


def _nothing() -> None:
    return None


def build(step: Any, loops: int) -> object:
    """Call the step repeatedly. Each call makes the next expression and frees the last one; both are construction."""
    value: object = None
    for _ in range(loops):
        value = step(1, None)
    return value


@dataclass(frozen=True)
class Anatomy:
    name: str = "anatomy of a heavy iteration"

    def run(self, effort: Effort) -> Iterator[Row]:
        loops = Loops.make()
        taken = interleave(list(vars(loops).values()), effort)
        by_name = {name: [seconds * 1e9 for seconds in values] for name, values in zip(vars(loops), taken, strict=True)}
        parts = [_parts(dict(zip(by_name, turn, strict=True))) for turn in zip(*by_name.values(), strict=True)]
        for part in parts[0]:
            yield row_of_pairs(f"anatomy: {part}", [turn[part] for turn in parts], by_name["whole"])


def _parts(loop: dict[str, float]) -> dict[str, float]:
    """Nanoseconds of each part in one round; the sum of all but the last two is the whole."""
    calls = loop["calls"]
    construction = loop["construction"] - loop["call"]
    extraction = loop["extraction"] - loop["apply"]
    lookup = loop["lookup"] - loop["extraction"]
    hydration = loop["hydration"] - loop["lookup"]
    known = calls + construction + extraction + lookup + hydration
    return {
        "calls of the 12 functions": calls,
        "construction of 12 lazy results, and their end": construction,
        "extraction": extraction,
        "lookup": lookup,
        "hydration": hydration,
        "the rest: dispatch, results, tail call": loop["whole"] - known,
        "whole iteration, default quantum": loop["whole"],
        "what quantum 0 adds: a turn of the event loop": loop["quantum_zero"] - loop["whole"],
    }


def benchmarks() -> Iterator[Anatomy]:
    yield Anatomy()
