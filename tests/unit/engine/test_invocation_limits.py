"""Limits at work on an engine: calls, maps, retries, runs that are cancelled, loops that end."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import cascade as cs
from support.observation import settle
from support.tasks import holds

MODES = ["inline", "thread", "async"]


class Gauge:
    """How many are inside at once, and how many have ever been."""

    def __init__(self) -> None:
        self.inside = 0
        self.most = 0
        self.entries = 0

    def __enter__(self) -> None:
        self.inside += 1
        self.entries += 1
        self.most = max(self.most, self.inside)

    def __exit__(self, *exc: object) -> None:
        self.inside -= 1


@pytest.fixture
def gauge() -> Gauge:
    return Gauge()


@pytest.fixture
def work(gauge: Gauge) -> cs.Task:
    @cs.task(name="work")
    async def work(x: object, turns: int = 3) -> object:
        with gauge:
            await settle(turns)
            return x

    return work


@cs.task(mode="inline")
def echo(x: Any) -> Any:
    return x


def free(engine: cs.Engine) -> bool:
    return all(state.kind == "rate" or (not state.in_use and not state.waiting) for state in engine.limits.snapshot())


# -- calls -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
async def test_no_more_at_once_than_there_is(mode: str) -> None:
    if mode == "async":

        @cs.task
        async def take(x: int) -> int:
            await asyncio.sleep(0)
            return x
    else:

        @cs.task(mode=mode)  # type: ignore[arg-type]
        def take(x: int) -> int:
            return x

    async with cs.Engine(limits={"gpu": 2, "mem": 10}) as engine:
        calls = [take(x).with_constraints(gpu=1, mem=echo(x)) for x in range(10)]
        assert await engine.run(calls) == list(range(10))
        assert free(engine)


async def test_calls_share_what_there_is(work: cs.Task, gauge: Gauge) -> None:
    async with cs.Engine(limits={"gpu": 3}) as engine:
        runs = [engine.start(work(x).with_constraints(gpu=1)) for x in range(20)]
        assert [await run for run in runs] == list(range(20))
        assert gauge.most == 3 and free(engine)


@pytest.mark.parametrize(
    ("limits", "amounts", "error", "match"),
    [
        ({"gpu": 0}, {"gpu": 1}, cs.LimitError, "amount of 'gpu' must be at most 0"),
        ({"gpu": 2}, {"gpu": 2.5}, cs.LimitError, "amount of 'gpu' must be at most 2.*got 2.5"),
        ({"gpu": 2}, {"cpu": 1}, cs.LimitError, r"one of the engine's \('gpu'\), got 'cpu'"),
        ({}, {"gpu": 1}, cs.LimitError, r"one of the engine's \(none\), got 'gpu'"),
        ({"gpu": 2}, {"gpu": echo(-1)}, cs.PolicyError, ">= 0, got -1"),
        ({"gpu": 2}, {"gpu": echo("1")}, cs.PolicyError, ">= 0, got `str`"),
        ({"gpu": 2}, {"gpu": echo(True)}, cs.PolicyError, ">= 0, got `bool`"),
    ],
)
@pytest.mark.parametrize("again", [False, True])
async def test_what_can_never_be_is_an_error_at_once(
    work: cs.Task, limits: dict[str, float], amounts: dict[str, Any], error: type[Exception], match: str, again: bool
) -> None:
    async with cs.Engine(limits=limits) as engine:
        for _ in range(2):
            with pytest.raises(error, match=match):
                await engine.run(work(1).with_constraints(**amounts))
        assert free(engine)


@pytest.mark.parametrize("mode", ["inline", "thread"])
async def test_a_failure_gives_everything_back(mode: Any) -> None:
    @cs.task(mode=mode)
    def fail() -> None:
        raise OSError

    async with cs.Engine(limits={"gpu": 1}) as engine:
        engine.limits.set("*", concurrency=1)
        for _ in range(3):
            with pytest.raises(OSError):
                await engine.run(fail().with_constraints(gpu=1))
            assert free(engine)


async def test_a_call_holds_nothing_while_what_it_returned_runs(work: cs.Task) -> None:
    @cs.task(mode="inline")
    def outer(n: int) -> object:
        return outer(n - 1).with_constraints(gpu=1) if n else work("end").with_constraints(gpu=1)

    async with cs.Engine(limits={"gpu": 1}) as engine:
        assert await engine.run(outer(50).with_constraints(gpu=1)) == "end"
        assert await engine.run(echo(outer(50).with_constraints(gpu=1))) == "end"
        assert free(engine)


# -- maps ------------------------------------------------------------------------------------------------------


async def test_a_map_whose_items_want_all_there_is(work: cs.Task, gauge: Gauge) -> None:
    async with cs.Engine(limits={"gpu": 2}) as engine:
        assert await engine.run(work.with_constraints(gpu=2).map(x=range(10))) == list(range(10))
        assert gauge.most == 1 and free(engine)


async def test_maps_in_maps_under_one_limit(work: cs.Task, gauge: Gauge) -> None:
    inner = work.with_constraints(gpu=1)

    @cs.task(mode="inline")
    def outer(x: int) -> cs.LazyResult:
        return inner.map(x=[x, x + 1])

    async with cs.Engine(limits={"gpu": 2}) as engine:
        value = await engine.run(outer.with_constraints(gpu=1).map(x=range(5)))
        assert value == [[x, x + 1] for x in range(5)]
        assert 1 < gauge.most <= 2 and free(engine)


# -- retries ---------------------------------------------------------------------------------------------------


async def test_a_retry_holds_nothing_while_it_waits() -> None:
    attempts = 0

    @cs.task(mode="inline")
    def flaky() -> str:
        nonlocal attempts
        attempts += 1
        if attempts == 1:
            raise OSError
        return "done"

    async with cs.Engine(limits={"gpu": 1}) as engine:
        run = engine.start(flaky().with_constraints(gpu=1).with_retry(max_attempts=2, delay=3600, jitter=None))
        await holds(lambda: attempts == 1)
        assert await engine.run(echo("meanwhile").with_constraints(gpu=1)) == "meanwhile"
        assert free(engine)
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run


async def test_each_attempt_counts_for_a_rate() -> None:
    attempts = 0

    @cs.task(mode="inline", name="flaky")
    def flaky() -> str:
        nonlocal attempts
        attempts += 1
        if attempts < 3:
            raise OSError
        return "done"

    async with cs.Engine() as engine:
        engine.limits.set("task:flaky", rate="1/h", burst=2)
        run = engine.start(flaky().with_retry(max_attempts=3))
        await holds(lambda: any(state.waiting for state in engine.limits.snapshot()))
        assert attempts == 2
        engine.limits.remove("task:flaky")
        assert await run == "done"


# -- cancellation ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("turns", range(12))
async def test_cancelled_after_any_number_of_turns(work: cs.Task, turns: int) -> None:
    async with cs.Engine(limits={"gpu": 1}) as engine:
        engine.limits.set("task:work", concurrency=1)
        runs = [engine.start(work(x, 2).with_constraints(gpu=1)) for x in range(4)]
        await settle(turns)
        for run in runs[:3]:
            run.cancel()
        assert await runs[3] == 3
        for x, run in enumerate(runs[:3]):
            if run.state == "done":  # it was quicker
                assert await run == x
            else:
                with pytest.raises(asyncio.CancelledError):
                    await run
        assert free(engine)


async def test_a_failing_sibling_cancels_waiting_calls(work: cs.Task) -> None:
    @cs.task(mode="thread")
    def fail() -> None:
        raise OSError

    async with cs.Engine(limits={"gpu": 1}) as engine:
        target = echo([work(1, 50).with_constraints(gpu=1), work(2).with_constraints(gpu=1), fail()])
        with pytest.raises(OSError):
            await engine.run(target)
        assert free(engine)


# -- changes ---------------------------------------------------------------------------------------------------


async def test_a_raised_limit_wakes_waiting_calls(work: cs.Task, gauge: Gauge) -> None:
    async with cs.Engine(limits={"gpu": 1}) as engine:
        runs = [engine.start(work(x, 200).with_constraints(gpu=1)) for x in range(4)]
        await holds(lambda: gauge.inside == 1)
        engine.limits.set("gpu", capacity=3)
        await holds(lambda: gauge.inside == 3)
        assert [await run for run in runs] == [0, 1, 2, 3] and gauge.most == 3


async def test_rules_hold_for_calls_without_constraints(work: cs.Task, gauge: Gauge) -> None:
    async with cs.Engine() as engine:
        assert await engine.run([work(x) for x in range(10)]) == list(range(10))
        assert gauge.most == 10
        gauge.most = 0
        engine.limits.set("task:work", concurrency=2)
        assert await engine.run([work(x) for x in range(10)]) == list(range(10))
        assert gauge.most == 2
        gauge.most = 0
        engine.limits.remove("task:work")
        assert await engine.run([work(x) for x in range(10)]) == list(range(10))
        assert gauge.most == 10


async def test_a_rule_for_one_run(work: cs.Task, gauge: Gauge) -> None:
    async with cs.Engine() as engine:
        engine.limits.pause()
        one, other = (engine.start([work(x) for x in range(5)]) for _ in range(2))
        engine.limits.set(f"run:{one.id}", concurrency=1)
        engine.limits.resume()
        assert await one == await other == list(range(5))
        assert 1 < gauge.most <= 6


# -- pauses ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
async def test_a_pause_stops_at_the_next_node_exactly(mode: str) -> None:
    seen: list[int] = []

    def look(n: int) -> object:
        seen.append(n)
        if n == 5:
            loop.call_soon_threadsafe(engine.limits.pause) if mode == "thread" else engine.limits.pause()
        return step(n + 1) if n < 10 else n

    async def look_later(n: int) -> object:
        return look(n)

    loop = asyncio.get_running_loop()
    step = cs.task(look_later, name="step") if mode == "async" else cs.task(look, mode=mode, name="step")  # type: ignore[call-overload]
    async with cs.Engine() as engine:
        run = engine.start(step(0))
        await holds(lambda: engine.limits.active)
        await settle(50)
        stopped = list(seen)
        assert stopped == list(range(6)) or mode == "thread"
        await settle(50)
        assert seen == stopped
        engine.limits.resume()
        assert await run == 10 and seen == list(range(11))


async def test_a_pause_ends_by_itself() -> None:
    async with cs.Engine() as engine:
        engine.limits.pause(ttl=0.01)
        assert await engine.run(echo([echo(1), echo(2)])) == [1, 2]
        assert not engine.limits.active


async def test_a_paused_run_costs_nothing() -> None:
    async with cs.Engine() as engine:
        engine.limits.pause()
        run = engine.start(echo(1))
        await settle(20)
        turns = 0
        original = engine._driver._turn

        def turn() -> None:
            nonlocal turns
            turns += 1
            original()

        engine._driver._turn = turn  # type: ignore[method-assign]
        await settle(100)
        assert turns == 0 and not run.done()
        engine.limits.resume()
        assert await run == 1


async def test_a_paused_run_can_be_cancelled() -> None:
    async with cs.Engine() as engine:
        engine.limits.pause()
        run = engine.start(echo(echo(1)))
        await settle()
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run
        assert free(engine)


# -- loops and events ------------------------------------------------------------------------------------------


def test_one_loop_after_the_other(work: cs.Task) -> None:
    engine = cs.Engine(limits={"gpu": 1})
    engine.limits.set("task:work", concurrency=1, rate="1000/s", burst=1000)

    async def leave() -> tuple[cs.Run, cs.Run]:
        first = engine.start(work(1, 10**9).with_constraints(gpu=1))
        second = engine.start(work(2).with_constraints(gpu=1))
        await settle(10)
        return first, second

    async def again() -> object:
        return await engine.run([work(x).with_constraints(gpu=1) for x in range(3)])

    left = asyncio.run(leave())
    engine.limits.pause(ttl=0.01)
    assert asyncio.run(again()) == [0, 1, 2]
    assert asyncio.run(again()) == [0, 1, 2]
    assert free(engine)
    for run in left:
        with pytest.raises(asyncio.CancelledError):
            run.result()
    asyncio.run(engine.aclose())


async def test_a_waiting_call_has_events(work: cs.Task) -> None:
    from cascade.events import NodeBlocked, NodeUnblocked

    async with cs.Engine(limits={"gpu": 1}) as engine:
        blocked: list[NodeBlocked] = []
        unblocked: list[NodeUnblocked] = []
        engine.events.subscribe(NodeBlocked, blocked.append)
        engine.events.subscribe(NodeUnblocked, unblocked.append)
        await engine.run([work(x).with_constraints(gpu=1) for x in range(2)])
        assert [event.reason for event in blocked] == ["limit gpu: 1 wanted, 0 of 1 free"]
        assert [(event.reason, event.node) for event in unblocked] == [(blocked[0].reason, blocked[0].node)]


@pytest.mark.parametrize("how", [*MODES, "policies", "wait", "map", "scope"])
async def test_a_run_says_that_its_call_waits_for_the_limits(how: str) -> None:
    @cs.task(name="call", mode="thread" if how == "thread" else "inline")
    def call(n: int) -> int:
        return n

    @cs.task(name="call")
    async def call_async(n: int) -> int:
        return n

    made: dict[str, Any] = {
        "async": call_async(1),
        "policies": call.with_retry(2)(1),
        "wait": cs.wait(0),
        "map": call_async.map(n=[1]),
        "scope": cs.scope([call(1)]).with_constraints(gpu=1),
    }
    name = how if how in ("wait", "scope") else "call"
    async with cs.Engine(limits={"gpu": 1}) as engine:
        engine.limits.pause(ttl=3600)
        run = engine.start(made.get(how, call(1)))
        await settle()
        assert (run.state, run.doing) == ("parked", f"waiting to start {name} (paused: *)")
        engine.limits.resume()
        await run
        assert run.doing == "done"


async def test_a_run_says_for_which_limit_it_waits_now() -> None:
    @cs.task
    async def call() -> int:
        return 1

    async with cs.Engine(limits={"gpu": 1}) as engine:
        first: cs.Channel[None] = cs.Channel()
        holder = engine.start(cs.lazy(first.recv()).with_constraints(gpu=1))
        await settle()
        engine.limits.pause("task:*call")
        run = engine.start(call.with_constraints(gpu=1)())
        await settle()
        assert run.doing == "waiting to start " + call.name + " (paused: task:*call)"
        engine.limits.resume("task:*call")
        assert run.doing == f"waiting to start {call.name} (limit gpu: 1 wanted, 0 of 1 free)"
        first.send(None)
        assert await run == 1 and holder.done()
