"""`cs.resource`, and what a registry makes of resources: names, overrides, and what cannot be set up."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import contextmanager
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

import cascade as cs
from cascade.resources.provider import Resource, resource
from cascade.resources.registry import Registry


def needing(name: str, *needs: str, scope: str = "run") -> Resource:
    """A resource that needs others."""

    def fn(**_: object) -> None: ...

    made = resource(fn, name=name, scope=scope)
    made.needs = {f"p{index}": need for index, need in enumerate(needs)}
    return made


def registry_of(*resources: Resource) -> Registry:
    registry = Registry()
    for one in resources:
        registry.register(one)
    return registry


# ------------------------------------------------------------------------------------------------------- definition


# ----------------------------------------------------------------------------------------------------- registration


def test_a_resource_is_registered_under_its_name_or_another() -> None:
    one = resource(lambda: 1, name="one", scope="call")
    registry = registry_of(one)
    registry.register(one, "two")
    assert registry.scope_of("one") == registry.scope_of("two") == "call"
    assert registry.binding("two").name == "two"
    assert registry.binding("one") is not registry.binding("two")


@pytest.mark.parametrize("value", [None, 0, "text", [], object(), len, lambda: 1, int, mock.Mock(), mock.AsyncMock()])
def test_anything_else_is_a_value_and_needs_a_name(value: object) -> None:
    registry = Registry()
    registry.register(value, "value")
    assert registry.scope_of("value") == "engine"
    assert registry.binding("value").provider.value is value
    with pytest.raises(TypeError, match="name must be given"):
        registry.register(value)


def test_what_connects_by_itself_is_just_a_value() -> None:
    registry = Registry()
    with socket.socket() as one:
        registry.register(one, "socket")
        assert registry.binding("socket").provider.value is one


def test_what_is_surely_a_mistake() -> None:
    registry = Registry()

    def generator():
        yield

    async def asynchronous():
        yield

    @cs.task
    def t(): ...

    for mistake in (generator, asynchronous):
        with pytest.raises(TypeError, match=f"generator function `{mistake.__name__}`; decorate it"):
            registry.register(mistake, "name")
    with pytest.raises(TypeError, match="got a `LazyResult` - at resource `name`"):
        registry.register(t(), "name")
    for name in ("", 1):
        with pytest.raises(TypeError, match="non-empty"):
            registry.register(1, name)
    with pytest.raises(cs.ResourceError):
        registry.check(["name"])


def test_a_later_registration_replaces_the_earlier() -> None:
    registry = Registry()
    registry.register(1, "n")
    before = registry.version
    registry.register(2, "n")
    assert registry.binding("n").provider.value == 2
    assert registry.version != before


# ---------------------------------------------------------------------------------------------------------- checks


def test_unregistered() -> None:
    registry = registry_of(needing("repo", "database"), needing("service", "repo"))
    with pytest.raises(
        cs.ResourceError, match=r"^resource must be registered, got `database` - at service -> repo -> database$"
    ):
        registry.check(["service"])
    with pytest.raises(cs.ResourceError, match=r"^resource must be registered, got `x`$"):
        registry.check(["x"])
    with pytest.raises(cs.ResourceError, match=r"got `reop`; did you mean `repo`\?$"):
        registry.scope_of("reop")
    registry.register("here", "database")
    registry.check(["service", "repo"])


def test_circles() -> None:
    registry = registry_of(needing("a", "b"), needing("b", "c"), needing("c", "b"), needing("self", "self"))
    with pytest.raises(cs.ResourceError, match=r"got one that needs itself - at b -> c -> b$"):
        registry.check(["a"])
    with pytest.raises(cs.ResourceError, match=r"at self -> self$"):
        registry.check(["self"])
    with registry.override("c", "no circle"):
        registry.check(["a", "b", "c"])
    with pytest.raises(cs.ResourceError, match=r"at b -> c -> b$"):
        registry.check(["a"])


@pytest.mark.parametrize("wide", ["engine", "run", "call"])
@pytest.mark.parametrize("narrow", ["engine", "run", "call"])
def test_nothing_needs_what_lasts_shorter(wide: str, narrow: str) -> None:
    registry = registry_of(
        needing("top", "wide", scope="call"), needing("wide", "narrow", scope=wide), needing("narrow", scope=narrow)
    )
    lives = ["engine", "run", "call"]
    if lives.index(narrow) <= lives.index(wide):
        registry.check(["top"])
    else:
        with pytest.raises(cs.ResourceError) as caught:
            registry.check(["top"])
        assert str(caught.value) == (
            f"resource `wide` of scope {wide} needs `narrow` of scope {narrow}, which does not last as long "
            "- at top -> wide -> narrow"
        )


def test_a_long_chain() -> None:
    registry = registry_of(*(needing(f"r{n}", f"r{n + 1}") for n in range(2000)), needing("r2000"))
    registry.check(["r0"])
    assert len(registry.binding("r0").order) == 2001


@given(st.lists(st.lists(st.integers(0, 9), max_size=4, unique=True), min_size=10, max_size=10))
def test_a_check_fails_exactly_if_there_is_a_circle(graph: list[list[int]]) -> None:
    registry = registry_of(*(needing(f"r{n}", *(f"r{m}" for m in needs)) for n, needs in enumerate(graph)))

    def reaches(start: int) -> set[int]:
        found: set[int] = set()
        pending = list(graph[start])
        while pending:
            node = pending.pop()
            if node not in found:
                found.add(node)
                pending.extend(graph[node])
        return found

    for n in range(10):
        within = {n, *reaches(n)}
        if any(m in reaches(m) for m in within):
            with pytest.raises(cs.ResourceError, match="needs itself") as caught:
                registry.check([f"r{n}"])
            first, *others = str(caught.value).partition(" - at ")[2].split(" -> ")
            assert others[-1] == first
            for one, other in zip([first, *others], others, strict=False):
                assert int(other[1:]) in graph[int(one[1:])]
        else:
            registry.check([f"r{n}"])
            order = [binding.name for binding in registry.binding(f"r{n}").order]
            assert sorted(order) == sorted(f"r{m}" for m in within)
            assert all(order.index(f"r{m}") < order.index(f"r{k}") for k in within for m in graph[k])


# -------------------------------------------------------------------------------------------------------- overrides


def value_of(registry: Registry, name: str) -> object:
    return registry.binding(name).provider.value


def test_overrides_nest_and_restore() -> None:
    registry = Registry()
    registry.register("real", "db")
    real = registry.binding("db")
    versions = [registry.version]
    with registry.override("db", "fake"):
        versions.append(registry.version)
        assert value_of(registry, "db") == "fake"
        with registry.override("db", resource(lambda: 1, name="other", scope="call")):
            assert registry.binding("db").name == "db"
            assert registry.scope_of("db") == "call"
        versions.append(registry.version)
        assert value_of(registry, "db") == "fake"
    versions.append(registry.version)
    assert registry.binding("db") is real
    assert len(set(versions)) == 4


def test_an_override_ends_with_an_error_too() -> None:
    registry = Registry()
    registry.register(1, "db")
    with pytest.raises(KeyError), registry.override("db", 2):
        raise KeyError
    assert value_of(registry, "db") == 1


def test_an_override_of_nothing() -> None:
    registry = Registry()
    registry.register(1, "data-base")
    with pytest.raises(cs.ResourceError, match="got `data-bas`; did you mean `data-base`"):
        registry.override("data-bas", 2)
    with pytest.raises(TypeError):
        registry.override(1, 2)


def test_a_registration_within_an_override_shows_after_it() -> None:
    registry = Registry()
    registry.register(1, "db")
    with registry.override("db", 2):
        registry.register(3, "db")
        assert value_of(registry, "db") == 2
    assert value_of(registry, "db") == 3


def test_overrides_may_end_in_another_order() -> None:
    registry = Registry()
    registry.register(0, "db")
    first, second = registry.override("db", 1), registry.override("db", 2)
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert value_of(registry, "db") == 2
    second.__exit__(None, None, None)
    assert value_of(registry, "db") == 0


def test_an_override_changes_what_needs_it_and_nothing_else() -> None:
    registry = registry_of(needing("repo", "db"), needing("db"), needing("clock"))
    names = ["repo", "db", "clock"]
    before = [registry.binding(name) for name in names]
    with registry.override("db", "fake"):
        within = [registry.binding(name) for name in names]
    assert [registry.binding(name) for name in names] == before
    assert [one is other for one, other in zip(before, within, strict=True)] == [False, False, True]


def test_a_context_manager_is_recognized_when_it_is_set_up() -> None:
    @resource
    @contextmanager
    def managed():
        yield 1

    assert managed.kind == "generator"  # its error is in the tests of scopes


# -------------------------------------------------------------------------------------------------- other threads


class Waiting:
    """A value whose destructor waits for a thread that registers a resource."""

    def __init__(self, registry: Registry, over: list[bool]) -> None:
        self.registry, self.over = registry, over

    def __del__(self) -> None:
        thread = threading.Thread(target=self.registry.register, args=("value", "other"), daemon=True)
        thread.start()
        thread.join(5)  # it takes so long only if the test fails
        self.over.append(not thread.is_alive())


def _replace(registry: Registry) -> None:
    registry.register("new", "name")


def _end_override(registry: Registry) -> None:
    registry.remove_override(registry._overrides[-1])


@pytest.mark.parametrize("drop", [_replace, _end_override])
def test_a_destructor_of_a_dropped_value_may_wait_for_a_thread_that_registers(drop: Callable[[Registry], None]) -> None:
    registry = Registry()
    over: list[bool] = []
    if drop is _replace:
        registry.register(Waiting(registry, over), "name")
    else:
        registry.register("first", "name")
        registry.override("name", Waiting(registry, over)).__enter__()
    drop(registry)
    assert over == [True]
