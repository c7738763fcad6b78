"""The benchmarks run: all code of each topic, once and with the smallest sizes. No duration is asserted."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import cascade as cs
from support.paths import TESTS

BENCHMARKS = TESTS.parent / "benchmarks"
TOPICS = sorted(path.stem for path in (BENCHMARKS / "topics").glob("*.py") if path.stem != "__init__")
POSIX_ONLY = {"agents", "memory"}
"""Topics that measure resident memory."""


def marked(topic: str) -> Any:
    return pytest.param(topic, marks=[pytest.mark.posix_only] if topic in POSIX_ONLY else [])


@pytest.fixture(autouse=True)
def in_source_tree(import_path: None) -> Iterator[None]:
    """`benchmarks` is in the source tree; the `cascade` beside it must not hide the one that is tested."""
    sys.path.append(str(BENCHMARKS.parent))
    yield
    load("harness.timing").close_loop()


def load(name: str) -> ModuleType:
    return importlib.import_module(f"benchmarks.{name}")


def test_each_topic_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    main = load("__main__")
    assert set(main.ORDER) == set(main.topics()) == set(TOPICS)
    assert list(main.topics()) == list(main.ORDER)
    assert main.main(["--list"]) == 0
    names = capsys.readouterr().out.splitlines()
    assert len(names) == len(set(names))
    for topic in TOPICS:
        assert main.main(["--list", "--only", topic]) == 0
        of_topic = capsys.readouterr().out.splitlines()
        assert {benchmark.name for benchmark in load(f"topics.{topic}").benchmarks()} <= set(of_topic) <= set(names)


def test_a_name_without_a_benchmark_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert load("__main__").main(["--only", "no such benchmark"]) == 2
    assert "--only must name topics or parts of benchmark names, got no such benchmark" in capsys.readouterr().err


@pytest.mark.parametrize("topic", [marked(topic) for topic in TOPICS])
def test_each_benchmark_of_a_topic_runs(topic: str) -> None:
    effort = load("harness.timing").ONCE
    found = list(load(f"topics.{topic}").benchmarks())
    assert found
    ran = [row for benchmark in found for row in benchmark.run(effort)]
    assert ran, "no benchmark made a row"
    names = {row.name for row in ran}
    assert len(names) == len(ran)
    assert all(row.rounds == 1 for row in ran)


def test_the_rows_are_printed_and_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    timing, report = load("harness.timing"), load("harness.report")
    (benchmark,) = load("topics.anatomy").benchmarks()
    rows = list(benchmark.run(timing.ONCE))
    stream = report.Stream()
    stream.heading()
    for row in rows:
        stream.row(row)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["benchmark", "subject", "baseline", "ratio", "quartiles", "budget", "met"]
    assert [line.partition("  ")[0] for line in lines[1:]] == [row.name for row in rows]
    report.write_json(tmp_path / "rows.json", rows, timing.ONCE)
    document = json.loads((tmp_path / "rows.json").read_text(encoding="utf-8"))
    assert [row["name"] for row in document["rows"]] == [row.name for row in rows]
    assert document["surroundings"]["effort"]["rounds"] == 1


@pytest.mark.parametrize(
    ("limit", "least", "met"), [(2.0, False, True), (1.9, False, False), (2.0, True, True), (2.1, True, False)]
)
def test_a_budget_is_met_at_its_limit(limit: float, least: bool, met: bool) -> None:
    row = load("harness.row")
    made = row.row_of_pairs("ratio", [2.0, 4.0, 60.0], [1.0, 2.0, 3.0], budget=row.Budget(limit, least=least))
    assert (made.subject, made.baseline, made.ratio, made.met) == (4.0, 2.0, 2.0, met)


def test_without_a_baseline_there_is_no_ratio() -> None:
    row = load("harness.row")
    for baseline in (None, [1.0, 0.0]):
        made = row.row_of_pairs("no ratio", [1.0, 2.0], baseline, budget=row.Budget(2.0))
        assert (made.subject, made.ratio, made.met) == (1.5, None, None)


def test_loops_are_calibrated_to_a_duration() -> None:
    calibrate = load("harness.timing").calibrate
    assert calibrate(lambda loops: (loops * 2.0**-20, None), 2.0**-4) == 2**16
    assert calibrate(lambda loops: (loops * 1.0, None), 2.0**-4) == 1


def test_two_sides_with_different_values_are_an_error() -> None:
    timing = load("harness.timing")
    with pytest.raises(AssertionError, match="two: the two sides must compute the same value, got 1 and 2"):
        timing.check_equal([timing.calling(lambda loops: 1), timing.calling(lambda loops: 2)], "two", loops=1)


# ------------------------------------------------------------------------------------------- below the public names


@cs.task(mode="inline")
def add(left: int, right: int) -> int:
    raise AssertionError("a rehearsal calls no task")


@pytest.mark.parametrize("name", ["Nothing", "Extraction", "Lookup", "Hydration"])
def test_probe_takes_the_first_steps_of_a_run(name: str) -> None:
    step = getattr(load("harness.probe"), name)()
    for _ in range(3):
        assert not step(add(1, add(2, 3)))


def test_probe_rehearses_only_lazy_results() -> None:
    """What `rehearse` does is not seen in its result; that it looks at its argument is."""
    probe = load("harness.probe")
    for step in (probe.Extraction(), probe.Lookup(), probe.Hydration()):
        with pytest.raises(TypeError):
            step(7)


def test_probe_builds_each_time() -> None:
    building = load("harness.probe").Building(add(1, add(2, 3)))
    (graph, plan, _), (again, _, _) = building(), building()
    assert len(graph.nodes) == 2
    assert graph == again and graph is not again
    assert plan is not None


def test_probe_opens_files_once(tmp_path: Path) -> None:
    probe = load("harness.probe")
    templates = cs.Templates()
    templates.lookup(add(1, 2))
    templates.save(tmp_path / "one")
    opened = cs.Templates()
    opened.load(tmp_path / "one")
    for _ in range(2):
        empty = probe.with_files_of(opened, max_entries=10)
        empty.lookup(add(3, 4))
        assert (empty.stats.loaded, empty.stats.builds) == (1, 0)
    size = (tmp_path / "one").stat().st_size
    assert 64 < probe.bytes_of_one_template(tmp_path / "one") < size
