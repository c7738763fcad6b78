"""What people are shown of limits, rules and pauses."""

from __future__ import annotations

from typing import Literal

import msgspec

__all__ = ["LimitState"]


class LimitState(msgspec.Struct, frozen=True, kw_only=True):
    """One limit, rule or pause as it stands.

    Attributes:
        name: of the limit; of a rule or a pause, the scope.
        kind: what it is.
        capacity: of a limit or a concurrency, how much there is; of a rate, its burst; of a pause, 0.
        in_use: how much of that is taken; of a rate, how much of the burst has not come back yet.
        waiting: how many calls wait for which it holds, whatever it is that they wait for.
        rate: the rate as it was given; None: it is none.
        expires_in: seconds until it vanishes of itself; None: it stays.
    """

    name: str
    kind: Literal["limit", "concurrency", "rate", "pause"]
    capacity: float
    in_use: float
    waiting: int
    rate: str | None = None
    expires_in: float | None = None
