"""Debug mode: where lazy results were written, and which of them were dropped."""

from cpython.object cimport PyObject


cdef bint active  # whether the mode is on

cdef PyObject* site() noexcept
cdef int tell(object task, PyObject* where) except -1
