"""`python -m benchmarks [--only NAME ...] [--quick] [--json FILE] [--no-gc] [--list]`."""

from __future__ import annotations

import argparse
import gc
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from benchmarks import (
    agents,
    anatomy,
    asynchronous,
    countdown,
    extraction,
    language,
    loop_library,
    memory,
    recursion,
    scaling,
    startup,
    warm,
)
from benchmarks.report import Stream, write_json
from benchmarks.row import Benchmark, Row
from benchmarks.timing import FULL, QUICK

TOPICS: dict[str, Callable[[], Iterator[Benchmark]]] = {
    "countdown": countdown.benchmarks,
    "asynchronous": asynchronous.benchmarks,
    "loop_library": loop_library.benchmarks,
    "recursion": recursion.benchmarks,
    "extraction": extraction.benchmarks,
    "scaling": scaling.benchmarks,
    "language": language.benchmarks,
    "anatomy": anatomy.benchmarks,
    "memory": memory.benchmarks,
    "agents": agents.benchmarks,
    "startup": startup.benchmarks,
    "warm": warm.benchmarks,
}


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure Cascade.")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="topics, or parts of benchmark names")
    parser.add_argument("--quick", action="store_true", help="fewer, shorter rounds: a look, not a measurement")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all rows there as well")
    parser.add_argument("--no-gc", action="store_true", help="turn the garbage collector off inside samples")
    parser.add_argument("--list", action="store_true", help="print the names and stop")
    return parser.parse_args(arguments)


def chosen(only: Sequence[str] | None) -> Iterator[Benchmark]:
    for topic, benchmarks in TOPICS.items():
        for benchmark in benchmarks():
            if only is None or any(name == topic or name in benchmark.name for name in only):
                yield benchmark


def main(arguments: Sequence[str] | None = None) -> int:
    options = parse(arguments)
    selected = list(chosen(options.only))
    if not selected:
        print(f"no benchmark is called {' or '.join(options.only)}; --list names them", file=sys.stderr)
        return 2
    if options.list:
        print("\n".join(benchmark.name for benchmark in selected))
        return 0
    effort = QUICK if options.quick else FULL
    if options.no_gc:
        gc.disable()
    # What was imported until here is no part of any sample's heap.
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
    kept = sum(row.met is True for row in rows)
    print(f"\n{len(rows)} rows; {kept} budgets met, {len(missed)} missed" + "".join(f"\n  missed: {n}" for n in missed))
    return 0


if __name__ == "__main__":
    sys.exit(main())
