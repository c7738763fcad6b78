"""A failure is a failure whatever its exception is like, wherever it comes from; and it is nobody else's."""

from __future__ import annotations

import asyncio
import logging
import os
import traceback
from collections.abc import AsyncIterator, Iterator
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import pytest

import cascade as cs
from cascade._support.failures import describe, singles
from support.odd_exceptions import (
    ARGUMENTS,
    EVERYWHERE,
    GROUPS,
    MAKE,
    VALUES,
    ApiError,
    Arrives,
    Empty,
    Frozen,
    Holds,
    HoldsAnEnd,
    Keyword,
    Mute,
    NoAttributes,
    OwnTraceback,
    give,
    leave,
    odd,
    odd_process,
    odd_thread,
    take,
    wait_for_file,
)
from support.tasks import keep


@pytest.fixture(scope="module")
def engine() -> Iterator[cs.Engine]:
    engine = cs.Engine(max_processes=2, limits={"slots": 1})
    yield engine
    asyncio.run(engine.aclose())


def failure_of(target: Any, engine: cs.Engine) -> BaseException:
    try:
        value = cs.run(target, engine=engine)
    except BaseException as error:
        return error
    pytest.fail(f"a value: {value!r}")


def text_of(error: BaseException) -> str:
    try:
        return str(error)
    except BaseException as second:
        return f"raises {type(second).__name__}"


def is_the_same(error: BaseException, name: str) -> None:
    expected = {**MAKE, **GROUPS}[name]()
    assert type(error) is type(expected)
    assert text_of(error)[:200] == text_of(expected)[:200]
    for attribute in ("status", "code", "hidden", "extra", "problems"):
        if hasattr(expected, attribute):
            assert getattr(error, attribute) == getattr(expected, attribute)
    for one, other in zip(singles(error), singles(expected), strict=True):
        assert type(one) is type(other)
    assert error.__notes__[-1].startswith("task support.odd_exceptions.")


WITH = {
    "plain": lambda call: call,
    "inside": lambda call: keep(1, [call]),
    "retry": lambda call: call.with_retry(2, on=ValueError),
    "timeout": lambda call: call.with_timeout(600),
    "limit": lambda call: call.with_constraints(slots=1),
    "cache": lambda call: call.with_cache(cs.ResultCache()),
}


@pytest.mark.parametrize("policy", WITH)
@pytest.mark.parametrize("where", EVERYWHERE)
@pytest.mark.parametrize("name", [*MAKE, *GROUPS])
def test_it_is_raised_as_itself(name: str, where: str, policy: str, engine: cs.Engine) -> None:
    try:
        target = WITH[policy](EVERYWHERE[where](name))
    except cs.PolicyError:
        pytest.skip("an inline call cannot be given up")
    is_the_same(failure_of(target, engine), name)


@pytest.mark.parametrize("where", EVERYWHERE)
def test_a_retry_knows_it_by_its_class(where: str, engine: cs.Engine) -> None:
    from cascade.events import NodeRetrying

    for name in (*MAKE, "local"):
        retried: list[NodeRetrying] = []
        with engine.events.subscribe(NodeRetrying, retried.append):
            failure_of(EVERYWHERE[where](name).with_retry(2, on=ApiError), engine)
        assert len(retried) == 1, name
        failure_of(EVERYWHERE[where](name).with_retry(2, give_up_on=ApiError), engine)


def test_the_traceback_of_the_worker_is_kept(engine: cs.Engine) -> None:
    for name in (*MAKE, *GROUPS, "local"):
        error = failure_of(odd_process(name), engine)
        found: BaseException | None = error
        traces = []
        while found is not None:
            traces.append(text_of(found))
            found = found.__cause__ if found.__cause__ is not None else found.__context__
        assert "in odd\n" in traces[-1], name


def test_causes_come_along(engine: cs.Engine) -> None:
    error = failure_of(odd_process("cause"), engine)
    assert type(error.__cause__) is Keyword
    assert "in odd" in str(error.__cause__.__cause__)


def test_what_can_be_pickled_of_an_exception_comes_along(engine: cs.Engine) -> None:
    error = failure_of(odd_process("holds"), engine)
    assert isinstance(error, Holds)
    assert error.status == 404
    assert not hasattr(error, "lock")


def test_a_class_that_cannot_be_imported(engine: cs.Engine) -> None:
    error = failure_of(odd_process("local"), engine)
    assert isinstance(error, cs.WorkerError) and isinstance(error, ApiError)
    assert "odd_exceptions.local.<locals>.Local" in str(error) and "404: local" in str(error)
    assert error.status == 404  # type: ignore[attr-defined]
    assert "in odd" in str(error.__cause__)
    error = failure_of(odd_process("local os"), engine)
    assert isinstance(error, cs.WorkerError) and isinstance(error, OSError)
    assert "local_os.<locals>.LocalOs" in str(error)


@pytest.mark.parametrize("where", EVERYWHERE)
@pytest.mark.parametrize("policy", [name for name in WITH if name != "timeout"])
def test_what_a_coroutine_cannot_let_out(where: str, policy: str, engine: cs.Engine) -> None:
    assert type(failure_of(WITH[policy](EVERYWHERE[where]("stop")), engine)) is RuntimeError


def test_an_exit_in_a_worker_is_that_of_the_run(engine: cs.Engine) -> None:
    assert type(failure_of(odd_process("exit"), engine)) is SystemExit
    assert cs.run(take(1), engine=engine) == 1


# -- worker processes: neighbours --------------------------------------------------------------------------------


async def test_neighbours_in_the_pool_go_on(tmp_path: Path) -> None:
    async with cs.Engine(max_processes=2) as engine:
        neighbour = engine.start(wait_for_file(str(tmp_path / "gate")))
        for name in (*MAKE, *GROUPS, "local", "exit"):
            run = engine.start(odd_process(name))
            with pytest.raises(BaseException):  # noqa: B017 - which one is for the tests above
                await run
            assert f"run {run.id}" in run._failure().__notes__[-1]  # type: ignore[union-attr]
        for name in VALUES:
            with pytest.raises(cs.WorkerError, match=r"must be (un)?picklable"):
                await engine.run(give(name))
        for how in ("keyword", "mute"):
            with pytest.raises(ApiError):
                await engine.run(take(Arrives(how)))
        for make in ARGUMENTS.values():
            with pytest.raises(cs.WorkerError, match=r"of task support.odd_exceptions.take\(\w+\) must be (un)?pick"):
                await engine.run(take(make()))
        assert not neighbour.done()
        (tmp_path / "gate").touch()
        assert await neighbour == "held"


def test_a_part_of_an_exception_that_cannot_be_unpickled_is_left_out(engine: cs.Engine) -> None:
    error = failure_of(leave("exit"), engine)
    assert isinstance(error, HoldsAnEnd) and error.status == 404
    assert not hasattr(error, "end")


async def test_a_worker_that_dies_names_the_calls_that_were_at_work(tmp_path: Path) -> None:
    """Also if only the trial of an exception ends it."""
    async with cs.Engine(max_processes=2) as engine:
        neighbour = engine.start(wait_for_file(str(tmp_path / "gate"), begun=str(tmp_path / "begun")))
        while not (tmp_path / "begun").exists():
            await asyncio.sleep(0)
        one = engine.start(leave("whole"))
        for run, its, others in (
            (one, "leave(str)", "wait_for_file(str, begun=str)"),
            (neighbour, "wait_for_file(str, begun=str)", "leave(str)"),
        ):
            with pytest.raises(cs.WorkerError, match="a worker process died") as caught:
                await run
            assert isinstance(caught.value, BrokenProcessPool)
            assert f"while task support.odd_exceptions.{its} was running" in str(caught.value)
            assert f"so were support.odd_exceptions.{others}" in str(caught.value)
        assert await engine.run(take(1)) == 1
        for how in ("whole", "part"):  # and never the process that the run is in
            with pytest.raises(cs.WorkerError, match="no other task was"):
                await engine.run(leave(how))


async def test_a_worker_that_dies_is_an_error_of_its_own_for_each_run(tmp_path: Path) -> None:
    from support.process_tasks import dying

    async with cs.Engine(max_processes=2) as engine:
        one = engine.start(wait_for_file(str(tmp_path / "gate")))
        other = engine.start(dying(3))
        for run in (one, other):
            with pytest.raises(Exception) as caught:
                await run
            [note] = caught.value.__notes__
            assert note.endswith(f"of run {run.id}")


def test_a_lazy_result_of_a_worker_is_evaluated(engine: cs.Engine) -> None:
    assert cs.run(take(take(5)), engine=engine) == 5


# -- one exception, several runs -----------------------------------------------------------------------------------


async def test_one_object_that_fails_several_runs_names_each() -> None:
    same = Frozen()

    @cs.task(mode="inline")
    def fails() -> None:
        raise same

    engine = cs.Engine()
    runs = [engine.start(fails()) for _ in range(3)]
    await asyncio.wait([asyncio.ensure_future(run) for run in runs])
    notes = " ".join(same.__notes__)
    assert all(notes.count(f"of run {run.id}") == 1 for run in runs)


@pytest.mark.parametrize("name", ["empty", "keyword", "frozen"])
async def test_a_set_up_that_fails_several_runs_is_an_error_of_its_own_for_each(name: str) -> None:
    gate = asyncio.Event()

    @cs.resource(scope="engine")
    async def shared() -> AsyncIterator[None]:
        await gate.wait()
        odd(name)
        yield

    async with cs.Engine() as engine:
        engine.register(shared)
        runs = [engine.start(keep(cs.inject("shared"))) for _ in range(3)]
        while not all("running shared" in run.doing for run in runs):
            await asyncio.sleep(0)
        gate.set()
        for run in runs:
            with pytest.raises(ApiError) as caught:
                await run
            assert type(caught.value) is type(MAKE[name]())
            first, last = caught.value.__notes__
            assert first == "in the set-up of resource `shared`" and last.endswith(f"of run {run.id}")


@pytest.mark.parametrize("name", [*MAKE, *GROUPS])
async def test_equal_calls_at_once_fail_each_for_itself(name: str) -> None:
    async with cs.Engine() as engine:
        cache = cs.ResultCache()
        runs = [engine.start(odd_thread(name).with_cache(cache)) for _ in range(3)]
        for run in runs:
            with pytest.raises(BaseException) as caught:
                await run
            is_the_same(caught.value, name)
            assert [note.endswith(f"of run {run.id}") for note in caught.value.__notes__ if "of run" in note] == [True]


# -- where failures gather -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*MAKE, *GROUPS])
async def test_in_maps_populations_and_iterations(name: str) -> None:
    async with cs.Engine() as engine:
        with pytest.raises(BaseException) as caught:
            await engine.run(odd_thread.map(name=[name]))
        is_the_same(caught.value, name)
        population = engine.start_many([odd_thread(name), keep(1)])
        counts = await population
        assert (counts.failed, counts.done) == (1, 1)
        is_the_same(population.failed[0]._failure(), name)  # type: ignore[arg-type]
        population = engine.start_many([odd_thread(name)], on_failure=cs.Restart(limit=2))
        assert (await population).restarts == 2
        is_the_same(population.failed[0]._failure(), name)  # type: ignore[arg-type]
        with pytest.raises(BaseException) as caught:
            await engine.start_many([odd_thread(name), keep(1)], on_failure="stop")
        is_the_same(caught.value, name)
        async for run in engine.as_completed([engine.start(odd_thread(name))]):
            assert run.state == "failed"
            with pytest.raises(BaseException) as caught:
                run.result()
            is_the_same(caught.value, name)


async def test_a_failure_that_ends_the_process_is_found_in_any_group() -> None:
    """Without a call of `derive`, which may raise."""

    class Own(BaseExceptionGroup):
        def derive(self, errors: Any) -> Any:
            raise RuntimeError("not derived")

    @cs.task(mode="inline")
    def fails() -> None:
        raise Own("own", [Empty(), BaseExceptionGroup("inner", [Mute(), SystemExit(3)])])

    async with cs.Engine() as engine:
        with pytest.raises(Own):
            await engine.start_many([fails()])


@pytest.mark.parametrize("name", [*MAKE, *GROUPS])
@pytest.mark.parametrize("scope", ["call", "run", "engine"])
def test_set_ups_and_teardowns(scope: Any, name: str) -> None:
    @cs.resource(scope=scope)
    def early() -> Iterator[None]:
        odd(name)
        yield

    @cs.resource(scope=scope)
    async def early_async() -> AsyncIterator[None]:
        odd(name)
        yield

    @cs.resource(scope=scope)
    def late() -> Iterator[None]:
        yield
        odd(name)

    @cs.resource(scope=scope)
    async def late_async() -> AsyncIterator[None]:
        yield
        odd(name)

    for resource in (early, early_async, late, late_async):
        engine = cs.Engine()
        engine.register(resource, "it")
        error = failure_of(keep(cs.inject("it")), engine)
        what = "set-up" if resource in (early, early_async) else "teardown"
        assert type(error) is type({**MAKE, **GROUPS}[name]())
        assert f"in the {what} of resource `it`" in error.__notes__


@pytest.mark.parametrize("name", [*MAKE, *GROUPS])
def test_a_failure_passes_by_resources_overrides_and_spies(name: str) -> None:
    from cascade import testing

    seen: list[BaseException] = []

    @cs.resource
    def watching() -> Iterator[str]:
        try:
            yield "it"
        except BaseException as error:
            seen.append(error)
            raise

    @cs.task(mode="inline")
    def fails(given: object) -> None:
        odd(name)

    engine = cs.Engine()
    engine.register(watching)
    engine.register(1, "other")
    with (
        pytest.raises(BaseException) as caught,
        engine.override("other", 2),
        testing.override(engine, other=3),
        testing.spy(engine) as events,
    ):
        cs.run(fails(cs.inject("watching")), engine=engine)
    assert caught.value is seen[0]
    assert type(caught.value) is type({**MAKE, **GROUPS}[name]())
    failed = [event.error for event in events if hasattr(event, "error") and type(event).__name__ == "NodeFailed"]
    assert failed == [describe(caught.value)]


@pytest.mark.parametrize("name", [name for name in (*MAKE, *GROUPS) if name != "no truth"])  # not for `traceback`
async def test_failures_that_are_not_retrieved_are_logged(name: str, caplog: pytest.LogCaptureFixture) -> None:
    async with cs.Engine() as engine:
        run = engine.start(odd_thread(name))
        while not run.done():
            await asyncio.sleep(0)
        del run
    [record] = [record for record in caplog.records if "was never retrieved" in record.getMessage()]
    assert record.exc_info is not None and record.exc_info[0] is type({**MAKE, **GROUPS}[name]())


def test_a_report_without_a_loop_has_the_exception(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        cs.Engine()._driver.report("found later", Empty())
    [record] = caplog.records
    assert record.exc_info is not None and record.exc_info[0] is Empty


# -- what the engine does aside ---------------------------------------------------------------------------------------


class Broken(cs.ResultCache):
    blocking = True

    def load(self, key: bytes, now: float) -> Any:
        odd("stop")


async def test_a_blocking_cache_that_raises_stop_iteration_is_no_hang() -> None:
    async with cs.Engine() as engine:  # a cache that fails is none
        assert await asyncio.wait_for(engine.run(keep(1).with_cache(Broken())), 60) == (1,)


def test_a_text_that_no_file_takes() -> None:
    assert describe(ApiError("\udcff")).isascii()
    assert describe(Mute()) == "support.odd_exceptions.Mute: <no message: its __str__ raised RuntimeError>"


def test_the_traceback_of_a_failure_can_be_printed(engine: cs.Engine) -> None:
    for name in ("keyword", "holds", "mute", "frozen", "slots", "os", "local"):
        error = failure_of(odd_process(name), engine)
        assert "in odd" in "".join(traceback.format_exception(error))


def test_the_worker_is_another_process(engine: cs.Engine) -> None:
    assert os.getpid() not in cs.run([take(1)], engine=engine)


@cs.task(mode="process")
def unanswering(kind: str) -> None:
    """Raises what `asyncio` itself cannot be asked to handle everywhere: so it is raised in a process only."""
    raise {"attributes": NoAttributes, "traceback": OwnTraceback}[kind]("odd")


@pytest.mark.parametrize("kind", ["attributes", "traceback"])
def test_an_exception_that_answers_nothing_breaks_no_pool(kind: str) -> None:
    from cascade.workers.executors import ProcessExecutor

    executor = ProcessExecutor(max_processes=1)
    error = executor.submit(unanswering, (kind,), {}).exception(60)
    assert type(error) in (NoAttributes, OwnTraceback)
    assert executor.submit(cs.task(abs), (-1,), {}).result(60) == 1  # by the same process
    executor.close()
