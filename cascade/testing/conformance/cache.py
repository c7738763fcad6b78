"""What every cache store and every cache policy must do, as tests that anybody's can be given to.

They use plain assertions; run them under pytest, or call them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from cascade._core.expr.task import Task
from cascade._support.public import public_in
from cascade.cache.protocol import CachePolicy, CacheStore, Hit

__all__ = ["check_cache_policy", "check_cache_store"]

THREADS = 4
ROUNDS = 50


@public_in("cascade.testing.conformance")
def check_cache_store(make: Callable[[], CacheStore]) -> None:
    """Check that a store does what its protocol says.

    Args:
        make: gives an empty store, with room for at least 100 results, each time that it is called.

    Raises:
        AssertionError: it does something else.

    >>> from cascade.cache.memory_store import MemoryStore
    >>> check_cache_store(MemoryStore)
    """
    for check in (_keeps, _expires, _forgets, _closes, _is_shared):
        store = make()
        assert len(store) == 0, "a new store is not empty"
        assert type(store.blocking) is bool, "`blocking` is no bool"
        check(store)
        store.close()


def _keeps(store: CacheStore) -> None:
    assert store.get(b"key", 0.0) is None, "found what was never put there"
    for value in (1, [1, {"a": None}], None, "text"):
        store.set(b"key", value, None, 0.0)
        found = store.get(b"key", 1e12)
        assert isinstance(found, Hit), f"expected a `Hit`, got `{type(found).__name__}`"
        assert found.value == value, f"put {value!r}, got {found.value!r}"
        assert len(store) == 1, "the same key twice counts twice"
    store.set(b"\x00" * 32, 2, None, 0.0)
    store.set(b"", 3, None, 0.0)
    assert store.get(b"\x00" * 32, 0.0) == Hit(2), "a key of zeros is lost"
    assert store.get(b"", 0.0) == Hit(3), "an empty key is lost"
    assert store.get(b"\x00" * 31, 0.0) is None, "another key was found"


def _expires(store: CacheStore) -> None:
    store.set(b"key", 1, 10.5, 10.0)
    assert store.get(b"key", 10.25) == Hit(1), "expired too early"
    assert store.get(b"key", 10.5) is None, "found at the moment at which it expires"
    assert store.get(b"key", 11.0) is None, "found after it has expired"
    store.set(b"key", 2, 20.0, 11.0)
    assert store.get(b"key", 12.0) == Hit(2), "lost what was put where something had expired"
    store.set(b"key", 3, None, 12.0)
    assert store.get(b"key", 30.0) == Hit(3), "expired by what it has replaced"


def _forgets(store: CacheStore) -> None:
    store.delete(b"never there")
    for key in (b"a", b"b", b"c"):
        store.set(key, key, None, 0.0)
    store.delete(b"a")
    assert store.get(b"a", 0.0) is None, "found what was deleted"
    assert store.get(b"b", 0.0) == Hit(b"b"), "lost what was not deleted"
    assert len(store) == 2, "counts what was deleted"
    store.clear()
    assert store.get(b"b", 0.0) is None, "found what was cleared"
    assert len(store) == 0, "counts what was cleared"


def _closes(store: CacheStore) -> None:
    store.set(b"key", 1, None, 0.0)
    store.close()
    store.close()
    store.set(b"other", 2, None, 0.0)
    assert store.get(b"other", 0.0) == Hit(2), "cannot be used again after `close`"


def _is_shared(store: CacheStore) -> None:
    failures: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for i in range(ROUNDS):
                key = b"%d" % (i % 7)
                store.set(key, [key, number], None, 0.0)
                found = store.get(key, 0.0)
                assert found is None or found.value[0] == key, "another key's value was found"
                if i % 10 == number:
                    store.delete(key)
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise AssertionError(f"used by {THREADS} threads at once, it fails") from failures[0]


@public_in("cascade.testing.conformance")
def check_cache_policy(
    policy: CachePolicy, task: Task, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any
) -> None:
    """Check that a policy does what its protocol says.

    Args:
        policy: knows nothing of the call yet.
        task: a task that it accepts; it is not run.
        args: positional arguments of the call.
        kwargs: keyword arguments of the call.
        result: what the call would give, with a meaningful ``==``.

    Raises:
        AssertionError: it does something else.

    >>> import cascade as cs
    >>> from cascade.cache.memory_store import MemoryStore
    >>> from cascade.cache.policy import ResultCache
    >>> @cs.task
    ... def double(x):
    ...     return 2 * x
    >>> check_cache_policy(ResultCache(store=MemoryStore()), double, (21,), {}, 42)
    """
    assert type(policy.blocking) is bool, "`blocking` is no bool"
    policy.check(task)
    key = policy.key(task, args, kwargs)
    assert type(key) is bytes, f"expected a key of `bytes`, got `{type(key).__name__}`"
    assert policy.key(task, args, dict(reversed(kwargs.items()))) == key, "the same call has another key"
    assert policy.load(key, 0.0) is None, "found what was never saved"
    saved = policy.save(key, result, 0.0)
    assert saved is None or isinstance(saved, Hit), "`save` gives neither None nor a `Hit`"
    expected = result if saved is None else saved.value
    found = policy.load(key, 0.0)
    assert isinstance(found, Hit), f"expected a `Hit`, got `{type(found).__name__}`"
    assert found.value == expected, f"saved {expected!r}, got {found.value!r}"
