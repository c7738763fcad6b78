"""The event logger: levels, fields, and what is not made because nobody would log it."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from hypothesis import given

from cascade.events import (
    EVENTS,
    Event,
    EventLogger,
    NodeEvent,
    NodeFailed,
    NodeFinished,
    NodeRetrying,
    ResourceReleased,
    RunFinished,
    RunStarted,
)
from support.event_samples import ANY_EVENT, Stage, finished

STARTED = RunStarted(time=1.0, run=3, target="jobs.main")
FAILED = RunFinished(time=2.0, run=3, outcome="failed", iterations=2, seconds=1.0, error="ValueError: 100 % wrong")
NODE = {"time": 1.5, "run": 3, "task": "jobs.add", "path": "$.args[0]", "iteration": 2, "node": 1}


class Records(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)

    def told(self) -> list[tuple[str, str]]:
        return [(record.levelname, record.getMessage()) for record in self.records]


@pytest.fixture
def records() -> Records:
    return Records()


@pytest.fixture
def logger(records: Records) -> logging.Logger:
    logger = logging.Logger("test")
    logger.addHandler(records)
    return logger


def test_levels_and_words(logger: logging.Logger, records: Records) -> None:
    stage = Stage()
    with EventLogger(logger).attach(stage):
        stage.emit(
            STARTED,
            finished(1),
            NodeRetrying(**NODE, attempt=1, delay=0.5, error="E: gone"),
            NodeFailed(**NODE, error="ValueError: 100 % wrong"),
            ResourceReleased(time=1.6, run=3, name="db", scope="run", error="OSError: gone"),
            FAILED,
        )
    assert records.told() == [
        ("INFO", "run 3 started: jobs.main"),
        ("WARNING", "run 3 retrying: jobs.add at $.args[0], iteration 2: attempt 1 failed, next in 500 ms: E: gone"),
        ("WARNING", "run 3 error: jobs.add at $.args[0], iteration 2: ValueError: 100 % wrong"),
        ("ERROR", "run 3 released: db (run), but its teardown failed: OSError: gone"),
        ("ERROR", "run 3 failed: after 1.00 s, 2 tail calls: ValueError: 100 % wrong"),
    ]


def test_fields_of_the_event_are_attributes_of_the_record(logger: logging.Logger, records: Records) -> None:
    stage = Stage()
    with EventLogger(logger).attach(stage):
        stage.emit(FAILED)
    (record,) = records.records
    fields = {name: value for name, value in vars(record).items() if name.startswith("event")}
    assert fields == {
        "event": "RunFinished",
        "event_time": 2.0,
        "event_run": 3,
        "event_timestamp": 0.0,
        "event_process": "",
        "event_run_name": None,
        "event_tags": {},
        "event_call": 0,
        "event_outcome": "failed",
        "event_iterations": 2,
        "event_seconds": 1.0,
        "event_error": "ValueError: 100 % wrong",
    }


def test_events_below_the_level_are_not_wanted(logger: logging.Logger) -> None:
    stage = Stage()
    with EventLogger(logger).attach(stage):
        assert not stage.events.wants(NodeFinished)
        assert stage.events.wants(ResourceReleased)  # its teardown may fail
    with EventLogger(logger, level="debug").attach(stage):
        assert all(stage.events.wants(kind) for kind in EVENTS)
    with EventLogger(logger, level=logging.ERROR).attach(stage):
        assert {kind for kind in EVENTS if stage.events.wants(kind)} == {RunFinished, ResourceReleased}
    with EventLogger(logger, level=logging.CRITICAL).attach(stage):
        assert not any(stage.events.wants(kind) for kind in EVENTS)


def test_levels_of_ones_own(logger: logging.Logger, records: Records) -> None:
    stage = Stage()
    levels: dict[type[Event], int | str] = {NodeEvent: "WARNING", NodeFailed: logging.DEBUG, RunStarted: "debug"}
    with EventLogger(logger, levels=levels).attach(stage):
        stage.emit(STARTED, finished(1), NodeFailed(**NODE, error="e"), FAILED)
    assert [record.levelname for record in records.records] == ["WARNING", "ERROR"]


def test_the_level_of_the_logger_counts_too(logger: logging.Logger, records: Records) -> None:
    stage = Stage()
    logger.setLevel(logging.ERROR)
    with EventLogger(logger, level="DEBUG").attach(stage):
        stage.emit(STARTED, finished(1), FAILED)
    assert [record.levelname for record in records.records] == ["ERROR"]


def test_a_name_will_do(caplog: pytest.LogCaptureFixture) -> None:
    stage = Stage()
    caplog.set_level(logging.INFO)
    with EventLogger().attach(stage), EventLogger("mine").attach(stage):
        stage.emit(STARTED)
    assert [record.name for record in caplog.records] == ["cascade.events", "mine"]


@given(ANY_EVENT)
def test_any_event_can_be_logged_on_one_line(event: Event) -> None:
    stage, records, logger = Stage(), Records(), logging.Logger("any")
    logger.addHandler(records)
    with EventLogger(logger, level=logging.DEBUG).attach(stage):
        stage.emit(event)
    assert stage.reports == []
    (record,) = records.records
    assert record.getMessage().isprintable()


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"logger": 3}, TypeError, "logger must be a Logger or the name of one, got `int`"),
        ({"level": "loud"}, ValueError, "level must be one of .*, got 'loud'"),
        ({"level": 1.5}, TypeError, "level must be an int or a str, got `float`"),
        ({"levels": {int: 10}}, TypeError, "levels must be a class of events, got `int`"),
        ({"levels": {RunStarted: None}}, TypeError, "levels must be an int or a str, got `NoneType`"),
    ],
)
def test_wrong_arguments_are_refused(arguments: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        EventLogger(**arguments)
