"""How long does a fresh process take to import Cascade, and to compute its first result?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.harness.row import Budget, Row, row_of_codes
from benchmarks.harness.timing import Effort

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
        yield row_of_codes(self.name, self.subject, self.baseline, effort, budget=self.budget)


def benchmarks() -> Iterator[Start]:
    yield Start("import cascade, against import asyncio", "import cascade", "import asyncio", Budget(60e6, "subject"))
    yield Start("import cascade, asyncio there already", "import asyncio, cascade", "import asyncio")
    yield Start("import cascade, against import msgspec", "import cascade", "import msgspec")
    yield Start("first result, against asyncio", FIRST_RESULT, FIRST_RESULT_OF_ASYNCIO)
