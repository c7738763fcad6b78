"""What a scope does with resources: once each, by need, and torn down in reverse order with the failure."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, contextmanager, suppress
from contextvars import ContextVar, copy_context

import pytest
from hypothesis import given
from hypothesis import strategies as st

import cascade as cs
from cascade.resources.provider import resource
from cascade.resources.scope import Scope
from support.observation import settle
from support.resource_parts import Lives, async_one, returns_at_once, sync_one

ONES = [sync_one, async_one]


# --------------------------------------------------------------------------------------------------- once, by need


@pytest.mark.parametrize("one", ONES)
@pytest.mark.parametrize("scope", ["engine", "run", "call"])
async def test_once_a_scope(one, scope) -> None:
    log: list[str] = []
    lives = Lives(one("a", log, scope), one("b", log, scope))
    assert lives.call.ready("a") == (False, None)
    assert await lives.call.get("a") == "a"
    assert await lives.new_call().get("a") == "a"
    assert await lives.new_call(lives.new_run()).get("a") == "a"
    made = {"engine": 1, "run": 2, "call": 3}[scope]
    assert log.count("+a") == made
    assert "+b" not in log
    assert lives.told.events == [("acquired", "a", scope)] * made
    assert lives.call.ready("a") == (True, "a")
    assert [here.empty for here in (lives.engine, lives.run, lives.call)] == [
        scope != kind for kind in ("engine", "run", "call")
    ]


async def test_values_functions_and_coroutines() -> None:
    calls = []

    @resource
    def plain():
        calls.append("plain")
        return None

    @resource
    async def coroutine(value):
        calls.append("coroutine")
        await asyncio.sleep(0)
        return value + 1

    @resource
    def gives_a_coroutine(coroutine):
        return later(coroutine)

    async def later(x):
        return x + 1

    lives = Lives(plain, coroutine, gives_a_coroutine, value=1)
    assert await lives.run.get("plain") is None
    assert await lives.run.get("plain") is None
    assert await lives.run.get("gives_a_coroutine") == 3
    assert lives.engine.ready("value") == (True, 1)
    assert lives.run.open("value") == (True, 1)
    assert lives.engine.empty
    assert calls == ["plain", "coroutine"]
    await lives.close()
    released = [event[1] for event in lives.told.events if event[0] == "released"]
    assert released == ["gives_a_coroutine", "coroutine", "plain"]


async def test_needs_come_first_and_go_last() -> None:
    log: list[str] = []

    @resource(scope="call")
    def transaction(connection=cs.Inject("pool"), *, clock):  # noqa: B008
        log.append("+transaction")
        yield connection, clock
        log.append("-transaction")

    lives = Lives(transaction, async_one("pool", log, "engine"), sync_one("clock", log))
    assert await lives.call.get("transaction") == ("pool", "clock")
    await lives.close()
    assert log == ["(pool", "+pool", "+clock", "+transaction", "-transaction", "-clock", "-pool"]


async def test_several_at_the_same_time_get_one() -> None:
    log: list[str] = []
    gate = asyncio.Event()
    lives = Lives(async_one("a", log, "engine", gate.wait))
    asking = [asyncio.create_task(lives.new_call().get("a")) for _ in range(5)]
    await settle()
    assert log == ["(a"]
    assert lives.call.open("a") == (False, None)
    gate.set()
    assert await asyncio.gather(*asking) == ["a"] * 5
    assert log == ["(a", "+a"]
    await lives.close()


async def test_what_is_sync_needs_no_event_loop_turn() -> None:
    log: list[str] = []

    @resource
    def b(a):
        yield a + "b"

    lives = Lives(sync_one("a", log, "engine"), b, c=1)
    assert returns_at_once(lives.call.get("b")) == "ab"
    assert lives.call.open("b") == (True, "ab")
    returns_at_once(lives.run.close(None))
    returns_at_once(lives.engine.close(None))
    assert log == ["+a", "-a"]
    returns_at_once(lives.engine.close(None))


async def test_opening_without_awaiting() -> None:
    log: list[str] = []

    @resource
    def b(a):
        return a

    lives = Lives(async_one("a", log), b, sync_one("c", log))
    assert lives.run.open("c") == (True, "c")
    assert lives.run.open("a") == lives.run.open("b") == (False, None)
    assert log == ["+c"]
    await lives.run.get("b")
    assert lives.run.open("a") == lives.run.open("b") == (True, "a")
    await lives.run.close(None)
    assert log == ["+c", "(a", "+a", "-a", "-c"]


async def test_a_long_chain_needs_no_stack() -> None:
    def link(number: int):
        async def asynchronous(previous=cs.Inject(f"r{number - 1}")):  # noqa: B008
            yield previous + 1

        def synchronous(previous=cs.Inject(f"r{number - 1}")):  # noqa: B008
            yield previous + 1

        return resource(asynchronous if number % 50 == 49 else synchronous, name=f"r{number}")

    lives = Lives(*(link(number) for number in range(1, 500)), r0=0)
    assert await lives.run.get("r499") == 499
    await lives.close()
    assert lives.told.reports == []


# -------------------------------------------------------------------------------------------------------- failures


class Expected(Exception):
    pass


@pytest.mark.parametrize("one", ONES)
async def test_a_failure_is_thrown_in_and_may_be_raised_again(one) -> None:
    log: list[str] = []
    lives = Lives(one("a", log), one("b", log))
    await lives.run.get("a")
    await lives.run.get("b")
    failure = Expected()
    await lives.run.close(failure)
    assert log[-4:] == ["!b Expected", "-b", "!a Expected", "-a"]
    assert lives.told.events[2:] == [("released", "b", "run", None), ("released", "a", "run", None)]
    assert lives.told.reports == []
    assert failure.__traceback__ is None


@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize(
    "failure", [Expected(), asyncio.CancelledError(), StopIteration(1), StopAsyncIteration(), RuntimeError()]
)
async def test_any_failure_may_be_swallowed_or_let_through(asynchronous: bool, failure: BaseException) -> None:
    seen = []

    def swallows():
        try:
            yield 1
        except BaseException as error:
            seen.append(error)

    def lets_through():
        yield 2

    async def swallows_later():
        try:
            yield 1
        except BaseException as error:
            seen.append(error)

    async def lets_through_later():
        yield 2

    chosen = [swallows_later, lets_through_later] if asynchronous else [swallows, lets_through]
    lives = Lives(*(resource(fn) for fn in chosen))
    for fn in chosen:
        await lives.run.get(fn.__name__)
    await lives.run.close(failure)
    assert seen == [failure]
    assert lives.told.reports == []
    assert [event[3] for event in lives.told.events[2:]] == [None, None]


async def test_the_first_failing_teardown_is_the_failure_and_any_other_is_reported_with_that_in_its_chain() -> None:
    log: list[str] = []

    @resource
    def sync_teardown():
        try:
            yield
        finally:
            raise KeyError("sync")

    @resource
    async def async_teardown():
        try:
            yield
        finally:
            await asyncio.sleep(0)
            raise KeyError("async")

    lives = Lives(sync_one("a", log), sync_teardown, async_teardown, async_one("z", log))
    for failure in (None, Expected()):
        log.clear()
        lives.told.reports.clear()
        lives.run = lives.new_run()
        for name in ("a", "sync_teardown", "async_teardown", "z"):
            await lives.run.get(name)
        wrong = await lives.run.close(failure)
        assert log[-2:] == ["!a KeyError" if failure is None else "!a Expected", "-a"]
        told = [message for message, _ in lives.told.reports]
        assert told[-1] == "resource `sync_teardown` failed in its teardown"
        if failure is None:
            assert wrong is not None and wrong.args == ("async",) and len(told) == 1
            noted = wrong
        else:
            assert wrong is None and told[0] == "resource `async_teardown` failed in its teardown"
            noted = failure
        assert noted.__notes__[-1] == "resource `sync_teardown` failed in its teardown: KeyError: 'sync'"
        assert all(type(error) is KeyError and error.__context__ is noted for _, error in lives.told.reports)
        errors = [error for _, error in lives.told.reports]
        assert [event[3] for event in lives.told.events[-3:-1]] == ([wrong, *errors] if failure is None else errors)


async def test_a_task_group_in_a_resource() -> None:
    ended = []

    async def works():
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(True)

    @resource
    async def group():
        async with asyncio.TaskGroup() as tasks:
            worker = tasks.create_task(works())
            yield tasks
            worker.cancel()

    for failure in (None, Expected(), asyncio.CancelledError()):
        lives = Lives(group)
        await asyncio.create_task(lives.run.get("group"))
        await settle()
        await asyncio.create_task(lives.run.close(failure))
        assert lives.told.reports == []
    assert len(ended) == 3


async def test_a_resource_that_ends_by_itself_is_reported_and_set_up_anew() -> None:
    wrong = asyncio.Event()
    made = []

    async def works():
        await wrong.wait()
        raise Expected

    @resource
    async def group():
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(works())
            made.append(tasks)
            yield len(made)

    lives = Lives(group)
    assert await lives.run.get("group") == 1
    wrong.set()
    await settle(10)
    [(message, error)] = lives.told.reports
    assert message == "resource `group` ended before its run did"
    assert isinstance(error, ExceptionGroup)
    assert lives.run.empty
    wrong.clear()
    assert await lives.run.get("group") == 2
    await lives.run.close(Expected())
    assert len(lives.told.reports) == 1


async def test_a_timeout_around_the_yield_ends_the_resource() -> None:
    @resource
    async def brief():
        async with asyncio.timeout(0):
            yield 1

    lives = Lives(brief)
    await lives.run.get("brief")
    while not lives.run.empty:
        await asyncio.sleep(0)
    [(_, error)] = lives.told.reports
    assert isinstance(error, TimeoutError)
    await lives.close()


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, SystemExit])
async def test_an_interrupt_in_a_teardown_is_let_out_after_the_others(interrupt) -> None:
    log: list[str] = []

    @resource
    def interrupted():
        yield
        raise interrupt

    lives = Lives(sync_one("a", log), interrupted)
    await lives.run.get("a")
    await lives.run.get("interrupted")
    with pytest.raises(interrupt):
        await lives.run.close(None)
    assert log[-1] == "-a"
    assert lives.run.empty
    assert lives.told.reports == []


async def test_a_failing_set_up_fails_all_waiting_calls_and_is_tried_again() -> None:
    attempts = []

    @resource
    async def shaky():
        attempts.append(1)
        await asyncio.sleep(0)
        if len(attempts) == 1:
            raise Expected
        yield "up"

    @resource
    def user(shaky):
        return shaky

    lives = Lives(shaky, user)
    asking = [asyncio.create_task(lives.new_call().get(name)) for name in ("shaky", "user", "shaky")]
    failures = await asyncio.gather(*asking, return_exceptions=True)
    assert all(type(failure) is Expected for failure in failures)
    assert failures[0].__notes__ == ["in the set-up of resource `shaky`"]
    assert lives.run.empty
    assert await lives.run.get("user") == "up"
    await lives.close()
    assert len(attempts) == 2


async def test_a_failing_sync_set_up_leaves_what_it_needed() -> None:
    log: list[str] = []

    @resource
    def fails(a):
        raise Expected

    lives = Lives(sync_one("a", log), fails)
    for _ in range(2):
        with pytest.raises(Expected) as caught:
            lives.run.open("fails")
        assert caught.value.__notes__ == ["in the set-up of resource `fails`"]
    await lives.close()
    assert log == ["+a", "-a"]


@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize("kind", [StopIteration, StopAsyncIteration])
async def test_a_set_up_that_raises_what_cannot_leave_a_coroutine(asynchronous: bool, kind) -> None:
    error = kind(1)

    def plain():
        raise error

    @resource
    async def before(): ...

    @resource
    def after(before):
        raise error

    lives = Lives(resource(plain), before, after)
    with pytest.raises(RuntimeError) as caught:
        await lives.run.get("after" if asynchronous else "plain")
    assert caught.value.__cause__ is error


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_a_set_up_that_is_cancelled_by_itself_is_a_failure(asynchronous: bool) -> None:
    def sync_one():
        raise asyncio.CancelledError

    async def async_one():
        raise asyncio.CancelledError

    lives = Lives(resource(async_one if asynchronous else sync_one, name="a"))
    with pytest.raises(cs.ResourceError, match="the set-up of resource `a` was cancelled"):
        await lives.run.get("a")


# -------------------------------------------------------------------------------------------------- wrong generators


async def test_not_one_yield() -> None:
    closed = []

    @resource
    def none():
        if closed is None:
            yield

    @resource
    async def none_later():
        if closed is None:
            yield

    @resource
    def two():
        try:
            yield 1
            yield 2
        finally:
            closed.append("two")

    @resource
    async def two_later():
        try:
            yield 1
            yield 2
        finally:
            closed.append("two_later")

    lives = Lives(none, none_later, two, two_later)
    for name in ("none", "none_later"):
        with pytest.raises(cs.ResourceError, match=f"^resource `{name}` must yield exactly once, got none$"):
            await lives.run.get(name)
    for name in ("two", "two_later"):
        run = lives.new_run()
        await run.get(name)
        wrong = await run.close(None)
        assert str(wrong) == f"resource `{name}` must yield exactly once, got a second one"
    assert closed == ["two", "two_later"]
    assert lives.told.reports == []


@pytest.mark.parametrize("failure", [None, Expected()])
async def test_a_generator_that_the_event_loop_closed_before_its_teardown(failure) -> None:
    lives = Lives(async_one("a", []))
    await lives.run.get("a")
    await asyncio.get_running_loop().shutdown_asyncgens()
    assert await lives.run.close(failure) is None
    assert lives.told.reports == []


async def test_a_second_yield_after_a_failure_and_one_that_will_not_end() -> None:
    @resource
    def stubborn():
        for number in range(2):
            with suppress(BaseException):
                yield number
        yield "still here"

    @resource
    async def stubborn_later():
        for number in range(2):
            with suppress(BaseException):
                yield number
        yield "still here"

    lives = Lives(stubborn, stubborn_later)
    for name in ("stubborn", "stubborn_later"):
        await lives.run.get(name)
    await lives.run.close(Expected())
    for _, error in lives.told.reports:
        assert isinstance(error, cs.ResourceError)
        assert isinstance(error.__cause__, RuntimeError)
    assert len(lives.told.reports) == 2


@pytest.mark.parametrize("managed", [contextmanager, asynccontextmanager])
async def test_a_context_manager_is_no_generator(managed) -> None:
    def one():
        yield 1

    async def other():
        yield 1

    lives = Lives(resource(managed(one if managed is contextmanager else other), name="managed"))
    with pytest.raises(cs.ResourceError, match=r"must return an? .*generator, got .*without `contextmanager`"):
        await lives.run.get("managed")


# ---------------------------------------------------------------------------------------------------------- scopes


async def test_a_resource_that_does_not_last_that_long_here() -> None:
    log: list[str] = []
    lives = Lives(sync_one("call_one", log, "call"), sync_one("run_one", log))
    with pytest.raises(cs.ResourceError, match="of scope run or longer, got `call_one` of scope call"):
        await lives.run.get("call_one")
    with pytest.raises(cs.ResourceError, match="of scope engine or longer, got `run_one` of scope run"):
        lives.engine.ready("run_one")
    with pytest.raises(cs.ResourceError, match="resource must be registered, got `nothing`"):
        await lives.run.get("nothing")
    assert log == []
    with lives.registry.override("call_one", "fake"):
        assert await lives.run.get("call_one") == "fake"


async def test_a_step_without_a_run() -> None:
    log: list[str] = []
    lives = Lives(sync_one("e", log, "engine"), sync_one("s", log, "call"))
    call = Scope(lives.registry, "call", lives.engine, lives.hooks)
    assert await call.get("e") + await call.get("s") == "es"
    await call.close(None)
    assert log == ["+e", "+s", "-s"]


async def test_two_runs_share_what_is_of_the_engine() -> None:
    log: list[str] = []

    @resource
    async def session(pool):
        yield pool
        log.append("-session")

    lives = Lives(async_one("pool", log, "engine"), session)
    first, second = lives.new_run(), lives.new_run()
    await first.get("session")
    await first.close(None)
    await second.get("session")
    await second.close(Expected())
    assert log == ["(pool", "+pool", "-session"]
    await lives.engine.close(None)
    assert log[-1] == "-pool"


@pytest.mark.parametrize("one", ONES)
async def test_a_scope_that_has_ended_sets_nothing_up(one) -> None:
    log: list[str] = []
    lives = Lives(one("a", log))
    await lives.run.close(None)
    await lives.run.close(None)
    with pytest.raises(cs.EngineStateError, match="cannot set up resource `a`: its run has ended"):
        await lives.run.get("a")
    assert log == []


async def test_each_resource_has_a_context_of_its_own() -> None:
    variable = ContextVar("variable", default="unset")
    seen = []

    def sync_one():
        seen.append(variable.get())
        token = variable.set("sync")
        yield
        seen.append(variable.get())
        variable.reset(token)

    async def async_one():
        seen.append(variable.get())
        token = variable.set("async")
        await asyncio.sleep(0)
        yield
        seen.append(variable.get())
        variable.reset(token)

    variable.set("run's")
    lives = Lives(resource(sync_one), resource(async_one))
    variable.set("call's")
    await lives.run.get("sync_one")
    await lives.run.get("async_one")
    assert variable.get() == "call's"
    await asyncio.create_task(lives.run.close(None), context=copy_context())
    assert seen == ["run's", "run's", "async", "sync"]
    assert lives.told.reports == []


async def test_a_context_that_is_given_is_copied_late() -> None:
    variable = ContextVar("variable", default=0)

    @resource
    def one():
        return variable.get()

    lives = Lives(one)
    context = copy_context()
    run = Scope(lives.registry, "run", lives.engine, lives.hooks, context)
    context.run(variable.set, 5)
    assert context.run(run.open, "one") == (True, 5)


# ------------------------------------------------------------------------------------------------------- overrides


async def test_a_run_keeps_what_it_has_and_new_scopes_see_the_override() -> None:
    log: list[str] = []

    @resource(scope="engine")
    def repo(pool):
        return f"repo on {pool}"

    @resource(scope="call")
    def transaction(repo):
        return f"transaction in {repo}"

    lives = Lives(sync_one("pool", log, "engine"), repo, transaction)
    old = lives.run
    assert await old.get("pool") == "pool"
    with lives.registry.override("pool", "fake"):
        assert await old.get("pool") == "pool"
        assert await old.get("repo") == "repo on pool"
        new = lives.new_run()
        assert await lives.new_call(new).get("transaction") == "transaction in repo on fake"
        assert await lives.new_call(old).get("transaction") == "transaction in repo on pool"
        assert await lives.engine.get("repo") == "repo on fake"
    assert await new.get("repo") == "repo on fake"
    assert await lives.new_run().get("repo") == "repo on pool"
    assert await lives.engine.get("repo") == "repo on pool"
    assert log == ["+pool"]
    await lives.close()
    assert log == ["+pool", "-pool"]


async def test_a_run_sees_an_override_of_what_it_has_not_asked_for() -> None:
    lives = Lives(a=1, b=2)
    assert await lives.call.get("a") == 1
    with lives.registry.override("a", "fake a"), lives.registry.override("b", "fake b"):
        assert await lives.call.get("a") == 1
        assert await lives.call.get("b") == "fake b"
    assert await lives.run.get("b") == "fake b"


async def test_an_override_with_another_scope() -> None:
    log: list[str] = []
    lives = Lives(sync_one("a", log, "engine"))
    with lives.registry.override("a", async_one("anything", log, "call")):
        assert await lives.call.get("a") == "anything"
        assert [lives.engine.empty, lives.run.empty, lives.call.empty] == [True, True, False]
        await lives.close()
    assert [event[:3] for event in lives.told.events] == [("acquired", "a", "call"), ("released", "a", "call")]


async def test_a_run_that_keeps_an_overridden_resource_gets_an_error() -> None:
    log: list[str] = []

    @resource(scope="engine")
    def repo(pool): ...

    lives = Lives(repo, pool="engine's")
    with lives.registry.override("pool", sync_one("pool", log)):
        await lives.run.get("pool")
    with pytest.raises(cs.ResourceError, match="`repo` of scope engine needs `pool` of scope run"):
        await lives.run.get("repo")
    assert await lives.new_run().get("repo") is None


# ------------------------------------------------------------------------------------------------------ connectors


class Broker:
    def __init__(self) -> None:
        self.log: list[str] = []

    async def connect(self) -> None:
        await asyncio.sleep(0)
        self.log.append("connect")

    async def close(self) -> None:
        await asyncio.sleep(0)
        self.log.append("close")

    async def publish(self, topic, message) -> None: ...

    async def subscribe(self, topic, callback) -> None: ...


async def test_a_connector_is_connected_before_its_first_use_and_closed_with_the_engine() -> None:
    broker = Broker()
    lives = Lives(broker=broker)
    assert lives.registry.scope_of("broker") == "engine"
    assert broker.log == []
    first, second = lives.new_run(), lives.new_run()
    asking = [asyncio.create_task(run.get("broker")) for run in (first, second)]
    assert await asyncio.gather(*asking) == [broker, broker]
    await first.close(None)
    await second.close(Expected())
    assert broker.log == ["connect"]
    lives.registry.register(broker, "broker")  # as it is: not a second connection of the one object
    assert lives.new_run().ready("broker") == (True, broker)
    await lives.engine.close(Expected())
    assert broker.log == ["connect", "close"]
    assert lives.told.reports == []


async def test_one_connector_under_two_names_is_two_resources() -> None:
    """As with two engines that share it: each connects it and closes it."""
    broker = Broker()
    lives = Lives(inbox=broker, outbox=broker)
    for name in ("inbox", "outbox"):
        assert await lives.run.get(name) is broker
    await lives.close()
    assert broker.log == ["connect", "connect", "close", "close"]


async def test_what_is_a_connector() -> None:
    class Connection:
        async def connect(self) -> None: ...

        async def close(self) -> None: ...

    class Compiled:
        """Async methods that do not look like it."""

        def __init__(self) -> None:
            self.broker = Broker()

        def connect(self):
            return self.broker.connect()

        def close(self):
            return self.broker.close()

        def publish(self): ...

        def subscribe(self): ...

    compiled = Compiled()
    lives = Lives(connection=Connection(), compiled=compiled)
    assert type(await lives.run.get("connection")) is Connection
    assert await lives.run.get("compiled") is compiled
    assert compiled.broker.log == ["connect"]
    assert not lives.engine.empty
    await lives.close()
    assert compiled.broker.log == ["connect", "close"]


async def test_a_connector_that_does_not_connect() -> None:
    class Unreachable(Broker):
        async def connect(self) -> None:
            raise ConnectionError

    broker = Unreachable()
    lives = Lives(broker=broker)
    with pytest.raises(ConnectionError):
        await lives.run.get("broker")
    await lives.close()
    assert broker.log == []


# ------------------------------------------------------------------------------------------------- lost event loops


def test_the_next_event_loop_begins_with_nothing() -> None:
    log: list[str] = []
    lives = Lives(sync_one("a", log, "engine"), async_one("b", log, "engine"))

    async def use(scope: Scope) -> None:
        await scope.get("a")
        await scope.get("b")

    loop = asyncio.new_event_loop()
    loop.set_exception_handler(lambda *_: None)  # the keeper's loss is reported below, and by asyncio
    loop.run_until_complete(use(lives.engine))
    loop.close()
    lives.engine.abandon(cs.EngineStateError("the event loop was closed"))
    assert log == ["+a", "(b", "+b", "!a EngineStateError", "-a"]
    assert [message for message, _ in lives.told.reports] == ["resource `b` failed in its teardown"]
    assert lives.engine.empty
    asyncio.run(use(Scope(lives.registry, "engine", None, lives.hooks)))
    assert log[5:] == ["+a", "(b", "+b", "!b CancelledError", "-b"]  # `asyncio.run` cancels what is left


# ------------------------------------------------------------------------------------------------------ random graphs

SCOPES = ["engine", "run", "call"]


@st.composite
def graphs(draw):
    """For each resource: its scope, how it is made, and which of those before it it needs."""
    graph = []
    for number in range(draw(st.integers(1, 8))):
        scope = draw(st.integers(0, 2))
        fits = [other for other in range(number) if graph[other][0] <= scope]
        needs = draw(st.lists(st.sampled_from(fits), unique=True, max_size=3)) if fits else []
        graph.append((scope, draw(st.sampled_from(["sync", "async", "slow", "plain"])), needs))
    return graph, draw(st.lists(st.integers(0, len(graph) - 1), min_size=1, max_size=6)), draw(st.booleans())


def made_of(graph, log):
    for number, (scope, how, needs) in enumerate(graph):
        signature = ", ".join(f"r{need}" for need in needs)
        lines = [f"log.append((+1, {number}))", f"yield {number}", f"log.append((-1, {number}))"]
        if how == "slow":
            lines = ["await sleep(0)", lines[0], lines[1], "await sleep(0)", lines[2]]
        elif how == "plain":
            lines = [lines[0], f"return {number}"]
        elif how == "sync":
            lines[1:] = ["try:", f" yield {number}", "finally:", f" {lines[2]}"]
        if how in ("async", "slow"):
            place = next(index for index, line in enumerate(lines) if line.startswith("yield"))
            lines[place:] = ["try:", f" {lines[place]}", "finally:", *(f" {line}" for line in lines[place + 1 :])]
        text = "".join(f"\n    {line}" for line in lines)
        names = {"log": log, "sleep": asyncio.sleep}
        exec(f"{'async ' if how in ('async', 'slow') else ''}def r{number}({signature}):{text}", names)
        yield resource(names[f"r{number}"], scope=SCOPES[scope])


@given(graphs())
def test_random_graphs_are_set_up_by_need_and_torn_down_in_reverse(drawn) -> None:
    graph, asked, fails = drawn
    log: list[tuple[int, int]] = []

    async def main() -> Lives:
        lives = Lives(*made_of(graph, log))
        lives.registry.check(f"r{number}" for number in asked)
        values = await asyncio.gather(*(lives.call.get(f"r{number}") for number in asked))
        assert values == asked
        await lives.close(Expected() if fails else None)
        return lives

    lives = asyncio.run(main())
    needed: set[int] = set()
    pending = list(asked)
    while pending:
        number = pending.pop()
        needed.add(number)
        pending.extend(graph[number][2])
    up = [number for sign, number in log if sign > 0]
    down = [number for sign, number in log if sign < 0]
    assert sorted(up) == sorted(needed)
    assert all(up.index(need) < up.index(number) for number in needed for need in graph[number][2])
    released = [int(event[1][1:]) for event in lives.told.events if event[0] == "released"]
    acquired = [int(event[1][1:]) for event in lives.told.events if event[0] == "acquired"]
    assert sorted(acquired) == sorted(needed)
    for scope in range(3):
        assert [n for n in released if graph[n][0] == scope] == [n for n in acquired if graph[n][0] == scope][::-1]
    assert [graph[n][0] for n in released] == sorted((graph[n][0] for n in needed), reverse=True)
    assert down == [n for n in released if graph[n][1] != "plain"]
    assert lives.told.reports == []
