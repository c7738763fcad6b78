"""Requests and grants: what a call asks for before it starts, and what it holds until it ends."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from cascade._support.public import public_in
from cascade.exceptions import LimitError
from cascade.limits.rulebook import NO_RULES, ApplicableRules
from cascade.limits.units import UNIT, shown

if TYPE_CHECKING:
    from cascade.limits.capacity import Pool
    from cascade.limits.rulebook import Rulebook

__all__ = ["EMPTY_GRANT", "UNLIMITED", "Grant", "Request", "Share"]

Share = tuple["Pool", int]
"""A pool and units of it."""


@public_in("cascade.limits")
class Request:
    """What calls of one task in one run ask for: amounts of limits, and admission by the rules that apply to them.

    A request names no rules: they are looked up when it is used, so it can be kept and used again after they changed.

    Args:
        task: the module and qualified name of the task.
        qualname: its qualified name.
        run: the number of the run.
        names: what else selectors match for the run.
        limits: the limits that it asks for, with units >= 1.
    """

    __slots__ = ("_applicable", "_shares", "_version", "limits", "names", "qualname", "run", "task")

    def __init__(
        self, task: str, qualname: str, run: int, limits: tuple[Share, ...], names: tuple[str, ...] = ()
    ) -> None:
        self.task = task
        self.qualname = qualname
        self.run = run
        self.names = names
        self.limits = limits
        self._version = 0  # of the rulebook when the next two were found
        self._applicable = NO_RULES
        self._shares = limits

    def applicable(self, rulebook: Rulebook) -> ApplicableRules:
        """Return the rules that apply to it now."""
        if self._version != rulebook.version:
            self._applicable = rulebook.find(self.task, self.qualname, self.run, self.names)
            self._shares = (*self.limits, *((pool, UNIT) for pool in self._applicable.pools))
            self._version = rulebook.version
        return self._applicable

    def shares(self, rulebook: Rulebook) -> tuple[Share, ...]:
        """Return what it takes of which pools, by the rules that apply to it now."""
        self.applicable(rulebook)
        return self._shares

    def check(self) -> None:
        """Check that it can be granted at some time.

        Raises:
            LimitError: it asks for more than the capacity of a limit.
        """
        for pool, wanted in self.limits:
            if wanted > pool.capacity:
                raise LimitError(
                    f"amount of {pool.name!r} must be at most {shown(pool.capacity)}, the capacity of the limit, "
                    f"got {shown(wanted)} - at task {self.task}"
                )


@public_in("cascade.limits")
class Grant:
    """Permission to start a call. It is held until the call has ended; as a context manager, it is released at the end.

    Args:
        release: called once, at release, with whether the call has started: if it has not, the tokens that it took
            of rates are given back, too. None: there is nothing to give back.
    """

    __slots__ = ("_release",)

    def __init__(self, release: Callable[[bool], None] | None) -> None:
        self._release = release

    def release(self) -> None:
        """Give back what was taken; later calls do nothing."""
        if self._release is not None:
            release, self._release = self._release, None
            release(True)

    def undo(self) -> None:
        """Give back all that was taken, tokens of rates included: the call has not started."""
        if self._release is not None:
            release, self._release = self._release, None
            release(False)

    def __enter__(self) -> Grant:
        return self

    def __exit__(self, *exc: object) -> None:
        self.release()


UNLIMITED = Request("", "", 0, ())
"""The request of calls that nothing limits."""

EMPTY_GRANT = Grant(None)
"""The grant of calls that nothing limits: one for all, as there is nothing to give back."""
