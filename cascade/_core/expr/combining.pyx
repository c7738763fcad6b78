"""Combining: the tasks of calls that only make one value of several, before any task of a user has seen them."""

from cascade._core.expr.data cimport Data
from cascade._core.expr.task cimport lazy_call, standard_task


# What these functions return is marked as data: it is made of values, none of which is examined again.
def value(x):
    """The function of the task that stands for a value or a container where a lazy result must be."""
    return Data(x)


def gather(*values):
    """The function of the task of `cascade.gather`."""
    return Data(values)


def sequence(*values):
    """The function of the task of `cascade.sequence`."""
    return Data([*values])


cdef Task value_task = standard_task(value, "cascade")
cdef Task _gather = standard_task(gather, "cascade")
cdef Task _sequence = standard_task(sequence, "cascade")


cdef bint combines(Task task) noexcept:
    return task is value_task or task is _gather or task is _sequence


def gather_call(tuple values not None):
    """Return the call that makes a tuple of its arguments."""
    return lazy_call(_gather, values)


def sequence_call(tuple values not None):
    """Return the call that makes a list of its arguments."""
    return lazy_call(_sequence, values)
