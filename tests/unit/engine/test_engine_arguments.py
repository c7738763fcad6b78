"""What is no argument of an engine is refused at once, by name, and the engine is not made."""

from __future__ import annotations

from typing import Any

import pytest

import cascade as cs
from support.tasks import leaf

WRONG: dict[str, tuple[Any, str]] = {
    "quantum": ("x", "quantum must be a number of seconds or a timedelta, got `str`"),
    "default_mode": ("x", "default_mode must be 'auto', 'inline', 'thread' or 'process', got 'x'"),
    "max_threads": ("2", "max_threads must be None or an int >= 1, got '2'"),
    "max_processes": (0, "max_processes must be None or an int >= 1, got 0"),
    "templates": (3, "templates must be a `Templates`, a path or None, got `int`"),
    "solver": (3, "solver must have a method `resolve`, got `int`"),
    "limits": (3, "limits must be a mapping from names to capacities, got `int`"),
    "seed": ("x", "seed must be None or an int, got `str`"),
    "executors": (3, "executors must be a mapping from modes to executors, got `int`"),
    "state": (3, "state must be a state backend with a method `boundary`, got `int`"),
    "clock": (3, "clock must be a `Clock`, got `int`"),
    "max_iterations": (-1, "max_iterations must be None or an int >= 0, got -1"),
    "debug": (1, "debug must be a bool, got `int`"),
}


@pytest.mark.parametrize("name", WRONG)
def test_arguments_of_an_engine(name: str) -> None:
    value, message = WRONG[name]
    clock = cs.Clock.real()
    with pytest.raises((TypeError, ValueError)) as raised:
        cs.Engine(**{"clock": clock, name: value})
    assert str(raised.value) == message
    cs.Engine(clock=clock)  # the clock is nobody's yet


def test_the_engine_of_a_run() -> None:
    with pytest.raises(TypeError, match=r"^engine must be an `Engine` or None, got `int`$"):
        cs.run(leaf(), engine=3)  # type: ignore[call-overload]


@pytest.mark.parametrize("take", [cs.Templates, cs.preload, cs.Templates().load, cs.Templates().save])
def test_paths_of_template_files(take: Any) -> None:
    with pytest.raises(TypeError, match=r"^path must be a path, got `int`$"):
        take(3)


@pytest.mark.parametrize("take", ["set", "pause", "resume"])
def test_selectors_of_limits(take: str) -> None:
    with pytest.raises(TypeError, match=r"^selector must be a str or a task, got `int`$"):
        getattr(cs.Engine().limits, take)(3)
