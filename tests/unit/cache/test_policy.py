"""Equal calls have equal keys, and only these; settings are part of them."""

from __future__ import annotations

import dataclasses
import functools
import textwrap
from collections.abc import Callable
from typing import Any

import pytest

import cascade as cs
from cascade.cache.arguments import bind
from cascade.cache.file_exists import FileExists
from cascade.cache.memory_store import MemoryStore
from cascade.cache.policy import ResultCache, cached
from cascade.cache.protocol import CachePolicy, CacheStore, Hit
from cascade.cache.sqlite_store import DiskStore


@cs.task
def add(a: Any, b: Any = 2, *rest: Any, c: Any = 3, **more: Any) -> Any:
    return a + b


def key(*args: Any, policy: ResultCache | None = None, task: cs.Task = add, **kwargs: Any) -> bytes:
    return (policy or ResultCache()).key(task, args, kwargs)


def test_callables_of_other_kinds() -> None:
    assert bind(functools.partial(divmod, 7), (2,), {}).values == [2]
    assert bind(dict, (), {"b": 1, "a": 2}).values == [(), 1, 2]  # no signature: as given
    assert bind(lambda x: 0, (1, 2), {}).values == [(1, 2)]  # does not fit: as given
    partial = functools.partial(lambda a, b=2: 0, 1)
    assert bind(partial, (), {}).values == bind(partial, (2,), {}).values == bind(partial, (), {"b": 2}).values

    @functools.wraps(add.fn)
    def wrapper(*args: Any, **kwargs: Any) -> Any: ...

    assert bind(wrapper, (1,), {"b": 2}).names == ["*", "**"]


@dataclasses.dataclass
class Model:
    weight: int

    def predict(self, x: int, y: int = 2) -> int:
        return self.weight * x

    def every(*args: Any) -> None: ...


def test_methods() -> None:
    policy = ResultCache()
    one, other = cs.task(Model(1).predict), cs.task(Model(2).predict)
    assert policy.key(one, (1,), {}) == policy.key(one, (), {"y": 2, "x": 1}) != policy.key(other, (1,), {})
    assert policy.key(one, (1,), {}) == policy.key(cs.task(Model(1).predict), (1,), {})
    assert bind(Model(1).predict, (5,), {}).origins == ["args[0]", "default of y"]
    every = cs.task(Model(1).every)
    assert policy.key(every, (1,), {}) != policy.key(every, (2,), {})
    with pytest.raises(cs.CacheKeyError, match=r"at `args\[0\]`"):
        policy.key(one, (object(),), {})


def test_the_message_says_which_argument() -> None:
    bad = object()
    for args, kwargs, place in [
        ((bad,), {}, "args[0]"),
        ((1, [bad]), {}, "args[1][0]"),
        ((1, 2, 3, bad), {}, "args[2:][1]"),
        ((1,), {"b": {"k": bad}}, "kwargs['b']['k']"),
        ((1,), {"conn": bad}, "kwargs['conn']"),
    ]:
        with pytest.raises(cs.CacheKeyError) as caught:
            ResultCache().key(add, args, kwargs)
        said = f"value must be data that can be hashed, got `object` - at `{place}`; write key=... in the cache policy"
        assert str(caught.value) == said


def made(body: str, name: str = "f", module: str = "here") -> cs.Task:
    names: dict[str, Any] = {"__name__": module}
    exec(textwrap.dedent(body), names)
    return cs.task(names["f"], name=name)


def test_the_identity_and_the_code_of_the_task_count() -> None:
    body = "def f(x):\n    return x + 1"
    same = ResultCache().key(made(body), (1,), {})
    assert same == ResultCache().key(made("\n\n# moved\n" + body), (1,), {})
    others = [made(body, name="g"), made(body, module="there"), made(body.replace("+ 1", "+ 2"))]
    assert len({same, *(ResultCache().key(task, (1,), {}) for task in others)}) == 4


def test_settings_are_part_of_the_key() -> None:
    bonus = 1
    policies = [
        ResultCache(),
        ResultCache(ttl=1),
        ResultCache(ttl=2),
        ResultCache(version=1),
        ResultCache(version=True),
        ResultCache(version="1"),
        ResultCache(key=lambda a: (a,)),
        ResultCache(key=lambda a: [a]),
        ResultCache(key=lambda a: (a, bonus)),
    ]
    keys = [policy.key(add, (1,), {}) for policy in policies]
    assert len(set(keys)) == len(keys)
    bonus = 2
    assert policies[-1].key(add, (1,), {}) != keys[-1]
    # The same settings meet, whatever the store: another store is another place.
    one, other = ResultCache(ttl=1, store=MemoryStore()), ResultCache(ttl=1.0, store=MemoryStore())
    assert one.key(add, (1,), {}) == other.key(add, (1,), {})
    assert one.place is not other.place


def test_a_key_function_stands_for_the_arguments() -> None:
    policy = ResultCache(key=lambda user, conn: user["id"])
    one = cs.task(lambda user, conn: 1, name="one")
    other = cs.task(lambda user, conn: 2, name="one")
    first = policy.key(one, ({"id": 7, "seen": 1},), {"conn": object()})
    assert first == policy.key(one, ({"id": 7}, object()), {})
    assert first != policy.key(one, ({"id": 7.0}, object()), {})
    assert first != policy.key(other, ({"id": 7}, object()), {})
    with pytest.raises(cs.CacheKeyError, match=r"got `object` - at `key\(...\)\[1\]`"):
        ResultCache(key=lambda *args: args).key(one, (1, object()), {})
    with pytest.raises(ZeroDivisionError):
        ResultCache(key=lambda *args: 1 / 0).key(one, (1, 2), {})


def test_what_no_call_could_have_a_key_for_is_refused_at_once() -> None:
    lock = object()

    def f() -> Any:
        return lock

    with pytest.raises(cs.CacheKeyError, match=r"at `.*f.__closure__\['lock'\]`"):
        ResultCache().check(cs.task(f))
    ResultCache().check(add)
    with pytest.raises(cs.CacheKeyError, match=r"at `key.__closure__\['lock'\]`"):
        ResultCache(key=lambda: lock)
    with pytest.raises(cs.CacheKeyError, match="at `version`"):
        ResultCache(version=object())


@pytest.mark.parametrize("wrong", [ResultCache, ResultCache().key, 3])
def test_what_is_no_policy_is_refused_at_once(wrong: Any) -> None:
    for give in (add.with_cache, add(1, 2).with_cache):
        with pytest.raises(cs.PolicyError, match="policy must be a cache policy"):
            give(wrong)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"ttl": "1"}, "ttl must be a number of seconds or a timedelta, got `str`"),
        ({"ttl": True}, "got `bool`"),
        ({"ttl": -1}, "ttl must be from 0 to"),
        ({"ttl": 0}, "ttl must be > 0 seconds"),
        ({"ttl": float("nan")}, "ttl must be from 0 to"),
        ({"key": "id"}, "key must be a function, got `str`"),
        ({"key": add}, "key must be a plain function"),
        ({"store": {}}, "store must have get, set, delete, clear, close, got `dict`"),
    ],
)
def test_settings_of_a_wrong_kind(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(cs.PolicyError, match=message):
        ResultCache(**settings)
    with pytest.raises(cs.PolicyError, match=message):
        cached(**settings)


async def later() -> int:
    return 1


def test_a_key_function_is_not_async() -> None:
    with pytest.raises(cs.PolicyError, match="plain function"):
        ResultCache(key=later)


def test_results_hold_for_ttl_seconds() -> None:
    for store in (MemoryStore(), None):
        policy = ResultCache(ttl=2.5, store=store)
        name = policy.key(add, (1,), {})
        assert policy.load(name, 0.0) is None
        assert policy.save(name, None, 10.0) is None
        assert policy.load(name, 12.4) == Hit(None)
        assert policy.load(name, 12.5) is None
        assert policy.load(name, 12.0) is None


def test_policies_without_a_store_share_one() -> None:
    assert ResultCache().place is ResultCache(ttl=1).place
    assert not ResultCache().blocking


def test_keys_are_the_same_in_every_process(interpreter: Callable[..., str]) -> None:
    code = """
        import cascade as cs
        from cascade.cache.policy import ResultCache
        def outer(tags):
            @cs.task
            def f(x, *, names=frozenset("abc")):
                return x in {"p", "q"} or tags
            return f
        policy = ResultCache(ttl=1, version={"a", "b"}, key=lambda x: {x, "r"})
        print(policy.key(outer({"s", "t"}), ("u",), {}).hex())
        print(ResultCache().key(outer({"s", "t"}), (set("xyz"),), {}).hex())
    """
    assert len({interpreter(code, PYTHONHASHSEED=seed) for seed in ("0", "1", "77")}) == 1


def test_ours_follow_the_protocols() -> None:
    assert isinstance(ResultCache(), CachePolicy)
    assert isinstance(FileExists("x"), CachePolicy)
    assert isinstance(MemoryStore(), CacheStore)
    assert isinstance(DiskStore("x"), CacheStore)


@pytest.mark.skipif(not hasattr(cs.Task, "with_cache"), reason="tasks of this core have no policies")
def test_cached_makes_a_task_of_a_function_or_a_task() -> None:
    @cached
    def one(x: int) -> int:
        return x

    @cached(ttl=60, store=MemoryStore())
    @cs.task(mode="inline")
    def other(x: int) -> int:
        return x

    assert type(one) is type(other) is cs.Task
    assert other.mode == "inline"
    with pytest.raises(cs.TaskDefinitionError):
        cached(3)  # type: ignore[call-overload]
