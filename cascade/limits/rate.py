"""Rates: how often calls start. A token bucket, refilled with time."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import TYPE_CHECKING

from cascade.exceptions import LimitError

if TYPE_CHECKING:
    from cascade.limits.selector import Selector

__all__ = ["Rate", "parse_rate"]

_FORM = re.compile(r"(\d+(?:\.\d+)?)\s*/\s*(\d+(?:\.\d+)?)?\s*(ms|s|m|h|d)", re.ASCII)
_NANOSECONDS = {"ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9, "d": 86400 * 10**9}
_LONGEST = 9 * 10**18  # nanoseconds, about 285 years: the range of the clock
_MOST_DIGITS = 30


def parse_rate(text: str) -> tuple[int, int]:
    """Return how much a bucket gains each nanosecond, and what a call costs, as ints of the same unit.

    Raises:
        TypeError: `text` is not a str.
        LimitError: it is not a rate, or the rate is zero.

    >>> parse_rate("1/s"), parse_rate("7/s"), parse_rate("0.5/10s")
    ((1, 1000000000), (7, 1000000000), (1, 20000000000))
    """
    if not isinstance(text, str):
        raise TypeError(f"rate must be a str such as '10/m', got `{type(text).__name__}`")
    form = _FORM.fullmatch(text.strip())
    if form is None or len(text) > _MOST_DIGITS:
        raise LimitError(f"rate must be a str such as '5/s', '10/m' or '1/100ms' (units ms, s, m, h, d), got {text!r}")
    calls, periods, unit = form.groups()
    period = Fraction(periods or 1) * _NANOSECONDS[unit]
    if not Fraction(calls) or not period:
        raise LimitError(f"rate must be > 0 calls in a period > 0, got {text!r}; to stop calls, use `limits.pause`")
    each = period / Fraction(calls)
    if each > _LONGEST:
        raise LimitError(f"rate must be at least one call in 285 years, got {text!r}")
    return each.denominator, each.numerator


class Rate:
    """A rule: how often matching calls start. A token bucket in exact integers, which neither drifts nor rounds.

    The bucket is full at first. Each nanosecond adds a gain, up to what `burst` calls cost, and each call removes its
    cost. So in any period at most as many calls start as the rate says, and `burst` more. The gain beyond the limit
    within the nanosecond that fills the bucket is kept: without it, calls that start as often as they may would be
    fewer than the rate says.

    Attributes:
        text: the rate as the user wrote it.
        burst: how many calls may start at once after a quiet period.
    """

    __slots__ = ("_at", "_cost", "_gain", "_level", "_most", "burst", "selector", "text")

    kind = "rate"

    def __init__(self, selector: Selector, text: str, burst: int, now: int) -> None:
        self.selector = selector
        self.text = text
        self.burst = burst
        self._gain, self._cost = parse_rate(text)
        self._level = burst * self._cost
        self._most = self._level + min(self._gain, self._cost) - 1
        self._at = now

    def change(self, text: str, burst: int, now: int) -> None:
        """Change the rate from now on. The bucket keeps the number of calls that it holds, up to the new burst."""
        gain, cost = parse_rate(text)
        self._refill(now)
        self._most = burst * cost + min(gain, cost) - 1
        self._level = min(self._most, self._level * cost // self._cost)
        self._gain, self._cost = gain, cost
        self.text = text
        self.burst = burst

    def ready(self, now: int) -> bool:
        """Whether a call may start now."""
        self._refill(now)
        return self._level >= self._cost

    def due(self, now: int) -> int:
        """When the next call may start, in nanoseconds on the clock."""
        self._refill(now)
        return now + max(0, -((self._level - self._cost) // self._gain))

    def take(self) -> None:
        """Remove the cost of a call that starts. The rate must be `ready`."""
        self._level -= self._cost

    def put_back(self, now: int) -> None:
        """Give back the cost of a call that has not started after all."""
        self._refill(now)
        self._level = min(self._most, self._level + self._cost)

    def left(self, now: int) -> int:
        """How many calls may start at once now."""
        self._refill(now)
        return self._level // self._cost

    def reason(self) -> str:
        """Why a call waits for it, as text for an event."""
        return f"rate {self.text} of {self.selector.text}"

    def _refill(self, now: int) -> None:
        if now > self._at:
            self._level = min(self._most, self._level + (now - self._at) * self._gain)
            self._at = now
