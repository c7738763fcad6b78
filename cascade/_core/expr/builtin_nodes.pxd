"""Built-in nodes: those that the engine itself evaluates, and their values."""


cdef class Skip:
    cdef readonly object template  # that has the condition
    cdef readonly Py_ssize_t number  # of the condition, in the graph


cdef class Placeholder:
    cdef readonly str name


cdef object skipped_member
