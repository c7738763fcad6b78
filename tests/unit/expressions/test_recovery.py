"""Failures as values: recover, fallback, outcome, race, and expressions as one unit."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

import cascade as cs
from support.notes import Notes
from support.tasks import give, keep, leaf


class Boom(Exception):
    """The failure of a task that was told to fail."""


@cs.task(mode="inline")
def fail(label: object = "boom", *inputs: object) -> None:
    raise Boom(label)


@cs.task
async def fail_async(label: object = "boom", *inputs: object) -> None:
    raise Boom(label)


@cs.task
async def fail_late(label: object = "boom", *inputs: object) -> None:
    await asyncio.sleep(0)
    raise Boom(label)


@cs.task(mode="thread")
def fail_in_thread(label: object = "boom", *inputs: object) -> None:
    raise Boom(label)


@cs.task(mode="inline")
def told(error: Exception) -> object:
    return "handled", type(error).__name__, error.args


HANDLED = ("handled", "Boom", ("boom",))
FAILING = [fail, fail_async, fail_late, fail_in_thread]


@pytest.fixture
def log() -> Notes:
    return Notes()


# -- recover -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("failing", FAILING)
async def test_a_handler_gives_the_value(failing: cs.Task, cold: cs.Engine) -> None:
    for _ in range(2):  # cold, and warm
        assert await cold.run(cs.recover(failing(), told)) == HANDLED
        assert await cold.run(give(failing().recover(told))) == HANDLED
        assert await cold.run([leaf(1), cs.recover([leaf(2), failing()], told)]) == [1, HANDLED]
        assert await cold.run(cs.recover(leaf(), told)) == "leaf"


async def test_the_handler_is_given_the_exception_itself(cold: cs.Engine) -> None:
    error = Boom("mine")

    @cs.task(mode="inline")
    def raising() -> None:
        raise error

    assert await cold.run(cs.recover(raising(), leaf)) is error
    assert await cold.run(raising().recover(lambda given: given is error)) is True


async def test_the_handler_is_called_only_after_a_failure(cold: cs.Engine, log: Notes) -> None:
    assert await cold.run(cs.recover(log.note("value"), lambda error: log.append("handled"))) == "value"
    assert log == ["value"]


@cs.task(mode="inline")
def expand(depth: int) -> object:
    return keep(expand(depth - 1)) if depth else fail()


@cs.task(mode="inline")
def tail(n: int) -> object:
    return tail(n - 1) if n else fail()


BENEATH: dict[str, Callable[[], cs.LazyResult]] = {
    "an input": lambda: keep(fail()),
    "an input in containers": lambda: keep(1, [{"a": fail()}]),
    "an item of a map": lambda: fail.map(label=["boom"] * 3),
    "an input of a map": lambda: leaf.map(value=fail()),
    "a route": lambda: cs.Router("x", {"x": fail()}),
    "a selector": lambda: cs.Router(fail(), {"x": 1}),
    "a condition": lambda: leaf().run_if(fail()),
    "a node under a condition": lambda: fail().run_if(True),
    "otherwise": lambda: leaf().run_if(False, otherwise=fail()),
    "a predecessor": lambda: leaf().after(fail()),
    "a scope": lambda: cs.scope(fail()),
    "a scope with policies": lambda: cs.scope(fail()).with_retry(2),
    "the last retry": lambda: fail.with_retry(max_attempts=2)(),
    "an expression that was returned": lambda: expand(0),
    "one deeper": lambda: keep(expand(3)),
    "tail calls": lambda: tail(5),
    "a sequence": lambda: cs.sequence([leaf(), fail()]),
    "a pipeline": lambda: cs.pipeline("boom", [leaf, fail]),
    "another handler": lambda: cs.recover(fail_async(), lambda error: fail()),
    "the other of a fallback": lambda: cs.fallback(fail(), fail()),
    "the only one of a race": lambda: cs.race(fail()),
}


@pytest.mark.parametrize("beneath", BENEATH.values(), ids=BENEATH)
async def test_everything_beneath_is_caught(beneath: Callable[[], cs.LazyResult], cold: cs.Engine) -> None:
    for _ in range(2):
        assert await cold.run(cs.recover(beneath(), told)) == HANDLED
        assert await cold.run(cs.fallback([beneath()], leaf())) == "leaf"
        outcome, value = await cold.run(keep(cs.outcome(beneath()), leaf()))  # type: ignore[misc]
        assert (type(outcome.error), value) == (Boom, "leaf")


async def test_a_handler_may_be_of_any_kind(cold: cs.Engine) -> None:
    @cs.task
    async def in_coroutine(error: Exception) -> str:
        await asyncio.sleep(0)
        return "in a coroutine"

    async def plain(error: Exception) -> str:
        await asyncio.sleep(0)
        return "a coroutine function"

    @cs.task(mode="thread")
    def in_thread(error: Exception) -> str:
        return "in a thread"

    handlers = [
        in_coroutine,
        plain,
        in_thread,
        lambda error: "plain",
        lambda error: leaf("lazy"),
        leaf.with_retry(max_attempts=2),
    ]
    *others, last = await cold.run([cs.recover(fail(), handler) for handler in handlers])
    assert others == ["in a coroutine", "a coroutine function", "in a thread", "plain", "lazy"]
    assert type(last) is Boom


async def test_a_handler_that_is_the_target_may_loop(cold: cs.Engine) -> None:
    """Its expression is a tail call."""

    @cs.task(mode="inline")
    def step(n: int) -> object:
        return cs.recover(fail(), lambda error: step(n - 1)) if n else "end"

    run = cold.start(step(50))
    assert await run == "end" and run.iterations == 100


async def test_a_handler_that_fails(cold: cs.Engine) -> None:
    def handle(error: Exception) -> None:
        raise LookupError("handler") from None

    with pytest.raises(LookupError, match="handler") as caught:
        await cold.run(cs.recover(fail(), handle))
    assert type(caught.value.__context__) is Boom
    with pytest.raises(Boom, match="again"):
        await cold.run(cs.recover(fail(), lambda error: fail("again")))
    assert await cold.run(cs.recover(cs.recover(fail(), handle), told)) == ("handled", "LookupError", ("handler",))


async def test_an_async_handler_that_fails(cold: cs.Engine) -> None:
    async def at_once(error: Exception) -> None:
        raise LookupError("handler")

    async def later(error: Exception) -> None:
        await asyncio.sleep(0)
        raise LookupError("handler")

    async def again(error: Exception) -> None:
        await asyncio.sleep(0)
        raise error

    for handle in (at_once, later):
        for target in (cs.recover(fail(), handle), keep(cs.recover(fail_async(), handle))):
            with pytest.raises(LookupError, match="handler") as caught:
                await cold.run(target)
            assert type(caught.value.__context__) is Boom
    with pytest.raises(Boom) as same:
        await cold.run(cs.recover(fail(), again))
    assert same.value.__context__ is None


async def test_a_handler_that_raises_what_the_failure_came_from(cold: cs.Engine) -> None:
    """As in Python, exceptions are never contexts of one another in a circle."""

    @cs.task(mode="inline")
    def fail_while_handling() -> None:
        try:
            raise LookupError("first")
        except LookupError:
            raise Boom("second")  # noqa: B904 - the context is what the test is about

    def unwrap(error: Exception) -> None:
        assert error.__context__ is not None
        raise error.__context__

    async def unwrap_later(error: Exception) -> None:
        await asyncio.sleep(0)
        unwrap(error)

    for handle in (unwrap, unwrap_later):
        with pytest.raises(LookupError, match="first") as caught:
            await cold.run(cs.recover(fail_while_handling(), handle))
        assert type(caught.value.__context__) is Boom
        assert caught.value.__context__.__context__ is None
    with pytest.raises(LookupError, match="first"):
        await cold.run(cs.fallback(fail_while_handling(), 1, on=unwrap))


async def test_a_failure_whose_contexts_are_a_circle_already(cold: cs.Engine) -> None:
    first, second = Boom("first"), Boom("second")
    first.__context__, second.__context__ = second, first

    @cs.task
    async def raising() -> None:
        raise first

    def handle(error: Exception) -> None:
        raise LookupError("handler")

    with pytest.raises(LookupError, match="handler") as caught:
        await cold.run(cs.recover(raising(), handle))
    assert caught.value.__context__ is first


async def test_a_handler_that_raises_what_it_was_given(cold: cs.Engine) -> None:
    def handle(error: Exception) -> None:
        raise error

    with pytest.raises(Boom, match="boom") as caught:
        await cold.run(cs.recover(fail(), handle))
    assert caught.value.__context__ is None


async def test_stop_iteration_is_a_runtime_error_when_it_is_caught(cold: cs.Engine) -> None:
    @cs.task(mode="inline")
    def stop() -> None:
        raise StopIteration(3)

    error = await cold.run(cs.recover(stop(), leaf))
    assert type(error) is RuntimeError and type(error.__cause__) is StopIteration

    def handle(error: Exception) -> None:
        raise StopAsyncIteration

    with pytest.raises(RuntimeError, match="StopAsyncIteration"):
        await cold.run(cs.recover(fail(), handle))


# -- what is caught ----------------------------------------------------------------------------------------------------


async def test_what_is_not_caught_passes(cold: cs.Engine) -> None:
    for on in (ValueError, (ValueError, KeyError), [ValueError], (), lambda error: False, lambda error: 0):
        for target in (cs.recover(fail(), told, on=on), cs.fallback(fail(), 1, on=on)):
            with pytest.raises(Boom):
                await cold.run(target)
            assert await cold.run(cs.recover(target, told)) == HANDLED


async def test_what_is_caught(cold: cs.Engine) -> None:
    for on in (Boom, (ValueError, Boom), [Boom], Exception, lambda error: True, lambda error: error.args == ("boom",)):
        assert await cold.run(cs.recover(fail(), told, on=on)) == HANDLED
        assert await cold.run(cs.fallback(fail(), "other", on=on)) == "other"


async def test_a_predicate_is_asked_once(cold: cs.Engine) -> None:
    asked: list[Exception] = []

    def says(error: Exception) -> bool:
        asked.append(error)
        return True

    assert await cold.run(cs.recover(keep(fail()), told, on=says)) == HANDLED
    assert len(asked) == 1
    assert await cold.run(cs.fallback(fail_async(), 1, on=says)) == 1
    assert len(asked) == 2


@pytest.mark.parametrize("failing", FAILING)
async def test_a_predicate_that_fails(failing: cs.Task, cold: cs.Engine) -> None:
    def says(error: Exception) -> bool:
        raise LookupError("predicate")

    for target in (cs.recover(failing(), told, on=says), cs.fallback(failing(), 1, on=says)):
        with pytest.raises(LookupError, match="predicate") as caught:
            await cold.run(target)
        assert type(caught.value.__context__) is Boom
        assert await cold.run(cs.recover(keep(target), told)) == ("handled", "LookupError", ("predicate",))


async def test_a_predicate_that_has_no_truth(cold: cs.Engine) -> None:
    with pytest.raises(TypeError, match="truth value"):
        await cold.run(cs.recover(fail(), told, on=lambda error: leaf()))


async def test_an_exception_that_says_it_is_another_one_is_not_believed(cold: cs.Engine) -> None:
    class Liar(Exception):
        @property
        def __class__(self) -> type:  # type: ignore[override]
            return ValueError

        def __eq__(self, other: object) -> bool:
            raise AssertionError("compared")

        __hash__ = None  # type: ignore[assignment]

    @cs.task(mode="inline")
    def lie() -> None:
        raise Liar

    with pytest.raises(Liar):
        await cold.run(cs.recover(lie(), told, on=ValueError))
    assert await cold.run(cs.recover(lie(), lambda error: type(error).__name__, on=Liar)) == "Liar"


async def test_a_class_that_says_all_are_its_subclasses_is_not_believed(cold: cs.Engine) -> None:
    class Meta(type):
        def __subclasscheck__(cls, other: type) -> bool:
            return True

        def __instancecheck__(cls, other: object) -> bool:
            return True

    class Everything(Exception, metaclass=Meta):
        pass

    with pytest.raises(Boom):
        await cold.run(cs.recover(fail(), told, on=Everything))


async def test_a_group_is_caught_if_all_its_members_are(cold: cs.Engine) -> None:
    @cs.task(mode="inline")
    def fail_all(*errors: Exception) -> None:
        raise ExceptionGroup("all", errors)

    both = fail_all(Boom("a"), ExceptionGroup("inner", [KeyError("b")]))
    for on in ((Boom, KeyError), Exception, ExceptionGroup, (Boom, LookupError)):
        assert await cold.run(cs.recover(both, lambda error: type(error).__name__, on=on)) == "ExceptionGroup"
    for on in (Boom, KeyError, (Boom, ValueError)):
        with pytest.raises(ExceptionGroup):
            await cold.run(cs.recover(both, told, on=on))


async def test_a_group_that_is_very_deep(cold: cs.Engine) -> None:
    error: Exception = Boom()
    for _ in range(100_000):
        error = ExceptionGroup("deeper", [error])

    def dig(group: Exception) -> bool:
        return type(group) is ExceptionGroup

    @cs.task(mode="inline")
    def fail_deep() -> None:
        raise error

    assert await cold.run(cs.recover(fail_deep(), dig, on=Boom)) is True
    while isinstance(error, ExceptionGroup):  # released as a chain it would recurse, in Python itself
        error, inner = error.exceptions[0], error
        del inner


@pytest.mark.parametrize("kind", [asyncio.CancelledError, KeyboardInterrupt, SystemExit, cs.InternalError])
async def test_what_is_never_caught(kind: type[BaseException], cold: cs.Engine) -> None:
    @cs.task(mode="inline")
    def raising() -> None:
        raise kind

    handled: list[BaseException] = []
    run = cold.start(cs.fallback(cs.race(cs.recover(cs.outcome(raising()), handled.append), cs.wait(60)), 1))
    with pytest.raises(kind):
        await run
    assert handled == []


# -- fallback, outcome -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("failing", FAILING)
async def test_another_value(failing: cs.Task, cold: cs.Engine, log: Notes) -> None:
    for _ in range(2):
        assert await cold.run(cs.fallback(failing(), 7)) == 7
        assert await cold.run(failing().fallback(leaf(8))) == 8
        assert await cold.run(cs.fallback(failing(), [leaf(1), {"a": leaf(2)}])) == [1, {"a": 2}]
    assert await cold.run(cs.fallback(log.note("value"), log.fail())) == "value"
    assert log == ["value"]


async def test_another_value_that_fails_too(cold: cs.Engine) -> None:
    with pytest.raises(Boom, match="second"):
        await cold.run(cs.fallback(fail("first"), fail("second")))
    shared = fail("both")
    with pytest.raises(Boom, match="both"):
        await cold.run(cs.fallback(shared, shared))
    assert await cold.run(cs.fallback(fail(), cs.fallback(fail(), cs.fallback(fail(), 1)))) == 1


async def test_another_value_in_the_tail(cold: cs.Engine) -> None:
    @cs.task(mode="inline")
    def step(n: int) -> object:
        return cs.fallback(fail(), step(n - 1)) if n else "end"

    run = cold.start(step(50))
    assert await run == "end" and run.iterations == 50


async def test_outcomes(cold: cs.Engine) -> None:
    done, failed, skipped = await cold.run([cs.outcome(leaf()), fail().outcome(), cs.outcome(leaf().run_if(False))])
    assert done == cs.Outcome("leaf") and skipped == cs.Outcome(skipped=True)
    assert type(failed.error) is Boom and not failed.ok
    assert await cold.run(cs.outcome(cs.outcome(leaf()))) == cs.Outcome(cs.Outcome("leaf"))
    with pytest.raises(Boom):
        failed.unwrap()


async def test_a_skip_is_no_failure(cold: cs.Engine) -> None:
    skipped = leaf().run_if(False)
    assert await cold.run([cs.recover(skipped, told), cs.fallback(skipped, 1)]) == [cs.SKIPPED, cs.SKIPPED]
    assert await cold.run([cs.scope(skipped), cs.scope(skipped).with_retry(2)]) == [cs.SKIPPED, cs.SKIPPED]


async def test_under_a_condition(cold: cs.Engine, log: Notes) -> None:
    caught = cs.recover(log.note("never"), told)
    assert await cold.run([caught.run_if(False), caught.run_if(False, otherwise=1)]) == [cs.SKIPPED, 1]
    assert log == []
    assert await cold.run(cs.recover(fail(), told).run_if(True)) == HANDLED


async def test_predecessors_are_not_beneath(cold: cs.Engine) -> None:
    shared = fail()
    for caught in (
        cs.recover(leaf(), told).after(shared),
        cs.fallback(leaf(), 1).after(shared),
        cs.outcome(leaf()).after(shared),
        cs.race(leaf()).after(shared),
        cs.scope(leaf()).with_retry(3).after(shared),
        cs.recover(shared, told).after(shared),
        cs.outcome(shared).after(shared),
    ):
        with pytest.raises(Boom):
            await cold.run(caught)


# -- races -------------------------------------------------------------------------------------------------------------


async def test_the_first_value_wins(cold: cs.Engine) -> None:
    for _ in range(2):
        assert await cold.run(cs.race(cs.wait(60), leaf(2), leaf(3))) == 2
        assert await cold.run(cs.race(fail(), leaf(2))) == 2
        assert await cold.run(cs.race(fail_late(), fail_in_thread(), leaf(3).after(cs.wait(0)))) == 3
        assert await cold.run(cs.race(leaf().run_if(False), leaf(2))) == 2
        assert await cold.run(keep(cs.race(leaf(1)), cs.race(7, cs.wait(60)))) == (1, 7)


async def test_a_race_decides_before_anything_else_is_started(cold: cs.Engine, log: Notes) -> None:
    assert await cold.run(cs.race(log.note("first"), log.fail(), cs.Router(log.fail(), {1: 1}))) == "first"
    assert await cold.run(cs.race(cs.race(log.note("inner"), log.fail()), log.fail())) == "inner"
    assert log == ["first", "inner"]


async def test_what_something_else_needs_goes_on(cold: cs.Engine, log: Notes) -> None:
    @cs.task
    async def later() -> str:
        await asyncio.sleep(0)
        log.append("shared")
        return "shared"

    shared = later()
    assert await cold.run(keep(cs.race(log.note("first"), shared), shared)) == ("first", "shared")
    assert log == ["first", "shared"]


async def test_a_race_of_one_value_is_that_value(cold: cs.Engine) -> None:
    assert await cold.run([cs.race(give(1)), cs.race(2)]) == [1, 2]


async def test_if_all_fail(cold: cs.Engine) -> None:
    with pytest.raises(Boom, match="only"):
        await cold.run(cs.race(fail("only")))
    with pytest.raises(Boom, match="only"):
        await cold.run(cs.race(leaf().run_if(False), fail("only")))
    with pytest.raises(ExceptionGroup, match="all 3 expressions of a race failed") as caught:
        await cold.run(cs.race(fail("a"), fail_late("b"), fail_async("c")))
    assert [error.args for error in caught.value.exceptions] == [("a",), ("b",), ("c",)]
    assert await cold.run(cs.recover(cs.race(fail("a"), fail("b")), lambda error: 1, on=Boom)) == 1


async def test_if_all_are_skipped(cold: cs.Engine) -> None:
    skipped = [leaf().run_if(False) for _ in range(2)]
    assert await cold.run([cs.race(*skipped), leaf(1)]) == [cs.SKIPPED, 1]


async def test_one_expression_twice(cold: cs.Engine, log: Notes) -> None:
    shared = log.note("once")
    assert await cold.run(cs.race(shared, shared)) == "once"
    assert log == ["once"]


# -- scopes ------------------------------------------------------------------------------------------------------------


class Flaky:
    """Calls that fail some times, and are written down."""

    def __init__(self, times: int) -> None:
        self.times = times
        self.calls: list[str] = []

    def call(self, name: str, *inputs: object, fails: bool = False) -> cs.LazyResult:
        @cs.task(mode="inline", name="flaky")
        def flaky(*inputs: object) -> str:
            self.calls.append(name)
            if fails and self.calls.count(name) <= self.times:
                raise Boom(name)
            return name

        return flaky(*inputs)


async def test_without_policies_a_scope_is_its_expression(cold: cs.Engine) -> None:
    @cs.task(mode="inline")
    def step(n: int) -> object:
        return cs.scope(step(n - 1)) if n else "end"

    run = cold.start(cs.scope(step(50)))
    assert await run == "end" and run.iterations == 50
    with pytest.raises(Boom):
        await cold.run(cs.scope(fail()))


async def test_an_attempt_evaluates_everything_anew(cold: cs.Engine) -> None:
    for _ in range(2):
        flaky = Flaky(2)
        bad = flaky.call("bad", flaky.call("input"), fails=True)
        assert await cold.run(cs.scope(keep(flaky.call("before"), bad)).with_retry(3)) == ("before", "bad")
        assert flaky.calls == ["before", "input", "bad"] * 3


async def test_what_something_outside_needs_is_evaluated_once(cold: cs.Engine) -> None:
    flaky = Flaky(2)
    shared = flaky.call("shared")
    tried = cs.scope(keep(shared, flaky.call("bad", fails=True))).with_retry(3)
    assert await cold.run(keep(tried, shared)) == (("shared", "bad"), "shared")
    assert sorted(flaky.calls) == ["bad"] * 3 + ["shared"]


async def test_attempts_end_with_the_last_failure(cold: cs.Engine) -> None:
    flaky = Flaky(9)
    with pytest.raises(Boom):
        await cold.run(cs.scope(flaky.call("bad", fails=True)).with_retry(max_attempts=4))
    assert flaky.calls == ["bad"] * 4
    flaky = Flaky(9)
    with pytest.raises(Boom):
        await cold.run(cs.scope(flaky.call("bad", fails=True)).with_retry(max_attempts=4, on=ValueError))
    assert flaky.calls == ["bad"]


async def test_what_a_task_returns_is_beneath(cold: cs.Engine) -> None:
    flaky = Flaky(2)

    @cs.task(mode="inline")
    def outer() -> object:
        flaky.calls.append("outer")
        return keep(flaky.call("bad", fails=True))

    assert await cold.run(cs.scope(outer()).with_retry(3)) == ("bad",)
    assert flaky.calls == ["outer", "bad"] * 3


@pytest.mark.parametrize(
    "make",
    [
        lambda flaky: cs.gather(flaky.call("a"), flaky.call("bad", fails=True)),
        lambda flaky: cs.sequence([flaky.call("a"), flaky.call("bad", fails=True)]),
        lambda flaky: cs.Router("x", {"x": flaky.call("bad", fails=True)}),
        lambda flaky: flaky.call("bad", fails=True)[0],
        lambda flaky: cs.attr(flaky.call("bad", fails=True), "upper"),
        lambda flaky: cs.race(flaky.call("bad", fails=True)),
        lambda flaky: cs.recover(flaky.call("bad", fails=True), told, on=ValueError),
        lambda flaky: cs.fallback(flaky.call("bad", fails=True), 1, on=ValueError),
    ],
)
async def test_a_policy_of_what_is_no_call_is_that_of_a_scope(
    make: Callable[[Flaky], cs.LazyResult], cold: cs.Engine
) -> None:
    flaky = Flaky(2)
    await cold.run(make(flaky).with_retry(max_attempts=3))
    assert flaky.calls.count("bad") == 3


async def test_maps_and_routers_begin_anew(cold: cs.Engine) -> None:
    tries: list[int] = []

    @cs.task(mode="inline")
    def item(x: int) -> int:
        tries.append(x)
        if x == 2 and len(tries) < 5:
            raise Boom
        return x

    assert await cold.run(cs.scope(keep(item.map(x=[1, 2, 3]))).with_retry(5)) == ([1, 2, 3],)
    assert tries == [1, 2, 1, 2, 1, 2, 3]


async def test_scopes_in_scopes(cold: cs.Engine) -> None:
    flaky = Flaky(5)
    inner = cs.scope(flaky.call("bad", fails=True)).with_retry(2)
    assert await cold.run(cs.scope(keep(inner)).with_retry(3)) == ("bad",)
    assert flaky.calls == ["bad"] * 6
