"""What do agents cost at scale: fireflies as Cascade's agents, as asyncio tasks, and as bare coroutines on a heap?

Under the virtual clock the baseline is the coroutines, which must make exactly the same flashes; under the real clock
it is the asyncio tasks. Each figure is measured in a fresh process by `benchmarks.soak.populations`.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from benchmarks.harness.row import Budget, Row, row_of_pairs
from benchmarks.harness.timing import Effort
from benchmarks.soak.populations import Figures, Plan, Way, measured

SIDES = (30, 100, 316)
QUICK_SIDES = (30, 100)
ROUNDS = {30: 5, 100: 3, 316: 1}
LADDER = (70, 100, 141, 187, 224, 265, 316)
"""Sides of grids of about 5, 10, 20, 35, 50, 70 and 100 thousand."""
QUICK_LADDER = (70, 141)
KINDS = {"in step": 0.2, "apart": 0.0}
LATENESS = {
    f"{what}, {word}": f"{key}_{part}"
    for what, key in (("loop lag", "lag"), ("a flash is late", "late"))
    for word, part in (("median", "p50"), ("99 %", "p99"), ("most", "most"))
}
"""Names of rows, and the figures that they show (those that were measured)."""
SAME = ("events", "flashes", "order", "state", "trace")
MAX_MEDIAN_LAG, MAX_LAG_OF_99 = 0.005, 0.05
"""Seconds that the event loop may be late: in the median, and in 99 of 100 cases."""
TUNED = ", tuned"
WAYS: tuple[Way, ...] = ("cascade", "heap")
QUICK_SECONDS = 5.0
"""Real time of a quick run: a whole period, so that both sides do the same work wherever the measurement begins."""
ONCE_SIDE = 10


def sides(effort: Effort) -> tuple[int, ...]:
    return effort.pick(SIDES, QUICK_SIDES, SIDES[:1])


def kept_time(figures: Figures) -> bool:
    """Whether the lag of the event loop was within both limits."""
    return bool(figures["lag_p50"] < MAX_MEDIAN_LAG and figures["lag_p99"] < MAX_LAG_OF_99)


def rows_of(name: str, default: Sequence[Sequence[Figures]], tuned: Sequence[Sequence[Figures]]) -> Iterator[Row]:
    """The rows under either clock, of Cascade's figures and the baseline's, round by round."""

    def row(what: str, key: str, unit: str, scale: float, source: Sequence[Sequence[Figures]], limit: float = 0) -> Row:
        subject, baseline = ([figures[key] * scale for figures in side] for side in source)
        budget = Budget(limit, of="subject") if limit else None
        return row_of_pairs(f"{name}: {what}", subject, baseline, unit=unit, budget=budget)

    def pair(what: str, key: str, unit: str, scale: float, source: Sequence[Sequence[Figures]]) -> Row:
        """A row of two numbers of which one may be 0, and so without a ratio."""
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
    """A span of virtual time, of Cascade and of the heap."""

    side: int
    kind: str

    @property
    def name(self) -> str:
        return f"virtual, {self.side**2:,} agents {self.kind}"

    def run(self, effort: Effort) -> Iterator[Row]:
        if self.side not in sides(effort):
            return
        seconds = effort.pick(300.0 if self.kind == "in step" or self.side < SIDES[-1] else 100.0, 20.0, 5.0)
        side = effort.pick(self.side, self.side, ONCE_SIDE)
        plan = Plan("cascade", side, seconds, virtual=True, nudge=KINDS[self.kind])
        default = list[Figures](), list[Figures]()
        tuned = list[Figures](), list[Figures]()
        for turn in range(1 if effort.quick else ROUNDS[self.side]):
            for tune, both in ((False, default), (True, tuned)):
                for way, taken in zip(WAYS, both, strict=True):
                    taken.append(measured(replace(plan, turn=turn, way=way, tuned=tune)))
                    check_same(self.name, taken[-1], default[0][0])
        yield from rows_of(self.name, default, tuned)


@dataclass(frozen=True)
class Flashes:
    """Whether Cascade's agents and the bare coroutines make the same flashes at the same instants."""

    name: str = "virtual: the same flashes"

    def run(self, effort: Effort) -> Iterator[Row]:
        for kind, nudge in KINDS.items():
            side, seconds = effort.pick((30, 60.0), (30, 60.0), (ONCE_SIDE, 5.0))
            plan = Plan("cascade", side, seconds, virtual=True, nudge=nudge, traced=True)
            ours, theirs = measured(plan), measured(replace(plan, way="heap"))
            check_same(f"{self.name}, {kind}", ours, theirs)
            yield Row(f"{self.name}, {kind}", "flashes", ours["flashes"], theirs["flashes"])


def check_same(name: str, ours: Figures, theirs: Figures) -> None:
    for key in SAME:
        if ours.get(key) != theirs.get(key):
            raise AssertionError(f"{name}: {key} must be the same on both sides, got {ours[key]!r} and {theirs[key]!r}")


@dataclass(frozen=True)
class Real:
    """Some periods of real time, of Cascade's agents and of asyncio tasks."""

    side: int

    @property
    def name(self) -> str:
        return f"real, {self.side**2:,} agents in step"

    def run(self, effort: Effort) -> Iterator[Row]:
        if self.side not in sides(effort):
            return
        side = effort.pick(self.side, self.side, ONCE_SIDE)
        plan = Plan("cascade", side, effort.pick(20.0, QUICK_SECONDS, 0.1), virtual=False)
        other = replace(plan, way="asyncio")
        tuned = replace(plan, tuned=True), replace(other, tuned=True)
        default = [measured(plan)], [measured(other)]
        yield from rows_of(self.name, default, [[measured(plan)] for plan in tuned])
        (ours,), (theirs,) = default
        yield row_of_pairs(f"{self.name}: events", [ours["meanwhile"]], [theirs["meanwhile"]], unit="events")
        for name, key in LATENESS.items():
            if key in ours and key in theirs:
                yield row_of_pairs(f"{self.name}: {name}", [ours[key] * 1e9], [theirs[key] * 1e9])


@dataclass(frozen=True)
class Largest:
    """The largest population beside which the event loop keeps its time."""

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
        for name, key in LATENESS.items():
            ours, theirs = (figures[key] * 1e9 if figures and key in figures else None for figures in found.values())
            if ours is not None:
                yield Row(f"{self.name}: {name}", "ns", ours, theirs)

    def climb(self, way: Way, effort: Effort) -> Figures | None:
        """The figures of the largest population that keeps the time, by bisection; a failure is tried once more."""
        rungs = effort.pick(LADDER, QUICK_LADDER, (ONCE_SIDE,))
        seconds = effort.pick(20.0, QUICK_SECONDS, 0.1)
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
