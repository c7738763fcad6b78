"""Outcomes: what became of an expression, as a value that can be compared, kept and sent."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

import cascade as cs


def test_a_value() -> None:
    outcome = cs.Outcome(5)
    assert (outcome.ok, outcome.value, outcome.error, outcome.skipped) == (True, 5, None, False)
    assert outcome.unwrap() == 5
    assert repr(outcome) == "<Outcome, value 5>"


def test_no_value_is_a_value_too() -> None:
    assert cs.Outcome().ok and cs.Outcome().value is None
    assert cs.Outcome(None) == cs.Outcome()


def test_a_failure() -> None:
    error = KeyError("x")
    outcome = cs.Outcome(error=error)
    assert (outcome.ok, outcome.error, outcome.skipped) == (False, error, False)
    for read in (outcome.unwrap, lambda: outcome.value):
        with pytest.raises(KeyError) as caught:
            read()
        assert caught.value is error
    assert repr(outcome) == "<Outcome, failed: KeyError('x')>"


def test_skipped() -> None:
    outcome = cs.Outcome(skipped=True)
    assert (outcome.ok, outcome.error, outcome.skipped) == (False, None, True)
    with pytest.raises(cs.TaskSkippedError, match="was skipped"):
        outcome.unwrap()
    with pytest.raises(cs.TaskSkippedError, match="was skipped"):
        _ = outcome.value
    assert repr(outcome) == "<Outcome, skipped>"


@pytest.mark.parametrize(
    ("settings", "wrong"),
    [
        ({"error": "text"}, "error must be an exception or None, got `str`"),
        ({"error": ValueError}, "error must be an exception or None, got `type`"),
        ({"value": 1, "error": ValueError()}, "must be one of"),
        ({"value": 1, "skipped": True}, "must be one of"),
        ({"error": ValueError(), "skipped": True}, "must be one of"),
    ],
)
def test_it_is_one_thing_only(settings: dict[str, Any], wrong: str) -> None:
    with pytest.raises(TypeError, match=wrong):
        cs.Outcome(**settings)


def test_equal_values_and_the_same_failure_are_equal() -> None:
    error = ValueError("x")
    assert cs.Outcome(1) == cs.Outcome(1.0) and hash(cs.Outcome(1)) == hash(cs.Outcome(1.0))
    assert cs.Outcome(error=error) == cs.Outcome(error=error) != cs.Outcome(error=ValueError("x"))
    assert hash(cs.Outcome(error=error)) == hash(cs.Outcome(error=error))
    assert cs.Outcome(skipped=True) == cs.Outcome(skipped=True) != cs.Outcome()
    assert cs.Outcome(1) != 1
    nan = float("nan")
    assert cs.Outcome(nan) == cs.Outcome(nan)


def test_it_can_be_pickled() -> None:
    for outcome in (cs.Outcome([1, 2]), cs.Outcome(skipped=True)):
        assert pickle.loads(pickle.dumps(outcome)) == outcome
    again = pickle.loads(pickle.dumps(cs.Outcome(error=KeyError("x"))))
    assert type(again.error) is KeyError and again.error.args == ("x",)


def test_it_is_generic_and_cannot_be_changed() -> None:
    assert cs.Outcome[int].__origin__ is cs.Outcome
    for name in ("error", "skipped", "value", "ok"):
        with pytest.raises(AttributeError):
            setattr(cs.Outcome(1), name, None)
    with pytest.raises(TypeError):
        type("Mine", (cs.Outcome,), {})
