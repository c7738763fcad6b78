"""The types that a program has taught the caches; see `register_key`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["Teachings", "teachings"]


class Teachings:
    """The taught types of this process.

    Attributes:
        functions: by type, the function that returns what counts for an instance.
        count: how many types were taught so far, repetitions included: what was computed before may be invalid.
    """

    def __init__(self) -> None:
        self.functions: dict[type, Callable[[Any], Any]] = {}
        self.count = 0

    def find(self, kind: type) -> Callable[[Any], Any] | None:
        """Return the function of a type, or of the nearest base class that has one; None: there is none."""
        if not self.functions:
            return None
        mro = type.__getattribute__(kind, "__mro__")
        return next((self.functions[base] for base in mro if base in self.functions), None)

    def add(self, kind: type, function: Callable[[Any], Any]) -> None:
        """Add a type, or replace the function of one."""
        self.functions[kind] = function
        self.count += 1


teachings = Teachings()
