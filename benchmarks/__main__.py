"""`python -m benchmarks [--only NAME ...] [--quick | --best] [--json FILE] [--no-gc] [--list]`."""

from __future__ import annotations

import argparse
import gc
import sys
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import TypeAlias

from benchmarks.harness.report import Stream, write_json
from benchmarks.harness.row import Benchmark, Row
from benchmarks.harness.timing import BEST, FULL, QUICK

Topic: TypeAlias = Callable[[], Iterator[Benchmark]]
"""Makes the benchmarks of one topic."""

ORDER = (
    "countdown",
    "asynchronous",
    "loop_library",
    "recursion",
    "extraction",
    "scaling",
    "language",
    "anatomy",
    "memory",
    "agents",
    "startup",
    "warm",
)
"""The order of the topics in a full run; a topic that is not listed comes after these."""


def topics() -> dict[str, Topic]:
    """The topics by name. Each is a file in `topics/`, named like its topic."""
    found = {path.stem for path in (Path(__file__).parent / "topics").glob("*.py")} - {"__init__"}
    in_order = sorted(found, key=lambda name: (ORDER.index(name) if name in ORDER else len(ORDER), name))
    return {name: import_module(f"benchmarks.topics.{name}").benchmarks for name in in_order}


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure Cascade.")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="topics, or parts of benchmark names")
    parser.add_argument("--quick", action="store_true", help="fewer, shorter rounds: for orientation only")
    parser.add_argument("--best", action="store_true", help="the shortest of many short samples: for a busy machine")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write all rows to this file")
    parser.add_argument("--no-gc", action="store_true", help="turn the garbage collector off inside samples")
    parser.add_argument("--list", action="store_true", help="print the names of the benchmarks and exit")
    return parser.parse_args(arguments)


def chosen(only: Sequence[str] | None) -> Iterator[Benchmark]:
    """The benchmarks whose topic, or part of whose name, is in `only`; all if it is None."""
    for topic, benchmarks in topics().items():
        for benchmark in benchmarks():
            if only is None or any(name == topic or name in benchmark.name for name in only):
                yield benchmark


def main(arguments: Sequence[str] | None = None) -> int:
    options = parse(arguments)
    selected = list(chosen(options.only))
    if not selected:
        names = " ".join(options.only)
        print(f"--only must name topics or parts of benchmark names, got {names}; see --list", file=sys.stderr)
        return 2
    if options.list:
        print("\n".join(benchmark.name for benchmark in selected))
        return 0
    effort = BEST if options.best else QUICK if options.quick else FULL
    if options.no_gc:
        gc.disable()
    # The collector need not walk in any sample what was imported up to here.
    gc.freeze()
    stream, rows = Stream(), list[Row]()
    stream.heading()
    for benchmark in selected:
        for row in benchmark.run(effort):
            stream.row(row)
            rows.append(row)
    if options.json is not None:
        write_json(options.json, rows, effort)
    missed = [row.name for row in rows if row.met is False]
    met = sum(row.met is True for row in rows)
    print(f"\n{len(rows)} rows; {met} budgets met, {len(missed)} missed" + "".join(f"\n  missed: {n}" for n in missed))
    return 0


if __name__ == "__main__":
    sys.exit(main())
