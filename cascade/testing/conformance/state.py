"""The check of state backends."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cascade._support.public import public_in
from cascade.durable.protocol import StateBackend
from cascade.testing.conformance.requirement import Requirement, check_methods, shown

__all__ = ["check_state_backend"]


@public_in("cascade.testing.conformance")
def check_state_backend(make: Callable[[], StateBackend]) -> None:
    """Check that a state backend fulfils its protocol.

    The slots hold numbers, text, bytes, `None`, lists and dicts.

    Args:
        make: makes a backend without boundaries of the runs 1, 2 and 3.

    Raises:
        AssertionError: it does not; the message begins with the violated requirement.

    >>> from cascade.durable.memory import MemoryState
    >>> check_state_backend(MemoryState)
    """
    check_methods(make(), StateBackend)
    for check in (_knows_nothing, _keeps_the_latest, _copies, _clears, _forgets, _keeps_runs_apart):
        check(make())


def _expect(
    requirement: Requirement, state: StateBackend, run: int, iteration: int, digest: str, slots: list[Any]
) -> None:
    found = state.latest(run)
    if found is None:
        requirement.violated(f"`latest({run})` must be the boundary of iteration {iteration}, got None")
    for name, expected in (("run", run), ("iteration", iteration), ("digest", digest)):
        value = getattr(found, name)
        requirement.expect(value == expected, f"`{name}` must be {expected!r}, got {shown(value)}")
    requirement.expect(list(found.slots) == slots, f"`slots` must be {slots!r}, got {shown(found.slots)}")


def _expect_nothing(requirement: Requirement, state: StateBackend, run: int) -> None:
    found = state.latest(run)
    requirement.expect(found is None, f"`latest({run})` must be None, got {shown(found)}")


def _knows_nothing(state: StateBackend) -> None:
    with Requirement("`latest` returns None for a run that has made no tail call") as requirement:
        _expect_nothing(requirement, state, 1)
    with Requirement("`clear` and `forget` do nothing for an unknown run"):
        state.clear(1, 5)
        state.forget(1)


def _keeps_the_latest(state: StateBackend) -> None:
    with Requirement("`latest` returns the latest boundary, as it was passed to `boundary`") as requirement:
        kept: list[list[Any]] = [[], [None], [1, "two", b"3", 4.5], [[1, None], {"key": [2]}]]
        for iteration, slots in enumerate(kept, start=1):
            state.boundary(1, iteration, f"{iteration:064x}", slots)
            _expect(requirement, state, 1, iteration, f"{iteration:064x}", slots)
        state.boundary(1, 1_000_000, "ab", [0])
        _expect(requirement, state, 1, 1_000_000, "ab", [0])


def _copies(state: StateBackend) -> None:
    with Requirement("`boundary` copies the slots: the sequence changes after the call") as requirement:
        slots: list[Any] = [1, 2]
        state.boundary(1, 1, "ab", slots)
        slots[0] = "changed"
        slots.append("added")
        _expect(requirement, state, 1, 1, "ab", [1, 2])


def _clears(state: StateBackend) -> None:
    with Requirement("`clear` deletes all iterations before the given one, and keeps that one") as requirement:
        state.boundary(1, 1, "ab", [1])
        state.boundary(1, 2, "ab", [2])
        state.clear(1, 2)
        _expect(requirement, state, 1, 2, "ab", [2])
        state.clear(1, 3)
        _expect_nothing(requirement, state, 1)
        state.boundary(1, 3, "ab", [3])
        _expect(requirement, state, 1, 3, "ab", [3])


def _forgets(state: StateBackend) -> None:
    with Requirement("`forget` deletes all boundaries of a run") as requirement:
        state.boundary(1, 1, "ab", [1])
        state.forget(1)
        _expect_nothing(requirement, state, 1)
        state.forget(1)


def _keeps_runs_apart(state: StateBackend) -> None:
    with Requirement("runs are independent of one another") as requirement:
        for run in (1, 2, 3):
            state.boundary(run, run, "ab", [run])
        state.clear(1, 100)
        state.forget(3)
        _expect_nothing(requirement, state, 1)
        _expect(requirement, state, 2, 2, "ab", [2])
        _expect_nothing(requirement, state, 3)
