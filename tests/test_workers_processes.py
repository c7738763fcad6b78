"""Processes in which a call can be given up."""

from __future__ import annotations

import concurrent.futures
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import pytest
from test_workers_threads import PATIENCE, until
from worker_tasks import die, double, hold, pid

from cascade.executors import ProcessExecutor


class Stage:
    """An executor, and calls that last until their gate, a file, is there."""

    def __init__(self, place: Path, max_processes: int) -> None:
        self.executor = ProcessExecutor(max_processes)
        self._place = place
        self._count = 0

    def hold(self) -> tuple[Future[Any], Path, int]:
        """A call at work, its gate, and the process that it keeps busy."""
        self._count += 1
        begun, gate = self._place / f"begun {self._count}", self._place / f"gate {self._count}"
        future = self.executor.submit(hold, (str(begun), str(gate)), {})
        until(lambda: begun.exists() and begun.read_text() != "")
        return future, gate, int(begun.read_text())

    def double(self, number: int) -> Future[Any]:
        return self.executor.submit(double, (number,), {})


@pytest.fixture(params=[1, 2])
def stage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stage]:
    stage = Stage(tmp_path, request.param)
    yield stage
    for number in range(20):
        (tmp_path / f"gate {number}").touch()
    stage.executor.close()


def alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def test_more_calls_than_processes(stage: Stage) -> None:
    futures = [stage.double(number) for number in range(50)]
    assert [future.result(PATIENCE) for future in futures] == [2 * number for number in range(50)]


def test_a_call_that_waits_can_be_cancelled(stage: Stage) -> None:
    """None is marked as running before it is: `ProcessPoolExecutor` takes one more than it has processes."""
    gates = [stage.hold()[1] for _ in range(stage.executor._max_processes or 0)]
    waiting = stage.double(1)
    assert not waiting.running()
    assert waiting.cancel()
    later = stage.double(2)
    for gate in gates:
        gate.touch()
    assert later.result(PATIENCE) == 4


def test_an_abandoned_call_alone_is_killed_at_once(tmp_path: Path) -> None:
    stage = Stage(tmp_path, 1)
    future, _, process = stage.hold()
    waiting = stage.double(1)
    stage.executor.abandon(future)
    assert waiting.result(PATIENCE) == 2
    until(lambda: not alive(process))
    concurrent.futures.wait([future], PATIENCE)
    assert isinstance(future.exception(), BrokenProcessPool)  # nobody looks
    stage.executor.close()


def test_what_is_at_work_beside_an_abandoned_call_is_finished(tmp_path: Path) -> None:
    stage = Stage(tmp_path, 2)
    stuck, _, process = stage.hold()
    beside, gate, other = stage.hold()
    waiting = stage.double(1)
    stage.executor.abandon(stuck)
    assert waiting.result(PATIENCE) == 2
    assert alive(process) and alive(other)
    assert not beside.done()
    gate.touch()
    assert beside.result(PATIENCE) == "held"
    until(lambda: not alive(process))
    stage.executor.close()
    assert not alive(other)


def test_an_abandoned_call_that_ends_by_itself(tmp_path: Path) -> None:
    stage = Stage(tmp_path, 2)
    stuck, first, process = stage.hold()
    beside, second, _ = stage.hold()
    stage.executor.abandon(stuck)
    first.touch()
    assert stuck.result(PATIENCE) == "held"
    second.touch()
    assert beside.result(PATIENCE) == "held"
    until(lambda: not alive(process))  # the team has retired all the same
    stage.executor.close()


def test_every_call_abandoned(stage: Stage) -> None:
    for _ in range(3):
        future, _, _ = stage.hold()
        stage.executor.abandon(future)
        stage.executor.abandon(future)
    assert stage.double(4).result(PATIENCE) == 8


def test_abandoning_what_has_ended_or_not_begun(stage: Stage) -> None:
    done = stage.double(1)
    assert done.result(PATIENCE) == 2
    stage.executor.abandon(done)
    gates = [stage.hold()[1] for _ in range(stage.executor._max_processes or 0)]
    waiting = stage.double(2)
    stage.executor.abandon(waiting)
    assert waiting.cancelled()
    for gate in gates:
        gate.touch()
    assert stage.double(3).result(PATIENCE) == 6


def test_closing_kills_the_abandoned_and_waits_for_the_others(tmp_path: Path) -> None:
    stage = Stage(tmp_path, 2)
    stuck, _, process = stage.hold()
    beside, gate, _ = stage.hold()
    waiting = stage.double(1)
    stage.executor.abandon(stuck)
    closing = threading.Thread(target=stage.executor.close)
    closing.start()
    concurrent.futures.wait([waiting], PATIENCE)
    assert closing.is_alive()
    gate.touch()
    closing.join(PATIENCE)
    assert not closing.is_alive()
    assert beside.result(0) == "held"
    assert not alive(process)


def test_after_closing_nothing_is_left_of_those_that_retired(tmp_path: Path) -> None:
    """Also of those that were about to end when later ones retired, or when it was closed."""
    before = set(threading.enumerate())
    stage = Stage(tmp_path, 1)
    processes = []
    for _ in range(3):
        stuck, _, process = stage.hold()
        processes.append(process)
        stage.executor.abandon(stuck)
    assert stage.double(1).result(PATIENCE) == 2
    stage.executor.close()
    assert not any(map(alive, processes))
    assert set(threading.enumerate()) <= before


def test_closing_drops_what_waits(tmp_path: Path) -> None:
    stage = Stage(tmp_path, 1)
    future, gate, _ = stage.hold()
    waiting = [stage.double(number) for number in range(3)]
    closing = threading.Thread(target=stage.executor.close)
    closing.start()
    assert not concurrent.futures.wait(waiting, PATIENCE).not_done
    assert all(one.cancelled() for one in waiting)
    gate.touch()
    closing.join(PATIENCE)
    assert future.result(0) == "held"
    assert stage.double(2).result(PATIENCE) == 4  # it begins anew
    stage.executor.close()


def test_a_process_that_dies_fails_only_what_is_at_work(tmp_path: Path) -> None:
    executor = ProcessExecutor(1)
    dying = executor.submit(die, (), {})
    waiting = [executor.submit(double, (number,), {}) for number in range(3)]
    with pytest.raises(BrokenProcessPool):
        dying.result(PATIENCE)
    assert [future.result(PATIENCE) for future in waiting] == [0, 2, 4]
    executor.close()


def test_a_process_that_is_killed_while_idle() -> None:
    executor = ProcessExecutor(1)
    os.kill(executor.submit(pid, (), {}).result(PATIENCE), signal.SIGKILL)

    def answers() -> bool:
        try:
            return bool(executor.submit(double, (1,), {}).result(PATIENCE) == 2)
        except BrokenProcessPool:  # it was handed over before anybody knew
            return False

    until(answers)
    executor.close()


@pytest.mark.parametrize("max_processes", [0, -1, 2.0, True])
def test_what_is_no_number_of_processes_is_refused(max_processes: Any) -> None:
    with pytest.raises(ValueError, match="expected max_processes as None or an int of at least 1"):
        ProcessExecutor(max_processes)


def test_closing_what_was_never_used() -> None:
    ProcessExecutor().close()
