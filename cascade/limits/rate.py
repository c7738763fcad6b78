"""Rates: so often, and what is taken comes back with time."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import TYPE_CHECKING

from cascade.exceptions import LimitError
from cascade.limits.rulebook import Rule
from cascade.limits.wait_queue import Line

if TYPE_CHECKING:
    from cascade.limits.request import Claim
    from cascade.limits.selector import Scope

__all__ = ["Rate", "parse_rate"]

_FORM = re.compile(r"(\d+(?:\.\d+)?)\s*/\s*(\d+(?:\.\d+)?)?\s*(ms|s|m|h|d)", re.ASCII)
_NANOSECONDS = {"ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9, "d": 86400 * 10**9}
_LONGEST = 9 * 10**18  # nanoseconds, some 285 years: what the clock can hold
_MOST_DIGITS = 30


def parse_rate(text: str) -> tuple[int, int]:
    """Return how much a bucket gains each nanosecond, and what a call costs, as whole numbers of the same unit.

    Raises:
        TypeError: it is no text.
        LimitError: it is no rate, or one that is nothing.

    >>> parse_rate("1/s"), parse_rate("7/s"), parse_rate("0.5/10s")
    ((1, 1000000000), (7, 1000000000), (1, 20000000000))
    """
    if not isinstance(text, str):
        raise TypeError(f"expected a rate as text, such as '10/m', got `{type(text).__name__}`")
    form = _FORM.fullmatch(text.strip())
    if form is None or len(text) > _MOST_DIGITS:
        raise LimitError(f"expected a rate such as '5/s', '10/m' or '1/100ms' (units ms, s, m, h, d), got {text!r}")
    calls, periods, unit = form.groups()
    period = Fraction(periods or 1) * _NANOSECONDS[unit]
    if not Fraction(calls) or not period:
        raise LimitError(f"expected a rate above 0 in a span of time, got {text!r}; to stop calls, pause them")
    each = period / Fraction(calls)
    if each > _LONGEST:
        raise LimitError(f"expected a rate of at least one call in 285 years, got {text!r}")
    return each.denominator, each.numerator


class Rate(Rule):
    """A token bucket, counted in whole numbers: it neither drifts nor rounds.

    It is full at first. Each nanosecond puts a gain into it, up to what `burst` calls cost, and each call takes its
    cost out. So in any span of time there start at most as many calls as the rate says, and `burst` more. What is
    gained beyond that in the nanosecond that fills it is kept: calls that start as often as they may are exactly as
    many as the rate says.

    Attributes:
        line: the claims that wait for it, in the order in which they came, but for those that are paused.
        text: the rate as the user wrote it.
        burst: how many calls may start at once after a time of quiet.
    """

    __slots__ = ("_at", "_cost", "_gain", "_level", "_most", "burst", "line", "scope", "text")

    kind = "rate"

    def __init__(self, scope: Scope, text: str, burst: int, now: int) -> None:
        self.scope = scope
        self.line: Line[Claim] = Line()
        self.text = text
        self.burst = burst
        self._gain, self._cost = parse_rate(text)
        self._level = burst * self._cost
        self._most = self._level + min(self._gain, self._cost) - 1
        self._at = now

    def change(self, text: str, burst: int, now: int) -> None:
        """Have another rate from now on. What the bucket holds stays the same number of calls, if it has room."""
        gain, cost = parse_rate(text)
        self._refill(now)
        self._most = burst * cost + min(gain, cost) - 1
        self._level = min(self._most, self._level * cost // self._cost)
        self._gain, self._cost = gain, cost
        self.text = text
        self.burst = burst

    def ready(self, now: int) -> bool:
        """Whether a call may start."""
        self._refill(now)
        return self._level >= self._cost

    def due(self, now: int) -> int:
        """When a call may start, in nanoseconds on the clock."""
        self._refill(now)
        return now + max(0, -((self._level - self._cost) // self._gain))

    def take(self) -> None:
        """A call starts. It must be `ready`."""
        self._level -= self._cost

    def put_back(self, now: int) -> None:
        """A call that was to start has not."""
        self._refill(now)
        self._level = min(self._most, self._level + self._cost)

    def left(self, now: int) -> int:
        """How many calls may start at once."""
        self._refill(now)
        return self._level // self._cost

    def reason(self) -> str:
        """What somebody is told who must wait for it."""
        return f"rate {self.text} of {self.scope.text}"

    def _refill(self, now: int) -> None:
        if now > self._at:
            self._level = min(self._most, self._level + (now - self._at) * self._gain)
            self._at = now
