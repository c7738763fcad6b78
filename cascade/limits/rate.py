"""Rates: how much calls may take in a period of time. A token bucket, refilled with time."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import TYPE_CHECKING

from cascade._core.limits.units import UNIT, shown
from cascade.exceptions import LimitError

if TYPE_CHECKING:
    from cascade.limits.selector import Selector

__all__ = ["Rate", "RateRule", "amount_of", "parse_rate"]

_FORM = re.compile(r"(\d+(?:_\d+)*(?:\.\d+)?)\s*/\s*(\d+(?:_\d+)*(?:\.\d+)?)?\s*(ms|s|m|h|d)", re.ASCII)
_NANOSECONDS = {"ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9, "d": 86400 * 10**9}
_LONGEST = 9 * 10**18  # nanoseconds, about 285 years: the range of the clock
_MOST_DIGITS = 30
_LATEST = 2**63 - 1  # the last nanosecond of the clock


def parse_rate(text: str) -> tuple[int, int]:
    """Return how much a bucket gains each nanosecond, and what one call or token costs, as ints of the same unit.

    Raises:
        TypeError: `text` is not a str.
        LimitError: it is not a rate, or the rate is zero.

    >>> parse_rate("1/s"), parse_rate("7/s"), parse_rate("0.5/10s")
    ((1, 1000000000), (7, 1000000000), (1, 20000000000))
    """
    amount, period = _parse(text)
    each = period / amount
    if each > _LONGEST:
        raise LimitError(f"rate must be at least one call in 285 years, got {text!r}")
    return each.denominator, each.numerator


def amount_of(text: str) -> int:
    """Return what a rate gives in one of its periods, in units.

    Raises:
        TypeError: `text` is not a str.
        LimitError: it is not a rate, or the rate is zero.

    >>> amount_of("90_000/m") == 90_000 * UNIT, amount_of("0.5/10s") == UNIT // 2
    (True, True)
    """
    amount, _ = _parse(text)
    return max(1, round(amount * UNIT))


def _parse(text: str) -> tuple[Fraction, Fraction]:
    """Return the amount of a rate, and its period in nanoseconds."""
    if not isinstance(text, str):
        raise TypeError(f"rate must be a str such as '10/m', got `{type(text).__name__}`")
    form = _FORM.fullmatch(text.strip())
    if form is None or len(text) > _MOST_DIGITS:
        raise LimitError(f"rate must be a str such as '5/s', '10/m' or '1/100ms' (units ms, s, m, h, d), got {text!r}")
    amount, periods, unit = form.groups()
    period = Fraction(periods or 1) * _NANOSECONDS[unit]
    if not Fraction(amount) or not period:
        raise LimitError(f"rate must be > 0 calls in a period > 0, got {text!r}; to stop calls, use `limits.pause`")
    return Fraction(amount), period


class Rate:
    """A rate: a token bucket in exact integers, which neither drifts nor rounds.

    The bucket is full at first. Each nanosecond adds a gain, up to the burst, and each call takes its amount. So in any
    period calls take at most as much as the rate says, and one burst more. The gain beyond the burst within the
    nanosecond that fills the bucket is kept: without it, calls that start as often as they may would be fewer than the
    rate says. What was spent beyond what the bucket held is a debt, which is paid by time first.

    Args:
        name: as calls ask for it, or the selector of a rule.
        text: the rate, as `parse_rate` takes it.
        burst: the most that it saves up, in units.
        now: in nanoseconds on the clock.

    Attributes:
        name, text, burst: as they were given.
    """

    __slots__ = ("_at", "_cost", "_gain", "_level", "_most", "burst", "name", "text")

    def __init__(self, name: str, text: str, burst: int, now: int) -> None:
        self.name = name
        self._level = 0
        self._at = now
        self._set(text, burst)
        self._level = burst * self._cost

    def _set(self, text: str, burst: int) -> None:
        gain, self._cost = parse_rate(text)  # what one unit costs, as the level is in units, too
        self._gain = gain * UNIT
        self._most = burst * self._cost + min(gain, self._cost) * UNIT - 1
        self.text = text
        self.burst = burst

    def change(self, text: str, burst: int, now: int) -> None:
        """Change the rate from now on. The bucket keeps the amount that it holds, up to the new burst."""
        self._refill(now)
        level, cost = self._level, self._cost
        self._set(text, burst)
        self._level = min(self._most, level * self._cost // cost)

    def ready(self, now: int, wanted: int) -> bool:
        """Whether a call may take ``wanted`` units now."""
        self._refill(now)
        return self._level >= wanted * self._cost

    def due(self, now: int, wanted: int) -> int:
        """When a call may take ``wanted`` units, in nanoseconds on the clock."""
        self._refill(now)
        return min(_LATEST, now + max(0, -((self._level - wanted * self._cost) // self._gain)))

    def take(self, wanted: int) -> None:
        """Take units for a call that starts. The rate must be `ready`."""
        self._level -= wanted * self._cost

    def spend(self, now: int, amount: int) -> None:
        """Take units, perhaps more than there are; a negative amount gives units back."""
        self._refill(now)
        self._level = min(self._most, self._level - amount * self._cost)

    def left(self, now: int) -> int:
        """How many units a call may take now; negative: a debt."""
        self._refill(now)
        return min(self.burst, self._level // self._cost)

    def reason(self, wanted: int) -> str:
        """Why a call waits for `wanted` units of it, as text for an event."""
        return f"rate {self.name}: {shown(wanted)} wanted, {self.text}"

    def _refill(self, now: int) -> None:
        if now > self._at:
            self._level = min(self._most, self._level + (now - self._at) * self._gain)
            self._at = now


class RateRule(Rate):
    """A rule: how often matching calls start. Each takes one token.

    Args:
        selector: of the calls.
        text: the rate.
        calls: how many may start at once after a quiet period.
        now: in nanoseconds on the clock.
    """

    __slots__ = ("selector",)

    kind = "rate"

    def __init__(self, selector: Selector, text: str, calls: int, now: int) -> None:
        super().__init__(selector.text, text, calls * UNIT, now)
        self.selector = selector

    def reason(self, wanted: int) -> str:
        """Why a call waits for it, as text for an event."""
        return f"rate {self.text} of {self.name}"
