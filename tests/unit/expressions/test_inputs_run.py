"""Params and variables in expressions that run."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import cascade as cs
from cascade.expressions.inputs import ParamSpec
from cascade.inspect.api import inputs


@cs.task(mode="inline")
def same(*values: Any) -> tuple[Any, ...]:
    return values


def test_values_of_a_run(cold: cs.Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CASCADE_TEST", "7")
    n = cs.Param("n", type=int, default=1)
    target = same(n, [n, {"deep": n}], cs.Env("CASCADE_TEST", type=int))
    assert cs.run(target, engine=cold) == (1, [1, {"deep": 1}], 7)
    assert cs.run(target, engine=cold, params={"n": "2"}) == (2, [2, {"deep": 2}], 7)
    monkeypatch.setenv("CASCADE_TEST", "8")
    assert cs.run(target, engine=cold) == (1, [1, {"deep": 1}], 8)


def test_a_param_is_a_target() -> None:
    assert cs.run(cs.Param("n", type=int), params={"n": "3"}) == 3
    assert cs.run([cs.Param("n"), cs.Param("m", default=None)], params={"n": [1]}) == [[1], None]


def test_the_template_is_that_of_the_name_not_of_value_or_default(cold: cs.Engine) -> None:
    for default in (1, 2, 3):
        assert cs.run(same(cs.Param("n", default=default)), engine=cold) == (default,)
        assert cs.run(same(cs.Param("n", default=default)), engine=cold, params={"n": "x"}) == ("x",)
    assert cold.templates.stats.builds == 1


def test_nothing_starts_if_anything_is_wrong() -> None:
    started: list[int] = []

    @cs.task(mode="inline")
    def note(value: Any) -> Any:
        started.append(1)
        return value

    target = same(note(1), cs.Router(note("a"), {"a": note(2), "b": note(cs.Param("n", type=int))}))
    for params in (None, {"n": "x"}, {"n": 1, "m": 2}):
        with pytest.raises(cs.InputError):
            cs.run(target, params=params)
    assert not started
    assert cs.run(target, params={"n": 1}) == (1, 2)


def test_unknown_params_of_a_target_without_any() -> None:
    with pytest.raises(cs.InputError, match="'n': the target has no such param"):
        cs.run(same(1), params={"n": 1})


@cs.task(mode="inline")
def countdown(n: int, seen: list[int], step: int) -> Any:
    seen.append(n)
    return countdown(n - step, seen, cs.Param("step", type=int, default=1)) if n > 0 else "done"


def test_params_of_the_expressions_that_tasks_return() -> None:
    seen: list[int] = []
    target = countdown(cs.Param("n", type=int, default=4), seen, cs.Param("step", type=int, default=1))
    assert cs.run(target, params={"step": "2"}) == "done"
    assert seen == [4, 2, 0]


def test_a_later_expression_that_lacks_what_it_needs_fails() -> None:
    @cs.task(mode="inline")
    def later() -> Any:
        return same(cs.Param("missing", type=int))

    with pytest.raises(cs.InputError, match="param 'missing': no value was given"):
        cs.run(later())
    with pytest.raises(cs.InputError, match="param 'missing': no value was given"):
        cs.run(same(later()))


def test_a_later_expression_may_read_a_variable_of_a_params_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("n", "from outside")

    @cs.task(mode="inline")
    def later(n: Any) -> Any:
        return same(n, cs.Env("n"))

    assert cs.run(later(cs.Param("n")), params={"n": 1}) == (1, "from outside")


async def test_runs_at_once_have_each_their_own_values() -> None:
    target = same(cs.Param("n", type=int), cs.wait(0))
    async with cs.Engine() as engine:
        found = await asyncio.gather(*(engine.run(target, params={"n": str(n)}) for n in range(100)))
    assert [first for first, _ in found] == list(range(100))


def test_a_param_is_never_a_lazy_result_and_holds_none() -> None:
    target = same(cs.Param("n"))
    for value in (same(1), [same(1)], {"a": (same(1),)}):
        with pytest.raises(cs.InputError, match=r"param 'n': value must not .* a lazy result: evaluate it first"):
            cs.run(target, params={"n": value})
        with pytest.raises(TypeError, match="default must be a value"):
            cs.Param("n", default=value)
    assert cs.run(target, params={"n": [1]}) == ([1],)


def test_what_the_inputs_of_a_target_are() -> None:
    n, m = cs.Param("n", default=1), cs.Param("m", default=2)
    guarded = same(n).run_if(cs.Env("E"), otherwise=cs.Param("o"))
    target = same(n, cs.Router(1, {1: n, 2: [m]}), guarded, ParamSpec("no"))
    assert [spec.name for spec in inputs(target)] == ["n", "m", "E", "o"]
    assert inputs([same(1)]) == []
