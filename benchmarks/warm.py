"""What a file of templates saves: the first iteration, a process's start; and what it takes.

Cold: the shape is built, solved and linked. Warm: it is found in a file of 10,000 other shapes, read, decoded, compared
with the key, and linked. The file was opened before; opening it has rows of its own.
"""

from __future__ import annotations

import atexit
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from time import perf_counter
from typing import Any

import cascade as cs
from benchmarks.row import Row, row_of_pairs
from benchmarks.subprocesses import timed_code
from benchmarks.timing import Effort, Sample, interleave

MANY = 10_000
SIZES = (2, 12, 100, 1_000, 10_000, 100_000)


@cs.task(mode="inline")
def zero(value: Any) -> Any:
    return value


@cs.task(mode="inline")
def one(value: Any) -> Any:
    return value


def numbered(number: int) -> Any:
    """A shape of its own for each number: a chain of 14 calls, one for each binary digit."""
    made: Any = number
    for digit in range(14):
        made = (one if number >> digit & 1 else zero)(made)
    return made


def chain(nodes: int) -> Any:
    """A chain that is no numbered one."""
    made: Any = cs.gather(zero(0)) if nodes == 2 else zero([one(0)])
    for _ in range(nodes - (2 if nodes == 2 else 3)):
        made = zero(made)
    return made


@cache
def place() -> Path:
    """A file of all these shapes."""
    directory = tempfile.TemporaryDirectory()
    atexit.register(directory.cleanup)
    path = Path(directory.name, "templates")
    templates = cs.Templates(max_entries=MANY + len(SIZES), max_bytes=1 << 40)
    for number in range(MANY):
        templates.lookup(numbered(number))
    for nodes in SIZES:
        templates.lookup(chain(nodes))
    templates.save(path)
    return path


def first_look_up(target: Any, *, warm: bool) -> Sample:
    """The first look-up of a shape in a table of its own."""

    def sample(loops: int) -> tuple[float, object]:
        seconds = 0.0
        opened = cs.Templates(max_bytes=1 << 40)
        if warm:
            opened.load(place())
        for _ in range(loops):
            templates = cs.Templates(max_bytes=1 << 40)
            # Opening sweeps the processor's caches: done each time, it would be in the time of what comes after it.
            templates.files = opened.files
            started = perf_counter()
            templates.lookup(target)
            seconds += perf_counter() - started
            assert templates.stats.loaded == warm
        return seconds, None

    return sample


@dataclass(frozen=True)
class FirstIteration:
    nodes: int

    @property
    def name(self) -> str:
        return f"first iteration, warm against cold, {self.nodes:,} nodes"

    def run(self, effort: Effort) -> Iterator[Row]:
        target = chain(self.nodes)
        samples = [first_look_up(target, warm=True), first_look_up(target, warm=False)]
        warm, cold = interleave(samples, effort, loops=max(1, min(200, 20_000 // self.nodes)))
        yield row_of_pairs(self.name, [value * 1e9 for value in warm], [value * 1e9 for value in cold])


@dataclass(frozen=True)
class Opening:
    name: str = f"opening a file of {MANY:,} templates"

    def run(self, effort: Effort) -> Iterator[Row]:
        def opening(loops: int) -> tuple[float, object]:
            path = place()
            started = perf_counter()
            for _ in range(loops):
                cs.Templates().load(path)
            return perf_counter() - started, None

        place()
        (taken,) = interleave([opening], effort)
        yield row_of_pairs(self.name, [value * 1e9 for value in taken])


@dataclass(frozen=True)
class Everything:
    name: str = f"all of {MANY:,} templates, a template"

    def run(self, effort: Effort) -> Iterator[Row]:
        targets = [numbered(number) for number in range(MANY)]

        def looking_up(warm: bool) -> Sample:
            def sample(loops: int) -> tuple[float, object]:
                templates = cs.Templates(max_entries=MANY, max_bytes=1 << 40)
                if warm:
                    templates.load(place())
                started = perf_counter()
                for target in targets:
                    templates.lookup(target)
                return perf_counter() - started, None

            return sample

        warm, cold = interleave([looking_up(True), looking_up(False)], effort, loops=1)
        yield row_of_pairs(
            f"{self.name} of 14 nodes: warm against cold",
            [value * 1e9 / MANY for value in warm],
            [value * 1e9 / MANY for value in cold],
        )


@dataclass(frozen=True)
class Size:
    name: str = "size of a file, a node"

    def run(self, effort: Effort) -> Iterator[Row]:
        from cascade.templates.reader import TemplateFile

        for nodes in SIZES:
            templates = cs.Templates(max_bytes=1 << 40)
            templates.lookup(chain(nodes))
            path = place().with_name("alone")
            path.unlink(missing_ok=True)
            templates.save(path)
            (entry,) = TemplateFile(path)
            yield Row(f"{self.name}, of {nodes:,} nodes", "B", (entry.size + 64) / nodes)


FIRST_RESULT = """
import cascade as cs
{preload}
@cs.task(mode="inline")
def add(a, b): return a + b
target = 0
for number in range({nodes}): target = add(target, number)
assert cs.run(target) == sum(range({nodes}))
"""


@dataclass(frozen=True)
class Process:
    nodes: int

    @property
    def name(self) -> str:
        return f"import and first result, warm against cold, {self.nodes:,} nodes"

    def run(self, effort: Effort) -> Iterator[Row]:
        path = place().with_name(f"process-{self.nodes}")
        cold = FIRST_RESULT.format(preload="", nodes=self.nodes)
        warm = FIRST_RESULT.format(preload=f"cs.preload({str(path)!r}, strict=False)", nodes=self.nodes)
        timed_code(f"import os\nos.environ['CASCADE_TEMPLATES'] = {str(path)!r}\n{cold}")
        taken = []
        for turn in range(1 + effort.rounds):
            pair = timed_code(warm) * 1e9, timed_code(cold) * 1e9
            if turn:
                taken.append(pair)
        subject, baseline = zip(*taken, strict=True)
        yield row_of_pairs(self.name, subject, baseline)


def benchmarks() -> Iterator[FirstIteration | Opening | Everything | Size | Process]:
    yield from map(FirstIteration, SIZES)
    yield Opening()
    yield Everything()
    yield Size()
    yield from map(Process, (2, 100, 10_000))
