"""Types that a program teaches the caches, and keys that free a call from hashing what it holds."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import attrs
import pydantic
import pytest

import cascade as cs
from cascade.cache.composites import forget_kinds
from cascade.cache.fingerprint import fingerprint
from cascade.cache.identity import identity
from cascade.cache.taught import teachings


class Client:
    """Holds what cannot be hashed."""

    def __init__(self, base: str) -> None:
        self.base = base
        self.lock = threading.Lock()
        self.made: list[str] = []

    def full(self, path: str) -> str:
        with self.lock:
            return self.base + path


class DerivedClient(Client):
    """Known as its base class is."""


@pytest.fixture(autouse=True)
def forget() -> Iterator[None]:
    yield
    teachings.functions.clear()
    forget_kinds()


def cached_method(store: cs.MemoryStore, calls: list[str], key: Callable[..., Any] | None) -> Any:
    class Local(Client):
        @cs.cached(store=store, key=key)
        def get(self, path: str) -> str:
            calls.append(path)
            return self.full(path)

    return Local


def test_an_error_names_the_key_and_the_type_to_teach() -> None:
    @cs.cached
    def use(client: Client) -> None: ...

    with pytest.raises(cs.CacheKeyError, match=r"write key=\.\.\. in the cache policy, or teach the type with cs\."):
        cs.run(use(Client("a")))


def test_a_taught_type_counts_by_what_the_function_returns() -> None:
    cs.register_key(Client, lambda client: client.base)
    assert fingerprint(Client("a")) == fingerprint(Client("a")) != fingerprint(Client("b"))
    assert fingerprint("a") != fingerprint(Client("a")) != fingerprint(DerivedClient("a"))


def test_a_derived_type_has_the_nearest_function() -> None:
    cs.register_key(Client, lambda client: client.base)
    before = fingerprint(DerivedClient("a"))
    cs.register_key(DerivedClient, lambda client: [client.base])
    assert fingerprint(DerivedClient("a")) != before


def test_the_code_of_the_function_counts() -> None:
    cs.register_key(Client, lambda client: client.base)
    before = fingerprint(Client("a"))
    cs.register_key(Client, lambda client: client.base + "")
    assert fingerprint(Client("a")) != before


def test_a_type_taught_late_counts_from_then_on() -> None:
    with pytest.raises(cs.CacheKeyError):
        fingerprint(Client("a"))
    cs.register_key(Client)(lambda client: client.base)
    assert fingerprint(Client("a")) == fingerprint(Client("a"))


the_client = Client("a")


def test_a_global_of_a_type_taught_late_counts_by_its_content() -> None:
    def read() -> str:
        return the_client.full("x")

    before = identity(read, "read")
    cs.register_key(Client, lambda client: client.base)
    first = identity(read, "read")
    the_client.base = "b"
    try:
        assert len({before, first, identity(read, "read")}) == 3
    finally:
        the_client.base = "a"


def test_what_cannot_be_hashed_in_what_the_function_returns_is_named() -> None:
    cs.register_key(Client, lambda client: {"lock": client.lock})
    with pytest.raises(cs.CacheKeyError, match=r"got `lock` - at `value\[0\]\.key\['lock'\]`"):
        fingerprint([Client("a")])


def test_a_function_that_raises_is_named() -> None:
    cs.register_key(Client, lambda client: client.missing)
    with pytest.raises(cs.CacheKeyError, match="`Client`, for which the function of register_key raised Attr"):
        fingerprint(Client("a"))


@pytest.mark.parametrize("kind", [object, type, int, list, dict, 5, cs.Task])
def test_a_type_that_is_known_cannot_be_taught(kind: Any) -> None:
    with pytest.raises(cs.PolicyError, match="the type must be"):
        cs.register_key(kind, str)


async def later(_: object) -> None: ...


@pytest.mark.parametrize("function", [5, later, cs.task(str), int])
def test_a_function_that_returns_no_data_is_refused(function: Any) -> None:
    with pytest.raises(cs.PolicyError, match="the function for `Client` must be a plain function"):
        cs.register_key(Client, function)


@pytest.mark.parametrize("key", [lambda path: path, lambda self, path: (self.base, path)])
def test_methods_of_what_cannot_be_hashed_have_a_key(key: Callable[..., Any]) -> None:
    calls: list[str] = []
    local = cached_method(cs.MemoryStore(), calls, key)
    assert cs.run([local("a").get("x"), local("a").get("x"), local("b").get("x")]) == ["ax", "ax", "bx"]
    assert calls == ["x", "x"]


def test_a_key_that_takes_the_instance_is_all_that_counts_of_it() -> None:
    calls: list[str] = []
    local = cached_method(cs.MemoryStore(), calls, lambda self, path: path)
    assert cs.run([local("a").get("x"), local("b").get("x")]) == ["ax", "ax"]
    assert calls == ["x"]


def test_a_closure_over_a_client_has_a_key() -> None:
    calls: list[str] = []
    store = cs.MemoryStore()

    def make(client: Client) -> cs.Task[[str], str]:
        @cs.cached(store=store, key=lambda path: path)
        def get(path: str) -> str:
            calls.append(path)
            return client.full(path)

        return get

    targets = [make(Client("a"))("x"), make(Client("a"))("x"), make(Client("b"))("x")]
    assert cs.run(targets) == ["ax", "ax", "bx"]
    assert calls == ["x", "x"]


def test_what_can_be_hashed_counts_beside_a_key() -> None:
    def make(factor: int) -> cs.Task[[int], int]:
        @cs.cached(key=lambda x: x)
        def scale(x: int) -> int:
            return factor * x

        return scale

    assert cs.run([make(2)(10), make(3)(10)]) == [20, 30]


class Model(pydantic.BaseModel):
    a: int
    b: list[str] = []
    _private: int = pydantic.PrivateAttr(1)


class Open(pydantic.BaseModel, extra="allow"):
    a: int


def test_pydantic_models_count_by_all_that_they_hold() -> None:
    other = Model(a=1)
    other._private = 2
    models = [Model(a=1), Model(a=1, b=["x"]), Model(a=1, b=[]), other, Open(a=1), Open(a=1, c=2), Open(a=1, c=3)]
    assert len({fingerprint(model) for model in models}) == len(models)
    assert fingerprint(Model(a=1, b=["x"])) == fingerprint(Model.model_validate({"a": 1, "b": ["x"]}))
    with pytest.raises(cs.CacheKeyError, match=r"at `value\.__pydantic_extra__\['c'\]`"):
        fingerprint(Open(a=1, c=threading.Lock()))


@attrs.define
class Slotted:
    a: int


@attrs.define(slots=False)
class Plain:
    a: object


def test_attrs_classes_count_by_their_attributes() -> None:
    assert fingerprint(Slotted(1)) == fingerprint(Slotted(1)) != fingerprint(Slotted(2))
    assert fingerprint(Plain(1)) == fingerprint(Plain(1)) != fingerprint(Slotted(1))
    with pytest.raises(cs.CacheKeyError, match=r"got `lock` - at `value\.a`"):
        fingerprint(Plain(threading.Lock()))
