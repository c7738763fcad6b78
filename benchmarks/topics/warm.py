"""What does a file of templates save in a first iteration and at the start of a process, and what does it cost?

Cold: the template is built, solved and linked. Warm: it is found in a file of 10,000 other templates, read, decoded,
compared with the key, and linked. The file is opened outside the measured time; opening it has a row of its own.
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
from benchmarks.harness.probe import bytes_of_one_template, with_files_of
from benchmarks.harness.row import Row, row_of_codes, row_of_pairs
from benchmarks.harness.subprocesses import timed_code
from benchmarks.harness.timing import Effort, Sample, interleave

MANY = 10_000
FEW = 100
SIZES = (2, 12, 100, 1_000, 10_000, 100_000)
LIMIT_OF_ONCE = 1_000
"""Nodes of the largest expression at the effort `ONCE`."""


@cs.task(mode="inline")
def zero(value: Any) -> Any:
    return value


@cs.task(mode="inline")
def one(value: Any) -> Any:
    return value


def numbered(number: int) -> Any:
    """An expression with a different shape for each number below 16,384: a chain of 14 calls, one a binary digit."""
    made: Any = number
    for digit in range(14):
        made = (one if number >> digit & 1 else zero)(made)
    return made


def chain(nodes: int) -> Any:
    """A chain with the shape of no numbered one."""
    made: Any = cs.gather(zero(0)) if nodes == 2 else zero([one(0)])
    for _ in range(nodes - (2 if nodes == 2 else 3)):
        made = zero(made)
    return made


def many(effort: Effort) -> int:
    """How many numbered shapes the file has."""
    return effort.pick(MANY, MANY, FEW)


def sizes(effort: Effort) -> tuple[int, ...]:
    return tuple(size for size in SIZES if size <= LIMIT_OF_ONCE or not effort.once)


@cache
def place(effort: Effort) -> Path:
    """A file of the templates of all these shapes."""
    directory = tempfile.TemporaryDirectory()
    atexit.register(directory.cleanup)
    path = Path(directory.name, "templates")
    templates = cs.Templates(max_entries=MANY + len(SIZES), max_bytes=1 << 40)
    for number in range(many(effort)):
        templates.lookup(numbered(number))
    for nodes in sizes(effort):
        templates.lookup(chain(nodes))
    templates.save(path)
    return path


def first_look_up(target: Any, effort: Effort, *, warm: bool) -> Sample:
    """The first look-up of a shape in a new table of templates."""

    def sample(loops: int) -> tuple[float, object]:
        seconds = 0.0
        opened = cs.Templates(max_bytes=1 << 40)
        if warm:
            opened.load(place(effort))
        for _ in range(loops):
            templates = with_files_of(opened, max_bytes=1 << 40)
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
        if self.nodes not in sizes(effort):
            return
        target = chain(self.nodes)
        samples = [first_look_up(target, effort, warm=warm) for warm in (True, False)]
        warm, cold = interleave(samples, effort, loops=1 if effort.once else max(1, min(200, 20_000 // self.nodes)))
        yield row_of_pairs(self.name, [value * 1e9 for value in warm], [value * 1e9 for value in cold])


@dataclass(frozen=True)
class Opening:
    name: str = f"opening a file of {MANY:,} templates"

    def run(self, effort: Effort) -> Iterator[Row]:
        def opening(loops: int) -> tuple[float, object]:
            path = place(effort)
            started = perf_counter()
            for _ in range(loops):
                cs.Templates().load(path)
            return perf_counter() - started, None

        place(effort)
        (taken,) = interleave([opening], effort)
        yield row_of_pairs(self.name, [value * 1e9 for value in taken])


@dataclass(frozen=True)
class Everything:
    name: str = f"all of {MANY:,} templates, a template"

    def run(self, effort: Effort) -> Iterator[Row]:
        number = many(effort)
        targets = [numbered(each) for each in range(number)]

        def looking_up(warm: bool) -> Sample:
            def sample(loops: int) -> tuple[float, object]:
                templates = cs.Templates(max_entries=MANY, max_bytes=1 << 40)
                if warm:
                    templates.load(place(effort))
                started = perf_counter()
                for target in targets:
                    templates.lookup(target)
                return perf_counter() - started, None

            return sample

        warm, cold = interleave([looking_up(True), looking_up(False)], effort, loops=1)
        yield row_of_pairs(
            f"{self.name} of 14 nodes: warm against cold",
            [value * 1e9 / number for value in warm],
            [value * 1e9 / number for value in cold],
        )


@dataclass(frozen=True)
class Size:
    name: str = "size of a file, a node"

    def run(self, effort: Effort) -> Iterator[Row]:
        for nodes in sizes(effort):
            templates = cs.Templates(max_bytes=1 << 40)
            templates.lookup(chain(nodes))
            path = place(effort).with_name("alone")
            path.unlink(missing_ok=True)
            templates.save(path)
            yield Row(f"{self.name}, of {nodes:,} nodes", "B", bytes_of_one_template(path) / nodes)


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
        if self.nodes not in sizes(effort):
            return
        path = place(effort).with_name(f"process-{self.nodes}")
        cold = FIRST_RESULT.format(preload="", nodes=self.nodes)
        warm = FIRST_RESULT.format(preload=f"cs.preload({str(path)!r}, strict=False)", nodes=self.nodes)
        timed_code(f"import os\nos.environ['CASCADE_TEMPLATES'] = {str(path)!r}\n{cold}")
        yield row_of_codes(self.name, warm, cold, effort)


def benchmarks() -> Iterator[FirstIteration | Opening | Everything | Size | Process]:
    yield from map(FirstIteration, SIZES)
    yield Opening()
    yield Everything()
    yield Size()
    yield from map(Process, (2, 100, 10_000))
