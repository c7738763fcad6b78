"""The state of limits, rules and pauses, for users."""

from __future__ import annotations

from typing import Literal

import msgspec

from cascade._support.public import public_in

__all__ = ["LimitState"]


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
