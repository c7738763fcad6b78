"""Routers: what is not taken never starts, wherever routers stand and whatever else needs their routes."""

from __future__ import annotations

import asyncio
import itertools

import pytest

import cascade as cs
from support.notes import Notes
from support.observation import settle
from support.tasks import take


@pytest.fixture
def log() -> Notes:
    return Notes()


@pytest.mark.parametrize(("first", "second"), list(itertools.product("ab", repeat=2)))
async def test_two_routers_on_one_consumer(log: Notes, cold: cs.Engine, first: str, second: str) -> None:
    for _ in range(2):
        log.clear()
        routers = [
            cs.Router(log.note(key), {"a": log.note(f"{place}a"), "b": log.note(f"{place}b")})
            for place, key in enumerate((first, second))
        ]
        assert await cold.run(take(*routers)) == ((f"0{first}", f"1{second}"), {})
        assert log == [first, f"0{first}", second, f"1{second}"]


async def test_two_routers_that_share_selector_and_routes(log: Notes, cold: cs.Engine) -> None:
    selector, routes = log.note("k"), {"k": log.note("route"), "other": log.fail()}
    routers = cs.Router(selector, routes), cs.Router(selector, routes)
    assert await cold.run(take(*routers)) == (("route", "route"), {})
    assert log == ["k", "route"]


async def test_in_a_list_in_a_dict_in_a_tuple(log: Notes, cold: cs.Engine) -> None:
    router = cs.Router(log.note("k"), {"k": log.note("taken", log.note("under")), None: log.fail()})
    value = await cold.run(take({"deep": ([router, 1], router)}, x=[router]))
    assert value == (({"deep": (["taken", 1], "taken")},), {"x": ["taken"]})
    assert log == ["k", "under", "taken"]


async def test_a_container_as_route_is_made_of_what_is_in_it_only_if_it_is_taken(log: Notes, cold: cs.Engine) -> None:
    routes = {1: [log.note("in a list")], 2: {"x": log.fail()}, 3: "a value"}
    assert await cold.run(take(cs.Router(1, routes))) == ((["in a list"],), {})
    assert await cold.run(take(cs.Router(3, routes))) == (("a value",), {})


@pytest.mark.parametrize("path", list(itertools.product([0, 1], repeat=3)))
async def test_routers_in_routes_in_selectors_and_defaults(log: Notes, path: tuple[int, ...]) -> None:
    def tree(depth: int, name: str) -> object:
        if depth == 3:
            return log.note(name)
        choose = cs.Router(log.note(str(path[depth])), {"0": 0, "1": 1})
        return cs.Router(choose, {0: tree(depth + 1, name + "0")}, default=tree(depth + 1, name + "1"))

    leaf = "".join(map(str, path))
    assert await cs.Engine().run(tree(0, "")) == leaf
    assert log == [*leaf, leaf]


async def test_an_unselected_route_that_is_needed_elsewhere_runs_once(log: Notes, cold: cs.Engine) -> None:
    shared = log.note("shared")
    router = cs.Router(log.note("b"), {"a": log.note("a", shared), "b": log.note("taken")})
    assert await cold.run(take(router, shared, [shared])) == (("taken", "shared", ["shared"]), {})
    assert log == ["b", "shared", "taken"]


async def test_one_shape_takes_another_route_in_each_run(log: Notes) -> None:
    engine = cs.Engine(templates=cs.Templates())
    for key in "abcabc":
        log.clear()
        router = cs.Router(log.note(key), {"a": log.note("A"), "b": log.note("B")}, default=log.note("C"))
        assert await engine.run(take(router)) == ((key.upper(),), {})
        assert log == [key, key.upper()]
    assert engine.templates.stats.builds == 1


async def test_a_slow_route_holds_up_only_what_takes_it(log: Notes) -> None:
    gate = asyncio.Event()

    @cs.task
    async def slow() -> str:
        await gate.wait()
        return "slow"

    run = cs.Engine().start(take(cs.Router("s", {"s": slow(), "t": log.fail()}), log.note("after", log.note("before"))))
    await settle(10)
    assert log == ["before", "after"]
    gate.set()
    assert await run == (("slow", "after"), {})


@pytest.mark.parametrize("key", [1, True, 1.0, "1", b"1", None, (1, "x"), frozenset({1}), 2**80, -0.0, ...], ids=repr)
async def test_keys_are_found_as_in_a_dict(key: object) -> None:
    routes = {1: "int", "1": "text", b"1": "bytes", None: "none", (1, "x"): "tuple", frozenset({1}): "set"}
    routes |= {2**80: "big", 0.0: "zero", ...: "dots"}

    @cs.task(mode="inline")
    def give(value: object) -> object:
        return value

    assert await cs.Engine().run(cs.Router(give(key), routes)) == routes[key]
    lazies = {one: give(value) for one, value in routes.items()}
    assert await cs.Engine().run(cs.Router(give(key), lazies)) == routes[key]


async def test_a_key_that_is_not_equal_to_itself() -> None:
    nan = float("nan")
    routes = {nan: take("nan")}
    assert await cs.Engine().run(cs.Router(nan, routes)) == (("nan",), {})
    with pytest.raises(cs.RouteError):
        await cs.Engine().run(cs.Router(float("nan"), routes))


@pytest.mark.parametrize("lazy", [True, False])
async def test_no_route_lists_the_keys(log: Notes, lazy: bool) -> None:
    routes = {key: log.note("x") if lazy else "x" for key in ("a", 1, None)}
    with pytest.raises(
        cs.RouteError, match=r"key of a route \('a', 1, None\), got 'z': add that route, or a default"
    ) as caught:
        await cs.Engine().run(take(cs.Router(log.note("z"), routes), log.note("later")))
    assert isinstance(caught.value, LookupError)
    assert log == ["z"]


async def test_a_tail_call_through_routers_takes_no_memory() -> None:
    @cs.task(mode="inline")
    def loop(n: int) -> object:
        inner = cs.Router(n % 2, {0: loop(n - 1), 1: loop(n - 1)})
        return cs.Router(n > 0, {True: inner, False: "end"})

    run = cs.Engine().start(loop(5_000))
    assert await run == "end"
    assert run.iterations == 5_001  # the last one gives a router, too
