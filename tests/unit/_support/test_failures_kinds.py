"""Exceptions of every kind come out as Python's own rules say; none hangs and none is swallowed."""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import Callable

import pytest

import cascade as cs
from support.observation import settle


class Own(BaseException):
    """A base exception that is neither of Python's own."""


@cs.task(mode="inline")
def keep(*args: object) -> object:
    return args


def raising(error: BaseException | type[BaseException], where: str) -> cs.LazyResult:
    """Give a call of a task that raises, run in one of the ways in which tasks run."""

    def plain() -> None:
        raise error

    async def eager() -> None:
        raise error

    async def late() -> None:
        await asyncio.sleep(0)
        raise error

    def coroutine() -> object:
        return late()

    return {
        "inline": cs.task(plain, mode="inline"),
        "thread": cs.task(plain, mode="thread"),
        "auto": cs.task(plain, mode="auto"),
        "async": cs.task(eager),
        "late": cs.task(late),
        "coroutine": cs.task(coroutine, mode="inline"),
    }[where]()


WHERE = ["inline", "thread", "auto", "async", "late", "coroutine"]
KINDS = [ValueError, KeyError, AssertionError, TimeoutError, RecursionError, MemoryError, OSError, AttributeError]
BASES = [KeyboardInterrupt, SystemExit, GeneratorExit, Own]


@pytest.mark.parametrize("where", WHERE)
@pytest.mark.parametrize("kind", KINDS)
def test_ordinary_exceptions(kind: type[Exception], where: str) -> None:
    with pytest.raises(kind) as caught:
        cs.run(keep(raising(kind("text"), where)))
    assert type(caught.value) is kind
    assert caught.value.args == ("text",)


@pytest.mark.parametrize("where", WHERE)
@pytest.mark.parametrize("kind", [StopIteration, StopAsyncIteration])
def test_stop_iteration_becomes_a_runtime_error(kind: type[Exception], where: str) -> None:
    for target in (raising(kind(5), where), keep(raising(kind(5), where))):
        with pytest.raises(RuntimeError) as caught:
            cs.run(target)
        assert type(caught.value.__cause__) is kind


@pytest.mark.parametrize("where", WHERE)
@pytest.mark.parametrize("kind", BASES)
def test_base_exceptions_come_out(kind: type[BaseException], where: str) -> None:
    log = []

    @cs.task
    async def sibling() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            log.append("cleaned up")

    for target in (raising(kind("why"), where), keep([raising(kind("why"), where)])):
        with pytest.raises(kind) as caught:
            cs.run(target)
        assert caught.value.args == ("why",)
    with pytest.raises(kind):
        cs.run(keep(sibling(), raising(kind("why"), where)))
    assert len(log) <= 1


@pytest.mark.parametrize("where", ["inline", "thread", "async", "late"])
async def test_own_base_exception_through_await(where: str) -> None:
    """What does not end the event loop is raised where the run is awaited, after the siblings ended."""
    log = []

    @cs.task
    async def sibling() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await settle()
            log.append("cleaned up")

    @cs.task
    async def first() -> None:
        await settle()

    @cs.task(mode="inline")
    def goes_on(seen: None) -> cs.LazyResult:
        return raising(Own("why"), where)

    engine = cs.Engine()
    with pytest.raises(Own):
        await engine.run(keep(sibling(), goes_on(first())))
    assert log == ["cleaned up"]
    assert await engine.run(keep(1)) == (1,)


@pytest.mark.parametrize("where", WHERE)
async def test_a_task_that_raises_cancelled_error_does_not_hang(where: str) -> None:
    engine = cs.Engine()
    run = engine.start(keep(raising(asyncio.CancelledError(), where)))
    with pytest.raises(asyncio.CancelledError):
        await run
    assert run.done()
    assert await engine.run(keep(1)) == (1,)


@pytest.mark.parametrize("where", WHERE)
def test_exception_classes_and_groups(where: str) -> None:
    with pytest.raises(ZeroDivisionError):
        cs.run(raising(ZeroDivisionError, where))
    group = ExceptionGroup("own group", [ValueError(1), TypeError(2)])
    with pytest.raises(ExceptionGroup) as caught:
        cs.run(keep(raising(group, where)))
    assert caught.value is group


@pytest.mark.parametrize("mode", ["inline", "thread", "auto", "async", "coroutine"])
def test_a_returned_exception_is_a_value(mode: str) -> None:
    error = ValueError("a value")
    stop = StopIteration("a value")

    def plain(value: object) -> object:
        return value

    async def later(value: object) -> object:
        return value

    def coroutine(value: object) -> object:
        return later(value)

    body = {"async": later, "coroutine": coroutine}.get(mode, plain)
    task = cs.task(body) if mode == "async" else cs.task(body, mode="inline" if mode == "coroutine" else mode)
    for value in (error, stop, ValueError, asyncio.CancelledError(), KeyboardInterrupt()):
        assert cs.run(task(value)) is value
        [found] = cs.run(keep(task(value)))
        assert found is value
    assert not hasattr(error, "__notes__")


@pytest.mark.parametrize("where", WHERE)
@pytest.mark.parametrize("kind", [ValueError, StopIteration, *BASES])
def test_what_was_raised_is_not_reported_once_more(
    kind: type[BaseException], where: str, caplog: pytest.LogCaptureFixture
) -> None:
    """No "exception was never retrieved" on top."""
    if where == "async" and kind in (KeyboardInterrupt, SystemExit) and sys.version_info >= (3, 12):
        pytest.xfail("an eager asyncio task raises them out of its constructor, and then complains itself")
    with pytest.raises(BaseException):  # noqa: B017 - which one is for the tests above
        cs.run(keep(raising(kind("why"), where), raising(kind("why"), where)))
    gc.collect()
    assert [record.getMessage() for record in caplog.records] == []


# -- notes -----------------------------------------------------------------------------------------------------


def notes_of(target: object, kind: type[BaseException] = ValueError) -> str:
    with pytest.raises(kind) as caught:
        cs.run(target)
    [note] = caught.value.__notes__
    return note


@cs.task(mode="inline", name="the_failing_one")
def failing(*args: object) -> None:
    raise ValueError("text")


def test_the_note_says_which_task_and_where() -> None:
    assert "the_failing_one" in notes_of(failing())
    assert "$.args[1]" in notes_of(keep(1, failing()))
    nested = notes_of(keep(keep(1, [2, {"key": failing()}])))
    assert nested.index("$.args[0]") < nested.index("[1]") < nested.index("key")


def test_the_note_says_in_which_iteration() -> None:
    @cs.task(mode="inline")
    def countdown(n: int) -> cs.LazyResult:
        return countdown(n - 1) if n else failing()

    assert "iteration 4" in notes_of(countdown(3))
    assert "iteration 0" in notes_of(failing())


def test_the_note_says_which_run() -> None:
    async def main() -> tuple[int, str]:
        run = cs.Engine().start(failing())
        with pytest.raises(ValueError) as caught:
            await run
        return run.id, caught.value.__notes__[0]

    number, note = asyncio.run(main())
    assert f"run {number}" in note


def test_notes_of_the_exception_itself_are_kept() -> None:
    @cs.task(mode="inline")
    def noted() -> None:
        error = ValueError()
        error.add_note("own note")
        raise error

    with pytest.raises(ValueError) as caught:
        cs.run(noted())
    assert caught.value.__notes__[0] == "own note"
    assert len(caught.value.__notes__) == 2


def test_one_exception_object_raised_for_ever_does_not_grow() -> None:
    same = ValueError("always this one")

    @cs.task(mode="inline")
    def raises() -> None:
        raise same

    for _ in range(100):
        with pytest.raises(ValueError):
            cs.run(raises())
    assert len(same.__notes__) < 10


def test_the_traceback_leads_to_the_task() -> None:
    with pytest.raises(ValueError) as caught:
        cs.run(keep(failing()))
    names = [entry.name for entry in caught.traceback]
    assert names[-1] == "failing"


def test_exceptions_that_refuse_notes() -> None:
    class Closed(Exception):
        def add_note(self, note: str) -> None:
            raise RuntimeError("no notes")

    class Wrong(Exception):
        __notes__ = None

    for kind in (Closed, Wrong):
        with pytest.raises(kind):
            cs.run(raising(kind(), "inline"))


# -- signals ---------------------------------------------------------------------------------------------------


@pytest.mark.posix_only
def test_interrupted_from_the_keyboard(interpreter: Callable[..., str]) -> None:
    """A loop without end that never suspends stops at Ctrl-C."""
    code = """
        import signal, threading, os
        import cascade as cs

        @cs.task(mode="inline")
        def forever(n):
            if n == 1000:
                os.kill(os.getpid(), signal.SIGINT)
            return forever(n + 1)

        try:
            cs.run(forever(0))
        except KeyboardInterrupt:
            print("interrupted")
    """
    assert interpreter(code, timeout=60).strip() == "interrupted"


def test_failed_runs_leave_no_cycles_of_exceptions() -> None:
    class Watched(Exception):
        alive = 0

        def __init__(self) -> None:
            super().__init__()
            Watched.alive += 1

        def __del__(self) -> None:
            Watched.alive -= 1

    for where in WHERE:
        with pytest.raises(Watched):
            cs.run(keep(raising(Watched, where)))
    gc.collect()
    assert Watched.alive <= 1  # pytest itself may hold the last one
