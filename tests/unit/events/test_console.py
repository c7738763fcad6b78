"""The event console: what a person sees, on consoles of all kinds, and what is left out."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.event_samples import ANY_EVENT, Stage, finished

pytest.importorskip("rich")

from rich.cells import cell_len
from rich.console import Console

from cascade.events import (
    EVENTS,
    CacheHit,
    Event,
    EventConsole,
    NodeBlocked,
    NodeEvent,
    NodeFailed,
    NodeFinished,
    NodeRetrying,
    NodeSkipped,
    NodeStarted,
    NodeUnblocked,
    ResourceAcquired,
    ResourceReleased,
    RunFinished,
    RunStarted,
    TailCall,
    TaskDemoted,
    TemplateBuilt,
    TemplateEvicted,
    TemplateLoaded,
)
from cascade.extras import MissingExtraError


def console(width: int = 80, *, terminal: bool = False) -> Console:
    return Console(file=io.StringIO(), width=width, force_terminal=terminal, color_system=None)


def shown(events: Iterable[Event], to: Console | None = None, *, verbose: bool = False) -> list[str]:
    """The lines printed for some events."""
    stage, to = Stage(), console() if to is None else to
    with EventConsole(to, verbose=verbose).attach(stage):
        stage.emit(*events)
    assert stage.reports == []
    file = to.file
    assert isinstance(file, io.StringIO)
    return file.getvalue().splitlines()


def node(time: float, task: str = "jobs.fetch", run: int = 1) -> dict[str, Any]:
    return {"time": time, "run": run, "task": task, "path": "$.args[0]", "iteration": 2, "node": 1}


STARTED = RunStarted(time=10.0, run=1, target="jobs.main")
DONE = RunFinished(time=12.5, run=1, outcome="done", iterations=0, seconds=2.5)
A_DAY = [
    STARTED,
    TemplateBuilt(time=10.0, target="jobs.main", nodes=12, seconds=0.0002),
    TemplateLoaded(time=10.0, target="jobs.main", nodes=1),
    ResourceAcquired(time=10.0, run=1, name="db", scope="run"),
    NodeStarted(**node(10.1)),
    NodeRetrying(**node(10.2), attempt=1, delay=0.5, error="OSError: no route\nto host"),
    NodeFinished(**node(11), seconds=0.9),
    CacheHit(**node(11, "jobs.parse"), key="ab" * 32),
    NodeBlocked(**node(11, "jobs.train"), reason="waits for gpu"),
    NodeUnblocked(**node(12, "jobs.train"), reason="waits for gpu", seconds=1.0),
    NodeSkipped(**node(12, "jobs.send"), reason="jobs.ready was false"),
    TaskDemoted(time=12.2, task="jobs.slow", seconds=0.2),
    NodeFailed(**node(12.25, "jobs.divide"), error="ZeroDivisionError: division by zero"),
    ResourceReleased(time=12.4, run=1, name="db", scope="run"),
    ResourceReleased(time=12.4, name="pool", scope="engine", error="OSError: gone"),
    TemplateEvicted(time=12.4, target="jobs.main", nodes=12),
    RunFinished(
        time=12.5, run=1, outcome="failed", iterations=2, seconds=2.5, error="ZeroDivisionError: division by zero"
    ),
]


# -- what is shown -------------------------------------------------------------------------------------------------


def test_what_a_person_wants_to_know() -> None:
    assert shown(A_DAY) == [
        "   0.000  run 1  started    jobs.main",
        "   0.200  run 1  retrying   jobs.fetch at $.args[0], iteration 2: attempt 1 failed, next in 500 ms: "
        "OSError: no route to host",
        "   1.000  run 1  blocked    jobs.train at $.args[0], iteration 2: waits for gpu",
        "   2.000  run 1  unblocked  jobs.train at $.args[0], iteration 2 after 1.00 s: waits for gpu",
        "   2.000  run 1  skipped    jobs.send at $.args[0], iteration 2: jobs.ready was false",
        "   2.200  engine  demoted    jobs.slow to worker threads: a call held up the event loop for 200 ms",
        "   2.250  run 1  error      jobs.divide at $.args[0], iteration 2: ZeroDivisionError: division by zero",
        "   2.400  engine  released   pool (engine), but its teardown failed: OSError: gone",
        "   2.500  run 1  failed     jobs.main after 2.50 s, 2 tail calls, 1 retry, 1 skipped node, 1 wait",
    ]


def test_verbose_shows_every_event() -> None:
    lines = shown(A_DAY, verbose=True)
    assert len(lines) == len(A_DAY)
    assert lines[1] == "   0.000  engine  template   built for jobs.main: 12 nodes in 0.20 ms"
    assert lines[4] == "   0.100  run 1  running    jobs.fetch at $.args[0], iteration 2"
    assert lines[-1].endswith("1 retry, 1 skipped node, 1 wait, 1 cache hit")


@pytest.mark.parametrize(
    ("outcome", "error", "expected"),
    [
        ("done", None, "done       jobs.main in 2.50 s, 1,200 tail calls"),
        ("cancelled", None, "cancelled  jobs.main after 2.50 s, 1,200 tail calls"),
        ("skipped", "ready was false", "skipped    jobs.main after 2.50 s, 1,200 tail calls: ready was false"),
        ("failed", "ValueError: x", "failed     jobs.main after 2.50 s, 1,200 tail calls: ValueError: x"),
    ],
)
def test_outcomes(outcome: Any, error: str | None, expected: str) -> None:
    end = RunFinished(time=12.5, run=1, outcome=outcome, iterations=1200, seconds=2.5, error=error)
    assert shown([STARTED, end])[-1] == f"   2.500  run 1  {expected}"


def test_a_run_that_started_before_is_shown_without_its_name() -> None:
    assert shown([DONE]) == ["   0.000  run 1  done       in 2.50 s"]


def test_tail_calls_are_counted() -> None:
    calls = [TailCall(time=10 + number / 10, run=1, iteration=number, target="jobs.main") for number in range(1, 36)]
    assert len(shown([STARTED, *calls, DONE])) == 2
    assert shown([STARTED, *calls, DONE], verbose=True)[1:-1] == [
        "   1.100  run 1  looping    11 tail calls in 1.00 s, at iteration 11 of jobs.main",
        "   2.100  run 1  looping    10 tail calls in 1.00 s, at iteration 21 of jobs.main",
        "   3.100  run 1  looping    10 tail calls in 1.00 s, at iteration 31 of jobs.main",
    ]


def test_nodes_and_tail_calls_are_not_even_made_for_a_quiet_console() -> None:
    stage = Stage()
    with EventConsole(console()).attach(stage):
        unwanted = {kind for kind in EVENTS if not stage.events.wants(kind)}
    assert unwanted >= {NodeStarted, NodeFinished, TailCall, CacheHit, TemplateBuilt, ResourceAcquired}
    with EventConsole(console(), verbose=True).attach(stage):
        assert all(stage.events.wants(kind) for kind in EVENTS)


# -- what is left out ----------------------------------------------------------------------------------------------


def retries(times: Iterable[float], task: str = "jobs.fetch") -> list[NodeEvent]:
    return [NodeRetrying(**node(time, task), attempt=1, delay=0, error="E: x") for time in times]


def test_repeated_events_are_written_from_time_to_time() -> None:
    lines = shown([STARTED, *retries(range(10, 40)), DONE])
    assert [line[:8] for line in lines[1:-1]] == ["   0.000", "   1.000", "   2.000", "  12.000", "  22.000"]
    assert lines[4].endswith("(9 more like it left out)")
    assert lines[-1].endswith("30 retries")
    assert len(shown([STARTED, *retries(range(10, 40)), DONE], verbose=True)) == 32


def test_tasks_do_not_hide_one_another_until_they_are_very_many() -> None:
    few = [event for number in range(30) for event in retries([10 + number], f"jobs.task_{number}")]
    assert len(shown([STARTED, *few])) == 31
    many = [event for number in range(5000) for event in retries([10 + number / 5000], f"jobs.task_{number}")]
    assert len(shown([STARTED, *many])) <= 1 + 2 * 20 + 2


def test_of_a_crowd_of_runs_some_are_shown() -> None:
    runs = [RunStarted(time=10.0, run=number, target="jobs.main") for number in range(1, 1001)]
    ends = [RunFinished(time=10.5, run=number, outcome="done", iterations=0, seconds=0.5) for number in range(1, 1000)]
    last = RunFinished(time=11.5, run=1000, outcome="failed", iterations=0, seconds=1.5, error="E: x")
    lines = shown([*runs, *ends, last])
    assert len(lines) == 20 + 20 + 1 + 1
    assert lines[-2:] == [
        "   1.500  engine  and more   980 x started, 979 x done",
        "   1.500  run 1000  failed     jobs.main after 1.50 s: E: x",
    ]
    # What is not told when something else is, is told at the end.
    assert shown(runs)[-1] == "   0.000  engine  and more   980 x started"


def test_an_error_that_the_line_limiter_has_dropped_is_written_at_the_end_of_its_run() -> None:
    errors = [NodeFailed(**node(10.0, "jobs.fetch", run), error=f"E: {run}") for run in range(1, 41)]
    end = RunFinished(time=10.0, run=40, outcome="failed", iterations=0, seconds=0.0, error="E: 40")
    assert shown([*errors, end])[-2].endswith("failed     after 0.00 ms: E: 40")


def test_nothing_is_kept_of_runs_that_have_ended() -> None:
    stage = Stage()
    with EventConsole(console()).attach(stage) as attached:
        for number in range(1, 100):
            stage.emit(
                RunStarted(time=1.0, run=number, target="t"),
                RunFinished(time=1.0, run=number, outcome="done", iterations=0, seconds=0.0),
                ResourceReleased(time=1.0, run=number, name="db", scope="run"),
            )
        assert attached._runs == {}


# -- consoles ------------------------------------------------------------------------------------------------------


def test_a_terminal_has_hanging_lines() -> None:
    assert shown(A_DAY[5:6], console(70, terminal=True)) == [
        "   0.000  run 1  retrying   jobs.fetch at $.args[0], iteration 2:",
        "                            attempt 1 failed, next in 500 ms: OSError:",
        "                            no route to host",
    ]


def test_a_narrow_terminal_has_no_columns() -> None:
    assert shown(A_DAY[5:6], console(30, terminal=True)) == [
        "run 1 retrying: jobs.fetch",
        "  at $.args[0], iteration 2:",
        "  attempt 1 failed, next in",
        "  500 ms: OSError: no route to",
        "  host",
    ]


@given(st.lists(ANY_EVENT, max_size=8), st.integers(10, 150), st.booleans(), st.booleans())
def test_any_event_fits_any_terminal(events: list[Event], width: int, terminal: bool, verbose: bool) -> None:
    lines = shown(events, console(width, terminal=terminal), verbose=verbose)
    assert all(line.isprintable() for line in lines)
    if terminal:
        assert all(cell_len(line) <= width for line in lines)


@pytest.mark.parametrize("terminal", [True, False])
def test_texts_of_users_are_printed_as_they_are(terminal: bool) -> None:
    name = "[red]:smile: \x1b[31m[/nothing]\r\n\u202eevil\x07 https://x 'text' 12"
    lines = shown([RunStarted(time=0.0, run=1, target=name)], console(200, terminal=terminal))
    assert lines == [
        "   0.000  run 1  started    [red]:smile: \\x1b[31m[/nothing] \\u202eevil\\x07 https://x 'text' 12"
    ]


def test_colours_are_those_of_words_only() -> None:
    colourful = Console(file=io.StringIO(), width=80, force_terminal=True, color_system="standard")
    (line,) = shown([RunFinished(time=0.0, run=1, outcome="done", iterations=7, seconds=1.0)], colourful)
    assert line == "\x1b[2m   0.000  \x1b[0mrun 1  \x1b[32mdone       \x1b[0min 1.00 s, 7 tail calls"


def test_a_file_that_knows_no_unicode_will_do() -> None:
    content = io.BytesIO()
    file = io.TextIOWrapper(content, encoding="ascii")
    stage = Stage()
    with EventConsole(Console(file=file, width=80)).attach(stage):
        stage.emit(RunStarted(time=0.0, run=1, target="t\u00e2che \u5b8c"))
    assert stage.reports == []
    file.flush()
    assert content.getvalue().rstrip().endswith(b"started    t\\xe2che \\u5b8c")


def test_a_reader_that_has_gone_ends_no_run(monkeypatch: pytest.MonkeyPatch) -> None:
    class Gone(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    stage = Stage()
    to = Console(file=Gone(), width=80)

    def on_broken_pipe() -> None:  # rich's own, without turning standard output of the tests off
        raise SystemExit(1)

    monkeypatch.setattr(to, "on_broken_pipe", on_broken_pipe, raising=False)
    EventConsole(to).attach(stage)
    stage.emit(STARTED, DONE)
    assert [type(error) for _, error in stage.reports] == [BrokenPipeError]


def test_standard_error_is_the_default(capsys: pytest.CaptureFixture[str]) -> None:
    stage = Stage()
    with EventConsole().attach(stage):
        stage.emit(DONE)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "run 1  done" in captured.err


def test_what_is_no_console_is_refused() -> None:
    with pytest.raises(TypeError, match=r"console must be a rich\.console\.Console, got `StringIO`"):
        EventConsole(io.StringIO())  # type: ignore[arg-type]


def test_without_rich_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rich", None)
    with pytest.raises(MissingExtraError, match=r"the event console needs rich, which is missing: .*'cli'"):
        EventConsole()


def test_finished_nodes_have_their_time() -> None:
    assert shown([finished(3)], verbose=True) == ["   0.000  run 1  finished   jobs.add at $ in 500 ms"]
