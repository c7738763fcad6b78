"""Data: a value that is not searched for lazy results, and is passed on as it is.

The marker never reaches a task: extraction keeps the value itself as the slot, and what a task returns is unwrapped
before anything takes it. Inside the engine the marker also says of a value that it is final: that it was searched
already, or is a lazy result which must not be evaluated.
"""

cimport cython
from cpython.ref cimport Py_INCREF

from cascade._core.public cimport name_type


@cython.final
@cython.freelist(32)
cdef class Data:
    """A value that `cascade.data` has marked."""

    def __init__(self, value):
        self.value = value

    def __repr__(self):
        return f"data({self.value!r})"

    def __reduce__(self):
        return data, (self.value,)


cdef PyObject* new_data(PyObject* value) except NULL:
    """A marked value: a new reference."""
    cdef Data made = Data.__new__(Data)
    made.value = <object>value
    Py_INCREF(made)
    return <PyObject*>made


def data(value):
    """Mark a value as data: it is not searched for lazy results, and is passed on as it is.

    Use it for an argument, an input of a map, a part of a container, a target, or what a task returns. A lazy result
    that is marked, or that is inside what is marked, is passed on as the `LazyResult` itself and is not evaluated.

    Args:
        value: any value.

    Returns:
        The marked value. A task that is given it gets ``value``.

    >>> import cascade as cs
    >>> @cs.task(mode="inline")
    ... def kind(x):
    ...     return type(x).__name__
    >>> cs.run([kind(kind(1)), kind(cs.data(kind(1)))])
    ['str', 'LazyResult']
    """
    return value if type(value) is Data else Data(value)


name_type(Data, b"cascade.data")
data.__module__ = "cascade"
