"""Where users find a compiled class, for tracebacks, pickles and `help`: `cascade._support.public` for the core."""

from cpython.object cimport PyTypeObject


cdef inline void name_type(type kind, const char* name) noexcept:
    """Name a class: module, dot, class. `name` is a literal, as the class points at it for ever."""
    (<PyTypeObject*>kind).tp_name = name
