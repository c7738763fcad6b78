"""A child of `os.fork`, made at any moment by any thread, is no worse off than a new process."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import cascade as cs
from cascade._support.forks import reset_in_children
from cascade.durable.memory import MemoryState
from cascade.events import EventLog, Events, RunFinished
from cascade.events.line_writer import LineWriter
from cascade.resources.registry import Registry
from cascade.templates.listeners import Listeners
from cascade.templates.writer import rewrite
from support.tasks import add

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork"),
    pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning"),
]

PATIENCE = 30  # seconds until a child that hangs is stopped


@pytest.fixture
def _quick_switches() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def in_child(work: Callable[[], object]) -> None:
    """Call a function in a child; fail if it raises or hangs there."""
    child = os.fork()
    if not child:
        status = 1
        try:
            signal.alarm(PATIENCE)
            work()
            status = 0
        except BaseException as error:
            sys.stderr.write(f"in the child: {error!r}\n")
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def while_held(lock: object, work: Callable[[], None]) -> None:
    """Call a function while another thread holds a lock."""
    held, over = threading.Event(), threading.Event()

    def hold() -> None:
        with lock:  # type: ignore[attr-defined]
            held.set()
            over.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait()
    try:
        work()
    finally:
        over.set()
        thread.join()


def test_renewed_once_and_not_kept_alive() -> None:
    class Thing:
        renewed = 0

        def _reset_after_fork(self) -> None:
            self.renewed += 1

    thing = Thing()
    reset_in_children(thing)
    reset_in_children(thing)

    known = weakref.ref(thing)

    def check() -> None:
        found = known()
        assert found is not None
        assert found.renewed == 1

    in_child(check)
    assert thing.renewed == 0
    del thing
    gc.collect()
    assert known() is None


def use_engine(engine: cs.Engine) -> None:
    engine.register("value", "name")
    assert cs.run(add(1, add(2, 3)), engine=engine) == 6


def use_events(events: Events) -> None:
    with events.subscribe(RunFinished, print):
        assert events.wants(RunFinished)


def use_state(state: MemoryState) -> None:
    state.boundary(1, 1, "5d41", [1])
    assert state.latest(1) is not None


@pytest.mark.parametrize(
    ("made", "use"),
    [
        (cs.Engine, use_engine),
        (lambda: Events(lambda: None, lambda message, error: None), use_events),
        (MemoryState, use_state),
        (Registry, lambda registry: registry.register(1, "one")),
        (Listeners, lambda listeners: listeners.add(cs.Engine()._driver.services.emitter)),
    ],
    ids=["engine", "events", "state", "registry", "listeners"],
)
def test_a_lock_that_another_thread_holds(made: Callable[[], object], use: Callable[[object], None]) -> None:
    thing = made()
    lock = getattr(thing, "_driver", thing)._lock
    while_held(lock, lambda: in_child(lambda: use(thing)))


def test_a_log_that_another_thread_writes(tmp_path: Path) -> None:
    path = tmp_path / "log"
    writer = LineWriter(path, append=True, size=1000)
    writer.write(b"of the parent")

    def work() -> None:
        writer.write(b"of the child")
        writer.close()

    while_held(writer._lock, lambda: in_child(work))
    assert path.read_bytes() == b"of the child\n"
    writer.close()
    assert path.read_bytes() == b"of the child\nof the parent\n"


def test_an_event_log_in_both(tmp_path: Path) -> None:
    path = tmp_path / "log"
    engine = cs.Engine()
    log = EventLog(path).attach(engine)
    cs.run(add(1, 2), engine=engine)
    in_child(lambda: cs.run(add(1, 2), engine=engine))
    log.close()
    outcomes = [event for event in EventLog.read(path, strict=True) if isinstance(event, RunFinished)]
    assert len(outcomes) == 2


def test_out_of_a_subscriber() -> None:
    engine = cs.Engine()
    heard: list[int] = []

    def work() -> None:
        del heard[:]
        sub.cancel()
        with engine.events.subscribe(RunFinished, lambda event: heard.append(event.run)):
            thread = threading.Thread(target=cs.run, args=(add(1, 2),), kwargs={"engine": engine})
            thread.start()
            thread.join()
        assert len(heard) == 1

    sub = engine.events.subscribe(RunFinished, lambda event: in_child(work))
    assert cs.run(add(1, 2), engine=engine) == 3
    assert sub.failures == 0


def test_an_engine_that_is_at_work_in_another_thread() -> None:
    engine = cs.Engine(limits={"gpu": 1})
    torn: list[str] = []
    gates: dict[asyncio.AbstractEventLoop, asyncio.Event] = {}
    begun = threading.Event()
    results: list[str] = []

    @cs.resource
    def held() -> Iterator[str]:
        yield "held"
        torn.append("down")

    @cs.task
    async def hold(gate: asyncio.Event, held: object = cs.Inject("held")) -> str:
        begun.set()
        await gate.wait()
        return "done"

    async def main() -> None:
        gate = gates[asyncio.get_running_loop()] = asyncio.Event()
        results.append(await engine.run([hold(gate).with_constraints(gpu=1), cs.wait(0)]))

    def work() -> None:
        assert engine.runs == ()
        assert engine.limits.snapshot()[0].in_use == 0
        assert cs.run([cs.wait(0.01), add(1, 2).with_constraints(gpu=1)], engine=engine)[1] == 3
        assert torn == []  # which is for the parent to do

    engine.register(held)
    thread = threading.Thread(target=asyncio.run, args=(main(),))
    thread.start()
    begun.wait()
    try:
        in_child(work)
    finally:
        ((loop, gate),) = gates.items()
        loop.call_soon_threadsafe(gate.set)
        thread.join()
    assert results[0][0] == "done"
    assert torn == ["down"]


def test_a_virtual_clock_that_another_thread_keeps() -> None:
    engine = cs.Engine(clock=cs.Clock.virtual())
    begun, gate = threading.Event(), threading.Event()

    @cs.task(mode="inline")
    def block() -> None:
        begun.set()
        gate.wait()

    def work() -> None:
        assert len(engine.clock) == 0  # the timers are the parent's
        assert cs.run(cs.wait(1), engine=engine) == 1.0

    thread = threading.Thread(target=cs.run, args=([cs.wait(5), block()],), kwargs={"engine": engine})
    thread.start()
    begun.wait()
    try:
        in_child(work)
    finally:
        gate.set()
        thread.join()
    assert engine.clock.time() == 5.0


@pytest.mark.usefixtures("_quick_switches")
def test_at_any_moment(tmp_path: Path) -> None:
    engines = [cs.Engine(state=MemoryState()) for _ in range(2)]
    logs = [EventLog(tmp_path / "log").attach(engine) for engine in engines]
    over = threading.Event()

    def run(engine: cs.Engine) -> None:
        while not over.is_set():
            cs.run([add(1, add(2, 3)), cs.wait(0)], engine=engine)

    threads = [threading.Thread(target=run, args=(engine,)) for engine in engines]
    for thread in threads:
        thread.start()
    try:
        for _ in range(20):
            in_child(lambda: [use_engine(engine) for engine in engines])
    finally:
        over.set()
        for thread in threads:
            thread.join()
    for log in logs:
        log.close()


def test_a_child_keeps_no_lock_of_a_template_file(tmp_path: Path) -> None:
    path = tmp_path / "shapes"
    reader, told = os.pipe()

    def write_and_die() -> None:
        def change(there: dict[bytes, bytes]) -> dict[bytes, bytes]:
            if not os.fork():
                os.write(told, b"%d" % os.getpid())  # by now it has let go of what its parent had open
                signal.alarm(PATIENCE)
                signal.pause()
            os._exit(0)

        rewrite(path, change)

    in_child(write_and_die)
    child = int(os.read(reader, 20))
    try:
        assert rewrite(path, lambda there: there, patience=0) == 0
    finally:
        os.kill(child, signal.SIGKILL)
        os.close(reader)
        os.close(told)
