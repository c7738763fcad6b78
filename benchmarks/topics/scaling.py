"""Does a node of a large expression cost more than a node of a small one?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from benchmarks.harness.expressions import SHAPES
from benchmarks.harness.probe import Building, Extraction
from benchmarks.harness.row import Budget, Row, row_of_pairs
from benchmarks.harness.timing import Effort, Sample, applying, interleave, repeating, running

SMALLEST = 1_000
SIZES = (1_000, 10_000, 100_000, 1_000_000)
QUICK_SIZES = (1_000, 10_000, 100_000)


def extracting(shape: str, nodes: int) -> Sample:
    return applying(Extraction(), SHAPES[shape](nodes))


def building(shape: str, nodes: int) -> Sample:
    return repeating(Building(SHAPES[shape](nodes)))


def evaluating(shape: str, nodes: int) -> Sample:
    """A whole run whose template is found; one loop runs one expression."""
    target = SHAPES[shape](nodes)
    once = running(lambda loops: target)

    def sample(loops: int) -> tuple[float, object]:
        taken = [once(1) for _ in range(loops)]
        return sum(seconds for seconds, _ in taken), taken[-1][1]

    return sample


STAGES = {"extraction": extracting, "build and solve": building, "run": evaluating}


@dataclass(frozen=True)
class Growth:
    """One stage at growing sizes, each against the smallest in the same rounds."""

    stage: str
    shape: str
    budget: Budget | None = None

    @property
    def name(self) -> str:
        return f"{self.stage} a node, {self.shape}"

    def run(self, effort: Effort) -> Iterator[Row]:
        make = STAGES[self.stage]
        smallest = make(self.shape, SMALLEST)
        few = replace(effort, rounds=min(effort.rounds, 7), warm_up=1)
        for nodes in effort.pick(SIZES, QUICK_SIZES, SIZES[:1]):
            taken = interleave([make(self.shape, nodes), smallest], few)
            yield row_of_pairs(
                f"{self.name} of {nodes:,}",
                [seconds * 1e9 / nodes for seconds in taken[0]],
                [seconds * 1e9 / SMALLEST for seconds in taken[1]],
                budget=self.budget,
            )


def benchmarks() -> Iterator[Growth]:
    for stage in STAGES:
        for shape in ("chain", "wide"):
            yield Growth(stage, shape, Budget(2.0) if stage == "build and solve" else None)
