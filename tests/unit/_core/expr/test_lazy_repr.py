"""What a lazy result is shown as, whatever is in it."""

from __future__ import annotations

import sys
from typing import Any

import pytest

import cascade as cs
from support.tasks import give


class Hostile:
    def __repr__(self) -> str:
        raise RuntimeError("no repr")


class Interrupted:
    def __repr__(self) -> str:
        raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (Hostile(), "<`Hostile`, whose repr raises RuntimeError>"),
        (cs.data(Hostile()), "<`data`, whose repr raises RuntimeError>"),
        (10 ** (sys.get_int_max_str_digits() + 1), "<`int`, whose repr raises ValueError>"),
        ([Hostile()], "<list of 1>"),
        ("x" * 100, "'" + "x" * 36 + "..."),
    ],
    ids=["object", "data", "int", "list", "str"],
)
def test_a_value_is_shown_shortly_and_never_fails(value: Any, shown: str) -> None:
    target: Any = give(value)
    assert repr(target) == f"<LazyResult give({shown})>"
    assert target._repr_mimebundle_()["text/plain"] == repr(target)


def test_an_interruption_is_not_swallowed() -> None:
    with pytest.raises(KeyboardInterrupt):
        repr(give(Interrupted()))
