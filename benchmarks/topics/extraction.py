"""What does it cost a node to recognise a shape: extraction and lookup?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.harness.expressions import SHAPES
from benchmarks.harness.probe import Lookup, Nothing
from benchmarks.harness.row import Budget, Row, row_of_pairs
from benchmarks.harness.timing import Effort, applying, interleave

SIZES = (12, 100, 1_000)


@dataclass(frozen=True)
class Known:
    """One expression, extracted and looked up repeatedly, without the cost of the call from Python."""

    shape: str
    nodes: int

    @property
    def name(self) -> str:
        return f"extraction and lookup a node, {self.shape} of {self.nodes:,}"

    def run(self, effort: Effort) -> Iterator[Row]:
        target = SHAPES[self.shape](self.nodes)
        lookups, nothings = interleave([applying(Lookup(), target), applying(Nothing(), target)], effort)
        taken = [(lookup - call) * 1e9 / self.nodes for lookup, call in zip(lookups, nothings, strict=True)]
        yield row_of_pairs(self.name, taken, budget=Budget(30, of="subject"))


def benchmarks() -> Iterator[Known]:
    for shape in SHAPES:
        for nodes in SIZES:
            yield Known(shape, nodes)
