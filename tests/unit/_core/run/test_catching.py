"""Where a failure is caught: on every way from the failed node to the run's value, in whatever frame."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import cascade as cs
from cascade.events import NodeCaught, NodeFailed
from support.notes import Notes
from support.observation import settle
from support.tasks import give, holds, keep, leaf


class Boom(Exception):
    """The failure of a task that was told to fail."""


class Token:
    """A value that a weak reference can watch."""


class Crash(Exception):
    """The failure of a cleanup."""


@cs.task(mode="inline")
def fail(label: object = "boom", *inputs: object) -> None:
    raise Boom(label)


@cs.task
async def fail_late(label: object = "boom", *inputs: object) -> None:
    await asyncio.sleep(0)
    raise Boom(label)


@cs.task(mode="inline")
def label_of(error: Exception) -> object:
    return error.args


@pytest.fixture
def log() -> Notes:
    return Notes()


class Sleeper:
    """Calls that wait until they are cancelled, and take some turns to clean up.

    Attributes:
        log: what they have done.
    """

    def __init__(self, log: list[str]) -> None:
        self.log = log
        self.started = 0

    def call(self, name: str = "sleeper", *inputs: object, turns: int = 5, error: Exception | None = None) -> object:
        @cs.task(name="sleeper")
        async def sleeper(*inputs: object) -> None:
            self.started += 1
            self.log.append(f"{name} started")
            try:
                await asyncio.Event().wait()
            finally:
                await settle(turns)
                self.log.append(f"{name} cleaned")
                if error is not None:
                    raise error

        return sleeper(*inputs)

    def fail_once(self, count: int, label: str = "boom") -> cs.LazyResult:
        """Fail once so many of them have started."""

        @cs.task
        async def fail_then() -> None:
            await holds(lambda: self.started >= count)
            raise Boom(label)

        return fail_then()


@pytest.fixture
def sleeper(log: Notes) -> Sleeper:
    return Sleeper(log)


# -- ways ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("failing", [fail, fail_late])
async def test_every_way_must_pass_a_node_that_catches(failing: cs.Task, cold: cs.Engine) -> None:
    for _ in range(2):
        shared = failing()
        both = keep(cs.recover(keep(shared), label_of), cs.fallback([shared], 2), cs.outcome(shared))
        caught, other, outcome = await cold.run(both)  # type: ignore[misc]
        assert (caught, other, type(outcome.error)) == (("boom",), 2, Boom)
        shared = failing()
        with pytest.raises(Boom):
            await cold.run(keep(cs.recover(keep(shared), label_of), keep(shared)))
        with pytest.raises(Boom):
            await cold.run(keep(cs.recover(shared, label_of), cs.fallback(shared, 1, on=ValueError)))


async def test_what_runs_beside_goes_on(cold: cs.Engine) -> None:
    gate = asyncio.Event()

    @cs.task
    async def beside() -> str:
        await gate.wait()
        return "beside"

    @cs.task(mode="inline")
    def handle(error: Exception) -> str:
        gate.set()
        return "handled"

    shared = beside()
    assert await cold.run(keep(cs.recover(keep(fail(), shared), handle), beside(), shared)) == (
        "handled",
        "beside",
        "beside",
    )


async def test_a_node_that_comes_to_be_demanded_has_the_failure(cold: cs.Engine) -> None:
    shared = fail()

    @cs.task
    async def choose() -> str:
        await settle(5)
        return "x"

    routed = cs.Router(choose(), {"x": cs.recover(keep(shared), label_of)})
    assert await cold.run(keep(cs.fallback(shared, 1), routed)) == (1, ("boom",))
    with pytest.raises(Boom):
        await cold.run(keep(cs.fallback(shared, 1), cs.Router(choose(), {"x": keep(shared)})))


async def test_what_comes_to_demand_a_failed_node_waits_until_what_was_stopped_has_ended(
    cold: cs.Engine, sleeper: Sleeper
) -> None:
    """It is started once the failure is there as a value; it has another operand that is not there yet by then."""
    for fails in (False, True):
        sleeper.log.clear()
        sleeper.started = 0
        shared = sleeper.fail_once(1)
        cleaning = asyncio.Event()

        @cs.task
        async def slow(cleaning: asyncio.Event = cleaning) -> None:
            sleeper.started += 1
            try:
                await asyncio.Event().wait()
            finally:
                cleaning.set()
                await settle(20)
                sleeper.log.append("cleaned")

        @cs.task
        async def choose(cleaning: asyncio.Event = cleaning) -> str:
            await cleaning.wait()
            return "x"

        @cs.task
        async def operand(fails: bool = fails) -> str:
            await settle(40)
            sleeper.log.append("operand")
            if fails:
                raise Crash
            return "operand"

        caught = cs.recover(keep(shared, slow()), label_of)
        later = cs.recover(keep(shared, operand()), label_of)
        given, routed = await cold.run(keep(caught, cs.Router(choose(), {"x": later})))  # type: ignore[misc]
        assert given == ("boom",) and routed in (("boom",), ())
        assert sleeper.log[0] == "cleaned"


async def test_a_failure_is_that_of_each_node_that_has_it(cold: cs.Engine) -> None:
    shared = fail()
    one, other = await cold.run(keep(cs.recover(keep(shared), leaf), cs.recover(shared, leaf)))  # type: ignore[misc]
    assert one is other


# -- frames ----------------------------------------------------------------------------------------------------------


@cs.task(mode="inline")
def expand(make: Callable[[], object]) -> object:
    return make()


async def test_in_the_frame_above(cold: cs.Engine, sleeper: Sleeper) -> None:
    inner = expand(lambda: keep(sleeper.call("inner"), sleeper.fail_once(2)))
    assert await cold.run(cs.recover(keep(inner, sleeper.call("outer")), label_of)) == ("boom",)
    assert sorted(sleeper.log[-2:]) == ["inner cleaned", "outer cleaned"]


async def test_the_nearest_one_that_catches(cold: cs.Engine, sleeper: Sleeper) -> None:
    inner = expand(lambda: keep(cs.recover(sleeper.fail_once(1), label_of)))

    @cs.task(mode="inline")
    def handle(error: Exception) -> str:
        raise AssertionError("called")

    target = cs.recover(keep(inner, cs.race(sleeper.call(), leaf("won").after(cs.wait(0)))), handle)
    assert await cold.run(target) == ((("boom",),), "won")


async def test_one_that_does_not_catch_it_is_passed_by(cold: cs.Engine, sleeper: Sleeper) -> None:
    inner = cs.recover(keep(sleeper.call("inner"), sleeper.fail_once(2)), repr, on=ValueError)
    assert await cold.run(cs.recover(keep(expand(lambda: keep(inner)), sleeper.call("outer")), label_of)) == ("boom",)
    assert sorted(sleeper.log[-2:]) == ["inner cleaned", "outer cleaned"]


async def test_items_of_a_map_are_beneath_it(cold: cs.Engine, sleeper: Sleeper) -> None:
    for concurrency, beside in ((None, 5), (2, 1)):
        sleeper.log.clear()
        sleeper.started = 0

        @cs.task(mode="inline")
        def item(number: int, beside: int = beside) -> object:
            return sleeper.fail_once(beside) if number == 1 else sleeper.call(f"item {number}")

        mapped = item.map(number=range(6), concurrency=concurrency)
        assert await cold.run(cs.recover(mapped, label_of)) == ("boom",)
        assert len([line for line in sleeper.log if "cleaned" in line]) == beside


async def test_a_map_whose_input_fails_while_its_items_run(cold: cs.Engine, sleeper: Sleeper) -> None:
    def numbers() -> object:
        yield 1
        yield 2
        raise Boom("boom")

    @cs.task(mode="inline")
    def item(number: int) -> object:
        return sleeper.call(f"item {number}")

    assert await cold.run(cs.recover(item.map(number=numbers()), label_of)) == ("boom",)
    # How many have begun by then depends on the machine.
    started, cleaned = (
        [line.removesuffix(end) for line in sleeper.log if line.endswith(end)] for end in (" started", " cleaned")
    )
    assert sorted(started) == sorted(cleaned) in ([], ["item 1"], ["item 2"], ["item 1", "item 2"])
    assert len(sleeper.log) == len(started) + len(cleaned)


async def test_a_loop_catches_in_each_iteration(cold: cs.Engine) -> None:
    @cs.task(mode="inline")
    def step(n: int, seen: object = None) -> object:
        return step(n - 1, cs.recover(fail(n), label_of)) if n else seen

    run = cold.start(step(100))
    assert await run == (1,) and run.iterations == 100


async def test_a_failure_deep_below(cold: cs.Engine) -> None:
    """A hundred thousand frames are dropped, one after the other."""

    @cs.task(mode="inline")
    def down(n: int) -> object:
        return keep(down(n - 1)) if n else fail()

    for _ in range(2):
        assert await cold.run(keep(cs.recover(down(100_000), label_of))) == (("boom",),)


async def test_a_failure_that_each_of_many_frames_catches(cold: cs.Engine) -> None:
    """And translates: each catch looks at what is beneath it, and not at all frames of the run.

    There are few of them, as Python itself looks through all contexts of an exception whenever one is raised in it.
    """

    def again(error: Exception) -> None:
        raise Boom(error.args[0] + 1)

    @cs.task(mode="inline")
    def down(n: int) -> object:
        return keep(cs.recover(down(n - 1), again)) if n else fail(0)

    assert await cold.run(cs.recover(down(3_000), label_of)) == (3_000,)


async def test_very_many_failures_in_one_frame(cold: cs.Engine) -> None:
    many = 20_000
    assert await cold.run([cs.recover(fail_late(i), label_of) for i in range(many)]) == [(i,) for i in range(many)]


async def test_an_expression_that_cannot_be_started(cold: cs.Engine) -> None:
    """What its params, its resources or its structure lack is a failure of the node that has returned it."""
    for make, error in (
        (lambda: leaf(cs.Param("n", type=int)), cs.InputError),
        (lambda: leaf(cs.inject("db")), cs.ResourceError),
        (lambda: cs.Router("x", {"y": 1}), cs.RouteError),
        (lambda: leaf.map(value=give(7)), cs.MapError),
    ):
        for _ in range(2):
            assert await cold.run(cs.recover(keep(expand(make)), type)) is error
    with pytest.raises(cs.InputError):
        await cold.run(cs.recover(cs.Param("n", type=int), type))  # of the target: found before it starts


# -- groups ----------------------------------------------------------------------------------------------------------


async def test_what_fails_as_it_is_stopped_is_in_a_group(cold: cs.Engine, sleeper: Sleeper) -> None:
    first, second = sleeper.call("a", error=Crash("a")), sleeper.call("c", error=Crash("c"))
    beneath = keep(first, sleeper.fail_once(3), [sleeper.call("b"), second])
    for _ in range(2):
        sleeper.started = 0
        group = await cold.run(cs.recover(beneath, leaf))
        assert type(group) is ExceptionGroup and str(group).startswith("several tasks failed")
        first_error, *others = group.exceptions
        assert first_error.args == ("boom",)
        assert sorted(error.args for error in others) == [("a",), ("c",)]
    sleeper.started = 0
    outcome = await cold.run(cs.outcome(beneath))
    assert isinstance(outcome, cs.Outcome) and type(outcome.error) is ExceptionGroup


async def test_the_group_must_be_caught_too(cold: cs.Engine, sleeper: Sleeper) -> None:
    asked: list[Exception] = []

    def is_single(error: Exception) -> bool:
        asked.append(error)
        return type(error) is Boom

    for on in (Boom, is_single):
        for catch in (lambda x, on: cs.recover(x, leaf, on=on), lambda x, on: cs.fallback(x, 1, on=on)):
            sleeper.started = 0
            beneath = keep(sleeper.call(error=Crash("late")), sleeper.fail_once(1))
            with pytest.raises(ExceptionGroup):
                await cold.run(catch(beneath, on))
    assert [type(error) for error in asked] == [Boom, ExceptionGroup] * 2


async def test_two_failures_at_one_time(cold: cs.Engine) -> None:
    """Both have landed before the first is looked at."""
    gate = asyncio.Event()

    @cs.task
    async def fail_at_gate(label: str) -> None:
        await gate.wait()
        raise Boom(label)

    @cs.task
    async def open_gate() -> None:
        await settle(3)
        gate.set()

    group = await cold.run(cs.recover(keep(fail_at_gate("a"), fail_at_gate("b"), open_gate()), leaf))
    assert [error.args for error in group.exceptions] == [("a",), ("b",)]  # type: ignore[attr-defined]


async def test_an_interrupt_beside_a_failure_is_not_lost(cold: cs.Engine) -> None:
    gate = asyncio.Event()

    @cs.task
    async def at_gate(error: BaseException) -> None:
        await gate.wait()
        raise error

    @cs.task
    async def open_gate() -> None:
        await settle(3)
        gate.set()

    interrupt = asyncio.CancelledError("by itself")
    for errors in ((Boom(), cs.InternalError("x")), (cs.InternalError("x"), Boom())):
        gate.clear()
        with pytest.raises(BaseException) as caught:
            await cold.run(cs.fallback(keep(*map(at_gate, errors), open_gate()), 1))
        assert cs.InternalError in {type(each) for each in getattr(caught.value, "exceptions", [caught.value])}
    del interrupt


async def test_what_must_not_be_caught_out_of_a_cleanup(cold: cs.Engine) -> None:
    @cs.task
    async def cleaning() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await settle(5)
            raise cs.InternalError("defect")

    run = cold.start(cs.fallback(keep(cleaning(), fail_late()), 1))
    with pytest.raises(cs.InternalError, match="defect"):
        await run


# -- notes -----------------------------------------------------------------------------------------------------------


async def test_a_caught_failure_has_its_place_in_a_note(cold: cs.Engine) -> None:
    error = await cold.run(keep(cs.recover(keep(1, fail()), leaf)))
    (note,) = error[0].__notes__  # type: ignore[index]
    assert "fail at $.args[0].args[1], iteration 0 of run " in note


async def test_a_failure_that_is_raised_again_names_both_places(cold: cs.Engine) -> None:
    def again(error: Exception) -> None:
        raise error

    with pytest.raises(Boom) as caught:
        await cold.run(keep(cs.recover(keep(1, fail()), again)))
    first, second = caught.value.__notes__
    assert "fail at $.args[0].args[1]" in first and "recover at $.args[0]" in second


@pytest.mark.parametrize("order", [1, -1])
def test_what_fails_in_the_same_turn_beside_it_is_alone(order: int) -> None:
    """It is chance which failure lands first: one that is caught is none of the run's in either order."""

    @cs.task
    async def fails(error: type[Exception]) -> None:
        await asyncio.sleep(0)
        raise error

    target = [fails(TypeError), cs.recover(fails(ConnectionError), repr)]
    with pytest.raises(TypeError):
        cs.run(target[::order])
    with pytest.raises(ExceptionGroup):
        cs.run([fails(TypeError), cs.recover(fails(ConnectionError), repr, on=ValueError)])


SHELTERS: dict[str, Callable[[Any], Any]] = {
    "recover": lambda node: cs.recover(node, repr),
    "fallback": lambda node: cs.fallback([node], 1),
    "outcome": cs.outcome,
    "race": lambda node: cs.race(node, cs.wait(9)),
    "scope": lambda node: cs.scope(node).with_retry(9),
    "outcome of a scope": lambda node: cs.outcome(cs.scope(node).with_retry(2)),
    "gather": lambda node: cs.gather(node, return_exceptions=True),
}


@pytest.mark.parametrize("turns", range(5))
@pytest.mark.parametrize("beneath", ["itself", "what it returns"])
@pytest.mark.parametrize("name", SHELTERS)
async def test_what_fails_as_the_run_stops(name: str, beneath: str, turns: int) -> None:
    """Whenever the run fails beside it: before it does, in the same turn, or after something has caught it."""

    @cs.task
    async def fails(error: type[Exception], turns: int) -> None:
        for _ in range(turns):
            await asyncio.sleep(0)
        raise error

    @cs.task(mode="inline")
    def returns() -> Any:
        return [fails(ConnectionError, 2)]

    node = fails(ConnectionError, 2) if beneath == "itself" else returns()
    async with cs.Engine() as engine:
        with pytest.raises(TypeError):
            await engine.run([fails(TypeError, turns), SHELTERS[name](node)])


@cs.task
async def fails_as_it_is_cancelled() -> None:
    try:
        await asyncio.Event().wait()
    finally:
        raise ConnectionError


@cs.task
async def awaits(scoped: bool = False) -> None:
    await (cs.scope(fails_as_it_is_cancelled()).with_retry(2) if scoped else fails_as_it_is_cancelled())


@pytest.mark.parametrize(
    ("make", "is_caught"),
    [
        (fails_as_it_is_cancelled, False),
        (lambda: cs.recover(keep(fails_as_it_is_cancelled()), repr), True),
        (lambda: cs.recover(keep(fails_as_it_is_cancelled()), repr, on=KeyError), False),
        (lambda: cs.outcome(fails_as_it_is_cancelled()), True),
        (lambda: cs.race(fails_as_it_is_cancelled()), True),
        (lambda: cs.scope(keep(fails_as_it_is_cancelled())).with_timeout(60), False),
        (lambda: cs.scope(keep(fails_as_it_is_cancelled())).with_retry(2), True),
        (lambda: cs.scope(keep(fails_as_it_is_cancelled())).with_retry(2, on=KeyError), False),
        (lambda: fails_as_it_is_cancelled().with_retry(2), False),
        (awaits, False),
        (lambda: awaits(scoped=True), True),
        (lambda: cs.recover(awaits(), repr), True),
        (lambda: cs.outcome(cs.scope(awaits(scoped=True)).with_timeout(60)), True),
    ],
    ids=range(13),
)
def test_what_fails_as_the_run_stops_is_its_failure_unless_something_catches_it(
    make: Callable[[], object], is_caught: bool
) -> None:
    @cs.task
    async def first(_: object) -> None:
        raise TypeError

    with pytest.raises(TypeError if is_caught else ExceptionGroup) as caught:
        cs.run([first(cs.wait(1)), make()], engine=cs.Engine(clock=cs.Clock.virtual()))
    if not is_caught:
        assert [type(each) for each in caught.value.exceptions] == [TypeError, ConnectionError]  # type: ignore[union-attr]


# -- what is left of a failure


class Broken(cs.CachePolicy):
    """A cache policy that gives back what no policy may."""

    def key(self, task: object, arguments: object, keywords: object) -> bytes:
        return b"key"

    def load(self, key: bytes, now: float) -> cs.Hit | None:
        return None

    def save(self, key: bytes, value: Any, now: float) -> Any:
        return value


@cs.task
async def fail_at_once(token: object) -> None:
    raise Boom(token)


@cs.task(mode="inline")
def tail(token: object) -> object:
    return keep(token)


WAYS_TO_FAIL_AT_ONCE: dict[str, Callable[[object], Any]] = {
    "a call": fail_at_once,
    "a call with a policy": lambda token: fail_at_once(token).with_retry(1),
    "a call of a function with a policy": lambda token: fail(token).with_retry(1),
    "the set-up of a resource": lambda token: give(cs.inject("broken")),
    "keeping the value of an expression": lambda token: tail(token).with_cache(Broken()),
}


@pytest.mark.parametrize("way", WAYS_TO_FAIL_AT_ONCE)
async def test_nothing_is_left_of_a_call_that_has_failed_at_once(way: str) -> None:
    watched: list[weakref.ref[Token]] = []

    @cs.resource(name="broken", scope="run")
    def broken() -> Iterator[None]:
        token = Token()
        watched.append(weakref.ref(token))
        raise Boom(token)
        yield

    async def main() -> None:
        token = Token()
        watched.append(weakref.ref(token))
        expression = WAYS_TO_FAIL_AT_ONCE[way](token)
        engine = cs.Engine()
        engine.register(broken)
        assert await engine.run(cs.fallback(expression, "caught")) == "caught"

    await main()
    gc.collect()
    assert not [watch for watch in watched if watch() is not None]


CAUGHT: dict[str, Callable[[Any, Any], Any]] = {
    "recover": lambda call, on: cs.recover(call, repr, on=on),
    "fallback": lambda call, on: cs.fallback(call, 1, on=on),
    "outcome of recover": lambda call, on: cs.outcome(cs.recover(call, repr, on=on)),
    "outcome": lambda call, on: cs.outcome(call),
    "race": lambda call, on: cs.race(call, cs.wait(60)),
    "scope": lambda call, on: cs.scope(call).with_retry(3, on=on),
}


@pytest.mark.parametrize("who", ["the predicate", "a subscriber", "the task"])
@pytest.mark.parametrize("catch", CAUGHT.values(), ids=CAUGHT)
@pytest.mark.parametrize("late", [False, True])
async def test_a_run_that_is_cancelled_as_it_catches_is_cancelled(who: str, catch: Any, *, late: bool) -> None:
    """The failure would have been caught, and is told of as that: it is not the run's."""

    @cs.task(mode="inline")
    def raises(_: object = None) -> None:
        if who == "the task":
            run.cancel()
        raise Boom(1)

    def on(error: Exception) -> bool:
        if who == "the predicate":
            run.cancel()
        return True

    told: list[str] = []
    async with cs.Engine() as engine:
        engine.events.subscribe(NodeFailed, lambda event: told.append("failed"))
        engine.events.subscribe(NodeCaught, lambda event: told.append("caught"))
        if who == "a subscriber":
            engine.events.subscribe(NodeCaught, lambda event: run.cancel())
        run = engine.start(catch(raises(cs.wait(0.001) if late else None), on))
        if who == "the predicate" and catch in (CAUGHT["outcome"], CAUGHT["race"]):  # which ask none
            run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run
        assert run.state == "cancelled" and "failed" not in told
