"""The event log: what is written can be read back; when it is written; what happens when it cannot be."""

from __future__ import annotations

import gc
import io
import os
import tempfile
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cascade.events import EVENTS, Event, EventLog, NodeEvent, NodeFinished, RunEvent, RunFinished, RunStarted
from support.event_samples import ANY_EVENT, Stage, finished

ENDED = RunFinished(time=9.0, run=1, outcome="done", iterations=0, seconds=1.0)


@pytest.fixture
def stage() -> Stage:
    return Stage()


class Disk(io.RawIOBase):
    """A file that can be full, and takes a few bytes at a time."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.content = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        if not self.room:
            raise OSError(28, "No space left on device")
        taken = min(self.room, 7, len(data))
        self.content += data[:taken]
        self.room -= taken
        return taken


def lines(path: Path) -> int:
    return path.read_bytes().count(b"\n")


# -- round trip ----------------------------------------------------------------------------------------------------


@given(st.lists(ANY_EVENT, max_size=20), st.sampled_from([0, 100, 1 << 16]))
def test_what_is_written_can_be_read_back(sent: list[Event], buffer: int) -> None:
    stage = Stage()
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "events.jsonl"
        with EventLog(path, buffer=buffer) as log:
            log.attach(stage)
            stage.emit(*sent)
        assert list(EventLog.read(path, strict=True)) == sent
        assert lines(path) == len(sent)


@given(st.lists(ANY_EVENT, max_size=10), st.sampled_from(["utf-8", "ascii", "latin-1", "utf-16"]))
def test_text_files_of_any_encoding_will_do(sent: list[Event], encoding: str) -> None:
    stage = Stage()
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    with EventLog(file) as log:
        log.attach(stage)
        stage.emit(*sent)
    file.seek(0)
    assert list(EventLog.read(file, strict=True)) == sent


def test_every_class_has_a_name_of_its_own_in_json() -> None:
    assert len({kind.__struct_config__.tag for kind in EVENTS}) == len(EVENTS)
    assert all(kind.__struct_config__.tag == kind.__name__ for kind in EVENTS)


def test_texts_that_are_no_unicode_are_escaped(stage: Stage) -> None:
    file = io.BytesIO()
    with EventLog(file) as log:
        log.attach(stage)
        stage.emit(finished(1, task="file-\udcff"))
    file.seek(0)
    assert list(EventLog.read(file)) == [finished(1, task="file-\\udcff")]
    assert stage.reports == []


# -- what is written -----------------------------------------------------------------------------------------------


def test_only_the_types_asked_for_are_written_and_wanted(stage: Stage) -> None:
    file = io.StringIO()
    with EventLog(file, types=(RunStarted, NodeEvent)) as log:
        log.attach(stage)
        stage.emit(RunStarted(time=0.0, run=1, target="t"), finished(1), ENDED)
        assert {kind for kind in EVENTS if stage.events.wants(kind)} == {
            RunStarted,
            RunFinished,
            *(kind for kind in EVENTS if issubclass(kind, NodeEvent)),
        }  # the end of a run is when the log is flushed
    assert [line[:21] for line in file.getvalue().splitlines()] == ['{"event":"RunStarted"', '{"event":"NodeFinishe']
    assert not any(stage.events.wants(kind) for kind in EVENTS)


def test_overlapping_types_write_an_event_once(stage: Stage) -> None:
    file = io.StringIO()
    with EventLog(file, types=[Event, RunEvent, RunFinished]) as log:
        log.attach(stage)
        stage.emit(ENDED)
    assert file.getvalue().count("\n") == 1


def test_several_engines_share_a_log_and_each_can_be_detached(stage: Stage) -> None:
    other, stranger, file = Stage(), Stage(), io.BytesIO()
    with EventLog(file, RunFinished) as log:
        assert log.attach(stage).attach(other).attach(stage) is log
        stage.emit(ENDED)
        other.emit(ENDED)
        log.detach(stage)
        log.detach(stranger)
        stage.emit(ENDED)
        other.emit(ENDED)
    assert file.getvalue().count(b"\n") == 3


def test_a_log_keeps_no_engine_alive() -> None:
    stage = Stage()
    gone = weakref.ref(stage.events)
    with EventLog(io.StringIO()) as log:
        log.attach(stage)
        stage.emit(ENDED)
        del stage
        gc.collect()
        assert gone() is None
        assert repr(log) == "<EventLog of 0 engines>"


def test_a_file_is_appended_to_unless_it_is_to_be_new(stage: Stage, tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    for append, expected in [(True, 1), (True, 2), (False, 1)]:
        with EventLog(path, append=append) as log:
            log.attach(stage)
            stage.emit(ENDED)
        assert lines(path) == expected


def test_an_unfinished_line_spoils_no_event(stage: Stage, tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text('{"event":"RunFini')
    with EventLog(str(path)) as log:
        log.attach(stage)
        stage.emit(ENDED)
    assert list(EventLog.read(path)) == [ENDED]


# -- when ----------------------------------------------------------------------------------------------------------


def test_lines_are_buffered_until_a_run_has_ended(stage: Stage, tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    with EventLog(path) as log:
        log.attach(stage)
        stage.emit(finished(1), finished(2))
        assert lines(path) == 0
        stage.emit(ENDED)
        assert lines(path) == 3
        stage.emit(finished(3))
        assert lines(path) == 3
        log.flush()
        assert lines(path) == 4
        stage.emit(finished(4))
    assert lines(path) == 5


def test_the_buffer_is_bounded(stage: Stage, tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    line = len(b'{"event":"NodeFinished","time":1.0,"run":1,"task":"jobs.add","path":"$"}')
    with EventLog(path, buffer=10 * line) as log:
        log.attach(stage)
        for number in range(1000):
            stage.emit(finished(number))
            assert number + 1 - lines(path) <= 10


def test_a_buffer_of_none_writes_at_once(stage: Stage, tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    with EventLog(path, buffer=0) as log:
        log.attach(stage)
        stage.emit(finished(1))
        assert lines(path) == 1


def test_a_log_that_is_forgotten_is_written_when_it_is_let_go(stage: Stage, tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    log = EventLog(path).attach(stage)
    stage.emit(finished(1))
    log.detach()
    del log
    gc.collect()
    assert lines(path) == 1


def test_a_log_that_is_forgotten_is_written_when_python_ends(interpreter: Callable[..., str], tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    interpreter(
        f"""
        from cascade.events import EventLog
        from support.event_samples import Stage, finished
        stage = Stage()
        log = EventLog({str(path)!r}).attach(stage)
        stage.emit(finished(1))
        """
    )
    assert lines(path) == 1


def test_files_of_others_are_left_open(stage: Stage) -> None:
    file = io.StringIO()
    with EventLog(file) as log:
        log.attach(stage)
        stage.emit(ENDED)
    assert not file.closed
    assert log.closed
    log.close()
    with pytest.raises(ValueError, match="the event log is closed"):
        log.attach(stage)


def test_a_log_detaches_when_it_is_closed(stage: Stage, tmp_path: Path) -> None:
    log = EventLog(tmp_path / "events.jsonl").attach(stage)
    log.close()
    stage.emit(ENDED)
    assert stage.reports == []


# -- what goes wrong -----------------------------------------------------------------------------------------------


def test_a_path_that_cannot_be_opened_is_an_error_at_once(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        EventLog(tmp_path / "missing" / "events.jsonl")
    with pytest.raises(IsADirectoryError):
        EventLog(tmp_path)
    with pytest.raises(FileNotFoundError):
        EventLog.read(tmp_path / "missing.jsonl")


@pytest.mark.parametrize("file", [None, 1, b"bytes", object()])
def test_what_is_no_file_is_refused(file: Any) -> None:
    with pytest.raises(TypeError, match=f"file must be a path or an open file, got `{type(file).__name__}`"):
        EventLog(file)
    with pytest.raises(TypeError, match="file must be a path or an open file"):
        EventLog.read(file)


def test_other_wrong_arguments_are_refused(stage: Stage, tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    with pytest.raises(TypeError, match=r"types\[1\] must be a class of events, got `int`"):
        EventLog(path, (RunStarted, int))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"types must be .* got an empty one"):
        EventLog(path, ())
    with pytest.raises(ValueError, match="got -1"):
        EventLog(path, buffer=-1)
    with pytest.raises(ValueError, match="got a closed file"):
        closed = io.StringIO()
        closed.close()
        EventLog(closed)
    assert not path.exists()
    with EventLog(path) as log, pytest.raises(TypeError, match="engine must be an Engine, got `int`"):
        log.attach(3)  # type: ignore[arg-type]


def test_a_full_disk_is_reported_once_and_nothing_is_written_in_part(stage: Stage) -> None:
    disk = Disk(room=1000)
    with EventLog(disk, buffer=300) as log:
        log.attach(stage)
        for number in range(100):
            stage.emit(finished(number))
        assert len(stage.reports) == 1
        assert log.lost > 50
        lost = log.lost
        disk.room = 1 << 20
        stage.emit(finished(100))
        assert log.lost == lost
    read = list(EventLog.read(io.BytesIO(bytes(disk.content)), strict=True))
    assert len(read) == 101 - lost
    assert read[-1] == finished(100)
    assert [event.node for event in read if isinstance(event, NodeFinished)] == [*range(100 - lost), 100]


def test_closing_a_log_that_cannot_be_written_says_so_and_closes_it(stage: Stage) -> None:
    log = EventLog(Disk(room=0)).attach(stage)
    stage.emit(finished(1))
    with pytest.raises(OSError, match="No space left"):
        log.close()
    assert log.closed
    log.close()


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_real_full_disk(stage: Stage) -> None:
    log = EventLog("/dev/full", buffer=0).attach(stage)
    stage.emit(finished(1), finished(2))
    assert [type(error) for _, error in stage.reports] == [OSError]
    with pytest.raises(OSError, match="No space left"):
        log.close()


def test_strangers_lines_are_skipped_or_an_error(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    with EventLog(path) as log:
        stage = Stage()
        log.attach(stage)
        stage.emit(finished(1))
    with path.open("ab") as file:
        file.write(b'hello\n\n{"event":"Later","time":1.0}\n[1]\n{"time":1.0}\n\xff\xfe\n{"event":"NodeFin')
    assert list(EventLog.read(path)) == [finished(1)]
    strict = EventLog.read(path, strict=True)
    assert next(strict) == finished(1)
    with pytest.raises(ValueError, match=r"line 2 of .*events\.jsonl must be an event, got b'hello': "):
        next(strict)


def test_fields_of_a_later_version_are_ignored() -> None:
    line = '{"event":"RunStarted","time":1.0,"run":2,"target":"t","mood":"good"}\n'
    assert list(EventLog.read(io.StringIO(line), strict=True)) == [RunStarted(time=1.0, run=2, target="t")]


def test_a_reader_that_is_let_go_closes_its_file(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text("\n")
    reader: Iterator[Event] = EventLog.read(path)
    del reader
    gc.collect()  # a file left open would be a warning, and that an error
