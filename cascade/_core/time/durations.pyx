"""Durations and instants that users give: numbers of seconds, `timedelta`, `datetime`. The core counts nanoseconds."""

import numbers as _numbers
import time as _time
from datetime import datetime as _datetime
from datetime import timedelta as _timedelta

from libc.math cimport llround

Duration = float | _timedelta  # for annotations

cdef double LONGEST = 9e9  # seconds, some 285 years: what 63 bits of nanoseconds hold
cdef object _MOST = 9 * 10**18  # nanoseconds
cdef object _MICROSECOND = _timedelta(microseconds=1)


cdef int64_t nanoseconds(object seconds, str what) except -1:
    """Convert a duration given by a user to nanoseconds. ``what``: name of the argument, for errors."""
    cdef double span
    if type(seconds) is not float and type(seconds) is not int:
        if isinstance(seconds, _timedelta):
            return _in_range(seconds // _MICROSECOND * 1000, seconds, what)
        if _is_timedelta64(seconds):
            return nanoseconds(seconds / type(seconds)(1, "s"), what)
        if isinstance(seconds, bool) or not isinstance(seconds, _numbers.Real):
            raise TypeError(f"{what} must be a number of seconds or a timedelta, got `{type(seconds).__name__}`")
    try:
        span = seconds
    except OverflowError:
        span = float("inf")
    if not 0 <= span <= LONGEST:
        raise _wrong_range(seconds, what)
    return llround(span * 1e9)  # not `+ 0.5`: how often that is rounded depends on the compiler


def as_seconds(duration, str what):
    """Convert a duration given by a user to a float of seconds. ``what``: name of the argument.

    Raises:
        TypeError, ValueError: it is no duration, or is too long.
    """
    cdef int64_t span = nanoseconds(duration, what)
    return float(duration) if type(duration) is float or type(duration) is int else span / 1e9


cdef int64_t instant_of(object instant, str what, int64_t now, bint is_virtual, double speed) except? -1:
    """Convert an instant given by a user to nanoseconds on a clock.

    A number is the time on that clock. A `datetime` is one of the calendar, which is looked up now; to a virtual clock,
    its own time is that since 1970.

    Args:
        instant: as the user has given it.
        what: name of the argument, for errors.
        now: nanoseconds on the clock.
        is_virtual: whether the clock is.
        speed: seconds on the clock for one of the calendar.
    """
    cdef double number
    if isinstance(instant, _datetime):
        if instant.utcoffset() is None:
            raise ValueError(f"{what} must be a number of seconds or a datetime with a time zone, got {instant!r}")
        if is_virtual:
            return _bounded(round(instant.timestamp() * 1e6) * 1000)
        return _bounded(now + round((instant.timestamp() - _time.time()) * speed * 1e9))
    if isinstance(instant, bool) or not isinstance(instant, _numbers.Real) or _is_timedelta64(instant):
        raise TypeError(f"{what} must be a number of seconds or a datetime, got `{type(instant).__name__}`")
    try:
        number = instant
    except OverflowError:
        number = float("inf") if instant > 0 else -float("inf")
    if not -LONGEST <= number <= LONGEST:
        raise ValueError(f"{what} must be from {-LONGEST:.0e} to {LONGEST:.0e} seconds, got {instant!r}")
    return llround(number * 1e9)


cdef int64_t period_of(object duration, str what) except -1:
    """Convert a period given by a user to nanoseconds, at least one."""
    cdef int64_t span = nanoseconds(duration, what)
    if span == 0:
        raise ValueError(f"{what} must be at least a nanosecond, got {duration!r}")
    return span


cdef bint _is_timedelta64(object value) except -1:
    """Whether it is numpy's number of a unit of time, which would pass for a number of seconds."""
    return getattr(getattr(value, "dtype", None), "kind", None) == "m" and not getattr(value, "shape", ())


cdef object _bounded(object span):
    return max(-_MOST, min(_MOST, span))


cdef int64_t _in_range(object span, object seconds, str what) except -1:
    if not 0 <= span <= _MOST:
        raise _wrong_range(seconds, what)
    return span


cdef object _wrong_range(object seconds, str what):
    return ValueError(f"{what} must be from 0 to {LONGEST:.0e} seconds, got {seconds!r}")
