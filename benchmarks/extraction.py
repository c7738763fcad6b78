"""What it costs to know a shape again: extraction and lookup, a node."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.expressions import SHAPES
from benchmarks.probe import Lookup, Nothing
from benchmarks.row import Budget, Row, row_of_pairs
from benchmarks.timing import Effort, applying, interleave

SIZES = (12, 100, 1_000)


@dataclass(frozen=True)
class Known:
    """One expression, extracted and looked up again and again, less the call that does it from Python."""

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
