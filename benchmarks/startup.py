"""How long a fresh process waits: the import, and the first result."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.row import Budget, Row, row_of_pairs
from benchmarks.subprocesses import timed_code
from benchmarks.timing import Effort

FIRST_RESULT = """
import cascade as cs
@cs.task(mode="inline")
def add(a, b): return a + b
assert cs.run(add(add(1, 2), 3)) == 6
"""
FIRST_RESULT_OF_ASYNCIO = """
import asyncio
async def add(a, b): return a + b
async def both(): return await add(await add(1, 2), 3)
assert asyncio.run(both()) == 6
"""


@dataclass(frozen=True)
class Start:
    name: str
    subject: str
    baseline: str
    budget: Budget | None = None

    def run(self, effort: Effort) -> Iterator[Row]:
        taken: list[tuple[float, float]] = []
        for turn in range(1 + effort.rounds):
            pair = timed_code(self.subject), timed_code(self.baseline)
            if turn:  # The first may have compiled the bytecode.
                taken.append((pair[0] * 1e9, pair[1] * 1e9))
        subject, baseline = zip(*taken, strict=True)
        yield row_of_pairs(self.name, subject, baseline, budget=self.budget)


def benchmarks() -> Iterator[Start]:
    yield Start("import cascade, against import asyncio", "import cascade", "import asyncio", Budget(60e6, "subject"))
    yield Start("import cascade, asyncio there already", "import asyncio, cascade", "import asyncio")
    yield Start("import cascade, against import msgspec", "import cascade", "import msgspec")
    yield Start("first result, against asyncio", FIRST_RESULT, FIRST_RESULT_OF_ASYNCIO)
