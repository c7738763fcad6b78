"""The checks of cache stores and cache policies.

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
    """Check that a cache store fulfils its protocol.

    Args:
        make: makes an empty store with room for at least 100 results.

    Raises:
        AssertionError: it does not; the message names the violated requirement.

    >>> from cascade.cache.memory_store import MemoryStore
    >>> check_cache_store(MemoryStore)
    """
    for check in (_keeps, _expires, _forgets, _closes, _is_shared):
        store = make()
        assert len(store) == 0, "a new store must be empty"
        assert type(store.blocking) is bool, "`blocking` must be a bool"
        check(store)
        store.close()


def _keeps(store: CacheStore) -> None:
    assert store.get(b"key", 0.0) is None, "`get` must return None for a key that was never set"
    for value in (1, [1, {"a": None}], None, "text"):
        store.set(b"key", value, None, 0.0)
        found = store.get(b"key", 1e12)
        assert isinstance(found, Hit), f"`get` must return a `Hit` for a key that was set, got `{type(found).__name__}`"
        assert found.value == value, f"`get` must return the value {value!r} that was set, got {found.value!r}"
        assert len(store) == 1, "a key that is set twice must count once"
    store.set(b"\x00" * 32, 2, None, 0.0)
    store.set(b"", 3, None, 0.0)
    assert store.get(b"\x00" * 32, 0.0) == Hit(2), "`get` must find a key of zero bytes (b'\\x00' * 32)"
    assert store.get(b"", 0.0) == Hit(3), "`get` must find the empty key"
    assert store.get(b"\x00" * 31, 0.0) is None, "`get` must not find a key that differs in length only"


def _expires(store: CacheStore) -> None:
    store.set(b"key", 1, 10.5, 10.0)
    assert store.get(b"key", 10.25) == Hit(1), "a result must not expire before its time"
    assert store.get(b"key", 10.5) is None, "a result must be expired at the moment at which it expires"
    assert store.get(b"key", 11.0) is None, "a result must not be found after it has expired"
    store.set(b"key", 2, 20.0, 11.0)
    assert store.get(b"key", 12.0) == Hit(2), "`get` must find a result that has replaced an expired one"
    store.set(b"key", 3, None, 12.0)
    assert store.get(b"key", 30.0) == Hit(3), "a result must not expire at the time of the one that it has replaced"


def _forgets(store: CacheStore) -> None:
    store.delete(b"never there")
    for key in (b"a", b"b", b"c"):
        store.set(key, key, None, 0.0)
    store.delete(b"a")
    assert store.get(b"a", 0.0) is None, "`get` must return None for a deleted key"
    assert store.get(b"b", 0.0) == Hit(b"b"), "`delete` must keep the other keys"
    assert len(store) == 2, "`len` must not count a deleted key"
    store.clear()
    assert store.get(b"b", 0.0) is None, "`get` must return None after `clear`"
    assert len(store) == 0, "`len` must be 0 after `clear`"


def _closes(store: CacheStore) -> None:
    store.set(b"key", 1, None, 0.0)
    store.close()
    store.close()
    store.set(b"other", 2, None, 0.0)
    assert store.get(b"other", 0.0) == Hit(2), "a store must be usable again after `close`"


def _is_shared(store: CacheStore) -> None:
    failures: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for i in range(ROUNDS):
                key = b"%d" % (i % 7)
                store.set(key, [key, number], None, 0.0)
                found = store.get(key, 0.0)
                assert found is None or found.value[0] == key, "`get` must return the value of its own key"
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
        raise AssertionError(f"the store failed when {THREADS} threads used it at once") from failures[0]


@public_in("cascade.testing.conformance")
def check_cache_policy(
    policy: CachePolicy, task: Task, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any
) -> None:
    """Check that a cache policy fulfils its protocol.

    Args:
        policy: the policy, with no result of the call.
        task: a task that the policy accepts; it is not called.
        args: positional arguments of the call.
        kwargs: keyword arguments of the call.
        result: a result of the call; results are compared by ``==``.

    Raises:
        AssertionError: it does not; the message names the violated requirement.

    >>> import cascade as cs
    >>> from cascade.cache.memory_store import MemoryStore
    >>> from cascade.cache.policy import ResultCache
    >>> @cs.task
    ... def double(x):
    ...     return 2 * x
    >>> check_cache_policy(ResultCache(store=MemoryStore()), double, (21,), {}, 42)
    """
    assert type(policy.blocking) is bool, "`blocking` must be a bool"
    policy.check(task)
    key = policy.key(task, args, kwargs)
    assert type(key) is bytes, f"`key` must return `bytes`, got `{type(key).__name__}`"
    assert policy.key(task, args, dict(reversed(kwargs.items()))) == key, (
        "`key` must not depend on the order of keyword arguments"
    )
    assert policy.load(key, 0.0) is None, "`load` must return None for a key that was never saved"
    saved = policy.save(key, result, 0.0)
    assert saved is None or isinstance(saved, Hit), "`save` must return None or a `Hit`"
    expected = result if saved is None else saved.value
    found = policy.load(key, 0.0)
    assert isinstance(found, Hit), f"`load` must return a `Hit` after `save`, got `{type(found).__name__}`"
    assert found.value == expected, f"`load` must return the saved value {expected!r}, got {found.value!r}"
