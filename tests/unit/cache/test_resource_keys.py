"""Injected resources in the key: what provides them counts, wherever on the way to a result they are asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import cascade as cs
from support.observation import settle

made: list[Any] = []
gate: asyncio.Event


@pytest.fixture(autouse=True)
def fresh() -> None:
    made.clear()


@pytest.fixture(params=["memory", "disk"])
def policy(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[cs.ResultCache]:
    store: Any = cs.MemoryStore() if request.param == "memory" else cs.DiskStore(tmp_path / "cache.db")
    yield cs.ResultCache(store=store)
    store.close()


class Client:
    def __init__(self, url: str) -> None:
        self.url = url


@cs.task(mode="inline")
def rows(table: str, db: Any = cs.Inject("db")) -> Any:  # noqa: B008
    made.append(table)
    return db[table]


@cs.task(mode="inline")
def url(db: Any = cs.Inject("db")) -> str:  # noqa: B008
    made.append("url")
    return str(db.url)


def engine_with(provider: Any) -> cs.Engine:
    engine = cs.Engine()
    engine.register(provider, "db")
    return engine


def test_a_value_is_data(policy: cs.ResultCache) -> None:
    call = rows("users").with_cache(policy)
    engine = engine_with({"users": ["ada"]})
    with engine.override("db", {"users": ["fake"]}):
        assert cs.run(call, engine=engine) == ["fake"]
    assert cs.run(call, engine=engine) == ["ada"]
    assert cs.run(call, engine=engine_with({"users": ["eve"]})) == ["eve"]
    assert cs.run(call, engine=engine_with({"users": ["ada"]})) == ["ada"]
    assert len(made) == 3


def connection_to(address: str) -> Any:
    @cs.resource
    def db() -> Iterator[Client]:
        yield Client(address)

    return db


def test_a_function_is_its_code_and_what_it_holds(policy: cs.ResultCache) -> None:
    call = url().with_cache(policy)
    engines = [engine_with(connection_to(address)) for address in ("a", "b", "a")]
    assert [cs.run(call, engine=engine) for engine in engines * 2] == ["a", "b", "a"] * 2
    assert len(made) == 2


def test_what_a_resource_needs_counts(policy: cs.ResultCache) -> None:
    @cs.resource
    def db(host: str = cs.Inject("host")) -> Iterator[Client]:  # type: ignore[assignment]
        yield Client(host)

    engine = engine_with(db)
    engine.register("a", "host")
    call = url().with_cache(policy)
    assert cs.run(call, engine=engine) == "a"
    with engine.override("host", "b"):
        assert cs.run(call, engine=engine) == "b"
    assert cs.run(call, engine=engine) == "a"
    assert len(made) == 2


def test_what_is_known_in_this_process_alone_is_itself() -> None:
    policy = cs.ResultCache(store=cs.MemoryStore())
    call = url().with_cache(policy)
    engines = [engine_with(Client("a")), engine_with(Client("b"))]
    assert [cs.run(call, engine=engine) for engine in engines * 2] == ["a", "b"] * 2
    with engines[0].override("db", Client("c")):
        assert cs.run(call, engine=engines[0]) == "c"
    assert cs.run(call, engine=engines[0]) == "a"
    assert len(made) == 3


def test_it_is_refused_where_others_would_find_it(tmp_path: Path) -> None:
    store = cs.DiskStore(tmp_path / "cache.db")
    with pytest.raises(cs.CacheKeyError) as caught:
        cs.run(url().with_cache(cs.ResultCache(store=store)), engine=engine_with(Client("a")))
    assert str(caught.value) == (
        "resource `db` must be known to other processes where results are kept for them: value must be data that can "
        "be hashed, got `Client` - at `db`; write key=... in the cache policy, or teach the type with "
        "cs.register_key(Client, ...), or register a function made with `cs.resource`"
    )
    kept = cs.ResultCache(store=store, key=lambda db: 1)
    for _ in range(2):
        assert cs.run(url().with_cache(kept), engine=engine_with(Client("a"))) == "a"
    assert len(made) == 1
    store.close()


@cs.task(mode="inline")
def outer(table: str) -> Any:
    made.append("outer")
    return middle(table)


@cs.task(mode="inline")
def middle(table: str) -> Any:
    return rows(table)


def test_what_an_expression_asks_for_that_the_call_gives(policy: cs.ResultCache) -> None:
    call = outer("users").with_cache(policy)
    engine = engine_with({"users": 1})
    with engine.override("db", {"users": 2}):
        assert cs.run([call, call.with_retry(2)], engine=engine) == [2, 2]
    assert [cs.run(call, engine=engine) for _ in range(3)] == [1, 1, 1]
    assert made.count("outer") == 2


def test_a_result_inside_a_result(policy: cs.ResultCache) -> None:
    inside = cs.task(mode="inline")(lambda: outer("users").with_cache(policy))
    engine = engine_with({"users": 1})
    assert cs.run(outer("users").with_cache(policy), engine=engine) == 1
    for value in (1, 2, 1, 2):
        with engine.override("db", {"users": value}):
            assert cs.run(inside().with_cache(policy), engine=engine) == value
    assert made.count("outer") == 2


@cs.task(mode="inline")
def greeting() -> Any:
    made.append("greeting")
    return hello(cs.Env("CASCADE_TEST_NAME"))


@cs.task(mode="inline")
def hello(name: str) -> str:
    return f"hello {name}"


def test_inputs_of_an_expression_that_the_call_gives(policy: cs.ResultCache, monkeypatch: pytest.MonkeyPatch) -> None:
    call = greeting().with_cache(policy)
    for name in ("ada", "eve", "ada", "eve"):
        monkeypatch.setenv("CASCADE_TEST_NAME", name)
        assert cs.run(call) == f"hello {name}"
    assert made.count("greeting") == 2


@cs.task(mode="inline")
def total(*values: Any) -> str:
    return " and ".join(map(str, values))


@cs.task(mode="inline")
def fails() -> str:
    raise LookupError


# What an expression may need, and tasks that evaluate it: which of them does so is not written in the target.
NEEDS: dict[str, Callable[[], Any]] = {
    "variable": lambda: cs.Env("CASCADE_TEST_NAME"),
    "param": lambda: cs.Param("name"),
    "resource": lambda: url(),
}


def beneath(need: Callable[[], Any]) -> dict[str, Any]:
    """Expressions that need something only beneath a call: what it returns, or awaits."""

    @cs.task(mode="inline")
    def returns() -> Any:
        return total(need())

    @cs.task
    async def awaits() -> str:
        return f"{await cs.lazy(need())}"

    @cs.task
    async def awaits_call() -> str:
        await asyncio.sleep(0)
        return await cs.lazy(returns())

    kept = cs.ResultCache(store=cs.MemoryStore())
    return {
        "returned": returns(),
        "awaited": awaits(),
        "awaited call": awaits_call(),
        "handler": cs.recover(fails(), lambda error: returns()),
        "fallback": cs.fallback(fails(), returns()),
        "gather": cs.gather(returns())[0],
        "item": total(cs.task(lambda n: returns(), mode="inline").map(n=[1])[0]),
        "router": cs.Router("a", {"a": returns()}),
        "condition": returns().run_if(total(1)),
        "cached": returns().with_cache(kept),
        "awaited and cached": awaits().with_cache(kept),
        "retried": returns().with_retry(2),
        "scope": cs.scope(returns()),
        "cached scope": cs.scope(total(awaits(), returns())[0:30]).with_cache(kept),
    }


@pytest.mark.parametrize("how", beneath(url))
@pytest.mark.parametrize("need", NEEDS)
def test_whatever_is_needed_beneath_a_cached_scope(
    need: str, how: str, policy: cs.ResultCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    expression = beneath(NEEDS[need])[how]

    @cs.task
    async def waits() -> Any:
        return await cs.lazy(expression)

    def gives() -> Any:
        """Give a coroutine, which the engine awaits."""
        return waits.fn()

    inline, thread = cs.task(gives, name="gives", mode="inline"), cs.task(gives, name="in a thread", mode="thread")
    for cached in (cs.scope(expression), cs.gather(expression)[0], waits(), inline(), thread(), total(expression)):
        target = cs.lazy(cached).with_cache(policy)
        for name in ("ada", "eve", "ada", "eve"):
            monkeypatch.setenv("CASCADE_TEST_NAME", name)
            declared = cs.Param("name")  # all params must be in the target
            found, _ = cs.run([target, declared], params={"name": name}, engine=engine_with(Client(name)))
            assert name in str(found), (cached, found)


async def test_a_call_that_has_failed_adds_no_needs_to_those_after_it(policy: cs.ResultCache) -> None:
    @cs.task
    async def fails_once() -> Any:
        await cs.lazy(url())
        raise LookupError

    target = [cs.fallback(fails_once().with_cache(policy), 0), cs.lazy(rows("users")).with_cache(policy)]
    async with cs.Engine() as engine:
        engine.register({"users": 1}, "db")
        run = engine.start(target)
        assert await run == [0, 1]
        assert not run._leaders


@cs.task
async def slow(table: str) -> Any:
    await gate.wait()
    return rows(table)


async def test_who_waits_with_another_resource_gets_a_result_of_its_own(policy: cs.ResultCache) -> None:
    global gate
    gate = asyncio.Event()
    call = slow("users").with_cache(policy)
    async with engine_with({"users": 1}) as engine:
        first = engine.start([call, rows("users")])
        await settle()
        with engine.override("db", {"users": 2}):
            second = engine.start([call, rows("users")])
            await settle()
            gate.set()
            assert await second == [2, 2]
        assert await first == [1, 1]
        assert await engine.run(call) == 1
