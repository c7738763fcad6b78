"""Specs of params and variables, and how their values are found."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import cascade as cs
from cascade.expressions.inputs import NOTHING, EnvSpec, ParamSpec, Spec, distinct, resolve
from support.ids import case_name


def values(specs: list[Spec], params: Any = None, **environ: str) -> list[Any]:
    return [value for _, value in resolve(specs, params, environ)]


def problems(specs: list[Spec], params: Any = None, **environ: str) -> list[str]:
    with pytest.raises(cs.InputError) as caught:
        resolve(specs, params, environ)
    return str(caught.value).splitlines()


# --------------------------------------------------------------------------------------------------------- specs


@pytest.mark.parametrize("kind", [ParamSpec, EnvSpec])
def test_a_spec_is_frozen_and_can_be_copied(kind: Any) -> None:
    spec = kind("n", [1], list[int], "How many.")
    with pytest.raises(AttributeError, match="frozen"):
        spec.name = "m"
    with pytest.raises(AttributeError, match="frozen"):
        del spec.name
    for other in (copy.copy(spec), copy.deepcopy(spec), pickle.loads(pickle.dumps(spec))):
        assert other == spec and hash(other) == hash(spec) and type(other) is kind
    word = "Param" if kind is ParamSpec else "Env"
    assert repr(spec) == f"{word}('n', default=[1], type=list[int], description='How many.')"


class NeverEqual:
    def __eq__(self, other: object) -> bool:
        raise RuntimeError("not to be compared")


class AnswersPerItem(list[Any]):
    def __eq__(self, other: object) -> Any:  # as arrays have it
        return [True, False]


DIFFERENT: list[tuple[Any, Any]] = [
    (1, True), (1, 1.0), (0.0, -0.0), ([1], [True]), ({"a": 1}, {"a": True}), ({"a": 1}, {"a": 2}), (None, NOTHING),
    (NeverEqual(), NeverEqual()), (AnswersPerItem(), AnswersPerItem()), ([NeverEqual()], [NeverEqual()]),
]  # fmt: skip


@pytest.mark.parametrize(("one", "other"), DIFFERENT, ids=case_name)
def test_distinguishable_defaults_make_different_specs(one: Any, other: Any) -> None:
    assert ParamSpec("n", one) != ParamSpec("n", other)
    assert ParamSpec("n", one) == ParamSpec("n", one)


@pytest.mark.parametrize("default", [float("nan"), [1, {"a": (2.0,)}], "x", {1, 2}, NeverEqual()], ids=case_name)
def test_equal_defaults_make_equal_specs(default: Any) -> None:
    again = default if isinstance(default, NeverEqual) else copy.deepcopy(default)
    assert ParamSpec("n", default) == ParamSpec("n", again)


def test_all_parts_of_a_spec_count() -> None:
    spec = ParamSpec("n", 1, int, "d")
    others = [ParamSpec("m", 1, int, "d"), ParamSpec("n", 2, int, "d"), ParamSpec("n", 1, float | int, "d")]
    others += [ParamSpec("n", 1, int), EnvSpec("n", 1, int, "d")]
    assert all(spec != other for other in others)
    assert ParamSpec("n", type=int | str) != ParamSpec("n", type=str | int)
    assert spec != "n"


def test_a_default_is_converted_and_checked_when_it_is_made() -> None:
    assert ParamSpec("n", "3", int).default == 3
    assert ParamSpec("n", None, int | None).default is None
    shared: list[int] = []
    assert ParamSpec("n", shared, list).default is shared
    with pytest.raises(cs.InputError, match="value must be `int`, got None - at `default` of param 'n'"):
        cs.Param("n", default=None, type=int)
    with pytest.raises(
        cs.InputError, match="value must be `int`, got `str` 'x' - at `default` of environment variable 'N'"
    ):
        cs.Env("N", default="x", type=int)


@pytest.mark.parametrize("make", [cs.Param, cs.Env])
def test_wrong_arguments_are_errors_at_once(make: Any) -> None:
    with pytest.raises(TypeError, match=r"name of .* must be a `str`, got `int`"):
        make(3)
    with pytest.raises(TypeError, match=r"type must be a class or an annotation, got 'int' - at .* 'n'"):
        make("n", type="int")
    with pytest.raises(TypeError, match=r"description must be a `str` or None, got `int` - at .* 'n'"):
        make("n", description=3)
    with pytest.raises(TypeError, match=r"default must be a value, got a lazy result - at .* 'n'"):
        make("n", default=cs.wait(0))
    with pytest.raises(TypeError):
        make("n", 3)


@pytest.mark.parametrize("name", ["", "a b", "a-b", "1a", "a=b", "a.b"])
def test_names_of_params(name: str) -> None:
    with pytest.raises(ValueError, match="must be an identifier"):
        cs.Param(name)


@pytest.mark.parametrize("name", ["", "a=b", "a\0b"])
def test_names_of_variables(name: str) -> None:
    with pytest.raises(ValueError, match="name of an environment variable must"):
        cs.Env(name)


# ------------------------------------------------------------------------------------------------------- values


def test_given_values_come_before_defaults() -> None:
    n, home = ParamSpec("n", 1, int), EnvSpec("HOME", "/")
    assert values([n, home]) == [1, "/"]
    assert values([n, home], {"n": "2"}, HOME="/root") == [2, "/root"]
    assert values([], None, HOME="/root") == values([], {}) == []


def test_none_is_a_value() -> None:
    assert values([ParamSpec("n", 1)], {"n": None}) == [None]
    assert values([ParamSpec("n", None)]) == [None]
    assert problems([ParamSpec("n", 1, int)], {"n": None}) == ["param 'n': value must be `int`, got None"]


def test_a_variable_that_is_empty_is_set() -> None:
    assert values([EnvSpec("N", "x")], N="") == [""]
    assert problems([EnvSpec("N", 1, int)], N="") == ["environment variable 'N': value must be `int`, got `str` ''"]


def test_all_problems_are_in_one_error() -> None:
    specs: list[Spec] = [ParamSpec("n", type=int), ParamSpec("name"), EnvSpec("HOME"), EnvSpec("PORT", type=int)]
    assert problems(specs, {"n": "x", "nam": 1, "zzz": 2}, PORT="y") == [
        "param 'n': value must be `int`, got `str` 'x'",
        "param 'name': no value was given, and it has no default",
        "environment variable 'HOME': it is not set, and it has no default",
        "environment variable 'PORT': value must be `int`, got `str` 'y'",
        "param 'nam': the target has no such param (did you mean 'name'?)",
        "param 'zzz': the target has no such param (it has 'n', 'name')",
    ]


def test_unknown_params() -> None:
    assert problems([], {"n": 1}) == ["param 'n': the target has no such param (it has none)"]
    assert problems([EnvSpec("n", "x")], {"n": 1}) == ["param 'n': the target has no such param (it has none)"]
    assert problems([ParamSpec("n", 1)], {3: 1}) == ["param 3: the target has no such param (it has 'n')"]
    many: list[Spec] = [ParamSpec(f"p{i}", 0) for i in range(1000)]
    assert problems(many, {"zzz": 1})[0].endswith("'p9' and 990 more)")
    assert resolve([], {"n": 1}, {}, complete=False) == []


def test_a_name_has_one_meaning_in_a_target() -> None:
    one, other = ParamSpec("n", type=int), ParamSpec("n", type=float)
    assert problems([one, other, one], {"n": "x"}) == [
        "param 'n' must be the same everywhere in a target, got Param('n', type=int) and Param('n', type=float)"
    ]
    with pytest.raises(cs.InputError, match="must be the same everywhere in a target"):
        distinct([one, other])
    assert values([EnvSpec("N", type=int), EnvSpec("N")], N="3") == [3, "3"]  # the text is one, whatever it is read as


def test_equal_specs_have_one_value_each_time_they_are_met() -> None:
    made: list[str] = []

    class Thing:
        def __init__(self, text: str) -> None:
            made.append(text)

    specs: list[Spec] = [ParamSpec("n", type=Thing), ParamSpec("n", type=Thing)]
    (first, one), (second, other) = resolve(specs, {"n": "x"}, {})
    assert first is specs[0] and second is specs[1] and one is other and made == ["x"]


def test_what_params_may_be() -> None:
    assert problems([ParamSpec("n", 1)], ["n"]) == ["params must be a mapping from names to values, got `list`"]
    assert problems([ParamSpec("n", 1)], {"n": cs.wait(0)}) == [
        "param 'n': value must not be a lazy result: evaluate it first"
    ]


def test_the_cause_of_a_single_problem_is_kept() -> None:
    with pytest.raises(cs.InputError) as caught:
        resolve([ParamSpec("n", type=int)], {"n": "x"}, {})
    assert caught.value.__cause__ is not None


NAMES = st.sampled_from(["a", "b", "c", "d"])


@given(st.dictionaries(NAMES, st.integers() | st.none()), st.dictionaries(NAMES, st.integers()), st.booleans())
def test_against_the_obvious(defaults: dict[str, int | None], given_: dict[str, int], complete: bool) -> None:
    specs: list[Spec] = [
        ParamSpec(name, NOTHING if default is None else default, int) for name, default in defaults.items()
    ]
    missing = [name for name, default in defaults.items() if default is None and name not in given_]
    unknown = [name for name in given_ if name not in defaults] if complete else []
    try:
        found = resolve(specs, {name: str(value) for name, value in given_.items()}, {}, complete=complete)
    except cs.InputError as error:
        assert [line.split("'")[1] for line in str(error).splitlines()] == missing + unknown
        assert missing or unknown
    else:
        assert not missing and not unknown
        expected = {name: given_.get(name, default) for name, default in defaults.items()}
        assert {spec.name: value for spec, value in found} == expected
