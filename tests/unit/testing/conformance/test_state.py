"""The check of state backends passes ours, and names what is wrong with others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from cascade.durable.memory import Boundary, MemoryState
from cascade.protocols import StateBackend
from cascade.testing.conformance.state import check_state_backend
from support.conformance import broken


class Log:
    """All boundaries in one list."""

    def __init__(self) -> None:
        self.lines: list[Boundary] = []

    def boundary(self, run: int, iteration: int, digest: str, slots: Sequence[Any]) -> None:
        self.lines.append(Boundary(run, iteration, digest, tuple(slots)))

    def clear(self, run: int, before: int) -> None:
        self.lines = [line for line in self.lines if line.run != run or line.iteration >= before]

    def forget(self, run: int) -> None:
        self.lines = [line for line in self.lines if line.run != run]

    def latest(self, run: int) -> Boundary | None:
        return next((line for line in reversed(self.lines) if line.run == run), None)


class Unreliable(Log):
    """Wrong in one way."""

    def __init__(self, way: str) -> None:
        super().__init__()
        self.way = way

    def boundary(self, run: int, iteration: int, digest: str, slots: Sequence[Any]) -> None:
        kept = slots if self.way == "does not copy" else tuple(slots)
        self.lines.append(Boundary(run, iteration, "" if self.way == "loses" else digest, kept))  # type: ignore[arg-type]

    def clear(self, run: int, before: int) -> None:
        if self.way == "all runs":
            self.lines = [line for line in self.lines if line.iteration >= before]
        elif self.way == "one too many":
            super().clear(run, before + 1)
        elif self.way != "keeps":
            super().clear(run, before)

    def forget(self, run: int) -> None:
        if self.way == "strict" and self.latest(run) is None:
            raise KeyError(run)
        if self.way != "remembers":
            super().forget(run)

    def latest(self, run: int) -> Boundary | None:
        if self.way == "first":
            return next((line for line in self.lines if line.run == run), None)
        if self.way == "invents":
            return super().latest(run) or Boundary(run, 0, "", ())
        return super().latest(run)


@pytest.mark.parametrize("make", [MemoryState, Log])
def test_state_backends(make: Callable[[], StateBackend]) -> None:
    check_state_backend(make)


@pytest.mark.parametrize(
    ("way", "requirement"),
    [
        ("invents", "`latest` returns None for a run that has made no tail call: `latest(1)` must be None, got"),
        ("strict", "`clear` and `forget` do nothing for an unknown run: it raised KeyError"),
        ("first", "`latest` returns the latest boundary, as it was passed to `boundary`: `iteration` must be 2, got 1"),
        ("loses", "`latest` returns the latest boundary, as it was passed to `boundary`: `digest` must be '0"),
        ("does not copy", "`boundary` copies the slots: the sequence changes after the call: `slots` must be"),
        ("keeps", "`clear` deletes all iterations before the given one, and keeps that one: `latest(1)` must be None"),
        (
            "one too many",
            "`clear` deletes all iterations before the given one, and keeps that one: `latest(1)` must be the",
        ),
        ("remembers", "`forget` deletes all boundaries of a run: `latest(1)` must be None, got Boundary"),
        ("all runs", "runs are independent of one another: `latest(2)` must be the boundary of iteration 2, got None"),
    ],
)
def test_wrong_state_backends(way: str, requirement: str) -> None:
    broken(check_state_backend, lambda: Unreliable(way), requirement)
