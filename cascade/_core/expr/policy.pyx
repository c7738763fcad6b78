"""Policies: how a call is made that is made with care. They are data: a template only knows that a call has one."""

from cascade._core.expr.operators cimport Operable
from cascade._core.time.clock cimport nanoseconds

from cascade.exceptions import PolicyError


cdef class Retry:
    """How often a call is made again that has failed, and after what time. See `LazyResult.with_retry`."""

    def __init__(
        self, max_attempts=3, delay=0, backoff=2, max_delay=None, jitter=None, on=(Exception,), give_up_on=()
    ):
        if type(max_attempts) is not int or max_attempts < 1:
            raise PolicyError(f"expected max_attempts as an int of at least 1, got {max_attempts!r}")
        self.max_attempts = min(max_attempts, 2**31)
        self.delay = _span(delay, "delay")
        if isinstance(backoff, bool) or not isinstance(backoff, (int, float)) or not 1 <= backoff < float("inf"):
            raise PolicyError(f"expected backoff as a number of at least 1, got {backoff!r}")
        self.backoff = min(backoff, 1e9)
        self.max_delay = None if max_delay is None else _span(max_delay, "max_delay")
        if jitter is not None and (type(jitter) is not str or jitter != "full"):
            raise PolicyError(f"expected jitter 'full' or None, got {jitter!r}")
        self.jitter = jitter
        self.on = _exceptions(on, "on")
        self.give_up_on = _exceptions(give_up_on, "give_up_on")

    def wants(self, error):
        """Whether a failure is worth another attempt. Cancellation never is, nor is what ends the process."""
        kind = type(error)  # an exception may answer anything when it is asked for its class
        return issubclass(kind, self.on) and issubclass(kind, Exception) and not issubclass(kind, self.give_up_on)

    def pause(self, attempt, random):
        """Seconds to wait after so many attempts. ``random`` gives a number from 0 to 1, for the jitter."""
        cdef double longest = float("inf") if self.max_delay is None else self.max_delay
        cdef double seconds = self.delay
        if seconds:
            try:
                seconds *= self.backoff ** (attempt - 1)
            except OverflowError:
                seconds = longest
        seconds = min(seconds, longest, 9e9)
        return seconds * random() if self.jitter is not None else seconds

    def __repr__(self):
        return f"<Retry, {self.max_attempts} attempts>"


cdef class Timeout:
    """How long a call may take. See `LazyResult.with_timeout`."""

    def __init__(self, seconds=None, total=None):
        if seconds is None and total is None:
            raise PolicyError("expected a timeout for an attempt, in total, or both; got neither")
        self.seconds = None if seconds is None else _span(seconds, "seconds")
        self.total = None if total is None else _span(total, "total")

    def __repr__(self):
        return f"<Timeout, {self.seconds} s an attempt, {self.total} s in total>"


cdef class Governable(Operable):
    """What can be given policies. Each method leaves this as it is and gives a new lazy result: another node."""

    def with_retry(
        self, max_attempts=3, delay=0, backoff=2, max_delay=None, jitter=None, on=(Exception,), give_up_on=()
    ):
        """The same call, made again if it fails.

        Args:
            max_attempts: how often it is made at most, the first time included.
            delay: seconds before the second attempt.
            backoff: by which the delay grows from attempt to attempt.
            max_delay: seconds that it grows to at most; None: it grows on.
            jitter: "full": wait for a random part of the delay, drawn from the engine's seeded source; None: for all.
            on: exception types that are worth another attempt.
            give_up_on: those of them that are not.

        Returns:
            A new `LazyResult`.

        Raises:
            PolicyError: an argument is not what it should be, or this is no call of a task.

        >>> import cascade as cs
        >>> attempts = []
        >>> @cs.task(mode="inline")
        ... def flaky():
        ...     attempts.append("try")
        ...     if len(attempts) < 3:
        ...         raise OSError("not yet")
        ...     return "done"
        >>> cs.run(flaky().with_retry(max_attempts=3, on=OSError))
        'done'
        """
        return self._with("retry", Retry(max_attempts, delay, backoff, max_delay, jitter, on, give_up_on))

    def with_timeout(self, seconds=None, total=None):
        """The same call, given up after some time.

        Args:
            seconds: for one attempt.
            total: for all attempts and what is between them; None: as long as it takes.

        Returns:
            A new `LazyResult`, which fails with `TaskTimeoutError` if the time is over.

        Raises:
            PolicyError: an argument is not what it should be, this is no call of a task, or the task has the mode
                "inline": such a call holds the event loop and cannot be given up.
        """
        return self._with("timeout", Timeout(seconds, total))

    def with_cache(self, policy):
        """The same call, made only if its result is not known.

        Args:
            policy: a `cascade.CachePolicy`, such as `cascade.ResultCache`.

        Returns:
            A new `LazyResult`.

        Raises:
            PolicyError: ``policy`` is none, or this is no call of a task.
            CacheKeyError: the task closes over something that cannot be hashed soundly.
        """
        return self._with("cache", check_cache(policy))

    def with_constraints(self, **amounts):
        """The same call, made when the engine's limits have so much to spare.

        Args:
            amounts: of each limit, by name: a number or a lazy result giving one.

        Returns:
            A new `LazyResult`.

        Raises:
            PolicyError: an amount is no number from 0 on, or this is no call of a task.
        """
        return self._with("constraints", check_constraints(amounts))


def _span(seconds, what):
    """Seconds given by a user, as a float."""
    try:
        nanoseconds(seconds, what)
    except (TypeError, ValueError) as error:
        raise PolicyError(str(error)) from None
    return float(seconds)


def _exceptions(kinds, what):
    """Exception types given by a user, as a tuple."""
    given = kinds if isinstance(kinds, (tuple, list)) else (kinds,)
    for kind in given:
        if not isinstance(kind, type) or not issubclass(kind, BaseException):
            shown = kind.__name__ if isinstance(kind, type) else repr(kind)
            raise PolicyError(f"expected exception types in {what}, got {shown}")
    return tuple(given)


cdef dict check_constraints(dict amounts):
    """Refuse what cannot be an amount of a limit, as far as it is known now."""
    for name, amount in amounts.items():
        if isinstance(amount, bool) or (isinstance(amount, (int, float)) and not 0 <= amount < float("inf")):
            raise PolicyError(f"expected an amount of {name!r} as a number from 0 on, got {amount!r}")
        if isinstance(amount, (str, bytes, list, tuple, dict, set)) or amount is None:
            raise PolicyError(f"expected an amount of {name!r} as a number, got `{type(amount).__name__}`")
    return amounts


cdef object check_cache(object policy):
    """Refuse what cannot be a cache policy."""
    if isinstance(policy, type):
        raise PolicyError(f"expected a cache policy, got the class `{policy.__name__}`")
    for method in ("key", "load", "save"):
        if not callable(getattr(policy, method, None)):
            raise PolicyError(f"expected a cache policy with a method `{method}`, got `{type(policy).__name__}`")
    return policy


cdef int check_cached(object policy, object task) except -1:
    """Have a cache policy refuse a task whose calls it could never tell apart."""
    check = getattr(policy, "check", None)
    if check is not None:
        check(task)
    return 0


cdef int check_timed(object task) except -1:
    """Refuse a timeout for a task that is to hold the event loop while it runs: nobody could give it up."""
    if task.mode == "inline":
        raise PolicyError(
            f"expected a task that can be given up for a timeout, got {task.name} of mode 'inline', which holds the "
            f"event loop until it returns; give it another mode"
        )
    return 0
