"""Extraction: one traversal of an expression writes its structure key and collects its slots."""

from cpython.object cimport PyObject
from libc.stdint cimport uint32_t

from cascade._core.containers cimport ContainerSearch, Step
from cascade._core.lazy cimport LazyResult


cdef class Extraction(ContainerSearch):
    cdef uint32_t nodes  # begun so far

    cdef int run(self, LazyResult target) except -1
    cdef int walk(self) except -1
    cdef int walk_dict(self, Step* step) except -1
    cdef int visit(self, PyObject* value) except -1
    cdef int enter_lazy(self, LazyResult lazy) except -1
    cdef int enter_container(self, PyObject* container, int op) except -1
    cdef int enter_struct(self, PyObject* struct) except -1
    cdef void leave(self, Step* step) noexcept
    cdef int number(self) except -1
