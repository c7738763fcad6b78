"""Which nodes of a frame are of use, and to what."""

from cascade._core.run.frame cimport Frame


cdef bint may_be_ready(Frame frame, list nodes) except -1
cdef list undemanded(Frame frame, list seeds)
cdef list reset_exclusive(Frame frame, Py_ssize_t at, long long first_call)
