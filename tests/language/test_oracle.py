"""The oracle itself, on expressions whose value anyone can see."""

from __future__ import annotations

import cascade as cs
from language.acts import Boom, Digest, Fail, Give, Pick, Recurse
from language.descriptions import (
    Box,
    Call,
    Data,
    Extra,
    Flaky,
    Guard,
    Input,
    Literal,
    Map,
    Pipeline,
    Race,
    Router,
    Sequence,
    TaskSpec,
    derive,
)
from language.oracle import Journal, evaluate
from language.oracle_shape import literals, shape


def called(outcome: object) -> list[str]:
    return [name for _, name, _, _ in outcome.calls]


def test_shared_node_runs_once_and_equal_calls_twice() -> None:
    spec = TaskSpec("leaf", Give(None))
    shared, pair = Call(spec), TaskSpec("pair", lambda args, kwargs: args)
    assert called(evaluate(Call(pair, (shared, shared)))) == ["leaf", "pair"]
    assert called(evaluate(Call(pair, (Call(spec), Call(spec))))) == ["leaf", "leaf", "pair"]


def test_order_is_arguments_then_names_sorted() -> None:
    leaf = {name: Call(TaskSpec(name, Give(name))) for name in "abcd"}
    spec = TaskSpec("root", lambda args, kwargs: (args, list(kwargs.items())), fixed=("z", "y"))
    outcome = evaluate(Call(spec, (leaf["d"], leaf["c"]), {"z": leaf["a"], "y": leaf["b"]}))
    assert called(outcome) == ["d", "c", "b", "a", "root"]
    assert outcome.value == (("d", "c"), [("y", "b"), ("z", "a")])


def test_order_of_a_task_that_takes_any_names_is_that_of_the_call() -> None:
    leaf = {name: Call(TaskSpec(name, Give(name))) for name in "ab"}
    spec = TaskSpec("root", lambda args, kwargs: list(kwargs.items()))
    outcome = evaluate(Call(spec, (), {"z": leaf["a"], "y": leaf["b"]}))
    assert called(outcome) == ["a", "b", "root"]
    assert outcome.value == [("z", "a"), ("y", "b")]


def test_recursion_goes_deeper_than_python() -> None:
    for tail in (True, False):
        spec = TaskSpec("down", Recurse("down", "inline", 20_000, tail, Give("end")))
        outcome = evaluate(Call(spec, (Literal(1),)))
        assert called(outcome).count("down") == 20_001
        assert called(outcome).count("join") == (0 if tail else 20_000)


def test_first_failure_ends_it_and_everything_collects_all() -> None:
    bad = [Call(TaskSpec(f"bad{i}", Fail(Boom, i))) for i in range(2)]
    root = Call(TaskSpec("root", Digest()), (bad[0], Call(TaskSpec("good", Give(1))), bad[1]))
    first, every = evaluate(root), evaluate(root, everything=True)
    assert called(first) == ["bad0"]
    assert [error.args for error in first.errors] == [(0,)]
    assert called(every) == ["bad0", "good", "bad1"]
    assert [error.args for error in every.errors] == [(0,), (1,)]


def test_stop_iteration_is_a_runtime_error() -> None:
    outcome = evaluate(Call(TaskSpec("stop", Fail(StopIteration, 3))))
    assert type(outcome.errors[0]) is RuntimeError
    assert type(outcome.errors[0].__cause__) is StopIteration


def test_containers_and_values() -> None:
    one = Call(TaskSpec("one", Give(1)))
    box = Box("dict", (Box("list", (one, Literal(2))), one), ("a", 1))
    assert evaluate(Call(TaskSpec("pick", Pick(0)), (box,))).value == {"a": [1, 2], 1: 1}


def test_shape_separates_structure_from_data() -> None:
    def call(value: object, kind: str = "list") -> Call:
        lazy = Call(TaskSpec("leaf", Give(value)))
        return Call(TaskSpec("f", Digest()), (Box(kind, (lazy, Literal(value))), Box(kind, (Literal(value),))))

    assert shape(call(1)) == shape(call("x"))
    assert shape(call(1)) != shape(call(1, "tuple"))
    assert literals(call(5)) == [5, [5]]


# -- the whole language ------------------------------------------------------------------------------------------------


def call(name: str, *args: object, **options: object) -> Call:
    """Describe a call that gives its name."""
    return Call(TaskSpec(name, Give(options.get("value", name))), args)


def echo(*args: object) -> Call:
    """Describe a call that gives its arguments."""
    return Call(TaskSpec("echo", lambda args, kwargs: (args, kwargs)), args)


def test_a_router_wants_its_selector_then_one_route() -> None:
    router = Router(call("b"), ("a", "b"), (call("one"), call("two", call("under"))))
    outcome = evaluate(echo(call("before"), router, call("after")))
    assert called(outcome) == ["before", "b", "under", "two", "after", "echo"]
    assert outcome.value == (("before", "two", "after"), {})


def test_a_shared_route_stands_where_it_was_reached_first() -> None:
    shared = call("shared")
    router = Router(call("b"), ("a", "b"), (shared, call("taken")))
    assert called(evaluate(echo(router, call("other"), shared))) == ["b", "shared", "taken", "other", "echo"]


def test_routes_are_found_as_dicts_find_them() -> None:
    for selector, expected in [(1, "true"), (True, "true"), ("1", "text"), (2, "default")]:
        router = Router(Literal(selector), (True, "1"), (Literal("true"), Literal("text")), Literal("default"))
        assert evaluate(echo(router)).value == ((expected,), {})
    (error,) = evaluate(Router(Literal(3), (1,), (call("a"),))).errors
    assert type(error) is cs.RouteError
    (error,) = evaluate(Router(Literal([]), (1,), (call("a"),))).errors
    assert type(error) is TypeError


def test_a_condition_comes_first() -> None:
    node = call("node", call("under"))
    for truth, calls in [(True, ["c", "under", "node", "echo"]), (False, ["c", "instead", "echo"])]:
        outcome = evaluate(echo(Guard(call("c", value=truth), node, call("instead"))))
        assert called(outcome) == calls


def test_skipping_reaches_the_target_and_leaves_others_running() -> None:
    skipped = Guard(Literal(0), call("never"))
    outcome = evaluate(echo(call("a"), Box("list", (skipped,)), call("b")))
    assert called(outcome) == ["a", "b"]
    assert [type(error) for error in outcome.errors] == [cs.TaskSkippedError]
    assert evaluate(Box("list", (call("a"), skipped, Literal(1)))).value == ["a", cs.SKIPPED, 1]
    for node in [Guard(skipped, call("x"), Literal(1)), Router(skipped, (1,), (call("x"),), Literal(1))]:
        assert type(evaluate(node).errors[0]) is cs.TaskSkippedError


def test_after_makes_another_node() -> None:
    first, plain = call("first"), call("x")
    later = derive(plain, Extra("after", first))
    outcome = evaluate(Box("list", (later, plain, first)))
    assert called(outcome) == ["first", "x", "x"]
    under = derive(Guard(Literal(True), plain), Extra("after", first))
    assert called(evaluate(under)) == ["first", "x"]


def test_sequences_and_pipelines() -> None:
    inside = call("inside")
    outcome = evaluate(Sequence((call("a"), call("b", inside), call("c"))))
    assert called(outcome) == ["a", "inside", "b", "c"]
    assert outcome.value == ["a", "b", "c"]
    steps = tuple(TaskSpec(name, lambda args, kwargs: args[0] + 1) for name in "fg")
    outcome = evaluate(Pipeline(Literal(1), steps))
    assert (called(outcome), outcome.value) == (["f", "g"], 3)


def test_maps() -> None:
    spec = TaskSpec("item", lambda args, kwargs: Guard(Literal(kwargs["x"]), Call(again, (Literal(kwargs["k"]),))))
    again = TaskSpec("again", lambda args, kwargs: args[0])
    zipped = {"x": Box("list", (call("one"), Literal(0)))}
    outcome = evaluate(Map(spec, zipped, {"k": call("const")}))
    assert outcome.value == ["const", cs.SKIPPED]
    assert called(outcome) == ["one", "const", "item", "again", "item"]
    uneven = Map(spec, {"x": Literal([1]), "y": Literal([1, 2])})
    assert [type(error) for error in evaluate(uneven).errors] == [cs.MapError]
    assert evaluate(Map(spec, {"x": Literal(())})).value == []


def test_retries() -> None:
    def outcome(max_attempts: int, on: type[Exception] = Exception) -> object:
        flaky = Call(TaskSpec("flaky", Flaky(2, Boom, Give("done"))))
        return evaluate(derive(flaky, Extra("retry", {"max_attempts": max_attempts, "on": on})))

    assert (outcome(3).value, called(outcome(3))) == ("done", ["flaky"] * 3)
    assert ([type(e) for e in outcome(2).errors], called(outcome(2))) == ([Boom], ["flaky"] * 2)
    assert called(outcome(3, KeyError)) == ["flaky"]
    fails = derive(Call(TaskSpec("f", Fail(Boom, 1))), Extra("retry", {"give_up_on": (Boom,)}))
    assert called(evaluate(fails)) == ["f"]


def test_results_are_kept_by_group_and_arguments() -> None:
    spec = TaskSpec("kept", lambda args, kwargs: args, group=1)
    kept = [derive(Call(spec, (Literal(value),)), Extra("cache", 1)) for value in (1, 1, True)]
    journal = Journal()
    outcome = evaluate(Box("list", tuple(kept)), journal=journal)
    assert outcome.value == [(1,), (1,), (True,)]
    assert called(outcome) == ["kept", "kept"]
    assert evaluate(kept[0], journal=journal).value == (1,)
    assert called(outcome) == ["kept", "kept"]


def test_more_than_there_is_of_a_limit_fails() -> None:
    asking = derive(call("x"), Extra("constraints", Box("dict", (call("much", value=99),), ("gpu",))))
    outcome = evaluate(asking)
    assert (called(outcome), [type(error) for error in outcome.errors]) == (["much"], [cs.LimitError])


def test_params_have_values_where_the_target_has_them() -> None:
    assert evaluate(echo(Input("n"), Input("unknown"))).value == ((3, "by default"), {})
    assert evaluate(Call(TaskSpec("f", Give(Input("n"))))).value == "by default"


def test_the_first_value_wins_a_race_whether_it_is_marked_as_data_or_not() -> None:
    assert evaluate(Race((Data(Literal(0)), Literal(1)))).value == 0
    assert evaluate(Race((Literal(1), Data(Literal(0))))).value == 1
    assert evaluate(Race((Call(TaskSpec("late", Give(2))), Data(Literal(0))))).value == 0
