"""Outcomes: what became of an expression, as a value."""

from types import GenericAlias as _GenericAlias

cimport cython

from cascade._core.public cimport name_type

from cascade.exceptions import TaskSkippedError


@cython.final
cdef class Outcome:
    """Outcome(value=None, error=None, skipped=False)\n--\n
    What became of an expression: a value, a failure, or that it was skipped. Made by `cascade.outcome`.

    Attributes:
        ok: whether there is a value.
        value: the value. If there is none, reading it raises what `unwrap` raises.
        error: the exception of the failure; None if there was none.
        skipped: whether the expression was skipped.

    >>> import cascade as cs
    >>> @cs.task(mode="inline")
    ... def inverse(x):
    ...     return 1 / x
    >>> cs.run([cs.outcome(inverse(4)), cs.outcome(inverse(0))])
    [<Outcome, value 0.25>, <Outcome, failed: ZeroDivisionError('division by zero')>]
    """

    def __init__(self, value=None, error=None, skipped=False):
        if error is not None and not isinstance(error, BaseException):
            raise TypeError(f"error must be an exception or None, got `{type(error).__name__}`")
        if (value is not None) + (error is not None) + bool(skipped) > 1:
            raise TypeError("an outcome must be one of a value, an error and skipped, got more than one of them")
        self._value = value
        self.error = error
        self.skipped = skipped

    @property
    def ok(self):
        """Whether there is a value."""
        return self.error is None and not self.skipped

    @property
    def value(self):
        """The value. Raises what `unwrap` raises if there is none."""
        return self.unwrap()

    def unwrap(self):
        """Return the value.

        Raises:
            BaseException: the failure, as itself.
            TaskSkippedError: the expression was skipped.

        >>> import cascade as cs
        >>> cs.Outcome(5).unwrap()
        5
        """
        if self.error is not None:
            raise self.error
        if self.skipped:
            raise TaskSkippedError("the expression was skipped: its outcome has no value")
        return self._value

    def __eq__(self, other):
        if type(other) is not Outcome:
            return NotImplemented
        return (
            self.skipped == (<Outcome>other).skipped
            and self.error is (<Outcome>other).error
            and (self._value is (<Outcome>other)._value or self._value == (<Outcome>other)._value)
        )

    def __hash__(self):
        return hash((self._value, id(self.error), self.skipped))

    def __reduce__(self):
        return Outcome, (self._value, self.error, self.skipped)

    @classmethod
    def __class_getitem__(cls, item):
        return _GenericAlias(cls, item)

    def __repr__(self):
        if self.skipped:
            return "<Outcome, skipped>"
        return f"<Outcome, value {self._value!r}>" if self.error is None else f"<Outcome, failed: {self.error!r}>"


cdef Outcome of_value(object value):
    cdef Outcome made = Outcome.__new__(Outcome)
    made._value = value
    return made


cdef Outcome of_failure(object error):
    cdef Outcome made = Outcome.__new__(Outcome)
    made.error = error
    return made


cdef Outcome of_skip():
    cdef Outcome made = Outcome.__new__(Outcome)
    made.skipped = True
    return made


name_type(Outcome, b"cascade.Outcome")
