"""The template table: templates by structure key."""

from libc.stdint cimport int64_t, uint64_t

from cascade._core.shape.extract cimport Extraction
from cascade._core.shape.template cimport Template


cdef class TemplateTable:
    cdef list buckets  # Template or None, each the head of a chain
    cdef Py_ssize_t mask
    cdef readonly Py_ssize_t entries
    cdef readonly int64_t size  # bytes, approximately
    cdef readonly Py_ssize_t max_entries
    cdef readonly int64_t max_bytes
    cdef uint64_t clock  # counts look-ups
    cdef readonly int64_t hits
    cdef readonly int64_t misses
    cdef readonly int64_t evictions
    cdef tuple structs  # types that the graphs of `make` are made of

    cdef Template get(self, Extraction extraction)
    cdef Template find(self, Extraction extraction, uint64_t hash)
    cdef tuple publish(self, Template template)
    cdef int widen(self) except -1
    cdef list evict(self, Template wanted)
    cdef bint remove(self, Template template) noexcept

    cdef inline void hit(self, Template template) noexcept:
        self.hits += 1
        self.clock += 1
        template.used = self.clock
