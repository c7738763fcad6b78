"""Scopes that hold amounts: of every kind of node, from their start to their end, whatever end that is."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import cascade as cs
from cascade.events import NodeBlocked, NodeEvent, NodeFinished, NodeStarted, NodeUnblocked
from cascade.testing import VirtualTime
from support.notes import Notes
from support.observation import settle
from support.tasks import keep, leaf


class Boom(Exception):
    """The failure of a task that was told to fail."""


@pytest.fixture
def log() -> Notes:
    return Notes()


def free(engine: cs.Engine) -> bool:
    """Whether nothing is held and nothing waits."""
    return all(not state.in_use and not state.waiting for state in engine.limits.snapshot())


@cs.task(mode="inline")
def fail(*_: object) -> None:
    raise Boom


@cs.task(mode="inline")
def later(value: object, *_: object) -> object:
    return value


@cs.task
async def sleep(seconds: float, value: object = None) -> object:
    await asyncio.sleep(seconds)
    return value


# -- what can hold -----------------------------------------------------------------------------------------------------


def received(message: object) -> cs.Channel[Any]:
    channel = cs.Channel[Any]()
    channel.send(message)
    return channel


WHOLES: dict[str, Callable[[], Any]] = {
    "wait": lambda: cs.wait(1),
    "wait_until": lambda: cs.wait_until(1),
    "ticks": lambda: cs.ticks(1),
    "recv": lambda: cs.Channel[int]().recv(timeout=1),
    "select": lambda: cs.select([cs.Channel[int]()], timeout=1),
    "gather": lambda: cs.gather(leaf(1), cs.wait(1)),
    "sequence": lambda: cs.sequence([leaf(1), cs.wait(1)]),
    "race": lambda: cs.race(cs.wait(1), cs.wait(2)),
    "map": lambda: sleep.map(seconds=[0.5, 1]),
    "operator": lambda: cs.lazy(cs.wait(1)) + 1,
    "recover": lambda: cs.recover(fail(cs.wait(1)), cs.task(mode="inline")(lambda error: 1)),
    "fallback": lambda: cs.fallback(fail(cs.wait(1)), 1),
    "outcome": lambda: cs.outcome(fail(cs.wait(1))),
    "scope": lambda: cs.scope([cs.wait(1), leaf(1)]),
    "condition": lambda: later(1, cs.wait(1)).run_if(leaf(True)),
}


@pytest.mark.parametrize("name", WHOLES)
def test_two_of_them_one_after_the_other(name: str) -> None:
    virtual = VirtualTime(limits={"server": 1})
    virtual.run([cs.lazy(WHOLES[name]()).with_constraints(server=1) for _ in range(2)])
    # The instant has come when the second one begins; what a condition guards is the call, which waits outside of it.
    assert virtual.time == (1 if name in ("wait_until", "condition") else 2)
    assert free(virtual.engine)
    virtual.close()


def test_a_router_as_a_whole() -> None:
    virtual = VirtualTime(limits={"server": 1})
    routers = [cs.Router("slow", {"slow": cs.wait(1), "quick": 1}) for _ in range(2)]
    virtual.run([cs.scope(router).with_constraints(server=1) for router in routers])
    assert virtual.time == 2 and free(virtual.engine)
    virtual.close()


def test_a_server_is_the_trick_with_a_channel() -> None:
    """Customers of three servers: the times are those of the same thing by hand."""
    virtual = VirtualTime(limits={"server": 3})

    @cs.task(mode="inline")
    def done(_: float) -> float:
        return cs.current().engine.clock.time()

    times = virtual.run([done(cs.lazy(cs.wait(1)).with_constraints(server=1)) for _ in range(8)])
    assert times == [1, 1, 1, 2, 2, 2, 3, 3]
    virtual.close()


async def test_no_asyncio_task_is_made_for_one() -> None:
    engine = cs.Engine(limits={"server": 2})
    run = engine.start([cs.lazy(cs.wait(60)).with_constraints(server=1) for _ in range(10)])
    await settle()
    state = engine.limits.snapshot()[0]
    assert (state.in_use, state.waiting, state.wanted) == (2, 8, 8)
    assert asyncio.all_tasks() == {asyncio.current_task()}
    run.cancel()
    await asyncio.gather(run, return_exceptions=True)
    assert free(engine)


def test_what_the_core_makes_cannot_be_made_half() -> None:
    from cascade._core.limits.admission import AdmissionQueue
    from cascade._core.limits.pools import Holding, Pool
    from cascade._core.limits.requests import Claim, Grant, Request
    from cascade._core.run.held import HeldClosing, HeldScope

    for kind in (AdmissionQueue, Holding, HeldClosing, HeldScope):
        with pytest.raises(TypeError):
            kind.__new__(kind)
    queue = AdmissionQueue.__new__(AdmissionQueue, None, None, lambda *_: cs.Engine().limits.admission.timetable, None)
    for use in (
        lambda: queue.try_acquire(Request.__new__(Request)),
        lambda: queue.submit(Request.__new__(Request), None),
        lambda: queue.submit_again(Claim.__new__(Claim)),
        lambda: queue.take_back(Grant.__new__(Grant), True),
    ):
        with pytest.raises((TypeError, AttributeError)):
            use()
    Grant.__new__(Grant).release()
    assert Holding(Pool.__new__(Pool), 1).root.name is None


def test_the_value_is_that_of_the_expression() -> None:
    engine = cs.Engine(limits={"gpu": 1})
    inner = cs.task(mode="inline")(lambda: cs.lazy(leaf(3)))
    scoped = cs.scope({"a": leaf(1), "b": [inner()]}).with_constraints(gpu=1)
    assert cs.run(keep(scoped), engine=engine) == ({"a": 1, "b": [3]},)
    assert cs.run(scoped, engine=engine) == {"a": 1, "b": [3]}


def test_an_amount_may_be_computed() -> None:
    virtual = VirtualTime(limits={"gpu": 4})
    waits = [cs.lazy(cs.wait(1)).with_constraints(gpu=later(amount, cs.wait(0.5))) for amount in (3, 2, 2)]
    virtual.run(waits)
    assert virtual.time == 2.5 and free(virtual.engine)
    virtual.close()


@pytest.mark.parametrize(
    "amounts", [{"gpu": 2}, {"other": 1}, {"gpu": leaf("much")}, {"gpu": leaf(-1)}, {"gpu": leaf(1), "other": 1}]
)
def test_what_can_never_be_granted_is_an_error_at_once(amounts: dict[str, Any]) -> None:
    engine = cs.Engine(limits={"gpu": 1})
    with pytest.raises((cs.LimitError, cs.PolicyError), match=r"at task cascade\.scope"):
        cs.run(keep(cs.scope(cs.wait(9)).with_constraints(**amounts)), engine=engine)
    value = cs.fallback(cs.scope(cs.wait(9)).with_constraints(**amounts), "other", on=(cs.LimitError, cs.PolicyError))
    assert cs.run(value, engine=engine) == "other"
    assert free(engine)


def test_a_scope_starts_when_it_is_granted_what_it_asks_for() -> None:
    virtual = VirtualTime(limits={"gpu": 1})
    seen: list[NodeEvent] = []
    for kind in (NodeStarted, NodeFinished, NodeBlocked, NodeUnblocked):
        virtual.engine.events.subscribe(kind, seen.append)
    virtual.run([cs.lazy(cs.wait(1)).with_constraints(gpu=1) for _ in range(2)])
    scopes = [(type(event).__name__, event.time) for event in seen if event.task.endswith("scope")]
    assert scopes == [
        ("NodeStarted", 0), ("NodeBlocked", 0), ("NodeFinished", 1), ("NodeUnblocked", 1), ("NodeStarted", 1),
        ("NodeFinished", 2),
    ] or sorted(scopes) == [
        ("NodeBlocked", 0), ("NodeFinished", 1), ("NodeFinished", 2), ("NodeStarted", 0), ("NodeStarted", 1),
        ("NodeUnblocked", 1),
    ]  # fmt: skip
    blocked = [event for event in seen if isinstance(event, NodeBlocked)]
    assert [event.reason for event in blocked] == ["limit gpu: 1 wanted, 0 of 1 free"]
    assert [event.seconds for event in seen if isinstance(event, NodeUnblocked)] == [1]
    virtual.close()


# -- released whatever happens -----------------------------------------------------------------------------------------

ENDS: dict[str, Callable[[Any], Any]] = {
    "failure in it": lambda scoped: cs.fallback(cs.scope([scoped, fail(cs.wait(0.5))]), 0),
    "race": lambda scoped: cs.race(scoped, cs.wait(0.5)),
    "timeout": lambda scoped: cs.fallback(cs.scope(scoped).with_timeout(0.5), 0),
    "not caught": lambda scoped: [scoped, fail(cs.wait(0.5))],
    "value": lambda scoped: scoped,
}


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("waits", [False, True])
@pytest.mark.parametrize("inner", ["wait", "async", "returned", "failing", "awaited"])
def test_released_whatever_happens(end: str, waits: bool, inner: str) -> None:
    virtual = VirtualTime(limits={"gpu": 1})

    @cs.task
    async def awaits() -> object:
        return await sleep(1)

    beneath = {
        "wait": lambda: cs.wait(1),
        "async": lambda: sleep(1),
        "returned": cs.task(mode="inline")(lambda: keep(sleep(1), cs.wait(1))),
        "failing": lambda: keep(fail(cs.wait(0.25)), sleep(1)),
        "awaited": awaits,
    }[inner]()
    scoped = cs.scope([beneath]).with_constraints(gpu=1)

    async def main() -> None:
        first = None
        if waits:
            first = virtual.engine.start(cs.lazy(cs.wait(0.75)).with_constraints(gpu=1))
            await asyncio.sleep(0.1)
        await asyncio.gather(virtual.engine.start(ENDS[end](scoped)), return_exceptions=True)
        if first is not None:
            await first
        assert await virtual.engine.run(leaf("last").with_constraints(gpu=1)) == "last"

    virtual.run(main())
    assert free(virtual.engine)
    virtual.close()


async def test_cancelled_at_any_turn(log: Notes) -> None:
    @cs.task
    async def slow() -> None:
        log.append("started")
        try:
            await settle(5)
        except asyncio.CancelledError:
            await settle(3)
            raise
        finally:
            log.append("ended")

    for turns in range(40):
        log.clear()
        engine = cs.Engine(limits={"gpu": 1})
        nested = cs.scope(keep(cs.scope(slow()).with_constraints(gpu=1), cs.wait(60))).with_constraints(gpu=1)
        other = cs.scope(cs.wait(60)).with_constraints(gpu=1)
        runs = [engine.start(keep(nested)), engine.start(keep(other))]
        await settle(turns)
        for run in runs:
            run.cancel()
        await asyncio.gather(*runs, return_exceptions=True)
        assert log.count("started") == log.count("ended")
        assert free(engine)
        await engine.aclose()


def test_an_engine_that_was_dropped_with_scopes_in_it() -> None:
    class Data:
        pass

    data = Data()
    engine = cs.Engine(limits={"gpu": 1})

    async def main(engine: cs.Engine, data: Data) -> None:
        for _ in range(3):
            engine.start(keep(data, cs.scope(keep(data, cs.wait(3600))).with_constraints(gpu=1)))
        await settle()

    asyncio.run(main(engine, data))
    known = weakref.ref(data), weakref.ref(engine)
    del engine, data
    for _ in range(3):
        gc.collect()
    assert [each() for each in known] == [None, None]


def test_an_engine_goes_on_after_its_loop_was_closed() -> None:
    engine = cs.Engine(limits={"gpu": 1})

    async def start() -> None:
        for _ in range(2):
            engine.start(keep(cs.scope(cs.wait(3600)).with_constraints(gpu=1)))
        await settle()
        assert engine.limits.snapshot()[0].waiting == 1

    asyncio.run(start())
    assert cs.run(cs.scope(leaf("again")).with_constraints(gpu=1), engine=engine) == "again"
    assert free(engine)


# -- calls inside ------------------------------------------------------------------------------------------------------


@cs.task(mode="inline")
def now(*_: object) -> float:
    return cs.current().engine.clock.time()


def test_calls_in_a_scope_take_from_what_it_holds() -> None:
    virtual = VirtualTime(limits={"gpu": 4})
    inner = [sleep.with_constraints(gpu=1)(1) for _ in range(4)]
    outer = sleep.with_constraints(gpu=2)(1)
    virtual.run([cs.scope(inner).with_constraints(gpu=2), outer])
    assert virtual.time == 2  # two of the four at a time: the scope holds two, and the rest is of others
    assert free(virtual.engine)
    virtual.close()


def test_scopes_in_scopes_and_calls_in_what_a_task_returns() -> None:
    virtual = VirtualTime(limits={"gpu": 3})

    @cs.task(mode="inline")
    def deeper(n: int) -> object:
        if n == 0:
            return sleep.with_constraints(gpu=1)(1)
        return keep(cs.scope(keep(deeper(n - 1))).with_constraints(gpu=1), deeper(0))

    virtual.run(cs.scope([deeper(5), sleep.with_constraints(gpu=2).map(seconds=[1, 1])]).with_constraints(gpu=3))
    assert free(virtual.engine) and virtual.time >= 3
    virtual.close()


@pytest.mark.parametrize("amount", [2, 1.5])
def test_more_than_the_scope_holds_is_an_error_at_once(amount: float) -> None:
    engine = cs.Engine(limits={"gpu": 4})
    inner = leaf(1).with_constraints(gpu=amount)
    with pytest.raises(cs.LimitError, match=f"at most 1, what the scope around it holds, got {amount}"):
        cs.run(cs.scope(keep(inner)).with_constraints(gpu=1), engine=engine)
    assert cs.run(keep(cs.scope(leaf(2)).with_constraints(gpu=1), inner), engine=engine) == (2, 1)
    assert free(engine)


def test_what_a_scope_does_not_hold_its_calls_take_from_the_engine() -> None:
    engine = cs.Engine(limits={"gpu": 1, "mem": 2})
    inner = keep(leaf(1).with_constraints(mem=2), leaf(2).with_constraints(gpu=1, mem=1))
    assert cs.run(cs.scope(inner).with_constraints(gpu=1), engine=engine) == (1, 2)
    assert cs.run(cs.scope(inner).with_constraints(gpu=0, mem=2), engine=engine) == (1, 2)
    assert free(engine)


def test_what_computes_the_amount_of_a_scope_is_outside_of_it() -> None:
    engine = cs.Engine(limits={"gpu": 2})
    amount = leaf(1).with_constraints(gpu=2)
    assert cs.run(cs.scope(keep(leaf(5))).with_constraints(gpu=amount), engine=engine) == (5,)
    both = cs.scope(keep(amount)).with_constraints(gpu=2)
    assert cs.run(cs.scope(keep(both)).with_constraints(gpu=2), engine=engine) == ((1,),)


def test_a_call_that_two_scopes_need_outlives_the_one_that_it_takes_from() -> None:
    virtual = VirtualTime(limits={"gpu": 2})
    shared = sleep.with_constraints(gpu=1)(3, "shared")
    first = cs.fallback(cs.scope(keep(shared, fail(cs.wait(1)))).with_constraints(gpu=1), "failed")
    second = cs.scope(keep(shared)).with_constraints(gpu=1)
    third = now(cs.lazy(cs.wait(0)).with_constraints(gpu=1))

    async def main() -> None:
        run = virtual.engine.start([first, second])
        await asyncio.sleep(2)
        state = virtual.engine.limits.snapshot()[0]
        assert state.in_use == 2  # the second scope, and the call, which has its unit from the engine now
        other = virtual.engine.start(third)
        assert await run == ["failed", ("shared",)]
        assert await other == 3

    virtual.run(main())
    assert free(virtual.engine)
    virtual.close()


def test_a_call_that_waits_in_a_scope_that_ends_waits_for_the_engine() -> None:
    virtual = VirtualTime(limits={"gpu": 2})
    shared = now(sleep(0)).with_constraints(gpu=1)
    blocker = sleep.with_constraints(gpu=1)(9)
    first = cs.fallback(cs.scope(keep(blocker, now(cs.wait(0)), shared, fail(cs.wait(1)))).with_constraints(gpu=1), 0)
    assert virtual.run([first, keep(shared)]) == [0, (1,)]
    assert free(virtual.engine)
    virtual.close()


@pytest.mark.parametrize("holds_up", ["rate", "pause"])
def test_a_call_that_something_else_holds_up_while_its_scope_ends_takes_from_the_engine(holds_up: str) -> None:
    virtual = VirtualTime(limits={"gpu": 1, "tokens": "1/5s"})
    if holds_up == "rate":
        virtual.engine.limits.spend(tokens=1)
    else:
        virtual.engine.limits.pause("task:*now", ttl=5)
    shared = now().with_constraints(gpu=1, tokens=1)
    first = cs.fallback(cs.scope(keep(shared, fail(cs.wait(1)))).with_constraints(gpu=1), "failed")
    holder = cs.lazy(cs.wait(7)).with_constraints(gpu=1)
    assert virtual.run([first, keep(shared), holder]) == ["failed", (8,), 7]
    assert virtual.engine.limits.snapshot()[0].in_use == 0
    virtual.close()


def test_a_scope_with_a_retry_holds_in_each_attempt_and_not_between() -> None:
    virtual = VirtualTime(limits={"gpu": 1})
    attempts: list[float] = []

    @cs.task(mode="inline")
    def flaky(at: float) -> str:
        attempts.append(cs.current().engine.clock.time())
        if len(attempts) < 3:
            raise Boom
        return "third"

    scoped = cs.scope(keep(flaky(cs.wait(1)).with_constraints(gpu=1))).with_constraints(gpu=1).with_retry(3, delay=2)
    other = cs.lazy(cs.wait(2)).with_constraints(gpu=1)
    assert virtual.run([scoped, now(other)]) == [("third",), 3]
    assert attempts == [1, 4, 8] or attempts == [1, 4, 9]
    assert free(virtual.engine)
    virtual.close()


# -- what an async task awaits -----------------------------------------------------------------------------------------


def test_what_a_call_awaits_takes_from_what_the_call_holds() -> None:
    virtual = VirtualTime(limits={"gpu": 1})

    @cs.task
    async def outer() -> object:
        return await keep(sleep.with_constraints(gpu=1)(1, "a"), sleep.with_constraints(gpu=1)(1, "b"))

    assert virtual.run(outer().with_constraints(gpu=1)) == ("a", "b")
    assert virtual.time == 2 and free(virtual.engine)
    virtual.close()


def test_what_a_call_awaits_counts_as_the_call_under_a_rule() -> None:
    virtual = VirtualTime()
    virtual.engine.limits.set("task:*", concurrency=1)

    @cs.task
    async def outer(n: int) -> object:
        return await cs.lazy(outer(n - 1)) if n else await cs.wait(1)  # type: ignore[misc]

    virtual.run([outer(3), outer(3)])
    assert virtual.time == 2
    assert [state.in_use for state in virtual.engine.limits.snapshot()] == [0]
    virtual.close()


# -- rules and pauses --------------------------------------------------------------------------------------------------


def test_rules_are_for_calls_and_pauses_for_scopes_too() -> None:
    virtual = VirtualTime(limits={"gpu": 1})
    virtual.engine.limits.set("*", concurrency=1, rate="1/s")
    assert virtual.run(cs.scope(now()).with_constraints(gpu=1)) == 0  # the scope takes no token, nor a place
    virtual.engine.limits.remove("*")
    virtual.engine.limits.pause(ttl=5)

    async def main() -> object:
        run = virtual.engine.start(cs.scope(now()).with_constraints(gpu=1))
        await asyncio.sleep(1)
        assert virtual.engine.limits.snapshot()[0].in_use == 0  # it holds nothing while it is paused
        return await run

    assert virtual.run(main()) == 5
    virtual.close()


def test_a_lowered_capacity_refuses_a_scope_that_waits() -> None:
    virtual = VirtualTime(limits={"gpu": 2})

    async def main() -> None:
        holder = virtual.engine.start(cs.lazy(cs.wait(5)).with_constraints(gpu=2))
        run = virtual.engine.start(keep(cs.scope(cs.wait(1)).with_constraints(gpu=2)))
        await asyncio.sleep(1)
        virtual.engine.limits.set("gpu", capacity=1)
        with pytest.raises(cs.LimitError, match="at most 1, the capacity of the limit, got 2"):
            await run
        await holder

    virtual.run(main())
    assert free(virtual.engine)
    virtual.close()


# -- properties --------------------------------------------------------------------------------------------------------

AMOUNTS = st.sampled_from([0, 1, 1, 2, 3])


def trees() -> st.SearchStrategy[Any]:
    """Expressions of scopes, calls and waits, by what they hold: each at most what is around it holds."""
    leaves = st.tuples(st.just("wait"), st.integers(0, 3), AMOUNTS)
    return st.recursive(
        leaves,
        lambda inner: st.tuples(
            st.sampled_from(["scope", "race", "caught", "awaited", "returned"]), st.lists(inner, max_size=3), AMOUNTS
        ),
        max_leaves=8,
    )


class Gauge:
    """How much is in use by the calls that are running, which is never more than what there is."""

    def __init__(self, capacity: float) -> None:
        self.capacity = capacity
        self.used = 0.0

    def call(self, seconds: float, amount: float) -> Any:
        @cs.task
        async def measured() -> None:
            self.used += amount
            assert self.used <= self.capacity
            try:
                await asyncio.sleep(seconds)
            finally:
                self.used -= amount

        return measured().with_constraints(gpu=amount)


def expression(tree: Any, most: float, gauge: Gauge) -> Any:
    kind, inner, amount = tree
    amount = min(amount, most)
    if kind == "wait":
        return gauge.call(inner, amount)
    parts = [expression(each, amount or most, gauge) for each in inner]
    if kind == "race":
        made: Any = cs.race(cs.wait(1), *parts)
    elif kind == "caught":
        made = cs.fallback(cs.scope([*parts, fail(cs.wait(1.5))]), 0)
    elif kind == "returned":
        made = cs.task(mode="inline")(lambda: keep(*parts))()
    elif kind == "awaited":

        @cs.task
        async def awaits() -> object:
            return await cs.scope(parts) if parts else None

        return awaits().with_constraints(gpu=amount)
    else:
        made = cs.scope(parts) if parts else cs.lazy(cs.wait(0))
    return cs.scope(made).with_constraints(gpu=amount)


@given(st.lists(trees(), min_size=1, max_size=3), st.none() | st.integers(0, 4))
def test_never_more_than_there_is_never_a_hang_and_all_given_back(found: list[Any], cancel_at: int | None) -> None:
    virtual = VirtualTime(limits={"gpu": 3})
    gauge = Gauge(3)

    async def main() -> None:
        runs = [virtual.engine.start(keep(expression(tree, 3, gauge))) for tree in found]
        if cancel_at is not None:
            await asyncio.sleep(cancel_at)
            runs[0].cancel()
        ended = await asyncio.gather(*runs, return_exceptions=True)
        assert all(not isinstance(each, Exception) for each in ended), ended

    virtual.run(main())  # a hang is an error in virtual time
    assert gauge.used == 0 and free(virtual.engine)
    virtual.close()


def test_two_scopes_that_hold_what_the_other_one_needs_are_a_deadlock_that_names_both_limits() -> None:
    @cs.task(mode="inline", name="copy")
    def copy(_: object) -> None: ...

    def side(first: str, then: str) -> object:
        return cs.scope([copy.with_constraints(**{then: 1})(cs.wait(1))]).with_constraints(**{first: 1})

    engine = cs.Engine(clock=cs.Clock.virtual(), limits={"gpu": 1, "disk": 1})
    with pytest.raises(cs.DeadlockError) as caught:
        cs.run([side("gpu", "disk"), side("disk", "gpu")], engine=engine)
    for name in ("gpu", "disk"):
        assert f"waiting to start copy (limit {name}: 1 wanted, 0 of 1 free)" in str(caught.value)
