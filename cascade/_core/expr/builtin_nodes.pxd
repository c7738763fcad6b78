"""Built-in nodes: those that the engine itself evaluates, and their values."""

from cascade._core.expr.lazy cimport LazyResult


cdef class Skip:
    cdef readonly object template  # that has the condition
    cdef readonly Py_ssize_t number  # of the condition, in the graph


cdef class Failed:
    cdef list errors  # in the order in which they were raised; the first one is why the rest was stopped
    cdef object group  # of them, once it was asked for; None: it was not
    cdef dict verdicts  # by number of a node, whether that catches the first error, or what its predicate raised; None

    cdef object error(self)


cdef class Placeholder:
    cdef readonly str name


cdef object skipped_member

cpdef LazyResult own_failure(object value)
