"""Amounts: numbers of users as whole units, so that what is taken and given back a million times leaves no rest."""

from __future__ import annotations

import math
from numbers import Integral, Real

__all__ = ["UNIT", "shown", "units"]

UNIT = 10**9
"""How many units are 1."""


def units(number: object) -> int:
    """Return a number as units, to the nearest one; what is more than nothing is one unit at least.

    Raises:
        TypeError: it is no number.
        ValueError: it is negative, infinite or not a number.

    >>> units(2), units(0.1) * 3 == units(0.3), units(1e-30)
    (2000000000, True, 1)
    """
    if type(number) is int and number >= 0:  # as most are: the rest is about those that are not so plain
        return number * UNIT
    if isinstance(number, bool) or not isinstance(number, Real):
        raise TypeError(f"`{type(number).__name__}`")
    if isinstance(number, Integral):
        whole = int(number)
        if whole < 0:
            raise ValueError(str(number))
        return whole * UNIT
    try:
        broken = float(number)
    except OverflowError:  # a fraction beyond all floats
        raise ValueError("a number that is too large") from None
    if not 0 <= broken < math.inf:
        raise ValueError(str(number))
    if broken.is_integer():
        return int(broken) * UNIT
    return max(1, round(broken * UNIT))


def shown(amount: int) -> float:
    """Return units as the number that they stand for.

    >>> shown(2 * UNIT), shown(UNIT // 2)
    (2, 0.5)
    """
    whole, rest = divmod(amount, UNIT)
    return amount / UNIT if rest else whole
