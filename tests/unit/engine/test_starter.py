"""`engine.as_completed` over targets: runs are started as there is room, and no longer than the iteration lasts."""

from __future__ import annotations

import asyncio
import contextlib
import gc
from collections.abc import AsyncIterator, Iterator

import pytest

import cascade as cs
from support.observation import settle
from support.tasks import forever, give

KINDS = ["plain", "async", "at once"]


class Targets:
    """The targets of numbers, one after the other."""

    def __init__(self, *numbers: int, wrong: Exception | None = None, endless: bool = False) -> None:
        self.numbers = numbers
        self.wrong = wrong
        self.endless = endless
        self.given = self.closed = 0

    def of_kind(self, kind: str) -> Iterator[object] | AsyncIterator[object]:
        return self.plain() if kind == "plain" else self.later(0 if kind == "at once" else 2)

    def plain(self) -> Iterator[object]:
        for number in self.numbers:
            self.given += 1
            yield work(number)
        if self.wrong is not None:
            raise self.wrong

    async def later(self, turns: int) -> AsyncIterator[object]:
        try:
            for target in self.plain():
                await settle(turns)
                yield target
            if self.endless:
                await asyncio.Event().wait()
        finally:
            await settle(3)
            self.closed += 1


@cs.task
async def work(turns: int) -> int:
    await settle(turns)
    if turns == 13:
        raise ValueError(turns)
    return turns


def nothing_is_left() -> bool:
    return asyncio.all_tasks() == {asyncio.current_task()}


@pytest.mark.parametrize("kind", KINDS)
async def test_each_is_yielded_as_it_ends(kind: str) -> None:
    engine = cs.Engine()
    targets = Targets(40, 1, 20)
    found = [run async for run in engine.as_completed(targets.of_kind(kind), name="one", tags={"a": "b"})]
    assert [run.result() for run in found] == [1, 20, 40]
    assert {run.name for run in found} == {"one"}
    assert engine.runs == ()
    assert nothing_is_left()
    assert targets.closed == (kind != "plain")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("bound", [1, 3])
async def test_no_more_are_started_than_there_is_room_for(kind: str, bound: int) -> None:
    engine = cs.Engine()
    targets = Targets(*(1 + n % 5 for n in range(20)))
    yielded = most = 0
    async for run in engine.as_completed(targets.of_kind(kind), concurrency=bound):
        most = max(most, targets.given - yielded)
        await settle(30)  # a slow body: as many are started as there is room for, and no more
        yielded += 1
        most = max(most, targets.given - yielded)
        assert run.done()
        assert len(engine.runs) <= bound
    assert yielded == 20
    assert most in (bound, bound + 1)  # and the one that the body has


@pytest.mark.parametrize("kind", KINDS)
async def test_failures_are_yielded_as_all_else_is(kind: str) -> None:
    runs = [run async for run in cs.Engine().as_completed(Targets(13, 1).of_kind(kind))]
    assert [run.state for run in runs] == ["done", "failed"]
    assert isinstance(runs[1].exception(), ValueError)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_failure_of_the_iterable_comes_after_what_has_started(kind: str) -> None:
    found = []
    with pytest.raises(OSError, match="gone"):
        async for run in cs.Engine().as_completed(Targets(20, 1, wrong=OSError("gone")).of_kind(kind)):
            found.append(run.result())
    assert found == [1, 20]
    assert nothing_is_left()


async def test_that_of_closing_it_as_well() -> None:
    class Wrong:
        def __aiter__(self) -> Wrong:
            return self

        async def __anext__(self) -> object:
            raise StopAsyncIteration

        async def aclose(self) -> None:
            raise OSError("cannot close")

    with pytest.raises(OSError, match="cannot close"):
        [run async for run in cs.Engine().as_completed(Wrong())]


async def test_an_iterable_that_is_cancelled_from_inside_does_not_end_as_if_it_were_over() -> None:
    async def cancelled() -> AsyncIterator[object]:
        yield give(1)
        raise asyncio.CancelledError

    ends = cs.Engine().as_completed(cancelled())
    assert (await anext(ends)).result() == 1
    with pytest.raises(asyncio.CancelledError):
        await anext(ends)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("by", ["breaking off", "closing"])
async def test_left_early_what_it_has_started_is_cancelled(kind: str, by: str) -> None:
    engine = cs.Engine()
    targets = Targets(1, 3600, 3600, 3600, 3600, endless=True)
    async with engine:
        other = engine.start(forever())
        ends = engine.as_completed(targets.of_kind(kind), concurrency=3)
        async for run in ends:
            assert run.result() == 1
            await settle(8)
            break
        started = [run for run in engine.runs if run is not other]
        assert len(started) == 3
        if by == "closing":
            await ends.aclose()
            assert engine.runs == (other,)
            assert targets.closed == (kind != "plain")
            assert [run async for run in ends] == []
        else:
            del ends
            gc.collect()
    assert {run.state for run in started} == {"cancelled"}
    assert targets.given == 4
    assert targets.closed == (kind != "plain")
    await settle(2)
    assert nothing_is_left()


async def test_what_waits_for_room_is_closed() -> None:
    targets = Targets(1, 3600)
    engine = cs.Engine()
    async with engine, contextlib.aclosing(engine.as_completed(targets.later(0), concurrency=1)) as ends:
        async for _ in ends:
            break
    assert targets.closed == 1


async def test_to_cancel_what_awaits_it_does_nothing_to_the_runs() -> None:
    channel: cs.Channel[int] = cs.Channel()
    async with cs.Engine() as engine:
        ends = engine.as_completed([channel.recv()])
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await anext(ends)
        channel.send(1)
        assert (await anext(ends)).result().message == 1


async def test_several_share_it() -> None:
    ends = cs.Engine().as_completed(Targets(*range(1, 8)).of_kind("async"), concurrency=3)

    async def take() -> list[int]:
        return [run.result() async for run in ends]

    taken = await asyncio.gather(take(), take(), take())
    assert sorted(n for each in taken for n in each) == [*range(1, 8)]


async def test_once_the_engine_starts_no_more_runs_that_is_the_error() -> None:
    engine = cs.Engine()
    ends = engine.as_completed(Targets(*range(9)).of_kind("async"), concurrency=1)
    await anext(ends)
    await engine.drain()
    with pytest.raises(cs.EngineClosedError):
        while True:
            await anext(ends)


def test_virtual_time() -> None:
    async def main() -> list[float]:
        spans = (cs.wait(seconds) for seconds in (30, 10, 5))
        return [run.result() async for run in engine.as_completed(spans, concurrency=2)]

    engine = cs.Engine(clock=cs.Clock.virtual())
    with asyncio.Runner(loop_factory=engine.new_loop) as runner:
        assert runner.run(main()) == [10, 5, 30]
    assert engine.clock.time() == 30


@pytest.mark.parametrize("wrong", [0, -1, True, 1.5, "2"])
async def test_a_wrong_concurrency(wrong: object) -> None:
    with pytest.raises(cs.PolicyError, match=r"concurrency must be None or an int >= 1, got "):
        cs.Engine().as_completed([give(1)], concurrency=wrong)  # type: ignore[call-overload]


async def test_a_map_is_not_a_series_of_targets() -> None:
    with pytest.raises(TypeError, match=r"got `LazyResult`: for the results of a map .* \(f\(x\) for x in xs\)"):
        cs.Engine().as_completed(work.map(turns=[1, 2]))


async def test_what_is_no_target() -> None:
    engine = cs.Engine()
    run = engine.start(give(1))
    with pytest.raises(TypeError, match=r"^concurrency is for targets, .* got runs"):
        engine.as_completed([run], concurrency=2)
    with pytest.raises(TypeError, match=r"^name is for targets, .* got a population"):
        engine.as_completed(engine.start_many([]), name="one")  # type: ignore[call-overload]
    for wrong, told in (
        (3, r"runs\[1\] must be a run or a target, got `int`"),
        (run, r"runs\[1\] must be a target, as"),
    ):
        ends = engine.as_completed([give(1), wrong])
        assert (await anext(ends)).result() == 1
        with pytest.raises(TypeError, match=told):
            await anext(ends)
        with pytest.raises(StopAsyncIteration):
            await anext(ends)
    await run
