"""Extraction: one traversal of an expression writes its structure key and collects its slots."""

from cpython.object cimport PyObject
from libc.stdint cimport uint32_t

from cascade._core.shape.containers cimport ContainerSearch, Step
from cascade._core.shape.key cimport CALL, LIMIT
from cascade._core.expr.lazy cimport LazyResult
from cascade._core.expr.symbol cimport CallShape


cdef class Extraction(ContainerSearch):
    cdef uint32_t nodes  # begun so far

    cdef int run(self, LazyResult target) except -1
    cdef int restart(self) except -1
    cdef bint finds_lazy_in(self, PyObject* value) except -1
    cdef bint finds_lazy(self, PyObject* container) except -1
    cdef int enter_root(self, LazyResult target) except -1
    cdef int walk(self) except -1
    cdef int walk_dict(self, Step* step) except -1
    cdef int visit(self, PyObject* value) except -1
    cdef int visit_other(self, PyObject* value, int op) except -1
    cdef int enter_container(self, PyObject* container, int op) except -1
    cdef int enter_struct(self, PyObject* struct) except -1
    cdef void leave(self, Step* step) noexcept
    cdef int refuse_size(self) except -1

    cdef inline int number(self) except -1:
        """Count a node that begins."""
        if self.nodes == LIMIT:
            self.refuse_size()
        self.nodes += 1
        return 0

    cdef inline int enter_lazy(self, LazyResult lazy) except -1:
        cdef Step* step
        self.reserve(1, 1)
        lazy.traversal = self.traversal
        lazy.node = self.nodes
        self.write((<CallShape>lazy.shape).id, CALL)
        self.keep(lazy.task)
        self.number()
        lazy.open = lazy.count > 0
        if lazy.open:
            step = self.push(<PyObject*>lazy, CALL)
            step.items = lazy.arguments
            step.size = lazy.count
        return 0
