"""The state of limits, rates, rules and pauses, for users."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from cascade._core.limits.pools import Pool
from cascade._core.limits.units import UNIT, shown
from cascade._support.public import public_in
from cascade.limits.capacity import Concurrency
from cascade.limits.rate import Rate, RateRule
from cascade.limits.rule import Priority, Rule

if TYPE_CHECKING:
    from cascade._core.limits.admission import AdmissionQueue
    from cascade.limits.rulebook import Rulebook

__all__ = ["LimitState", "snapshot", "text_of"]

_SECOND = 10**9  # nanoseconds


@public_in("cascade.limits")
class LimitState(msgspec.Struct, frozen=True, kw_only=True):
    """The state of one limit, rule or pause.

    Attributes:
        name: of the limit or the rate; of a rule or a pause, its selector.
        kind: "limit", "concurrency", "rate", "priority" or "pause".
        capacity: the capacity of a limit or a concurrency; the burst of a rate; 0 for a priority or a pause.
        in_use: how much of the capacity is taken; of a rate, how much of the burst has not been refilled yet, which is
            more than the burst if it has a debt.
        waiting: the number of waiting calls to which it applies, whatever they wait for.
        wanted: how much these calls want of it together.
        rate: the rate as the user wrote it; None: it is not a rate.
        priority: of the calls to which it applies; None: it is not a priority.
        expires_in: seconds until it expires; None: it does not expire.
    """

    name: str
    kind: Literal["limit", "concurrency", "rate", "priority", "pause"]
    capacity: float
    in_use: float
    waiting: int
    wanted: float = 0
    rate: str | None = None
    priority: float | None = None
    expires_in: float | None = None


def snapshot(
    limits: Iterable[Pool | Rate], rulebook: Rulebook, admission: AdmissionQueue, now: int
) -> tuple[LimitState, ...]:
    """Return the state of limits and rates, then of all rules, then of all pauses. See `Limits.snapshot`.

    Args:
        limits: the limits and rates, in order.
        rulebook: the rules and pauses.
        admission: the requests that wait.
        now: nanoseconds on the clock.
    """
    waiting: dict[object, _Waiting] = {}
    for claim in admission.claims():
        request = claim.request
        applicable = request.applicable(rulebook)
        wants: list[tuple[object, int]] = [(pool.root, wanted) for pool, wanted in request.shares(rulebook)]
        wants += request.tokens(rulebook)
        wants += [(rule, 0) for rule in (*applicable.priorities, *applicable.pauses)]
        for restriction, wanted in wants:
            waiting.setdefault(restriction, _Waiting()).add(wanted)
    rules = sorted(rulebook, key=lambda rule: rule.kind == "pause")
    nothing = _Waiting()
    return tuple(_state(each, waiting.get(each, nothing), admission, now) for each in (*limits, *rules))


def text_of(limit: Pool | Rate, now: int) -> str:
    """Return a limit or a rate as text. ``now``: nanoseconds on the clock."""
    capacity, in_use = _capacity_of(limit, now)
    text = f"{limit.name} {shown(in_use):.10g} of {shown(capacity):.10g}"
    return f"{text} at {limit.text}" if isinstance(limit, Rate) else text


def _state(each: Pool | Rate | Rule, waiting: _Waiting, admission: AdmissionQueue, now: int) -> LimitState:
    """Return the state of a limit, a rate, a rule or a pause."""
    at = None
    if not isinstance(each, (Pool, Rate)) or isinstance(each, (Concurrency, RateRule)):
        at = admission.timetable.expiries.key_of(each)
    name: str = each.name if isinstance(each, (Pool, Rate)) else each.selector.text
    kind: Any = each.kind if hasattr(each, "kind") else "rate" if isinstance(each, Rate) else "limit"
    capacity, in_use = _capacity_of(each, now)
    return LimitState(
        name=name,
        kind=kind,
        capacity=shown(capacity),
        in_use=shown(in_use),
        waiting=waiting.count,
        wanted=shown(waiting.wanted),
        rate=each.text if isinstance(each, Rate) else None,
        priority=each.priority if isinstance(each, Priority) else None,
        expires_in=None if at is None else (at - now) / _SECOND,
    )


class _Waiting:
    """How many calls wait for something, and how much they want of it, in units."""

    __slots__ = ("count", "wanted")

    def __init__(self) -> None:
        self.count = self.wanted = 0

    def add(self, wanted: int) -> None:
        self.count += 1
        self.wanted += wanted


def _capacity_of(each: Pool | Rate | Rule, now: int) -> tuple[int, int]:
    """Return the capacity of something and how much of it is in use, in units."""
    if isinstance(each, Pool):
        return each.capacity, each.used
    if isinstance(each, Rate):
        left = each.left(now)
        if isinstance(each, RateRule):
            left = left // UNIT * UNIT  # in whole calls
        return each.burst, each.burst - left
    return 0, 0
