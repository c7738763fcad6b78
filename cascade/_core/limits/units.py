"""Fixed point: amounts as whole units of 1e-9, so that sums of amounts taken and given back are exact."""

from __future__ import annotations

import math
from numbers import Integral, Real

__all__ = ["UNIT", "shown", "units"]

UNIT = 10**9
"""Units in 1."""


def units(number: object) -> int:
    """Return a number as units, rounded to the nearest unit; a number > 0 is at least one unit.

    Raises:
        TypeError: `number` is not a real number. The error's text is its type.
        ValueError: it is negative, infinite or NaN. The error's text is the number.

    >>> units(2), units(0.1) * 3 == units(0.3), units(1e-30)
    (2000000000, True, 1)
    """
    if type(number) is int and number >= 0:  # the common case first
        return number * UNIT
    if isinstance(number, bool) or not isinstance(number, Real):
        raise TypeError(f"`{type(number).__name__}`")
    if isinstance(number, Integral):
        whole = int(number)
        if whole < 0:
            raise ValueError(str(number))
        return whole * UNIT
    try:
        real = float(number)
    except OverflowError:  # a fraction larger than any float
        raise ValueError("a number that is too large") from None
    if not 0 <= real < math.inf:
        raise ValueError(str(number))
    if real.is_integer():
        return int(real) * UNIT
    return max(1, round(real * UNIT))


def shown(number: int) -> float:
    """Return units as the number that a user wrote.

    >>> shown(2 * UNIT), shown(UNIT // 2)
    (2, 0.5)
    """
    whole, rest = divmod(number, UNIT)
    return number / UNIT if rest else whole
