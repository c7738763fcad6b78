"""Scopes with policies: an expression as one unit, whose attempts begin and end as those of a call do."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

import cascade as cs
from cascade.testing import VirtualTime
from support.notes import Notes
from support.observation import settle
from support.tasks import holds, keep, leaf
from support.values import Card, Pair, Point, canonical


class Boom(Exception):
    """The failure of a task that was told to fail."""


@pytest.fixture
def log() -> Notes:
    return Notes()


def sleeper(log: list[str], name: str, seconds: float, cleanup: float = 0, error: Exception | None = None) -> object:
    """Describe a call that takes some time, and some time to clean up; it may fail then."""

    @cs.task(name="sleeper")
    async def sleep(*inputs: object) -> str:
        log.append(f"{name} started")
        try:
            await asyncio.sleep(seconds)
        except asyncio.CancelledError:
            await asyncio.sleep(cleanup)
            log.append(f"{name} cleaned")
            if error is not None:
                raise error from None
            raise
        log.append(f"{name} ended")
        return name

    return sleep()


# -- time --------------------------------------------------------------------------------------------------------------


def test_a_timeout_is_for_all_that_is_beneath(virtual: VirtualTime, log: Notes) -> None:
    inner = cs.task(mode="inline")(lambda *inputs: keep(sleeper(log, "late", 9, cleanup=2), cs.wait(60)))
    target = cs.scope(keep(inner(sleeper(log, "early", 1)))).with_timeout(3)
    for _ in range(2):
        log.clear()
        begin = virtual.time
        with pytest.raises(cs.TaskTimeoutError, match=r"the scope of [\w.]+ took longer than 3 s, attempt 1"):
            virtual.run(target)
        assert log == ["early started", "early ended", "late started", "late cleaned"]
        assert virtual.time == begin + 5


@pytest.mark.parametrize(
    "make",
    [
        lambda: cs.gather(cs.wait(9), cs.wait(1)),
        lambda: cs.Router("x", {"x": cs.wait(9)}),
        lambda: cs.task(mode="inline")(cs.wait).map(seconds=[9, 1]),
        lambda: cs.Channel().recv(),
        lambda: cs.wait(9),
        lambda: cs.select([cs.Channel()]),
        lambda: cs.recover(cs.wait(9), repr),
        lambda: cs.race(cs.wait(9), cs.wait(8)),
        lambda: cs.wait(9).run_if(True),
    ],
)
def test_what_has_no_call_can_be_given_up(make: object, virtual: VirtualTime) -> None:
    with pytest.raises(cs.TaskTimeoutError):
        virtual.run(make().with_timeout(2))  # type: ignore[operator]
    assert virtual.time == 2


def test_each_attempt_has_its_time(virtual: VirtualTime, log: Notes) -> None:
    target = cs.scope(sleeper(log, "x", 9, cleanup=1)).with_timeout(2).with_retry(3, delay=10, backoff=1)
    with pytest.raises(cs.TaskTimeoutError, match="attempt 3"):
        virtual.run(target)
    assert virtual.time == 3 * (2 + 1) + 2 * 10
    assert log == ["x started", "x cleaned"] * 3


def test_all_attempts_have_their_time(virtual: VirtualTime, log: Notes) -> None:
    target = cs.scope(sleeper(log, "x", 9, cleanup=1)).with_timeout(2, total=7).with_retry(5)
    with pytest.raises(cs.TaskTimeoutError, match="in total"):
        virtual.run(target)
    assert virtual.time == 2 + 1 + 2 + 1 + 1 + 1


def test_in_time(virtual: VirtualTime, log: Notes) -> None:
    for _ in range(2):
        assert virtual.run(cs.scope(keep(sleeper(log, "x", 2), cs.wait(1))).with_timeout(3)) == ("x", 1.0)
    assert len(virtual.clock) == 0


def test_what_something_outside_needs_goes_on(virtual: VirtualTime, log: Notes) -> None:
    shared = sleeper(log, "shared", 5)
    tried = cs.scope(keep(shared, sleeper(log, "own", 9))).with_timeout(2).with_retry(2).fallback("given up")
    assert virtual.run(keep(tried, shared)) == ("given up", "shared")
    assert log == ["shared started", "own started", "own cleaned", "own started", "own cleaned", "shared ended"]
    assert virtual.time == 5


def test_what_fails_as_an_attempt_is_stopped_is_its_failure(virtual: VirtualTime, log: Notes) -> None:
    """As of a call that fails while it is being cancelled."""
    for errors, expected in (([Boom("a")], Boom), ([Boom("a"), Boom("b")], ExceptionGroup)):
        parts = [sleeper(log, "x", 9, 1, error) for error in errors]
        with pytest.raises(expected):
            virtual.run(cs.scope(keep(*parts)).with_timeout(2))
        assert virtual.run(cs.scope(keep(*parts)).with_timeout(2).recover(type, on=Boom)) is expected


def test_a_value_that_comes_as_the_time_is_over(virtual: VirtualTime) -> None:
    for _ in range(2):
        done = virtual.run(cs.outcome(cs.scope(keep(cs.wait(2))).with_timeout(2)))
        assert done.ok or type(done.error) is cs.TaskTimeoutError
    assert len(virtual.clock) == 0


def test_scopes_in_scopes(virtual: VirtualTime, log: Notes) -> None:
    inner = cs.scope(sleeper(log, "x", 9, cleanup=1)).with_timeout(2).with_retry(9)
    with pytest.raises(cs.TaskTimeoutError, match="7 s"):
        virtual.run(cs.scope(keep(inner)).with_timeout(7))
    assert log == ["x started", "x cleaned"] * 3
    assert virtual.time == 8  # the third began at 6, and was stopped at 7


def test_a_failure_ends_an_attempt_once_the_rest_has_ended(virtual: VirtualTime, log: Notes) -> None:
    @cs.task
    async def fail_at(seconds: float) -> None:
        await asyncio.sleep(seconds)
        raise Boom

    with pytest.raises(Boom):
        virtual.run(cs.scope(keep(sleeper(log, "x", 9, cleanup=3), fail_at(1))).with_retry(2))
    assert log == ["x started", "x cleaned"] * 2 and virtual.time == 8


# -- limits ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["value", "failure", "timeout", "caught above", "race", "cancelled", "run fails"])
def test_what_a_scope_holds_is_given_back_after_its_end(end: str, log: Notes) -> None:
    virtual = VirtualTime(limits={"gpu": 1})

    @cs.task
    async def after(seconds: float, fails: bool = True) -> None:
        await asyncio.sleep(seconds)
        if fails:
            raise Boom

    @cs.task(mode="inline")
    def use(name: str) -> object:
        log.append(f"{name} at {virtual.time:g}")
        return sleeper(log, name, 9, cleanup=3)

    beneath: object = keep(use("inner"))
    if end == "value":
        beneath = keep(use("inner"), sleeper(log, "short", 2))
    if end == "failure":
        beneath = keep(use("inner"), after(2))
    scoped = cs.scope(beneath).with_constraints(gpu=1)
    if end == "timeout":
        scoped = scoped.with_timeout(2)
    target: object = cs.fallback(scoped, "other")
    if end == "caught above":
        target = cs.fallback(keep(scoped, after(2)), "other")
    if end == "race":
        target = cs.race(scoped, after(2, False))

    async def main() -> None:
        first = virtual.engine.start(keep(target, after(2)) if end == "run fails" else target)
        await asyncio.sleep(1)
        second = virtual.engine.start(cs.scope(leaf(cs.wait(1))).with_constraints(gpu=1))
        if end == "cancelled":
            await asyncio.sleep(1)
            first.cancel()
        await second
        log.append(f"second at {virtual.time:g}")
        await asyncio.gather(first, return_exceptions=True)

    virtual.run(main())
    # The second one waits for the grant until the cleanup has ended, 3 seconds after it was stopped at 2.
    assert log[-1] == ("second at 10" if end == "value" else "second at 6") or log[-2] == "second at 10"
    assert all(not state.in_use and not state.waiting for state in virtual.engine.limits.snapshot())
    virtual.close()


async def test_a_scope_waits_for_its_grant_before_anything_of_it_starts(log: Notes) -> None:
    engine = cs.Engine(limits={"gpu": 1})
    gate = asyncio.Event()
    holder = cs.task(gate.wait).with_constraints(gpu=1)
    scoped = cs.scope(log.note("inside")).with_constraints(gpu=1)
    first = engine.start(holder())
    run = engine.start(scoped)
    await settle(20)
    assert log == [] and not run.done()
    gate.set()
    assert await run == "inside" and await first is True


# -- caches ------------------------------------------------------------------------------------------------------------


@cs.task(mode="inline")
def double(x: int) -> int:
    return 2 * x


async def test_a_cached_scope() -> None:
    engine = cs.Engine()
    cache = cs.ResultCache()
    CALLS.clear()
    for x in (1, 1, 2, 1):
        assert await engine.run(cs.scope(keep(double(x), counted(x))).with_cache(cache)) == (2 * x, x)
    assert CALLS == [1, 2]
    assert await engine.run(keep(cs.scope(keep(double(1), counted(1))).with_cache(cache))) == ((2, 1),)
    assert CALLS == [1, 2]


CALLS: list[int] = []


@cs.task(mode="inline")
def counted(x: int) -> int:
    CALLS.append(x)
    return x


CONTAINERS: dict[str, Callable[[object], object]] = {
    "nothing": lambda x: x,
    "list": lambda x: [x],
    "set": lambda x: {x},
    "dict": lambda x: {"x": x},
    "named tuple": lambda x: Pair(x, 0),
    "frozen dataclass": lambda x: Card(x, 0),
    "frozen struct": lambda x: Point(x, 0),
    "all of them": lambda x: [Pair({"x": Card(0, Point(0, (x,)))}, 0)],
}


@pytest.mark.parametrize("name", CONTAINERS)
async def test_what_a_cached_scope_depends_on(name: str) -> None:
    engine, cache = cs.Engine(), cs.ResultCache()
    scoped = cs.scope(keep(CONTAINERS[name](counted(cs.Param("x", type=int))))).with_cache(cache)
    CALLS.clear()
    for x in (1, 2, 1):
        assert canonical(await engine.run(scoped, params={"x": x})) == canonical((CONTAINERS[name](x),))
    assert CALLS == [1, 2]


async def test_equal_scopes_at_one_time_are_evaluated_once() -> None:
    engine, cache = cs.Engine(), cs.ResultCache()
    CALLS.clear()
    scopes = [cs.scope(keep(counted(7), cs.wait(0))).with_cache(cache) for _ in range(3)]
    assert [first for first, _ in await engine.run(scopes)] == [7] * 3  # type: ignore[misc]
    assert CALLS == [7]


async def test_a_failure_is_not_kept_and_a_skip_is_not() -> None:
    engine, cache = cs.Engine(), cs.ResultCache()
    CALLS.clear()
    failing = cs.scope(keep(counted(1), bad(1))).with_cache(cache)
    for _ in range(2):
        with pytest.raises(Boom):
            await engine.run(failing)
    assert CALLS == [1, 1]
    CALLS.clear()
    skipped = cs.scope(leaf(counted(1)).run_if(is_false(counted(3)))).with_cache(cache)
    for _ in range(2):
        assert await engine.run([skipped]) == [cs.SKIPPED]
    assert CALLS == [3, 3]


@cs.task(mode="inline")
def bad(x: int) -> None:
    raise Boom


@cs.task(mode="inline")
def is_false(x: int) -> bool:
    return False


# -- its end -----------------------------------------------------------------------------------------------------------


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
        raise Boom

    for turns in range(45):
        log.clear()
        engine = cs.Engine(limits={"gpu": 1})
        inner = cs.scope(slow()).with_retry(2)
        run = engine.start(cs.scope(keep(inner, cs.wait(60))).with_retry(2).with_constraints(gpu=1))
        await settle(turns)
        run.cancel()
        await asyncio.gather(run, return_exceptions=True)
        assert run.done() and log.count("started") == log.count("ended")
        assert all(not state.in_use and not state.waiting for state in engine.limits.snapshot())
        await engine.aclose()


async def test_a_frame_has_ended_with_its_scopes(cold: cs.Engine, log: Notes) -> None:
    """A failure of the run beside a scope stops what is in it; all has ended when the run has."""

    @cs.task
    async def sleep() -> None:
        log.append("started")
        try:
            await asyncio.Event().wait()
        finally:
            await settle(10)
            log.append("cleaned")

    @cs.task
    async def fail_later() -> None:
        await holds(lambda: bool(log))
        raise Boom

    with pytest.raises(Boom):
        await cold.run(keep(cs.scope(keep(cs.scope(sleep()).with_retry(2))).with_retry(2), fail_later()))
    assert log == ["started", "cleaned"]
