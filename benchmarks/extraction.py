"""What it costs to know a shape again: extraction and lookup, a node."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from benchmarks.expressions import SHAPES
from benchmarks.probe import Lookup
from benchmarks.row import Budget, Comparison
from benchmarks.timing import Sample, applying

SIZES = (12, 100, 1_000)


def looking_up(shape: str, nodes: int) -> Sample:
    return applying(Lookup(), SHAPES[shape](nodes))


def benchmarks() -> Iterator[Comparison]:
    for shape in SHAPES:
        for nodes in SIZES:
            yield Comparison(
                f"extraction and lookup a node, {shape} of {nodes:,}",
                partial(looking_up, shape, nodes),
                budget=Budget(30, of="subject"),
                per=nodes,
                check=0,
            )
