"""Processes in which a call can be given up."""

from __future__ import annotations

import asyncio
import concurrent.futures
import os
import pickle
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from concurrent.futures import CancelledError, Future
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import pytest

import cascade as cs
from cascade.workers import process_pool
from cascade.workers.executors import ProcessExecutor
from cascade.workers.process_pool import _Unpacker
from cascade.workers.thread_pool import ThreadPool
from cascade.workers.worker_result import is_plain, make_call, unpack
from support.paths import TESTS
from support.worker_tasks import Slow, SlowError, die, double, hold, nested, pid, slow, start_thread
from unit.workers.test_thread_pool import PATIENCE, until


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


@pytest.mark.posix_only
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


@pytest.mark.posix_only
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


@pytest.mark.posix_only
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


@pytest.mark.posix_only
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


@pytest.mark.posix_only
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
    with pytest.raises(ValueError, match="max_processes must be None or an int >= 1"):
        ProcessExecutor(max_processes)


def test_closing_what_was_never_used() -> None:
    ProcessExecutor().close()


FORKS = """
    import multiprocessing, os, sys, threading
    sys.path.insert(0, {tests!r})
    import cascade as cs
    from support.odd_exceptions import odd_thread, take

    tasks = {{"process": take, "thread": cs.task(lambda value: value, mode="thread")}}

    if __name__ == "__main__":
        engine = cs.Engine(max_processes=1, max_threads=1)
        task = tasks[{where!r}]
        print("parent:", cs.run(task(1), engine=engine), flush=True)
        executor = engine._driver.workers._executors[{where!r}]
        for lock in [executor._pool._lock] if {where!r} == "process" else [executor._pool._shared._lock]:
            held, over = threading.Event(), threading.Event()

            def hold():  # what any thread may do at the moment of the fork
                with lock:
                    held.set()
                    over.wait()

            holding = threading.Thread(target=hold)
            holding.start()
            held.wait()
        if {how!r} == "multiprocessing":
            child = multiprocessing.get_context("fork").Process(
                target=lambda: print("child:", cs.run(task(2), engine=engine), flush=True)
            )
            child.start()
            child.join(60)
            print("ended:", child.exitcode, flush=True)
        else:
            child = os.fork()
            if not child:
                print("child:", cs.run(task(2), engine=engine), flush=True)
                sys.exit(0)
            print("ended:", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
        over.set()
        holding.join()
        print("parent again:", cs.run(task(3), engine=engine))
"""


@pytest.mark.posix_only
@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks here")
@pytest.mark.parametrize("how", ["multiprocessing", "os"])
@pytest.mark.parametrize("where", ["process", "thread"])
def test_after_a_fork_the_child_has_workers_of_its_own(where: str, how: str, tmp_path: Path) -> None:
    """Whatever lock another thread held."""
    program = tmp_path / "forks.py"
    program.write_text(textwrap.dedent(FORKS.format(tests=str(TESTS), where=where, how=how)))
    output = tmp_path / "output"
    with output.open("w") as file:
        done = subprocess.run(
            [sys.executable, "-W", "ignore", program], stdout=file, stderr=subprocess.STDOUT, timeout=120, check=False
        )
    assert output.read_text().splitlines() == ["parent: 1", "child: 2", "ended: 0", "parent again: 3"]
    assert done.returncode == 0


def test_a_process_task_may_have_an_engine_with_processes_of_its_own() -> None:
    executor = ProcessExecutor(1)
    assert executor.submit(nested, (3,), {}).result(PATIENCE) == [0, 2, 4]
    executor.close()  # its process ends, and those that it has started


@pytest.mark.posix_only
def test_a_process_that_does_not_exit_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_pool, "GRACE", 0.0)
    executor = ProcessExecutor(2)
    processes = [executor.submit(start_thread, (), {}).result(PATIENCE) for _ in range(2)]
    executor.close()
    assert not any(map(alive, processes))
    assert executor.submit(double, (2,), {}).result(PATIENCE) == 4
    executor.close()


@pytest.mark.posix_only
async def test_closing_an_engine_does_not_hold_up_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_pool, "GRACE", 3600.0)
    threads = set(threading.enumerate())
    engine = cs.Engine(max_processes=1, default_mode="process")
    process = await engine.run(start_thread())
    closing = asyncio.create_task(engine.aclose())
    while not any(thread.name == "cascade-close" for thread in threading.enumerate()):
        await asyncio.sleep(0)
    for _ in range(10):
        await asyncio.sleep(0)
    assert not closing.done()
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
    with pytest.raises(cs.EngineClosedError):
        await engine.run(double(1))
    assert alive(process)
    os.kill(process, signal.SIGKILL)  # as the pool would, an hour later
    until(lambda: set(threading.enumerate()) <= threads)


@pytest.fixture
def gates() -> Iterator[dict[str, threading.Event]]:
    Slow.gates.update({name: threading.Event() for name in ("error", "one", "two")})
    yield Slow.gates
    for gate in Slow.gates.values():
        gate.set()
    Slow.gates.clear()
    Slow.begun.clear()


def test_a_result_that_unpickles_slowly_delays_no_other_call(gates: dict[str, threading.Event]) -> None:
    executor = ProcessExecutor(1)
    futures = [executor.submit(slow, (gate,), {}) for gate in ("error", "one")]
    for number in range(3):
        assert executor.submit(double, (number,), {}).result(PATIENCE) == 2 * number
    assert not any(future.done() for future in futures)
    closing = threading.Thread(target=executor.close)
    closing.start()
    gates["error"].set()
    with pytest.raises(SlowError):
        futures[0].result(PATIENCE)
    assert closing.is_alive() and not futures[1].done()
    gates["one"].set()
    assert futures[1].result(PATIENCE).gate == "one"
    closing.join(PATIENCE)
    assert not closing.is_alive()


@pytest.mark.parametrize(
    ("value", "plain"),
    [(None, True), ({"a": [1, 2.0, "b", True]}, True), (Path("a"), False), ([int], False), ("a" * 100_000, False)],
)
def test_what_is_unpickled_at_once(value: Any, plain: bool) -> None:
    packed = make_call(pickle.dumps((returned, (value,), {}, None)), "returned")
    assert is_plain(packed) is plain and unpack(packed) == (value, None)
    assert not is_plain(make_call(b"", "broken"))


def returned(value: Any) -> Any:
    return value


def test_an_outcome_that_is_abandoned_before_a_thread_has_it(gates: dict[str, threading.Event]) -> None:
    unpacker, futures = _Unpacker(), [Future[Any](), Future[Any]()]
    unpacker._threads = ThreadPool(1)
    packed = make_call(pickle.dumps((slow, ("one",), {}, None)), "slow")
    for future in futures:
        unpacker.complete(future, packed)
    unpacker.abandon(futures[1])
    assert isinstance(futures[1].exception(0), CancelledError)
    gates["one"].set()
    assert futures[0].result(PATIENCE).gate == "one"
    unpacker.close()


def test_closing_does_not_wait_for_an_abandoned_result(gates: dict[str, threading.Event]) -> None:
    executor = ProcessExecutor(1)
    future = executor.submit(slow, ("two",), {})
    while "two" not in Slow.begun:  # until then it would be cancelled
        assert executor.submit(double, (1,), {}).result(PATIENCE) == 2
    executor.abandon(future)
    executor.close()
    assert not future.done()
    gates["two"].set()
    assert future.result(PATIENCE).gate == "two"
