"""Checks of what users give to limits, rates and rules, and what is made of it."""

from __future__ import annotations

import math
from numbers import Integral, Real
from typing import TypeGuard

from cascade._core.limits.pools import Pool
from cascade._core.limits.units import units
from cascade._core.time.durations import Duration, as_seconds
from cascade.exceptions import LimitError, PolicyError
from cascade.limits.rate import Rate, amount_of
from cascade.limits.selector import looks_like_selector

__all__ = ["as_priority", "count_of", "is_rate", "lifetime_of", "new_pool", "new_rate", "signed"]

_SECOND = 10**9  # nanoseconds
_MOST = 10**18  # that is spent at once


def as_priority(priority: object, where: str = "") -> float:
    """Check a priority, and return it as a number that can be compared.

    Raises:
        PolicyError: it is not a number, or it is infinite or NaN.
    """
    if type(priority) is int:
        return priority
    if isinstance(priority, bool) or not isinstance(priority, Real):
        raise PolicyError(f"priority must be a number, got `{type(priority).__name__}`{where}")
    if isinstance(priority, Integral):
        return int(priority)
    number = float(priority)
    if not math.isfinite(number):
        raise PolicyError(f"priority must be a finite number, got {priority!r}{where}")
    return number


def signed(name: str, amount: float, least: float = -math.inf) -> int:
    """Check an amount of a rate that was used, and return it in units."""
    if isinstance(amount, bool) or not isinstance(amount, Real):
        raise TypeError(f"amount of {name!r} must be a number, got `{type(amount).__name__}`")
    if amount < least:
        raise LimitError(f"amount of {name!r} must be >= {least}, got {amount}")
    if abs(amount) > _MOST:
        raise LimitError(f"amount of {name!r} must be at most {_MOST:g}, got {amount}")
    try:
        return -units(-amount) if amount < 0 else units(amount)
    except ValueError as error:
        raise LimitError(f"amount of {name!r} must be a finite number, got {error}") from None


def check_name(name: str) -> None:
    """Check the name of a limit or of a rate."""
    if not isinstance(name, str):
        raise TypeError(f"name of a limit must be a str, got `{type(name).__name__}`")
    if not name or looks_like_selector(name):
        raise LimitError(f"name of a limit must be a word such as 'gpu', got {name!r}; for tasks and runs, set a rule")
    if name == "priority":
        raise LimitError("name of a limit must not be 'priority': a call gives its priority with this name")


def is_rate(given: object) -> TypeGuard[str]:
    """Whether what is given for a limit is meant as a rate."""
    return isinstance(given, str) and "/" in given


def new_pool(name: str, capacity: float | str) -> Pool:
    """Make a limit of what the user gave."""
    check_name(name)
    try:
        return Pool(name, units(capacity))
    except TypeError as error:
        raise TypeError(f"capacity of {name!r} must be a number, or a rate such as '90_000/m', got {error}") from None
    except ValueError as error:
        raise LimitError(f"capacity of {name!r} must be a number >= 0, got {error}") from None


def count_of(number: int, name: str) -> int:
    """Check a number of calls."""
    if isinstance(number, bool) or not isinstance(number, int):
        raise TypeError(f"{name} must be an int, got `{type(number).__name__}`")
    if number < 1:
        raise LimitError(f"{name} must be >= 1, got {number}; to stop calls, use `limits.pause`")
    return number


def lifetime_of(ttl: Duration | None) -> int | None:
    """Check a duration in seconds, and return it in nanoseconds."""
    if ttl is None:
        return None
    return round(as_seconds(ttl, "ttl") * _SECOND)


def new_rate(name: str, text: str, burst: float | None, now: int) -> Rate:
    """Make a rate of what the user gave. ``now``: nanoseconds on the clock."""
    check_name(name)
    most = amount_of(text)
    if burst is not None:
        try:
            most = units(burst)
        except TypeError as error:
            raise TypeError(f"burst of {name!r} must be a number, got {error}") from None
        except ValueError as error:
            raise LimitError(f"burst of {name!r} must be a number > 0, got {error}") from None
        if not most:
            raise LimitError(f"burst of {name!r} must be a number > 0, got {burst}; to stop calls, use `limits.pause`")
    return Rate(name, text, most, now)
