"""Policies: retry, timeout, cache, constraints. They are data: a template only has the role, not the policy."""

cimport cython

from importlib import import_module as _import_module

from cascade._core.expr.failure_types cimport check_called_at_once, check_types, matches, matches_in_part
from cascade._core.expr.operators cimport Operable
from cascade._core.public cimport check_self

from cascade._core.time.durations import as_seconds
from cascade.exceptions import PolicyError


cdef class Retry:
    """How often a failed call is made again, and after which delay. See `LazyResult.with_retry`."""

    def __init__(
        self, max_attempts=3, delay=0, backoff=2, max_delay=None, jitter=None, on=(Exception,), give_up_on=(),
        max_elapsed=None,
    ):
        if type(max_attempts) is not int or max_attempts < 1:
            raise PolicyError(f"max_attempts must be an int >= 1, got {max_attempts!r}{hint_if_lazy(max_attempts)}")
        self.max_attempts = min(max_attempts, 2**31)
        self.delay = check_called_at_once(delay, "delay") if callable(delay) else _span(delay, "delay")
        if isinstance(backoff, bool) or not isinstance(backoff, (int, float)) or not 1 <= backoff < float("inf"):
            raise PolicyError(f"backoff must be a number >= 1, got {backoff!r}{hint_if_lazy(backoff)}")
        self.backoff = min(backoff, 1e9)
        self.max_delay = None if max_delay is None else _span(max_delay, "max_delay")
        if jitter is not None and (type(jitter) is not str or jitter != "full"):
            raise PolicyError(f"jitter must be None or 'full', got {jitter!r}{hint_if_lazy(jitter)}")
        self.jitter = jitter
        self.on = failures_of(on, "on")
        self.give_up_on = failures_of(give_up_on, "give_up_on")
        self.max_elapsed = None if max_elapsed is None else _span(max_elapsed, "max_elapsed")

    def wants(self, error):
        """Return whether to retry after an error. Never after cancellation, nor after what ends the process.

        A predicate of the user is called, and may raise.
        """
        return issubclass(type(error), Exception) and matches(self.on, error) and not (
            matches_in_part(self.give_up_on, error)
        )

    def pause(self, attempt, error, random):
        """Return the seconds to wait after an attempt has failed.

        A function of the user is called, and may raise.

        Args:
            attempt: 1, 2, ...
            error: its exception.
            random: returns a number from 0 to 1, for jitter.
        """
        cdef double longest = float("inf") if self.max_delay is None else self.max_delay
        cdef double seconds
        if isinstance(self.delay, float):
            seconds = self.delay
            if seconds:
                try:
                    seconds *= self.backoff ** (attempt - 1)
                except OverflowError:
                    seconds = longest
        else:
            seconds = _span(self.delay(attempt, error), "delay")
        seconds = min(seconds, longest, 9e9)
        return seconds * random() if self.jitter is not None else seconds

    def __reduce__(self):
        arguments = (
            self.max_attempts, self.delay, self.backoff, self.max_delay, self.jitter, self.on, self.give_up_on,
            self.max_elapsed,
        )
        return _lazy_result()._policy, ("retry", *arguments)

    def __repr__(self):
        return f"<Retry, {self.max_attempts} attempts>"


cdef class Timeout:
    """How long a call may take. See `LazyResult.with_timeout`."""

    def __init__(self, seconds=None, total=None):
        if seconds is None and total is None:
            raise PolicyError("timeout must have `seconds` (for one attempt), `total` (for all), or both, got neither")
        self.seconds = None if seconds is None else _span(seconds, "seconds")
        self.total = None if total is None else _span(total, "total")

    def __reduce__(self):
        return _lazy_result()._policy, ("timeout", self.seconds, self.total)

    def __repr__(self):
        return f"<Timeout, {self.seconds} s an attempt, {self.total} s in total>"


cdef class ScopeCache:
    """The cache policy of a scope: its key is that of the whole expression."""

    def __init__(self, policy, expression):
        self.policy = policy
        self.expression = expression


cdef object _lazy_result():
    """The class `LazyResult`, which is public: pickles of policies name no private module."""
    return _import_module("cascade").LazyResult


cdef class Governable(Operable):
    """The methods that give a call policies. Each returns a new lazy result, another node; this one is unchanged.

    On a node that is not a call of a task, such as a map, they are policies of the whole: see `cascade.scope`.
    """

    @cython.binding(True)  # for its signature
    def with_retry(
        self, max_attempts=3, delay=0, backoff=2, max_delay=None, jitter=None, on=(Exception,), give_up_on=(),
        max_elapsed=None,
    ):
        """Retry the call if it fails. A retry policy that the call has already is replaced.

        Args:
            max_attempts: number of attempts at most, the first one included; an int >= 1.
            delay: seconds before the second attempt; or a function of the number of the attempt that has failed and
                its exception, which returns the seconds before the next one.
            backoff: factor of the delay from attempt to attempt; a number >= 1. Not of what a function returns.
            max_delay: seconds that the delay is at most; None: no bound.
            jitter: "full": wait for a random part of the delay, drawn from the engine's seeded source; None: for all
                of it.
            on: exception type or types after which to retry; or a function of the exception that returns whether to.
                Of an exception group, all members must be of these types, or the group itself.
            give_up_on: those after which not to retry, though they are among ``on``; likewise. Of a group, one member
                is enough.
            max_elapsed: seconds on the engine's clock, from the start of the call, after which no attempt starts;
                None: no bound.

        Returns:
            A new `LazyResult`.

        Raises:
            PolicyError: an argument has a wrong type or value.

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
        check_self(self, Governable)
        retry = Retry(max_attempts, delay, backoff, max_delay, jitter, on, give_up_on, max_elapsed)
        return self._with("retry", retry)

    def with_timeout(self, seconds=None, total=None):
        """Bound the duration of the call.

        Args:
            seconds: for one attempt; None: no bound.
            total: seconds for all attempts and the delays between them; None: no bound.

        Returns:
            A new `LazyResult`, which fails with `TaskTimeoutError` after that time.

        Raises:
            PolicyError: an argument is not a duration, both are None, or this is a call of a task of the mode "inline":
                it blocks the event loop, so it cannot be interrupted.

        >>> import cascade as cs, asyncio
        >>> @cs.task
        ... async def nap():
        ...     await asyncio.sleep(3600)
        >>> try:
        ...     cs.run(nap().with_timeout(0.01))
        ... except cs.TaskTimeoutError:
        ...     print("too slow")
        too slow
        """
        return self._with("timeout", Timeout(seconds, total))

    def with_cache(self, policy):
        """Make the call only if its result is not cached.

        Args:
            policy: a `cascade.CachePolicy`, such as `cascade.ResultCache`.

        Returns:
            A new `LazyResult`.

        Raises:
            PolicyError: ``policy`` is not a cache policy.
            CacheKeyError: the task closes over something that cannot be hashed reliably.
        """
        return self._with("cache", check_cache(policy))

    def with_constraints(self, *, priority=None, **amounts):
        """Make the call when these amounts of the engine's limits and rates are free.

        Args:
            priority: among the calls that wait: the higher, the earlier. A number, or a lazy result with that value;
                None: that of the rules that apply to the call, or 0.
            amounts: by the name of the limit or the rate: a number >= 0, or a lazy result with that value.

        Returns:
            A new `LazyResult`.

        Raises:
            PolicyError: an amount is not a number >= 0, or the priority is not a finite number.

        >>> import cascade as cs
        >>> @cs.task(mode="inline")
        ... def train(model):
        ...     return f"{model} trained"
        >>> engine = cs.Engine(limits={"gpu": 2, "tokens": "90_000/m"})
        >>> cs.run(train("a").with_constraints(gpu=1, tokens=1200, priority=5), engine=engine)
        'a trained'
        """
        if priority is not None:
            amounts["priority"] = priority
        return self._with("constraints", check_constraints(amounts))


def _span(seconds, what):
    """A duration given by a user, as a float of seconds."""
    try:
        return as_seconds(seconds, what)
    except (TypeError, ValueError) as error:
        raise PolicyError(f"{error}{hint_if_lazy(seconds)}") from None


cpdef str hint_if_lazy(object value):
    """What to write instead of a lazy result, for an error about something that no lazy result can be; "" otherwise."""
    if not isinstance(value, Operable):
        return ""
    return ", whose value is not known yet: let a task that is given the value make and return the call"


cdef object failures_of(object given, str what):
    """Which failures a policy means: `check_types`, with what to write instead of a lazy result."""
    try:
        return check_types(given, what)
    except PolicyError as error:
        if not isinstance(given, Operable):
            raise
        raise PolicyError(f"{error}{hint_if_lazy(given)}") from None


cdef dict check_constraints(dict amounts):
    """Refuse what cannot be an amount or a priority. A lazy result is checked when it has a value."""
    for name, amount in amounts.items():
        if name == "priority":
            check_priority(amount)
            continue
        if isinstance(amount, bool) or (isinstance(amount, (int, float)) and not 0 <= amount < float("inf")):
            raise PolicyError(f"amount of {name!r} must be a number >= 0, got {amount!r}")
        if isinstance(amount, (str, bytes, list, tuple, dict, set)) or amount is None:
            raise PolicyError(f"amount of {name!r} must be a number, got `{type(amount).__name__}`")
    return amounts


cdef int check_priority(object priority) except -1:
    """Refuse what cannot be a priority."""
    if isinstance(priority, (bool, str, bytes, list, tuple, dict, set)) or priority is None:
        raise PolicyError(f"priority must be a number, got `{type(priority).__name__}`")
    if isinstance(priority, float) and not -float("inf") < priority < float("inf"):
        raise PolicyError(f"priority must be a finite number, got {priority!r}")
    return 0


cdef object check_cache(object policy):
    """Refuse what cannot be a cache policy."""
    if isinstance(policy, type):
        raise PolicyError(f"policy must be a cache policy, got the class `{policy.__name__}`: make an instance of it")
    for method in ("key", "load", "save"):
        if not callable(getattr(policy, method, None)):
            text = f"policy must be a cache policy with a method `{method}`, got `{type(policy).__name__}`"
            raise PolicyError(f"{text}{hint_if_lazy(policy)}")
    return policy


cdef int check_policy(str role, object policy) except -1:
    """Refuse what is no policy of a role: a pickle may say anything."""
    cdef bint is_policy
    if role == "retry":
        is_policy = type(policy) is Retry
    elif role == "timeout":
        is_policy = type(policy) is Timeout
    elif role == "cache":
        is_policy = check_cache(policy) is policy
    elif role == "constraints":
        is_policy = type(policy) is dict and all([type(name) is str for name in policy])
        if is_policy:
            check_constraints(policy)
    else:
        raise PolicyError(f"role of a policy must be retry, timeout, cache or constraints, got {role!r}")
    if not is_policy:
        raise PolicyError(f"{role} policy must be made by with_{role}, got `{type(policy).__name__}`")
    return 0


cdef int check_cached(object policy, object task) except -1:
    """Let a cache policy refuse a task, such as one that it cannot make keys for."""
    check = getattr(policy, "check", None)
    if check is not None:
        check(task)
    return 0


cdef int check_timed(object task) except -1:
    """Refuse a timeout for a task that blocks the event loop while it runs: nothing could interrupt it."""
    if task.mode == "inline":
        raise PolicyError(
            f"timeout needs an interruptible task: {task.name} has mode='inline' and blocks the event loop; use "
            f"mode='thread', mode='process', or async def"
        )
    return 0
