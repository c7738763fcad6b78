"""How much memory do tail calls accumulate, and how much does a parked agent take?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.harness.row import Budget, Row, row_of_pairs
from benchmarks.harness.subprocesses import measured
from benchmarks.harness.timing import Effort


@dataclass(frozen=True)
class TailCalls:
    """Memory of a process after many tail calls, against one after few.

    Two equal processes differ by half a percent, and some interpreters allocate a hundred kilobytes once, after more
    than a thousand calls. One byte that each tail call did not free would be a third of the whole.
    """

    name: str = "memory after tail calls"

    def run(self, effort: Effort) -> Iterator[Row]:
        many = effort.pick(10_000_000, 1_000_000, 2_000)
        rounds = range(effort.pick(5, 3, 1))
        pairs = [(measured("tail_calls", many), measured("tail_calls", 1_000)) for _ in rounds]
        subject, baseline = ([pair[side]["total"] for pair in pairs] for side in (0, 1))
        yield row_of_pairs(
            f"memory of the process after {many:,} tail calls, against 1,000",
            subject,
            baseline,
            unit="B",
            budget=Budget(1.01),
        )
        subject, baseline = ([pair[side]["blocks"] for pair in pairs] for side in (0, 1))
        yield row_of_pairs(
            f"blocks that {many:,} tail calls leave allocated",
            subject,
            unit="blocks",
            budget=Budget(100, of="subject"),
        )


@dataclass(frozen=True)
class Parked:
    """An agent that waits in `recv(timeout=...)`, against an asyncio task in `wait_for(queue.get(), ...)`."""

    name: str = "memory of a parked agent"

    def run(self, effort: Effort) -> Iterator[Row]:
        agents = effort.pick(100_000, 10_000, 100)
        rounds = range(effort.pick(3, 1, 1))
        pairs = [(measured("parked_runs", agents), measured("parked_asyncio_tasks", agents)) for _ in rounds]

        def row(name: str, key: str, unit: str, budget: Budget | None = None, scale: float = 1) -> Row:
            subject, baseline = ([pair[side][key] * scale for pair in pairs] for side in (0, 1))
            return row_of_pairs(name, subject, baseline, unit=unit, budget=budget)

        yield row("parked agent, beyond its channel", "beyond_resident", "B", Budget(2_048, of="subject"))
        yield row("parked agent, with its channel", "whole_resident", "B")
        yield row("parked agent, objects the collector walks", "beyond_walked", "objects")
        yield row(f"a full collection, {agents:,} agents parked", "collection", "ns", scale=1e9)


def benchmarks() -> Iterator[TailCalls | Parked]:
    yield TailCalls()
    yield Parked()
