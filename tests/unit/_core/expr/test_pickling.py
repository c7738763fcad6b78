"""Tasks and expressions are pickled and copied."""

from __future__ import annotations

import copy
import functools
import gc
import io
import operator
import pickle
import threading
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import msgspec
import pytest

import cascade as cs
from support.tasks import add, give, keep

DEPTH = 300_000
PROTOCOLS = range(2, pickle.HIGHEST_PROTOCOL + 1)


def again(value: Any, protocol: int = pickle.DEFAULT_PROTOCOL) -> Any:
    return pickle.loads(pickle.dumps(value, protocol))


def shape(lazy: cs.LazyResult) -> str:
    return cs.structural_hash(lazy)[0]


def plain(x: int) -> int:
    return x + 1


@cs.task(mode="inline")
def decorated(x: int, y: int = 1) -> int:
    return x + y


@cs.cached
def remembered(x: int) -> int:
    return x


@cs.task(mode="inline")
def with_default(x: int, y: object = add(1, 2)) -> object:
    return x, y


@cs.task(mode="inline")
def by_name(**names: object) -> object:
    return names


functional = cs.task(plain, mode="thread")
renamed = cs.task(plain, name="another", mode="inline")
of_a_partial = cs.task(functools.partial(plain, 3), mode="inline")
of_a_class = cs.task(complex, mode="inline")
of_a_builtin = cs.task(operator.add, mode="inline")
bound_to_nothing = cs.task(lambda x: x)


class Model:
    def __init__(self, factor: int) -> None:
        self.factor = factor

    def __call__(self, x: int) -> int:
        return x * self.factor

    @cs.task(mode="inline")
    def method(self, x: int) -> int:
        return x * self.factor

    @classmethod
    @cs.task(mode="inline")
    def make(cls, x: int) -> object:
        return cls.__name__, x

    @staticmethod
    @cs.task(mode="inline")
    def static(x: int) -> int:
        return x


class Box(msgspec.Struct, frozen=True):
    item: object


# --------------------------------------------------------------------------------------------------------------- tasks


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_decorated_task_is_the_one_that_its_name_leads_to(protocol: int) -> None:
    for task in (decorated, remembered, with_default, Model.static, cs.gather):
        assert again(task, protocol) is task


def test_a_task_has_its_policies() -> None:
    many = decorated.with_retry(max_attempts=7, delay=1, on=(OSError, KeyError)).with_constraints(gpu=2)
    policies = again(many)(1).policies
    assert list(policies) == ["retry", "constraints"]
    retry = policies["retry"]
    assert (retry.max_attempts, retry.delay, retry.on) == (7, 1.0, (OSError, KeyError))
    assert policies["constraints"] == {"gpu": 2}
    timeout = again(functional.with_timeout(2, total=5))(1).policies["timeout"]
    assert (timeout.seconds, timeout.total) == (2.0, 5.0)


def test_policies_that_the_named_task_has_are_not_pickled() -> None:
    """A cache in memory cannot be."""
    more = again(remembered.with_retry(2))
    assert list(more(1).policies) == ["cache", "retry"]
    assert more(1).policies["cache"] is remembered(1).policies["cache"]


@pytest.mark.parametrize(
    ("task", "name", "mode"),
    [(functional, "plain", "thread"), (renamed, "another", "inline"), (cs.task(decorated.fn), "decorated", "default")],
    ids=["functional", "renamed", "another mode"],
)
def test_the_functional_form(task: cs.Task, name: str, mode: str) -> None:
    made = again(task)
    assert type(made) is cs.Task
    assert made.fn is task.fn
    assert (made.name, made.mode) == (name, mode)
    assert shape(made(1)) == shape(task(1))


def test_tasks_of_other_callables() -> None:
    made = again([of_a_partial, of_a_class, of_a_builtin, cs.task(Model(3), mode="inline")])
    assert cs.run([made[0](), made[1](1, 2), made[2](1, 2), made[3](5)]) == [4, 1 + 2j, 3, 15]
    assert all(type(task) is cs.Task and task.mode == "inline" for task in made)


def test_methods() -> None:
    model = Model(3)
    bound, same = again([model.method, model])
    assert cs.run(bound(2)) == 6
    assert bound.fn.__self__ is same
    assert cs.run(again(Model.make)(1)) == ("Model", 1)
    governed = again(model.method.with_retry(5))
    assert cs.run(governed(2)) == 6
    assert governed(2).policies["retry"].max_attempts == 5


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_what_has_no_name_is_refused_as_it_is_pickled(protocol: int) -> None:
    @cs.task
    def local() -> None:
        pass

    for task in (local, local.with_retry(2), bound_to_nothing, cs.task(lambda: 1)):
        with pytest.raises(pickle.PicklingError, match=r"must be importable by its name .* define it at the top level"):
            pickle.dumps(task, protocol)


def test_a_name_that_leads_elsewhere_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    task = decorated
    monkeypatch.setitem(globals(), "decorated", functional)
    with pytest.raises(pickle.PicklingError, match="does not lead to it"):
        pickle.dumps(task)


def test_copies_of_a_task_are_the_task() -> None:
    for task in (decorated, decorated.with_retry(2), bound_to_nothing):
        assert copy.copy(task) is task
        assert copy.deepcopy([task])[0] is task


# --------------------------------------------------------------------------------------------------------- expressions

n = cs.Param("n", type=int, default=3)
shared = decorated(1, y=2)

EXPRESSIONS: dict[str, Callable[[], cs.LazyResult]] = {
    "call": lambda: decorated(1, y=2),
    "nested": lambda: decorated(decorated(1), y=decorated(2, 3)),
    "containers": lambda: keep([shared, (shared, {"key": shared})], Box(shared), frozenset([give(1)])),
    "data": lambda: keep([1, {"a": b"b"}], None, 2.5, "text", {3}, Box(1)),
    "gather": lambda: cs.gather(shared, give(1)),
    "router": lambda: cs.Router(shared, {3: give("three"), "other": 1}, default=give("default")),
    "condition": lambda: give(1).run_if(shared, otherwise=give(2)),
    "map": lambda: decorated.map(x=[1, 2], y=cs.const(give(5)), concurrency=1),
    "map of data": lambda: decorated.map(x=cs.data([1, 2])),
    "map of another series": lambda: decorated.map(x=range(3)),
    "marked data": lambda: keep(cs.data(shared), [cs.data([1]), shared]),
    "map with failures": lambda: decorated.map(x=[1, "a"], return_exceptions=True),
    "gather with failures": lambda: cs.gather(shared, decorated("a"), return_exceptions=True),
    "map of a list": lambda: decorated.map(x=cs.gather(shared, 2)),
    "param": lambda: keep(n, n),
    "env": lambda: keep(cs.Env("HOME", default="nowhere")),
    "inject": lambda: keep(cs.inject("db")),
    "wait": lambda: keep(cs.wait(0)),
    "recover": lambda: cs.recover(decorated("a", 1), give, on=TypeError),
    "fallback": lambda: cs.fallback(decorated("a", 1), give(5), on=(TypeError, OSError)),
    "outcome": lambda: give(cs.outcome(shared)),
    "race": lambda: cs.race(shared, give(4)),
    "scope": lambda: cs.scope(keep(shared)).with_retry(3),
    "policies": lambda: decorated(1).with_retry(2).with_constraints(slot=give(1)).after(give(2), shared),
    "task with policies": lambda: decorated.with_retry(4)(1),
    "lazy default": lambda: with_default(1),
    "sequence": lambda: cs.sequence([give(1), give(2), shared]),
    "pipeline": lambda: cs.pipeline(1, [decorated, decorated]),
}


@pytest.mark.parametrize("name", EXPRESSIONS)
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_every_kind_of_expression(name: str, protocol: int) -> None:
    target = EXPRESSIONS[name]()
    made = again(target, protocol)
    assert made is not target
    assert shape(made) == shape(target)
    assert repr(made) == repr(target)
    assert made.task.module == target.task.module
    results = []
    for each in (target, made, again(made)):
        engine = cs.Engine(limits={"slot": 1}, clock=cs.Clock.virtual())
        engine.register("database", "db")
        outcome = cs.run(cs.outcome(each), engine=engine)
        value = outcome.value if outcome.ok else type(outcome.error)
        results.append(repr(value))
    assert results[0] == results[1] == results[2]


def test_policies_are_kept() -> None:
    lazy = again(functional(1).with_retry(5, delay=2).with_timeout(3).after(give(1)))
    assert list(lazy.policies) == ["retry", "timeout"]
    assert (lazy.policies["retry"].max_attempts, lazy.policies["retry"].delay) == (5, 2.0)
    assert lazy.policies["timeout"].seconds == 3
    assert again(decorated.with_retry(4)(1).with_retry(2)).policies["retry"].max_attempts == 2


def test_what_is_shared_stays_shared() -> None:
    one = give(1)
    top = keep(one, one, [one, give(one)])
    made_top, made_one, made_list = again([top, one, [one]])
    assert made_top.args[0] is made_top.args[1] is made_one is made_list[0]
    assert made_top.args[2][0] is made_top.args[2][1].args[0] is made_one
    literal = [1, 2]
    first, second = again([keep(literal), keep(literal)])
    assert first.args[0] is second.args[0]


def test_two_equal_calls_stay_two() -> None:
    made = again(keep(give(1), give(1)))
    assert made.args[0] is not made.args[1]


def test_a_chain_needs_no_stack() -> None:
    lazy: Any = give(0)
    for _ in range(DEPTH):
        lazy = give(lazy)
    made = again([lazy, {"again": lazy}])
    assert made[0] is made[1]["again"]
    depth = 0
    lazy = made[0]
    while type(lazy) is cs.LazyResult:
        lazy, depth = lazy.args[0], depth + 1
    assert depth == DEPTH + 1
    del made, lazy


def test_a_chain_through_containers_needs_no_stack() -> None:
    lazy: Any = give(0)
    for number in range(20_000):
        lazy = give([{"inner": (lazy, number)}])
    assert repr(again(lazy)) == repr(lazy)


def test_the_pickler_in_python_needs_no_stack_either() -> None:
    lazy: Any = give(0)
    for _ in range(20_000):
        lazy = give(lazy)
    buffer = io.BytesIO()
    pickle._Pickler(buffer).dump(lazy)  # type: ignore[attr-defined]
    buffer.seek(0)
    assert repr(pickle.Unpickler(buffer).load()) == repr(lazy)


def test_many_expressions_in_one_pickle() -> None:
    """Each is beneath the next: what is pickled already is not looked at again."""
    lazies: list[Any] = [give(0)]
    for _ in range(20_000):
        lazies.append(give(lazies[-1]))
    made = again(lazies)
    assert all(inner is outer.args[0] for inner, outer in pairwise(made))


class Holder:
    """An object that the core does not look into."""

    def __init__(self, lazy: object) -> None:
        self.lazy = lazy


def test_expressions_hidden_in_objects() -> None:
    one = give(1)
    made = again(keep(Holder(keep(one)), one))
    assert made.args[0].lazy.args[0] is made.args[1]


def test_nothing_is_remembered_of_a_pickling() -> None:
    from cascade._core.expr import pickling

    for target in (keep(give(1), give(2)), [give(1), keep(give(2))]):
        pickle.dumps(target)
    with pytest.raises(pickle.PicklingError):
        pickle.dumps(keep(give(give(1)), threading.Lock()))
    gc.collect()
    assert pickling._local.listed == set()
    assert not pickling._local.trying


def test_threads_pickle_the_same_expression() -> None:
    lazy: Any = give(0)
    for _ in range(3_000):
        lazy = keep(lazy)
    results: list[str] = []
    threads = [threading.Thread(target=lambda: results.append(repr(again(lazy)))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [repr(lazy)] * 4


def test_copies_of_a_lazy_result_are_the_lazy_result() -> None:
    lazy = keep(give(1), [1])
    assert copy.copy(lazy) is lazy
    assert copy.deepcopy({"key": lazy})["key"] is lazy


def test_pickles_name_no_private_module() -> None:
    model = Model(2)
    for value in (functional, decorated.with_retry(2), model.method.with_retry(2), keep(give(1)), cs.wait(1)):
        assert b"cascade._core" not in pickle.dumps(value)


# ----------------------------------------------------------------------------------------------- what cannot be pickled


class Stubborn:
    def __reduce__(self) -> Any:
        raise ValueError("not me")


@cs.task
def named(x: object, *, option: object = None) -> object:
    return x


REFUSED: dict[str, tuple[Callable[[], cs.LazyResult], str]] = {
    "argument": (lambda: named(threading.Lock()), "task NAME.named must be picklable, got `lock` - at $.args[0]: "),
    "keyword": (lambda: named(1, option=Stubborn()), "got `Stubborn` - at $.kwargs['option']: not me"),
    "nested": (lambda: keep(1, give(named({"a": [Stubborn()]}))), "- at $.args[1].args[0].args[0]['a'][0]: not me"),
    "in a struct": (lambda: keep(Box((1, Stubborn()))), "- at $.args[0].item[1]: not me"),
    "route": (lambda: cs.Router(1, {1: give(Stubborn())}), "- at $.routes[1].args[0]: not me"),
    "otherwise": (lambda: give(1).run_if(give(2), otherwise=Stubborn()), "- at $.otherwise: not me"),
    "condition": (lambda: give(1).run_if(named(Stubborn())), "- at $.condition.args[0]: not me"),
    "guarded": (lambda: give(Stubborn()).run_if(True), "- at $.args[0]: not me"),
    "handler": (lambda: cs.recover(give(1), lambda error: 1), "task cascade.recover must be picklable, got `function`"),
    "handler task": (lambda: cs.recover(give(1), bound_to_nothing), "- at $.handler: "),
    "predicate": (lambda: give(1).with_retry(on=lambda error: True), "got `Retry` - at $.retry: "),
    "channel": (lambda: keep(cs.Channel().recv()), "task cascade.recv must be picklable, got `Channel`"),
    "handler of a failure": (lambda: cs.recover(named(Stubborn()), give), "- at $.args[0]: not me"),
    "other value": (lambda: cs.fallback(named(1), Stubborn()), "- at $.other: not me"),
    "task": (lambda: keep(give(bound_to_nothing(1))), "define it at the top level of a module - at $.args[0].args[0]"),
    "hidden": (lambda: keep(Holder(give(Stubborn()))), "got `Holder` - at $.args[0]: not me"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_the_error_says_what_and_where(name: str) -> None:
    make, expected = REFUSED[name]
    for target in (make(), [make()], {"key": Holder(make())}):
        with pytest.raises(pickle.PicklingError) as caught:
            pickle.dumps(target)
        assert expected.replace("NAME", __name__) in str(caught.value)


def test_a_long_path_is_shortened() -> None:
    lazy = give(Stubborn())
    for _ in range(100):
        lazy = give(lazy)
    with pytest.raises(pickle.PicklingError, match=r"at \$(\.args\[0\]){8} … 84 steps … (\.args\[0\]){8}\.args\[0\]: "):
        pickle.dumps(lazy)


def test_the_cause_is_kept() -> None:
    with pytest.raises(pickle.PicklingError) as caught:
        pickle.dumps(give(Stubborn()))
    assert type(caught.value.__cause__) is ValueError


# --------------------------------------------------------------------------------------------------- damaged pickles


def test_what_cannot_be_a_lazy_result_is_refused() -> None:
    restore = cs.LazyResult._unpickled
    router = cs.lazy(cs.Router(1, {1: 2})).task
    guard = cs.lazy(give(1)).run_if(True).task
    recover = cs.lazy(cs.recover(give(1), len)).task
    param = cs.lazy(cs.Param("param")).task
    retry = give(1).with_retry().policies["retry"]
    for parts in (
        (None, give, "sync", 1, (), (), []),
        (None, "give", "sync", 1, (), (), [1]),
        (None, give, "sync", -1, ("a", "b"), (), [1]),
        (None, give, "sync", 1, (), ("after",), [1, 2]),
        (None, give, "sync", 1, (), ("unknown",), [1, 2]),
        (None, router, "router", 1, (), (), [1]),
        (None, router, "recover", 3, (), (), [1, 2, 3]),
        (None, give, "router", 2, (), (), [1, {}]),
        (None, router, "router", 1, ("routes",), (), [1, {}]),
        (None, router, "router", 2, (), (), [1, ()]),
        (None, router, "router", 3, (), (), [1, 2, 3]),
        (None, guard, "guard", 2, (), (), [True, 1]),
        (None, guard, "guard", 2, (), ("after",), [True, give(1), give(2)]),
        (None, recover, "recover", 3, (), (), [give(1), None, (ValueError,)]),
        (None, recover, "recover", 3, (), (), [give(1), len, 1]),
        (None, param, "param", 1, (), (), [1]),
        (None, param, "param", 1, (), (), [cs.lazy(cs.Param("another")).args[0]]),
        (None, give, "map", 1, (), (), [[1]]),
        (None, give, "map", 0, (), (), []),
        (None, give, "map", 0, ("x",), ("concurrency",), [[1], 0]),
        (None, give, "map", 0, ("x",), ("const x",), [[1], 2]),
        (None, by_name, "map", 0, ("x",), ("const a", "order"), [[1], 2, ("x", "b")]),
        (None, by_name, "map", 0, ("x",), ("const a", "order"), [[1], 2, ("x",)]),
        (None, give, "sync", 1, (), ("concurrency",), [1, 2]),
        (None, give, "sync", 1, (), ("retry", "retry"), [1, retry, retry]),
        (None, give, "sync", 1, (), (1,), [1, 2]),
        (None, by_name, "sync", 0, ("x", "x"), (), [1, 2]),
        (None, by_name, "sync", 0, (3,), (), [1]),
        (None, give, "unknown", 1, (), (), [1]),
    ):
        with pytest.raises(pickle.UnpicklingError):
            restore(*parts)
    for parts in (
        (None, give, "sync", 2, (), (), [1, 2]),
        (None, give, "sync", 0, ("nonsense",), (), [1]),
        (None, give, "sync", 1, (), ("retry",), [1, ValueError]),
        (None, give, "sync", 1, (), ("timeout",), [1, retry]),
        (None, give, "sync", 1, (), ("cache",), [1, None]),
        (None, give, "sync", 1, (), ("constraints",), [1, [2]]),
        (None, give, "sync", 1, (), ("constraints",), [1, {2: 3}]),
        (None, give, "map", 0, ("nonsense",), (), [[1]]),
        (None, router, "sync", 2, (), (), [1, {}]),
    ):
        with pytest.raises(TypeError):
            restore(*parts)
    for how in (("builtin", "sync", "give"), ("builtin", "unknown", "x"), ("unknown",)):
        with pytest.raises(pickle.UnpicklingError):
            cs.Task._unpickled(*how)
    for policies in ({"retry": 1}, {"timeout": retry}, {"constraints": [1]}, {"unknown": retry}):
        for how in (("governed", __name__, "decorated"), ("made", plain, None, None)):
            with pytest.raises(cs.PolicyError):
                cs.Task._unpickled(*how, policies)


def test_a_policy_that_cannot_be_pickled_is_named() -> None:
    message = "cache policy of task .*plain must be picklable, got `ResultCache`: cannot pickle"
    made = cs.cached(plain)
    with pytest.raises(pickle.PicklingError, match=message):
        pickle.dumps(made)
    with pytest.raises(pickle.PicklingError, match=message + r".* - at \$\.args\[0\]"):
        pickle.dumps(give(made(1)))
    with pytest.raises(pickle.PicklingError, match=r"retry policy of task .*plain must be .*, got `Retry`"):
        pickle.dumps(cs.task(plain).with_retry(on=lambda error: True))
