"""The handle of a run: what it tells, how it is awaited."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import logging
import pickle
import threading

import pytest

import cascade as cs
from support.observation import settle
from support.tasks import keep

STATES = {"ready", "running", "parked", "done", "failed", "cancelled"}


@cs.task(mode="inline")
def fail() -> None:
    raise ValueError("text")


async def test_ids_are_numbers_of_their_own() -> None:
    engine, other = cs.Engine(), cs.Engine()
    runs = [engine.start(keep()) for _ in range(3)] + [other.start(keep())]
    ids = [run.id for run in runs[:3]]
    assert all(type(run.id) is int for run in runs)
    assert len(set(ids)) == 3
    assert ids == sorted(ids)
    await asyncio.gather(*runs)


async def test_states_of_a_run_that_succeeds() -> None:
    states: list[str] = []
    opened = asyncio.Event()

    @cs.task(mode="inline")
    def tells(*inputs: object) -> None:
        states.append(run.state)

    @cs.task
    async def waits() -> None:
        await opened.wait()

    run = cs.Engine().start(tells(waits()))
    assert isinstance(run, cs.Run)
    assert run.state == "ready"
    assert not run.done()
    await settle()
    assert run.state in ("parked", "running")
    opened.set()
    await run
    assert states == ["running"]
    assert run.state == "done"
    assert run.done()


@pytest.mark.parametrize("what", ["wait", "recv"])
async def test_parked(what: str) -> None:
    channel = cs.Channel()
    engine = cs.Engine()
    run = engine.start(keep(cs.wait(3600) if what == "wait" else channel.recv()))
    await settle()
    assert run.state == "parked"
    assert what in run.doing
    run.cancel()
    await asyncio.gather(run, return_exceptions=True)
    assert run.state == "cancelled"


async def test_failed() -> None:
    run = cs.Engine().start(fail())
    with pytest.raises(ValueError):
        await run
    assert run.state == "failed"
    assert run.done()


async def test_iterations_are_tail_calls_so_far() -> None:
    counts: list[int] = []

    @cs.task(mode="inline")
    def loop(n: int) -> object:
        counts.append(run.iterations)
        return loop(n - 1) if n else same(same(n))

    @cs.task(mode="inline")
    def same(value: int) -> int:
        return value

    run = cs.Engine().start(loop(4))
    await run
    assert counts == [0, 1, 2, 3, 4]
    assert run.iterations == 5


async def test_doing_names_what_it_does() -> None:
    opened, released = asyncio.Event(), threading.Event()

    @cs.task(name="the_async_one")
    async def waits() -> None:
        await opened.wait()

    @cs.task(name="the_thread_one", mode="thread")
    def blocks() -> None:
        assert released.wait(timeout=60)

    @cs.task(mode="inline")
    def tells(*inputs: object) -> None:
        seen.append(run.doing)

    seen: list[str] = []
    engine = cs.Engine()
    run = engine.start(keep(tells(waits())))
    seen.append(run.doing)
    await settle()
    assert "the_async_one" in run.doing
    opened.set()
    await run
    seen.append(run.doing)
    assert all(type(doing) is str and doing for doing in seen)
    thread = engine.start(keep(blocks()))
    await settle()
    assert "the_thread_one" in thread.doing
    released.set()
    await thread
    assert str(thread.id) in repr(thread)


async def test_awaited_by_many_and_again() -> None:
    opened = asyncio.Event()

    @cs.task
    async def gives() -> object:
        await opened.wait()
        return [1]

    run = cs.Engine().start(gives())

    async def awaits() -> object:
        return await run

    waiting = [asyncio.ensure_future(awaits()) for _ in range(5)]
    await settle()
    opened.set()
    found = await asyncio.gather(*waiting)
    assert all(one is found[0] for one in found)
    assert await run is found[0]


async def test_a_failure_is_raised_to_every_awaiter() -> None:
    run = cs.Engine().start(fail())
    for _ in range(3):
        with pytest.raises(ValueError) as caught:
            await run
        assert len(caught.value.__notes__) == 1


async def test_result_without_waiting() -> None:
    engine = cs.Engine()
    good, bad, gone = engine.start(keep(1)), engine.start(fail()), engine.start(cs.wait(3600))
    for run in (good, bad, gone):
        with pytest.raises(cs.EngineStateError):
            run.result()
    gone.cancel()
    await settle()
    assert good.result() == (1,)
    with pytest.raises(ValueError):
        bad.result()
    with pytest.raises(asyncio.CancelledError):
        gone.result()


async def test_a_run_that_would_await_itself_is_a_clear_error() -> None:
    engine = cs.Engine()
    runs: list[cs.Run] = []

    @cs.task
    async def awaits(which: int, turns: int) -> object:
        await settle(turns)
        return await runs[which]

    for turns in (0, 3):
        runs[:] = [engine.start(keep(awaits(0, turns)))]
        with pytest.raises(cs.EngineStateError):
            await runs[0]
        runs[:] = [engine.start(keep(awaits(1, turns))), engine.start(keep(awaits(0, turns)))]
        found = await asyncio.gather(*runs, return_exceptions=True)
        assert {type(one) for one in found} == {cs.EngineStateError}
    assert engine.runs == ()


async def test_works_with_asyncios_own_tools() -> None:
    engine = cs.Engine()
    assert await asyncio.wait_for(engine.start(keep(1)), 60) == (1,)
    assert await asyncio.gather(engine.start(keep(1)), engine.start(keep(2))) == [(1,), (2,)]
    assert await asyncio.shield(engine.start(keep(1))) == (1,)
    done, pending = await asyncio.wait([asyncio.ensure_future(engine.start(keep(number))) for number in range(3)])
    assert len(done) == 3
    assert not pending
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(engine.run(keep(number))) for number in range(3)]
    assert [task.result() for task in tasks] == [(0,), (1,), (2,)]


async def test_asyncio_waits_for_runs_as_for_futures() -> None:
    async with cs.Engine() as engine:
        runs = [engine.start(keep()), engine.start(fail()), engine.start(cs.wait(3600))]
        done, pending = await asyncio.wait(runs, return_when=asyncio.FIRST_EXCEPTION)  # type: ignore[type-var]
        assert done == {runs[0], runs[1]} and pending == {runs[2]}
        assert [run._callbacks for run in runs] == [None] * 3  # nothing is left of it
        done, pending = await asyncio.wait(runs, timeout=0)  # type: ignore[type-var]
        assert len(done) == 2
        assert runs[2].cancel()
        done, pending = await asyncio.wait(runs)  # type: ignore[type-var]
        assert not pending and not runs[2].cancel() and not runs[0].cancel()
    assert [run.cancelled() for run in runs] == [False, False, True]
    assert runs[0].exception() is None and type(runs[1].exception()) is ValueError
    with pytest.raises(asyncio.CancelledError):
        runs[2].exception()


async def test_a_run_that_has_not_ended_has_no_exception_yet() -> None:
    async with cs.Engine() as engine:
        run = engine.start(keep())
        with pytest.raises(cs.EngineStateError, match=f"^run {run.id} has not ended: await it$"):
            run.exception()
        with pytest.raises(asyncio.InvalidStateError) as raised:  # as a future of asyncio
            run.result()
        assert f"{type(raised.value).__module__}.{type(raised.value).__qualname__}" == "cascade.EngineStateError"
        unpickled = pickle.loads(pickle.dumps(raised.value))
        assert type(unpickled) is cs.EngineStateError and str(unpickled) == str(raised.value)
        assert not run.cancelled()


class Called:
    async def __call__(self, run: object) -> None: ...


async def ends(run: object) -> None: ...


async def test_what_would_not_run_when_it_is_called_is_no_done_callback() -> None:
    async with cs.Engine() as engine:
        run = engine.start(keep())
        for wrong, message in [
            (None, "function must be callable, got `NoneType`"),
            (keep, "function must be a plain function, got <Task support.tasks.keep>"),
            (ends, "got the async function ends, which nothing would await"),
            (Called(), "got the async function `Called`"),
        ]:
            with pytest.raises(TypeError, match=message):
                run.add_done_callback(wrong)  # type: ignore[arg-type]
        with pytest.raises(
            cs.EngineStateError, match=r"got none: from another thread, use .* `engine.submit\(target\)`"
        ):
            await asyncio.to_thread(run.add_done_callback, print)


async def test_done_callbacks_are_those_of_a_future(caplog: pytest.LogCaptureFixture) -> None:
    """Called soon, in their context, in the order in which they were added; what they raise stops nothing."""
    name: contextvars.ContextVar[str] = contextvars.ContextVar("name", default="none")
    seen: list[tuple[object, ...]] = []

    def first(run: cs.Run) -> None:
        seen.append((run, name.get(), run.done()))
        raise LookupError("of a callback")

    def second(run: cs.Run) -> None:
        seen.append((run, name.get()))

    async with cs.Engine() as engine:
        run = engine.start(keep())
        name.set("given")
        run.add_done_callback(first)
        name.set("other")
        run.add_done_callback(second, context=contextvars.Context())
        run.add_done_callback(seen.append)  # type: ignore[arg-type]
        run.add_done_callback(seen.append)  # type: ignore[arg-type]
        assert run.remove_done_callback(seen.append) == 2  # type: ignore[arg-type]
        assert run.remove_done_callback(seen.append) == 0  # type: ignore[arg-type]
        assert await run == ()
        await settle()
        assert seen == [(run, "given", True), (run, "none")]
        assert [record.getMessage().partition("\n")[0][:21] for record in caplog.records] == ["Exception in callback"]
        seen.clear()
        run.add_done_callback(second)  # it has ended
        assert seen == []
        await settle()
        assert seen == [(run, "other")]


async def test_a_done_callback_is_of_the_engines_loop() -> None:
    async with cs.Engine() as engine:
        run = engine.start(cs.wait(3600))
        with pytest.raises(TypeError, match=r"^function must be callable, got `int`$"):
            run.add_done_callback(3)  # type: ignore[arg-type]

        async def elsewhere() -> None:
            run.add_done_callback(print)

        with pytest.raises(cs.EngineStateError):
            await asyncio.to_thread(asyncio.run, elsewhere())


async def test_a_run_that_was_skipped_has_not_failed(caplog: pytest.LogCaptureFixture) -> None:
    async with cs.Engine() as engine:
        engine.start(cs.lazy(keep()).run_if(False))
        engine.start_many([cs.lazy(keep()).run_if(False), keep()])
        await engine.join()
    gc.collect()
    assert caplog.records == []


async def test_a_failure_that_only_a_callback_has_seen_is_reported(caplog: pytest.LogCaptureFixture) -> None:
    engine = cs.Engine()
    engine.start(fail()).add_done_callback(lambda run: None)
    await settle()
    gc.collect()
    assert ["never retrieved" in record.getMessage() for record in caplog.records] == [True]
    engine.start(fail()).add_done_callback(cs.Run.exception)
    await settle()
    gc.collect()
    assert len(caplog.records) == 1


async def test_a_run_goes_on_without_its_handle() -> None:
    log = []

    @cs.task
    async def later() -> None:
        await settle()
        gc.collect()
        await settle()
        log.append("ran")

    engine = cs.Engine()
    engine.start(keep(later()))
    gc.collect()
    while engine.runs:
        await asyncio.sleep(0)
    assert log == ["ran"]


async def test_runs_lists_the_live_ones() -> None:
    engine = cs.Engine()
    assert engine.runs == ()
    runs = [engine.start(cs.wait(3600)) for _ in range(3)]
    assert type(engine.runs) is tuple
    assert set(engine.runs) == set(runs)
    runs[1].cancel()
    await asyncio.gather(runs[1], return_exceptions=True)
    assert set(engine.runs) == {runs[0], runs[2]}
    await engine.aclose()
    assert engine.runs == ()


def unhandled(target: object, *, awaited: bool, caplog: pytest.LogCaptureFixture) -> list[str]:
    """Give what is reported of a run that ends while nobody waits for it."""
    reports: list[str] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda loop, context: reports.append(str(context)))
        engine = cs.Engine()
        run = engine.start(target)
        if awaited:
            await asyncio.gather(run, return_exceptions=True)
        while engine.runs:
            await asyncio.sleep(0)
        del run
        gc.collect()
        await settle()

    with caplog.at_level(logging.ERROR):
        asyncio.run(main())
    return reports + [record.getMessage() + str(record.exc_info) for record in caplog.records]


def test_a_failure_that_was_not_awaited_is_reported(caplog: pytest.LogCaptureFixture) -> None:
    [report] = unhandled(fail(), awaited=False, caplog=caplog)
    assert "ValueError" in report


def test_a_failure_that_was_awaited_is_not_reported(caplog: pytest.LogCaptureFixture) -> None:
    assert unhandled(fail(), awaited=True, caplog=caplog) == []
    assert unhandled(keep(1), awaited=False, caplog=caplog) == []


async def test_states_are_words_of_the_list() -> None:
    seen = set()

    @cs.task(mode="inline")
    def loop(n: int) -> object:
        seen.update(run.state for run in engine.runs)
        return loop(n - 1) if n else "end"

    engine = cs.Engine(quantum=0)
    runs = [engine.start(loop(5)) for _ in range(5)]
    for _ in range(10):
        seen.update(run.state for run in runs)
        await asyncio.sleep(0)
    await asyncio.gather(*runs)
    assert seen <= STATES
    assert {"ready", "running", "done"} <= seen
