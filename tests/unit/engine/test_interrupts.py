"""Ctrl-C, at every line of Cascade that a program comes by: it is told so, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
import sys
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any

import pytest

import cascade as cs
from cascade.engine.interrupts import Interrupts, awake_in_kernels
from cascade.testing import VirtualTime

HOME = str(Path(cs.__file__).parent)
PATIENCE = 20

opened: list[str] = []
closed: list[str] = []


@cs.resource
def plain() -> Iterator[str]:
    opened.append("plain")
    try:
        yield "plain"
    finally:
        closed.append("plain")


@cs.resource
async def awaited() -> AsyncIterator[str]:
    await asyncio.sleep(0)
    opened.append("awaited")
    try:
        yield "awaited"
    finally:
        await asyncio.sleep(0)
        closed.append("awaited")


@cs.resource(scope="engine")
def shared() -> Iterator[str]:
    opened.append("shared")
    try:
        yield "shared"
    finally:
        closed.append("shared")


@cs.resource(scope="engine")
async def connected() -> AsyncIterator[str]:
    opened.append("connected")
    try:
        yield "connected"
    finally:
        await asyncio.sleep(0)
        closed.append("connected")


@cs.resource(scope="call")
async def step() -> AsyncIterator[str]:
    opened.append("step")
    try:
        yield "step"
    finally:
        closed.append("step")


@cs.task(mode="inline")
def use(plain: object = cs.Inject("plain"), shared: object = cs.Inject("shared")) -> int:
    return 1


@cs.task
async def use_later(
    awaited: object = cs.Inject("awaited"), connected: object = cs.Inject("connected"), s: object = cs.Inject("step")
) -> int:
    await asyncio.sleep(0)
    return 2


@cs.task(mode="thread")
def in_thread() -> int:
    return 3


@cs.task(mode="inline")
def count(n: int) -> Any:
    return count(n - 1) if n else 0


def target() -> list[Any]:
    return [use(), use_later(), in_thread(), cs.wait(0.0001), count(3), use_later().with_timeout(60)]


def engine(clock: cs.Clock | None = None) -> cs.Engine:
    made = cs.Engine(max_threads=1, clock=clock)
    for provider in (plain, awaited, shared, connected, step):
        made.register(provider)
    return made


async def inside() -> None:
    async with engine() as made:
        await made.run(target())


async def population() -> None:
    async with engine() as made:
        many = made.start_many([use(), use_later()], on_failure=cs.Restart())
        await many
        assert len([run async for run in made.as_completed(many)]) == 2


held: list[cs.Engine] = []  # it is freed where no signal is raised: nothing is raised out of a destructor


async def in_virtual_time() -> None:
    held.append(engine(cs.Clock.virtual()))
    await cs.arun(target(), engine=held[0])


def in_a_plain_loop(make: Callable[[], Coroutine[Any, Any, object]]) -> None:
    """As IPython does in a terminal: no handler of asyncio's own is installed."""
    with contextlib.closing(asyncio.new_event_loop()) as loop:
        loop.run_until_complete(make())


FORMS: dict[str, Callable[[], object]] = {
    "run": lambda: cs.run([count(3), in_thread(), cs.wait(0.0001)]),
    "run on an engine": lambda: cs.run(target(), engine=engine()),
    "asyncio": lambda: asyncio.run(inside()),
    "arun": lambda: in_a_plain_loop(lambda: cs.arun([count(3), in_thread(), cs.wait(0.0001)])),
    "arun in virtual time": lambda: in_a_plain_loop(in_virtual_time),
    "arun in virtual time, asyncio": lambda: asyncio.run(in_virtual_time()),
    "population": lambda: asyncio.run(population()),
}


class Interrupting:
    """Raises SIGINT at a line of Cascade: the first one that a program comes by is 1."""

    def __init__(self, at: int) -> None:
        self.at = at
        self.lines = 0
        self.raised = False

    def __enter__(self) -> Interrupting:
        self._before = sys.gettrace()
        # Held for as long as it may be called: where it raises, the interpreter drops its own references to it, and
        # Python 3.11 calls it once more.
        self._hook = self._trace
        sys.settrace(self._hook)
        return self

    def __exit__(self, *exc: object) -> None:
        sys.settrace(self._before)

    def _trace(self, frame: FrameType, event: str, argument: object) -> Any:
        code = frame.f_code
        if not code.co_filename.startswith(HOME) or code.co_name == "__del__":  # out of which nothing is raised
            return None
        if event == "line":
            self.lines += 1
            if self.lines == self.at:
                self.raised = True
                signal.raise_signal(signal.SIGINT)
        return self._hook


def alone(form: Callable[[], object]) -> Iterator[object]:
    """Run a form where an exception is left behind with the generator.

    As `except` is left, Python 3.11 forgets to take the exception back that was handled, if a trace function raises.
    """
    yield form()


@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.parametrize("name", FORMS)
def test_at_every_line(name: str) -> None:
    form = FORMS[name]
    form()
    held.clear()
    with Interrupting(0) as counting:
        form()
    assert counting.lines > 100
    wrong: list[object] = []
    step = max(1, counting.lines // 150) if name != "run" else 1
    for at in range(1, counting.lines + 1, step):
        opened.clear()
        closed.clear()
        held.clear()
        gc.collect()
        interrupted = False
        with Interrupting(at) as interrupting:
            try:
                next(alone(form))
            except KeyboardInterrupt:
                interrupted = True
        if interrupted is not interrupting.raised or sorted(opened) != sorted(closed):
            wrong.append((at, interrupted, opened[:], closed[:]))
    assert not wrong
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_the_value_that_came_too_late() -> None:
    @cs.task(mode="inline")
    def last() -> str:
        signal.raise_signal(signal.SIGINT)
        return "value"

    with pytest.raises(KeyboardInterrupt):
        cs.run(last())


def test_a_failure_is_its_cause() -> None:
    @cs.task(mode="inline")
    def fail() -> None:
        signal.raise_signal(signal.SIGINT)
        raise ValueError("as it ended")

    with pytest.raises(KeyboardInterrupt) as caught:
        cs.run(fail())
    assert isinstance(caught.value.__cause__, ValueError)


def test_before_there_is_anything_to_cancel() -> None:
    begun: list[str] = []

    async def work() -> None:
        begun.append("begun")
        await asyncio.sleep(0)
        begun.append("gone on")

    with pytest.raises(KeyboardInterrupt), Interrupts() as interrupts, asyncio.Runner() as runner:
        signal.raise_signal(signal.SIGINT)
        runner.run(interrupts.watch(work()))
    assert begun == ["begun"]


def test_the_second_one_waits_for_nothing() -> None:
    @cs.task
    async def stubborn() -> None:
        for _ in range(3):
            try:
                await asyncio.sleep(0)
                signal.raise_signal(signal.SIGINT)
                await asyncio.sleep(0)
            except asyncio.CancelledError:
                cancelled.append(1)

    cancelled: list[int] = []
    with pytest.raises(KeyboardInterrupt):
        cs.run(stubborn())
    assert cancelled
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_handler_of_the_programs_own() -> None:
    seen: list[int] = []

    @cs.task(mode="inline")
    def signalled() -> str:
        signal.raise_signal(signal.SIGINT)
        return "value"

    before = signal.signal(signal.SIGINT, lambda number, frame: seen.append(number))
    try:
        assert cs.run(signalled()) == "value"
    finally:
        signal.signal(signal.SIGINT, before)
    assert seen == [signal.SIGINT]


def test_in_another_thread_signals_are_left_alone() -> None:
    handlers: list[object] = []

    @cs.task(mode="inline")
    def look() -> None:
        handlers.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=cs.run, args=(look(),))
    thread.start()
    thread.join()
    assert handlers == [signal.default_int_handler]


def test_in_virtual_time() -> None:
    @cs.task(mode="inline")
    def signalled() -> object:
        signal.raise_signal(signal.SIGINT)
        return cs.wait(3600)

    virtual = VirtualTime()
    with pytest.raises(KeyboardInterrupt):
        virtual.run(signalled())
    assert virtual.time < 3600
    assert virtual.run(cs.wait(1)) == 1.0
    virtual.close()


def test_a_teardown_that_is_cancelled_before_it_begins() -> None:
    """As asyncio does at the end of a program, to all tasks at once."""

    async def main() -> cs.Run:
        made = engine()
        run = made.start(use())
        while not run._ended:
            await asyncio.sleep(0)
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        await run
        return run

    opened.clear()
    closed.clear()
    assert asyncio.run(main()).result() == 1
    assert "plain" in closed


CORE = tuple(
    str(Path(HOME, "engine", name))
    for name in ("loop_driver.py", "loop_binding.py", "join.py", "run.py", "services.py", "population.py")
)


class Raising(Interrupting):
    """Raises `KeyboardInterrupt` itself, as in a program's own event loop, at a line of what gives runs their turns."""

    def _trace(self, frame: FrameType, event: str, argument: object) -> Any:
        code = frame.f_code
        if code.co_filename not in CORE or code.co_name == "__del__":
            return None
        if event == "line":
            self.lines += 1
            if self.lines == self.at:
                raise KeyboardInterrupt
        return self._hook


@cs.task
async def later() -> int:
    await asyncio.sleep(0)
    return 4


@pytest.mark.filterwarnings("ignore")
def test_raised_between_any_two_lines_it_leaves_an_engine_that_can_be_closed() -> None:
    assert all(Path(name).is_file() for name in CORE)

    def form(at: int) -> tuple[int, object]:
        loop = asyncio.new_event_loop()
        loop.set_exception_handler(lambda loop, context: None)
        made = engine()

        async def main() -> None:
            many = made.start_many([count(2), use(), cs.wait(0.0001), later()])
            run = made.start([later(), use()])
            await many
            await run

        async def end() -> bool:
            for task in asyncio.all_tasks() - {asyncio.current_task()}:
                task.cancel()
            closing = asyncio.ensure_future(made.aclose())
            await asyncio.wait([closing], timeout=PATIENCE)
            return closing.done() and not made.runs

        with Raising(at) as raising, contextlib.suppress(KeyboardInterrupt):
            loop.run_until_complete(main())
        with contextlib.suppress(RuntimeError):  # what is left of the run before may stop the loop once more
            loop.run_until_complete(asyncio.sleep(0))
        closed = loop.run_until_complete(end())
        loop.close()
        return raising.lines, closed

    form(0)
    lines, closed = form(0)
    assert closed
    assert lines > 100
    assert [at for at in range(1, lines + 1, 3) if not form(at)[1]] == []


async def beats_in_a_second(monkeypatch: pytest.MonkeyPatch, in_kernel: bool) -> int:
    """How often a loop is woken within a second in which a cell waits."""
    if in_kernel:
        monkeypatch.setitem(sys.modules, "ipykernel", ModuleType("ipykernel"))
    else:
        monkeypatch.delitem(sys.modules, "ipykernel", raising=False)
    times: list[float] = []
    clock = cs.Clock.virtual()

    class Loop(cs.VirtualLoop):
        def call_later(self, delay: float, callback: Any, *args: Any, **options: Any) -> Any:
            def counted() -> None:
                times.append(self.time())
                callback(*args)

            return super().call_later(delay, counted, **options)

    async def wait() -> None:
        with awake_in_kernels():
            await cs.arun(cs.wait(1.05), engine=engine)

    def in_virtual_time() -> None:
        with asyncio.Runner(loop_factory=lambda: Loop(clock)) as runner:
            runner.run(wait())

    engine = cs.Engine(clock=clock)
    await asyncio.to_thread(in_virtual_time)
    assert len(clock) == 0, "nothing wakes the loop afterwards"
    return len(times)


async def test_a_kernel_is_kept_awake_while_a_cell_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    assert await beats_in_a_second(monkeypatch, in_kernel=True) == 10
    assert await beats_in_a_second(monkeypatch, in_kernel=False) == 0


def test_virtual_time_passes_by_waiting_only_also_in_a_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ipykernel", ModuleType("ipykernel"))
    engine = cs.Engine(clock=cs.Clock.virtual())

    async def main() -> None:
        with pytest.raises(cs.DeadlockError):
            await cs.arun(cs.Channel[int]().recv(), engine=engine)

    with asyncio.Runner(loop_factory=engine.new_loop) as runner:
        runner.run(main())
    assert engine.clock.time() == 0
