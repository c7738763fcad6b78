"""A lazy result as data: all that makes it the node that it is counts."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import cascade as cs
from cascade.cache.fingerprint import fingerprint
from cascade.cache.policy import ResultCache


@cs.task(mode="inline")
def power(base: Any, exponent: Any = 2) -> Any:
    return base**exponent


@cs.task(mode="thread")
def slow(base: Any, exponent: Any = 2) -> Any:
    return base**exponent


@pytest.mark.parametrize("make", [
    lambda k: power.map(base=[1, 2, 3], exponent=cs.const(k)),
    lambda k: power.map(base=[1, 2, k]),
    lambda k: power(3).run_if(k > 1, otherwise=k),
    lambda k: cs.Router(k, {1: power(1), 2: power(2), 3: power(3)}),
    lambda k: cs.Router(0, {1: power(1)}, default=k),
    lambda k: power([k]) if k < 2 else power.map(base=[k]),
])  # fmt: skip
def test_no_stale_result(make: Callable[[int], Any]) -> None:
    def kept(later: Any) -> Any:
        @cs.cached(store=store)
        @cs.task(mode="inline")
        def f() -> Any:
            return later

        return f

    store = cs.MemoryStore()
    for k in (2, 3, 2):
        assert cs.run(kept(make(k))()) == cs.run(make(k))


def variants(x: Any) -> list[Any]:
    """Nodes that all differ, around one that all are made of."""
    return [
        *[x, power(x), power(base=x), power(x, 2), power(x, exponent=2), slow(x)],
        *[power.map(base=[x]), power.map(base=[x], exponent=cs.const(2)), power.map(base=[x], exponent=[2])],
        *[power.map(base=[x], exponent=cs.const(3)), power.map(base=[x], concurrency=2), power([x])],
        *[power(x).after(power(1)), power(x).after(power(2)), power(x).after(power(1), power(2))],
        *[power(x).with_retry(3), power(x).with_retry(4), power(x).with_retry(3, on=OSError), slow(x).with_retry(3)],
        *[power(x).with_retry(3, delay=1), power(x).with_retry(3, give_up_on=KeyError)],
        *[slow(x).with_timeout(1), slow(x).with_timeout(total=1), slow(x).with_timeout(2)],
        *[power(x).with_constraints(a=1), power(x).with_constraints(a=2), power(x).with_constraints(b=1)],
        *[power(x).with_constraints(a=power(1)), power(x).with_constraints(a=power(2))],
        *[power(x).with_cache(ResultCache()), power(x).with_cache(ResultCache(version=1))],
        *[power(x).with_cache(ResultCache(ttl=1)), power(x).with_cache(ResultCache(key=lambda *_: 1))],
        *[power(x).with_cache(ResultCache(key=lambda *_: 2)), power(x).with_cache(cs.FileExists("a"))],
        power(x).with_cache(cs.FileExists("b")),
        *[power(x).run_if(True), power(x).run_if(False), power(x).run_if(True, otherwise=1)],
        *[power(x).run_if(True).after(power(1)), power(x).run_if(True).with_retry(3)],
        *[cs.Router(1, {1: x}), cs.Router(1, {2: x}), cs.Router(2, {1: x}), cs.Router(1, {1: x}, default=2)],
        *[cs.data(x), power(cs.data(x)), power([cs.data(x)]), power.map(base=cs.data([x])), power.map(base=deque([1]))],
        *[power(cs.data(1)), power.map(base=range(2)), power.map(base=range(3)), power.map(base=cs.data(range(2)))],
        *[[x, x], [x, power(1)], [[x], [x]], cs.inject("a"), cs.inject("b"), cs.wait(1), cs.wait(2)],
        *[cs.wait_until(1), cs.wait_until(2), cs.ticks(1), cs.ticks(2), cs.ticks(1, offset=1)],
        *[cs.scope(x), cs.scope(x).with_retry(3), cs.scope(x).with_timeout(1), cs.gather(x), cs.gather(x, x)],
        *[cs.scope(x).with_cache(ResultCache()), cs.scope(x).with_cache(ResultCache(ttl=1))],
        *[cs.gather(x).with_cache(ResultCache()), cs.gather(x).with_cache(cs.FileExists("a"))],
        *[cs.outcome(x), cs.race(x), cs.race(x, x), cs.recover(x, abs), cs.recover(x, repr), cs.fallback(x, 1)],
    ]


def test_all_that_stands_beside_the_arguments_counts() -> None:
    for wrap in (lambda x: x, lambda x: [x], lambda x: power(base=x)):
        digests = [fingerprint(wrap(node)) for node in variants(power(0))]
        assert len(set(digests)) == len(digests)
        assert [fingerprint(wrap(node)) for node in variants(power(0))] == digests


def test_the_policies_of_a_task_count() -> None:
    tasks = [
        *[power, slow, power.with_retry(max_attempts=3), power.with_retry(max_attempts=4), slow.with_timeout(1)],
        *[power.with_constraints(a=1), power.with_cache(ResultCache(version=1)), cs.task(power.fn, name="else")],
    ]
    assert len({fingerprint(task) for task in tasks}) == len(tasks)


@given(st.lists(st.integers(0, 3), min_size=1, max_size=5))
def test_one_lazy_result_twice_is_not_two(which: list[int]) -> None:
    """The first runs once, and two run twice: only the pattern counts, not which objects they are."""

    def made() -> Any:
        nodes = [power(1) for _ in range(4)]
        return power([nodes[i] for i in which])

    pattern = [which.index(i) for i in which]
    other = power([power(1) for _ in which])
    assert fingerprint(made()) == fingerprint(made())
    assert (fingerprint(made()) == fingerprint(other)) == (pattern == list(range(len(which))))


def test_what_an_expression_asks_of_the_run_is_refused() -> None:
    for asked in (cs.Param("n"), cs.Env("n")):
        with pytest.raises(cs.CacheKeyError, match=r"got `(Param|Env)Spec` - at `value.args\[0\].args\[0\]`"):
            fingerprint(power(asked))


def test_the_message_says_where_beside_the_arguments() -> None:
    for node, place in (
        (power(1, exponent=object()), "value.kwargs['exponent']"),
        (power(1).after(power(object())), "value.after(...).args[0]"),
        (power.map(base=[1], exponent=cs.const(object())), "value.policies['const exponent']"),
        (power.map(base=deque([1, object()])), "value.kwargs['base'][1]"),
        (power.map(base=cs.data([object()])), "value.kwargs['base'][0]"),
        (power(1, exponent=cs.data([object()])), "value.kwargs['exponent'][0]"),
    ):
        with pytest.raises(cs.CacheKeyError) as caught:
            fingerprint(node)
        said = f"value must be data that can be hashed, got `object` - at `{place}`; write key=... in the cache policy"
        assert str(caught.value) == said
