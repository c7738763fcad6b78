"""The check of state backends."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cascade._support.public import public_in
from cascade.durable.protocol import StateBackend
from cascade.testing.conformance.sentence import Sentence, complete, shown

__all__ = ["check_state_backend"]


@public_in("cascade.testing.conformance")
def check_state_backend(make: Callable[[], StateBackend]) -> None:
    """Check that a state backend does what its protocol says.

    The slots that it is given hold numbers, text, bytes, `None`, lists and dicts.

    Args:
        make: gives a backend in which the runs 1, 2 and 3 are not known.

    Raises:
        AssertionError: it does not; the message begins with the sentence that it breaks.

    >>> from cascade.durable.memory import MemoryState
    >>> check_state_backend(MemoryState)
    """
    complete(make(), StateBackend)
    for check in (_knows_nothing, _keeps_the_latest, _copies, _clears, _forgets, _keeps_runs_apart):
        check(make())


def _expect(sentence: Sentence, state: StateBackend, run: int, iteration: int, digest: str, slots: list[Any]) -> None:
    found = state.latest(run)
    if found is None:
        sentence.broken(f"`latest({run})` must be the boundary of iteration {iteration}, got None")
    for name, expected in (("run", run), ("iteration", iteration), ("digest", digest)):
        value = getattr(found, name)
        sentence.expect(value == expected, f"`{name}` must be {expected!r}, got {shown(value)}")
    sentence.expect(list(found.slots) == slots, f"`slots` must be {slots!r}, got {shown(found.slots)}")


def _expect_nothing(sentence: Sentence, state: StateBackend, run: int) -> None:
    found = state.latest(run)
    sentence.expect(found is None, f"`latest({run})` must be None, got {shown(found)}")


def _knows_nothing(state: StateBackend) -> None:
    with Sentence("`latest` returns None for a run that has made no tail call") as sentence:
        _expect_nothing(sentence, state, 1)
    with Sentence("`clear` and `forget` do nothing for an unknown run"):
        state.clear(1, 5)
        state.forget(1)


def _keeps_the_latest(state: StateBackend) -> None:
    with Sentence("`latest` returns the latest boundary, as it was passed to `boundary`") as sentence:
        kept: list[list[Any]] = [[], [None], [1, "two", b"3", 4.5], [[1, None], {"key": [2]}]]
        for iteration, slots in enumerate(kept, start=1):
            state.boundary(1, iteration, f"{iteration:064x}", slots)
            _expect(sentence, state, 1, iteration, f"{iteration:064x}", slots)
        state.boundary(1, 1_000_000, "ab", [0])
        _expect(sentence, state, 1, 1_000_000, "ab", [0])


def _copies(state: StateBackend) -> None:
    with Sentence("`boundary` copies the slots: the sequence changes after the call") as sentence:
        slots: list[Any] = [1, 2]
        state.boundary(1, 1, "ab", slots)
        slots[0] = "changed"
        slots.append("added")
        _expect(sentence, state, 1, 1, "ab", [1, 2])


def _clears(state: StateBackend) -> None:
    with Sentence("`clear` deletes all iterations before the given one, and keeps that one") as sentence:
        state.boundary(1, 1, "ab", [1])
        state.boundary(1, 2, "ab", [2])
        state.clear(1, 2)
        _expect(sentence, state, 1, 2, "ab", [2])
        state.clear(1, 3)
        _expect_nothing(sentence, state, 1)
        state.boundary(1, 3, "ab", [3])
        _expect(sentence, state, 1, 3, "ab", [3])


def _forgets(state: StateBackend) -> None:
    with Sentence("`forget` deletes all boundaries of a run") as sentence:
        state.boundary(1, 1, "ab", [1])
        state.forget(1)
        _expect_nothing(sentence, state, 1)
        state.forget(1)


def _keeps_runs_apart(state: StateBackend) -> None:
    with Sentence("runs are independent of one another") as sentence:
        for run in (1, 2, 3):
            state.boundary(run, run, "ab", [run])
        state.clear(1, 100)
        state.forget(3)
        _expect_nothing(sentence, state, 1)
        _expect(sentence, state, 2, 2, "ab", [2])
        _expect_nothing(sentence, state, 3)
