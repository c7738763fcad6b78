"""Agents at scale: fireflies as Cascade's agents, beside the same as asyncio tasks and as bare coroutines on a heap.

Under the virtual clock against the coroutines, which must make the very same flashes; under the real one against the
tasks. Each figure comes from a process of its own, `benchmarks.populations`.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from benchmarks.populations import Figures, Plan, Way, measured
from benchmarks.row import Budget, Row, row_of_pairs
from benchmarks.timing import Effort

SIDES = (30, 100, 316)
QUICK_SIDES = (30, 100)
ROUNDS = {30: 5, 100: 3, 316: 1}
LADDER = (70, 100, 141, 187, 224, 265, 316)
"""Sides of grids of about 5, 10, 20, 35, 50, 70 and 100 thousand."""
QUICK_LADDER = (70, 141)
KINDS = {"in step": 0.2, "apart": 0.0}
SAME = ("events", "flashes", "order", "state", "trace")
MOST_LAG, MOST_LAG_OF_99 = 0.005, 0.05
TUNED = ", tuned"
WAYS: tuple[Way, ...] = ("cascade", "heap")
QUICK_SECONDS = 5.0
"""Of real time: a whole period, so that each side has the same to do wherever its measurement begins."""


def kept_time(figures: Figures) -> bool:
    """Whether the event loop was there for others, half of the time and 99 times in 100."""
    return bool(figures["lag_p50"] < MOST_LAG and figures["lag_p99"] < MOST_LAG_OF_99)


def rows_of(name: str, default: Sequence[Sequence[Figures]], tuned: Sequence[Sequence[Figures]]) -> Iterator[Row]:
    """What is told under either clock: of Cascade's figures and the others', round by round."""

    def row(what: str, key: str, unit: str, scale: float, source: Sequence[Sequence[Figures]], limit: float = 0) -> Row:
        subject, baseline = ([figures[key] * scale for figures in side] for side in source)
        budget = Budget(limit, of="subject") if limit else None
        return row_of_pairs(f"{name}: {what}", subject, baseline, unit=unit, budget=budget)

    def pair(what: str, key: str, unit: str, scale: float, source: Sequence[Sequence[Figures]]) -> Row:
        """Two numbers of which one may be 0, so that no ratio says anything."""
        subject, baseline = (statistics.median(figures[key] * scale for figures in side) for side in source)
        return Row(f"{name}: {what}", unit, subject, baseline)

    limit = 4_000 if name.startswith("virtual, 99,856") else 0  # nanoseconds
    for words, source in (("", default), (TUNED, tuned)):
        yield row(f"an event{words}", "event", "ns", 1e9, source, limit)
        yield pair(f"in the collector{words}", "collection", "%", 100, source)
        yield pair(f"longest collection{words}", "longest_collection", "ns", 1e9, source)
    yield row("all of it, processor time", "cpu", "ns", 1e9, default)
    yield row("start", "start", "ns", 1e9, default)
    yield row("memory, an agent", "memory", "B", 1, default)
    yield row("objects walked, an agent", "walked", "objects", 1, default)


@dataclass(frozen=True)
class Virtual:
    """A span of virtual time, on Cascade and on the heap."""

    side: int
    kind: str

    @property
    def name(self) -> str:
        return f"virtual, {self.side**2:,} agents {self.kind}"

    def run(self, effort: Effort) -> Iterator[Row]:
        if effort.quick and self.side not in QUICK_SIDES:
            return
        seconds = 20.0 if effort.quick else 300.0 if self.kind == "in step" or self.side < SIDES[-1] else 100.0
        plan = Plan("cascade", self.side, seconds, virtual=True, nudge=KINDS[self.kind])
        default = list[Figures](), list[Figures]()
        tuned = list[Figures](), list[Figures]()
        for turn in range(1 if effort.quick else ROUNDS[self.side]):
            for tune, sides in ((False, default), (True, tuned)):
                for way, side in zip(WAYS, sides, strict=True):
                    side.append(measured(replace(plan, turn=turn, way=way, tuned=tune)))
                    check_same(self.name, side[-1], default[0][0])
        yield from rows_of(self.name, default, tuned)


@dataclass(frozen=True)
class Flashes:
    """Whether Cascade's agents and the bare coroutines are the same fireflies: every flash, every instant."""

    name: str = "virtual: the same flashes"

    def run(self, effort: Effort) -> Iterator[Row]:
        for kind, nudge in KINDS.items():
            plan = Plan("cascade", 30, 60.0, virtual=True, nudge=nudge, traced=True)
            ours, theirs = measured(plan), measured(replace(plan, way="heap"))
            check_same(f"{self.name}, {kind}", ours, theirs)
            yield Row(f"{self.name}, {kind}", "flashes", ours["flashes"], theirs["flashes"])


def check_same(name: str, ours: Figures, theirs: Figures) -> None:
    for key in SAME:
        if ours.get(key) != theirs.get(key):
            raise AssertionError(f"{name}: the two sides differ in {key}: {ours[key]!r} and {theirs[key]!r}")


@dataclass(frozen=True)
class Real:
    """Some periods of real time, on Cascade and as asyncio tasks."""

    side: int

    @property
    def name(self) -> str:
        return f"real, {self.side**2:,} agents in step"

    def run(self, effort: Effort) -> Iterator[Row]:
        if effort.quick and self.side not in QUICK_SIDES:
            return
        plan = Plan("cascade", self.side, QUICK_SECONDS if effort.quick else 20.0, virtual=False)
        other = replace(plan, way="asyncio")
        tuned = replace(plan, tuned=True), replace(other, tuned=True)
        default = [measured(plan)], [measured(other)]
        yield from rows_of(self.name, default, [[measured(plan)] for plan in tuned])
        (ours,), (theirs,) = default
        yield row_of_pairs(f"{self.name}: events", [ours["meanwhile"]], [theirs["meanwhile"]], unit="events")
        for what, key in (("loop lag", "lag"), ("a flash is late", "late")):
            for word, part in (("median", "p50"), ("99 %", "p99"), ("most", "most")):
                name = f"{self.name}: {what}, {word}"
                yield row_of_pairs(name, [ours[f"{key}_{part}"] * 1e9], [theirs[f"{key}_{part}"] * 1e9])


@dataclass(frozen=True)
class Largest:
    """The largest population that leaves the event loop to others in time."""

    kind: str
    tuned: bool

    @property
    def name(self) -> str:
        return f"real, largest {self.kind}{TUNED if self.tuned else ''}"

    def run(self, effort: Effort) -> Iterator[Row]:
        if effort.quick and (self.tuned or self.kind != "in step"):
            return
        ways: tuple[Way, ...] = ("cascade", "asyncio")
        found = {way: self.climb(way, effort) for way in ways}
        subject, baseline = ((figures or {"agents": 0}) for figures in found.values())
        yield Row(
            f"{self.name} population",
            "agents",
            subject["agents"],
            baseline["agents"],
            subject["agents"] / baseline["agents"] if baseline["agents"] else None,
            budget=Budget(50_000, of="subject", least=True) if not effort.quick else None,
        )
        for what, key in (("loop lag", "lag"), ("a flash is late", "late")):
            for word, part in (("median", "p50"), ("99 %", "p99"), ("most", "most")):
                ours, theirs = (figures[f"{key}_{part}"] * 1e9 if figures else None for figures in found.values())
                if ours is not None:
                    yield Row(f"{self.name}: {what}, {word}", "ns", ours, theirs)

    def climb(self, way: Way, effort: Effort) -> Figures | None:
        """The figures of the highest rung that holds, found by halving; a rung that does not is tried once more."""
        rungs = QUICK_LADDER if effort.quick else LADDER
        seconds = QUICK_SECONDS if effort.quick else 20.0
        best: Figures | None = None
        low, high = 0, len(rungs)
        while low < high:
            middle = (low + high) // 2
            plan = Plan(way, rungs[middle], seconds, virtual=False, nudge=KINDS[self.kind], tuned=self.tuned)
            figures = measured(plan)
            if not kept_time(figures):
                figures = measured(replace(plan, turn=1))
            if kept_time(figures):
                best, low = figures, middle + 1
            else:
                high = middle
        return best


def benchmarks() -> Iterator[Flashes | Virtual | Real | Largest]:
    yield Flashes()
    for kind in KINDS:
        for side in SIDES:
            yield Virtual(side, kind)
    yield from map(Real, SIDES)
    for kind in KINDS:
        for tuned in (False, True):
            yield Largest(kind, tuned)
