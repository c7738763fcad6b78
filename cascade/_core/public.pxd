"""Where users find a compiled class, for tracebacks, pickles and `help`: `cascade._support.public` for the core."""

from cpython.object cimport PyTypeObject


cdef inline void name_type(type kind, const char* name) noexcept:
    """Name a class. `name` is a literal: the class points at it for ever. Its `__module__` is what is before the dot."""
    (<PyTypeObject*>kind).tp_name = name
