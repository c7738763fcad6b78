"""Waits: built-in nodes that complete when the engine's clock has come so far."""

from cascade._core.expr.lazy cimport LazyResult
from cascade._core.expr.task cimport Task, builtin_task, lazy_call
from cascade._core.expr.task_spec cimport TICKS, WAIT, WAIT_UNTIL
from cascade._core.time.durations cimport instant_of, nanoseconds, period_of

cdef Task _wait = builtin_task("wait", WAIT)
cdef Task _wait_until = builtin_task("wait_until", WAIT_UNTIL)
cdef Task _ticks = builtin_task("ticks", TICKS)


def wait(seconds):
    """Complete after some time. A waiting run uses no thread and no asyncio task.

    Args:
        seconds: how long to wait: a number of seconds, a `timedelta`, or a lazy result with such a value.

    Returns:
        A `LazyResult` whose value is the seconds that have really passed, a float.

    Raises:
        TypeError, ValueError: ``seconds`` is not a duration.

    >>> import cascade as cs
    >>> cs.run(cs.wait(0.01)) >= 0.01
    True
    """
    if type(seconds) is not LazyResult:
        nanoseconds(seconds, "seconds")
    return lazy_call(_wait, (seconds,))


def wait_until(instant):
    """Complete at an instant, or at once if that has come.

    Args:
        instant: seconds on the engine's clock, as `Clock.time` returns them; a `datetime` with a time zone, which is
            one of the calendar (a virtual clock counts the seconds since 1970); or a lazy result with such a value.

    Returns:
        A `LazyResult` whose value is the time at which it has completed, in seconds on the engine's clock, a float.

    Raises:
        TypeError, ValueError: ``instant`` is not an instant.

    >>> import cascade as cs
    >>> engine = cs.Engine(clock=cs.Clock.virtual(start=10.0))
    >>> cs.run([cs.wait_until(12), cs.wait_until(7)], engine=engine)
    [12.0, 10.0]
    """
    if type(instant) is not LazyResult:
        instant_of(instant, "instant", 0, True, 1.0)
    return lazy_call(_wait_until, (instant,))


def ticks(period, *, offset=0.0):
    """Complete at the next tick: one of the instants that are multiples of a period on the engine's clock.

    A loop that waits for `ticks` does not drift, however long its steps take. A tick that comes while a step is running
    is left out.

    Args:
        period: what is between two ticks: a number of seconds > 0, a `timedelta`, or a lazy result with such a value.
        offset: how much later than the multiples the ticks are, likewise, but >= 0.

    Returns:
        A `LazyResult` whose value is the instant of the tick, in seconds on the engine's clock, a float.

    Raises:
        TypeError, ValueError: ``period`` or ``offset`` is not a duration, or ``period`` is 0.

    >>> import cascade as cs
    >>> @cs.task(mode="inline")
    ... def poll(seen, tick, _work=None):
    ...     if len(seen) == 3:
    ...         return seen
    ...     return poll([*seen, tick], cs.ticks(5), cs.wait(2))
    >>> cs.run(poll([], 0.0), engine=cs.Engine(clock=cs.Clock.virtual()))
    [0.0, 5.0, 10.0]
    """
    if type(period) is not LazyResult:
        period_of(period, "period")
    if type(offset) is not LazyResult:
        nanoseconds(offset, "offset")
    return lazy_call(_ticks, (period, offset))


wait.__module__ = wait_until.__module__ = ticks.__module__ = "cascade"
