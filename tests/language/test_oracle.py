"""The oracle itself, on expressions whose value anyone can see."""

from __future__ import annotations

from language.descriptions import Box, Call, Literal, TaskSpec
from language.oracle import evaluate
from language.oracle_shape import literals, shape
from language.strategies import Boom, Digest, Fail, Give, Pick, Recurse


def called(outcome: object) -> list[str]:
    return [name for _, name, _, _ in outcome.calls]


def test_shared_node_runs_once_and_equal_calls_twice() -> None:
    spec = TaskSpec("leaf", Give(None))
    shared, pair = Call(spec), TaskSpec("pair", lambda args, kwargs: args)
    assert called(evaluate(Call(pair, (shared, shared)))) == ["leaf", "pair"]
    assert called(evaluate(Call(pair, (Call(spec), Call(spec))))) == ["leaf", "leaf", "pair"]


def test_order_is_arguments_then_names_sorted() -> None:
    leaf = {name: Call(TaskSpec(name, Give(name))) for name in "abcd"}
    root = Call(
        TaskSpec("root", lambda args, kwargs: (args, kwargs)), (leaf["d"], leaf["c"]), {"z": leaf["a"], "y": leaf["b"]}
    )
    outcome = evaluate(root)
    assert called(outcome) == ["d", "c", "b", "a", "root"]
    assert outcome.value == (("d", "c"), {"y": "b", "z": "a"})


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
