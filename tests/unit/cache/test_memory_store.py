"""Every store does what a dict with a bound and an order of use does."""

from __future__ import annotations

import itertools
import threading
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import cascade as cs
from cascade.cache.memory_store import MemoryStore
from cascade.cache.protocol import CacheStore, Hit
from cascade.cache.sqlite_store import DiskStore

NUMBERS = itertools.count()
Make = Callable[..., CacheStore]


@pytest.fixture(params=["memory", "disk"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Make:
    """Make stores that are empty, each with a bound."""
    if request.param == "memory":
        return MemoryStore
    return lambda *args, **kwargs: DiskStore(tmp_path / f"{next(NUMBERS)}.db", *args, **kwargs)


class Model:
    def __init__(self, bound: int, expired_first: bool) -> None:
        self.bound = bound
        self.expired_first = expired_first
        self.entries: OrderedDict[bytes, tuple[Any, float | None]] = OrderedDict()

    def get(self, key: bytes, now: float) -> Hit | None:
        if key not in self.entries:
            return None
        value, expires = self.entries[key]
        if expires is not None and expires <= now:
            del self.entries[key]
            return None
        self.entries.move_to_end(key)
        return Hit(value)

    def set(self, key: bytes, value: Any, expires: float | None, now: float) -> None:
        self.entries.pop(key, None)
        self.entries[key] = value, expires
        if self.expired_first and len(self.entries) > self.bound:
            for old, (_, until) in list(self.entries.items()):
                if until is not None and until <= now:
                    del self.entries[old]
        while len(self.entries) > self.bound:
            self.entries.popitem(last=False)


keys = st.integers(0, 6).map(lambda n: b"key %d" % n)
steps = st.lists(
    st.tuples(st.just("get"), keys, st.integers(0, 2))
    | st.tuples(st.just("set"), keys, st.integers(0, 2), st.none() | st.integers(1, 4), st.none() | st.integers())
    | st.tuples(st.sampled_from(["delete", "reopen"]), keys)
    | st.tuples(st.just("clear"))
)


@given(steps=steps, bound=st.integers(1, 4))
def test_a_store_is_a_bounded_dict(make: Make, steps: list[Any], bound: int) -> None:
    store = make(max_entries=bound)
    model = Model(bound, expired_first=type(store) is DiskStore)
    now = 0.0
    for kind, *rest in steps:
        if kind == "get":
            now += rest[1]
            assert store.get(rest[0], now) == model.get(rest[0], now)
        elif kind == "set":
            now += rest[1]
            expires = None if rest[2] is None else now + rest[2]
            store.set(rest[0], rest[3], expires, now)
            model.set(rest[0], rest[3], expires, now)
        elif kind == "delete":
            store.delete(rest[0])
            model.entries.pop(rest[0], None)
        elif kind == "clear":
            store.clear()
            model.entries.clear()
        else:
            store.close()
        assert len(store) == len(model.entries)
    for key in list(model.entries):
        assert store.get(key, now) == model.get(key, now)
    store.close()


def test_none_is_a_value(make: Make) -> None:
    store = make()
    assert store.get(b"k", 0.0) is None
    store.set(b"k", None, None, 0.0)
    assert store.get(b"k", 0.0) == Hit(None)
    store.close()


def test_bounds_are_checked(make: Make) -> None:
    for bound in (0, -1, 1.0, True, "1"):
        with pytest.raises(cs.PolicyError, match="max_entries must be"):
            make(max_entries=bound)


def test_threads_share_a_store(make: Make) -> None:
    store = make(max_entries=50)
    errors: list[BaseException] = []

    def work(seed: int) -> None:
        try:
            for i in range(60):
                key = b"%d" % ((seed * 7 + i) % 80)
                store.set(key, (key, seed), None, 0.0)
                found = store.get(b"%d" % (i % 80), 0.0)
                assert found is None or found.value[0] == b"%d" % (i % 80)
                if i % 20 == 0:
                    store.delete(key)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert 0 < len(store) <= 50
    store.close()


class Mourner:
    """Whose end uses the store that let it go."""

    def __init__(self, store: CacheStore) -> None:
        self.store = store

    def __del__(self) -> None:
        self.store.get(b"other", 0.0)


def test_what_is_let_go_may_use_the_store() -> None:
    store = MemoryStore(max_entries=1)
    store.set(b"a", Mourner(store), None, 0.0)
    store.set(b"b", Mourner(store), None, 0.0)
    store.set(b"b", Mourner(store), 1.0, 0.0)
    assert store.get(b"b", 2.0) is None
    store.set(b"b", Mourner(store), None, 0.0)
    store.delete(b"b")
    store.set(b"b", Mourner(store), None, 0.0)
    store.clear()
    assert len(store) == 0


def test_memory_gives_the_very_object() -> None:
    store = MemoryStore()
    value = [object()]
    store.set(b"k", value, None, 0.0)
    hit = store.get(b"k", 0.0)
    assert hit is not None and hit.value is value
